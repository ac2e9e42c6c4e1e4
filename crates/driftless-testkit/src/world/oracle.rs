//! What must hold: while a world runs, and once it has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use driftless_core::index::Flag;
use driftless_core::{
    Content, ContentId, Entry, FileRecord, HolderSet, Index, RelPath, Slot, Totals, VersionVector,
};
use driftless_proto::IndexUpdate;

use super::World;
use super::device::{id_of, number_of};
use super::disk::Node;

/// What a device said: under this name it can never mean anything else (I9).
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) device: usize,
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    path: RelPath,
    held: Vec<FileRecord>,
}

/// What has happened in a world, as far as the oracles ask.
#[derive(Default, Debug)]
pub(crate) struct Ledger {
    /// Contents that people wrote.
    pub(crate) written: BTreeMap<ContentId, String>,
    /// Contents that people did away with, or that a power cut took before
    /// they were durable.
    pub(crate) excused: BTreeSet<ContentId>,
    claims: BTreeMap<(usize, u64, u64), Memory<u64>>,
    versions: BTreeMap<(RelPath, VersionVector), Memory<FileRecord>>,
}

/// What a name means, and the devices, as bits, that remember it.
#[derive(Debug)]
struct Memory<T> {
    meaning: T,
    known_to: u64,
}

impl<T: PartialEq> Memory<T> {
    /// Notes that `device` has learned the meaning; whether it is the one known so far.
    fn learn(&mut self, device: usize, meaning: T) -> bool {
        if self.known_to == 0 {
            self.meaning = meaning;
        } else if self.meaning != meaning {
            return false;
        }
        self.known_to |= 1 << device;
        true
    }
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Ledger {
    /// Notes what `hearer` has taken over.
    pub(crate) fn claim(&mut self, hearer: usize, claim: Claim) -> Result<(), String> {
        let Claim { device, epoch, sequence, path, held } = claim;
        let meaning = digest(&(&path, &held));
        let memory = self.claims.entry((device, epoch, sequence));
        if !memory.or_insert(Memory { meaning, known_to: 0 }).learn(hearer, meaning) {
            return Err(format!("I9: device {device} said {sequence} of {path} in two ways"));
        }
        held.into_iter().try_for_each(|record| self.name(hearer, &path, record))
    }

    fn name(&mut self, device: usize, path: &RelPath, record: FileRecord) -> Result<(), String> {
        let key = (path.clone(), record.version.clone());
        let memory = self.versions.entry(key);
        let memory = memory.or_insert_with(|| Memory { meaning: record.clone(), known_to: 0 });
        if !memory.learn(device, record.clone()) {
            let known = &memory.meaning;
            return Err(format!("I9: one version of {path} names two:\n{known:?}\n{record:?}"));
        }
        Ok(())
    }

    /// `device` has lost its index, or part of it.
    pub(crate) fn forget(&mut self, device: usize) {
        for known_to in self.claims.values_mut().map(|memory| &mut memory.known_to) {
            *known_to &= !(1 << device);
        }
        for known_to in self.versions.values_mut().map(|memory| &mut memory.known_to) {
            *known_to &= !(1 << device);
        }
    }
}

impl World {
    pub(crate) fn claims_of(&self, device: usize, update: &IndexUpdate) -> Vec<Claim> {
        let index = self.devices[device].index();
        let claim = |update: &driftless_proto::PathUpdate, epoch: u64| {
            let sequence = index.get(&update.path).ok().flatten().unwrap_or_default().sequence.0;
            let (path, held) = (update.path.clone(), update.held.clone());
            Claim { device, epoch, sequence, path, held }
        };
        update.paths.iter().map(|path| claim(path, update.epoch.0)).collect()
    }

    /// Checks a world at rest.
    pub(crate) fn check(&mut self) {
        let problems = [
            self.check_indexes(),
            self.check_statuses(),
            self.check_trees(),
            self.check_agreement(),
            self.check_nothing_lost(),
        ];
        if let Some(problem) = problems.into_iter().find_map(Result::err) {
            let state = self.describe();
            self.fail(format!("{problem}\n{state}"));
        }
    }

