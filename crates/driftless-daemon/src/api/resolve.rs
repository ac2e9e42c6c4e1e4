//! `conflict.resolve`: settling a conflict on every device.
//!
//! What a choice means is the engine's to decide; this finds out which one is
//! meant, brings a file from elsewhere into the folder's store, and waits for
//! the tree to follow.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use driftless_control::api::{ConflictResolve, Resolution, Resolved};
use driftless_control::{ApiError, ErrorCode};
use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::record::MODE_MASK;
use driftless_core::{
    Block, BlockHash, BlockList, Content, ContentId, DeviceId, Entry, FileRecord, Head, Index,
    Level, RelPath, Slot,
};
use driftless_engine::{Choice, Input, Resolve};
use driftless_fs::{Root, StagedFile};
use driftless_store::IndexError;
use tokio::time::{Instant, sleep, timeout};

use super::failure::{because, failed, not_found, refused, usage};
use super::{Outcome, ask, blocking, conflicts, running};
use crate::activity::Decided;
use crate::config::FolderConfig;
use crate::folder::Asked;
use crate::hub::Hub;

/// How long the tree may take to follow before that is left to itself.
const SETTLING: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How much of a name its siblings are looked for by, in bytes.
const STEM_BYTES: usize = 200;
const PAGE: usize = 256;

