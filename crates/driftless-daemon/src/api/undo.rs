//! `conflict.undo`: taking back how a conflict was decided.
//!
//! The sides are brought back as heads that supersede the decision, which opens
//! the conflict again on every device ([`driftless_core::diff::Writer::reopen`]).
//! Their contents are where the decision has put them: in the tree, in the store
//! of heads or in history. They are staged from there before anything is written;
//! what a crash takes of them is as if it had not been taken back.

use std::sync::Arc;
use std::time::Duration;

use driftless_control::ApiError;
use driftless_control::api::{ConflictUndo, Undone};
use driftless_core::{BlockList, Content, ContentId, Entry, Index, Level, RelPath};
use driftless_engine::{Input, Reopen, Side};
use driftless_fs::{LocalPlace, Root, StageError};
use tokio::time::{Instant, sleep, timeout};

use super::failure::{because, failed, not_found, refused};
use super::{Outcome, ask, blocking, running};
use crate::activity::Decided;
use crate::config::{FolderConfig, FolderMode};
use crate::hub::Hub;

/// How long the tree may take to follow what came before, and what is undone.
const SETTLING: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How many files of the tree with one content are tried.
const PLACES: usize = 4;

/// How many versions in history are read to find one.
const VERSIONS: usize = 64;

pub(super) async fn undo(hub: &Arc<Hub>, request: &ConflictUndo) -> Outcome<Undone> {
    let mut undone = Undone::default();
    for id in &request.ids {
        match reopen(hub, id).await {
            Ok(path) => undone.paths.push(path.to_string()),
            Err(error) if undone.paths.is_empty() => return Err(error),
            Err(error) => {
                let count = undone.paths.len();
                let message = format!("{} ({count} before it are undone)", error.message);
                return Err(ApiError { message, ..error });
            }
        }
    }
    Ok(undone)
}

async fn reopen(hub: &Arc<Hub>, id: &str) -> Outcome<RelPath> {
    let (activity, conflict) = (Arc::clone(&hub.activity), id.to_owned());
    let decided = blocking(move || Ok(activity.decision(&conflict))).await?;
    let (decided, path) = decided
        .and_then(|decided| RelPath::parse(&decided.path).ok().map(|path| (decided, path)))
        .ok_or_else(|| {
            not_found(format!("how conflict {id:?} was decided is not remembered"))
                .with_hint("`driftless history search` finds versions that lost")
        })?;
    let settings = hub.settings();
    let folder = settings.folders.iter().find(|folder| folder.id.as_str() == decided.folder);
    let folder =
        folder.ok_or_else(|| not_found(format!("the folder of {path} is not synced any more")))?;
    if folder.mode == FolderMode::SendOnly {
        return Err(refused(format!("folder {} only sends", folder.label))
            .with_hint("put the version back with `driftless history restore`"));
    }
    let unread = || failed(format!("what was remembered of {path} cannot be read"));
    let settled = decided.by.content().ok_or_else(unread)?;
    let contents: Option<Vec<Content>> = decided.sides.iter().map(|side| side.content()).collect();
    let contents = contents.filter(|contents| contents.len() > 1).ok_or_else(unread)?;
    wait_until_settled(hub, folder, &path, &settled).await?;
    let mut sides = Vec::with_capacity(contents.len());
    for (content, version) in contents.into_iter().zip(&decided.sides) {
        let blocks = match at_hand(hub, folder, &path, &content).await? {
            Some(blocks) => blocks,
            None => {
                let name = version.device.parse().map(|device| hub.name_of(&device));
                let whose = name.map(|name| format!("{name}'s version")).unwrap_or_default();
                return Err(refused(format!("{whose} of {path} is not in history any more")));
            }
        };
        sides.push(Side { content, blocks });
    }
    let beside = decided.beside();
    let reopen = Reopen { path: path.clone(), settled, sides, beside };
    ask(hub, folder, move |asked| {
        asked.inputs.push(Input::Reopen(Box::new(reopen)));
        Ok(())
    })
    .await?;
    wait_until_open(hub, folder, &path, &decided).await?;
    Ok(path)
}

async fn entry_of(hub: &Hub, folder: &FolderConfig, path: &RelPath) -> Outcome<Entry> {
    let at = path.clone();
    Ok(ask(hub, folder, move |asked| asked.engine.index().get(&at)).await?.unwrap_or_default())
}

