//! What lies below each directory, summed up in memory for whoever looks into a folder.
//!
//! Made on request, a stretch of the entries at a time, and kept up with every
//! write from then on. Not stored: an index that nobody looks into pays nothing
//! for it, and a rollback simply has it counted anew.

use std::collections::HashMap;

use driftless_core::{Entry, Slot};

/// The most directories that are kept sums of, which is some 40 MB. Of further
/// ones nothing is said.
const MAX_DIRECTORIES: usize = 250_000;

/// Sums over all that lies below a directory, what an ignore rule covers left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Below {
    /// Bytes of the files that are shown, whether they are here or not.
    pub bytes: u64,
    /// Paths where a person has to choose.
    pub conflicts: u64,
    /// Paths that this device lacks something of.
    pub needed: u64,
    /// Paths that are here and that no other device holds.
    pub only_here: u64,
}

/// The sums of all directories, as far as they were counted.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    /// The key up to which all is counted, itself included; `None` when all is.
    upto: Option<Vec<u8>>,
    directories: HashMap<Box<[u8]>, Below>,
    /// There are more directories than are kept.
    overflowed: bool,
}

impl Below {
    fn of(entry: &Entry) -> Self {
        if entry.ignored {
            return Self::default();
        }
        let count = u64::from;
        Self {
            bytes: size_bytes(entry),
            conflicts: count(entry.heads.is_conflict()),
            needed: count(entry.is_needed()),
            only_here: count(is_only_here(entry)),
        }
    }

    fn change(&mut self, other: &Self, change: impl Fn(u64, u64) -> u64) {
        self.bytes = change(self.bytes, other.bytes);
        self.conflicts = change(self.conflicts, other.conflicts);
        self.needed = change(self.needed, other.needed);
        self.only_here = change(self.only_here, other.only_here);
    }
}

/// The size of what is shown of a path, whether it is here or not, in bytes.
pub fn size_bytes(entry: &Entry) -> u64 {
    let here = entry.present().map(|disk| &disk.record.content);
    here.or_else(|| entry.shown().map(|shown| &shown.content))
        .map_or(0, |content| content.size_bytes())
}

/// Whether what is in the tree at a path is on no other device, as far as is known.
pub fn is_only_here(entry: &Entry) -> bool {
    let is_held =
        || entry.heads.shown().is_some_and(|head| !head.holders.without(Slot::ME).is_empty());
    !entry.ignored && entry.present().is_some() && (entry.is_local() || !is_held())
}

impl Sums {
    /// Sums of which nothing is counted yet.
    pub(crate) fn begun() -> Self {
        Self { upto: Some(Vec::new()), ..Self::default() }
    }

    /// The key behind which counting goes on; `None` when all is counted.
    pub(crate) fn upto(&self) -> Option<&[u8]> {
        self.upto.as_deref()
    }

    /// Notes that all up to `key` is counted, or all there is.
    pub(crate) fn reached(&mut self, key: Option<Vec<u8>>) {
        self.upto = key;
    }

    /// Counts an entry that is stored under `key` in.
    pub(crate) fn add(&mut self, key: &[u8], entry: &Entry) {
        self.count(key, entry, u64::wrapping_add);
    }

    /// Takes up that the entry under `key` changed, where it was counted before.
    pub(crate) fn replace(&mut self, key: &[u8], old: Option<&Entry>, new: Option<&Entry>) {
        if self.upto.as_deref().is_some_and(|upto| key > upto) {
            return;
        }
        if let Some(new) = new {
            self.count(key, new, u64::wrapping_add);
        }
        if let Some(old) = old {
            self.count(key, old, u64::wrapping_sub);
        }
    }

    /// What is below the directory of a key, and whether that is all.
    pub(crate) fn below(&self, key: &[u8], above: &[u8]) -> (Below, bool) {
        let reached = self.upto.as_deref().is_none_or(|upto| upto >= above);
        match self.directories.get(key) {
            Some(below) => (*below, reached),
            None => (Below::default(), reached && !self.overflowed),
        }
    }

    fn count(&mut self, key: &[u8], entry: &Entry, change: impl Fn(u64, u64) -> u64) {
        let amount = Below::of(entry);
        if amount == Below::default() {
            return;
        }
        for (end, _) in key.iter().enumerate().filter(|(_, byte)| **byte == 0) {
            let directory = &key[..end];
            if let Some(below) = self.directories.get_mut(directory) {
                below.change(&amount, &change);
            } else if self.directories.len() < MAX_DIRECTORIES {
                let mut below = Below::default();
                below.change(&amount, &change);
                self.directories.insert(directory.into(), below);
            } else {
                self.overflowed = true;
            }
        }
    }
}
