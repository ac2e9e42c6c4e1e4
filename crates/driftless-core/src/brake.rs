//! The mass-change brake: deletions and rewrites that would take an unusual
//! share of a folder wait for a person.
//!
//! Catches the script, the ransomware and the half-mounted disk of another
//! device. Decides only whether to hold; what was displaced goes to history in
//! any case.

use crate::sabotage::{Sabotage, is};
use crate::totals::Totals;

/// When a mass change is held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Brake {
    /// Fewer deletions and rewrites than this are never held.
    pub at_least: u64,
    /// Held when they are more than this share of the folder's files, in percent.
    pub percent: u64,
    /// Held from this many on, whatever the share.
    pub at_most: u64,
}

impl Default for Brake {
    fn default() -> Self {
        Self { at_least: 100, percent: 40, at_most: 20_000 }
    }
}

/// A mass change that waits for a yes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldBack {
    /// Files that would be deleted.
    pub deletions: u64,
    /// Files whose content would be replaced.
    pub rewrites: u64,
}

impl Brake {
    /// Whether the pending changes that `totals` counts are to be held back.
    pub fn check(&self, totals: &Totals) -> Option<HeldBack> {
        let pending = totals.need_deletions + totals.need_rewrites;
        let share = totals.files.saturating_mul(self.percent) / 100;
        let held = pending >= self.at_most || (pending >= self.at_least && pending > share);
        let held = held && !is(Sabotage::ReleaseBrake);
        held.then_some(HeldBack {
            deletions: totals.need_deletions,
            rewrites: totals.need_rewrites,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H13
    #[test]
    fn mass_changes_are_held_and_ordinary_ones_are_not() {
        let check = |files, need_deletions, need_rewrites| {
            let totals = Totals { files, need_deletions, need_rewrites, ..Totals::default() };
            Brake::default().check(&totals).is_some()
        };
        assert!(!check(10, 10, 0), "a small folder may be emptied");
        assert!(!check(1_000, 400, 0), "a part may go");
        assert!(check(1_000, 401, 0), "most may not");
        assert!(check(1_000, 0, 900), "nor may most be rewritten");
        assert!(check(1_000_000, 20_000, 0), "nor may very many");
    }
}
