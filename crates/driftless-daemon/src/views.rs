//! From the daemon's own types to those of the control API.

use driftless_control::api;
use driftless_control::api::EventBody;
use driftless_core::{BlockHash, DeviceId, FolderId, RelPath};
use driftless_engine::{Action, Event};

use crate::config::{FolderConfig, FolderMode};
use crate::folder::{Phase, View};
use crate::hub::{Hub, Offer};

/// The state of a folder, and why it is in it where that needs saying.
///
/// Up to date only when nothing is needed, the last scan left nothing out, and
/// changes are noticed.
pub(crate) fn state_of(
    config: &FolderConfig,
    view: Option<&View>,
) -> (api::FolderState, Option<String>) {
    let Some(view) = view.filter(|_| !config.paused) else {
        return (api::FolderState::Paused, None);
    };
    match (&view.phase, &view.status) {
        (Phase::Stopped(reason), _) => (api::FolderState::Stopped, Some(reason.clone())),
        (Phase::Opening, _) | (_, None) => (api::FolderState::Scanning, None),
        (Phase::Open(_), Some(status)) => {
            let need = status.totals.need_files;
            if let Some(held) = status.held_back {
                let reason = format!(
                    "{} deletions and {} replacements from other devices wait for a yes: driftless folder confirm {}",
                    held.deletions, held.rewrites, config.label
                );
                return (api::FolderState::Syncing, Some(reason));
            }
            if view.scanning || view.scans_ended == 0 {
                return (api::FolderState::Scanning, None);
            }
            if need > 0 && config.mode == FolderMode::SendOnly {
                let reason = format!(
                    "{need} changes of other devices are not applied, as the folder only sends"
                );
                return (api::FolderState::Syncing, Some(reason));
            }
            if need > 0 || status.working {
                let reason = (!status.working)
                    .then(|| "waiting for a device that has what is missing".to_owned());
                return (api::FolderState::Syncing, reason);
            }
            if status.scan_incomplete {
                return (
                    api::FolderState::Syncing,
                    Some("parts of the folder cannot be read".to_owned()),
                );
            }
            (api::FolderState::UpToDate, None)
        }
    }
}

/// What happened in a folder, for clients; `None` for what they need not know.
pub(crate) fn event_of(hub: &Hub, id: &FolderId, event: Event) -> Option<EventBody> {
    let folder = id.to_string();
    Some(match event {
        Event::Synced { path, action, device } => EventBody::ItemSynced {
            folder,
            path: path.to_string(),
            action: action_of(action),
            device: Some(device.to_string()),
        },
        Event::Changed { path, action } => EventBody::ItemSynced {
            folder,
            path: path.to_string(),
            action: action_of(action),
            device: None,
        },
        Event::ConflictOpened(path) => {
            EventBody::ConflictOpened { folder, id: conflict_id(id, &path), path: path.to_string() }
        }
        Event::ConflictResolved { path, settled } => EventBody::ConflictResolved {
            folder,
            id: conflict_id(id, &path),
            path: path.to_string(),
            by_policy: settled.as_ref().is_some_and(|settled| settled.by.policy_rounds > 0),
            device: settled.map(|settled| settled.by.device.to_string()),
        },
        Event::StaleEdit { path, device, deleted } => EventBody::StaleEdit {
            folder,
            path: path.to_string(),
            device: device.to_string(),
            device_name: hub.name_of(&device),
            deleted,
        },
        Event::ProblemOpened(problem) => {
            EventBody::ProblemOpened { folder: Some(folder), problem: problem_of(&problem) }
        }
        Event::ProblemCleared(path) => {
            EventBody::ProblemCleared { folder: Some(folder), path, code: String::new() }
        }
        Event::HeldBack { deletions, rewrites } => EventBody::ProblemOpened {
            folder: Some(folder),
            problem: held_back_problem(deletions, rewrites),
        },
        Event::Stopped(_) => return None,
    })
}

fn action_of(action: Action) -> api::ItemAction {
    match action {
        Action::Created => api::ItemAction::Created,
        Action::Modified => api::ItemAction::Changed,
        Action::Deleted => api::ItemAction::Deleted,
        Action::Moved => api::ItemAction::Renamed,
    }
}

/// A problem for clients.
pub(crate) fn problem_of(problem: &driftless_core::Problem) -> api::Problem {
    api::Problem {
        path: problem.path.clone(),
        code: problem.code.as_str().to_owned(),
        message: problem.message.clone(),
        hint: None,
    }
}

/// The problem that a held back mass change is.
pub(crate) fn held_back_problem(deletions: u64, rewrites: u64) -> api::Problem {
    api::Problem {
        path: String::new(),
        code: api::Problem::MASS_CHANGE.to_owned(),
        message: format!(
            "{deletions} deletions and {rewrites} replacements from other devices wait for a yes"
        ),
        hint: Some("if they are meant, run 'driftless folder confirm'".to_owned()),
    }
}

/// The ID of a path's conflict: the same on every device.
pub(crate) fn conflict_id(folder: &FolderId, path: &RelPath) -> String {
    let hash = BlockHash::of(format!("{folder}\0{path}").as_bytes());
    format!("{:012x}", hash.prefix() >> 16)
}

/// An offer for clients.
pub(crate) fn offer_of(
    hub: &Hub,
    id: &FolderId,
    device: DeviceId,
    offer: &Offer,
) -> api::OfferView {
    api::OfferView {
        id: id.to_string(),
        label: offer.label.clone(),
        device: device.to_string(),
        device_name: hub.name_of(&device),
        files: None,
        bytes: None,
        offered_at_ms: offer.offered_at_ms,
    }
}
