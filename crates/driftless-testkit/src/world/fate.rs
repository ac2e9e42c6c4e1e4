//! What befalls devices: starts, crashes, sleep, bad disks, lost indexes.

use std::collections::btree_map::Entry;

use driftless_core::{ContentId, Epoch, RelPath};
use driftless_engine::{Engine, Input, Mode};

use super::device::id_of;
use super::disk::Ailment;
use super::{Event, SECOND_US, World, WorldIndex};

impl<I: WorldIndex> World<I> {
    /// Turns a device on, as a daemon starts a folder. Nothing if it is on.
    pub fn start(&mut self, device: usize) {
        let members = self.members_of(device);
        let this = &mut self.devices[device];
        let Some(index) = this.asleep.take() else { return };
        this.engine = Some(Engine::new(index, this.config.clone()));
        self.set_clock(device);
        let this = &mut self.devices[device];
        let caught: Vec<_> = this.disk.now.limbo.keys().copied().collect();
        this.disk.recover();
        if let Some(content) = caught.into_iter().find(|content| !this.disk.has(*content)) {
            let text = self.ledger.written.get(&content).cloned();
            self.fail(format!("I1: device {device} throws {text:?} away as it starts"));
        }
        let this = &mut self.devices[device];
        let stored = this.disk.now.heads.keys().copied().collect();
        self.note(format_args!("{device} starts"));
        self.tell(device, Input::Started { stored });
        self.tell(device, members);
        self.want_full_scan(device);
    }

    fn members_of(&self, device: usize) -> Input {
        let all = (0..self.devices.len()).filter(|other| *other != device);
        Input::Members(all.filter(|other| !self.devices[*other].is_expelled).map(id_of).collect())
    }

    /// Ends a device's process at once; its disk stays as it is.
    pub fn crash(&mut self, device: usize) {
        self.disconnect_all(device);
        let this = &mut self.devices[device];
        let Some(engine) = this.engine.take() else { return };
        this.asleep = Some(engine.into_index().after_crash());
        this.forget_process();
        self.note(format_args!("{device} crashes"));
    }

    /// Cuts the power: the device goes off, and its disk back to what it had
    /// durably, or a little more.
    pub fn cut_power(&mut self, device: usize) {
        self.crash(device);
        let loss = self.devices[device].disk.cut_power(&mut self.random);
        self.note(format_args!("{device} loses power and {} contents", loss.contents.len()));
        if let Some(path) = loss.broken {
            self.fail(format!("I2: a power cut leaves {path} on device {device} in part"));
        }
        for path in &loss.paths {
            self.ledger.touch(device, path);
            if let Some(torn) = self.devices[device].disk.blob_at(path) {
                // What is left of a save that was never safe is nobody's to keep.
                let (content, text) = (torn.content, torn.text());
                if let Entry::Vacant(entry) = self.ledger.written.entry(content) {
                    entry.insert(text);
                    self.ledger.excused.insert(content);
                }
            }
        }
        // What was never safe on any disk is gone, and nobody's fault. Nor is
        // what a person wrote over itself: the disk may have let go of the old
        // bytes before it had the new ones.
        let was_safe = |content| self.devices.iter().any(|it| it.disk.was_durable(content));
        let is_excused = |content: &ContentId| !was_safe(*content) || loss.torn.contains(content);
        let excused: Vec<_> =
            loss.contents.iter().copied().filter(|content| is_excused(content)).collect();
        self.destroyed(excused);
        self.audit(device);
    }

    /// Closes the lid for so long: nothing happens on the device, and its
    /// connections die without a word.
    pub fn sleep(&mut self, device: usize, for_ms: u64) {
        self.note(format_args!("{device} sleeps for {for_ms} ms"));
        for other in 0..self.devices.len() {
            self.break_connection(device, other);
        }
        self.devices[device].sleeps_until_us = self.now_us + for_ms * 1000;
        self.schedule(device, for_ms * 1000, Event::Wake);
    }

    /// Opens the lid: what waited goes on where it was.
    pub(crate) fn wake(&mut self, device: usize) {
        let this = &mut self.devices[device];
        this.sleeps_until_us = this.sleeps_until_us.min(self.now_us);
        for (number, scheduled) in std::mem::take(&mut this.asleep_events) {
            self.idle += usize::from(scheduled.event.is_idle());
            self.queue.insert((self.now_us, number), scheduled);
        }
    }

    pub(crate) fn is_asleep(&self, device: usize) -> bool {
        self.now_us < self.devices[device].sleeps_until_us
    }

    /// Lets a device's disk be ill, or well again.
    pub fn ail(&mut self, device: usize, ailment: Option<Ailment>) {
        self.note(format_args!("{device}'s disk: {ailment:?}"));
        self.devices[device].disk.ailment = ailment;
        if ailment.is_none() {
            self.scan(device);
        }
    }

    /// Lets an ignore rule cover `name` and all below it on a device, or none (C17).
    pub fn ignore(&mut self, device: usize, name: Option<&str>) {
        self.note(format_args!("{device} ignores {name:?}"));
        let ignored = name.map(super::path);
        if self.devices[device].disk.ignored == ignored {
            return;
        }
        self.ledger.ignored.extend(ignored.clone());
        self.devices[device].disk.ignored = ignored;
        if self.devices[device].engine.is_some() {
            self.tell(device, Input::RulesChanged);
            self.want_full_scan(device);
        }
    }

