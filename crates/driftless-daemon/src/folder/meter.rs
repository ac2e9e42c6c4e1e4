//! How fast a folder receives: the mean over the last few seconds.

use std::sync::{Mutex, PoisonError};

/// How many seconds the mean is taken over.
const WINDOW_S: u64 = 5;

/// Counts bytes by the second in which they came.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Seconds since 1970 and the bytes that came in each, ascending, none older than the window.
    seconds: Mutex<Vec<(u64, u64)>>,
}

impl Meter {
    /// Counts bytes that came at `now_ms`.
    pub(crate) fn count(&self, now_ms: u64, bytes: u64) {
        let now_s = now_ms / 1000;
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back leaves nothing of what it said before.
        seconds.retain(|(second, _)| *second <= now_s && *second + WINDOW_S > now_s);
        match seconds.last_mut() {
            Some((second, sum)) if *second == now_s => *sum = sum.saturating_add(bytes),
            _ => seconds.push((now_s, bytes)),
        }
    }

    /// Bytes per second as of `now_ms`.
    pub(crate) fn rate_bytes_per_s(&self, now_ms: u64) -> u64 {
        let now_s = now_ms / 1000;
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let recent: Vec<_> = seconds
            .iter()
            .filter(|(second, _)| *second <= now_s && *second + WINDOW_S > now_s)
            .collect();
        let Some((first_s, _)) = recent.first() else { return 0 };
        let sum: u64 = recent.iter().map(|(_, bytes)| *bytes).sum();
        let span_ms = now_ms.saturating_sub(first_s * 1000).max(1000);
        sum.saturating_mul(1000) / span_ms
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;

    #[test]
    fn the_rate_is_the_mean_of_the_last_seconds_and_fades() {
        let meter = Meter::default();
        assert_eq!(meter.rate_bytes_per_s(10_000), 0);
        meter.count(10_100, 500);
        meter.count(10_200, 500);
        assert_eq!(meter.rate_bytes_per_s(10_200), 1000, "less than a second counts as one");
        meter.count(11_000, 3000);
        assert_eq!(meter.rate_bytes_per_s(12_000), 2000);
        assert_eq!(meter.rate_bytes_per_s(15_500), 666, "what is older than the window is gone");
        assert_eq!(meter.rate_bytes_per_s(60_000), 0);
        meter.count(1_000, 700);
        assert_eq!(meter.rate_bytes_per_s(1_000), 700, "a clock set back begins anew");
    }
}
