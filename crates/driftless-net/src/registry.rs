//! Which devices are allowed, where they may be, and which connection to each lives.
//!
//! Decides which of two connections between the same devices survives (N2):
//! the device with the lower ID decides alone, so both ends always agree. A
//! device that two computers are at once is kept away for a while (P11).
//! Talks to nobody; `greeting` carries the decision, `dial` acts on the addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use driftless_core::DeviceId;
use tokio::sync::Notify;

use crate::connection::{CloseReason, Connection};
use crate::runs::{RunId, Runs};

/// Addresses from announcements that are kept per device; they are hints (L6).
pub(crate) const MAX_HINTS: usize = 8;
/// Addresses of one device that a dial tries.
const MAX_CANDIDATES: usize = 32;
/// Within this time two connections count as dialled by both ends at once.
const SIMULTANEOUS: Duration = Duration::from_secs(3);

/// A device that may connect, and where to look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedDevice {
    /// Which device.
    pub device: DeviceId,
    /// `host:port`, where the host may be a name that is resolved at each dial.
    pub static_addresses: Vec<String>,
    /// Where it was before, newest first.
    pub last_known: Vec<SocketAddr>,
    /// Whether it is kept away until that changes.
    pub paused: bool,
}

/// A link that asks to become the connection to its device.
pub(crate) struct Candidate {
    pub(crate) link: quinn::Connection,
    pub(crate) device: DeviceId,
    /// Whether this device dialled.
    pub(crate) initiator: bool,
    /// The other device's run.
    pub(crate) run: RunId,
}

/// What a dialler should do about its device now.
#[derive(Debug)]
pub(crate) enum DialPlan {
    /// The device is gone from the list, or another dialler has taken over.
    Gone,
    /// It is connected or paused: wait to be woken.
    Rest,
    /// Try these.
    Dial { addresses: Vec<SocketAddr>, names: Vec<String> },
}

/// The shared state of this crate.
pub(crate) struct Registry {
    own: DeviceId,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    devices: BTreeMap<DeviceId, Entry>,
    generation: u64,
}

struct Entry {
    allowed: AllowedDevice,
    hints: Vec<SocketAddr>,
    live: Option<Live>,
    runs: Runs,
    wake: Arc<Notify>,
}

struct Live {
    connection: Connection,
    since: Instant,
    run: RunId,
    generation: u64,
    /// Whether it may be dead, so that another is sought meanwhile.
    suspect: bool,
}

