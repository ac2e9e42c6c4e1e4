//! Carries out what was chosen for each path, in an order in which nothing is in
//! the way of anything: first what was renamed is copied back, then files are
//! deleted, then directories from the deepest up, then versions are put back.
//!
//! A rename is taken back as a copy and a deletion, so that history has what was
//! at the new name, and this can be undone as well. The new name goes only once
//! the old one has its content.
//!
//! In batches, each made durable as a whole. What has changed since it was looked
//! at is left; what a crash interrupts is done or not done, path by path.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::plan::Reason;
use driftless_core::{Content, DeviceId, Entry, OnDisk, Outcome as StepOutcome};
use driftless_core::{Precondition, RelPath, Step};
use driftless_fs::history::Version;
use driftless_fs::staging::stage_copy;
use driftless_fs::{Ignore, LocalPlace};

use super::super::past::Past;
use super::super::place;
use super::choice::Action;
use super::look::Look;
use crate::trouble::with_causes;

/// How many paths are made ready and changed at once.
pub(super) const BATCH: usize = 256;

/// One thing to be done.
pub(super) enum Job {
    /// A file or symlink is deleted.
    Remove(RelPath, OnDisk),
    /// What was renamed is copied back.
    CopyBack { from: RelPath, disk: OnDisk, to: RelPath, precondition: Precondition },
    /// A directory is deleted, if it is empty.
    RemoveDirectory(RelPath, OnDisk),
    /// A version is put back.
    Restore { path: RelPath, version: Version, precondition: Precondition },
}

/// How a job ended.
pub(super) enum End {
    /// It is done.
    Done,
    /// The path is not as it was when it was looked at.
    Stale,
    /// It cannot be done; why, as a sentence.
    Failed(String),
}

impl Job {
    /// The path that it is about.
    pub(super) fn path(&self) -> &RelPath {
        match self {
            Self::Remove(path, _) | Self::RemoveDirectory(path, _) => path,
            Self::CopyBack { to: path, .. } | Self::Restore { path, .. } => path,
        }
    }

    /// Whether something is put back.
    pub(super) fn gives_back(&self) -> bool {
        matches!(self, Self::CopyBack { .. } | Self::Restore { .. })
    }

    /// Where what is put back is copied from in the tree.
    pub(super) fn source(&self) -> Option<&RelPath> {
        match self {
            Self::CopyBack { from, .. } => Some(from),
            _ => None,
        }
    }
}

/// What is to be done in the tree, in order.
pub(super) fn jobs(look: &Look, actions: &BTreeMap<RelPath, Action>) -> Vec<Job> {
    let entries = &look.past.entries;
    let disk_at = |path: &RelPath| entries.get(path).and_then(Entry::present).cloned();
    let believed = |disk: Option<OnDisk>| {
        disk.map_or(Precondition::Absent, |disk| Precondition::Unchanged(disk.stat))
    };
    let (mut copies, mut removals, mut directories, mut restores) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (path, action) in actions {
        let (path, here) = (path.clone(), disk_at(path));
        match (action, here) {
            (Action::Remove, Some(disk)) if is_directory(&disk) => {
                directories.push(Job::RemoveDirectory(path, disk));
            }
            (Action::Remove, Some(disk)) => removals.push(Job::Remove(path, disk)),
            (Action::MoveBack(from), here) => {
                let Some(disk) = disk_at(from) else { continue };
                let (from, precondition) = (from.clone(), believed(here));
                copies.push(Job::CopyBack { from, disk, to: path, precondition });
            }
            (Action::Restore(version), here) => {
                let (version, precondition) = (version.clone(), believed(here));
                restores.push(Job::Restore { path, version, precondition });
            }
            (Action::Remove | Action::Insist(_) | Action::Leave(_), _) => {}
        }
    }
    directories.reverse();
    copies.into_iter().chain(removals).chain(directories).chain(restores).collect()
}

