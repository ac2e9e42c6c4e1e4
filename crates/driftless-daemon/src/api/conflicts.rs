//! `conflict.list` and `conflict.show`: paths that a person has to choose for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use driftless_control::api::{Conflict, ConflictHead, ConflictList, ConflictPage, EntryKind};
use driftless_core::index::Flag;
use driftless_core::path::PRIVATE_DIR;
use driftless_core::{
    BlockHash, Content, DeviceId, Entry, FileRecord, FolderId, Head, Index, RelPath, Slot,
};
use driftless_engine::LocalSource;

use super::failure::{not_found, usage};
use super::{Outcome, ask, blocking, find_folder, page_size, texts};
use crate::config::FolderConfig;
use crate::folder::Phase;
use crate::hub::Hub;
use crate::views::conflict_id;

/// How many conflicts are looked at in one go when one is looked for.
const PAGE: usize = 1024;

pub(super) async fn list(hub: &Arc<Hub>, request: &ConflictList) -> Outcome<ConflictPage> {
    let limit = page_size(request.limit);
    let after = request.after.as_deref().map(parse_cursor).transpose()?;
    let folders = match &request.folder {
        Some(folder) => vec![find_folder(hub, folder)?],
        None => open_folders(hub),
    };
    let mut page = ConflictPage::default();
    for folder in folders {
        let from = match &after {
            Some((id, _)) if folder.id < *id => continue,
            Some((id, path)) if folder.id == *id => Some(path.clone()),
            _ => None,
        };
        // One more than there is room for tells whether another page follows.
        let room = limit - page.conflicts.len();
        let found = flagged(hub, &folder, from, room + 1).await?;
        for (path, entry) in found {
            if page.conflicts.len() == limit {
                let last = page.conflicts.last();
                page.next = last.map(|last| format!("{}/{}", last.folder, last.path));
                return Ok(page);
            }
            let makers = makers(hub, &folder.id, &path, &entry).await?;
            page.conflicts.push(view(hub, &folder, &path, (&entry, &makers)));
        }
    }
    Ok(page)
}

fn parse_cursor(text: &str) -> Outcome<(FolderId, RelPath)> {
    let parts = text.split_once('/');
    let parsed =
        parts.and_then(|(id, path)| Some((FolderId::parse(id).ok()?, RelPath::parse(path).ok()?)));
    parsed.ok_or_else(|| usage(format!("{text:?} is no place in the list of conflicts")))
}

/// The folders that can be asked, by ID.
pub(super) fn open_folders(hub: &Hub) -> Vec<FolderConfig> {
    let mut folders = hub.settings().folders.clone();
    folders.retain(|folder| {
        hub.folder(&folder.id)
            .is_some_and(|(_, view)| matches!(view.borrow().phase, Phase::Open(_)))
    });
    folders.sort_by(|a, b| a.id.cmp(&b.id));
    folders
}

async fn flagged(
    hub: &Hub,
    folder: &FolderConfig,
    after: Option<RelPath>,
    limit: usize,
) -> Outcome<Vec<(RelPath, Entry)>> {
    ask(hub, folder, move |asked| {
        asked.engine.index().flagged(Flag::Conflict, after.as_ref(), limit)
    })
    .await
}

/// The paths of a folder that have a conflict, in order.
pub(super) async fn open_paths(hub: &Hub, folder: &FolderConfig) -> Outcome<Vec<RelPath>> {
    let mut paths: Vec<RelPath> = Vec::new();
    loop {
        let page = flagged(hub, folder, paths.last().cloned(), PAGE).await?;
        if page.is_empty() {
            return Ok(paths);
        }
        paths.extend(page.into_iter().map(|(path, _)| path));
    }
}

/// The conflict with this ID.
pub(super) async fn find(hub: &Hub, id: &str) -> Outcome<(FolderConfig, RelPath, Entry)> {
    let ids = [id.to_owned()];
    if let Some(found) = find_all(hub, &ids).await?.remove(id) {
        return Ok(found);
    }
    let message = format!("no conflict is called {id:?}; it may be settled already");
    Err(not_found(message).with_hint("`driftless conflict list` says what is open"))
}

