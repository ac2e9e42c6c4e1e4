//! What engines have done to the simulated disk, and fetching.
//!
//! Steps, keeping and releasing happen in the order of the effects, one at a
//! time, with people's edits in between; fetching happens beside them.

use std::rc::Rc;

use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    ContentId, DeviceId, Outcome, Precondition, Problem, ProblemCode, RelPath, Step,
};
use driftless_engine::{FetchError, Fetched, Input, LocalSource};

use super::device::number_of;
use super::disk::{Ailment, Blob, Node, Shelf};
use super::{Event, World, WorldIndex};

#[derive(Debug)]
pub(crate) enum Chore {
    Apply { left: std::vec::IntoIter<Step>, done: Vec<(Step, Outcome)> },
    Keep { content: ContentId, path: RelPath },
    Release { content: ContentId, path: RelPath },
}

impl Chore {
    pub(crate) fn apply(steps: Vec<Step>) -> Self {
        Self::Apply { left: steps.into_iter(), done: Vec::new() }
    }

    /// The paths at which it puts something, or has done so and is yet to tell.
    pub(crate) fn puts(&self) -> impl Iterator<Item = &RelPath> {
        let (left, done) = match self {
            Self::Apply { left, done } => (left.as_slice(), done.as_slice()),
            Self::Keep { .. } | Self::Release { .. } => Default::default(),
        };
        let done = done.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Applied(_)));
        let steps = left.iter().chain(done.map(|(step, _)| step));
        steps.filter(|step| !matches!(step, Step::Remove { .. })).map(Step::path)
    }
}

/// A content that is wanted.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) content: ContentId,
    pub(crate) size_bytes: u64,
    pub(crate) path: RelPath,
    pub(crate) sources: Vec<DeviceId>,
    pub(crate) local: Vec<LocalSource>,
}

fn problem(path: &RelPath, code: ProblemCode) -> Problem {
    Problem { path: path.to_string(), code, message: "the simulated disk refuses".to_owned() }
}

impl<I: WorldIndex> World<I> {
    pub(crate) fn add_chore(&mut self, device: usize, chore: Chore) {
        self.activity += 1;
        let this = &mut self.devices[device];
        this.chores.push_back(chore);
        if !this.doing_chore {
            this.doing_chore = true;
            self.soon(device, 10_000, Event::ChoreStep);
        }
    }

    pub(crate) fn chore_step(&mut self, device: usize) {
        self.devices[device].disk.put_away();
        match self.devices[device].chores.pop_front() {
            None => {
                self.devices[device].doing_chore = false;
                return;
            }
            Some(Chore::Apply { mut left, mut done }) => match left.next() {
                Some(step) => {
                    let outcome = self.apply(device, &step);
                    done.push((step, outcome));
                    self.devices[device].chores.push_front(Chore::Apply { left, done });
                }
                None => {
                    if !is(Sabotage::SkipSyncOfInstalled) {
                        self.devices[device].disk.sync();
                    }
                    self.tell(device, Input::Applied(done));
                }
            },
            Some(Chore::Keep { content, path }) => {
                let result = self.keep(device, content, &path);
                self.tell(device, Input::Kept { content, path, result });
            }
            Some(Chore::Release { content, path }) => {
                self.note(format_args!("{device} releases {content} of {path}"));
                if self.refusal(device, false).is_none() {
                    self.devices[device].disk.release(content, &path);
                }
            }
        }
        self.soon(device, 10_000, Event::ChoreStep);
    }

    /// Why the disk will not be changed, if so: what ails it, or chance.
    fn refusal(&mut self, device: usize, adds: bool) -> Option<ProblemCode> {
        match self.devices[device].disk.ailment {
            Some(Ailment::Full) => adds.then_some(ProblemCode::DiskFull),
            Some(Ailment::ReadOnly) => Some(ProblemCode::ReadOnly),
            Some(Ailment::Gone) => Some(ProblemCode::Io),
            Some(Ailment::Failing) => self.random.chance(50).then_some(ProblemCode::Io),
            None if self.faults && self.random.chance(3) => {
                let codes = [ProblemCode::NotWritable, ProblemCode::DiskFull, ProblemCode::Io];
                self.random.pick(&codes).copied()
            }
            None => None,
        }
    }

    fn keep(&mut self, device: usize, content: ContentId, path: &RelPath) -> Result<(), Problem> {
        if let Some(code) = self.refusal(device, false) {
            return Err(problem(path, code));
        }
        let disk = &mut self.devices[device].disk;
        let is_kept = disk.keep(content);
        if !is(Sabotage::SkipSyncOfKept) {
            disk.sync();
        }
        if let Some(text) = self.ledger.chosen.get(&content).filter(|_| is_kept) {
            self.ledger.written.insert(content, text.clone());
        }
        is_kept.then_some(()).ok_or_else(|| problem(path, ProblemCode::Io))
    }

