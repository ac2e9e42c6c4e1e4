//! What people do and what befalls devices in a random world, as a list that
//! can be told, replayed, and cut down to what matters.

use std::fmt;

use driftless_core::brake::Brake;
use driftless_core::{Policy, Step};
use driftless_engine::{Choice, Mode};

use super::device::id_of;
use super::disk::Ailment;
use super::random::Random;
use super::{Failure, SECOND_US, World, WorldIndex};

/// The share of a folder's files that a brake lets go, in percent.
const BRAKE_PERCENT: u64 = 30;

/// Who is there, and what they meet with, in order.
#[derive(Clone, Debug)]
pub struct Story {
    pub(crate) seed: u64,
    /// How long it was to be.
    pub(crate) length: usize,
    pub(crate) cast: Cast,
    pub(crate) acts: Vec<Act>,
}

/// The devices of a world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cast {
    pub(crate) modes: Vec<Mode>,
    /// In milliseconds.
    pub(crate) skews_ms: Vec<i64>,
    pub(crate) policies: Vec<Policy>,
    /// Only neighbours meet.
    pub(crate) is_line: bool,
    /// How many deletions and rewrites wait for a yes, on every device.
    pub(crate) brake_at: Option<u64>,
}

/// One thing that happens, and how long it is quiet afterwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Act {
    /// Seeds the chance in all that follows until the next one, so that what
    /// follows changes little when others are left out.
    pub(crate) salt: u64,
    pub(crate) device: usize,
    pub(crate) deed: Deed,
    pub(crate) pause_us: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    Write {
        name: String,
        text: String,
    },
    WriteUnnoticed {
        name: String,
        text: String,
    },
    MakeDirectory(String),
    Link {
        name: String,
        target: String,
    },
    Remove(String),
    Rename {
        from: String,
        to: String,
    },
    Swap(String, String),
    SetMode(String, u16),
    Touch(String),
    /// Something else takes the place of what is there: a directory, or a text.
    Replace {
        name: String,
        text: Option<String>,
    },
    Decide {
        name: String,
        decision: Decision,
    },
    Ambush(Ambush),
    Ignore(Option<String>),
    Connect(usize),
    ConnectAll,
    Disconnect(usize),
    Break(usize),
    Part,
    Crash,
    CrashAndStart,
    CutPower,
    Start,
    Scan,
    ShiftClock {
        by_ms: i64,
    },
    Sleep {
        for_ms: u64,
    },
    Ail(Option<Ailment>),
    FailIndex {
        writes: u32,
    },
    LoseIndex,
    BackUpIndex,
    RestoreIndex,
    Wipe,
    Expel(bool),
    /// All faults end, and everything settles.
    Peace,
}

/// How a person decides a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Decision {
    Shown,
    Both,
    MadeBy(usize),
    With(String),
}

/// What a person does to a path right before a step changes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ambush {
    Write(String),
    Remove,
    Replace,
    RenameTo(String),
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.device, self.deed)?;
        match self.pause_us {
            0 => Ok(()),
            us if us < SECOND_US => write!(f, ", then {} ms", us / 1000),
            us => write!(f, ", then {} s", us / SECOND_US),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meet = if self.cast.is_line { ", each meets its neighbours" } else { "" };
        writeln!(f, "  {} devices{meet}", self.cast.modes.len())?;
        for (device, mode) in self.cast.modes.iter().enumerate() {
            if *mode != Mode::SendReceive || self.cast.skews_ms[device] != 0 {
                let skew_s = self.cast.skews_ms[device] / 1000;
                writeln!(f, "  {device} is {mode:?}, its clock off by {skew_s} s")?;
            }
            if self.cast.policies[device] != Policy::Ask {
                writeln!(f, "  {device} follows {:?}", self.cast.policies[device])?;
            }
        }
        self.acts.iter().try_for_each(|act| writeln!(f, "  {act}"))
    }
}

impl Story {
    /// Plays the story; what it returns is as [`super::run_random`] says.
    ///
    /// # Errors
    ///
    /// Something did not hold.
    pub(crate) fn play<I: WorldIndex>(&self) -> Result<[u8; 32], Failure> {
        let mut world = World::<I>::of_cast(self.seed, &self.cast);
        for act in &self.acts {
            world.perform(act)?;
        }
        world.end()
    }
}

impl<I: WorldIndex> World<I> {
    pub(crate) fn of_cast(seed: u64, cast: &Cast) -> Self {
        let mut world = Self::create(seed, &cast.modes);
        for (device, by_ms) in cast.skews_ms.iter().enumerate().filter(|(_, by_ms)| **by_ms != 0) {
            world.shift_clock(device, *by_ms);
        }
        for (device, policy) in cast.policies.iter().enumerate() {
            world.devices[device].policy = policy.clone();
        }
        let devices = cast.modes.len();
        for (a, b) in (0..devices).flat_map(|b| (0..b).map(move |a| (a, b))) {
            if cast.is_line && a + 1 < b {
                world.estrange(a, b);
            }
        }
        if let Some(at_least) = cast.brake_at {
            let brake = Some(Brake { at_least, percent: BRAKE_PERCENT, at_most: 1000 });
            for device in 0..devices {
                world.configure(device, |config| config.brake = brake);
            }
        }
        world.faults = true;
        world
    }

