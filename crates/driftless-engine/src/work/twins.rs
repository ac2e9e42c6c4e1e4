//! Directories that change only how their name is written, on a disk that takes
//! both names for one (C8).
//!
//! Which names are the same is the disk's to say: `fs::apply` reports what it
//! could not make for that reason. What follows from it is decided here.

use std::iter;

use driftless_core::{Index, ProblemCode, RelPath};

use crate::engine::Engine;

impl<I: Index> Engine<I> {
    /// Whether `to` is below a directory that can't be made as long as there is
    /// the one that holds `path`. What is to move has to make way first, then.
    pub(super) fn is_in_its_own_way(&self, path: &RelPath, to: &RelPath) -> bool {
        let Some(blocked) = directories_above(to).find(|it| self.has_name_twin(it)) else {
            return false;
        };
        directories_above(path).any(|directory| {
            directory.parent() == blocked.parent() && may_be_twins(directory.name(), blocked.name())
        })
    }

    fn has_name_twin(&self, path: &RelPath) -> bool {
        self.problem_at(path.as_str()).is_some_and(|problem| problem.code == ProblemCode::NameTwin)
    }
}

fn directories_above(path: &RelPath) -> impl Iterator<Item = RelPath> {
    iter::successors(path.parent(), RelPath::parent)
}

/// Whether some disk may take two names for one.
fn may_be_twins(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || !one.is_ascii() || !other.is_ascii()
}
