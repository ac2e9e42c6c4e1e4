//! What the acknowledgements say of a path: how fast it delivers, how long it
//! takes when it is empty, and whose queue is in it.
//!
//! Decides the bounds of the window and which losses are noise; how the window
//! moves between the bounds is CUBIC's. Knows no clock but what it is told, and
//! measures round by round: a round begins with a packet and ends when one that was
//! sent after it is acknowledged.

use std::time::{Duration, Instant};

/// A round lasts at least so long, or what it delivers is an accident of scheduling.
const SHORTEST_ROUND: Duration = Duration::from_millis(5);
/// For how many rounds the best rate is believed.
const ROUNDS: usize = 12;
/// A queue that may be ours on a path however short: end hosts need it to work in batches.
const LEAST_QUEUE: Duration = Duration::from_millis(10);
/// After so many rounds with a queue longer than ours can be, it is somebody else's.
const RIVAL_ROUNDS: u32 = 8;
/// An empty path is believed to take what it took for up to twice so long.
const FLOOR_HALF_LIFE: Duration = Duration::from_secs(30);
/// When the path has not been nearly empty for so long, it is emptied to look.
const LOOK_AFTER: Duration = Duration::from_secs(10);
/// In the first of these rounds the queue runs out, in the second one is looked.
const LOOK_ROUNDS: u32 = 2;
/// The share of bytes that may be lost, smoothed over about eight rounds, before it
/// means congestion, per thousand.
const NOISE_PER_MILLE: u64 = 30;
/// So many packets may be lost in any round, and one in so many of those that were sent.
const LONE_PACKETS: u64 = 8;
const LONE_SHARE: u64 = 16;

/// A model of one path.
#[derive(Debug, Clone)]
pub(super) struct Path {
    round: Option<Round>,
    rates: Rates,
    floor: Floor,
    /// The share of bytes that are lost, per million.
    loss_ppm: u64,
    /// How much longer than the floor the quickest packet of the last round took.
    queue: Duration,
    rival_rounds: u32,
    /// How many rounds are left in which the path is emptied.
    looks: u32,
}

/// What a round has brought so far.
#[derive(Debug, Clone)]
struct Round {
    began: Instant,
    delivered: u64,
    lost: u64,
    quickest: Option<Duration>,
    /// Whether the sender had nothing to send at some time.
    is_idle: bool,
    /// Whether a packet that was sent in this round was acknowledged.
    is_over: bool,
}

impl Round {
    fn new(began: Instant) -> Self {
        Self { began, delivered: 0, lost: 0, quickest: None, is_idle: false, is_over: false }
    }
}

impl Path {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            round: None,
            rates: Rates::default(),
            floor: Floor::new(now),
            loss_ppm: 0,
            queue: Duration::ZERO,
            rival_rounds: 0,
            looks: 0,
        }
    }

    /// Begins anew, as when nothing has come through for long.
    pub(super) fn forget(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    pub(super) fn on_sent(&mut self, now: Instant) {
        self.round.get_or_insert_with(|| Round::new(now));
    }

    pub(super) fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, is_idle: bool) {
        let Some(round) = &mut self.round else { return };
        let took = now.saturating_duration_since(sent);
        round.delivered += bytes;
        round.is_idle |= is_idle;
        round.is_over |= sent >= round.began;
        round.quickest = Some(round.quickest.map_or(took, |quickest| quickest.min(took)));
    }

    /// Notes that bytes were lost; whether that may be noise.
    pub(super) fn on_lost(&mut self, bytes: u64, mtu: u64) -> bool {
        let Some(round) = &mut self.round else { return false };
        round.lost += bytes;
        let few = (LONE_PACKETS * mtu).max((round.delivered + round.lost) / LONE_SHARE);
        round.lost <= few
            && self.loss_ppm <= NOISE_PER_MILLE * 1000
            && self.rates.best().is_some()
            && self.queue <= self.allowance() / 2
    }

    pub(super) fn on_end_acks(&mut self, now: Instant, in_flight: u64) {
        let Some(round) = &self.round else { return };
        let took = now.saturating_duration_since(round.began);
        if round.is_over && took >= SHORTEST_ROUND {
            let round = round.clone();
            self.finish(&round, took, now);
            self.round = Some(Round::new(now));
        }
        if in_flight == 0
            && let Some(round) = self.round.take()
        {
            // The time until the next packet is nobody's delay.
            self.note_empty(&round, now);
        }
    }

    /// Nothing is in flight, so that none of it waits: while one looks, that is
    /// what one wants to see, and on a short path it is over long before a round
    /// counts.
    fn note_empty(&mut self, round: &Round, now: Instant) {
        let Some(quickest) = round.quickest.filter(|_| round.is_over && self.looks > 0) else {
            return;
        };
        self.floor.add(quickest, now);
        self.looks -= 1;
    }

    fn finish(&mut self, round: &Round, took: Duration, now: Instant) {
        self.rates.add(per_second(round.delivered, took), round.is_idle);
        if let Some(sent) = (round.lost + round.delivered).checked_sub(1) {
            let share = round.lost.saturating_mul(1_000_000) / (sent + 1);
            self.loss_ppm = self.loss_ppm - self.loss_ppm / 8 + share / 8;
        }
        let Some(quickest) = round.quickest else { return };
        self.floor.add(quickest, now);
        let floor = self.floor.get().unwrap_or(quickest);
        self.queue = quickest.saturating_sub(floor);
        let is_ours = self.queue <= self.allowance() * 3 / 2;
        self.rival_rounds = if is_ours { 0 } else { self.rival_rounds.saturating_add(1) };
        if self.looks > 0 {
            self.looks -= 1;
        } else if !round.is_idle && self.floor.is_overdue(now) {
            self.looks = LOOK_ROUNDS;
            self.floor.looked_at = now;
        }
    }

    /// The queue that this connection may make: as long as the path, which doubles
    /// the round trip and lets a rate that grows be seen to grow twofold per round.
    fn allowance(&self) -> Duration {
        self.floor.get().unwrap_or_default().max(LEAST_QUEUE)
    }

    /// What is in flight when the path is full and nothing waits, in bytes.
    fn fill(&self) -> Option<u64> {
        Some(bytes_in(self.rates.best()?, self.floor.get()?))
    }

    /// The least that the window should be, in bytes: what keeps the path busy, as
    /// long as nothing waits in it and losses are not many.
    pub(super) fn least(&self) -> u64 {
        let is_clear = self.queue <= self.allowance() / 2
            && self.loss_ppm <= 5 * NOISE_PER_MILLE * 1000
            && self.looks == 0;
        self.fill().filter(|_| is_clear).unwrap_or(0)
    }

    /// The most that the window may be, in bytes; nothing while that is unknown, or
    /// others fill the queue.
    pub(super) fn most(&self) -> Option<u64> {
        let fill = self.fill()?;
        if self.looks > 0 {
            return Some(fill / 2);
        }
        let is_alone = self.rival_rounds < RIVAL_ROUNDS;
        let queue = bytes_in(self.rates.best()?, self.allowance());
        is_alone.then(|| fill.saturating_add(queue))
    }
}

