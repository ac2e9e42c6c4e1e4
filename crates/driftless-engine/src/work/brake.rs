//! The mass-change brake at work: counting, holding, letting go.

use std::collections::BTreeSet;

use driftless_core::brake::HeldBack;
use driftless_core::totals::brakes_on;
use driftless_core::{Entry, Index, RelPath};

use crate::engine::{Engine, Mode};
use crate::io::Event;

/// Deletions and rewrites within this time count together, in milliseconds.
const WINDOW_MS: u64 = 600_000;

/// The files that were deleted or rewritten since the window began. One that a
/// program writes again and again is one file, and no mass change.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    began_ms: u64,
    files: BTreeSet<RelPath>,
}

impl Recent {
    fn new(began_ms: u64) -> Self {
        Self { began_ms, files: BTreeSet::new() }
    }

    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.abs_diff(self.began_ms) >= WINDOW_MS
    }
}

impl<I: Index> Engine<I> {
    /// The mass change that waits for a yes, if there is one.
    pub(crate) fn held_back(&self) -> Option<HeldBack> {
        if self.work.confirmed || self.config.mode == Mode::SendOnly {
            return None;
        }
        let mut totals = *self.index.totals();
        if totals.need_deletions + totals.need_rewrites == 0 {
            return None;
        }
        if !self.work.recent.is_over(self.now_ms) {
            totals.need_rewrites += self.work.recent.files.len() as u64;
        }
        let held = self.config.brake?.check(&totals)?;
        Some(HeldBack { rewrites: self.index.totals().need_rewrites, ..held })
    }

    pub(super) fn count_threat(&mut self, path: &RelPath, before: &Entry) {
        let Some(brake) = self.config.brake.filter(|_| brakes_on(before).is_some()) else { return };
        if self.work.recent.is_over(self.now_ms) {
            self.work.recent = Recent::new(self.now_ms);
        }
        // More than these are held back anyway.
        if (self.work.recent.files.len() as u64) < brake.at_most {
            self.work.recent.files.insert(path.clone());
        }
    }

    pub(super) fn report_brake(&mut self) {
        let totals = self.index.totals();
        if totals.need_deletions + totals.need_rewrites == 0 {
            if self.work.confirmed {
                self.work.recent = Recent::new(self.now_ms);
            }
            self.work.confirmed = false;
        }
        let held_back = self.held_back();
        match held_back {
            Some(HeldBack { deletions, rewrites }) if !self.work.was_held_back => {
                self.publish(Event::HeldBack { deletions, rewrites });
            }
            None if !self.is_being_told() && !self.work.held.is_empty() => {
                let held = std::mem::take(&mut self.work.held);
                for path in held {
                    self.work.pending.insert(path);
                }
            }
            _ => {}
        }
        self.work.was_held_back = held_back.is_some();
    }
}
