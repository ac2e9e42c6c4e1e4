//! A device's engine: its inbox, and where its effects go.

use std::collections::{BTreeSet, VecDeque};

use driftless_core::brake::Brake;
use driftless_core::{DeviceId, Epoch, FolderId, InstanceId, Policy, RelPath};
use driftless_engine::{Config, Effect, Engine, Event as Told, Input, Mode};
use driftless_proto::Message;

use super::chore::{Chore, Errand};
use super::disk::{Disk, Shelf};
use super::ledger::Claim;
use super::scan::Scan;
use super::story::Ambush;
use super::{Event, SECOND_US, Scheduled, World, WorldIndex};

/// 2026 in milliseconds since 1970.
const START_MS: i64 = 1_780_000_000_000;

#[derive(Debug)]
pub(crate) struct Device<I: WorldIndex> {
    pub(crate) id: DeviceId,
    /// `None` while it is off.
    pub(crate) engine: Option<Engine<I>>,
    /// The index while it is off.
    pub(crate) asleep: Option<I>,
    /// An index of earlier that may be put back.
    pub(crate) backup: Option<I>,
    /// The last sequence of the index that was put back, until a device has said so.
    pub(crate) rolled_back_to: Option<u64>,
    pub(crate) config: Config,
    /// What settles its conflicts.
    pub(crate) policy: Policy,
    pub(crate) disk: Disk,
    pub(crate) life: u32,
    pub(crate) skew_ms: i64,
    /// Until when the lid is closed.
    pub(crate) sleeps_until_us: u64,
    /// What should have happened meanwhile, in order.
    pub(crate) asleep_events: Vec<(u64, Box<Scheduled>)>,
    /// The others do not share with it at present.
    pub(crate) is_expelled: bool,
    /// What a person does right before the next step.
    pub(crate) ambush: Option<Ambush>,
    pub(crate) inbox: Vec<Input>,
    /// What arrived with the inbox and is remembered by nobody until it is handled.
    pub(crate) claims: Vec<Claim>,
    pub(crate) flush_due: bool,
    pub(crate) tick_due: bool,
    pub(crate) scan: Option<Scan>,
    pub(crate) scan_wanted: BTreeSet<RelPath>,
    pub(crate) full_scan_wanted: bool,
    pub(crate) chores: VecDeque<Chore>,
    pub(crate) doing_chore: bool,
    /// Since when, and from which paths, steps took contents from the tree; `None`
    /// once a person said yes.
    pub(crate) losses: Option<(u64, BTreeSet<RelPath>)>,
    /// The most files that the tree had meanwhile.
    pub(crate) most_files: u64,
    /// What its person was warned of: edits of what is out of date.
    pub(crate) warnings: Vec<String>,
}

