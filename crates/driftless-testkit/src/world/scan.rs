//! Looking at the simulated disk: scans in stretches, second looks, hashing.

use std::collections::VecDeque;

use driftless_core::{Level, Observed, RelPath, ScanBatch, Stat};
use driftless_engine::{Absence, HashError, Hashed, Input};

use super::disk::{Disk, Kind, Node};
use super::{Event, World};

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

impl World {
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
        if self.faults && self.random.chance(3) {
            scan.complete = false;
            scan.scopes.clear();
        }
        let Some(scope) = scan.scopes.front().cloned() else {
            // A scan ends with everything that it saw on its way to the platter.
            self.devices[device].disk.sync();
            self.tell(device, Input::ScanFinished { complete: scan.complete });
            return self.begin_scan(device);
        };
        let batch = self.look(device, scope, scan.after.take());
        if batch.upto.is_some() {
            scan.after = batch.upto.clone();
        } else {
            scan.scopes.pop_front();
        }
        self.note(format_args!("{device} finds {} after {:?}", batch.found.len(), batch.after));
        self.tell(device, Input::Scanned(batch));
        self.devices[device].scan = Some(scan);
        self.soon(device, 10_000, Event::ScanStep);
    }

    /// One stretch: at most a few paths, now and then a directory that cannot be read.
    fn look(&mut self, device: usize, scope: Option<RelPath>, after: Option<RelPath>) -> ScanBatch {
        let limit = 1 + self.random.index(12);
        let hides = self.faults && self.random.chance(5);
        let salt = self.random.index(7);
        let disk = &self.devices[device].disk;
        let within = scope.map(|scope| coverable(disk, &scope));
        let mut paths = disk
            .now
            .tree
            .iter()
            .filter(|(path, _)| within.as_ref().is_none_or(|within| path.is_within(within)))
            .filter(|(path, _)| after.as_ref().is_none_or(|after| *path > after));
        let taken: Vec<_> = paths.by_ref().take(limit).collect();
        let upto = paths.next().and_then(|_| taken.last().map(|(path, _)| (*path).clone()));
        let unknown: Vec<RelPath> = taken
            .iter()
            .filter(|(_, node)| hides && node.is_directory())
            .map(|(path, _)| (*path).clone())
            .skip(salt)
            .take(1)
            .collect();
        let is_known = |path: &RelPath| !unknown.iter().any(|unknown| path.is_within(unknown));
        let found = taken
            .into_iter()
            .filter(|(path, _)| is_known(path))
            .map(|(path, node)| (path.clone(), observe(node)))
            .collect();
        ScanBatch { within, after, upto, found, unknown, ..ScanBatch::default() }
    }

    pub(crate) fn confirm_absent(&mut self, device: usize, paths: Vec<RelPath>) {
        let doubts = self.faults && self.random.chance(5);
        let disk = &self.devices[device].disk;
        let look = |path: RelPath| {
            let absence = match disk.get(&path) {
                _ if doubts => Absence::Unknown,
                Some(_) => Absence::Present,
                None => Absence::Absent,
            };
            (path, absence)
        };
        let absences = paths.into_iter().map(look).collect();
        self.tell(device, Input::Absences(absences));
    }

    pub(crate) fn hash_begin(&mut self, device: usize, path: RelPath, expected: Stat) {
        let accepts_any = self.random.chance(50);
        let stat = self.devices[device]
            .disk
            .get(&path)
            .filter(|node| node.blob().is_some())
            .map(Node::stat);
        match stat {
            Some(seen) if seen == expected || accepts_any => {
                self.soon(device, 20_000, Event::HashEnd { path, seen });
            }
            Some(_) => {
                self.tell(device, Input::Hashed { path, result: Err(HashError::Unstable) });
            }
            None => self.tell(device, Input::Hashed { path, result: Err(HashError::Vanished) }),
        }
    }

    pub(crate) fn hash_end(&mut self, device: usize, path: RelPath, seen: Stat) {
        let disk = &mut self.devices[device].disk;
        // What is announced must be durable (I3).
        disk.sync();
        let node = disk.get(&path).filter(|node| node.stat() == seen);
        let result = match node.and_then(Node::blob) {
            Some(blob) => Ok(Hashed {
                stat: seen,
                content: blob.content,
                level: Level::default(),
                blocks: blob.blocks.clone(),
            }),
            None => Err(HashError::Unstable),
        };
        self.tell(device, Input::Hashed { path, result });
    }
}