fn per_second(bytes: u64, took: Duration) -> u64 {
    let ns = took.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / ns).unwrap_or(u64::MAX)
}

fn bytes_in(rate_bytes_per_s: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate_bytes_per_s) * time.as_nanos() / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The best of the last rounds' rates.
#[derive(Debug, Clone, Default)]
struct Rates {
    /// In bytes per second; nothing yet where it is 0.
    last: [u64; ROUNDS],
    next: usize,
}

impl Rates {
    /// A round in which the sender had nothing to send says what the path can do at
    /// the least, and is no bound on what it can.
    fn add(&mut self, rate: u64, is_idle: bool) {
        if is_idle && self.best().is_none_or(|best| rate <= best) {
            return;
        }
        self.last[self.next] = rate;
        self.next = (self.next + 1) % ROUNDS;
    }

    fn best(&self) -> Option<u64> {
        self.last.into_iter().max().filter(|best| *best > 0)
    }
}

/// How long the path takes when it is empty.
#[derive(Debug, Clone)]
struct Floor {
    now: Option<Duration>,
    before: Option<Duration>,
    since: Instant,
    /// When the path was last seen nearly empty, or was emptied to look.
    looked_at: Instant,
}

impl Floor {
    fn new(now: Instant) -> Self {
        Self { now: None, before: None, since: now, looked_at: now }
    }

    fn add(&mut self, took: Duration, at: Instant) {
        if at.saturating_duration_since(self.since) >= FLOOR_HALF_LIFE {
            (self.before, self.now, self.since) = (self.now, None, at);
        }
        self.now = Some(self.now.map_or(took, |now| now.min(took)));
        let floor = self.get().unwrap_or(took);
        if took <= floor + (floor / 8).max(Duration::from_millis(1)) {
            self.looked_at = at;
        }
    }

    fn get(&self) -> Option<Duration> {
        self.now.into_iter().chain(self.before).min()
    }

    fn is_overdue(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked_at) >= LOOK_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: u64 = 1000;
    const EMPTY: Duration = Duration::from_millis(20);
    /// Bytes per second.
    const RATE: u64 = 10_000_000;
    /// What the path holds when it is full and nothing waits.
    const FULL: u64 = 200_000;

    /// A path on which windows of packets travel, a round at a time.
    struct Travelled {
        path: Path,
        now: Instant,
        empty: Duration,
        rate: u64,
        /// What somebody else has in the queue, in bytes.
        rival: u64,
        /// What is still in flight where a round ends, in bytes.
        left: u64,
    }

    impl Travelled {
        fn new() -> Self {
            let now = Instant::now();
            let path = Path::new(now);
            Self { path, now, empty: EMPTY, rate: RATE, rival: 0, left: MTU }
        }

