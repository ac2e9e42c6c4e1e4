//! Carrying out steps on the tree: compare, swap, check, and make durable.
//!
//! Decides nothing but whether each step's victim is what the plan believed.
//! A file is replaced by exchanging names with its staged successor; what came
//! out is compared with what was expected, and put back if it differs (F3).
//! What a step displaces goes to history or the store of heads by rename.
//! Directories are removed only when empty.
//!
//! Order, for a whole group of steps: staged files are synced, the root is
//! verified, names are changed one by one, directories are synced. Only then
//! is anything reported as applied, so that an outcome is a receipt.
//!
//! Where the file system has no atomic exchange, the old file first gets a
//! second name in history and is then renamed over. A save that falls between
//! the last look and that rename, microseconds apart, is lost to the tree;
//! nothing short of an exchange can prevent that. Without hard links either,
//! the old file is renamed to history before the new one gets the name, which
//! loses nothing but leaves the path absent for that moment.
//!
//! A directory of ours that forbids writing is opened up (`u+wx`) while its
//! children change, and closed again.

use std::os::fd::AsFd;

use driftless_core::{Outcome, Precondition, Problem, ProblemCode, RelPath, Stat, Step};
use rustix::io::Errno;

use crate::ignore::{IGNORE_FILE, Ignore};
use crate::problem::{problem, unwritable};
use crate::root::Root;

mod metadata;
mod parents;
mod prepare;
mod remove;
mod swap;
mod sync;
#[cfg(test)]
mod without_swap;

use parents::Parents;
use prepare::{Prepared, prepare};
use sync::Sync;

/// A group of steps on its way.
struct Group<'a> {
    root: &'a Root,
    parents: Parents<'a>,
    sync: Sync<'a>,
    now_ms: u64,
}

/// How a step went that hit no error of the kernel's.
type Tried = rustix::io::Result<Outcome>;

/// Carries out `steps` in order and makes them durable together.
///
/// Every step is answered for, in the same order. Nothing is applied unless
/// the root is verified. A step that failed left the tree as it was.
pub fn apply(root: &Root, steps: Vec<Step>, rules: &Ignore) -> Vec<(Step, Outcome)> {
    let prepared = prepare(root, &steps);
    if let Err(error) = root.verify() {
        let blocked = problem("", ProblemCode::Io, error.to_string());
        discard_leftovers(root, &prepared);
        return steps.into_iter().map(|step| (step, Outcome::Blocked(blocked.clone()))).collect();
    }
    let mut group = Group {
        root,
        parents: Parents::new(root, rules),
        sync: Sync::new(root),
        now_ms: crate::history::now_ms(),
    };
    let mut outcomes: Vec<_> =
        steps.iter().zip(&prepared).map(|(step, prepared)| group.run(step, prepared)).collect();
    group.parents.close();
    discard_leftovers(root, &prepared);
    if let Err(errno) = group.sync.finish() {
        // What is not known to be durable may not be announced; it is found
        // again by looking.
        for (step, outcome) in steps.iter().zip(&mut outcomes) {
            if matches!(outcome, Outcome::Applied(_)) {
                *outcome = Outcome::Blocked(unwritable(step.path().as_str(), errno));
            }
        }
    }
    steps.into_iter().zip(outcomes).collect()
}

/// Removes what was made for steps that did not use it.
fn discard_leftovers(root: &Root, prepared: &[Prepared]) {
    for prepared in prepared {
        if let Prepared::Ready(staged) = prepared
            && staged.is_temporary
        {
            staged.discard(root);
        }
    }
}

impl Group<'_> {
    fn run(&mut self, step: &Step, prepared: &Prepared) -> Outcome {
        let path = step.path();
        let (is_dir, is_removal) = match step {
            Step::Directory { .. } => (true, false),
            Step::Remove { precondition, .. } => (expects_directory(precondition), true),
            _ => (false, false),
        };
        if let Prepared::Failed(outcome) = prepared {
            return outcome.clone();
        }
        self.parents.forget(path);
        let parent = match self.parents.open(path.parent()) {
            Ok(parent) => parent,
            Err(Errno::NOENT | Errno::NOTDIR) if is_removal => {
                return match step {
                    Step::Remove { precondition: Precondition::Absent, .. } => {
                        Outcome::Applied(None)
                    }
                    _ => Outcome::Stale,
                };
            }
            Err(errno) => return parent_failed(path, errno),
        };
        if parent.ignores(path, is_dir) {
            return Outcome::Ignored;
        }
        let dir = parent.fd.as_fd();
        let tried = match (step, prepared) {
            (Step::Directory { mode, precondition, displaced, .. }, _) => {
                self.directory(dir, path, *mode, precondition, displaced)
            }
            (
                Step::Install { precondition, displaced, .. }
                | Step::Symlink { precondition, displaced, .. },
                Prepared::Ready(staged),
            ) => self.put(dir, path, staged, precondition, displaced),
            (Step::Touch { mode, mtime_ns, precondition, .. }, _) => {
                self.touch(dir, path, *mode, *mtime_ns, precondition)
            }
            (Step::Move { from, from_stat, mode, mtime_ns, .. }, _) => {
                self.rename(from, from_stat, dir, path, *mode, *mtime_ns)
            }
            (Step::Remove { precondition, displaced, .. }, _) => {
                self.remove(dir, path, precondition, displaced)
            }
            (Step::Install { .. } | Step::Symlink { .. }, _) => Ok(Outcome::NotStaged),
        };
        if matches!(tried, Ok(Outcome::Applied(_))) {
            self.sync.directory(&parent.fd);
            if path.name() == IGNORE_FILE {
                self.parents.close();
            }
        }
        tried.unwrap_or_else(|errno| failed(path, errno))
    }
}

/// Whether a precondition speaks of a directory.
fn expects_directory(precondition: &Precondition) -> bool {
    match precondition {
        Precondition::Absent => false,
        Precondition::Unchanged(stat) => is_directory(stat),
    }
}

fn is_directory(stat: &Stat) -> bool {
    crate::stat::kind_of(stat) == rustix::fs::FileType::Directory
}

/// What a directory that cannot be opened means for a step in it.
fn parent_failed(path: &RelPath, errno: Errno) -> Outcome {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Outcome::NoParent,
        // A symlink or a mount where a directory was.
        Errno::LOOP | Errno::XDEV => Outcome::Stale,
        Errno::CANCELED => Outcome::Ignored,
        errno => Outcome::Blocked(unwritable(path.as_str(), errno)),
    }
}

/// What an error on changing a name means.
fn failed(path: &RelPath, errno: Errno) -> Outcome {
    match errno {
        Errno::NOENT | Errno::LOOP | Errno::XDEV => Outcome::Stale,
        errno => Outcome::Blocked(unwritable(path.as_str(), errno)),
    }
}

fn twin(path: &RelPath) -> Problem {
    problem(
        path.as_str(),
        ProblemCode::NameTwin,
        "this file system holds another name that it takes for the same; rename one of them",
    )
}