/// Lets a moment pass, or the folder change.
async fn pause(hub: &Hub, folder: &FolderConfig) -> Outcome<()> {
    let (_, mut view) = running(hub, folder)?;
    view.borrow_and_update();
    let changed = async {
        if view.changed().await.is_err() {
            sleep(LOOK_AGAIN).await;
        }
    };
    let _ = timeout(LOOK_AGAIN, changed).await;
    Ok(())
}

/// Waits until the tree is done with the decision. Refused where
/// the path is not as that left it.
async fn wait_until_settled(
    hub: &Hub,
    folder: &FolderConfig,
    path: &RelPath,
    settled: &Content,
) -> Outcome<()> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let entry = entry_of(hub, folder, path).await?;
        if entry.heads.is_conflict() {
            return Err(refused(format!("the conflict about {path} is open")));
        }
        let is_as_settled = entry.shown().is_some_and(|now| now.content.is_same_data(settled));
        if !is_as_settled || entry.is_local() || entry.ignored {
            return Err(refused(format!(
                "{path} was changed since it was decided, and stays as it is"
            ))
            .with_hint(format!("driftless history list {} {path}", folder.id)));
        }
        if !entry.is_needed() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(failed(format!("what was decided about {path} is still on its way here"))
                .with_hint("try again in a moment"));
        }
        pause(hub, folder).await?;
    }
}

/// Waits until the conflict is open again.
async fn wait_until_open(
    hub: &Hub,
    folder: &FolderConfig,
    path: &RelPath,
    decided: &Decided,
) -> Outcome<()> {
    let deadline = Instant::now() + SETTLING;
    loop {
        let entry = entry_of(hub, folder, path).await?;
        let is_open = entry.heads.is_conflict();
        if is_open && !entry.is_needed() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let sides = decided.sides.len();
            return match is_open {
                // Written; the tree follows in its time.
                true => Ok(()),
                false => {
                    Err(failed(format!("the {sides} versions of {path} cannot be brought back"))
                        .with_hint("it may have changed meanwhile; look at it again"))
                }
            };
        }
        pause(hub, folder).await?;
    }
}

/// Sees to it that what a version holds is at hand for the path; nothing where it
/// is nowhere on this device any more.
async fn at_hand(
    hub: &Hub,
    folder: &FolderConfig,
    path: &RelPath,
    content: &Content,
) -> Outcome<Option<BlockList>> {
    let &Content::File { content, size_bytes, level, .. } = content else {
        return Ok(Some(BlockList::default()));
    };
    let at = path.clone();
    let (root, places) = ask(hub, folder, move |asked| {
        let index = asked.engine.index();
        let mut places = Vec::new();
        for path in index.paths_with(content, PLACES)?.into_iter().chain([at]) {
            let stat = index.get(&path)?.and_then(|entry| entry.present().map(|disk| disk.stat));
            let place = stat.map(|stat| LocalPlace::Path(path, stat));
            places.extend(place);
        }
        Ok((asked.root.clone(), places))
    })
    .await?;
    let path = path.clone();
    blocking(move || find(&root, &path, places, (content, size_bytes, level))).await
}

/// Stages a content from where it is found first. History comes last, because
/// that is where it goes from elsewhere.
fn find(
    root: &Root,
    path: &RelPath,
    places: Vec<LocalPlace>,
    (content, size_bytes, level): (ContentId, u64, Level),
) -> Outcome<Option<BlockList>> {
    let untaken = |error: StageError| because("a version cannot be brought back", &error);
    for place in places.into_iter().chain([LocalPlace::Head(content)]) {
        if let LocalPlace::Path(_, stat) = &place
            && stat.size_bytes != size_bytes
        {
            continue;
        }
        let copied = driftless_fs::staging::stage_copy(root, &place, content, level);
        if let Some(blocks) = copied.map_err(untaken)? {
            return Ok(Some(blocks));
        }
    }
    let versions = driftless_fs::history::list(root, Some(path))
        .map_err(|error| because("history cannot be listed", &error))?;
    let alike = versions.into_iter().filter(|version| version.path == *path);
    for version in alike.filter(|version| version.size_bytes == size_bytes).take(VERSIONS) {
        let place = LocalPlace::History(version.id);
        let copied = driftless_fs::staging::stage_copy(root, &place, content, level);
        if let Some(blocks) = copied.map_err(untaken)? {
            return Ok(Some(blocks));
        }
    }
    Ok(None)
}