pub(super) async fn resolve(hub: &Arc<Hub>, request: &ConflictResolve) -> Outcome<Resolved> {
    let (folder, path, entry) = conflicts::find(hub, &request.id).await?;
    let choice = match &request.resolution {
        Resolution::Device { device } => {
            let makers = conflicts::makers(hub, &folder.id, &path, &entry).await?;
            made_by(hub, &entry, &makers, device)?
        }
        Resolution::Version { version } => version_of(&entry, version)?,
        Resolution::Both => Choice::Both,
        Resolution::Text { .. } | Resolution::History { .. } => {
            return Err(refused("this version keeps no texts".to_owned()));
        }
        Resolution::WithFile { path: file } => {
            let root = ask(hub, &folder, |asked| Ok(asked.root.clone())).await?;
            let (file, mode) = (PathBuf::from(file), mode_of(&entry));
            blocking(move || take_in(&root, &file, mode)).await?
        }
    };
    if !is_at_hand(&entry, &choice) {
        let message = format!("a version of {path} has not arrived here yet");
        return Err(refused(message).with_hint("decide once it is here"));
    }
    let keeps_both = choice == Choice::Both;
    let resolve = Resolve { path: path.clone(), choice, seen: None, by_policy: false };
    let (at, input) = (path.clone(), Input::Resolve(Box::new(resolve)));
    let known = ask(hub, &folder, move |asked| {
        asked.inputs.push(input);
        if keeps_both { beside(asked, &at) } else { Ok(BTreeSet::new()) }
    })
    .await?;
    settle(hub, &folder, &path).await?;
    let made = match keeps_both {
        true => {
            let at = path.clone();
            let now = ask(hub, &folder, move |asked| beside(asked, &at)).await?;
            let made: Vec<String> = now.difference(&known).map(ToString::to_string).collect();
            remember_beside(hub, &request.id, &made).await?;
            made
        }
        false => Vec::new(),
    };
    Ok(Resolved { folder: folder.id.to_string(), path: path.to_string(), beside: made })
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

/// The version of the device that a person means, among those that made one.
fn made_by(hub: &Hub, entry: &Entry, makers: &[DeviceId], query: &str) -> Outcome<Choice> {
    let distinct: BTreeSet<DeviceId> = makers.iter().copied().collect();
    let named: Vec<_> = distinct.into_iter().map(|device| (device, hub.name_of(&device))).collect();
    let device = choose(&named, query)?;
    let mut heads: Vec<&FileRecord> = Vec::new();
    for (head, maker) in entry.heads.iter().zip(makers) {
        let is_same = |known: &&FileRecord| known.content.is_same_data(&head.record.content);
        if *maker == device && !heads.iter().any(is_same) {
            heads.push(&head.record);
        }
    }
    match heads.as_slice() {
        [head] => Ok(Choice::Head(Box::new((*head).clone()))),
        _ => {
            let message = format!("{query:?} made several versions of it: {}", words_of(&heads));
            Err(ApiError::new(ErrorCode::Ambiguous, message).with_hint("name the version to keep"))
        }
    }
}

/// The head that has this word for its version.
fn version_of(entry: &Entry, version: &str) -> Outcome<Choice> {
    let heads: Vec<&FileRecord> = entry.heads.iter().map(|head| &head.record).collect();
    match heads.iter().find(|head| conflicts::version_word(head) == version) {
        Some(head) => Ok(Choice::Head(Box::new((*head).clone()))),
        None => {
            let message =
                format!("there is no version {version:?} of it; there is {}", words_of(&heads));
            Err(not_found(message))
        }
    }
}

/// Versions as a person can name them.
fn words_of(heads: &[&FileRecord]) -> String {
    let word = |head: &&FileRecord| match head.content.is_tombstone() {
        true => format!("{} (deleted)", conflicts::version_word(head)),
        false => format!("{} ({} bytes)", conflicts::version_word(head), head.content.size_bytes()),
    };
    heads.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Whether a device is the one that is meant.
type Fits<'a> = dyn Fn(&(DeviceId, String)) -> bool + 'a;

/// By ID, else by name, else by the beginning of an ID.
fn choose(devices: &[(DeviceId, String)], query: &str) -> Outcome<DeviceId> {
    let id: Option<DeviceId> = query.parse().ok();
    let prefix = letters(query);
    let tests: [&Fits<'_>; 3] =
        [&|(device, _)| Some(*device) == id, &|(_, name)| name == query, &|(device, _)| {
            !prefix.is_empty() && letters(&device.to_string()).starts_with(&prefix)
        }];
    for test in tests {
        let fits: Vec<_> = devices.iter().filter(|device| test(device)).collect();
        match fits.as_slice() {
            [] => {}
            [(device, _)] => return Ok(*device),
            _ => {
                let message = format!("{query:?} fits several of the devices that made a version");
                return Err(ApiError::new(ErrorCode::Ambiguous, message).with_hint("use the ID"));
            }
        }
    }
    let names: Vec<String> =
        devices.iter().map(|(device, name)| format!("{name} ({})", device.short())).collect();
    let message = format!("{query:?} made no version of it; there is {}", names.join(", "));
    Err(not_found(message))
}

fn letters(id: &str) -> String {
    id.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).collect()
}

/// The permissions that a file from elsewhere gets: those that the path has.
fn mode_of(entry: &Entry) -> Option<u16> {
    match entry.shown()?.content {
        Content::File { mode, .. } => Some(mode),
        _ => None,
    }
}

/// Brings a file from elsewhere into the folder's store of heads, durably.
pub(super) fn take_in(root: &Root, path: &Path, mode: Option<u16>) -> Outcome<Choice> {
    let unreadable =
        |error: std::io::Error| because(&format!("{} cannot be read", path.display()), &error);
    let untaken =
        |error: &dyn std::error::Error| because("the file cannot be taken into the folder", error);
    if !path.is_absolute() {
        return Err(usage(format!("{} is not an absolute path", path.display())));
    }
    let named = std::fs::metadata(path).map_err(unreadable)?;
    if !named.is_file() {
        return Err(usage(format!("{} is no file", path.display())));
    }
    let size_bytes = named.len();
    let file = File::open(path).map_err(unreadable)?;
    let level = Level::for_size(size_bytes, None);
    let (content, blocks) = if size_bytes <= SINGLE_BLOCK_BYTES {
        let bytes = read_small(&file).map_err(unreadable)?;
        let content = ContentId::from_bytes(*BlockHash::of(&bytes).as_bytes());
        driftless_fs::staging::stage_small(root, &content, &bytes)
            .map_err(|error| untaken(&error))?;
        (content, BlockList::single(content, size_bytes).unwrap_or_default())
    } else {
        stage_large(root, &file, path, size_bytes, level)?
    };
    let after = file.metadata().map_err(unreadable)?;
    let stamp = |of: &std::fs::Metadata| (of.len(), of.mtime(), of.mtime_nsec(), of.ino());
    if stamp(&after) != stamp(&named) {
        return Err(failed(format!("{} changed while it was read", path.display()))
            .with_hint("close the program that writes it and try again"));
    }
    let own_mode = u16::try_from(after.permissions().mode() & u32::from(MODE_MASK));
    let mtime_ns = after.mtime().saturating_mul(1_000_000_000).saturating_add(after.mtime_nsec());
    let mode = mode.unwrap_or(own_mode.unwrap_or(0o644));
    Ok(Choice::With { content, size_bytes, level, blocks, mode, mtime_ns })
}

/// Reads a file that is one block, and no more of one that grew meanwhile.
fn read_small(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(SINGLE_BLOCK_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the file twice, once for its blocks and once for their bytes: it may
/// be far larger than memory.
fn stage_large(
    root: &Root,
    file: &File,
    path: &Path,
    size_bytes: u64,
    level: Level,
) -> Outcome<(ContentId, BlockList)> {
    let unread = |error: &dyn std::error::Error| {
        because(&format!("{} cannot be read", path.display()), error)
    };
    let unstaged = |error: driftless_fs::StageError| {
        because("the file cannot be taken into the folder", &error)
    };
    let descriptor: OwnedFd = file.try_clone().map_err(|error| unread(&error))?.into();
    let blocks: Vec<Block> = driftless_fs::hash::blocks::blocks(&descriptor, size_bytes, level)
        .map_err(|error| unread(&error))?;
    let list = BlockList::new(blocks).map_err(|error| unread(&error))?;
    let content = list.content_id();
    let staged = StagedFile::begin(root, content, list.clone()).map_err(unstaged)?;
    let places: Vec<_> = list.with_offsets().collect();
    let mut bytes = Vec::new();
    for index in staged.missing() {
        let (offset, block) = places[index];
        bytes.resize(block.len as usize, 0);
        file.read_exact_at(&mut bytes, offset).map_err(|error| unread(&error))?;
        staged.write_block(index, &bytes).map_err(unstaged)?;
    }
    staged.finish().map_err(unstaged)?;
    Ok((content, list))
}

/// Waits until the conflict is over and the tree shows it, within bounds.
async fn settle(hub: &Hub, folder: &FolderConfig, path: &RelPath) -> Outcome<()> {
    let deadline = Instant::now() + SETTLING;
    let (_, mut view) = running(hub, folder)?;
    loop {
        view.borrow_and_update();
        let at = path.clone();
        let entry =
            ask(hub, folder, move |asked| asked.engine.index().get(&at)).await?.unwrap_or_default();
        if !entry.heads.is_conflict() && !entry.is_needed() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return match entry.heads.is_conflict() {
                // Decided; content that is on its way arrives in its time.
                false => Ok(()),
                true => Err(failed(format!("the conflict about {path} is still open"))
                    .with_hint("look at it again: it may have changed meanwhile")),
            };
        }
        let changed = async {
            if view.changed().await.is_err() {
                sleep(LOOK_AGAIN).await;
            }
        };
        let _ = timeout(LOOK_AGAIN, changed).await;
    }
}

/// The live paths next to `path` whose names begin like those that keeping both makes.
fn beside(asked: &Asked<'_>, path: &RelPath) -> Result<BTreeSet<RelPath>, IndexError> {
    let prefix = prefix_beside(path.name());
    let mut found = BTreeSet::new();
    // The prefix itself is no name that keeping both makes, and stands before all that are.
    let Ok(mut after) = RelPath::child_of(path.parent().as_ref(), &prefix) else {
        return Ok(found);
    };
    let parent = path.parent();
    loop {
        let page = asked.engine.index().range(parent.as_ref(), Some(&after), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(found) };
        after = last.clone();
        for (other, entry) in page {
            let name = other.components().nth(path.depth() - 1).unwrap_or_default();
            if !name.starts_with(&prefix) {
                return Ok(found);
            }
            let is_live = entry.shown().is_some_and(|shown| !shown.content.is_tombstone());
            if other.depth() == path.depth() && other != *path && is_live {
                found.insert(other);
            }
        }
    }
}

/// How the names begin that keeping both makes of `name`.
fn prefix_beside(name: &str) -> String {
    let stem = match name.rfind('.') {
        Some(dot) if dot > 0 => &name[..dot],
        _ => name,
    };
    if stem.len() <= STEM_BYTES {
        return format!("{stem} (from ");
    }
    let mut cut = STEM_BYTES;
    while !stem.is_char_boundary(cut) {
        cut -= 1;
    }
    stem[..cut].to_owned()
}

#[cfg(test)]
mod tests {
    use super::{DeviceId, ErrorCode, choose, prefix_beside};

    #[test]
    fn a_version_is_chosen_by_the_device_that_made_it() {
        let [a, b, c] = [1, 2, 3].map(|n| DeviceId::from_bytes([n; 32]));
        let devices = [(a, "desk".to_owned()), (b, "laptop".to_owned()), (c, "laptop".to_owned())];
        assert_eq!(choose(&devices, "desk").unwrap(), a);
        assert_eq!(choose(&devices, &b.to_string().to_lowercase()).unwrap(), b);
        assert_eq!(choose(&devices, &c.short()).unwrap(), c);
        assert_eq!(choose(&devices, "laptop").unwrap_err().code, ErrorCode::Ambiguous);
        let unknown = choose(&devices, "phone").unwrap_err();
        assert_eq!(unknown.code, ErrorCode::NotFound);
        assert!(unknown.message.contains("desk ("), "{}", unknown.message);
    }

    #[test]
    fn names_beside_are_found_by_their_stem() {
        assert_eq!(prefix_beside("a.b.txt"), "a.b (from ");
        assert_eq!(prefix_beside(".profile"), ".profile (from ");
        assert_eq!(prefix_beside(&"ä".repeat(127)), "ä".repeat(100));
    }
}
