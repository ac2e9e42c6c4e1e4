//! From the kernel's `stat` to core's.

use driftless_core::Stat;
use rustix::fs::FileType;

const NANOS: i64 = 1_000_000_000;

/// What is kept of a `stat`.
pub(crate) fn stat_of(raw: &rustix::fs::Stat) -> Stat {
    Stat {
        size_bytes: u64::try_from(raw.st_size).unwrap_or(0),
        mtime_ns: nanos(raw.st_mtime, raw.st_mtime_nsec),
        ctime_ns: nanos(raw.st_ctime, raw.st_ctime_nsec),
        inode: raw.st_ino,
        mode: raw.st_mode,
    }
}

fn nanos(seconds: impl TryInto<i64>, nanos: impl TryInto<i64>) -> i64 {
    let seconds = seconds.try_into().unwrap_or(0);
    seconds.saturating_mul(NANOS).saturating_add(nanos.try_into().unwrap_or(0))
}

/// The time `ns` nanoseconds after 1970, as the kernel takes it.
pub(crate) fn timespec_of(ns: i64) -> rustix::fs::Timespec {
    rustix::fs::Timespec { tv_sec: ns.div_euclid(NANOS), tv_nsec: ns.rem_euclid(NANOS) as _ }
}

/// The type of file that a `stat` tells of.
pub(crate) fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.mode)
}

/// Whether `now` is the file that `then` was, unchanged, but for the time of
/// change, which a rename or link of ours has moved.
pub(crate) fn is_same_but_renamed(now: &Stat, then: &Stat) -> bool {
    Stat { ctime_ns: 0, ..*now } == Stat { ctime_ns: 0, ..*then }
}