impl<I: WorldIndex> Device<I> {
    pub(crate) fn new(number: usize, mode: Mode, epoch: u64) -> Self {
        let id = id_of(number);
        let folder = FolderId::parse("simulated").expect("the ID is plain");
        let instance = InstanceId([number as u8; 16]);
        Self {
            id,
            engine: None,
            asleep: Some(I::create(id, instance, Epoch(epoch))),
            backup: None,
            rolled_back_to: None,
            config: Config { folder, device: id, mode, brake: Some(Brake::default()) },
            policy: Policy::Ask,
            disk: Disk::default(),
            life: 0,
            skew_ms: 0,
            sleeps_until_us: 0,
            asleep_events: Vec::new(),
            is_expelled: false,
            ambush: None,
            inbox: Vec::new(),
            claims: Vec::new(),
            flush_due: false,
            tick_due: false,
            scan: None,
            scan_wanted: BTreeSet::new(),
            full_scan_wanted: false,
            chores: VecDeque::new(),
            doing_chore: false,
            losses: Some(Default::default()),
            most_files: 0,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn index(&self) -> &I {
        match (&self.engine, &self.asleep) {
            (Some(engine), _) => engine.index(),
            (None, Some(index)) => index,
            (None, None) => unreachable!("a device is on or off"),
        }
    }

    /// The paths at which steps put something that were asked for, and not told of yet.
    pub(crate) fn landing(&self) -> impl Iterator<Item = &RelPath> {
        self.chores.iter().flat_map(Chore::puts)
    }

    /// Forgets all that a process has in memory.
    pub(crate) fn forget_process(&mut self) {
        self.life += 1;
        self.inbox.clear();
        self.claims.clear();
        self.flush_due = false;
        self.tick_due = false;
        self.scan = None;
        self.scan_wanted.clear();
        self.full_scan_wanted = false;
        self.chores.clear();
        self.doing_chore = false;
        (self.losses, self.most_files) = (Some(Default::default()), 0);
    }
}

pub(crate) fn id_of(number: usize) -> DeviceId {
    DeviceId::from_bytes([number as u8 + 1; 32])
}

pub(crate) fn number_of(id: &DeviceId) -> usize {
    usize::from(id.as_bytes()[0]) - 1
}

impl<I: WorldIndex> World<I> {
    pub(crate) fn now_ms(&self, device: usize) -> u64 {
        let elapsed = (self.now_us / 1000) as i64;
        (START_MS + elapsed + self.devices[device].skew_ms) as u64
    }

    pub(crate) fn set_clock(&mut self, device: usize) {
        let now_ms = self.now_ms(device) as i64;
        self.devices[device].disk.clock_ns = now_ms * 1_000_000;
    }

    /// Puts an input into a device's inbox.
    pub(crate) fn tell(&mut self, device: usize, input: Input) {
        let this = &mut self.devices[device];
        if matches!(input, Input::Confirm) {
            this.losses = None;
        }
        this.inbox.push(input);
        if !this.flush_due {
            this.flush_due = true;
            self.soon(device, 2000, Event::Flush);
        }
    }

    pub(crate) fn tick(&mut self, device: usize) {
        self.devices[device].tick_due = false;
        self.tell(device, Input::Tick);
    }

    fn plan_tick(&mut self, device: usize) {
        let this = &mut self.devices[device];
        if !this.tick_due && this.engine.as_ref().is_some_and(Engine::wants_tick) {
            this.tick_due = true;
            self.schedule(device, SECOND_US, Event::Tick);
        }
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
        for input in &inputs {
            self.trace.tell(self.now_us, || format!("{device} <- {input:?}"));
        }
        if self.devices[device].engine.is_none() {
            return;
        }
        let watch = self.watch(device, &inputs);
        let Some(engine) = self.devices[device].engine.as_mut() else { return };
        let epoch_before = engine.index().identity().epoch;
        let effects = match engine.handle(inputs, now_ms) {
            Ok(effects) => effects,
            Err(error) if self.faults => {
                self.note(format_args!("{device}'s index failed: {error}"));
                self.crash(device);
                return self.soon(device, 5 * SECOND_US, Event::Start);
            }
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
        self.check_since(device, &watch);
        self.check_written(device);
        self.note(format_args!("{device} at {sequence}, {} effects", effects.len()));
        for effect in effects {
            self.trace.tell(self.now_us, || format!("{device} -> {effect:?}"));
            self.carry_out(device, effect);
        }
        self.follow_policy(device);
        self.plan_tick(device);
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
                self.check_acknowledgement(device);
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
            Effect::Reintroduce { .. } => self.disconnect_all(device),
            Effect::Hash { path, stat, .. } => {
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
                self.devices[device].disk.shelve(Shelf::Staging, content, None);
            }
            Effect::Publish(Told::StaleEdit { path, device: by, deleted }) => {
                let what = if deleted { ", deleted" } else { "" };
                let warning = format!("{path} by {}{what}", number_of(&by));
                self.devices[device].warnings.push(warning);
            }
            Effect::Publish(_) | Effect::Holds(_) | Effect::Replaced(_) => {}
        }
    }
}
