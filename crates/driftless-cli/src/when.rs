//! Times as people write them: `14:00`, `2h`, `3d`, `2026-11-21 9:30`, an RFC 3339 time, or
//! milliseconds since 1970.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};

/// How a day and a time on it may be written, by the clock of this computer.
const DAY_AND_TIME: [&str; 4] =
    ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];

/// Reads a time, in milliseconds since 1970.
///
/// # Errors
///
/// What would have been understood.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    read(text.trim(), &Local::now()).ok_or_else(|| {
        "a time is `14:00`, `2h`, `30m` or `3d` ago, `2026-11-21`, or as in RFC 3339".to_owned()
    })
}

/// A time, in milliseconds since 1970, as it is meant now and here.
fn read<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Option<u64> {
    let at = ago(text, now)
        .or_else(|| time_of_day(text, now))
        .or_else(|| day(text, now))
        .or_else(|| Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc)));
    match at {
        Some(at) => u64::try_from(at.timestamp_millis()).ok(),
        None => text.parse().ok(),
    }
}

/// `2h` and the like: so long before now.
fn ago<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Option<DateTime<Utc>> {
    let unit_s = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number: u32 = text[..text.len() - 1].trim_end().parse().ok()?;
    let length = TimeDelta::try_seconds(i64::from(number) * unit_s)?;
    now.with_timezone(&Utc).checked_sub_signed(length)
}

/// `14:00`: the last time that the clock showed that.
fn time_of_day<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Option<DateTime<Utc>> {
    let formats = ["%H:%M", "%H:%M:%S"];
    let time = formats.into_iter().find_map(|it| NaiveTime::parse_from_str(text, it).ok())?;
    let today = now.naive_local().date();
    let days = std::iter::once(today).chain(today.pred_opt());
    days.filter_map(|day| here(day.and_time(time), now)).find(|at| *at <= now.with_timezone(&Utc))
}

/// `2026-11-21`, from its beginning, or with a time on it.
fn day<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Option<DateTime<Utc>> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let at = day.map(|day| day.and_time(NaiveTime::MIN)).or_else(|| {
        DAY_AND_TIME.into_iter().find_map(|it| NaiveDateTime::parse_from_str(text, it).ok())
    });
    here(at?, now)
}

/// The first moment at which the clock here shows `at`.
fn here<Z: TimeZone>(at: NaiveDateTime, now: &DateTime<Z>) -> Option<DateTime<Utc>> {
    Some(at.and_local_timezone(now.timezone()).earliest()?.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{parse, read};

    #[test]
    fn times_are_read_as_people_write_them_here_and_now() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T13:30:10+02:00").unwrap();
        for (text, expected) in [
            ("13:30", "2026-11-21T11:30:00Z"),
            ("9:05", "2026-11-21T07:05:00Z"),
            ("13:30:11", "2026-11-20T11:30:11Z"),
            ("23:00", "2026-11-20T21:00:00Z"),
            ("2h", "2026-11-21T09:30:10Z"),
            ("30 m", "2026-11-21T11:00:10Z"),
            ("3d", "2026-11-18T11:30:10Z"),
            ("2026-11-20", "2026-11-19T22:00:00Z"),
            ("2026-11-20 08:00", "2026-11-20T06:00:00Z"),
            ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"),
            ("2026-11-20T08:00:00+01:00", "2026-11-20T07:00:00Z"),
            ("1790000000000", "2026-09-21T14:13:20Z"),
        ] {
            let expected = DateTime::parse_from_rfc3339(expected).unwrap().timestamp_millis();
            assert_eq!(read(text, &now).map(u64::cast_signed), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_would_be() {
        for text in ["", "soon", "25:00", "2x", "-1h", "h", "2026-13-01", "é"] {
            assert!(parse(text).unwrap_err().contains("14:00"), "{text}");
        }
    }
}
