//! `conflict.resolve`: settling a conflict on every device.
//!
//! What a choice means is the engine's to decide; this finds out which one is
//! meant (`which`), stages what a person brings (`bring`), hands the choice over
//! with the versions that it was made among, and waits for the tree to follow.
//! `conflict.foresee` asks the same without doing it ([`super::foresee`]).

pub(super) mod bring;
mod which;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless_control::api::{ConflictResolve, Resolution, Resolved};
use driftless_core::{Content, DeviceId, Entry, Head, Index, RelPath, Slot};
use driftless_engine::{Choice, Input, Resolve};
use tokio::time::{Instant, sleep, timeout};

use super::failure::{failed, refused};
use super::past::Past;
use super::{Outcome, ask, blocking, conflicts, running};
use crate::activity::Decided;
use crate::config::FolderConfig;
use crate::hub::Hub;

/// How long the tree may take to follow before that is left to itself, and how
/// long what a person brought may take to be durable.
const SETTLING: Duration = Duration::from_secs(5);
const KEEPING: Duration = Duration::from_secs(120);
/// How many paths of a directory are looked at in one go.
const PAGE: usize = 256;
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How often what a person brought is staged again if it got lost on its way.
const TRIES: u32 = 3;

/// A conflict that is open, as it was found.
pub(super) struct Open {
    pub(super) folder: FolderConfig,
    pub(super) path: RelPath,
    pub(super) entry: Entry,
}

pub(super) async fn resolve(hub: &Arc<Hub>, request: &ConflictResolve) -> Outcome<Resolved> {
    let (folder, path, entry) = conflicts::find(hub, &request.id).await?;
    let open = Open { folder, path, entry };
    if let Some(seen) = &request.seen {
        check_seen(&open, seen)?;
    }
    for _ in 0..TRIES {
        let choice = chosen(hub, &open, &request.resolution).await?;
        let beside = hand_over(hub, &open, choice).await?;
        if !settle(hub, &open).await? {
            continue;
        }
        if !beside.is_empty() {
            remember_beside(hub, &request.id, &beside).await?;
        }
        let (folder, path) = (open.folder.id.to_string(), open.path.to_string());
        return Ok(Resolved { folder, path, beside });
    }
    let path = open.path.clone();
    let why = ask(hub, &open.folder, move |asked| {
        Ok(asked.engine.problem_at(path.as_str()).map(|problem| problem.message.clone()))
    })
    .await?;
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Err(failed(format!("the conflict about {} is still open{why}", open.path))
        .with_hint("look at it again: it may have changed meanwhile"))
}

/// Refused where the versions are others by now than those that a person saw.
fn check_seen(open: &Open, seen: &[String]) -> Outcome<()> {
    let words = open.entry.heads.iter().map(|head| conflicts::version_word(&head.record));
    let is_same =
        seen.len() == open.entry.heads.len() && words.into_iter().all(|word| seen.contains(&word));
    if is_same { Ok(()) } else { Err(changed(&open.path)) }
}

fn changed(path: &RelPath) -> driftless_control::ApiError {
    refused(format!("the versions of {path} are others by now, and it stays in conflict"))
        .with_hint("look at it again, then decide")
}

/// What is chosen, with everything at hand that the engine needs for it.
async fn chosen(hub: &Arc<Hub>, open: &Open, resolution: &Resolution) -> Outcome<Choice> {
    let entry = &open.entry;
    if let Some(choice) = among(hub, open, resolution).await? {
        return Ok(choice);
    }
    let past = Past::of(hub, &open.folder).await?;
    let (path, mode) = (open.path.clone(), mode_of(entry));
    let resolution = resolution.clone();
    blocking(move || match resolution {
        Resolution::WithFile { path } => bring::file(&past.root, &PathBuf::from(path), mode),
        Resolution::Text { text } => bring::text(&past.root, &text, mode),
        Resolution::History { version } => {
            bring::version(&past, &bring::find_version(&past, &path, &version)?)
        }
        Resolution::Device { .. } | Resolution::Version { .. } | Resolution::Both => {
            unreachable!("those are among the versions that there are")
        }
    })
    .await
}

/// What is chosen among the versions that there are; nothing where a person
/// brings what to keep. Refused where it cannot be kept.
pub(super) async fn among(
    hub: &Arc<Hub>,
    open: &Open,
    resolution: &Resolution,
) -> Outcome<Option<Choice>> {
    let entry = &open.entry;
    let choice = match resolution {
        Resolution::Device { device } => {
            let makers = conflicts::makers(hub, &open.folder.id, &open.path, entry).await?;
            which::made_by(hub, entry, &makers, device)?
        }
        Resolution::Version { version } => which::version_of(entry, version)?,
        Resolution::Both => Choice::Both,
        Resolution::Text { text } if text.len() > bring::TEXT_BYTES => {
            return Err(refused("the text is larger than a mebibyte")
                .with_hint("save it to a file, and keep that with --with"));
        }
        Resolution::Text { .. } | Resolution::History { .. } | Resolution::WithFile { .. } => {
            check_room(hub, open).await?;
            return Ok(None);
        }
    };
    let keeps_directory = match &choice {
        Choice::Head(record) => matches!(record.content, Content::Directory { .. }),
        other => *other == Choice::Both,
    };
    if !keeps_directory {
        check_room(hub, open).await?;
    }
    if !is_at_hand(entry, &choice) {
        let message = format!("a version of {} has not arrived here yet", open.path);
        return Err(refused(message).with_hint("decide once it is here"));
    }
    Ok(Some(choice))
}

