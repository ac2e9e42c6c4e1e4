//! A simulated world: several devices with real engines and real frames, on
//! simulated disks, clocks and a simulated network, in one thread.
//!
//! Everything that happens is drawn from one seed, so that a seed replays a
//! run exactly. The driver carries out the engines' effects as the daemon
//! does, later and in between people's edits, and the oracles say whether what
//! came of it is what driftless guarantees.
//!
//! - `disk`: the tree and what is kept beside it; steps; power cuts.
//! - `device`: an engine's life, its inbox, and where its effects go; `index`:
//!   what it may run on, and how that is lost.
//! - `scan`, `chore`, `network`: carrying effects out; `rot`: disks that lie.
//! - `policy`: what settles conflicts without people.
//! - `person`: what people do; `story`: that, and what befalls devices, as a
//!   list; `chaos`: such a list at random; `shrink`: what of it is to blame;
//!   `script`: by name.
//! - `oracle`, `ledger`: what must hold; `describe`: what is.

mod chaos;
mod chore;
mod describe;
mod device;
mod disk;
mod fate;
mod index;
mod ledger;
mod network;
mod oracle;
mod person;
mod policy;
mod random;
mod rot;
mod scan;
mod script;
mod shrink;
mod story;
mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use driftless_core::{ContentId, RelPath, Stat};
use driftless_engine::{Config, Mode};

pub use chaos::{length_of, run_random, run_random_on};
pub use disk::Ailment;
pub use index::WorldIndex;
pub use script::settle;
pub use story::Story;

use crate::MemIndex;
use chore::Errand;
use device::Device;
use disk::Blob;
use ledger::Ledger;
use network::{Connection, Frame};
use random::Random;
use trace::Trace;

/// How long a world may take to settle: rounds of scanning everything.
const SETTLE_ROUNDS: usize = 60;

/// How many events one round of settling may take.
const SETTLE_EVENTS: usize = 50_000;

const SECOND_US: u64 = 1_000_000;

/// What went wrong in a world, and how to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed that the world was made from.
    pub seed: u64,
    /// What did not hold.
    pub what: String,
    /// All that happened, where it happened at random.
    pub story: Option<Box<Story>>,
}

