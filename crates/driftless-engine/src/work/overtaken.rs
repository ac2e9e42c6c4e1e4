//! Deletions that are heard of while an older version is on its way into the tree.
//!
//! Decides when it may be counted on that this device has heard of them.

use std::collections::BTreeSet;

use driftless_core::{Entry, Index, RelPath, Sequence};

use crate::engine::Engine;

impl<I: Index> Engine<I> {
    /// Notes whether `path` is deleted and an older version is on its way into
    /// the tree, or has come into it after the deletion was heard of.
    pub(crate) fn note_overtaken(&mut self, path: &RelPath, before: &Entry, after: &Entry) {
        let is_deleted = after.shown().is_some_and(|shown| shown.content.is_tombstone());
        let has_come = before.announced() != after.announced();
        if !is_deleted || (after.landing.is_none() && after.present().is_none()) {
            self.work.overtaken.remove(path);
        } else if after.landing.is_some() || has_come {
            self.work.overtaken.insert(path.clone());
        }
    }

    /// Whether a deleted path holds an older version, or may soon, of which
    /// some device has not heard yet. Until then nobody may count on it that
    /// this device has heard of the deletion: it would be forgotten, and that
    /// version be news.
    pub(crate) fn is_overtaken_anywhere(&mut self) -> Result<bool, I::Error> {
        let mut overtaken = std::mem::take(&mut self.work.overtaken);
        let mut unknown = BTreeSet::new();
        while let Some(path) = overtaken.pop_first() {
            let entry = self.entry(&path)?;
            let may_come = self.work.is_touching(&path)
                || (self.local.is_unseen(&path) && entry.landing.is_some());
            if may_come || (entry.present().is_some() && !self.is_acknowledged(entry.sequence)?) {
                unknown.insert(path);
            }
        }
        self.work.overtaken = unknown;
        Ok(!self.work.overtaken.is_empty())
    }

    /// Whether every connected device has heard what is announced up to `sequence`.
    fn is_acknowledged(&self, sequence: Sequence) -> Result<bool, I::Error> {
        for link in self.links.values() {
            if self.index.cursor(link.slot)?.acknowledged < sequence {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
