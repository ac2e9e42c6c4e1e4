//! Whether the simulator bites: each deliberate bug of
//! [`driftless_core::sabotage`] has to be found by the random worlds that
//! tests/sim runs, within so many seeds.
//!
//! Runs with `cargo xtask test`, or by itself with
//! `cargo test --workspace --features driftless-testkit/sabotage --test mutants`.
//! `DRIFTLESS_MUTANT=SkipSyncOfSaved` tries one bug only and tells all,
//! `DRIFTLESS_MUTANT_SEEDS` so many seeds.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use driftless_core::sabotage::{Sabotage, with};
use driftless_testkit::{Failure, length_of, run_random};

/// Each bug has to be found within this many seeds, from 0 on.
const SEEDS: u64 = 12_000;

/// As many as CI has cores.
const THREADS: usize = 2;

/// How a bug was found, or not.
struct Finding {
    bug: Sabotage,
    /// The first seed that fails with the bug, and how.
    failure: Option<Failure>,
    /// Seeds that failed with the bug and fail without it, which proves nothing.
    wrong: Vec<u64>,
    took: Duration,
}

fn hunt(bug: Sabotage, seeds: u64) -> Finding {
    let began = Instant::now();
    let run = |bug, seed| with(bug, || run_random(seed, length_of(seed)));
    let mut wrong = Vec::new();
    let failure = (0..seeds).find_map(|seed| {
        let failure = run(Some(bug), seed).err()?;
        if run(None, seed).is_err() {
            wrong.push(seed);
            return None;
        }
        Some(failure)
    });
    Finding { bug, failure, wrong, took: began.elapsed() }
}

impl Finding {
    fn line(&self) -> String {
        let (bug, took) = (format!("{:?}", self.bug), self.took.as_secs_f32());
        match &self.failure {
            Some(failure) => {
                format!("{bug:24} {:5} {:6.1} s  {}", failure.seed + 1, took, failure.kind())
            }
            None => format!("{bug:24}     - {took:6.1} s  NOT FOUND"),
        }
    }
}

/// All bugs, or the one that the environment names.
fn bugs() -> Vec<Sabotage> {
    let wanted = std::env::var("DRIFTLESS_MUTANT").ok();
    let is_wanted = |bug: &&Sabotage| wanted.as_ref().is_none_or(|it| *it == format!("{bug:?}"));
    Sabotage::ALL.iter().filter(is_wanted).copied().collect()
}

/// An oracle that finds nothing would prove nothing.
#[test]
fn every_deliberate_bug_is_found_and_nothing_else() {
    // A bug may well end in a panic, which is found like any other failure.
    std::panic::set_hook(Box::new(|_| ()));
    let seeds = std::env::var("DRIFTLESS_MUTANT_SEEDS").ok();
    let seeds = seeds.map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds"));
    let (bugs, next) = (bugs(), AtomicUsize::new(0));
    let findings = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let finding = hunt(*bug, seeds);
                    eprintln!("{}", finding.line());
                    findings.lock().expect("no hunt panics").push(finding);
                }
            });
        }
    });
    drop(std::panic::take_hook());
    let findings = findings.into_inner().expect("no hunt panics");
    if let [Finding { failure: Some(failure), .. }] = findings.as_slice() {
        eprintln!("{failure}");
    }
    let missed: Vec<_> =
        findings.iter().filter(|it| it.failure.is_none()).map(|it| it.bug).collect();
    let wrong: BTreeSet<_> = findings.iter().flat_map(|it| &it.wrong).collect();
    assert!(wrong.is_empty(), "these seeds fail without any bug: {wrong:?}");
    assert!(missed.is_empty(), "the simulator finds none of these in {seeds} seeds: {missed:?}");
}
