//! A world in which everything happens at random.

use std::panic::{AssertUnwindSafe, catch_unwind};

use driftless_core::Policy;
use driftless_engine::Mode;

use super::disk::Ailment;
use super::random::Random;
use super::story::{Act, Ambush, Cast, Decision, Deed};
use super::{Failure, SECOND_US, Story, World, WorldIndex, policy};
use crate::MemIndex;

/// Names that people use; few, so that they meet.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Contents that several people come up with.
const COMMON: [&str; 4] = ["", "same", "equal", "a text that is long enough for several blocks"];

const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

/// How many acts a world from `seed` has where nobody says: mostly few, so that
/// many different ones fit into an hour, now and then many.
pub fn length_of(seed: u64) -> usize {
    let mut random = Random::salted(seed, 0x1e06);
    match random.below(20) {
        0..14 => 8 + random.index(24),
        14..19 => 30 + random.index(40),
        _ => 90 + random.index(160),
    }
}

/// Runs a world of 2 to 6 devices from `seed`: `length` random acts, now and
/// then peace, in which everything must settle, and peace in the end. Returns
/// the hash of all that happened, which equal seeds have in common (I18). With
/// `DRIFTLESS_SIM_TRACE` in the environment it is told on stderr.
///
/// # Errors
///
/// Something did not hold; the failure says what, and how to replay it.
pub fn run_random(seed: u64, length: usize) -> Result<[u8; 32], Failure> {
    run_random_on::<MemIndex>(seed, length)
}

/// As [`run_random`], on other indexes.
///
/// # Errors
///
/// As of [`run_random`].
pub fn run_random_on<I: WorldIndex>(seed: u64, length: usize) -> Result<[u8; 32], Failure> {
    let mut random = Random::salted(seed, 0xd1f7);
    let mut cast = Cast::at_random(&mut random);
    cast.policies = policy::at_random(seed, cast.modes.len());
    let mut story = Story { seed, length, cast, acts: Vec::new() };
    let result = guarded(seed, || {
        let mut world = World::<I>::of_cast(seed, &story.cast);
        for number in 0..length {
            let act = world.next_act(&mut random, number, length);
            story.acts.push(act.clone());
            world.perform(&act)?;
        }
        world.end()
    });
    result.map_err(|failure| Failure { story: Some(Box::new(story)), ..failure })
}

/// Makes a panic a failure like others.
pub(crate) fn guarded<T>(
    seed: u64,
    run: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("a panic: {}", what.unwrap_or_default());
        Err(Failure { seed, what, story: None })
    })
}

impl Cast {
    fn at_random(random: &mut Random) -> Self {
        let devices = [2, 2, 2, 3, 3, 3, 4, 4, 5, 6][random.index(10)];
        let mut modes = vec![Mode::SendReceive; devices];
        let mut skews_ms = vec![0; devices];
        if random.chance(10) {
            let mode = [Mode::SendOnly, Mode::ReceiveOnly][random.index(2)];
            modes[random.index(devices)] = mode;
        }
        if random.chance(20) {
            for skew_ms in &mut skews_ms {
                *skew_ms = random.below(2 * TEN_YEARS_MS as u64) as i64 - TEN_YEARS_MS;
            }
        }
        let is_line = random.chance(20);
        let brake_at = random.chance(20).then(|| 2 + random.below(3));
        let policies = vec![Policy::Ask; devices];
        Self { modes, skews_ms, policies, is_line, brake_at }
    }
}

impl<I: WorldIndex> World<I> {
    fn next_act(&self, random: &mut Random, number: usize, length: usize) -> Act {
        let device = random.index(self.devices.len());
        let salt = number as u64;
        let deed = match random.below(100) {
            // Halfway, everyone may come to agree first.
            _ if number == length / 2 && random.chance(60) => Deed::Peace,
            0..62 => self.edit(random, device, number),
            62..66 => self.decision(random, device, number),
            66..80 => self.network_fate(random, device),
            _ => self.device_fate(random, device),
        };
        let while_us = match random.below(20) {
            0..6 => 0,
            6..13 => 5_000,
            13..18 => 60_000,
            18 => SECOND_US,
            _ => 8 * SECOND_US,
        };
        Act { salt, device, deed, pause_us: random.below(while_us + 1) }
    }

    fn network_fate(&self, random: &mut Random, device: usize) -> Deed {
        let other = random.index(self.devices.len());
        match random.below(14) {
            0..5 => Deed::ConnectAll,
            5..8 if self.is_connected(device, other) => Deed::Disconnect(other),
            5..8 => Deed::Connect(other),
            8..11 => Deed::Break(other),
            11 => Deed::Part,
            12 => Deed::Expel(!self.devices[device].is_expelled),
            _ => {
                let hours = random.below(12);
                Deed::Sleep { for_ms: random.below(10_000 + hours * 3_600_000) }
            }
        }
    }

