//! Devices that ask to be let in: they know this device's ID and hold their key,
//! and are not in the list.
//!
//! Decides which of them are remembered, and for how long. What they see of it is
//! decided in `tls`: nothing, the refusal is that of any stranger. Whether one is
//! let in is for a person to say; then the program puts it into the list.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use driftless_core::DeviceId;
use tokio::sync::Notify;

use crate::net::{NetEvent, Shared, origin};

/// Requests that are remembered; the one that was heard last longest ago goes first.
const MAX_REQUESTS: usize = 16;
/// Of those, how many may come from one address, so that nobody fills all places alone.
const MAX_REQUESTS_PER_ORIGIN: usize = 4;
/// How long one address waits between two keys that it had not shown before.
const ORIGIN_PAUSE: Duration = Duration::from_secs(5);
/// New requests that are taken at once, and how long each takes to grow again.
const MAX_NEW: u32 = 16;
const NEW_EVERY: Duration = Duration::from_secs(2);

/// A device that asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairRequest {
    /// Which device; proved by its key.
    pub device: DeviceId,
    /// What it calls itself: at most 64 bytes, no control characters, not empty. Proves nothing.
    pub name: String,
    /// Where it asked from last.
    pub address: SocketAddr,
    /// When it asked first.
    pub asked_at: SystemTime,
}

/// Who asks, and who may.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    turned_away: BTreeSet<DeviceId>,
    /// The one heard last is last.
    waiting: Vec<Waiting>,
    /// New requests taken, as far as they have not grown again, and since when that counts.
    taken: u32,
    taken_at: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    request: PairRequest,
    origin: IpAddr,
    since: Instant,
}

impl Lobby {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether devices may ask at all, and who may not. Those who may not are forgotten.
    pub(crate) fn admit(&self, open: bool, turned_away: BTreeSet<DeviceId>) {
        let mut state = self.lock();
        let before = state.waiting.len();
        state.waiting.retain(|one| open && !turned_away.contains(&one.request.device));
        let changed = state.waiting.len() != before;
        (state.open, state.turned_away) = (open, turned_away);
        if changed {
            self.changed.notify_one();
        }
    }

    /// Takes note of a device that has proved its key, if there is room for it.
    pub(crate) fn ask(
        &self,
        device: DeviceId,
        address: SocketAddr,
        now: Instant,
        name: impl FnOnce() -> String,
    ) {
        let mut state = self.lock();
        if !state.open || state.turned_away.contains(&device) {
            return;
        }
        if let Some(at) = state.waiting.iter().position(|one| one.request.device == device) {
            let mut again = state.waiting.remove(at);
            again.request.address = address;
            again.origin = origin(address.ip());
            state.waiting.push(again);
        } else if state.make_room(origin(address.ip()), now) {
            let request =
                PairRequest { device, name: name(), address, asked_at: SystemTime::now() };
            state.waiting.push(Waiting { request, origin: origin(address.ip()), since: now });
            self.changed.notify_one();
        }
    }

    /// Who asks, the one heard last first.
    pub(crate) fn list(&self) -> Vec<PairRequest> {
        self.lock().waiting.iter().rev().map(|one| one.request.clone()).collect()
    }

    /// Forgets the requests of these devices.
    pub(crate) fn forget(&self, devices: &BTreeSet<DeviceId>) {
        self.lock().waiting.retain(|one| !devices.contains(&one.request.device));
    }
}

impl State {
    /// Makes room for a new request from `origin`; tells whether it may come in.
    fn make_room(&mut self, origin: IpAddr, now: Instant) -> bool {
        let theirs = self.waiting.iter().filter(|one| one.origin == origin);
        let latest = theirs.clone().map(|one| one.since).max();
        if latest.is_some_and(|latest| now.saturating_duration_since(latest) < ORIGIN_PAUSE) {
            return false;
        }
        let crowded = theirs.count() >= MAX_REQUESTS_PER_ORIGIN;
        if !self.take_one(now) {
            return false;
        }
        let oldest = match crowded {
            true => self.waiting.iter().position(|one| one.origin == origin),
            false => (self.waiting.len() >= MAX_REQUESTS).then_some(0),
        };
        if let Some(oldest) = oldest {
            self.waiting.remove(oldest);
        }
        true
    }