    fn apply(&mut self, device: usize, step: &Step) -> Outcome {
        let adds = !matches!(step, Step::Remove { .. } | Step::Touch { .. } | Step::Move { .. });
        if let Some(code) = self.refusal(device, adds) {
            if let (ProblemCode::Io, Step::Install { content, .. }) = (code, step) {
                // What could not be made durable is discarded (D3).
                self.devices[device].disk.shelve(Shelf::Staging, *content, None);
            }
            return Outcome::Blocked(problem(step.path(), code));
        }
        self.spring_ambush(device, step);
        let victim = match step {
            Step::Move { from, .. } => Some(from),
            Step::Install { path, precondition: Precondition::Unchanged(_), .. }
            | Step::Symlink { path, precondition: Precondition::Unchanged(_), .. }
            | Step::Directory { path, precondition: Precondition::Unchanged(_), .. }
            | Step::Remove { path, precondition: Precondition::Unchanged(_), .. } => Some(path),
            _ => None,
        };
        let there = victim.and_then(|path| self.devices[device].disk.blob_at(path)).cloned();
        let outcome = self.devices[device].disk.apply(step);
        self.trace.tell(self.now_us, || format!("{device} applies {step:?}: {outcome:?}"));
        self.note(format_args!("{device} applies {}", step.path()));
        if let (Outcome::Applied(_), Some(victim), Some(there)) = (&outcome, victim, there) {
            self.check_victim(device, victim, &there);
            self.check_brake(device, victim, there.content);
        }
        outcome
    }

    /// I5: what a step displaced is what its plan believed to be there.
    fn check_victim(&mut self, device: usize, victim: &RelPath, there: &Rc<Blob>) {
        let entry = self.devices[device].index().get(victim).ok().flatten().unwrap_or_default();
        let believed = entry.disk.and_then(|disk| disk.record.content.file());
        if believed.is_none_or(|(believed, _)| believed != there.content) {
            self.fail(format!(
                "I5: device {device} displaced {victim} without knowing what it held"
            ));
        }
    }

    /// What a device gives out: where its engine says that it has the content,
    /// if it is still there.
    fn serve(&mut self, device: usize, path: &RelPath, content: ContentId) -> Option<Rc<Blob>> {
        if self.refuses_reading(device) {
            return None;
        }
        let this = &self.devices[device];
        let is_unverified = is(Sabotage::ServeUnverified);
        let blob = match this.engine.as_ref()?.locate(path, content).ok()?? {
            LocalSource::Path { path, stat, .. } => {
                let is_same = |node: &&Node| node.stat() == stat;
                this.disk.get(&path).filter(|node| is_unverified || is_same(node))?.blob()?
            }
            LocalSource::Stored(content) => this.disk.now.heads.get(&content)?,
        };
        (blob.content == content || is_unverified).then(|| blob.clone())
    }

    pub(crate) fn fetch(&mut self, device: usize, errand: Errand) {
        let Errand { content, size_bytes, path, mut sources, local } = errand;
        if let Some(code) = self.refusal(device, true) {
            let result = Err(FetchError::Local(problem(&path, code)));
            return self.tell(device, Input::Fetched { content, result });
        }
        let disk = &self.devices[device].disk;
        let here = local.iter().find_map(|source| match source {
            LocalSource::Path { path, stat, content: held } => disk
                .get(path)
                .filter(|node| *held == content && node.stat() == *stat)
                .and_then(|node| node.blob()),
            LocalSource::Stored(held) => disk.now.heads.get(held).filter(|_| *held == content),
        });
        let mut blob = here.filter(|blob| blob.content == content).cloned();
        while blob.is_none() && !sources.is_empty() {
            let source = number_of(&sources.swap_remove(self.random.index(sources.len())));
            if self.is_connected(device, source) && !self.is_asleep(source) {
                blob = self.serve(source, &path, content);
            }
        }
        let what = if blob.is_some() { "fetches" } else { "cannot get" };
        self.note(format_args!("{device} {what} {content} for {path}"));
        let result = match blob {
            Some(blob)
                if blob.bytes.len() as u64 == size_bytes || is(Sabotage::ServeUnverified) =>
            {
                let blocks = (blob.blocks.blocks().len() > 1).then(|| blob.blocks.clone());
                self.devices[device].disk.shelve(Shelf::Staging, content, Some(blob));
                Ok(Fetched { blocks })
            }
            Some(_) => return self.fail(format!("{path} has another size than was said")),
            None => Err(FetchError::NotAvailable),
        };
        self.tell(device, Input::Fetched { content, result });
    }
}