/// Refused where a directory that holds files has the name: they would bring it
/// back, and nobody has chosen to do without them.
async fn check_room(hub: &Hub, open: &Open) -> Outcome<()> {
    let is_directory = |head: &Head| matches!(head.record.content, Content::Directory { .. });
    if !open.entry.heads.iter().any(is_directory) {
        return Ok(());
    }
    let within = open.path.clone();
    let is_used = ask(hub, &open.folder, move |asked| {
        let mut after = within.clone();
        loop {
            let page = asked.engine.index().range(Some(&within), Some(&after), PAGE)?;
            let is_live =
                |entry: &Entry| entry.shown().is_some_and(|shown| !shown.content.is_tombstone());
            match page.last() {
                None => return Ok(false),
                Some(_) if page.iter().any(|(_, entry)| is_live(entry)) => return Ok(true),
                Some((last, _)) => after = last.clone(),
            }
        }
    })
    .await?;
    if is_used {
        return Err(refused(format!("{} is also a directory that holds files", open.path))
            .with_hint(
                "keep both: the other gets a name beside it; or empty the directory first",
            ));
    }
    Ok(())
}

/// Whether this device holds what a choice keeps, without which the engine does nothing.
fn is_at_hand(entry: &Entry, choice: &Choice) -> bool {
    let is_kept = |head: &Head| match choice {
        Choice::Shown => entry.shown() == Some(&head.record),
        Choice::Device(device) => head.record.device == *device,
        Choice::Head(record) => head.record == **record,
        Choice::Both => !head.record.content.is_tombstone(),
        Choice::With { .. } => false,
    };
    entry.heads.iter().all(|head| !is_kept(head) || head.holders.contains(Slot::ME))
}

/// The permissions that a file from elsewhere gets: those that the path has.
fn mode_of(entry: &Entry) -> Option<u16> {
    match entry.shown()?.content {
        Content::File { mode, .. } => Some(mode),
        _ => None,
    }
}

/// Hands a choice to the engine; returns the names that it keeps others under.
async fn hand_over(hub: &Hub, open: &Open, choice: Choice) -> Outcome<Vec<String>> {
    let heads = open.entry.heads.iter();
    let seen = Some(heads.map(|head| head.record.version.clone()).collect());
    let (path, keeps_both) = (open.path.clone(), choice == Choice::Both);
    let entry = open.entry.clone();
    ask(hub, &open.folder, move |asked| {
        // The choice is handled right after this, so that the names are those.
        let names = match keeps_both {
            true => asked.engine.names_beside(&path, &entry)?,
            false => Default::default(),
        };
        let resolve = Resolve { path, choice, seen, by_policy: false };
        asked.inputs.push(Input::Resolve(Box::new(resolve)));
        Ok(names.into_keys().map(|name| name.to_string()).collect())
    })
    .await
}

/// Remembers which names keeping both made, for taking that back.
async fn remember_beside(hub: &Arc<Hub>, id: &str, made: &[String]) -> Outcome<()> {
    let (activity, id, made) = (Arc::clone(&hub.activity), id.to_owned(), made.to_vec());
    blocking(move || {
        if let Some(decided) = activity.decision(&id) {
            activity.decided(id, Decided { beside: made, ..decided });
        }
        Ok(())
    })
    .await
}

/// Waits until the conflict is over and the tree shows it, within bounds.
/// Returns whether it is over; not if what was brought did not get to where it
/// is kept.
async fn settle(hub: &Hub, open: &Open) -> Outcome<bool> {
    let handed_over = Instant::now();
    let (_, mut view) = running(hub, &open.folder)?;
    loop {
        view.borrow_and_update();
        let path = open.path.clone();
        let (entry, is_choosing) = ask(hub, &open.folder, move |asked| {
            Ok((asked.engine.index().get(&path)?, asked.engine.is_choosing(&path)))
        })
        .await?;
        let entry = entry.unwrap_or_default();
        if !entry.heads.is_conflict() {
            // Decided; content that is on its way arrives in its time.
            if !entry.is_needed() || handed_over.elapsed() >= SETTLING {
                return Ok(true);
            }
        } else if !is_choosing {
            let is_as_found = entry.heads.iter().zip(open.entry.heads.iter());
            let is_as_found = entry.heads.len() == open.entry.heads.len()
                && is_as_found.into_iter().all(|(now, then)| now.record == then.record);
            return if is_as_found { Ok(false) } else { Err(changed(&open.path)) };
        } else if handed_over.elapsed() >= KEEPING {
            return Err(failed(format!("what is to become of {} takes its time", open.path))
                .with_hint("look again in a moment"));
        }
        let changed = async {
            if view.changed().await.is_err() {
                sleep(LOOK_AGAIN).await;
            }
        };
        let _ = timeout(LOOK_AGAIN, changed).await;
    }
}

/// Who made the versions, in the order of the heads.
pub(super) async fn makers(hub: &Arc<Hub>, open: &Open) -> Outcome<Vec<DeviceId>> {
    conflicts::makers(hub, &open.folder.id, &open.path, &open.entry).await
}
