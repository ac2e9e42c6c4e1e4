//! A device's engine: its lives, its inbox, and where its effects go.

use std::collections::{BTreeSet, VecDeque};

use driftless_core::brake::Brake;
use driftless_core::{DeviceId, Epoch, FolderId, Index, InstanceId, RelPath};
use driftless_engine::{Config, Effect, Engine, Input, Mode};
use driftless_proto::Message;

use super::chore::{Chore, Errand};
use super::disk::Disk;
use super::oracle::Claim;
use super::scan::Scan;
use super::{Event, SECOND_US, World};
use crate::MemIndex;

/// 2026 in milliseconds since 1970.
const START_MS: i64 = 1_780_000_000_000;

#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    /// `None` while it is off.
    pub(crate) engine: Option<Engine<MemIndex>>,
    /// The index while it is off.
    pub(crate) asleep: Option<MemIndex>,
    /// An index of earlier that may be put back.
    pub(crate) backup: Option<MemIndex>,
    /// The last sequence of the index that was put back, until a device has said so.
    pub(crate) rolled_back_to: Option<u64>,
    pub(crate) config: Config,
    pub(crate) disk: Disk,
    pub(crate) life: u32,
    pub(crate) skew_ms: i64,
    inbox: Vec<Input>,
    /// What arrived with the inbox and is remembered by nobody until it is handled.
    pub(crate) claims: Vec<Claim>,
    flush_due: bool,
    pub(crate) scan: Option<Scan>,
    pub(crate) scan_wanted: BTreeSet<RelPath>,
    pub(crate) full_scan_wanted: bool,
    pub(crate) chores: VecDeque<Chore>,
    pub(crate) doing_chore: bool,
}

impl Device {
    pub(crate) fn new(number: usize, mode: Mode, epoch: u64) -> Self {
        let id = id_of(number);
        let folder = FolderId::parse("simulated").expect("the ID is plain");
        let instance = InstanceId([number as u8; 16]);
        Self {
            id,
            engine: None,
            asleep: Some(MemIndex::new(id, instance, Epoch(epoch))),
            backup: None,
            rolled_back_to: None,
            config: Config { folder, device: id, mode, brake: Some(Brake::default()) },
            disk: Disk::default(),
            life: 0,
            skew_ms: 0,
            inbox: Vec::new(),
            claims: Vec::new(),
            flush_due: false,
            scan: None,
            scan_wanted: BTreeSet::new(),
            full_scan_wanted: false,
            chores: VecDeque::new(),
            doing_chore: false,
        }
    }

    pub(crate) fn index(&self) -> &MemIndex {
        match (&self.engine, &self.asleep) {
            (Some(engine), _) => engine.index(),
            (None, Some(index)) => index,
            (None, None) => unreachable!("a device is on or off"),
        }
    }
}

pub(crate) fn id_of(number: usize) -> DeviceId {
    DeviceId::from_bytes([number as u8 + 1; 32])
}

pub(crate) fn number_of(id: &DeviceId) -> usize {
    usize::from(id.as_bytes()[0]) - 1
}

impl World {
    fn now_ms(&self, device: usize) -> u64 {
        let elapsed = (self.now_us / 1000) as i64;
        (START_MS + elapsed + self.devices[device].skew_ms) as u64
    }

    pub(crate) fn set_clock(&mut self, device: usize) {
        let now_ms = self.now_ms(device) as i64;
        self.devices[device].disk.clock_ns = now_ms * 1_000_000;
    }

    /// Turns a device on, as a daemon starts a folder. Nothing if it is on.
    pub fn start(&mut self, device: usize) {
        let members = (0..self.devices.len()).filter(|other| *other != device).map(id_of).collect();
        let this = &mut self.devices[device];
        let Some(index) = this.asleep.take() else { return };
        this.engine = Some(Engine::new(index, this.config.clone()));
        let stored = this.disk.now.heads.keys().copied().collect();
        self.note(format_args!("{device} starts"));
        self.set_clock(device);
        self.tell(device, Input::Started { stored });
        self.tell(device, Input::Members(members));
        self.want_full_scan(device);
        self.soon(device, SECOND_US, Event::Tick);
    }

    /// Ends a device's process at once; its disk stays as it is.
    pub fn crash(&mut self, device: usize) {
        self.disconnect_all(device);
        let this = &mut self.devices[device];
        let Some(engine) = this.engine.take() else { return };
        let mut index = engine.into_index();
        index.reopen_as_after_crash();
        this.asleep = Some(index);
        this.life += 1;
        this.inbox.clear();
        this.claims.clear();
        this.flush_due = false;
        this.scan = None;
        this.scan_wanted.clear();
        this.full_scan_wanted = false;
        this.chores.clear();
        this.doing_chore = false;
        self.note(format_args!("{device} crashes"));
    }

    /// Cuts the power: the device goes off, and its disk back to what was durable.
    pub fn cut_power(&mut self, device: usize) {
        self.crash(device);
        let lost = self.devices[device].disk.cut_power();
        self.note(format_args!("{device} loses power and {} contents", lost.len()));
        self.destroyed(lost);
    }