    fn device_fate(&self, random: &mut Random, device: usize) -> Deed {
        let is_ill = self.devices[device].disk.ailment.is_some();
        match random.below(40) {
            // While much waits to be tried again.
            _ if is_ill && random.chance(25) => {
                Deed::ShiftClock { by_ms: -(random.below(TEN_YEARS_MS as u64) as i64) }
            }
            0..3 => Deed::Crash,
            3..8 => Deed::CrashAndStart,
            8..12 => Deed::CutPower,
            12..17 => Deed::Start,
            17..21 => Deed::Scan,
            21..23 => {
                let by_ms = random.below(2 * TEN_YEARS_MS as u64) as i64 - TEN_YEARS_MS;
                Deed::ShiftClock { by_ms }
            }
            23..27 => {
                let ailments = [Ailment::Full, Ailment::ReadOnly, Ailment::Failing, Ailment::Gone];
                let is_well = self.devices[device].disk.ailment.is_none();
                Deed::Ail(random.pick(&ailments).copied().filter(|_| is_well))
            }
            27..29 => Deed::FailIndex { writes: random.below(12) as u32 },
            29 => Deed::LoseIndex,
            30..34 => Deed::BackUpIndex,
            34..36 => Deed::RestoreIndex,
            36 if random.chance(30) => Deed::Wipe,
            37..39 => {
                let rule = self.devices[device].disk.ignored.is_none();
                let name = self.some_name(random, device);
                Deed::Ignore(rule.then_some(name))
            }
            _ => Deed::Scan,
        }
    }

    fn edit(&self, random: &mut Random, device: usize, number: usize) -> Deed {
        let (name, other) = (self.some_name(random, device), self.some_name(random, device));
        let text = some_text(random, device, number);
        match random.below(100) {
            0..33 => Deed::Write { name, text },
            33..37 => {
                let text = self.same_size(device, &name).unwrap_or(text);
                Deed::WriteUnnoticed { name, text }
            }
            37..47 => Deed::MakeDirectory(name),
            47..57 => Deed::Remove(name),
            57..70 => Deed::Rename { from: name, to: other },
            70..75 => Deed::Swap(name, other),
            75..79 => Deed::SetMode(name, [0o600, 0o644, 0o700, 0o755][random.index(4)]),
            79..83 => Deed::Touch(name),
            83..86 => Deed::Link { name, target: other },
            86..89 => Deed::Replace { name, text: None },
            89..94 => Deed::Replace { name, text: Some(text) },
            _ => Deed::Ambush(match random.below(5) {
                0..2 => Ambush::Write(text),
                2 => Ambush::Remove,
                3 => Ambush::Replace,
                _ => Ambush::RenameTo(other),
            }),
        }
    }

    /// A text as long as what a file holds, so that only its times tell of it.
    fn same_size(&self, device: usize, name: &str) -> Option<String> {
        let text = self.devices[device].disk.blob_at(&super::path(name))?.text();
        Some(text.chars().rev().collect())
    }

    /// A person decides one of the conflicts, or does something else.
    fn decision(&self, random: &mut Random, device: usize, number: usize) -> Deed {
        let conflicts = self.conflicts(device);
        let Some(path) = random.pick(&conflicts) else {
            return self.edit(random, device, number);
        };
        let decision = match random.below(4) {
            0 => Decision::Shown,
            1 => Decision::Both,
            2 => Decision::MadeBy(random.index(self.devices.len())),
            _ => Decision::With(format!("{device} decided {number}")),
        };
        Deed::Decide { name: path.to_string(), decision }
    }

    /// A path that is there, or one next to such.
    fn some_name(&self, random: &mut Random, device: usize) -> String {
        let tree = &self.devices[device].disk.now.tree;
        let fresh = NAMES[random.index(NAMES.len())];
        match tree.iter().nth(random.index(tree.len())) {
            Some((path, node)) if node.is_directory() && random.chance(60) => {
                if path.as_str().len() < 6 { format!("{path}/{fresh}") } else { path.to_string() }
            }
            Some((path, _)) if random.chance(60) => path.to_string(),
            _ => fresh.to_owned(),
        }
    }
}

fn some_text(random: &mut Random, device: usize, number: usize) -> String {
    if random.chance(25) {
        return COMMON[random.index(COMMON.len())].to_owned();
    }
    let text = format!("{device} wrote {number}");
    if random.chance(20) { format!("{text}, and more and more of it") } else { text }
}
