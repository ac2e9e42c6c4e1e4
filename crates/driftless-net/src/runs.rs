//! Which runs of a device's program were heard, and so whether two of them live at once.
//!
//! A program that was ended and started again never returns to the run that it
//! had. So a run that comes back after another one has lived all the while, and
//! two computers use one key: a home was copied (P11). Decides only that; what
//! follows is decided in `registry`, and that the run lives now is proved by
//! `greeting`.

use std::time::{Duration, Instant};

/// Names one run of a device's program, so that a restart is noticed at once.
pub(crate) type RunId = [u8; 8];

/// Runs that are remembered of one device.
const MAX_RUNS: usize = 16;

/// How long a device that two computers are is kept away. Whoever of them is left
/// connects again after it.
pub(crate) const KEPT_AWAY: Duration = Duration::from_secs(30);

/// The runs of one device.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// Each once, in the order in which they took over from each other.
    heard: Vec<RunId>,
    away_until: Option<Instant>,
}

impl Runs {
    /// Whether `run` was replaced by another one before, and comes back.
    pub(crate) fn is_return(&self, run: RunId) -> bool {
        self.heard.last().is_some_and(|&last| last != run) && self.heard.contains(&run)
    }

    /// Takes note of a run that is the device's from now on.
    pub(crate) fn note(&mut self, run: RunId) {
        self.heard.retain(|&known| known != run);
        if self.heard.len() == MAX_RUNS {
            self.heard.remove(0);
        }
        self.heard.push(run);
    }

    /// Keeps the device away for [`KEPT_AWAY`] and judges its runs anew after it.
    pub(crate) fn keep_away(&mut self, now: Instant) {
        *self = Self { heard: Vec::new(), away_until: Some(now + KEPT_AWAY) };
    }

    /// Whether the device is kept away.
    pub(crate) fn is_kept_away(&self, now: Instant) -> bool {
        self.away_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn run(number: u8) -> RunId {
        [number; 8]
    }

    /// P11: only a run that comes back after another proves that both live.
    #[test]
    fn p11_restarts_are_no_return_and_a_run_after_its_successor_is_one() {
        let mut runs = Runs::default();
        for number in 0..100 {
            assert!(!runs.is_return(run(number)), "{number}: a restart");
            runs.note(run(number));
            assert!(!runs.is_return(run(number)), "{number}: the same run connects again");
        }
        assert!(runs.is_return(run(98)));
        assert!(!runs.is_return(run(1)), "long forgotten");
        let now = Instant::now();
        runs.keep_away(now);
        assert!(runs.is_kept_away(now) && !runs.is_kept_away(now + KEPT_AWAY));
        assert!(!runs.is_return(run(98)), "judged anew");
    }
}
