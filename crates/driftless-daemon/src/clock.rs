//! The wall clock, for what people see and for pacing; it orders nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::Timelike as _;

/// The minute of the day, by the clock and in the time zone of this computer.
pub(crate) fn minute_of_day() -> u16 {
    let now = chrono::Local::now();
    u16::try_from(now.hour() * 60 + now.minute()).unwrap_or(0)
}

/// Milliseconds since 1970; 0 before.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
