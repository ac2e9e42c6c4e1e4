//! Gathers what the choice of an undo depends on: from the index, a stretch at a
//! time so that the folder's thread is never held up, and from history.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::{Author, Content, DeviceId, Entry, Index, RelPath};
use driftless_fs::history::Version;
use driftless_store::IndexError;

use super::super::past::Past as Kept;
use super::super::{Outcome, ask, blocking};
use super::choice::{Past, TICK_MS, need_parents};
use crate::clock::now_ms;
use crate::config::FolderConfig;
use crate::folder::Asked;
use crate::hub::Hub;

/// How many rows of the index are looked at in one go.
const ROWS: usize = 256;

/// A version gets its label less than this before it is displaced, in nanoseconds.
const LABELLED_WITHIN_NS: i64 = 3_000_000_000;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What a folder looks like to an undo.
pub(super) struct Look {
    pub(super) past: Past,
    pub(super) kept: Kept,
    /// The directories that the tree has.
    pub(super) directories: BTreeSet<RelPath>,
}

/// Looks at what `device` changed in a folder since a time.
pub(super) async fn look(
    hub: &Hub,
    folder: &FolderConfig,
    (device, since_ms): (DeviceId, u64),
) -> Outcome<Look> {
    let authors = ask(hub, folder, move |asked| authors_of(asked, device)).await?;
    let kept = Kept::of(hub, folder).await?;
    let listed = kept.versions(None).await?;
    let mut past = Past {
        device,
        since_ms,
        kept_since_ms: kept_since(folder, &listed),
        authors,
        entries: BTreeMap::new(),
        versions: BTreeMap::new(),
        new: BTreeSet::new(),
        shared: BTreeSet::new(),
    };
    for version in listed {
        past.versions.entry(version.path.clone()).or_default().push(version);
    }
    for versions in past.versions.values_mut() {
        versions.sort_by_key(|version| (displaced_ns(version), version.ctime_ns));
    }
    let mut look = Look { past, kept, directories: BTreeSet::new() };
    look.read_index(hub, folder).await?;
    look.read_rest(hub, folder).await?;
    look.find_new().await?;
    let Past { entries, versions, .. } = &mut look.past;
    versions.retain(|path, _| entries.contains_key(path));
    Ok(look)
}

/// When a version was displaced, in nanoseconds since 1970: its label knows seconds
/// only, its inode more, unless it was touched since.
fn displaced_ns(version: &Version) -> i64 {
    let label_ns = i64::try_from(version.displaced_ms).unwrap_or(0).saturating_mul(1_000_000);
    let is_right = (0..LABELLED_WITHIN_NS).contains(&version.ctime_ns.saturating_sub(label_ns));
    if is_right { version.ctime_ns } else { label_ns }
}

/// Under whom a device counts its edits; nobody where that is not known.
fn authors_of(asked: &Asked<'_>, device: DeviceId) -> Result<BTreeSet<Author>, IndexError> {
    let index = asked.engine.index();
    let slot = index.devices().into_iter().find(|(_, other)| *other == device);
    let author = match slot {
        Some((slot, _)) => index.cursor(slot)?.epoch.map(|epoch| Author::of(&device, epoch)),
        None => None,
    };
    let own = index.identity();
    let is_own = Author::of(&device, own.epoch) == own.author;
    let author = author.or_else(|| is_own.then_some(own.author));
    Ok(author.into_iter().flat_map(Author::branches).collect())
}

/// From when on history has all that was displaced, in milliseconds since 1970.
fn kept_since(folder: &FolderConfig, versions: &[Version]) -> u64 {
    let retention = folder.history;
    if !retention.enabled {
        return u64::MAX;
    }
    let by_age = now_ms().saturating_sub(u64::from(retention.days) * DAY_MS);
    let bytes: u64 = versions.iter().map(|version| version.size_bytes).sum();
    // What is far below its bound has never been thinned out for it, as far as can be told.
    let is_near = retention.max_bytes.is_some_and(|most| bytes.saturating_mul(2) > most);
    let oldest = versions.iter().map(|version| version.displaced_ms).min();
    oldest.filter(|_| is_near).map_or(by_age, |oldest| by_age.max(oldest))
}

impl Look {
    /// Reads the whole index and keeps what the device changed.
    async fn read_index(&mut self, hub: &Hub, folder: &FolderConfig) -> Outcome<()> {
        let mut after: Option<RelPath> = None;
        loop {
            let from = after.take();
            let rows = ask(hub, folder, move |asked| {
                asked.engine.index().range(None, from.as_ref(), ROWS)
            });
            let rows = rows.await?;
            let is_last = rows.len() < ROWS;
            after = rows.last().map(|(path, _)| path.clone());
            for (path, entry) in rows {
                self.take(path, entry);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn take(&mut self, path: RelPath, entry: Entry) {
        let content = entry.present().map(|disk| &disk.record.content);
        if matches!(content, Some(Content::Directory { .. })) {
            self.directories.insert(path.clone());
        }
        if entry.heads.iter().any(|head| self.past.is_by(&head.record)) {
            self.past.entries.insert(path, entry);
        } else if content.is_some() {
            need_parents(&path, &mut self.past.shared);
        }
    }

    /// Reads what is known of paths that the device displaced something of, or
    /// renamed from or to, and that somebody else has changed since, or that
    /// were forgotten.
    async fn read_rest(&mut self, hub: &Hub, folder: &FolderConfig) -> Outcome<()> {
        let past = &self.past;
        let displaced = past
            .versions
            .iter()
            .filter(|(_, versions)| versions.iter().any(|version| past.is_displaced_by(version)));
        let mut wanted: BTreeSet<RelPath> = displaced.map(|(path, _)| path.clone()).collect();
        for record in past.entries.values().filter_map(Entry::shown) {
            if let Content::Tombstone { moved_to: Some(to) } = &record.content {
                wanted.insert(to.clone());
            }
            wanted.extend(record.moved_from.iter().map(|from| from.path.clone()));
        }
        wanted.retain(|path| !past.entries.contains_key(path));
        let wanted: Vec<RelPath> = wanted.into_iter().collect();
        for stretch in wanted.chunks(ROWS) {
            let stretch = stretch.to_vec();
            let found = ask(hub, folder, move |asked| {
                let index = asked.engine.index();
                let known = stretch.into_iter().map(|path| {
                    let entry = index.get(&path)?.unwrap_or_default();
                    Ok((path, entry))
                });
                known.collect::<Result<Vec<_>, IndexError>>()
            });
            self.past.entries.extend(found.await?);
        }
        Ok(())
    }

    /// Finds the files of which the disk says that they were made since.
    async fn find_new(&mut self) -> Outcome<()> {
        let past = &self.past;
        let is_new_here = |entry: &Entry| {
            let shown =
                entry.shown().filter(|shown| past.is_by(shown) && entry.present().is_some());
            shown.is_some_and(|shown| shown.previous.is_none() && shown.content.file().is_some())
        };
        let candidates = past.entries.iter().filter(|(_, entry)| is_new_here(entry));
        let candidates: Vec<RelPath> = candidates.map(|(path, _)| path.clone()).collect();
        let (root, since_ms) = (self.kept.root.clone(), past.since_ms.saturating_sub(TICK_MS));
        self.past.new = blocking(move || {
            let is_new = |path: &RelPath| {
                driftless_fs::born_ms(&root, path).is_some_and(|born_ms| born_ms >= since_ms)
            };
            Ok(candidates.into_iter().filter(is_new).collect())
        })
        .await?;
        Ok(())
    }
}
