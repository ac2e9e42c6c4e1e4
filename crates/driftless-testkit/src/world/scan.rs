//! Looking at the simulated disk: scans in stretches, second looks, hashing.

use std::collections::VecDeque;
use std::rc::Rc;

use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{Level, Observed, Problem, ProblemCode, RelPath, ScanBatch, Stat};
use driftless_engine::{Absence, HashError, Hashed, Input};

use super::disk::{Ailment, Blob, Disk, Kind, Node};
use super::{Event, World, WorldIndex};

#[derive(Debug)]
pub(crate) struct Scan {
    /// What is still to be looked at; `None` is the whole tree.
    scopes: VecDeque<Option<RelPath>>,
    after: Option<RelPath>,
    complete: bool,
}

fn observe(node: &Node) -> Observed {
    match &node.kind {
        Kind::File(_) => Observed::File(node.stat()),
        Kind::Symlink(target) => Observed::Symlink(node.stat(), target.clone()),
        Kind::Directory => Observed::Directory(node.stat()),
    }
}

/// What a look at `wanted` can say anything of: itself, or the topmost thing
/// above it that is not there or is no directory.
fn coverable(disk: &Disk, wanted: &RelPath) -> RelPath {
    let mut ancestors = vec![wanted.clone()];
    while let Some(parent) = ancestors.last().and_then(RelPath::parent) {
        ancestors.push(parent);
    }
    let is_directory = |path: &RelPath| disk.get(path).is_some_and(Node::is_directory);
    let topmost = ancestors.into_iter().rev().find(|path| !is_directory(path));
    topmost.unwrap_or_else(|| wanted.clone())
}

impl<I: WorldIndex> World<I> {
    pub(crate) fn want_full_scan(&mut self, device: usize) {
        self.devices[device].full_scan_wanted = true;
        self.begin_scan(device);
    }

    pub(crate) fn want_scan(&mut self, device: usize, paths: Vec<RelPath>) {
        self.devices[device].scan_wanted.extend(paths);
        self.begin_scan(device);
    }

    fn begin_scan(&mut self, device: usize) {
        let this = &mut self.devices[device];
        if this.engine.is_none() || this.scan.is_some() {
            return;
        }
        let wanted = std::mem::take(&mut this.scan_wanted);
        let full = std::mem::take(&mut this.full_scan_wanted);
        let scopes: VecDeque<_> =
            if full { [None].into() } else { wanted.into_iter().map(Some).collect() };
        if scopes.is_empty() {
            return;
        }
        this.scan = Some(Scan { scopes, after: None, complete: true });
        self.tell(device, Input::ScanStarted { full });
        self.soon(device, 10_000, Event::ScanStep);
    }

    pub(crate) fn scan_step(&mut self, device: usize) {
        let Some(mut scan) = self.devices[device].scan.take() else { return };
        let is_gone = self.devices[device].disk.ailment == Some(Ailment::Gone);
        if is_gone && is(Sabotage::MissingRootIsEmpty) {
            scan.scopes.clear();
            self.tell(device, Input::Scanned(ScanBatch::default()));
        } else if is_gone || (self.faults && self.random.chance(3)) {
            scan.complete = false;
            scan.scopes.clear();
        }
        let Some(scope) = scan.scopes.front().cloned() else {
            // A scan ends with everything that it saw on its way to the platter.
            self.devices[device].disk.sync();
            self.note(format_args!("{device} ends a scan"));
            self.tell(device, Input::ScanFinished { complete: scan.complete });
            return self.begin_scan(device);
        };
        let batch = self.look(device, scope, scan.after.take());
        if batch.upto.is_some() {
            scan.after = batch.upto.clone();
        } else {
            scan.scopes.pop_front();
        }
        self.note(format_args!("{device} finds {}", batch.found.len()));
        self.tell(device, Input::Scanned(batch));
        self.devices[device].scan = Some(scan);
        self.soon(device, 10_000, Event::ScanStep);
    }