        /// Sends `window` bytes and has them acknowledged, `lost` packets excepted;
        /// whether the losses passed for noise.
        fn round(&mut self, window: u64, lost: u64, is_idle: bool) -> bool {
            let sent = self.now;
            self.path.on_sent(sent);
            let waits = Duration::from_secs_f64((window + self.rival) as f64 / self.rate as f64);
            self.now += self.empty.max(waits);
            let mut is_noise = true;
            for _ in 0..lost {
                is_noise &= self.path.on_lost(MTU, MTU);
            }
            for _ in lost..window / MTU {
                self.path.on_ack(self.now, sent, MTU, is_idle);
            }
            self.path.on_end_acks(self.now, self.left);
            is_noise
        }

        fn rounds(&mut self, count: u32, window: u64) {
            for _ in 0..count {
                self.round(window, 0, false);
            }
        }

        /// So many rounds with all that may be in flight.
        fn most(&mut self, count: u32) {
            for _ in 0..count {
                let window = self.path.most().unwrap_or(2 * FULL);
                self.round(window, 0, false);
            }
        }
    }

    #[test]
    fn the_window_ends_where_it_would_double_the_round_trip() {
        let mut travelled = Travelled::new();
        travelled.rounds(2, FULL / 2);
        assert_eq!(travelled.path.most(), Some(FULL), "a growing rate may be seen to double");
        travelled.most(20);
        assert_eq!(travelled.path.most(), Some(2 * FULL));
    }

    #[test]
    fn few_and_lone_losses_are_noise_while_nothing_waits() {
        let mut travelled = Travelled::new();
        travelled.rounds(3, FULL);
        for _ in 0..50 {
            assert!(travelled.round(FULL, 2, false), "one in a hundred");
        }
        assert_eq!(travelled.path.least(), FULL * 99 / 100, "what was delivered may be again");
        assert!(!travelled.round(FULL, 30, false), "a burst");
        let mut travelled = Travelled::new();
        travelled.rounds(3, FULL);
        let borne = (0..50).filter(|_| travelled.round(FULL, 8, false)).count();
        assert!((1..20).contains(&borne), "{borne}: one in twenty-five, for long");
    }

    #[test]
    fn a_loss_from_a_full_queue_is_congestion() {
        let mut travelled = Travelled::new();
        travelled.rounds(3, FULL);
        travelled.round(3 * FULL, 0, false);
        assert!(!travelled.round(3 * FULL, 1, false));
        assert_eq!(travelled.path.least(), 0, "nothing holds CUBIC up");
    }

    #[test]
    fn a_sender_with_little_to_send_says_nothing_against_the_path() {
        let mut travelled = Travelled::new();
        for _ in 0..5 {
            travelled.round(3 * MTU, 0, true);
        }
        assert_eq!((travelled.path.least(), travelled.path.most()), (0, None), "nor of its bounds");
        travelled.rounds(3, FULL);
        for _ in 0..50 {
            travelled.round(3 * MTU, 0, true);
        }
        assert_eq!(travelled.path.least(), FULL);
    }

    #[test]
    fn a_path_that_became_slow_is_noticed_within_some_rounds() {
        let mut travelled = Travelled::new();
        travelled.most(20);
        travelled.rate = RATE / 10;
        travelled.most(ROUNDS as u32 + 2 + LOOK_ROUNDS);
        let most = travelled.path.most().expect("it is alone");
        assert!(most <= 2 * FULL / 10, "{most}");
    }

    #[test]
    fn a_queue_of_somebody_else_is_no_bound() {
        let mut travelled = Travelled::new();
        travelled.most(20);
        travelled.rival = 5 * FULL;
        travelled.rounds(RIVAL_ROUNDS + 1, FULL);
        assert_eq!(travelled.path.most(), None);
        travelled.rival = 0;
        travelled.rounds(2, FULL);
        assert!(travelled.path.most().is_some());
    }

    #[test]
    fn a_path_that_is_always_busy_is_emptied_now_and_then_to_see_how_long_it_takes() {
        let mut travelled = Travelled::new();
        travelled.rounds(3, FULL);
        travelled.empty = 2 * EMPTY;
        let began = travelled.now;
        let mut looks = 0;
        while travelled.now - began < 3 * FLOOR_HALF_LIFE {
            let window = travelled.path.most().unwrap_or(2 * FULL);
            looks += u32::from(window < FULL);
            travelled.round(window, 0, false);
        }
        assert!((5..20).contains(&looks), "{looks} rounds in 90 s");
        assert_eq!(travelled.path.floor.get(), Some(2 * EMPTY), "another way, a longer one");
    }

    /// A window of few packets is acknowledged all at once there.
    #[test]
    fn a_look_at_a_path_of_a_tenth_of_a_millisecond_ends() {
        let mut travelled = Travelled::new();
        (travelled.empty, travelled.rate) = (Duration::from_micros(100), 300 * RATE);
        travelled.round(50 * MTU, 0, false);
        let began = travelled.now;
        while travelled.path.looks == 0 {
            assert!(travelled.now - began < 2 * LOOK_AFTER, "one looks");
            travelled.round(20_000 * MTU, 0, false);
        }
        let full = travelled.path.most().expect("it is alone");
        travelled.left = 0;
        for _ in 0..2 * LOOK_ROUNDS {
            travelled.round(full, 0, false);
        }
        assert!(travelled.path.most() > Some(20 * full), "{:?}", travelled.path.most());
    }
}
