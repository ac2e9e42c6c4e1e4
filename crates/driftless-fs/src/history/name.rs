//! What a version is called: `<stem>~<time>~<reason>~<device>[~<n>].<ext>`.
//!
//! The time is UTC as `yyyymmdd-hhmmss`, the device its first group of seven
//! characters. The extension stays last, so that the file still opens with the
//! right program. A name that would be over 255 bytes has its stem shortened
//! and a hash put in (F12).

use driftless_core::path::MAX_NAME_BYTES;
use driftless_core::{BlockHash, RelPath};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Why a version is in history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum VersionReason {
    /// Another version took its place.
    Overwritten,
    /// It was deleted elsewhere.
    Deleted,
    /// A conflict was decided against it.
    Resolved,
    /// A person took back a local change of a receive-only folder.
    Reverted,
    /// It was found in the staging area after a crash.
    Recovered,
    /// It was edited on this device; never in the name of a file.
    Edited,
    /// It was deleted on this device; never in the name of a file.
    Removed,
}

impl VersionReason {
    const IN_NAMES: [Self; 5] =
        [Self::Overwritten, Self::Deleted, Self::Resolved, Self::Reverted, Self::Recovered];

    /// The word in the file's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overwritten => "overwritten",
            Self::Deleted => "deleted",
            Self::Resolved => "resolved",
            Self::Reverted => "reverted",
            Self::Recovered => "recovered",
            Self::Edited => "edited",
            Self::Removed => "removed",
        }
    }
}

impl From<driftless_core::plan::Reason> for VersionReason {
    fn from(reason: driftless_core::plan::Reason) -> Self {
        use driftless_core::plan::Reason;
        match reason {
            Reason::Overwritten => Self::Overwritten,
            Reason::Deleted => Self::Deleted,
            Reason::Resolved => Self::Resolved,
            Reason::Reverted => Self::Reverted,
        }
    }
}

/// What a version's name tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label<'a> {
    /// The path that the file had.
    pub path: &'a RelPath,
    /// Why it is displaced.
    pub reason: VersionReason,
    /// The first group of the device whose change displaces it.
    pub device_short: &'a str,
    /// When, in milliseconds since 1970.
    pub now_ms: u64,
}

impl Label<'_> {
    /// The file name for the `attempt`-th try, from 0.
    pub fn file_name(&self, attempt: u32) -> String {
        let (stem, extension) = split_extension(self.path.name());
        let mut tail =
            format!("~{}~{}~{}", stamp(self.now_ms), self.reason.as_str(), self.device_short);
        if attempt > 0 {
            tail.push_str(&format!("~{}", attempt + 1));
        }
        tail.push_str(extension);
        if stem.len() + tail.len() <= MAX_NAME_BYTES {
            return format!("{stem}{tail}");
        }
        let hash = &BlockHash::of(self.path.name().as_bytes()).to_string()[..8];
        let room = MAX_NAME_BYTES.saturating_sub(tail.len() + hash.len() + 1);
        format!("{}#{hash}{tail}", &stem[..stem.floor_char_boundary(room)])
    }
}

/// What a version's file name says.
pub(crate) struct Parsed {
    /// The name of the file in the tree.
    pub(crate) original: String,
    pub(crate) displaced_ms: u64,
    pub(crate) reason: VersionReason,
    pub(crate) device_short: String,
}

/// Reads a file name; `None` if it is not a version's.
pub(crate) fn parse(file_name: &str) -> Option<Parsed> {
    let (stem, extension) = split_extension(file_name);
    let mut rest = stem;
    let mut next = || {
        let (before, last) = rest.rsplit_once('~')?;
        rest = before;
        Some(last)
    };
    let mut device = next()?;
    // A device's first group is seven characters, and no counter gets that long.
    if device.len() < 7 && device.bytes().all(|byte| byte.is_ascii_digit()) {
        device = next()?;
    }
    let reason = next()?;
    let reason = VersionReason::IN_NAMES.into_iter().find(|known| known.as_str() == reason)?;
    let displaced_ms = parse_stamp(next()?)?;
    let is_device = device.len() == 7 && device.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_device && !rest.is_empty()).then(|| Parsed {
        original: format!("{rest}{extension}"),
        displaced_ms,
        reason,
        device_short: device.to_owned(),
    })
}

/// Splits off an extension, dot included, that is short enough to be one.
fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 && !name[dot..].contains('~') => {
            name.split_at(dot)
        }
        _ => (name, ""),
    }
}

/// `yyyymmdd-hhmmss` in UTC. Years after 9999 are shown as 9999.
fn stamp(ms: u64) -> String {
    let (days, seconds) = (ms / DAY_MS, ms % DAY_MS / 1000);
    let (year, month, day) = civil(days.min(2_932_896));
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

fn parse_stamp(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('-')?;
    let is_plain = |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
    if !is_plain(date, 8) || !is_plain(time, 6) {
        return None;
    }
    let number = |part: &str| part.parse::<u64>().ok();
    let (year, month, day) = (number(&date[..4])?, number(&date[4..6])?, number(&date[6..])?);
    let (hour, minute, second) = (number(&time[..2])?, number(&time[2..4])?, number(&time[4..])?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * DAY_MS + (hour * 3600 + minute * 60 + second) * 1000)
}

/// Year, month and day of a day since 1970 (Hinnant, `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The day since 1970 of a date from 1970 on (Hinnant, `days_from_civil`).
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    (era * 146_097 + of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, now_ms: u64, attempt: u32) -> String {
        let path = RelPath::parse(path).unwrap();
        let reason = VersionReason::Overwritten;
        Label { path: &path, reason, device_short: "ABC2345", now_ms }.file_name(attempt)
    }

    #[test]
    fn a_version_says_when_why_and_by_whom_and_keeps_its_extension() {
        const NOW_MS: u64 = 1_795_267_445_999; // 2026-11-21 13:24:05
        for (path, expected) in [
            ("a/report.txt", "report~20261121-132405~overwritten~ABC2345.txt"),
            ("Makefile", "Makefile~20261121-132405~overwritten~ABC2345"),
            (".bashrc", ".bashrc~20261121-132405~overwritten~ABC2345"),
            ("x~y.tar.gz", "x~y.tar~20261121-132405~overwritten~ABC2345.gz"),
        ] {
            assert_eq!(named(path, NOW_MS, 0), expected);
            for attempt in [0, 1, 41] {
                let parsed = parse(&named(path, NOW_MS, attempt)).unwrap();
                assert!(path.ends_with(&parsed.original), "{path}: {}", parsed.original);
                assert_eq!(parsed.displaced_ms, NOW_MS / 1000 * 1000);
            }
        }
    }

    /// F12
    #[test]
    fn a_long_name_is_shortened_and_stays_distinct() {
        let (one, two) =
            (format!("{}é1.txt", "n".repeat(245)), format!("{}é2.txt", "n".repeat(245)));
        let (a, b) = (named(&one, 0, 0), named(&two, 0, 0));
        assert!(a.len() <= 255 && b.len() <= 255);
        assert_ne!(a, b);
        assert!(parse(&a).unwrap().original.ends_with(".txt"));
    }

    #[test]
    fn other_files_are_no_versions() {
        for name in [
            "a.txt",
            "a~b~c~d",
            "a~20261321-000000~deleted~ABC2345",
            "~20260101-000000~deleted~ABC2345",
        ] {
            assert!(parse(name).is_none(), "{name}");
        }
    }
}