    /// Lets an act happen, and what follows from it until the next.
    pub(crate) fn perform(&mut self, act: &Act) -> Result<(), Failure> {
        self.random = Random::salted(self.seed, act.salt);
        self.note(format_args!("{act}"));
        if !self.is_asleep(act.device) || act.deed == Deed::Peace {
            self.befall(act.device, &act.deed)?;
        }
        for device in 0..self.devices.len() {
            self.audit(device);
        }
        self.pass(act.pause_us);
        self.verdict()
    }

    /// Everything ends well, or it does not.
    pub(crate) fn end(&mut self) -> Result<[u8; 32], Failure> {
        self.random = Random::salted(self.seed, u64::MAX);
        self.note(format_args!("the end"));
        self.share_all();
        self.settle()?;
        Ok(self.trace())
    }

    fn befall(&mut self, device: usize, deed: &Deed) -> Result<(), Failure> {
        match deed {
            Deed::Connect(other) => self.connect(device, *other),
            Deed::ConnectAll => self.connect_all(),
            Deed::Disconnect(other) => self.disconnect(device, *other),
            Deed::Break(other) => self.break_connection(device, *other),
            Deed::Part => self.part(),
            Deed::Crash => self.crash(device),
            Deed::CrashAndStart => {
                self.crash(device);
                self.start(device);
            }
            Deed::CutPower => {
                self.cut_power(device);
                self.start_later(device);
            }
            Deed::Start => self.start(device),
            Deed::Scan => self.scan(device),
            Deed::ShiftClock { by_ms } => self.shift_clock(device, *by_ms),
            Deed::Sleep { for_ms } => self.sleep(device, *for_ms),
            Deed::Ail(ailment) => self.ail(device, *ailment),
            Deed::FailIndex { writes } => self.fail_index(device, *writes),
            Deed::LoseIndex => self.lose_index(device),
            Deed::BackUpIndex => self.back_up_index(device),
            Deed::RestoreIndex => self.restore_index(device),
            Deed::Wipe => self.wipe(device),
            Deed::Expel(is_expelled) => self.expel(device, *is_expelled),
            Deed::Peace => return self.make_peace(),
            other => self.do_as_people_do(device, other),
        }
        Ok(())
    }

    fn make_peace(&mut self) -> Result<(), Failure> {
        let all_share = self.devices.iter().all(|it| it.config.mode == Mode::SendReceive);
        if all_share {
            self.settle()?;
        } else {
            // What one takes back for itself may be tried for ever on another.
            self.rest_awhile(3)?;
        }
        self.faults = true;
        self.verdict()
    }

    fn do_as_people_do(&mut self, device: usize, deed: &Deed) {
        match deed {
            Deed::Write { name, text } => self.write(device, name, text),
            Deed::WriteUnnoticed { name, text } => self.write_unnoticed(device, name, text),
            Deed::MakeDirectory(name) => self.make_directory(device, name),
            Deed::Link { name, target } => self.make_symlink(device, name, target),
            Deed::Remove(name) => self.remove(device, name),
            Deed::Rename { from, to } => self.rename(device, from, to),
            Deed::Swap(one, other) => self.swap(device, one, other),
            Deed::SetMode(name, mode) => self.set_mode(device, name, *mode),
            Deed::Touch(name) => self.touch(device, name),
            Deed::Replace { name, text } => {
                self.remove(device, name);
                match text {
                    Some(text) => self.write(device, name, text),
                    None => self.make_directory(device, name),
                }
            }
            Deed::Decide { name, decision } => self.decide(device, name, decision),
            Deed::Ambush(ambush) => self.devices[device].ambush = Some(ambush.clone()),
            Deed::Ignore(name) => self.ignore(device, name.as_deref()),
            _ => {}
        }
    }

    fn decide(&mut self, device: usize, name: &str, decision: &Decision) {
        if self.devices[device].engine.is_none() {
            return;
        }
        match decision {
            Decision::Shown => self.resolve(device, name, Choice::Shown),
            Decision::Both => self.resolve(device, name, Choice::Both),
            Decision::MadeBy(other) => {
                self.resolve(device, name, Choice::Device(id_of(*other)));
            }
            Decision::With(text) => self.resolve_with(device, name, text),
        }
    }

    /// Lets a person do what waits for the next step on a device.
    pub(crate) fn spring_ambush(&mut self, device: usize, step: &Step) {
        let Some(ambush) = self.devices[device].ambush.take() else { return };
        let name = step.path().as_str();
        match &ambush {
            Ambush::Write(text) => self.write(device, name, text),
            Ambush::Remove => self.remove(device, name),
            Ambush::Replace => {
                self.remove(device, name);
                self.make_directory(device, name);
            }
            Ambush::RenameTo(to) => self.rename(device, name, to),
        }
    }
}