    /// Deletes the index of a device, which is restarted with a new one (P8).
    pub fn lose_index(&mut self, device: usize) {
        if !self.is_remembered_elsewhere(device) {
            return;
        }
        self.crash(device);
        let epoch = Epoch(self.random.number());
        let this = &mut self.devices[device];
        let instance = this.index().identity().instance;
        this.asleep = Some(MemIndex::new(this.id, instance, epoch));
        this.backup = None;
        this.rolled_back_to = None;
        self.ledger.forget(device);
        self.note(format_args!("{device} loses its index"));
        self.start(device);
    }

    /// Copies the index of a device, for [`World::restore_index`].
    pub fn back_up_index(&mut self, device: usize) {
        let this = &mut self.devices[device];
        this.backup = Some(this.index().clone());
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

    /// Puts an input into a device's inbox.
    pub(crate) fn tell(&mut self, device: usize, input: Input) {
        let this = &mut self.devices[device];
        this.inbox.push(input);
        if !this.flush_due {
            this.flush_due = true;
            self.soon(device, 2000, Event::Flush);
        }
    }

    pub(crate) fn tick(&mut self, device: usize) {
        let engine = self.devices[device].engine.as_ref();
        if engine.is_some_and(Engine::wants_tick) {
            self.tell(device, Input::Tick);
        }
        self.schedule(device, SECOND_US, Event::Tick);
    }

    /// What a person would do who finds the folder waiting for a yes.
    pub(crate) fn allow_going_on(&mut self, device: usize) {
        let status = self.devices[device].engine.as_ref().map(Engine::status);
        if status.is_some_and(|it| it.stopped.is_some() || it.held_back.is_some()) {
            self.tell(device, Input::Confirm);
        }
    }

    /// Has the engine handle what has gathered, and sends its effects on their way.
    pub(crate) fn flush(&mut self, device: usize) {
        let now_ms = self.now_ms(device);
        let this = &mut self.devices[device];
        this.flush_due = false;
        let inputs = std::mem::take(&mut this.inbox);
        let claims = std::mem::take(&mut this.claims);
        if self.narrates {
            for input in &inputs {
                eprintln!("{:>12} {device} <- {input:?}", self.now_us);
            }
        }
        let epoch_before = self.devices[device].index().identity().epoch;
        let Some(engine) = self.devices[device].engine.as_mut() else { return };
        let effects = match engine.handle(inputs, now_ms) {
            Ok(effects) => effects,
            Err(error) => return self.fail(format!("device {device}'s index failed: {error}")),
        };
        for claim in claims {
            // An update that came at the wrong time is not taken over.
            let seen = self.seen_of(device, claim.device);
            let is_taken = seen
                .is_some_and(|(epoch, heard)| epoch.0 == claim.epoch && heard >= claim.sequence);
            if let Err(what) = is_taken.then(|| self.ledger.claim(device, claim)).transpose() {
                self.fail(what);
            }
        }
        let index = self.devices[device].index();
        let (sequence, epoch) = (index.last_sequence().0, index.identity().epoch);
        if epoch != epoch_before {
            self.devices[device].rolled_back_to = None;
        }
        self.note(format_args!("{device} at {sequence}, {} effects", effects.len()));
        for effect in effects {
            if self.narrates {
                eprintln!("{:>12} {device} -> {effect:?}", self.now_us);
            }
            self.carry_out(device, effect);
        }
    }

    fn carry_out(&mut self, device: usize, effect: Effect) {
        let patience_us = if self.random.chance(20) { 300_000 } else { 15_000 };
        match effect {
            Effect::SendIndex(to, update) => {
                self.activity += 1;
                let to = number_of(&to);
                let claims = self.claims_of(device, &update);
                self.send(device, to, &Message::IndexUpdate(update), claims);
                self.index_is_on_its_way(device, to);
            }
            Effect::SendReceived { device: to, epoch, sequence } => {
                let folder = self.devices[device].config.folder.clone();
                let message =
                    Message::Received(driftless_proto::Received { folder, epoch, sequence });
                self.send(device, number_of(&to), &message, Vec::new());
            }
            Effect::Disconnect { device: from, reason } => {
                // Harmless where the connection was to be closed anyway.
                if self.is_connected(device, number_of(&from)) {
                    self.fail(format!("device {device} accuses {}: {reason}", number_of(&from)));
                }
            }
            Effect::Reintroduce => self.disconnect_all(device),
            Effect::Hash { path, stat, previous: _ } => {
                self.activity += 1;
                self.soon(device, patience_us, Event::HashBegin { path, expected: stat });
            }
            Effect::ConfirmAbsent(paths) => self.soon(device, patience_us, Event::Confirm(paths)),
            Effect::Rescan(paths) => self.want_scan(device, paths),
            Effect::Fetch { content, size_bytes, path, sources, local } => {
                self.activity += 1;
                let errand = Errand { content, size_bytes, path, sources, local };
                self.soon(device, patience_us, Event::Fetch(errand));
            }
            Effect::Apply(steps) => self.add_chore(device, Chore::apply(steps)),
            Effect::Keep { content, path } => {
                self.add_chore(device, Chore::Keep { content, path });
            }
            Effect::Release { content, path, .. } => {
                self.add_chore(device, Chore::Release { content, path });
            }
            Effect::Discard(content) => {
                self.devices[device].disk.now.staging.remove(&content);
            }
            Effect::Publish(_) => {}
        }
    }
}