impl Registry {
    pub(crate) fn new(own: DeviceId) -> Self {
        Self { own, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `device` may be connected now.
    pub(crate) fn is_allowed(&self, device: DeviceId) -> bool {
        self.lock().devices.get(&device).is_some_and(|entry| !entry.allowed.paused)
    }

    /// Whether `device` is this one or in the list, paused or not.
    pub(crate) fn is_known(&self, device: DeviceId) -> bool {
        device == self.own || self.lock().devices.contains_key(&device)
    }

    /// Replaces the list, cuts off who is no longer welcome, and returns the
    /// devices that need a dialler.
    pub(crate) fn set_devices(&self, list: Vec<AllowedDevice>) -> Vec<(DeviceId, Arc<Notify>)> {
        let mut unwelcome = Vec::new();
        let mut fresh = Vec::new();
        let mut state = self.lock();
        let kept: BTreeSet<DeviceId> = list.iter().map(|allowed| allowed.device).collect();
        state.devices.retain(|device, entry| {
            let keep = kept.contains(device);
            if !keep {
                unwelcome
                    .extend(entry.live.take().map(|live| (live.connection, CloseReason::Removed)));
                entry.wake.notify_one();
            }
            keep
        });
        for allowed in list.into_iter().filter(|allowed| allowed.device != self.own) {
            let device = allowed.device;
            if let Some(entry) = state.devices.get_mut(&device) {
                if allowed.paused {
                    unwelcome.extend(
                        entry.live.take().map(|live| (live.connection, CloseReason::Paused)),
                    );
                }
                if entry.allowed != allowed {
                    entry.allowed = allowed;
                    entry.wake.notify_one();
                }
                continue;
            }
            let entry = Entry {
                allowed,
                hints: Vec::new(),
                live: None,
                runs: Runs::default(),
                wake: Arc::new(Notify::new()),
            };
            fresh.push((device, Arc::clone(&entry.wake)));
            state.devices.insert(device, entry);
        }
        // Closed while the list is locked: nobody sees the new list and an old connection.
        for (connection, reason) in unwelcome {
            connection.close(reason);
        }
        fresh
    }

    /// The devices in the list, paused ones included.
    pub(crate) fn devices(&self) -> Vec<DeviceId> {
        self.lock().devices.keys().copied().collect()
    }

    /// Notes where `device` may be; wakes its dialler if that is news.
    pub(crate) fn hint(&self, device: DeviceId, addresses: &[SocketAddr]) {
        let mut state = self.lock();
        let Some(entry) = state.devices.get_mut(&device) else { return };
        let mut news = false;
        for &address in addresses {
            let before = entry.hints.iter().position(|&hint| hint == address);
            news |= before.is_none();
            if let Some(position) = before {
                entry.hints.remove(position);
            }
            entry.hints.insert(0, address);
        }
        entry.hints.truncate(MAX_HINTS);
        if news {
            entry.wake.notify_one();
        }
    }

    /// What the dialler that was started with `wake` should do now.
    pub(crate) fn dial_plan(&self, device: DeviceId, wake: &Arc<Notify>) -> DialPlan {
        let state = self.lock();
        let Some(entry) = state.devices.get(&device).filter(|entry| Arc::ptr_eq(&entry.wake, wake))
        else {
            return DialPlan::Gone;
        };
        if entry.live.as_ref().is_some_and(|live| !live.suspect) || entry.allowed.paused {
            return DialPlan::Rest;
        }
        let mut addresses = Vec::new();
        let mut names = Vec::new();
        // Where the user says it is weighs more than where it once was.
        let parsed = entry.allowed.static_addresses.iter().filter_map(|text| match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                names.push(text.clone());
                None
            }
        });
        let known = entry.allowed.last_known.iter().copied();
        for address in entry.hints.iter().copied().chain(parsed).chain(known) {
            if addresses.len() < MAX_CANDIDATES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        names.truncate(MAX_CANDIDATES);
        DialPlan::Dial { addresses, names }
    }

    /// Whether this run of `device` was replaced by another one before: if it
    /// lives now, two computers are that device.
    pub(crate) fn is_return(&self, device: DeviceId, run: RunId) -> bool {
        self.lock().devices.get(&device).is_some_and(|entry| entry.runs.is_return(run))
    }

    /// Cuts off a device that two computers are, and keeps it away for a while.
    /// Tells whether that is news.
    pub(crate) fn part_clones(&self, device: DeviceId) -> bool {
        let now = Instant::now();
        let mut state = self.lock();
        let Some(entry) = state.devices.get_mut(&device) else { return false };
        if entry.runs.is_kept_away(now) {
            return false;
        }
        entry.runs.keep_away(now);
        if let Some(live) = &entry.live {
            live.connection.close(CloseReason::Cloned);
        }
        true
    }

    /// Whether this device decides about connections to `device`.
    pub(crate) fn decides_about(&self, device: DeviceId) -> bool {
        self.own < device
    }

    /// Decides about a new link, on the device with the lower ID.
    ///
    /// If a connection of the opposite direction, to the same run, is younger
    /// than three seconds, both ends dialled at once and the one that this
    /// device dialled stays; otherwise the newest stays.
    pub(crate) fn decide(&self, candidate: Candidate) -> Result<(Connection, u64), CloseReason> {
        let mut state = self.lock();
        state.generation += 1;
        let generation = state.generation;
        let entry = state.welcome(candidate.device)?;
        if let Some(live) = entry.live.as_ref().filter(|live| !live.connection.is_closed()) {
            let crossed = live.connection.initiator() != candidate.initiator;
            let young = live.since.elapsed() < SIMULTANEOUS && live.run == candidate.run;
            if crossed && young && !candidate.initiator {
                return Err(CloseReason::Duplicate);
            }
        }
        Ok((entry.install(candidate, generation), generation))
    }

    /// Follows the other device's decision to keep a link, made as its
    /// `generation`-th; an older decision that arrives late is ignored.
    pub(crate) fn adopt(
        &self,
        candidate: Candidate,
        generation: u64,
    ) -> Result<Connection, CloseReason> {
        let mut state = self.lock();
        let entry = state.welcome(candidate.device)?;
        if entry
            .live
            .as_ref()
            .is_some_and(|live| live.run == candidate.run && live.generation > generation)
        {
            return Err(CloseReason::Duplicate);
        }
        Ok(entry.install(candidate, generation))
    }

    /// Runs `tell` unless another connection has taken the place of this one, and
    /// before another can.
    pub(crate) fn while_live(&self, connection: &Connection, tell: impl FnOnce()) {
        let state = self.lock();
        let live = state.devices.get(&connection.device()).and_then(|entry| entry.live.as_ref());
        if live.is_some_and(|live| live.connection.is(connection)) {
            tell();
        }
    }

    /// Forgets a connection that has ended and wakes the dialler.
    pub(crate) fn ended(&self, connection: &Connection) {
        let mut state = self.lock();
        let Some(entry) = state.devices.get_mut(&connection.device()) else { return };
        if entry.live.as_ref().is_some_and(|live| live.connection.is(connection)) {
            entry.live = None;
            entry.wake.notify_one();
        }
    }

    /// Seeks another connection beside one that may be dead, or no longer.
    pub(crate) fn suspect(&self, connection: &Connection, suspect: bool) {
        let mut state = self.lock();
        let Some(entry) = state.devices.get_mut(&connection.device()) else { return };
        if let Some(live) = entry.live.as_mut().filter(|live| live.connection.is(connection)) {
            live.suspect = suspect;
            entry.wake.notify_one();
        }
    }

    /// Every live connection.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let state = self.lock();
        state
            .devices
            .values()
            .filter_map(|entry| Some(entry.live.as_ref()?.connection.clone()))
            .collect()
    }

