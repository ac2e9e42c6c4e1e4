//! `settings`: what concerns this device as a whole.

use driftless_control::api::{HistorySettings, LimitHours, Settings, SettingsGet, SettingsSet};
use driftless_daemon::config::{Hours, parse_size};

use crate::args::{self, Setting};
use crate::failure::{Exit, Failure};
use crate::format::{rate, safe, size};
use crate::output::columns;
use crate::session::Session;

pub(super) async fn run(session: &Session, change: Option<args::Settings>) -> Result<(), Failure> {
    let settings = match change {
        None => session.call(SettingsGet {}).await?,
        Some(args::Settings::Set { key, value }) => {
            // History is taken as a whole, so what it is now is needed first.
            let history = session.call(SettingsGet {}).await?.history;
            let set = changed(key, &value, history).ok_or_else(|| misfit(key, &value))?;
            session.call(set).await?
        }
    };
    session.output.print(&settings, shown)
}

/// What setting `key` to `value` is in the API's words, if `value` makes sense.
fn changed(key: Setting, value: &str, mut history: HistorySettings) -> Option<SettingsSet> {
    let mut set = SettingsSet::default();
    match key {
        Setting::Name => set.name = Some(value.to_owned()),
        Setting::Discovery => set.discovery = Some(switch(value)?),
        Setting::Requests => set.requests = Some(switch(value)?),
        Setting::SendLimit => set.send_bytes_per_s = Some(bound(value)?),
        Setting::ReceiveLimit => set.receive_bytes_per_s = Some(bound(value)?),
        Setting::LimitHours if value == "always" => set.limit_hours = Some(None),
        Setting::LimitHours => {
            let Hours { from_min, to_min } = Hours::parse(value)?;
            set.limit_hours = Some(Some(LimitHours { from_min, to_min }));
        }
        Setting::History => history.enabled = switch(value)?,
        Setting::HistoryDays => history.days = value.parse().ok()?,
        Setting::HistorySize => history.max_bytes = bound(value)?,
    }
    if matches!(key, Setting::History | Setting::HistoryDays | Setting::HistorySize) {
        set.history = Some(history);
    }
    Some(set)
}

fn misfit(key: Setting, value: &str) -> Failure {
    let wanted = match key {
        Setting::Name => "a name",
        Setting::Discovery | Setting::Requests | Setting::History => "`on` or `off`",
        Setting::SendLimit | Setting::ReceiveLimit => "a rate such as `5MiB`, or `none`",
        Setting::LimitHours => "hours such as `08:00-18:00`, or `always`",
        Setting::HistoryDays => "a number of days",
        Setting::HistorySize => "a size such as `10GiB`, or `none`",
    };
    Failure::new(Exit::Usage, format!("{value:?} is not what is needed there: {wanted}"))
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// A size, or none; the outer `None` is neither.
fn bound(text: &str) -> Option<Option<u64>> {
    match text {
        "none" => Some(None),
        // As rates are often written.
        _ => parse_size(text.trim_end_matches("/s")).map(Some),
    }
}

fn shown(settings: &Settings) -> String {
    let on = |on: bool| if on { "on" } else { "off" }.to_owned();
    let none = || "none".to_owned();
    let history = &settings.history;
    let hours = settings.limit_hours.map_or("always".to_owned(), |hours| {
        Hours { from_min: hours.from_min, to_min: hours.to_min }.to_string()
    });
    let restart = if settings.needs_restart.iter().any(|key| key == "discovery") {
        " (once the daemon runs without --no-discovery)"
    } else {
        ""
    };
    let rows = [
        ("name", safe(&settings.name).into_owned()),
        ("discovery", on(settings.discovery) + restart),
        ("requests", on(settings.requests)),
        ("send-limit", settings.send_bytes_per_s.map_or_else(none, rate)),
        ("receive-limit", settings.receive_bytes_per_s.map_or_else(none, rate)),
        ("limit-hours", hours),
        ("history", on(history.enabled)),
        ("history-days", history.days.to_string()),
        ("history-size", history.max_bytes.map_or_else(none, size)),
    ];
    columns(&rows.map(|(key, value)| vec![key.to_owned(), value]), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: HistorySettings =
        HistorySettings { enabled: true, days: 30, max_bytes: Some(7) };

    #[test]
    fn values_are_read_as_people_write_them_and_nonsense_is_refused() {
        let rate = |text| changed(Setting::SendLimit, text, HISTORY)?.send_bytes_per_s;
        assert_eq!(rate("5MiB"), Some(Some(5 << 20)));
        assert_eq!(rate("500 kB/s"), Some(Some(500_000)));
        assert_eq!(rate("none"), Some(None));
        assert_eq!((rate("0"), rate("fast")), (None, None));
        let hours = |text| changed(Setting::LimitHours, text, HISTORY)?.limit_hours;
        assert_eq!(hours("22:30-6:00"), Some(Some(LimitHours { from_min: 1350, to_min: 360 })));
        assert_eq!(
            (hours("always"), hours("8-18"), hours("08:00-08:00")),
            (Some(None), None, None)
        );
        assert_eq!(changed(Setting::Discovery, "of", HISTORY), None);
    }

    #[test]
    fn one_setting_of_history_leaves_the_others() {
        let history = |key, value| changed(key, value, HISTORY).unwrap().history.unwrap();
        assert_eq!(history(Setting::HistoryDays, "9"), HistorySettings { days: 9, ..HISTORY });
        assert_eq!(history(Setting::History, "off"), HistorySettings { enabled: false, ..HISTORY });
        let unbounded = HistorySettings { max_bytes: None, ..HISTORY };
        assert_eq!(history(Setting::HistorySize, "none"), unbounded);
    }
}
