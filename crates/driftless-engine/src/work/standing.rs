//! What work makes of single paths, for people who ask why something is not here.

use std::ops::Bound;

use driftless_core::{Index, Problem, RelPath};

use super::Busy;
use crate::engine::Engine;

/// How far the work on a path has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing is going on; where the path is needed, its turn is yet to come.
    Resting,
    /// Its content is on its way here.
    Fetching,
    /// It is being put into the tree, or taken out of it.
    Applying,
    /// No connected device has the content.
    NoSource,
    /// It failed and is tried again by itself.
    Failed,
    /// It waits for other devices to move or delete something first.
    Blocked,
    /// It is part of a mass change that waits for a yes.
    HeldBack,
}

impl<I: Index> Engine<I> {
    /// How far the work on `path` has come.
    pub fn standing(&self, path: &RelPath) -> Standing {
        let work = &self.work;
        match work.busy.get(path) {
            Some(Busy::Fetching | Busy::Keeping) => Standing::Fetching,
            Some(Busy::Applying(_) | Busy::MovedAway) => Standing::Applying,
            None if work.held.contains(path) => Standing::HeldBack,
            None if work.parked.contains_key(path) => Standing::Failed,
            None if work.waiting.contains(path) => Standing::NoSource,
            None if work.blocked.contains_key(path) => Standing::Blocked,
            None => Standing::Resting,
        }
    }

    /// Whether anything below `directory` is being fetched or applied.
    pub fn is_busy_below(&self, directory: &RelPath) -> bool {
        let behind = (Bound::Excluded(directory), Bound::Unbounded);
        let next = self.work.busy.range::<RelPath, _>(behind).next();
        next.is_some_and(|(path, _)| path.is_within(directory))
    }

    /// The trouble with `path`, or else with the nearest directory that it is in.
    pub fn problem_of(&self, path: &str) -> Option<&Problem> {
        let mut at = path;
        loop {
            if let Some(problem) = self.problem_at(at) {
                return Some(problem);
            }
            at = &at[..at.rfind('/')?];
        }
    }
}
