//! What is known of computers that use one identity, and what a person is told.
//!
//! A home that was copied makes two computers one device (P11). Whoever is
//! connected to both notices, tells both and keeps them away (`driftless_net`);
//! here that becomes a problem of the whole program, which lasts until the device
//! was connected for a while. That this home became another device is said until
//! the first device that trusts it is connected.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_control::api::{EventBody, Problem};
use driftless_core::DeviceId;

use crate::clock::now_ms;
use crate::home::Because;
use crate::hub::Hub;

/// A device that was connected this long after the last sign of a second computer
/// is one again, in milliseconds.
const CALM_MS: u64 = 90_000;

/// Codes of the problems; see [`Problem::code`].
const SEEN: &str = "cloned-device";
const TOLD: &str = "identity-in-use";
const RENEWED: &str = "new-identity";

/// Signs of computers that use one identity.
#[derive(Debug, Default)]
pub(crate) struct Clones {
    signs: Mutex<Signs>,
}

/// When there was the last sign, in milliseconds since 1970.
#[derive(Debug, Default)]
struct Signs {
    /// Devices that two computers are.
    seen: BTreeMap<DeviceId, u64>,
    /// Devices that say so of this one.
    told: BTreeMap<DeviceId, u64>,
}

impl Clones {
    fn lock(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether some device says that another computer uses this identity, too.
    pub(crate) fn is_told(&self) -> bool {
        !self.lock().told.is_empty()
    }
}

impl Hub {
    /// Two computers are `device`.
    pub(crate) fn clones_seen(&self, device: DeviceId) {
        if self.clones.lock().seen.insert(device, now_ms()).is_none() {
            self.opened(seen_problem(self, &device));
        }
    }

    /// `by` says that another computer uses this device's identity.
    pub(crate) fn clone_told(&self, by: DeviceId) {
        let is_first = {
            let mut signs = self.clones.lock();
            let is_first = signs.told.is_empty();
            signs.told.insert(by, now_ms());
            is_first
        };
        if is_first {
            self.opened(told_problem(self, &by));
        }
    }

    /// A device is connected: somebody trusts this one.
    pub(crate) fn is_trusted(&self) {
        if self.home.renewed().is_some() {
            self.home.forget_renewal();
            self.cleared(RENEWED);
        }
    }

    /// Forgets signs that connections since have refuted.
    pub(crate) fn calm_clones(&self) {
        let now = now_ms();
        let stays = |device: &DeviceId, at: &mut u64| {
            now.saturating_sub(*at) < CALM_MS || self.links.get(*device).is_none()
        };
        let mut signs = self.clones.lock();
        let before = (signs.seen.len(), signs.told.len());
        signs.seen.retain(stays);
        signs.told.retain(stays);
        let (seen, told) = (signs.seen.len(), signs.told.len());
        drop(signs);
        if seen < before.0 {
            self.cleared(SEEN);
        }
        if told == 0 && before.1 > 0 {
            self.cleared(TOLD);
        }
    }

    /// What is wrong with the program as a whole.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let (seen, told) = {
            let signs = self.clones.lock();
            let seen: Vec<_> = signs.seen.keys().copied().collect();
            (seen, signs.told.keys().next().copied())
        };
        let mut problems: Vec<_> = told.map(|by| told_problem(self, &by)).into_iter().collect();
        problems.extend(self.home.renewed().map(|(id, because)| renewed_problem(&id, because)));
        problems.extend(seen.iter().map(|device| seen_problem(self, device)));
        problems
    }

    fn opened(&self, problem: Problem) {
        tracing::warn!(problem = problem.message, "two computers use one identity");
        self.tell(EventBody::ProblemOpened { folder: None, problem });
    }

    fn cleared(&self, code: &str) {
        let (path, code) = (String::new(), code.to_owned());
        self.tell(EventBody::ProblemCleared { folder: None, path, code });
    }
}

fn problem(code: &str, message: String, hint: &str) -> Problem {
    let (path, code) = (String::new(), code.to_owned());
    Problem { path, code, message, hint: Some(hint.to_owned()) }
}

fn seen_problem(hub: &Hub, device: &DeviceId) -> Problem {
    let message = format!(
        "two computers use the identity of {}, which is kept away until one of them has its own",
        hub.name_of(device)
    );
    problem(SEEN, message, "on one of the two, run: driftless device rekey --yes")
}

fn told_problem(hub: &Hub, by: &DeviceId) -> Problem {
    let message = format!(
        "another computer uses this device's identity, says {}, and keeps both away",
        hub.name_of(by)
    );
    let hint = "on one of the two, run: driftless device rekey --yes; then pair that one again";
    problem(TOLD, message, hint)
}

fn renewed_problem(id: &str, because: Because) -> Problem {
    let message = match because {
        Because::Copied => {
            format!("this home was copied from another computer; it is a new device now, {id}")
        }
        Because::Asked => format!("this is a new device now, {id}"),
    };
    problem(RENEWED, message, "pair it with your other devices again: driftless pair")
}
