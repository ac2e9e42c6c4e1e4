//! Sums over all entries of a folder, kept up with every write so that a
//! status costs nothing to read.

use crate::entry::Entry;
use crate::heads::{MAX_SLOTS, Slot};
use crate::record::Content;

/// Sums over all entries that no ignore rule covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Totals {
    /// Regular files and symlinks in the tree.
    pub files: u64,
    /// Bytes of regular files in the tree.
    pub bytes: u64,
    /// Paths that this device lacks something of.
    pub need_files: u64,
    /// Bytes of file contents that this device lacks.
    pub need_bytes: u64,
    /// Files in the tree that a deletion of content (not a rename) waits to remove.
    pub need_deletions: u64,
    /// Files in the tree that other content waits to replace.
    pub need_rewrites: u64,
    /// Paths where a person has to choose.
    pub conflicts: u64,
    /// Paths that were changed locally in a receive-only folder.
    pub local_changes: u64,
    /// Heads of all paths.
    pub heads: u64,
    /// Bytes of the heads that are files.
    pub head_bytes: u64,
    /// Of those, how many heads and bytes each device holds, by slot.
    pub held: [(u64, u64); MAX_SLOTS],
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            files: 0,
            bytes: 0,
            need_files: 0,
            need_bytes: 0,
            need_deletions: 0,
            need_rewrites: 0,
            conflicts: 0,
            local_changes: 0,
            heads: 0,
            head_bytes: 0,
            held: [(0, 0); MAX_SLOTS],
        }
    }
}

impl Totals {
    /// Counts `entry` in.
    pub fn add(&mut self, entry: &Entry) {
        self.count(entry, |sum, amount| *sum = sum.wrapping_add(amount));
    }

    /// Takes out what [`Totals::add`] counted in.
    pub fn remove(&mut self, entry: &Entry) {
        self.count(entry, |sum, amount| *sum = sum.wrapping_sub(amount));
    }

    /// How many heads and bytes `slot` lacks.
    pub fn lacking(&self, slot: Slot) -> (u64, u64) {
        let (heads, bytes) = self.held[slot.number()];
        (self.heads.saturating_sub(heads), self.head_bytes.saturating_sub(bytes))
    }

    fn count(&mut self, entry: &Entry, change: impl Fn(&mut u64, u64)) {
        if entry.ignored {
            return;
        }
        for head in entry.heads.iter() {
            let size = head.record.content.size_bytes();
            change(&mut self.heads, 1);
            change(&mut self.head_bytes, size);
            for slot in head.holders.iter() {
                let held = &mut self.held[slot.number()];
                change(&mut held.0, 1);
                change(&mut held.1, size);
            }
        }
        if let Some(disk) = entry.present()
            && !matches!(disk.record.content, Content::Directory { .. })
        {
            change(&mut self.files, 1);
            change(&mut self.bytes, disk.record.content.size_bytes());
        }
        if entry.is_local() {
            change(&mut self.local_changes, 1);
        }
        if entry.heads.is_conflict() {
            change(&mut self.conflicts, 1);
        }
        if entry.is_needed() {
            change(&mut self.need_files, 1);
            change(&mut self.need_bytes, lacking_bytes(entry));
            match brakes_on(entry) {
                Some(Threat::Deletion) => change(&mut self.need_deletions, 1),
                Some(Threat::Rewrite) => change(&mut self.need_rewrites, 1),
                None => {}
            }
        }
    }
}

/// Bytes of the files among the heads that this device does not hold.
fn lacking_bytes(entry: &Entry) -> u64 {
    let lacking = entry.heads.iter().filter(|head| !head.holders.contains(Slot::ME));
    let on_disk = |content: &Content| {
        entry.present().is_some_and(|disk| disk.record.content.is_same_data(content))
    };
    lacking
        .map(|head| &head.record.content)
        .filter(|content| !on_disk(content))
        .map(Content::size_bytes)
        .sum()
}

/// What carrying out a path's shown head would take from the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threat {
    /// A file or symlink would go.
    Deletion,
    /// A file's content would be replaced.
    Rewrite,
}

/// Whether carrying out the shown head counts towards the mass-change brake.
pub fn brakes_on(entry: &Entry) -> Option<Threat> {
    let disk = entry.present()?;
    if matches!(disk.record.content, Content::Directory { .. }) {
        return None;
    }
    match &entry.shown()?.content {
        Content::Tombstone { moved_to: None } => Some(Threat::Deletion),
        Content::Tombstone { moved_to: Some(_) } => None,
        content if content.is_same_data(&disk.record.content) => None,
        _ => Some(Threat::Rewrite),
    }
}