impl Failure {
    /// Which guarantee did not hold, as far as the first words tell.
    pub fn kind(&self) -> &str {
        self.what.split([':', '\n']).next().unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.what)?;
        if let Some(story) = &self.story {
            write!(f, "\nwhat happened:\n{story}")?;
            write!(
                f,
                "replay with: cargo xtask sim --seed {} --steps {}",
                self.seed, story.length
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Something that will happen to a device.
#[derive(Debug)]
enum Event {
    /// What has gathered in the inbox is handled in one transaction.
    Flush,
    Tick,
    /// A device whose index failed tries again.
    Start,
    /// A lid is opened.
    Wake,
    /// The running scan looks at another stretch.
    ScanStep,
    /// A watcher has noticed something at these paths.
    Hint(Vec<RelPath>),
    HashBegin {
        path: RelPath,
        expected: Stat,
    },
    HashEnd {
        path: RelPath,
        seen: Stat,
        read: Rc<Blob>,
    },
    Confirm(Vec<RelPath>),
    Fetch(Errand),
    /// The disk does the next of what it was told.
    ChoreStep,
    Frame(Frame),
    IndexSent {
        connection: u64,
        to: usize,
    },
    /// A device notices that a connection is dead.
    Dead {
        connection: u64,
        to: usize,
    },
}

impl Event {
    /// Whether a world is at rest that waits for nothing else.
    fn is_idle(&self) -> bool {
        matches!(self, Self::Tick | Self::Wake)
    }
}

#[derive(Debug)]
struct Scheduled {
    device: usize,
    /// Events of an earlier life of the device come to nothing.
    life: u32,
    event: Event,
}

/// Several devices that share one folder.
///
/// Devices are numbered from 0. A new world is connected all to all.
#[derive(Debug)]
pub struct World<I: WorldIndex = MemIndex> {
    seed: u64,
    random: Random,
    now_us: u64,
    scheduled: u64,
    /// How many of the events that are due are no reason to wait for them.
    idle: usize,
    queue: BTreeMap<(u64, u64), Box<Scheduled>>,
    devices: Vec<Device<I>>,
    connections: BTreeMap<(usize, usize), Connection>,
    /// Pairs that never meet.
    strangers: Vec<(usize, usize)>,
    /// Frames are repeated, disks refuse, scans are cut short.
    faults: bool,
    /// Counts what is no mere looking.
    activity: u64,
    ledger: Ledger,
    trace: Trace,
    failure: Option<String>,
}

impl World {
    /// A world of `devices` empty devices, connected to each other.
    pub fn new(seed: u64, devices: usize) -> Self {
        Self::with_modes(seed, &vec![Mode::SendReceive; devices])
    }

    /// A world with one device for each mode.
    pub fn with_modes(seed: u64, modes: &[Mode]) -> Self {
        Self::create(seed, modes)
    }
}

impl<I: WorldIndex> World<I> {
    fn create(seed: u64, modes: &[Mode]) -> Self {
        let mut world = Self {
            seed,
            random: Random::new(seed),
            now_us: SECOND_US,
            scheduled: 0,
            idle: 0,
            queue: BTreeMap::new(),
            devices: Vec::new(),
            connections: BTreeMap::new(),
            strangers: Vec::new(),
            faults: false,
            activity: 0,
            ledger: Ledger::default(),
            trace: Trace::new(),
            failure: None,
        };
        for (number, mode) in modes.iter().enumerate() {
            let epoch = world.random.number();
            world.devices.push(Device::new(number, *mode, epoch));
        }
        for number in 0..modes.len() {
            world.start(number);
        }
        world.connect_all();
        world
    }

    /// Changes what a device's engine is told once, and restarts it.
    pub fn configure(&mut self, device: usize, change: impl FnOnce(&mut Config)) {
        change(&mut self.devices[device].config);
        self.crash(device);
        self.start(device);
    }

    /// Names everything that has happened so far.
    pub fn trace(&self) -> [u8; 32] {
        self.trace.hash()
    }

    fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now_us, what);
    }

    fn fail(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(format_args!("FAILED {what}"));
        self.failure.get_or_insert(what);
    }

    fn schedule(&mut self, device: usize, delay_us: u64, event: Event) {
        self.scheduled += 1;
        self.idle += usize::from(event.is_idle());
        let life = self.devices[device].life;
        let at = (self.now_us + delay_us, self.scheduled);
        self.queue.insert(at, Box::new(Scheduled { device, life, event }));
    }

    /// Schedules within a random time of at most `most_us`.
    fn soon(&mut self, device: usize, most_us: u64, event: Event) {
        let delay = 1 + self.random.below(most_us);
        self.schedule(device, delay, event);
    }

    /// Lets the next event happen, if it is due by `until_us`.
    fn step(&mut self, until_us: u64) -> bool {
        match self.queue.first_key_value() {
            Some((at, _)) if at.0 <= until_us => {}
            _ => return false,
        }
        let Some((at, scheduled)) = self.queue.pop_first() else { return false };
        self.now_us = self.now_us.max(at.0);
        let device = scheduled.device;
        self.idle -= usize::from(scheduled.event.is_idle());
        if matches!(scheduled.event, Event::Wake) {
            if self.now_us >= self.devices[device].sleeps_until_us {
                self.wake(device);
            }
            return true;
        }
        if self.is_asleep(device) {
            self.devices[device].asleep_events.push((at.1, scheduled));
            return true;
        }
        let Scheduled { life, event, .. } = *scheduled;
        let outlives =
            matches!(event, Event::Frame(_) | Event::IndexSent { .. } | Event::Dead { .. });
        let this = &self.devices[device];
        let is_due = outlives || this.life == life;
        if is_due && (this.engine.is_some() || matches!(event, Event::Start)) {
            self.set_clock(device);
            self.happen(device, event);
            self.audit(device);
        }
        true
    }

    fn happen(&mut self, device: usize, event: Event) {
        match event {
            Event::Flush => self.flush(device),
            Event::Tick => self.tick(device),
            Event::Start => self.start(device),
            Event::Wake => self.wake(device),
            Event::ScanStep => self.scan_step(device),
            Event::Hint(paths) => self.want_scan(device, paths),
            Event::HashBegin { path, expected } => self.hash_begin(device, path, expected),
            Event::HashEnd { path, seen, read } => self.hash_end(device, path, seen, &read),
            Event::Confirm(paths) => self.confirm_absent(device, paths),
            Event::Fetch(errand) => self.fetch(device, errand),
            Event::ChoreStep => self.chore_step(device),
            Event::Frame(frame) => self.frame_arrives(device, &frame),
            Event::IndexSent { connection, to } => self.index_sent(device, connection, to),
            Event::Dead { connection, to } => self.notice_dead(device, connection, to),
        }
    }

    /// Lets `duration_us` pass.
    fn pass(&mut self, duration_us: u64) {
        let until = self.now_us + duration_us;
        while self.failure.is_none() && self.step(until) {}
        self.now_us = self.now_us.max(until);
    }

    /// Lets `duration_ms` milliseconds pass.
    pub fn wait(&mut self, duration_ms: u64) {
        self.pass(duration_ms * 1000);
    }

    /// Lets things happen until nothing is left to do but wait for a tick.
    fn work_off(&mut self) {
        let mut budget = SETTLE_EVENTS;
        while self.failure.is_none() && self.queue.len() > self.idle {
            budget -= 1;
            if budget == 0 {
                self.fail("does not settle: there is always more to do");
                return;
            }
            self.step(u64::MAX);
        }
    }

    /// Ends all faults, scans until nothing changes any more, and checks what
    /// must hold then.
    ///
    /// # Errors
    ///
    /// It never comes to rest, or something does not hold.
    pub fn settle(&mut self) -> Result<(), Failure> {
        self.rest()?;
        self.check();
        self.verdict()
    }

    /// As [`World::settle`], for worlds in which not all devices end the same.
    ///
    /// # Errors
    ///
    /// It never comes to rest.
    pub fn rest(&mut self) -> Result<(), Failure> {
        if !self.rest_awhile(SETTLE_ROUNDS)? {
            let state = self.describe();
            self.fail(format!("does not settle\n{state}"));
        }
        self.verdict()
    }

    /// Ends all faults and scans until nothing changes any more, or so many
    /// times. Returns whether nothing changes any more.
    fn rest_awhile(&mut self, rounds: usize) -> Result<bool, Failure> {
        self.faults = false;
        for device in 0..self.devices.len() {
            self.heal(device);
        }
        for round in 0..rounds {
            for device in 0..self.devices.len() {
                self.start(device);
            }
            self.connect_all();
            self.work_off();
            let before = self.activity;
            for device in 0..self.devices.len() {
                self.allow_going_on(device);
                self.want_full_scan(device);
            }
            self.work_off();
            self.pass(7 * SECOND_US);
            self.work_off();
            self.verdict()?;
            if self.activity == before && round > 0 && self.is_whole() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn verdict(&self) -> Result<(), Failure> {
        match &self.failure {
            Some(what) => Err(Failure { seed: self.seed, what: what.clone(), story: None }),
            None => Ok(()),
        }
    }

    /// Notes that a person did away with these contents.
    fn destroyed(&mut self, contents: impl IntoIterator<Item = ContentId>) {
        self.ledger.excused.extend(contents);
    }
}

/// A path that a script or the simulator names.
fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("simulated paths are plain")
}
