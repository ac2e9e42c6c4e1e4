//! What must hold: while a world runs, and once it has come to rest.

mod provenance;
mod watch;

use std::collections::BTreeMap;

use driftless_core::{Content, Entry, FileRecord, RelPath, Slot, Totals};
use driftless_proto::IndexUpdate;

use super::device::{id_of, number_of};
use super::disk::Node;
use super::ledger::Claim;
use super::{World, WorldIndex};

impl<I: WorldIndex> World<I> {
    /// What a device is about to say; it must hold it durably (I3).
    pub(crate) fn claims_of(&mut self, device: usize, update: &IndexUpdate) -> Vec<Claim> {
        let disk = &self.devices[device].disk;
        let held = update.paths.iter().flat_map(|update| &update.held);
        let mut contents = held.filter_map(|record| record.content.file()).map(|(held, _)| held);
        let is_safe = |content| disk.has_durably(content) || self.ledger.excused.contains(&content);
        if let Some(content) = contents.find(|content| !is_safe(*content)) {
            let text = self.ledger.written.get(&content).cloned();
            self.fail(format!("I3: device {device} says that it holds {text:?}, not durably"));
        }
        // A deletion beside other versions is told at once: it is all there is to hold of it.
        let early = self.overtaken(device).into_iter().find(|(path, shown)| {
            update.paths.iter().any(|update| update.path == *path && update.held.contains(shown))
        });
        if let Some((path, _)) = early {
            self.fail(format!("I3: device {device} says that {path} is gone, and puts it there"));
        }
        let index = self.devices[device].index();
        let claim = |update: &driftless_proto::PathUpdate, epoch: u64| {
            let sequence = index.get(&update.path).ok().flatten().unwrap_or_default().sequence.0;
            let (path, held) = (update.path.clone(), update.held.clone());
            Claim { device, epoch, sequence, path, held }
        };
        update.paths.iter().map(|path| claim(path, update.epoch.0)).collect()
    }

    /// A device that is told of a deletion has heard of it once nothing older
    /// can come into its tree there: the deletion may then be forgotten (I3).
    pub(crate) fn check_acknowledgement(&mut self, device: usize) {
        if let Some((path, _)) = self.overtaken(device).pop() {
            self.fail(format!(
                "I3: device {device} has heard that {path} is gone, and puts it there"
            ));
        }
    }

    /// What a device knows to be deleted while it puts something there.
    fn overtaken(&self, device: usize) -> Vec<(RelPath, FileRecord)> {
        let this = &self.devices[device];
        let deleted = |path: &RelPath| {
            let entry = this.index().get(path).ok().flatten()?;
            let shown = entry.shown().filter(|shown| shown.content.is_tombstone())?;
            Some((path.clone(), shown.clone()))
        };
        this.landing().filter_map(deleted).collect()
    }

    fn report<const N: usize>(&mut self, problems: [Result<(), String>; N]) {
        if let Some(problem) = problems.into_iter().find_map(Result::err) {
            let state = self.describe();
            self.fail(format!("{problem}\n{state}"));
        }
    }

    /// Checks a world at rest in which all devices end the same.
    pub(crate) fn check(&mut self) {
        let problems = [
            self.check_indexes(),
            self.check_statuses(),
            self.check_trees(),
            self.check_agreement(),
            self.check_nothing_lost(),
            self.check_views(),
            self.check_deletions(),
            self.check_wholeness(),
            self.check_untouched(),
        ];
        self.report(problems);
        self.agree();
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
                    self.ledger.name(number, &path, &head.record)?;
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
        let has = |content| self.devices.iter().any(|device| device.disk.has(content));
        for (content, text) in &self.ledger.written {
            if !has(*content) && !self.ledger.excused.contains(content) {
                return Err(format!("I1: {text:?} is lost"));
            }
        }
        Ok(())
    }
}
