//! `status`: what is going on, read off what is known without asking anyone.

use driftless_control::api::{
    DeviceFolder, DeviceStatus, FolderStatus, HeldBack, OwnDevice, Problem, Status, StatusQuery,
};
use driftless_engine::Status as EngineStatus;

use super::{Outcome, find_folder};
use crate::clock::now_ms;
use crate::config::provision::mode_view;
use crate::config::{DeviceConfig, FolderConfig};
use crate::folder::{View, complete_copies};
use crate::hub::Hub;
use crate::views;

/// The most problems of one folder that a status lists.
const MAX_PROBLEMS: usize = 100;

pub(super) fn status(hub: &Hub, query: &StatusQuery) -> Outcome<Status> {
    let settings = hub.settings();
    let folders = match &query.folder {
        Some(folder) => vec![find_folder(hub, folder)?],
        None => settings.folders.clone(),
    };
    let is_asked_for = |device: &&DeviceConfig| {
        device.id != hub.device
            && (query.folder.is_none()
                || folders.iter().any(|folder| folder.devices.contains(&device.id)))
    };
    Ok(Status {
        device: OwnDevice {
            id: hub.device.to_string(),
            name: settings.device.name.clone(),
            addresses: hub.net.local_addrs().iter().map(ToString::to_string).collect(),
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        offers: u32::try_from(hub.offers().len()).unwrap_or(u32::MAX),
        requests: u32::try_from(hub.net.requests().len()).unwrap_or(u32::MAX),
        problems: hub.problems(),
        folders: folders.iter().map(|folder| folder_status(hub, folder)).collect(),
        devices: settings
            .devices
            .iter()
            .filter(is_asked_for)
            .map(|device| device_status(hub, device, &folders))
            .collect(),
    })
}

fn folder_status(hub: &Hub, config: &FolderConfig) -> FolderStatus {
    let running = hub.folder(&config.id);
    let view = running.as_ref().map(|(_, view)| view.borrow().clone());
    let rate_bytes_per_s =
        running.as_ref().map_or(0, |(shared, _)| shared.meter.rate_bytes_per_s(now_ms()));
    folder_shown(config, view.as_ref(), rate_bytes_per_s)
}

/// What a folder's view says to a person.
fn folder_shown(config: &FolderConfig, view: Option<&View>, rate_bytes_per_s: u64) -> FolderStatus {
    let (state, reason) = views::state_of(config, view);
    let mut shown = FolderStatus {
        id: config.id.to_string(),
        label: config.label.clone(),
        path: config.path.display().to_string(),
        mode: mode_view(config.mode),
        state,
        reason,
        files: 0,
        bytes: 0,
        need_files: 0,
        need_bytes: 0,
        conflicts: 0,
        problems: Vec::new(),
        problem_count: 0,
        rate_bytes_per_s,
        eta_s: None,
        copies: 0,
        only_here_files: 0,
        local_changes: 0,
        held_back: None,
        last_scan_ms: view.and_then(|view| view.last_scan_ms),
        devices: config.devices.iter().map(ToString::to_string).collect(),
    };
    let mut problems: Vec<Problem> = Vec::new();
    problems.extend(view.and_then(|view| view.watch_problem.as_ref()).map(views::problem_of));
    if let Some(status) = view.and_then(|view| view.status.as_ref()) {
        let totals = &status.totals;
        shown.files = totals.files;
        shown.bytes = totals.bytes;
        shown.need_files = totals.need_files;
        shown.need_bytes = totals.need_bytes;
        shown.conflicts = totals.conflicts;
        shown.local_changes = totals.local_changes;
        shown.copies = complete_copies(status);
        shown.only_here_files = only_here_files(status);
        shown.eta_s = (totals.need_bytes > 0)
            .then(|| totals.need_bytes.div_ceil(rate_bytes_per_s.max(1)))
            .filter(|_| rate_bytes_per_s > 0);
        if let Some(held) = status.held_back {
            let (deletions, rewrites) = (held.deletions, held.rewrites);
            problems.push(views::held_back_problem(deletions, rewrites));
            shown.held_back = Some(HeldBack { deletions, rewrites, device: None });
        }
        problems.extend(status.problems.iter().map(views::problem_of));
    }
    shown.problem_count = problems.len() as u64;
    problems.truncate(MAX_PROBLEMS);
    shown.problems = problems;
    shown
}

/// How many files are on no other device yet, at most.
///
/// The sums tell how much each member lacks, not whether two lack the same: so
/// this is what the member that lacks least lacks. It errs on the side of
/// calling a file unsafe.
fn only_here_files(status: &EngineStatus) -> u64 {
    let least = status.lacking.iter().map(|(_, heads, _)| *heads).min();
    least.map_or(status.totals.files, |least| least.min(status.totals.files))
}

fn device_status(hub: &Hub, device: &DeviceConfig, folders: &[FolderConfig]) -> DeviceStatus {
    let address = hub.links.get(device.id).map(|link| link.connection.remote_address());
    // Of a folder that is not open nothing is known, least of all that nothing is needed.
    let needs = |folder: &FolderConfig| -> Option<DeviceFolder> {
        let (_, view) = hub.folder(&folder.id)?;
        let view = view.borrow();
        let lacking = &view.status.as_ref()?.lacking;
        let (_, need_files, need_bytes) = *lacking.iter().find(|(id, ..)| *id == device.id)?;
        Some(DeviceFolder { id: folder.id.to_string(), need_files, need_bytes })
    };
    let shared = folders.iter().filter(|folder| folder.devices.contains(&device.id));
    DeviceStatus {
        id: device.id.to_string(),
        name: device.name.clone(),
        connected: address.is_some(),
        address: address.map(|address| address.to_string()),
        paused: device.paused,
        last_seen_ms: hub.last_seen_ms(&device.id),
        folders: shared.filter_map(needs).collect(),
    }
}

#[cfg(test)]
mod tests {
    use driftless_control::api::FolderState;
    use driftless_core::brake::HeldBack;
    use driftless_core::{DeviceId, FolderId, ProblemCode, Totals};

    use super::{EngineStatus, FolderConfig, FolderStatus, MAX_PROBLEMS, View, folder_shown};
    use crate::folder::Phase;

    fn folder() -> FolderConfig {
        FolderConfig::new(FolderId::parse("photos").unwrap(), "/photos".into())
    }

    /// An open folder with nothing to do, as `change` makes it.
    fn shown(change: impl FnOnce(&mut View, &mut EngineStatus)) -> FolderStatus {
        let mut status = EngineStatus {
            totals: Totals { files: 9, bytes: 900, ..Totals::default() },
            scanning: false,
            working: false,
            held_back: None,
            stopped: None,
            problems: Vec::new(),
            lacking: Vec::new(),
            scan_incomplete: false,
        };
        let mut view = View {
            phase: Phase::Open(1),
            status: None,
            scanning: false,
            scans_begun: 1,
            scans_ended: 1,
            last_scan_ms: Some(7),
            watch_problem: None,
        };
        change(&mut view, &mut status);
        view.status = Some(status);
        folder_shown(&folder(), Some(&view), 50)
    }

    fn problem(path: &str) -> driftless_core::Problem {
        driftless_core::Problem {
            path: path.to_owned(),
            code: ProblemCode::Io,
            message: "broken".to_owned(),
        }
    }

    /// I17
    #[test]
    fn up_to_date_is_said_only_of_what_needs_nothing_and_was_looked_at_whole() {
        assert_eq!(shown(|_, _| ()).state, FolderState::UpToDate);
        let need = shown(|_, status| status.totals.need_files = 1);
        assert_eq!(need.state, FolderState::Syncing);
        assert_eq!(shown(|view, _| view.scans_ended = 0).state, FolderState::Scanning);
        let unread = shown(|_, status| status.scan_incomplete = true);
        assert_ne!(unread.state, FolderState::UpToDate);
        assert_eq!(folder_shown(&folder(), None, 0).state, FolderState::Paused);
    }

    /// H13
    #[test]
    fn what_is_held_back_is_a_problem_too_and_the_list_is_bounded() {
        let shown = shown(|view, status| {
            view.watch_problem = Some(problem(""));
            status.held_back = Some(HeldBack { deletions: 8, rewrites: 1 });
            status.problems = (0..200).map(|n| problem(&n.to_string())).collect();
        });
        assert_eq!(shown.problems.len(), MAX_PROBLEMS);
        assert_eq!(shown.problem_count, 202);
        assert_eq!(shown.problems[1].code, driftless_control::api::Problem::MASS_CHANGE);
        assert_eq!(shown.held_back.unwrap().deletions, 8);
    }

    #[test]
    fn copies_and_files_that_are_only_here_follow_what_members_lack() {
        let device = |n: u8| DeviceId::from_bytes([n; 32]);
        let alone = shown(|_, _| ());
        assert_eq!((alone.copies, alone.only_here_files), (1, 9));
        let shared =
            shown(|_, status| status.lacking = vec![(device(1), 3, 30), (device(2), 5, 50)]);
        assert_eq!((shared.copies, shared.only_here_files), (1, 3));
        let safe = shown(|_, status| status.lacking = vec![(device(1), 0, 0), (device(2), 5, 50)]);
        assert_eq!((safe.copies, safe.only_here_files), (2, 0));
    }

    #[test]
    fn the_time_left_follows_from_need_and_rate() {
        let waiting = shown(|_, status| {
            status.totals.need_files = 1;
            status.totals.need_bytes = 101;
        });
        assert_eq!((waiting.rate_bytes_per_s, waiting.eta_s), (50, Some(3)));
        assert_eq!(shown(|_, _| ()).eta_s, None);
    }
}
