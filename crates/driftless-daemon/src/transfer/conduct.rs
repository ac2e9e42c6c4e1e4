//! Whom to ask for contents: a device that answers with wrong bytes, or lets
//! its answer hang, is not asked for a while (H4, H11).
//!
//! It does not decide whether a device is trusted: that is a person's business.
//! An honest device verifies every block before it sends it, so that wrong
//! bytes are no accident of its disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use driftless_core::DeviceId;

/// After so many offences a device is not asked for a while.
pub(crate) const STRIKES: u32 = 3;

/// How long the first time; each time after that takes twice as long.
pub(crate) const FIRST_REST: Duration = Duration::from_secs(60);

/// The longest that a device is not asked.
pub(crate) const LONGEST_REST: Duration = Duration::from_secs(3600);

/// What a device did wrong when it was asked for contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Offence {
    /// Its bytes do not have the hash that was asked for.
    #[error("its bytes do not match their hash")]
    WrongBytes,
    /// It began no answer, or did not go on with it.
    #[error("its answer does not come")]
    Hangs,
}

/// How devices have done lately.
#[derive(Debug, Default)]
pub(crate) struct Conduct(Mutex<BTreeMap<DeviceId, Standing>>);

#[derive(Debug, Default)]
struct Standing {
    strikes: u32,
    rests: u32,
    until: Option<Instant>,
}

impl Conduct {
    /// Whether the device may be asked now.
    pub(crate) fn is_asked(&self, device: DeviceId, now: Instant) -> bool {
        let standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standings.get(&device).and_then(|standing| standing.until).is_none_or(|until| now >= until)
    }

    /// Notes an offence.
    pub(crate) fn strike(&self, device: DeviceId, offence: Offence, now: Instant) {
        let mut standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = standings.entry(device).or_default();
        match standing.until {
            // Of a request that was under way when the rest began.
            Some(until) if now < until => return,
            Some(until) if now >= until + LONGEST_REST => *standing = Standing::default(),
            Some(_) | None => standing.until = None,
        }
        standing.strikes += 1;
        if standing.strikes < STRIKES {
            return;
        }
        let rest = FIRST_REST.saturating_mul(1 << standing.rests.min(16)).min(LONGEST_REST);
        *standing = Standing { strikes: 0, rests: standing.rests + 1, until: Some(now + rest) };
        tracing::warn!(
            device = %device.short(), reason = %offence, seconds = rest.as_secs(),
            "not asking the device for contents for a while"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h4_who_offends_three_times_is_not_asked_for_longer_and_longer() {
        let (conduct, eve, bob) =
            (Conduct::default(), DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        let mut now = Instant::now();
        for expected in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            for _ in 0..STRIKES {
                assert!(conduct.is_asked(eve, now));
                conduct.strike(eve, Offence::WrongBytes, now);
            }
            conduct.strike(eve, Offence::Hangs, now);
            let rest = Duration::from_secs(expected);
            assert!(!conduct.is_asked(eve, now + rest - Duration::from_millis(1)), "{expected}");
            assert!(conduct.is_asked(eve, now + rest), "{expected}");
            assert!(conduct.is_asked(bob, now));
            now += rest;
        }
        now += LONGEST_REST;
        conduct.strike(eve, Offence::Hangs, now);
        assert!(conduct.is_asked(eve, now), "what is long ago is forgotten");
    }
}