    /// Makes every dialler look again at once.
    pub(crate) fn wake_all(&self) {
        for entry in self.lock().devices.values() {
            entry.wake.notify_one();
        }
    }

    /// Forgets everything; diallers end, and the caller closes the endpoints.
    pub(crate) fn clear(&self) {
        let devices = std::mem::take(&mut self.lock().devices);
        for entry in devices.into_values() {
            if let Some(live) = entry.live {
                live.connection.close(CloseReason::ShuttingDown);
            }
            entry.wake.notify_one();
        }
    }
}

impl State {
    fn welcome(&mut self, device: DeviceId) -> Result<&mut Entry, CloseReason> {
        match self.devices.get_mut(&device) {
            None => Err(CloseReason::Removed),
            Some(entry) if entry.allowed.paused => Err(CloseReason::Paused),
            Some(entry) if entry.runs.is_kept_away(Instant::now()) => Err(CloseReason::Cloned),
            Some(entry) => Ok(entry),
        }
    }
}

impl Entry {
    fn install(&mut self, candidate: Candidate, generation: u64) -> Connection {
        let Candidate { link, device, initiator, run } = candidate;
        self.runs.note(run);
        let connection = Connection::new(link, device, initiator);
        let live = Live {
            connection: connection.clone(),
            since: Instant::now(),
            run,
            generation,
            suspect: false,
        };
        if let Some(old) = self.live.replace(live) {
            old.connection.close(CloseReason::Replaced);
        }
        self.wake.notify_one();
        connection
    }
}
