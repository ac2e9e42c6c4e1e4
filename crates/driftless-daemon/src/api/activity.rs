//! `transfer.list` and `activity.list`: what is going on, and what went on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use driftless_control::api::{
    Activity, ActivityList, ActivityPage, EventBody, Transfer, TransferList,
};
use driftless_core::DeviceId;

use super::failure::usage;
use super::{Outcome, blocking, find_folder, page_size};
use crate::activity::Told;
use crate::hub::Hub;

/// The most transfers that are listed.
const TRANSFERS: usize = 100;

pub(super) fn transfers(hub: &Hub, request: &TransferList) -> Outcome<Vec<Transfer>> {
    let folder = request.folder.as_deref().map(|folder| find_folder(hub, folder)).transpose()?;
    let all = hub.underway.list(Instant::now());
    let wanted = all
        .into_iter()
        .filter(|shown| folder.as_ref().is_none_or(|folder| folder.id == shown.folder));
    let view = |shown: crate::transfer::Shown| Transfer {
        folder: shown.folder.to_string(),
        path: shown.path.to_string(),
        files: shown.files,
        direction: shown.direction,
        devices: shown.devices.iter().map(|device| hub.name_of(device)).collect(),
        bytes: shown.bytes,
        done_bytes: shown.done_bytes,
        rate_bytes_per_s: shown.rate_bytes_per_s,
    };
    Ok(wanted.take(TRANSFERS).map(view).collect())
}

pub(super) async fn list(hub: &Arc<Hub>, request: &ActivityList) -> Outcome<ActivityPage> {
    let limit = page_size(request.limit);
    let folder = request.folder.as_deref().map(|folder| find_folder(hub, folder)).transpose()?;
    let before = request.after.as_deref().map(parse_cursor).transpose()?;
    let (activity, folder) = (Arc::clone(&hub.activity), folder.map(|folder| folder.id));
    // One more than there is room for tells whether another page follows.
    let found = blocking(move || {
        Ok(activity.list(folder.as_ref().map(|id| id.as_str()), before, limit + 1))
    });
    let mut found = found.await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|(id, _)| id.to_string());
    let labels: BTreeMap<String, String> = hub
        .settings()
        .folders
        .iter()
        .map(|folder| (folder.id.to_string(), folder.label.clone()))
        .collect();
    let entries = found.into_iter().map(|(id, told)| view(hub, &labels, id, told)).collect();
    Ok(ActivityPage { entries, next })
}

fn parse_cursor(text: &str) -> Outcome<u64> {
    text.parse().map_err(|_| usage(format!("{text:?} is no place in what happened")))
}

fn view(hub: &Hub, labels: &BTreeMap<String, String>, id: u64, told: Told) -> Activity {
    let Told { since_ms, at_ms, count, paths, body } = told;
    let (folder, device) = about(&body);
    let folder_label = folder.and_then(|folder| labels.get(folder).cloned());
    let device: Option<DeviceId> = device.and_then(|device| device.parse().ok());
    let device_name =
        device.filter(|device| *device != hub.device).map(|device| hub.name_of(&device));
    Activity { id, since_ms, at_ms, count, paths, body, folder_label, device_name }
}

/// The folder and the device that it is about.
fn about(body: &EventBody) -> (Option<&str>, Option<&str>) {
    match body {
        EventBody::ItemSynced { folder, device, .. }
        | EventBody::ConflictResolved { folder, device, .. } => (Some(folder), device.as_deref()),
        EventBody::StaleEdit { folder, device, .. } => (Some(folder), Some(device)),
        EventBody::FolderState { folder, .. } | EventBody::ConflictOpened { folder, .. } => {
            (Some(folder), None)
        }
        EventBody::ProblemOpened { folder, .. } | EventBody::ProblemCleared { folder, .. } => {
            (folder.as_deref(), None)
        }
        EventBody::Offer { offer } => (None, Some(&offer.device)),
        EventBody::PairRequested { request } => (None, Some(&request.id)),
        EventBody::Paired { device, .. }
        | EventBody::DeviceConnected { device, .. }
        | EventBody::DeviceDisconnected { device, .. } => (None, Some(device)),
        EventBody::Progress { folder, .. } => (Some(folder), None),
        EventBody::ConfigChanged => (None, None),
    }
}