    fn take_one(&mut self, now: Instant) -> bool {
        let since = *self.taken_at.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        let grown = u32::try_from(elapsed.as_millis() / NEW_EVERY.as_millis()).unwrap_or(u32::MAX);
        if grown > 0 {
            self.taken = self.taken.saturating_sub(grown);
            self.taken_at = Some(now);
        }
        let free = self.taken < MAX_NEW;
        self.taken += u32::from(free);
        free
    }
}

/// Tells the program of new requests for as long as it runs.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        shared.lobby.changed.notified().await;
        shared.tell(NetEvent::RequestsChanged).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn device(number: u8) -> DeviceId {
        DeviceId::from_bytes([number; 32])
    }

    fn at(host: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], 22100))
    }

    fn open() -> Lobby {
        let lobby = Lobby::default();
        lobby.admit(true, BTreeSet::new());
        lobby
    }

    fn waiting(lobby: &Lobby) -> Vec<DeviceId> {
        lobby.list().into_iter().map(|request| request.device).collect()
    }

    #[test]
    fn h16_keys_without_end_fill_sixteen_places_and_one_address_only_four() {
        let (lobby, start) = (open(), Instant::now());
        lobby.ask(device(255), at(255), start, || "honest".into());
        for number in 0..100 {
            let now = start + ORIGIN_PAUSE * (u32::from(number) + 1);
            lobby.ask(device(number), at(1), now, String::new);
        }
        assert_eq!(waiting(&lobby), [99, 98, 97, 96, 255].map(device), "its own go first");
        for number in 100..200 {
            let now = start + ORIGIN_PAUSE * (u32::from(number) + 1);
            lobby.ask(device(number), at(number), now, String::new);
            lobby.ask(device(255), at(255), now, String::new);
        }
        assert_eq!(lobby.list().len(), MAX_REQUESTS);
        assert_eq!(waiting(&lobby)[..2], [255, 199].map(device), "who goes on asking stays");
    }

    #[test]
    fn h16_new_keys_are_taken_no_faster_than_people_could_read_of_them() {
        let (lobby, start) = (open(), Instant::now());
        let mut taken = 0;
        for step in 0..6000_u32 {
            let key = DeviceId::from_bytes(*blake3::hash(&step.to_be_bytes()).as_bytes());
            let host = SocketAddr::from(([10, 1, (step >> 8) as u8, step as u8], 1));
            lobby.ask(key, host, start + Duration::from_millis(10) * step, || {
                taken += 1;
                String::new()
            });
        }
        assert!((30..=MAX_NEW + 30).contains(&taken), "{taken} in a minute");
        let one = open();
        for number in 0..100 {
            one.ask(device(number), at(1), start, String::new);
        }
        assert_eq!(waiting(&one), [device(0)], "one address shows one new key at a time");
    }

    #[test]
    fn nobody_waits_while_requests_are_off_or_once_turned_away() {
        let lobby = Lobby::default();
        lobby.ask(device(1), at(1), Instant::now(), String::new);
        assert_eq!(waiting(&lobby), []);
        let lobby = open();
        lobby.ask(device(1), at(1), Instant::now(), String::new);
        lobby.ask(device(2), at(2), Instant::now(), String::new);
        lobby.admit(true, [device(1)].into());
        lobby.ask(device(1), at(1), Instant::now(), String::new);
        assert_eq!(waiting(&lobby), [device(2)]);
        lobby.admit(false, BTreeSet::new());
        assert_eq!(waiting(&lobby), []);
    }
}
