//! A world in which everything happens at random.

use std::panic::{AssertUnwindSafe, catch_unwind};

use driftless_engine::Choice;

use super::disk::Kind;
use super::{Failure, SECOND_US, World};

/// Names that people use; few, so that they meet.
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// Contents that several people come up with.
const COMMON: [&str; 4] = ["", "same", "equal", "a text that is long enough for several blocks"];

/// Runs a world of 2 to 5 devices from `seed`: twice `steps` random actions,
/// each time followed by peace, in which everything must settle. Returns the
/// hash of all that happened, which equal seeds have in common (I18). With
/// `DRIFTLESS_SIM_TRACE` in the environment it is told on stderr.
///
/// # Errors
///
/// Something did not hold; the failure says what, and how to replay it.
pub fn run_random(seed: u64, steps: usize) -> Result<[u8; 32], Failure> {
    let run = || {
        let mut random = super::Random::new(seed ^ 0xd1f7);
        let devices = [2, 2, 3, 3, 4, 5][random.index(6)];
        let mut world = World::new(seed, devices);
        if random.chance(25) {
            // In a line: most never meet.
            for (a, b) in (0..devices).flat_map(|b| (0..b).map(move |a| (a, b))) {
                if a + 1 < b {
                    world.estrange(a, b);
                }
            }
        }
        for _ in 0..2 {
            world.faults = true;
            for _ in 0..steps {
                world.do_something();
                world.verdict()?;
            }
            world.settle()?;
        }
        Ok(world.trace())
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure { seed, what: format!("a panic: {}", what.unwrap_or_default()) })
    })
}

impl World {
    /// One random action on a random device, and a random while after it.
    fn do_something(&mut self) {
        let device = self.random.index(self.devices.len());
        match self.random.below(100) {
            0..70 => self.do_as_people_do(device),
            70..75 => self.decide(device),
            75..79 => self.connect_all(),
            79..85 => {
                let other = self.random.index(self.devices.len());
                if self.is_connected(device, other) {
                    self.disconnect(device, other);
                } else {
                    self.connect(device, other);
                }
            }
            85 => self.part(),
            86..89 => {
                self.crash(device);
                if self.random.chance(70) {
                    self.start(device);
                }
            }
            89 => self.cut_power(device),
            90..93 => self.start(device),
            93..95 => self.scan(device),
            95 => {
                let ten_years_ms = 10 * 365 * 86_400_000;
                let by_ms = self.random.below(2 * ten_years_ms) as i64 - ten_years_ms as i64;
                self.shift_clock(device, by_ms);
            }
            96 if self.random.chance(30) => self.lose_index(device),
            97 => self.back_up_index(device),
            98 if self.random.chance(50) => self.restore_index(device),
            _ => {}
        }
        let while_us = match self.random.below(20) {
            0..5 => 0,
            5..12 => 5_000,
            12..17 => 60_000,
            17..19 => SECOND_US,
            _ => 8 * SECOND_US,
        };
        let while_us = self.random.below(while_us + 1);
        self.pass(while_us);
    }

    fn do_as_people_do(&mut self, device: usize) {
        let (name, other) = (self.some_name(device), self.some_name(device));
        match self.random.below(100) {
            0..35 => {
                let text = self.some_text(device);
                self.write(device, &name, &text);
            }
            35..38 => {
                let text = self.some_text(device);
                self.write_unnoticed(device, &name, &text);
            }
            38..50 => self.make_directory(device, &name),
            50..60 => self.remove(device, &name),
            60..74 => self.rename(device, &name, &other),
            74..79 => self.swap(device, &name, &other),
            79..84 => {
                let mode = [0o600, 0o644, 0o700, 0o755][self.random.index(4)];
                self.set_mode(device, &name, mode);
            }
            84..88 => self.touch(device, &name),
            88..92 => self.make_symlink(device, &name, &other),
            92..95 => {
                self.remove(device, &name);
                self.make_directory(device, &name);
            }
            _ => {
                self.remove(device, &name);
                let text = self.some_text(device);
                self.write(device, &name, &text);
            }
        }
    }

    /// A path that is there, or one next to such.
    fn some_name(&mut self, device: usize) -> String {
        let tree = &self.devices[device].disk.now.tree;
        let known: Vec<_> = tree
            .iter()
            .map(|(path, node)| (path.to_string(), node.kind == Kind::Directory))
            .collect();
        let fresh = NAMES[self.random.index(NAMES.len())];
        match self.random.pick(&known).cloned() {
            Some((path, true)) if self.random.chance(60) && path.len() < 6 => {
                format!("{path}/{fresh}")
            }
            Some((path, _)) if self.random.chance(60) => path,
            _ => fresh.to_owned(),
        }
    }

    fn some_text(&mut self, device: usize) -> String {
        if self.random.chance(25) {
            return COMMON[self.random.index(COMMON.len())].to_owned();
        }
        self.scheduled += 1;
        let text = format!("{device} wrote {}", self.scheduled);
        if self.random.chance(20) { format!("{text}, and more and more of it") } else { text }
    }

    /// A person decides one of the conflicts.
    fn decide(&mut self, device: usize) {
        let conflicts = self.conflicts(device);
        let Some(path) = self.random.pick(&conflicts).cloned() else { return };
        if self.devices[device].engine.is_none() {
            return;
        }
        let choice = match self.random.below(4) {
            0 => Choice::Shown,
            1 => Choice::Both,
            2 => Self::made_by(self.random.index(self.devices.len())),
            _ => {
                self.scheduled += 1;
                let text = format!("{device} decided {}", self.scheduled);
                return self.resolve_with(device, path.as_str(), &text);
            }
        };
        self.resolve(device, path.as_str(), choice);
    }
}
