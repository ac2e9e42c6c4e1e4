//! How values read in text: sizes, counts, durations, times, and names that are not to be trusted.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use driftless_control::words::is_unsafe;
pub(crate) use driftless_control::words::{count, estimate, plural, safe};

/// Escapes the same in JSON text, where such characters occur inside strings only. Loses nothing.
pub(crate) fn safe_json(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            let mut units = [0; 2];
            escaped.extend(
                character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")),
            );
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// A size in binary units with three significant digits at most: `512 B`, `1.5 KiB`, `20 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Doubles hold sizes to within what is shown.
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would round up to 1024.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// A rate: `1.5 MiB/s`.
pub(crate) fn rate(bytes_per_s: u64) -> String {
    format!("{}/s", size(bytes_per_s))
}

/// A duration by its two largest units: `45 s`, `2 min`, `3 h 5 min`, `2 d 4 h`.
///
/// Seconds are not told from ten minutes on.
pub(crate) fn duration(seconds: u64) -> String {
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => two(seconds / 60, "min", seconds % 60, "s"),
        600..3600 => format!("{} min", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

/// When something was, seen from now: `just now`, `3 min ago`, `2 days ago`. A time to come is `just now`.
pub(crate) fn ago(now_ms: u64, then_ms: u64) -> String {
    match now_ms.saturating_sub(then_ms) / 1000 {
        0..60 => "just now".to_owned(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds @ 3600..86_400 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} ago", plural(seconds / 86_400, "day")),
    }
}

/// The current time, in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A path as people write it: the home directory as `~`.
pub(crate) fn short_path(path: &str, user_home: Option<&str>) -> String {
    let below = user_home.map(|home| home.trim_end_matches('/')).filter(|home| !home.is_empty());
    match below.and_then(|home| path.strip_prefix(home)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            safe(&format!("~{rest}")).into_owned()
        }
        _ => safe(path).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ago, count, duration, estimate, plural, safe, safe_json, short_path, size};

    #[test]
    fn sizes_are_short_and_never_round_to_1024() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 << 10, "10 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (1000 << 20, "1000 MiB"),
            (20 << 30, "20 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn counts_group_thousands() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), expected);
        }
        assert_eq!(
            (plural(1, "file"), plural(1204, "file")),
            ("1 file".into(), "1,204 files".into())
        );
    }

    #[test]
    fn durations_name_two_units_and_estimates_one() {
        for (seconds, exact, rough) in [
            (0, "0 s", "a few seconds"),
            (45, "45 s", "about 50 s"),
            (60, "1 min", "about 1 min"),
            (95, "1 min 35 s", "about 2 min"),
            (3599, "59 min", "about 60 min"),
            (11_100, "3 h 5 min", "about 3 h"),
            (187_200, "2 d 4 h", "about 2 days"),
        ] {
            assert_eq!(
                (duration(seconds).as_str(), estimate(seconds).as_str()),
                (exact, rough),
                "{seconds}"
            );
        }
    }

    #[test]
    fn times_are_told_from_now() {
        let now = 1_800_000_000_000;
        for (seconds, expected) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (7200, "2 h ago"),
            (90_000, "1 day ago"),
            (200_000, "2 days ago"),
        ] {
            assert_eq!(ago(now, now - seconds * 1000), expected, "{seconds}");
        }
        assert_eq!(ago(now, now + 5_000_000), "just now");
    }

    /// L4, for terminals: a name cannot act, and is told apart from what it would look like.
    #[test]
    fn names_cannot_attack_a_terminal() {
        for (name, expected) in [
            ("plain.txt", "plain.txt"),
            ("new\nline", "new\\nline"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("c1\u{9b}31m", "c1\\u{9b}31m"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("مرحبا 👩‍👧 naïve", "مرحبا 👩‍👧 naïve"),
        ] {
            assert_eq!(safe(name), expected);
            let json = serde_json::to_string(name).unwrap();
            let escaped = safe_json(&json);
            assert!(!escaped.contains(super::is_unsafe), "{escaped}");
            assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), name);
        }
    }

    #[test]
    fn the_home_directory_is_a_tilde() {
        for (path, expected) in
            [("/u/a/docs", "~/docs"), ("/u/a", "~"), ("/u/ab", "/u/ab"), ("/x", "/x")]
        {
            assert_eq!(short_path(path, Some("/u/a/")), expected);
        }
        assert_eq!(short_path("/x", None), "/x");
    }
}
