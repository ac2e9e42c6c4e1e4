//! The changes that the program makes to what concerns this device as a whole.
//!
//! What a person wrote around a value stays; a value that is as it should be is
//! not written anew.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::change::put;
use super::settings::{History, Hours, Limits};
use super::{Config, EditError};

impl Config {
    /// Renames this device.
    ///
    /// # Errors
    ///
    /// When the name is empty, too long or unprintable.
    pub fn set_name(&mut self, name: &str) -> Result<(), EditError> {
        self.change(|document| put(document.as_table_mut(), "name", name.into()))
    }

    /// Looks for devices on the local network and announces this one, or does neither.
    ///
    /// # Errors
    ///
    /// None that the file did not have before.
    pub fn set_discovery(&mut self, discovery: bool) -> Result<(), EditError> {
        if self.this_device().discovery == discovery {
            return Ok(());
        }
        self.change(|document| put(document.as_table_mut(), "discovery", discovery.into()))
    }

    /// Hears devices that ask to be let in, or does not.
    ///
    /// # Errors
    ///
    /// None that the file did not have before.
    pub fn set_requests(&mut self, requests: bool) -> Result<(), EditError> {
        if self.this_device().requests == requests {
            return Ok(());
        }
        self.change(|document| put(document.as_table_mut(), "requests", requests.into()))
    }

    /// Says how much of the network may be used, and when.
    ///
    /// # Errors
    ///
    /// When a rate is 0, or the hours are no part of a day.
    pub fn set_limits(&mut self, limits: &Limits) -> Result<(), EditError> {
        let before = self.settings().limits;
        if before == *limits {
            return Ok(());
        }
        self.change(|document| {
            let Some(table) = section(document, "limits") else { return };
            let rates = [
                ("send_bytes_per_s", before.send_bytes_per_s, limits.send_bytes_per_s),
                ("receive_bytes_per_s", before.receive_bytes_per_s, limits.receive_bytes_per_s),
            ];
            for (key, before, rate) in rates {
                if before != rate {
                    put_or_remove(table, key, rate.map(bytes));
                }
            }
            if before.hours != limits.hours {
                put_or_remove(table, "hours", limits.hours.map(|hours| hours.to_string().into()));
            }
        })
    }

    /// Says how long displaced files are kept in folders that do not say otherwise.
    ///
    /// # Errors
    ///
    /// When the days are out of bounds, or the size is 0.
    pub fn set_history(&mut self, history: &History) -> Result<(), EditError> {
        let before = self.settings().history;
        if before == *history {
            return Ok(());
        }
        self.change(|document| {
            let Some(table) = section(document, "history") else { return };
            if before.enabled != history.enabled {
                put(table, "enabled", history.enabled.into());
            }
            if before.days != history.days {
                put(table, "days", i64::from(history.days).into());
            }
            if before.max_bytes != history.max_bytes {
                put_or_remove(table, "max_bytes", history.max_bytes.map(bytes));
            }
        })
    }
}

/// The table under `key`, made at the end of the file if absent.
fn section<'a>(document: &'a mut DocumentMut, key: &str) -> Option<&'a mut dyn TableLike> {
    document.entry(key).or_insert_with(|| Item::Table(Table::new())).as_table_like_mut()
}

fn put_or_remove(table: &mut dyn TableLike, key: &str, value: Option<Value>) {
    match value {
        Some(value) => put(table, key, value),
        None => drop(table.remove(key)),
    }
}

/// Sizes beyond what TOML can say are refused as the size 0 is.
fn bytes(size: u64) -> Value {
    i64::try_from(size).unwrap_or(0).into()
}

impl Hours {
    /// The spelling that the configuration uses: `08:00-18:30`.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let minute = |text: &str| -> Option<u16> {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
            (hour < 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let hours = Self { from_min: minute(from)?, to_min: minute(to)? };
        (hours.from_min != hours.to_min).then_some(hours)
    }

    /// Whether a minute after midnight is within; the hours may pass midnight.
    pub(crate) fn contain(self, minute: u16) -> bool {
        match self.from_min < self.to_min {
            true => (self.from_min..self.to_min).contains(&minute),
            false => minute >= self.from_min || minute < self.to_min,
        }
    }
}

impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [from, to] = [self.from_min, self.to_min].map(|minute| (minute / 60, minute % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;

    fn config(text: &str) -> (tempfile::TempDir, Config) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(directory.path().join("home"))).unwrap();
        std::fs::write(home.config_file(), text).unwrap();
        let config = Config::load(&home).unwrap();
        (directory, config)
    }

    #[test]
    fn settings_keep_the_comments_around_them_and_the_spelling_of_the_others() {
        let before = r#"# mine
name = "desk"
discovery = true # at home

# The slow line.
[limits]
send_bytes_per_s = "5 MiB" # of 8
# Mornings.
hours = "08:00-12:00"

[[folder]]
id = "photos"
path = "/data/photos"
"#;
        let (_directory, mut config) = config(before);
        config.set_discovery(false).unwrap();
        config.set_requests(false).unwrap();
        let limits = config.settings().limits;
        config.set_limits(&Limits { receive_bytes_per_s: Some(7), ..limits }).unwrap();
        let hours = Some(Hours { from_min: 540, to_min: 30 });
        config.set_limits(&Limits { receive_bytes_per_s: None, hours, ..limits }).unwrap();
        config.set_history(&History { days: 9, ..History::default() }).unwrap();
        let after = r#"# mine
name = "desk"
discovery = false # at home
requests = false

# The slow line.
[limits]
send_bytes_per_s = "5 MiB" # of 8
# Mornings.
hours = "09:00-00:30"

[[folder]]
id = "photos"
path = "/data/photos"

[history]
days = 9
"#;
        assert_eq!(config.text(), after);
        assert_eq!(config.folders()[0].history.days, 9, "a folder that says nothing itself");
        for refused in [
            config.set_limits(&Limits { send_bytes_per_s: Some(0), ..limits }),
            config.set_history(&History { days: 0, ..History::default() }),
            config.set_limits(&Limits { hours: Some(Hours { from_min: 9, to_min: 9 }), ..limits }),
            config.set_name(""),
        ] {
            assert!(matches!(refused, Err(EditError::Refused(_))), "{refused:?}");
        }
        assert_eq!(config.text(), after);
    }

    #[test]
    fn hours_may_pass_midnight_and_are_read_as_they_are_written() {
        for (text, within, without) in [
            ("08:00-18:00", [480, 1079], [479, 1080]),
            ("22:30-06:00", [1350, 359], [1349, 360]),
            ("00:00-23:59", [0, 1438], [1439, 1439]),
        ] {
            let hours = Hours::parse(text).unwrap();
            assert_eq!(hours.to_string(), text);
            assert!(within.iter().all(|minute| hours.contain(*minute)), "{text}");
            assert!(!without.iter().any(|minute| hours.contain(*minute)), "{text}");
        }
        for text in ["", "8-18", "08:00", "08:00-08:00", "24:00-01:00", "01:60-02:00", "-1:00-2:00"]
        {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }
}