/// Those of these conflicts that are open, by their IDs. Looks through all open ones once.
pub(super) async fn find_all(
    hub: &Hub,
    ids: &[String],
) -> Outcome<BTreeMap<String, (FolderConfig, RelPath, Entry)>> {
    let wanted: BTreeSet<&String> = ids.iter().collect();
    let mut all = BTreeMap::new();
    for folder in open_folders(hub) {
        let mut after = None;
        while all.len() < wanted.len() {
            let page = flagged(hub, &folder, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (path, entry) in page {
                let id = conflict_id(&folder.id, &path);
                if wanted.contains(&id) {
                    all.insert(id, (folder.clone(), path, entry));
                }
            }
        }
    }
    Ok(all)
}

pub(super) async fn show(hub: &Arc<Hub>, id: &str) -> Outcome<Conflict> {
    let (folder, path, entry) = find(hub, id).await?;
    let makers = makers(hub, &folder.id, &path, &entry).await?;
    let mut conflict = view(hub, &folder, &path, (&entry, &makers));
    conflict.base = texts::base(hub, (&folder, &path), &entry).await?;
    let contents: Vec<_> =
        entry.heads.iter().map(|head| head.record.content.file().map(|(id, _)| id)).collect();
    let at = path.clone();
    let places = ask(hub, &folder, move |asked| {
        let place = |content| asked.engine.locate(&at, content);
        contents
            .into_iter()
            .map(|content| content.map_or(Ok(None), place))
            .collect::<Result<Vec<_>, _>>()
    })
    .await?;
    for (head, place) in conflict.heads.iter_mut().zip(places) {
        let place = place.map(|place| match place {
            LocalSource::Path { path, .. } => folder.path.join(path.as_str()),
            LocalSource::Stored(content) => {
                folder.path.join(PRIVATE_DIR).join("heads").join(content.to_string())
            }
        });
        // What is no file is wholly in the tree, if it is shown.
        let place = place.or_else(|| {
            (head.shown && head.content_here && head.kind != EntryKind::File)
                .then(|| folder.path.join(path.as_str()))
        });
        head.content_path = place.map(|place| place.display().to_string());
    }
    Ok(conflict)
}

/// Who made each of the heads. What was brought back is counted by the device
/// that did that, so that it is told whose it was, as far as that is remembered.
pub(super) async fn makers(
    hub: &Arc<Hub>,
    folder: &FolderId,
    path: &RelPath,
    entry: &Entry,
) -> Outcome<Vec<DeviceId>> {
    let records: Vec<_> = entry.heads.iter().map(|head| &head.record).collect();
    let mut makers: Vec<_> = records.iter().map(|record| record.device).collect();
    let is_several = |device: &DeviceId| makers.iter().filter(|maker| *maker == device).count() > 1;
    if !makers.iter().any(is_several) {
        return Ok(makers);
    }
    let (activity, id) = (Arc::clone(&hub.activity), conflict_id(folder, path));
    let Some(decided) = blocking(move || Ok(activity.decision(&id))).await? else {
        return Ok(makers);
    };
    for (maker, record) in makers.iter_mut().zip(records) {
        let known = decided.maker_of(Some(record.content.clone()));
        *maker = known.and_then(|device| device.parse().ok()).unwrap_or(*maker);
    }
    Ok(makers)
}

fn view(
    hub: &Hub,
    folder: &FolderConfig,
    path: &RelPath,
    (entry, makers): (&Entry, &[DeviceId]),
) -> Conflict {
    let heads = entry.heads.iter().zip(makers).enumerate();
    Conflict {
        id: conflict_id(&folder.id, path),
        folder: folder.id.to_string(),
        folder_label: folder.label.clone(),
        path: path.to_string(),
        opened_at_ms: None,
        heads: heads
            .map(|(place, (head, maker))| head_view(hub, head, maker, place == 0))
            .collect(),
        base: None,
    }
}

fn head_view(hub: &Hub, head: &Head, maker: &DeviceId, shown: bool) -> ConflictHead {
    let record = &head.record;
    let deleted = record.content.is_tombstone();
    ConflictHead {
        device: maker.to_string(),
        device_name: hub.name_of(maker),
        kind: kind_of(&record.content),
        size: record.content.size_bytes(),
        mtime_ms: match record.content {
            Content::File { mtime_ns, .. } => u64::try_from(mtime_ns / 1_000_000).unwrap_or(0),
            _ => record.changed_ms,
        },
        shown,
        deleted,
        content_here: !deleted && head.holders.contains(Slot::ME),
        content_path: None,
        version: version_word(record),
    }
}

pub(super) fn kind_of(content: &Content) -> EntryKind {
    match content {
        Content::Directory { .. } => EntryKind::Directory,
        Content::Symlink { .. } => EntryKind::Symlink,
        Content::File { .. } | Content::Tombstone { .. } => EntryKind::File,
    }
}

/// A word that tells one version of a path from another, also where a device
/// that lies claims one version for two contents.
pub(super) fn version_word(record: &FileRecord) -> String {
    let counters = record.version.counters().iter();
    let counted =
        counters.flat_map(|(author, count)| [author.0.to_be_bytes(), count.to_be_bytes()]);
    let held: &[u8] = match &record.content {
        Content::File { content, .. } => content.as_bytes(),
        Content::Symlink { target } => target.as_bytes(),
        Content::Directory { .. } => b"/",
        Content::Tombstone { .. } => b"",
    };
    let bytes: Vec<u8> = counted.flatten().chain(held.iter().copied()).collect();
    format!("{:016x}", BlockHash::of(&bytes).prefix())
}

#[cfg(test)]
mod tests {
    use super::parse_cursor;

    #[test]
    fn a_place_in_the_list_is_a_folder_and_a_path() {
        let (folder, path) = parse_cursor("photos/2026/a b.jpg").unwrap();
        assert_eq!((folder.as_str(), path.as_str()), ("photos", "2026/a b.jpg"));
        for bad in ["", "photos", "photos/", "/a", "photos/../x"] {
            assert!(parse_cursor(bad).is_err(), "{bad:?}");
        }
    }
}
