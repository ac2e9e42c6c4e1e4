//! Random worlds: as many as belong to every test run, more for whoever asks,
//! and those that once failed.

use std::time::{Duration, Instant};

use driftless_testkit::{length_of, run_random};

/// The seeds of an ordinary test run.
const SEEDS: u64 = 20_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// Runs one world; a failure is told with the few steps that lead to it.
fn holds(seed: u64, length: usize) -> bool {
    let Err(failure) = run_random(seed, length) else { return true };
    eprintln!("{}", failure.shrunk());
    false
}

/// The seeds to try, and until when: `cargo xtask sim` sets the variables.
struct Sweep {
    first: u64,
    count: u64,
    /// Every so many are tried; another process tries those in between.
    stride: u64,
    until: Option<Instant>,
}

impl Sweep {
    fn from_environment() -> Self {
        let minutes = number("DRIFTLESS_SIM_MINUTES");
        Self {
            first: number("DRIFTLESS_SIM_FIRST").unwrap_or(0),
            count: number("DRIFTLESS_SIM_SEEDS").unwrap_or(SEEDS),
            stride: number("DRIFTLESS_SIM_STRIDE").unwrap_or(1),
            until: minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes)),
        }
    }

    /// Tries all of them; failures are reported together.
    fn run(&self) {
        let began = Instant::now();
        let is_over = || self.until.is_some_and(|until| Instant::now() >= until);
        let (mut tried, mut failed) = (0, Vec::new());
        for number in 0..self.count {
            if is_over() || failed.len() >= 20 {
                break;
            }
            let seed = self.first + number * self.stride;
            if !holds(seed, length_of(seed)) {
                failed.push(seed);
            }
            tried += 1;
        }
        let rate = tried as f64 / began.elapsed().as_secs_f64();
        println!("{tried} worlds, {rate:.0} a second; seeds that failed: {failed:?}");
        assert!(failed.is_empty(), "these seeds failed: {failed:?}");
    }
}

/// C1 to C7, C11 to C14, C16 to C19, D1 to D6, F3, I1 to I11, I15 to I17, N1,
/// N2, N5, N6, N9, P1 to P3, P5, P6, P8, P9, P13, P14: in every mixture.
#[test]
fn random_worlds_keep_every_guarantee() {
    if let Some(seed) = number("DRIFTLESS_SIM_SEED") {
        let length = number("DRIFTLESS_SIM_STEPS").map(|steps| steps as usize);
        assert!(holds(seed, length.unwrap_or_else(|| length_of(seed))), "seed {seed} failed");
        println!("seed {seed} holds");
        return;
    }
    Sweep::from_environment().run();
}

#[test]
fn seeds_that_failed_once_do_so_no_more() {
    let seeds = include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let failed = seeds.filter(|line| {
        let (seed, length) = line.split_once(' ').expect("a line has a seed and a length");
        let seed = seed.parse().expect("a seed");
        !holds(seed, length.parse().expect("a number of acts"))
    });
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "these fail again: {failed:?}");
}

/// I18
#[test]
fn equal_seeds_have_equal_traces() {
    let trace = |seed| run_random(seed, 60).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