    /// One stretch: at most a few paths, now and then a directory that cannot be read.
    fn look(&mut self, device: usize, scope: Option<RelPath>, after: Option<RelPath>) -> ScanBatch {
        let limit = 1 + self.random.index(12);
        let is_failing = self.devices[device].disk.ailment == Some(Ailment::Failing);
        let hides = self.faults && self.random.chance(if is_failing { 40 } else { 5 });
        let salt = self.random.index(3);
        // A directory that changes while it is listed may be listed without a name.
        let overlooks = self.faults && self.random.chance(if is_failing { 40 } else { 4 });
        let overlooked = overlooks.then(|| self.random.index(limit));
        let disk = &self.devices[device].disk;
        let within = scope.map(|scope| coverable(disk, &scope));
        let is_below_ignored = |path: &RelPath| {
            disk.ignored.as_ref().is_some_and(|ignored| path != ignored && path.is_within(ignored))
        };
        let mut paths = disk
            .now
            .tree
            .iter()
            .filter(|(path, _)| within.as_ref().is_none_or(|within| path.is_within(within)))
            .filter(|(path, _)| after.as_ref().is_none_or(|after| *path > after))
            .filter(|(path, _)| !is_below_ignored(path));
        let mut taken: Vec<_> = paths.by_ref().take(limit).collect();
        let unknown = |taken: &[(&RelPath, &Node)]| -> Option<RelPath> {
            let directories = taken.iter().filter(|(_, node)| hides && node.is_directory());
            directories.map(|(path, _)| (*path).clone()).nth(salt)
        };
        // As it is promised, a stretch ends with something found, or what lies
        // below what is left out would seem absent from the next.
        let ends_left_out = |taken: &[(&RelPath, &Node)]| {
            let unknown = unknown(taken);
            taken.last().is_some_and(|(path, _)| {
                disk.is_ignored(path) || unknown.is_some_and(|unknown| path.is_within(&unknown))
            })
        };
        while ends_left_out(&taken)
            && let Some(next) = paths.next()
        {
            taken.push(next);
        }
        let upto = paths.next().and_then(|_| taken.last().map(|(path, _)| (*path).clone()));
        let unknown = Vec::from_iter(unknown(&taken));
        let is_taken = |path: &&RelPath| taken.iter().any(|(taken, _)| taken == path);
        let ignored: Vec<RelPath> = disk.ignored.iter().filter(is_taken).cloned().collect();
        let overlooked = overlooked.and_then(|at| taken.get(at)).map(|(path, _)| *path);
        let is_known = |path: &RelPath| {
            Some(path) != overlooked
                && !disk.is_ignored(path)
                && !unknown.iter().any(|unknown| path.is_within(unknown))
        };
        let found = taken
            .into_iter()
            .filter(|(path, _)| is_known(path))
            .map(|(path, node)| (path.clone(), observe(node)))
            .collect();
        ScanBatch { within, after, upto, found, ignored, unknown, ..ScanBatch::default() }
    }

    pub(crate) fn confirm_absent(&mut self, device: usize, paths: Vec<RelPath>) {
        let doubts = self.refuses_reading(device) || (self.faults && self.random.chance(10));
        let is_gone = self.devices[device].disk.ailment == Some(Ailment::Gone);
        let disk = &self.devices[device].disk;
        let look = |path: RelPath| {
            let absence = match disk.get(&path) {
                _ if is_gone && is(Sabotage::MissingRootIsEmpty) => Absence::Absent,
                _ if doubts => Absence::Unknown,
                _ if disk.is_ignored(&path) => Absence::Ignored,
                Some(_) => Absence::Present,
                None => Absence::Absent,
            };
            (path, absence)
        };
        let absences = paths.into_iter().map(look).collect();
        self.tell(device, Input::Absences(absences));
    }

    pub(crate) fn hash_begin(&mut self, device: usize, path: RelPath, expected: Stat) {
        if self.refuses_reading(device) {
            return self.cannot_read(device, path);
        }
        let accepts_any = self.random.chance(50);
        let stat = self.devices[device]
            .disk
            .get(&path)
            .and_then(|node| Some((node.stat(), node.blob()?.clone())));
        match stat {
            Some((seen, read)) if seen == expected || accepts_any => {
                self.soon(device, 20_000, Event::HashEnd { path, seen, read });
            }
            Some(_) => {
                self.tell(device, Input::Hashed { path, result: Err(HashError::Unstable) });
            }
            None => self.tell(device, Input::Hashed { path, result: Err(HashError::Vanished) }),
        }
    }

    fn cannot_read(&mut self, device: usize, path: RelPath) {
        let message = "the simulated disk refuses".to_owned();
        let problem = Problem { path: path.to_string(), code: ProblemCode::Io, message };
        self.tell(device, Input::Hashed { path, result: Err(HashError::Unreadable(problem)) });
    }

    pub(crate) fn hash_end(&mut self, device: usize, path: RelPath, seen: Stat, read: &Rc<Blob>) {
        if self.refuses_reading(device) {
            return self.cannot_read(device, path);
        }
        let disk = &mut self.devices[device].disk;
        // What is announced must be durable (I3).
        if !is(Sabotage::SkipSyncOfSaved) {
            disk.sync();
        }
        let is_same = |stat: &Stat| *stat == seen || is(Sabotage::HashWhileChanging);
        let result = match disk.get(&path).map(Node::stat).filter(is_same) {
            Some(stat) => Ok(Hashed {
                stat,
                content: read.content,
                level: Level::default(),
                blocks: read.blocks.clone(),
            }),
            None => Err(HashError::Unstable),
        };
        self.tell(device, Input::Hashed { path, result });
    }
}
