//! Telling whoever keeps old contents what the tree holds, and held.
//!
//! Decides which versions are worth telling of: small files that some version
//! of this device's or another's describes, so not what a receive-only folder
//! keeps to itself, what may have rotted, or what an ignore rule covers. What
//! becomes of what is told is the caller's matter.

use driftless_core::{Content, Entry, FileRecord, Index, RelPath, Slot};

use crate::engine::Engine;
use crate::io::{Effect, Holding, Replaced};

/// The largest file that is told of, in bytes.
pub const SMALL_FILE_BYTES: u64 = 1 << 20;

impl<I: Index> Engine<I> {
    /// Tells of the versions that the tree has come to hold at `path`: the one
    /// that it was brought to, and others with the same data.
    pub(crate) fn tell_holdings(&mut self, path: &RelPath, before: &Entry, after: &Entry) {
        let Some(stat) = after.disk.as_ref().map(|disk| disk.stat) else { return };
        for record in holdings(after) {
            if !holdings(before).any(|known| known == record) {
                let (path, record) = (path.clone(), record.clone());
                self.effect(Effect::Holds(Box::new(Holding { path, record, stat })));
            }
        }
    }

    /// Tells that a change made here makes `content` of what the tree held at `path`.
    pub(crate) fn tell_replaced(&mut self, path: &RelPath, before: &Entry, content: &Content) {
        let Some(disk) = before.disk.as_ref().filter(|disk| is_version(before, &disk.record))
        else {
            return;
        };
        if disk.record.content.is_same_data(content) {
            return;
        }
        let mut heads = before.heads.iter();
        let head = heads.find(|head| head.record == disk.record);
        let shared = head.is_none_or(|head| !head.holders.without(Slot::ME).is_empty());
        let (path, record) = (path.clone(), disk.record.clone());
        let deleted = content.is_tombstone();
        self.effect(Effect::Replaced(Box::new(Replaced { path, record, deleted, shared })));
    }
}

/// The versions that the tree holds, of those that are told of.
pub fn holdings(entry: &Entry) -> impl Iterator<Item = &FileRecord> {
    let held = entry.disk.as_ref().map(|disk| &disk.record);
    let held = held.filter(|record| is_version(entry, record));
    let others = entry.heads.iter().map(|head| &head.record).filter(move |record| {
        held.is_some_and(|held| *record != held && record.content.is_same_data(&held.content))
    });
    held.into_iter().chain(others)
}

fn is_version(entry: &Entry, record: &FileRecord) -> bool {
    let is_small = record.content.file().is_some_and(|(_, size)| size <= SMALL_FILE_BYTES);
    is_small && !(entry.is_local() || entry.suspect || entry.ignored || record.version.is_empty())
}
