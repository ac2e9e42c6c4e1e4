//! Keeping contents below the rates that the configuration sets.
//!
//! Indexes and other small talk are not counted: they are what makes a slow
//! link useful.

use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// One direction's limit, shared by everything that goes that way.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    limit: RwLock<Option<Limit>>,
}

#[derive(Debug, Clone)]
struct Limit {
    bytes_per_s: NonZeroU32,
    limiter: Arc<DefaultDirectRateLimiter>,
}

impl Throttle {
    /// Sets or lifts the limit. Rates above 4 GiB/s count as that, 0 as 1.
    pub(crate) fn set(&self, bytes_per_s: Option<u64>) {
        let wanted = bytes_per_s.map(|rate| {
            NonZeroU32::new(u32::try_from(rate).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
        });
        let mut limit = self.limit.write().unwrap_or_else(PoisonError::into_inner);
        if limit.as_ref().map(|limit| limit.bytes_per_s) != wanted {
            *limit = wanted.map(|bytes_per_s| Limit {
                bytes_per_s,
                limiter: Arc::new(RateLimiter::direct(Quota::per_second(bytes_per_s))),
            });
        }
    }

    /// Whether there is a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Waits until `bytes` may pass.
    pub(crate) async fn pass(&self, bytes: usize) {
        let limit = self.limit.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Limit { bytes_per_s, limiter }) = limit else { return };
        let mut left = u32::try_from(bytes).unwrap_or(u32::MAX);
        while let Some(all) = NonZeroU32::new(left) {
            let part = all.min(bytes_per_s);
            // A part never exceeds what a second allows, so that it can pass.
            let _ = limiter.until_n_ready(part).await;
            left -= part.get();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn bytes_pass_no_faster_than_the_limit() {
        let throttle = Throttle::default();
        throttle.pass(usize::MAX).await;
        throttle.set(Some(100_000));
        let began = Instant::now();
        throttle.pass(150_000).await;
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(400), "{took:?}");
        throttle.set(None);
        throttle.pass(usize::MAX).await;
        assert!(began.elapsed() < took + Duration::from_secs(1));
    }
}