fn is_directory(disk: &OnDisk) -> bool {
    matches!(disk.record.content, Content::Directory { .. })
}

/// Does a batch of jobs. `directories` are those that the tree has, to which those
/// that are made are added. Blocks.
pub(super) fn carry_out(
    kept: &Past,
    jobs: &[Job],
    directories: &mut BTreeSet<RelPath>,
    own: DeviceId,
) -> Vec<End> {
    let mut ends: Vec<Option<End>> = Vec::with_capacity(jobs.len());
    let mut steps = Vec::with_capacity(jobs.len());
    // Which job each step belongs to; directories that are made belong to none.
    let mut owners = Vec::with_capacity(jobs.len());
    for (number, job) in jobs.iter().enumerate() {
        match step(kept, job, own) {
            Ok(step) => {
                if job.gives_back() {
                    for directory in missing_parents(job.path(), directories) {
                        steps.push(place::directory(directory, own));
                        owners.push(None);
                    }
                }
                steps.push(step);
                owners.push(Some(number));
                ends.push(None);
            }
            Err(end) => ends.push(Some(end)),
        }
    }
    let outcomes = driftless_fs::apply(&kept.root, steps, &Ignore::new(&kept.root));
    for (owner, (_, outcome)) in owners.into_iter().zip(outcomes) {
        // A directory that is there after all is no obstacle once the file is in it.
        if let Some(number) = owner {
            ends[number] = Some(end(&jobs[number], outcome));
        }
    }
    ends.into_iter().map(|end| end.unwrap_or(End::Stale)).collect()
}

/// The step that a job is; what it puts back is staged.
fn step(kept: &Past, job: &Job, own: DeviceId) -> Result<Step, End> {
    Ok(match job {
        Job::Remove(path, disk) | Job::RemoveDirectory(path, disk) => Step::Remove {
            path: path.clone(),
            precondition: Precondition::Unchanged(disk.stat),
            displaced: place::displaced(own, Reason::Deleted),
        },
        Job::CopyBack { from, disk, to, precondition } => {
            let Content::File { content, size_bytes, level, mode, mtime_ns } = disk.record.content
            else {
                return Err(End::Stale);
            };
            let place = LocalPlace::Path(from.clone(), disk.stat);
            match stage_copy(&kept.root, &place, content, level) {
                Ok(Some(_)) => {}
                Ok(None) => return Err(End::Stale),
                Err(error) => return Err(End::Failed(with_causes(&error))),
            }
            let (path, precondition) = (to.clone(), *precondition);
            let displaced = place::displaced(own, Reason::Overwritten);
            Step::Install { path, content, size_bytes, mode, mtime_ns, precondition, displaced }
        }
        Job::Restore { path, version, precondition } => {
            let ready = kept.stage(version).map_err(|error| End::Failed(error.message))?;
            ready.step(path.clone(), *precondition, own)
        }
    })
}

/// The directories above `path` that are not there, from the outermost; counted
/// as there from now on.
fn missing_parents(path: &RelPath, directories: &mut BTreeSet<RelPath>) -> Vec<RelPath> {
    let mut missing = Vec::new();
    let mut above = path.parent();
    while let Some(directory) = above {
        above = directory.parent();
        if !directories.insert(directory.clone()) {
            break;
        }
        missing.push(directory);
    }
    missing.reverse();
    missing
}

fn end(job: &Job, outcome: StepOutcome) -> End {
    match outcome {
        StepOutcome::Applied(_) => End::Done,
        StepOutcome::Ignored => End::Failed("an ignore rule covers it".to_owned()),
        // Somebody has put something into it.
        StepOutcome::Blocked(_) if matches!(job, Job::RemoveDirectory(..)) => End::Stale,
        StepOutcome::Blocked(problem) => End::Failed(problem.message),
        StepOutcome::Stale | StepOutcome::NotStaged | StepOutcome::NoParent => End::Stale,
    }
}
