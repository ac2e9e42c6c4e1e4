//! The settings of this device as a whole.

use serde::{Deserialize, Deserializer, Serialize};
use ts_rs::TS;

/// Asks for the settings. Replies with [`Settings`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SettingsGet {}

/// This device's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Settings {
    /// What other devices call this one.
    pub name: String,
    /// Whether devices are looked for, and this one is announced, on the local network.
    pub discovery: bool,
    /// Whether devices that know this one's link or ID may ask to be let in.
    pub requests: bool,
    /// The most that is sent, over all devices; no limit when null.
    pub send_bytes_per_s: Option<u64>,
    /// The most that is received, over all devices; no limit when null.
    pub receive_bytes_per_s: Option<u64>,
    /// When the limits hold; always when null.
    pub limit_hours: Option<LimitHours>,
    /// How long replaced and deleted files are kept, for folders that do not say otherwise.
    pub history: HistorySettings,
    /// Settings, named as here, that take effect only when the daemon is started again.
    #[serde(default)]
    #[ts(as = "Option<Vec<String>>", optional)]
    pub needs_restart: Vec<String>,
}

/// A part of each day, by this computer's clock; it may pass midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct LimitHours {
    /// The first minute after midnight, 0 to 1439.
    pub from_min: u16,
    /// The first minute that is no longer part of it, 0 to 1439.
    pub to_min: u16,
}

/// How long replaced and deleted files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct HistorySettings {
    /// Whether they are kept at all.
    pub enabled: bool,
    /// For how many days.
    pub days: u32,
    /// Up to which size per folder; the oldest go first. Only the days count when null.
    pub max_bytes: Option<u64>,
}

/// Changes settings; what is absent stays as it is. Replies with the [`Settings`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsSet {
    /// See [`Settings::name`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub name: Option<String>,
    /// See [`Settings::discovery`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub discovery: Option<bool>,
    /// See [`Settings::requests`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub requests: Option<bool>,
    /// See [`Settings::send_bytes_per_s`]; null lifts the limit.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[ts(optional)]
    pub send_bytes_per_s: Option<Option<u64>>,
    /// See [`Settings::receive_bytes_per_s`]; null lifts the limit.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[ts(optional)]
    pub receive_bytes_per_s: Option<Option<u64>>,
    /// See [`Settings::limit_hours`]; null makes the limits hold always.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[ts(optional)]
    pub limit_hours: Option<Option<LimitHours>>,
    /// See [`Settings::history`]; taken as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub history: Option<HistorySettings>,
}

/// Tells null, which is a value here, from a field that is absent.
pub(super) fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::SettingsSet;

    #[test]
    fn null_is_a_value_and_what_is_absent_stays() {
        let read = |text: &str| serde_json::from_str::<SettingsSet>(text).unwrap();
        let set = read(r#"{"send_bytes_per_s": null, "receive_bytes_per_s": 7}"#);
        assert_eq!((set.send_bytes_per_s, set.receive_bytes_per_s), (Some(None), Some(Some(7))));
        assert_eq!(set.limit_hours, None);
        assert_eq!(read(&serde_json::to_string(&set).unwrap()), set);
        assert_eq!(serde_json::to_string(&read("{}")).unwrap(), "{}");
    }
}
