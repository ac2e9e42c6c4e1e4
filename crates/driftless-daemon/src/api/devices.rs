//! `device.*`: who may connect.
//!
//! Everything is a change of the configuration; the hub closes connections
//! that it no longer allows.

use std::sync::Arc;

use driftless_control::api::{DeviceAdd, DeviceView, Done, Rekeyed};
use driftless_core::DeviceId;
use tokio::sync::watch;

use super::failure::because;
use super::{Outcome, blocking, edit};
use crate::config::provision;
use crate::config::{DeviceConfig, Settings};
use crate::hub::Hub;
use crate::run::Course;

pub(super) fn list(hub: &Hub) -> Vec<DeviceView> {
    let settings = hub.settings();
    let others = settings.devices.iter().filter(|device| device.id != hub.device);
    others.map(|device| view(hub, &settings, device)).collect()
}

pub(super) async fn add(hub: &Arc<Hub>, request: DeviceAdd) -> Outcome<DeviceView> {
    let home = hub.home.clone();
    let device = blocking(move || Ok(provision::add_device(&home, &request)?)).await?;
    hub.reload().await?;
    Ok(view(hub, &hub.settings(), &device))
}

pub(super) async fn remove(hub: &Arc<Hub>, query: &str) -> Outcome<Done> {
    let id = hub.settings().find_device(query)?.id;
    edit(hub, move |config| Ok(config.remove_device(&id)?)).await?;
    Ok(Done {})
}

pub(super) async fn rename(hub: &Arc<Hub>, query: &str, name: &str) -> Outcome<DeviceView> {
    let (id, name) = (hub.settings().find_device(query)?.id, name.to_owned());
    edit(hub, move |config| Ok(config.rename_device(&id, &name)?)).await?;
    view_of(hub, id)
}

pub(super) async fn pause(hub: &Arc<Hub>, query: &str, paused: bool) -> Outcome<DeviceView> {
    let id = hub.settings().find_device(query)?.id;
    edit(hub, move |config| Ok(config.set_device_paused(&id, paused)?)).await?;
    view_of(hub, id)
}

/// The new key waits beside the old one; the daemon takes it up as it begins anew.
pub(super) async fn rekey(hub: &Arc<Hub>, course: &watch::Sender<Course>) -> Outcome<Rekeyed> {
    let home = hub.home.clone();
    let drawn = blocking(move || {
        home.renew_identity().map_err(|error| because("no new identity could be made", &error))
    });
    let id = drawn.await?.to_string();
    course.send_if_modified(|course| {
        let goes_on = *course == Course::On;
        if goes_on {
            *course = Course::Anew;
        }
        goes_on
    });
    Ok(Rekeyed { id })
}

fn view_of(hub: &Hub, id: DeviceId) -> Outcome<DeviceView> {
    let settings = hub.settings();
    let device = settings.find_device(&id.to_string())?;
    Ok(view(hub, &settings, device))
}

fn view(hub: &Hub, settings: &Settings, device: &DeviceConfig) -> DeviceView {
    let address = hub.links.get(device.id).map(|link| link.connection.remote_address());
    DeviceView {
        connected: address.is_some(),
        address: address.map(|address| address.to_string()),
        last_seen_ms: hub.last_seen_ms(&device.id),
        ..provision::device_view(settings, device)
    }
}