    /// Takes a device out of everyone's list, or back into it. Nothing where it
    /// has an old index, of which the others could not tell it any more.
    pub fn expel(&mut self, device: usize, is_expelled: bool) {
        let this = &mut self.devices[device];
        if this.is_expelled == is_expelled || this.rolled_back_to.is_some() {
            return;
        }
        this.backup = None;
        self.note(format_args!("{device} is out: {is_expelled}"));
        self.devices[device].is_expelled = is_expelled;
        self.disconnect_all(device);
        for other in (0..self.devices.len()).filter(|other| *other != device) {
            if self.devices[other].engine.is_some() {
                let members = self.members_of(other);
                self.tell(other, members);
            }
        }
        // Deletions that it has not heard of may be forgotten meanwhile.
        self.ledger.is_unsure = true;
        self.ledger.was_removed = true;
    }

    /// Ends all that is wrong with a device, for good.
    pub(crate) fn heal(&mut self, device: usize) {
        self.expel(device, false);
        self.ignore(device, None);
        self.wake(device);
        let this = &mut self.devices[device];
        this.index().fail_after(None);
        this.ambush = None;
        this.disk.ailment = None;
    }

    /// Lets every device take and give from now on.
    pub(crate) fn share_all(&mut self) {
        for device in 0..self.devices.len() {
            if self.devices[device].config.mode != Mode::SendReceive {
                self.configure(device, |config| config.mode = Mode::SendReceive);
            }
        }
    }

    /// Deletes the index of a device, which is restarted with a new one (P8).
    pub fn lose_index(&mut self, device: usize) {
        if self.is_remembered_elsewhere(device) {
            self.crash(device);
            self.begin_index(device);
            self.note(format_args!("{device} loses its index"));
            self.start(device);
        }
    }

    fn begin_index(&mut self, device: usize) {
        let epoch = Epoch(self.random.number());
        let this = &mut self.devices[device];
        let instance = this.index().identity().instance;
        this.asleep = Some(I::create(this.id, instance, epoch));
        this.backup = None;
        this.rolled_back_to = None;
        self.ledger.forget(device);
    }

    /// Takes everything from a device, index and files, as a new disk does.
    pub fn wipe(&mut self, device: usize) {
        if !self.is_remembered_elsewhere(device) {
            return;
        }
        self.crash(device);
        self.begin_index(device);
        self.note(format_args!("{device} is wiped"));
        let old = std::mem::take(&mut self.devices[device].disk);
        for path in old.now.tree.keys() {
            self.ledger.touch(device, path);
        }
        let others = |content| self.devices.iter().any(|other| other.disk.has(content));
        let lost: Vec<_> = old.contents().filter(|content| !others(*content)).collect();
        self.destroyed(lost);
        self.devices[device].disk = old.emptied();
        self.start(device);
    }

    /// Copies the index of a device, for [`World::restore_index`].
    pub fn back_up_index(&mut self, device: usize) {
        let this = &mut self.devices[device];
        this.backup = (!this.is_expelled).then(|| this.index().copied());
    }

    /// Puts the copy of the index back (P9). Nothing without a copy.
    pub fn restore_index(&mut self, device: usize) {
        if !self.is_remembered_elsewhere(device) {
            return;
        }
        let Some(backup) = self.devices[device].backup.take() else { return };
        self.crash(device);
        let this = &mut self.devices[device];
        let same_epoch = this.index().identity().epoch == backup.identity().epoch;
        if same_epoch {
            let to = backup.last_sequence().0;
            this.rolled_back_to = Some(this.rolled_back_to.map_or(to, |before| before.min(to)));
        }
        this.asleep = same_epoch.then_some(backup).or(this.asleep.take());
        self.ledger.forget(device);
        // It may announce what was deleted, and forgotten by all, since.
        self.ledger.was_removed = true;
        self.note(format_args!("{device} has an old index"));
        self.start(device);
    }

    /// Whether `device` may forget: not while another was rolled back, which
    /// nobody might be left to tell. Nor may another be rolled back to a time
    /// before this.
    fn is_remembered_elsewhere(&mut self, device: usize) -> bool {
        let mut others: Vec<_> = self.devices.iter_mut().collect();
        others.remove(device);
        if others.iter().any(|other| other.rolled_back_to.is_some()) {
            return false;
        }
        others.iter_mut().for_each(|other| other.backup = None);
        true
    }

    /// Lets a write of the index fail, soon.
    pub(crate) fn fail_index(&mut self, device: usize, writes: u32) {
        self.note(format_args!("{device}'s index fails after {writes} writes"));
        self.devices[device].index().fail_after(Some(writes));
    }

    /// Has a device start within a while, where it is off.
    pub(crate) fn start_later(&mut self, device: usize) {
        self.soon(device, 20 * SECOND_US, Event::Start);
    }

    /// What an ill disk says, if it is ill enough to refuse reading.
    pub(crate) fn refuses_reading(&mut self, device: usize) -> bool {
        match self.devices[device].disk.ailment {
            Some(Ailment::Gone) => true,
            Some(Ailment::Failing) => self.random.chance(30),
            Some(Ailment::Full | Ailment::ReadOnly) | None => false,
        }
    }

    /// Whether a person finds it possible to change a path.
    pub(crate) fn can_edit(&self, device: usize, path: &RelPath, adds: bool) -> bool {
        let disk = &self.devices[device].disk;
        let is_possible = match disk.ailment {
            Some(Ailment::Full) => !adds,
            Some(Ailment::ReadOnly | Ailment::Gone) => false,
            Some(Ailment::Failing) | None => true,
        };
        is_possible && path.as_str().len() < 40
    }
}
