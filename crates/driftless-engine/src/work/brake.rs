//! The mass-change brake at work: counting, holding, letting go.

use driftless_core::brake::HeldBack;
use driftless_core::totals::brakes_on;
use driftless_core::{Entry, Index};

use super::BRAKE_WINDOW_MS;
use crate::engine::{Engine, Mode};
use crate::io::Event;

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
        let (began, recent) = self.work.recent;
        if self.now_ms.abs_diff(began) < BRAKE_WINDOW_MS {
            totals.need_rewrites += recent;
        }
        let held = self.config.brake?.check(&totals)?;
        Some(HeldBack { rewrites: self.index.totals().need_rewrites, ..held })
    }

    pub(super) fn count_threat(&mut self, before: &Entry) {
        if brakes_on(before).is_none() {
            return;
        }
        let (began, count) = self.work.recent;
        let is_recent = self.now_ms.abs_diff(began) < BRAKE_WINDOW_MS;
        self.work.recent = if is_recent { (began, count + 1) } else { (self.now_ms, 1) };
    }

    pub(super) fn report_brake(&mut self) {
        let totals = self.index.totals();
        if totals.need_deletions + totals.need_rewrites == 0 {
            if self.work.confirmed {
                self.work.recent = (self.now_ms, 0);
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