    /// I17: nobody needs anything, and everybody knows it of everybody.
    fn check_statuses(&self) -> Result<(), String> {
        for (number, device) in self.devices.iter().enumerate() {
            let Some(engine) = &device.engine else { continue };
            let status = engine.status();
            if status.totals.need_files > 0 || status.scanning || status.working {
                return Err(format!("I17: device {number} is not up to date at rest"));
            }
            for (other, heads, bytes) in status.lacking {
                let other = number_of(&other);
                if self.may_meet(number, other) && (heads, bytes) != (0, 0) {
                    return Err(format!("device {number} thinks that {other} lacks {heads} heads"));
                }
            }
        }
        Ok(())
    }

    /// I3: what an index says of its disk, and of other devices, is so.
    fn check_indexes(&mut self) -> Result<(), String> {
        for number in 0..self.devices.len() {
            let entries = self.entries(number);
            let mut totals = Totals::default();
            entries.iter().for_each(|(_, entry)| totals.add(entry));
            if totals != *self.devices[number].index().totals() {
                return Err(format!("the sums of device {number}'s index are wrong"));
            }
            for (path, entry) in &entries {
                self.check_entry(number, path, entry)?;
            }
            for (path, entry) in entries {
                for head in entry.heads.iter() {
                    self.ledger.name(number, &path, head.record.clone())?;
                }
            }
            let device = &self.devices[number];
            for path in device.disk.now.tree.keys() {
                let known = device.index().get(path).ok().flatten();
                if known.is_none_or(|entry| entry.present().is_none()) {
                    return Err(format!("device {number} does not know of its own {path}"));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn entries(&self, device: usize) -> Vec<(RelPath, Entry)> {
        self.devices[device].index().range(None, None, usize::MAX).unwrap_or_default()
    }

    fn check_entry(&self, number: usize, path: &RelPath, entry: &Entry) -> Result<(), String> {
        let node = self.devices[number].disk.get(path);
        match (entry.present(), node) {
            (None, None) => {}
            (Some(disk), Some(node)) if disk.record.content.matches(&node.content()) => {}
            (known, _) => {
                let there = node.map(Node::content);
                return Err(format!("device {number} has {path} as {known:?}, not as {there:?}"));
            }
        }
        let index = self.devices[number].index();
        let slots: BTreeMap<_, _> =
            index.devices().into_iter().chain([(Slot::ME, id_of(number))]).collect();
        for head in entry.heads.iter() {
            for holder in head.holders.iter().filter_map(|slot| slots.get(&slot)) {
                let holder = number_of(holder);
                if !self.holds(holder, path, &head.record.content) {
                    let content = &head.record.content;
                    return Err(format!(
                        "I3: device {number} believes that {holder} holds {content:?} of {path}"
                    ));
                }
            }
        }
        // I8: what a person has to choose among differs.
        let losers = entry.heads.losers();
        let shown = entry.shown().map(|shown| &shown.content);
        let mut all: Vec<_> = losers.iter().map(|head| &head.record.content).chain(shown).collect();
        while let Some(one) = all.pop() {
            if all.iter().any(|other| other.is_same_data(one)) && !losers.is_empty() {
                return Err(format!("I8: equal contents conflict at {path} on device {number}"));
            }
        }
        Ok(())
    }

    fn holds(&self, device: usize, path: &RelPath, content: &Content) -> bool {
        let disk = &self.devices[device].disk;
        match content.file() {
            Some((content, _)) => disk.serve(path, content).is_some(),
            None => true,
        }
    }

    /// I6: the trees are equal.
    fn check_trees(&self) -> Result<(), String> {
        let tree = |device: usize| -> BTreeMap<&RelPath, Content> {
            let nodes = self.devices[device].disk.now.tree.iter();
            nodes.map(|(path, node)| (path, node.content())).collect()
        };
        let first = tree(0);
        for other in 1..self.devices.len() {
            let tree = tree(other);
            let mut paths = first.keys().chain(tree.keys());
            if let Some(path) = paths.find(|path| first.get(*path) != tree.get(*path)) {
                let (here, there) = (first.get(path), tree.get(path));
                return Err(format!("I6: {path} is {here:?} on 0 and {there:?} on {other}"));
            }
        }
        Ok(())
    }

    /// I7: every device shows the same head and knows of the same conflicts.
    fn check_agreement(&self) -> Result<(), String> {
        let live = |device: usize| -> BTreeMap<RelPath, Vec<FileRecord>> {
            let records = |entry: Entry| -> Vec<FileRecord> {
                let live = |record: &FileRecord| !record.content.is_tombstone();
                entry.heads.iter().map(|head| head.record.clone()).filter(live).collect()
            };
            let entries = self.entries(device).into_iter();
            entries
                .map(|(path, entry)| (path, records(entry)))
                .filter(|(_, records)| !records.is_empty())
                .collect()
        };
        let first = live(0);
        for other in 1..self.devices.len() {
            let heads = live(other);
            let mut paths = first.keys().chain(heads.keys());
            if let Some(path) = paths.find(|path| first.get(*path) != heads.get(*path)) {
                let (here, there) = (first.get(path), heads.get(path));
                return Err(format!("I7: {path} has {here:?} on 0 and {there:?} on {other}"));
            }
        }
        Ok(())
    }

    /// I1: what people wrote and did not do away with is somewhere.
    fn check_nothing_lost(&self) -> Result<(), String> {
        let mut reachable = BTreeSet::new();
        for device in &self.devices {
            reachable.append(&mut device.disk.now.reachable());
        }
        for (content, text) in &self.ledger.written {
            if !reachable.contains(content) && !self.ledger.excused.contains(content) {
                return Err(format!("I1: {text:?} is lost"));
            }
        }
        Ok(())
    }

    /// The paths in conflict on a device.
    pub fn conflicts(&self, device: usize) -> Vec<RelPath> {
        let flagged = self.devices[device].index().flagged(Flag::Conflict, None, usize::MAX);
        flagged.unwrap_or_default().into_iter().map(|(path, _)| path).collect()
    }

    fn tell_entry(&self, path: &RelPath, entry: &Entry) -> String {
        let tell = |record: &FileRecord| match record.content.file() {
            Some((content, _)) => format!(
                "{:?} {:?} by {} upon {:?}",
                record.version,
                self.ledger.written.get(&content),
                number_of(&record.device),
                record.previous.map(|previous| self.ledger.written.get(&previous)),
            ),
            None => format!("{:?} {:?}", record.version, record.content),
        };
        let mut text = format!("  {path}{}:\n", if entry.is_needed() { " is needed" } else { "" });
        for head in entry.heads.iter() {
            let holders: Vec<_> = head.holders.iter().map(Slot::number).take(8).collect();
            let _ = writeln!(text, "    {} held by {holders:?}", tell(&head.record));
        }
        if let Some(disk) = &entry.disk {
            let _ = writeln!(text, "    on disk {}", tell(&disk.record));
        }
        text
    }

    /// What a person would ask about next when something does not hold.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for number in 0..self.devices.len() {
            let _ = writeln!(text, "device {number} shows {}", self.shows(number));
            if let Some(engine) = &self.devices[number].engine {
                let status = engine.status();
                let _ = writeln!(
                    text,
                    "  needs {}, scanning {}, working {}, held back {:?}, stopped {:?}",
                    status.totals.need_files,
                    status.scanning,
                    status.working,
                    status.held_back,
                    status.stopped
                );
            }
            for (path, entry) in self.entries(number) {
                let all = HolderSet::from_bits((1 << self.devices.len()) - 1);
                let is_lacked = entry.heads.iter().any(|head| !head.holders.includes(all));
                if entry.is_needed() || entry.heads.is_conflict() || is_lacked {
                    text += &self.tell_entry(&path, &entry);
                }
            }
        }
        text
    }
}
