//! What is on its way at this moment, for whoever asks.
//!
//! Those who carry bytes only add to a counter; rates are made of what changed
//! between two looks. Small files that travel together are one tally, and the
//! requests for the stretches of one large file are one, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use driftless_control::api::Direction;
use driftless_core::{DeviceId, FolderId, RelPath};

/// How long a file of which stretches are asked for stays in the list between two requests.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(2);

/// How far apart two looks have to be to tell a rate.
const LOOK_AGAIN: Duration = Duration::from_millis(800);

/// A rate from before this is not worth smoothing with.
const STALE: Duration = Duration::from_secs(5);

/// The most that may rest between two requests.
const MOST_RESTING: usize = 1024;

/// Everything that is on its way.
#[derive(Debug, Default)]
pub(crate) struct Underway {
    next: AtomicU64,
    tallies: Mutex<BTreeMap<u64, Arc<Tally>>>,
}

/// One content on its way, or several that travel together.
#[derive(Debug)]
pub(crate) struct Tally {
    folder: FolderId,
    direction: Direction,
    devices: Vec<DeviceId>,
    paths: Vec<RelPath>,
    /// Whose turn it is among the paths.
    turn: AtomicUsize,
    bytes: AtomicU64,
    done: AtomicU64,
    requests: Mutex<Requests>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Requests {
    running: usize,
    /// When the last one ended.
    rests_since: Instant,
}

/// What the last look saw.
#[derive(Debug)]
struct Seen {
    at: Instant,
    done: u64,
    rate_bytes_per_s: Option<u64>,
}

/// A tally at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) folder: FolderId,
    pub(crate) path: RelPath,
    pub(crate) files: u64,
    pub(crate) direction: Direction,
    pub(crate) devices: Vec<DeviceId>,
    pub(crate) bytes: u64,
    pub(crate) done_bytes: u64,
    pub(crate) rate_bytes_per_s: u64,
}

/// Keeps a tally in the list for as long as it lives.
#[derive(Debug)]
pub(crate) struct Ticket {
    underway: Arc<Underway>,
    id: u64,
    pub(crate) tally: Arc<Tally>,
}

/// What a tally is about.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) folder: FolderId,
    pub(crate) direction: Direction,
    pub(crate) devices: Vec<DeviceId>,
    pub(crate) paths: Vec<RelPath>,
    /// How much there is of it in all, and how much of that was there already.
    pub(crate) bytes: u64,
    pub(crate) done_bytes: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Underway {
    /// Takes note of what begins. Another request for a single file that is being
    /// sent to the same device goes on with its tally.
    pub(crate) fn begin(self: &Arc<Self>, load: Load, now: Instant) -> Ticket {
        let mut tallies = lock(&self.tallies);
        if tallies.len() > MOST_RESTING {
            tallies.retain(|_, tally| !tally.is_over(now));
        }
        let same = tallies.iter().find(|(_, tally)| tally.goes_on(&load));
        let (id, tally) = match same {
            Some((id, tally)) => (*id, Arc::clone(tally)),
            None => {
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                let tally = Arc::new(Tally::new(&load, now));
                tallies.insert(id, Arc::clone(&tally));
                (id, tally)
            }
        };
        tally.bytes.fetch_max(load.bytes, Ordering::Relaxed);
        lock(&tally.requests).running += 1;
        Ticket { underway: Arc::clone(self), id, tally }
    }

    /// What is on its way, the largest first.
    pub(crate) fn list(&self, now: Instant) -> Vec<Shown> {
        let tallies: Vec<_> = {
            let mut tallies = lock(&self.tallies);
            tallies.retain(|_, tally| !tally.is_over(now));
            tallies.values().cloned().collect()
        };
        let mut shown: Vec<_> = tallies.iter().filter_map(|tally| tally.show(now)).collect();
        shown.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
        shown
    }
}

impl Tally {
    fn new(load: &Load, now: Instant) -> Self {
        Self {
            folder: load.folder.clone(),
            direction: load.direction,
            devices: load.devices.clone(),
            paths: load.paths.clone(),
            turn: AtomicUsize::new(0),
            bytes: AtomicU64::new(load.bytes),
            done: AtomicU64::new(load.done_bytes),
            requests: Mutex::new(Requests { running: 0, rests_since: now }),
            seen: Mutex::new(Seen { at: now, done: load.done_bytes, rate_bytes_per_s: None }),
        }
    }

