//! `settings.*`: what concerns this device as a whole.
//!
//! Everything is a change of the configuration, which the hub takes up at once.

use std::sync::Arc;

use driftless_control::api::{HistorySettings, LimitHours, Settings, SettingsSet};

use super::{Outcome, edit};
use crate::config::{Config, EditError, History, Hours, Limits};
use crate::hub::Hub;

pub(super) fn get(hub: &Hub) -> Settings {
    let settings = hub.settings();
    let Limits { send_bytes_per_s, receive_bytes_per_s, hours } = settings.limits;
    let mut needs_restart = Vec::new();
    if settings.device.discovery && !hub.may_discover {
        // Said on the command line that started the daemon.
        needs_restart.push("discovery".to_owned());
    }
    Settings {
        name: settings.device.name.clone(),
        discovery: settings.device.discovery,
        requests: settings.device.requests,
        send_bytes_per_s,
        receive_bytes_per_s,
        limit_hours: hours.map(|Hours { from_min, to_min }| LimitHours { from_min, to_min }),
        history: history_view(settings.history),
        needs_restart,
    }
}

pub(super) async fn set(hub: &Arc<Hub>, changes: SettingsSet) -> Outcome<Settings> {
    edit(hub, move |config| Ok(change(config, &changes)?)).await?;
    Ok(get(hub))
}

fn change(config: &mut Config, changes: &SettingsSet) -> Result<(), EditError> {
    if let Some(name) = &changes.name {
        config.set_name(name)?;
    }
    if let Some(discovery) = changes.discovery {
        config.set_discovery(discovery)?;
    }
    if let Some(requests) = changes.requests {
        config.set_requests(requests)?;
    }
    let before = config.settings().limits;
    let hours = changes
        .limit_hours
        .map(|hours| hours.map(|LimitHours { from_min, to_min }| Hours { from_min, to_min }));
    let limits = Limits {
        send_bytes_per_s: changes.send_bytes_per_s.unwrap_or(before.send_bytes_per_s),
        receive_bytes_per_s: changes.receive_bytes_per_s.unwrap_or(before.receive_bytes_per_s),
        hours: hours.unwrap_or(before.hours),
    };
    config.set_limits(&limits)?;
    if let Some(history) = changes.history {
        config.set_history(&history_of(history))?;
    }
    Ok(())
}

/// The configuration's word for how long displaced files are kept.
pub(super) fn history_of(settings: HistorySettings) -> History {
    let HistorySettings { enabled, days, max_bytes } = settings;
    History { enabled, days, max_bytes }
}

/// The control API's word for it.
pub(super) fn history_view(history: History) -> HistorySettings {
    let History { enabled, days, max_bytes } = history;
    HistorySettings { enabled, days, max_bytes }
}
