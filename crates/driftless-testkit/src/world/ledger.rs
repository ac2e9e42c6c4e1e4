//! What has happened in a world, as far as the oracles ask.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use driftless_core::{Content, ContentId, FileRecord, RelPath, VersionVector};

/// What a device said: under this name it can never mean anything else (I9).
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) device: usize,
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    pub(crate) path: RelPath,
    pub(crate) held: Vec<FileRecord>,
}

#[derive(Default, Debug)]
pub(crate) struct Ledger {
    /// Contents that people wrote.
    pub(crate) written: BTreeMap<ContentId, String>,
    /// Contents that people chose for a conflict; written once they are kept.
    pub(crate) chosen: BTreeMap<ContentId, String>,
    /// Contents that people did away with, or that a power cut took before
    /// they were durable.
    pub(crate) excused: BTreeSet<ContentId>,
    claims: BTreeMap<(usize, u64, u64), Memory<u64>>,
    versions: BTreeMap<RelPath, BTreeMap<VersionVector, Memory<FileRecord>>>,
    /// The tree that all had when they last agreed.
    pub(crate) agreed: Option<BTreeMap<RelPath, Content>>,
    /// Paths that people changed since, on any device.
    touched: BTreeSet<RelPath>,
    /// Something happened since that may change any path.
    pub(crate) is_unsure: bool,
    /// A device was removed, so that deletions may have been forgotten without it.
    pub(crate) was_removed: bool,
    /// What an ignore rule ever covered: a device that ignores a path says
    /// nothing of it, not even that it was deleted.
    pub(crate) ignored: BTreeSet<RelPath>,
    /// Paths that people ever changed on a device, itself.
    touched_on: BTreeSet<(usize, RelPath)>,
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
        held.iter().try_for_each(|record| self.name(hearer, &path, record).map(drop))
    }

    /// Notes that `device` knows a version; returns whether it is the first to.
    pub(crate) fn name(
        &mut self,
        device: usize,
        path: &RelPath,
        record: &FileRecord,
    ) -> Result<bool, String> {
        if !self.versions.contains_key(path) {
            self.versions.insert(path.clone(), BTreeMap::new());
        }
        let Some(versions) = self.versions.get_mut(path) else { return Ok(false) };
        let Some(memory) = versions.get_mut(&record.version) else {
            let memory = Memory { meaning: record.clone(), known_to: 1 << device };
            versions.insert(record.version.clone(), memory);
            return Ok(true);
        };
        if memory.known_to != 0 && memory.meaning == *record {
            memory.known_to |= 1 << device;
            return Ok(false);
        }
        if !memory.learn(device, record.clone()) {
            let known = &memory.meaning;
            return Err(format!("I9: one version of {path} names two:\n{known:?}\n{record:?}"));
        }
        Ok(true)
    }

    /// Whether someone knows of a deletion that supersedes `record`.
    pub(crate) fn is_deleted(&self, path: &RelPath, record: &FileRecord) -> bool {
        if self.ignored.iter().any(|ignored| path.is_within(ignored)) {
            return false;
        }
        let known = self.versions.get(path).into_iter().flat_map(BTreeMap::values);
        known.filter(|memory| memory.known_to != 0).any(|Memory { meaning, .. }| {
            meaning.content.is_tombstone()
                && meaning.version != record.version
                && meaning.version.includes(&record.version)
        })
    }

    /// `device` has lost its index, or part of it.
    pub(crate) fn forget(&mut self, device: usize) {
        for known_to in self.claims.values_mut().map(|memory| &mut memory.known_to) {
            *known_to &= !(1 << device);
        }
        for memory in self.versions.values_mut().flat_map(BTreeMap::values_mut) {
            memory.known_to &= !(1 << device);
        }
    }

    /// Notes that a person, or a power cut, changed what is at a path of a device.
    pub(crate) fn touch(&mut self, device: usize, path: &RelPath) {
        self.touched.insert(path.clone());
        self.touched_on.insert((device, path.clone()));
    }

    /// Whether someone changed the path, what holds it or what it holds since
    /// all last agreed.
    pub(crate) fn is_touched(&self, path: &RelPath) -> bool {
        self.is_unsure || self.touched.iter().any(|touched| are_in_line(touched, path))
    }

    /// Whether a person ever changed the path, what holds it or what it holds
    /// on this device.
    pub(crate) fn is_touched_on(&self, device: usize, path: &RelPath) -> bool {
        let touched = self.touched_on.iter().filter(|(number, _)| *number == device);
        touched.map(|(_, touched)| touched).any(|touched| are_in_line(touched, path))
    }

    /// Notes what everyone has now.
    pub(crate) fn agree(&mut self, tree: BTreeMap<RelPath, Content>) {
        self.agreed = Some(tree);
        self.touched.clear();
        self.is_unsure = false;
    }
}

fn are_in_line(one: &RelPath, other: &RelPath) -> bool {
    one.is_within(other) || other.is_within(one)
}