    /// So many bytes more were carried.
    pub(crate) fn add(&self, bytes: usize) {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// It is this path's turn.
    pub(crate) fn turn_to(&self, place: usize) {
        self.turn.store(place, Ordering::Relaxed);
    }

    /// Whether it rests between two requests, if there is another.
    fn may_rest(&self) -> bool {
        self.direction == Direction::Sending && self.paths.len() == 1
    }

    fn goes_on(&self, load: &Load) -> bool {
        self.may_rest()
            && load.direction == Direction::Sending
            && (&self.paths, &self.devices, &self.folder)
                == (&load.paths, &load.devices, &load.folder)
    }

    fn is_over(&self, now: Instant) -> bool {
        let requests = lock(&self.requests);
        let rests = now.saturating_duration_since(requests.rests_since);
        requests.running == 0 && (!self.may_rest() || rests >= BETWEEN_REQUESTS)
    }

    fn show(&self, now: Instant) -> Option<Shown> {
        let (bytes, all_done) =
            (self.bytes.load(Ordering::Relaxed), self.done.load(Ordering::Relaxed));
        let turn = self.turn.load(Ordering::Relaxed).min(self.paths.len().checked_sub(1)?);
        Some(Shown {
            folder: self.folder.clone(),
            path: self.paths.get(turn)?.clone(),
            files: self.paths.len() as u64,
            direction: self.direction,
            devices: self.devices.clone(),
            bytes,
            done_bytes: all_done.min(bytes),
            rate_bytes_per_s: lock(&self.seen).rate(now, all_done),
        })
    }
}

impl Seen {
    /// The rate up to now, when `done` bytes were carried.
    fn rate(&mut self, now: Instant, done: u64) -> u64 {
        let since = now.saturating_duration_since(self.at);
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1);
        let latest = done.saturating_sub(self.done).saturating_mul(1000) / ms;
        let smooth = match self.rate_bytes_per_s.filter(|_| since < STALE) {
            Some(before) => before.midpoint(latest),
            None => latest,
        };
        if since < LOOK_AGAIN {
            return self.rate_bytes_per_s.unwrap_or(latest);
        }
        *self = Self { at: now, done, rate_bytes_per_s: Some(smooth) };
        smooth
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut requests = lock(&self.tally.requests);
        requests.running -= 1;
        requests.rests_since = Instant::now();
        let is_last = requests.running == 0;
        drop(requests);
        if is_last && !self.tally.may_rest() {
            lock(&self.underway.tallies).remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(direction: Direction, paths: &[&str], bytes: u64) -> Load {
        Load {
            folder: FolderId::parse("f").unwrap(),
            direction,
            devices: vec![DeviceId::from_bytes([1; 32])],
            paths: paths.iter().map(|path| RelPath::parse(path).unwrap()).collect(),
            bytes,
            done_bytes: 0,
        }
    }

    #[test]
    fn what_is_on_its_way_is_listed_with_its_rate_until_it_is_done() {
        let (underway, began) = (Arc::new(Underway::default()), Instant::now());
        let at = |ms| began + Duration::from_millis(ms);
        let large = underway.begin(load(Direction::Receiving, &["film"], 9000), at(0));
        let small = underway.begin(load(Direction::Receiving, &["a", "b"], 100), at(0));
        large.tally.add(2000);
        small.tally.add(150);
        small.tally.turn_to(1);
        let list = underway.list(at(1000));
        let words = |list: &[Shown]| {
            let word = |shown: &Shown| {
                let Shown { path, files, bytes, done_bytes, rate_bytes_per_s, .. } = shown;
                format!("{path} {files} {done_bytes}/{bytes} {rate_bytes_per_s}")
            };
            list.iter().map(word).collect::<Vec<_>>()
        };
        assert_eq!(words(&list), ["film 1 2000/9000 2000", "b 2 100/100 150"]);
        large.tally.add(1000);
        drop(small);
        assert_eq!(words(&underway.list(at(1100))), ["film 1 3000/9000 2000"], "too soon to tell");
        assert_eq!(words(&underway.list(at(2000))), ["film 1 3000/9000 1500"], "smooth");
        assert_eq!(words(&underway.list(at(60_000))), ["film 1 3000/9000 0"], "it hangs");
        drop(large);
        assert_eq!(words(&underway.list(at(60_000))), [""; 0]);
    }

    #[test]
    fn the_requests_for_one_file_that_is_sent_are_one_tally() {
        let (underway, now) = (Arc::new(Underway::default()), Instant::now());
        let first = underway.begin(load(Direction::Sending, &["film"], 9000), now);
        let second = underway.begin(load(Direction::Sending, &["film"], 9000), now);
        first.tally.add(10);
        second.tally.add(20);
        drop((first, second));
        let rests = underway.list(Instant::now());
        assert_eq!((rests.len(), rests[0].done_bytes), (1, 30), "between two requests");
        let third = underway.begin(load(Direction::Sending, &["film"], 9000), Instant::now());
        let other = underway.begin(load(Direction::Sending, &["other"], 1), Instant::now());
        assert_eq!(underway.list(Instant::now()).len(), 2);
        drop((third, other));
        let later = Instant::now() + BETWEEN_REQUESTS;
        assert!(underway.list(later).is_empty(), "nobody asked for more");
    }
}
