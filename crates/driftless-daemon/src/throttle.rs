//! Keeping contents below the rates that the configuration sets.
//!
//! Indexes and other small talk are not counted: they are what makes a slow
//! link useful. When limits hold is decided in `hub`.

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::watch;

/// How many times a second's worth is divided: so much passes at once after a
/// rest, and so finely rates are kept.
const PARTS_PER_S: u32 = 10;

/// One direction's limit, shared by everything that goes that way.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    limit: watch::Sender<Option<Limit>>,
}

#[derive(Debug, Clone)]
struct Limit {
    bytes_per_s: NonZeroU32,
    part: NonZeroU32,
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl Limit {
    fn new(bytes_per_s: NonZeroU32) -> Self {
        let part = NonZeroU32::new(bytes_per_s.get() / PARTS_PER_S).unwrap_or(NonZeroU32::MIN);
        let limiter = RateLimiter::direct(Quota::per_second(bytes_per_s).allow_burst(part));
        Self { bytes_per_s, part, limiter: Arc::new(limiter) }
    }
}

impl Throttle {
    /// Sets or lifts the limit, also for what waits already. Rates above 4 GiB/s
    /// count as that, 0 as 1. Tells whether that is news.
    pub(crate) fn set(&self, bytes_per_s: Option<u64>) -> bool {
        let wanted = bytes_per_s.map(|rate| {
            NonZeroU32::new(u32::try_from(rate).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
        });
        self.limit.send_if_modified(|limit| {
            let differs = limit.as_ref().map(|limit| limit.bytes_per_s) != wanted;
            if differs {
                *limit = wanted.map(Limit::new);
            }
            differs
        })
    }

    /// The limit, if there is one.
    pub(crate) fn bytes_per_s(&self) -> Option<u64> {
        self.limit.borrow().as_ref().map(|limit| limit.bytes_per_s.get().into())
    }

    /// Waits until `bytes` may pass.
    pub(crate) async fn pass(&self, bytes: usize) {
        let mut limits = self.limit.subscribe();
        let mut left = u32::try_from(bytes).unwrap_or(u32::MAX);
        while let Some(all) = NonZeroU32::new(left) {
            let Some(limit) = limits.borrow_and_update().clone() else { return };
            let part = all.min(limit.part);
            tokio::select! {
                // A part never exceeds what may pass at once, so that it can pass.
                _ = limit.limiter.until_n_ready(part) => left -= part.get(),
                changed = limits.changed() => if changed.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn bytes_pass_no_faster_than_the_limit_and_not_much_slower() {
        let throttle = Throttle::default();
        throttle.pass(usize::MAX).await;
        throttle.set(Some(1_000_000));
        let began = Instant::now();
        let (one, other) = (throttle.pass(500_000), throttle.pass(600_000));
        tokio::join!(one, other);
        let took = began.elapsed().as_secs_f64();
        assert!((0.9..1.3).contains(&took), "{took} s for 1.1 s' worth, a tenth of it free");
    }

    #[tokio::test]
    async fn a_limit_that_is_lifted_or_raised_holds_nobody_who_waits_already() {
        let throttle = Throttle::default();
        throttle.set(Some(1));
        let began = Instant::now();
        let lift = async {
            throttle.set(Some(10_000_000));
            tokio::task::yield_now().await;
            throttle.set(None);
        };
        tokio::join!(throttle.pass(1 << 30), lift);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
