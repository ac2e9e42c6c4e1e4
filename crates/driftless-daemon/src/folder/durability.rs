//! Nothing is written down that a power cut could take back.
//!
//! An index entry is a receipt. So what a person or program wrote is synced
//! before it is read, and new names before the engine hears of them. What the
//! disk fails to keep counts as not looked at.

use std::collections::BTreeSet;

use driftless_core::diff::Observed;
use driftless_core::{Content, Entry, Index, RelPath, ScanBatch};
use driftless_engine::{Effect, Engine, HashError, Input};
use driftless_fs::Root;

use crate::trouble;

/// The names that the disk has not kept, until all is looked at anew.
#[derive(Debug, Default)]
pub(super) struct Durability {
    unkept: BTreeSet<RelPath>,
}

impl Durability {
    /// Sees to it that new directories and symlinks are on the disk before it
    /// is written down that they are: what a power cut takes back would be
    /// taken for a deletion. What the disk fails to keep, and what is below
    /// it, is taken out of `batch`; returns whether there is none.
    pub(super) fn keep_names(
        &mut self,
        root: &Root,
        index: &impl Index,
        batch: &mut ScanBatch,
    ) -> bool {
        let is_new = |(path, seen): &&(RelPath, Observed)| is_new_name(index, path, seen);
        let fresh: Vec<_> =
            batch.found.iter().filter(is_new).map(|(path, _)| path.clone()).collect();
        let synced = match fresh.is_empty() {
            true => Ok(()),
            false => driftless_fs::make_durable(root, &fresh.iter().collect::<Vec<_>>()),
        };
        match synced {
            Ok(()) => self.unkept.retain(|path| fresh.binary_search(path).is_err()),
            Err(error) => {
                batch.problems.extend(fresh.iter().map(|path| trouble::problem(path, &error)));
                self.unkept.extend(fresh);
            }
        }
        if self.unkept.is_empty() {
            return true;
        }
        let found = batch.found.len();
        batch.found.retain(|(path, _)| !self.is_in_unkept(path));
        batch.unknown.extend(self.unkept.iter().cloned());
        found == batch.found.len()
    }

    fn is_in_unkept(&self, path: &RelPath) -> bool {
        let mut above = Some(path.clone());
        while let Some(path) = above {
            if self.unkept.contains(&path) {
                return true;
            }
            above = path.parent();
        }
        false
    }
}

/// Whether a directory or symlink was seen that `index` does not know.
fn is_new_name(index: &impl Index, path: &RelPath, seen: &Observed) -> bool {
    if !matches!(seen, Observed::Directory(_) | Observed::Symlink(..)) {
        return false;
    }
    let known = index.get(path).ok().flatten();
    match (known.as_ref().and_then(Entry::present).map(|disk| &disk.record.content), seen) {
        (Some(Content::Directory { .. }), Observed::Directory(_)) => false,
        (Some(Content::Symlink { target }), Observed::Symlink(_, seen)) => target != seen,
        _ => true,
    }
}

/// Sees to it that files are on the disk before they are read: what is written
/// later, through a memory map too, changes their stamps. Where many wait, all
/// that was seen so far is synced at once. Files that the disk fails to keep
/// are not read; returns what the engine is to hear of them.
pub(super) fn keep_contents<I: Index>(
    root: &Root,
    engine: &mut Engine<I>,
    effects: &mut Vec<Effect>,
) -> Vec<Input> {
    let to_sync = |effect: &Effect| match effect {
        Effect::Hash { path, is_durable: false, .. } => Some(path.clone()),
        _ => None,
    };
    let paths: Vec<_> = effects.iter().filter_map(to_sync).collect();
    if paths.is_empty() {
        return Vec::new();
    }
    let synced = if driftless_fs::syncs_at_once(root, paths.len() + engine.unsynced()) {
        driftless_fs::sync_all(root).inspect(|()| engine.all_synced())
    } else {
        driftless_fs::make_durable(root, &paths.iter().collect::<Vec<_>>())
    };
    let Err(error) = synced else { return Vec::new() };
    effects.retain(|effect| to_sync(effect).is_none());
    let unread = |path: RelPath| {
        let error = HashError::Unreadable(trouble::problem(&path, &error));
        Input::Hashed { path, result: Err(error) }
    };
    paths.into_iter().map(unread).collect()
}
