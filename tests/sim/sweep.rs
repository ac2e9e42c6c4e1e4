//! Random worlds: as many as time allows, and those that once failed.

use std::time::{Duration, Instant};

use driftless_testkit::run_random;

/// How long to look for trouble when nobody says how many seeds to try.
const BUDGET: Duration = Duration::from_secs(20);

/// How many actions each half of a random world has.
const STEPS: usize = 120;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

fn steps() -> usize {
    number("DRIFTLESS_SIM_STEPS").map_or(STEPS, |steps| steps as usize)
}

/// Tries `seeds` until `enough` says so; all failures are reported together.
fn sweep(seeds: impl Iterator<Item = (u64, usize)>, enough: impl Fn() -> bool) {
    let mut failures = Vec::new();
    for (seed, steps) in seeds {
        if let Err(failure) = run_random(seed, steps) {
            eprintln!("{failure}");
            failures.push(seed);
        }
        if enough() {
            break;
        }
    }
    assert!(failures.is_empty(), "these seeds failed: {failures:?}");
}

/// I1, I3, I5, I6, I7, I8, I9, I11, I15, I17, N1, N2, N6, P1, P2, P3, P8, P9, P13.
///
/// `DRIFTLESS_SIM_SEED` replays one seed, `DRIFTLESS_SIM_SEEDS` tries so many
/// from 0 on, `DRIFTLESS_SIM_STEPS` sets the length of each half.
#[test]
fn random_worlds_keep_every_guarantee() {
    let steps = steps();
    if let Some(seed) = number("DRIFTLESS_SIM_SEED") {
        return sweep([(seed, steps)].into_iter(), || false);
    }
    match number("DRIFTLESS_SIM_SEEDS") {
        Some(count) => sweep((0..count).map(|seed| (seed, steps)), || false),
        None => {
            let began = Instant::now();
            sweep((0..).map(|seed| (seed, steps)), || began.elapsed() > BUDGET);
        }
    }
}

#[test]
fn seeds_that_failed_once_do_so_no_more() {
    let seeds = include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let seeds = seeds.map(|line| {
        let (seed, steps) = line.split_once(' ').expect("a line has a seed and a number of steps");
        (seed.parse().expect("a seed"), steps.parse().expect("a number of steps"))
    });
    sweep(seeds, || false);
}

/// I18
#[test]
fn equal_seeds_have_equal_traces() {
    let trace = |seed| run_random(seed, 60).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
