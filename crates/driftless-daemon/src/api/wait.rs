//! `wait`: until folders have settled.
//!
//! Settled is judged from views alone: a full scan that began after the call
//! has ended, nothing is needed here, and whoever counts holds everything. What
//! is not so is said in words, which are also why a wait ended without success.

use std::sync::Arc;
use std::time::Duration;

use driftless_control::api::{Wait, WaitResult};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::failure::failed;
use super::{Outcome, find_folder};
use crate::config::{FolderConfig, FolderMode};
use crate::folder::{Message, Phase, Shared, View, complete_copies};
use crate::hub::Hub;

/// Connections do not show in views, so they are looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

pub(super) async fn wait(hub: &Hub, request: &Wait) -> Outcome<WaitResult> {
    let deadline =
        request.timeout_s.and_then(|s| Instant::now().checked_add(Duration::from_secs(s)));
    let mut targets = targets(hub, &request.folders)?;
    for target in &mut targets {
        if before(deadline, target.begin(hub)).await.is_none() {
            let missing = vec![format!("{}: it does not answer", target.config.label)];
            return Ok(WaitResult { done: false, missing });
        }
    }
    loop {
        let mut missing = Vec::new();
        let mut next: Option<watch::Receiver<View>> = None;
        for target in &mut targets {
            let (view, obstacles) = target.look(hub, request.copies)?;
            if !obstacles.is_empty() && next.is_none() {
                next = view;
            }
            missing.extend(obstacles);
        }
        if missing.is_empty() {
            return Ok(WaitResult { done: true, missing: Vec::new() });
        }
        let hopeless = missing.iter().find(|obstacle| obstacle.is_hopeless);
        if let Some(obstacle) = hopeless.filter(|_| request.timeout_s.is_none()) {
            return Err(failed(obstacle.text.clone()));
        }
        tokio::select! {
            () = changed(next) => {}
            () = sleep(LOOK_AGAIN) => {}
            () = passed(deadline) => {
                let missing = missing.into_iter().map(|obstacle| obstacle.text).collect();
                return Ok(WaitResult { done: false, missing });
            }
        }
    }
}

fn targets(hub: &Hub, queries: &[String]) -> Outcome<Vec<Target>> {
    let configs = if queries.is_empty() {
        hub.settings().folders.clone()
    } else {
        queries.iter().map(|query| find_folder(hub, query)).collect::<Outcome<_>>()?
    };
    Ok(configs.into_iter().map(|config| Target { config, begun: None }).collect())
}

async fn before<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

async fn changed(view: Option<watch::Receiver<View>>) {
    let has_changed = match view {
        Some(mut view) => view.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        // A folder that closed is found out by looking again.
        std::future::pending().await
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A folder that is waited for.
struct Target {
    config: FolderConfig,
    /// The folder as it ran at the call, and how many full scans it had begun.
    begun: Option<(Arc<Shared>, u64)>,
}

impl Target {
    /// Notes which scans do not count, and asks for one that does.
    async fn begin(&mut self, hub: &Hub) {
        let Some((shared, view)) = hub.folder(&self.config.id) else { return };
        // Answered by the thread that begins scans: whatever it has begun is counted.
        let _ = shared.ask(|_| ()).await;
        let before = view.borrow().scans_begun;
        let _ = shared.inbox.send(Message::Scan(None)).await;
        self.begun = Some((shared, before));
    }

    /// What stands in the way now, and the view whose change may clear it.
    fn look(
        &mut self,
        hub: &Hub,
        copies: Option<u32>,
    ) -> Outcome<(Option<watch::Receiver<View>>, Vec<Obstacle>)> {
        let settings = hub.settings();
        self.config = settings.find_folder(self.config.id.as_str())?.clone();
        let members: Vec<Member> = self
            .config
            .devices
            .iter()
            .filter(|device| **device != hub.device)
            .map(|device| Member {
                id: *device,
                name: hub.name_of(device),
                is_connected: hub.links.get(*device).is_some(),
            })
            .collect();
        let Some((shared, mut view)) = hub.folder(&self.config.id) else {
            return Ok((None, obstacles(&self.config, None, 0, &members, copies)));
        };
        let before = match &self.begun {
            Some((begun, before)) if Arc::ptr_eq(begun, &shared) => *before,
            // Opened since the call, and so is scanned anew.
            _ => 0,
        };
        let found = {
            let seen = view.borrow_and_update();
            obstacles(&self.config, Some(&seen), before, &members, copies)
        };
        Ok((Some(view), found))
    }
}

/// A device that shares the folder.
struct Member {
    id: driftless_core::DeviceId,
    name: String,
    is_connected: bool,
}

/// Why a folder has not settled.
#[derive(Debug, PartialEq, Eq)]
struct Obstacle {
    text: String,
    /// Time alone does not clear it.
    is_hopeless: bool,
}

impl Obstacle {
    fn passing(text: String) -> Self {
        Self { text, is_hopeless: false }
    }

    fn hopeless(text: String) -> Self {
        Self { text, is_hopeless: true }
    }
}

/// All that keeps a folder from being settled; nothing once it is.
fn obstacles(
    config: &FolderConfig,
    view: Option<&View>,
    scans_before: u64,
    members: &[Member],
    copies: Option<u32>,
) -> Vec<Obstacle> {
    let label = &config.label;
    let Some(view) = view.filter(|_| !config.paused) else {
        return vec![Obstacle::hopeless(format!("{label}: it is paused"))];
    };
    let status = match (&view.phase, &view.status) {
        (Phase::Stopped(reason), _) => {
            return vec![Obstacle::hopeless(format!("{label}: it has stopped: {reason}"))];
        }
        (Phase::Opening, _) | (_, None) => {
            return vec![Obstacle::passing(format!("{label}: it is being opened"))];
        }
        (Phase::Open(_), Some(status)) => status,
    };
    if view.scans_ended <= scans_before || view.scanning {
        return vec![Obstacle::passing(format!("{label}: it is still being scanned"))];
    }
    let mut found = Vec::new();
    let totals = &status.totals;
    if let Some(held) = status.held_back {
        found.push(Obstacle::passing(format!(
            "{label}: {} deletions and {} replacements wait for a yes (driftless folder confirm {})",
            held.deletions, held.rewrites, config.id
        )));
    } else if totals.need_files > 0 && config.mode != FolderMode::SendOnly {
        let need = amount(totals.need_files, totals.need_bytes);
        found.push(Obstacle::passing(format!("{label}: this device lacks {need}")));
    } else if status.working {
        found.push(Obstacle::passing(format!("{label}: changes are being applied")));
    }
    if status.scan_incomplete {
        found.push(Obstacle::hopeless(format!("{label}: parts of it cannot be read")));
    }
    let lacking = members.iter().filter_map(|member| {
        let (_, heads, bytes) = *status.lacking.iter().find(|(id, ..)| *id == member.id)?;
        (heads > 0).then_some((member, heads, bytes))
    });
    match copies {
        None => found.extend(lacking.filter(|(member, ..)| member.is_connected).map(
            |(member, heads, bytes)| {
                let lacks = amount(heads, bytes);
                Obstacle::passing(format!("{label}: {} lacks {lacks}", member.name))
            },
        )),
        Some(copies) => {
            let possible = u32::try_from(members.len() + 1).unwrap_or(u32::MAX);
            // What others changed is no part of what a send-only folder gives away.
            let own = config.mode == FolderMode::SendOnly && totals.need_files > 0;
            let complete = complete_copies(status) + u32::from(own);
            if copies > possible {
                found.push(Obstacle::hopeless(format!(
                    "{label}: {copies} copies were asked for, but it is on {possible} devices"
                )));
            } else if complete < copies {
                let lacks: Vec<String> = lacking
                    .map(|(member, heads, bytes)| {
                        format!("{} lacks {}", member.name, amount(heads, bytes))
                    })
                    .collect();
                let lacks = if lacks.is_empty() {
                    String::new()
                } else {
                    format!(": {}", lacks.join(", "))
                };
                found.push(Obstacle::passing(format!(
                    "{label}: {complete} of {copies} copies are complete{lacks}"
                )));
            }
        }
    }
    found
}

fn amount(changes: u64, bytes: u64) -> String {
    let plural = if changes == 1 { "" } else { "s" };
    match bytes {
        0 => format!("{changes} change{plural}"),
        _ => format!("{changes} change{plural} ({bytes} bytes)"),
    }
}

#[cfg(test)]
mod tests {
    use driftless_core::{DeviceId, FolderId, Totals};
    use driftless_engine::Status;

    use super::{FolderConfig, FolderMode, Member, Phase, View, obstacles};

    const DESK: DeviceId = DeviceId::from_bytes([1; 32]);
    const LAPTOP: DeviceId = DeviceId::from_bytes([2; 32]);

    struct Case {
        config: FolderConfig,
        view: View,
        status: Status,
        connected: Vec<DeviceId>,
    }

    /// What is missing of a folder on three devices, after one scan before the call and one since.
    fn missing(copies: Option<u32>, change: impl FnOnce(&mut Case)) -> Vec<(String, bool)> {
        let mut case = Case {
            config: FolderConfig::new(FolderId::parse("photos").unwrap(), "/photos".into()),
            view: View {
                phase: Phase::Open(1),
                status: None,
                scanning: false,
                scans_begun: 2,
                scans_ended: 2,
                last_scan_ms: None,
                watch_problem: None,
            },
            status: Status {
                totals: Totals::default(),
                scanning: false,
                working: false,
                held_back: None,
                stopped: None,
                problems: Vec::new(),
                lacking: vec![(DESK, 0, 0), (LAPTOP, 0, 0)],
                scan_incomplete: false,
            },
            connected: vec![DESK],
        };
        change(&mut case);
        case.view.status = Some(case.status);
        let member = |id: DeviceId, name: &str| Member {
            id,
            name: name.to_owned(),
            is_connected: case.connected.contains(&id),
        };
        let members = [member(DESK, "desk"), member(LAPTOP, "laptop")];
        obstacles(&case.config, Some(&case.view), 1, &members, copies)
            .into_iter()
            .map(|obstacle| (obstacle.text, obstacle.is_hopeless))
            .collect()
    }

    fn passing(text: &str) -> Vec<(String, bool)> {
        vec![(text.to_owned(), false)]
    }

    #[test]
    fn a_settled_folder_has_nothing_in_its_way() {
        assert_eq!(missing(None, |_| ()), []);
        assert_eq!(missing(Some(3), |_| ()), []);
    }

    #[test]
    fn only_a_scan_that_began_after_the_call_counts() {
        let scanning = passing("photos: it is still being scanned");
        assert_eq!(missing(None, |case| case.view.scans_ended = 1), scanning);
        assert_eq!(missing(None, |case| case.view.scanning = true), scanning);
    }

    #[test]
    fn what_this_device_lacks_is_missing_but_not_where_it_only_sends() {
        let need = |case: &mut Case| {
            case.status.totals.need_files = 2;
            case.status.totals.need_bytes = 40;
        };
        assert_eq!(missing(None, need), passing("photos: this device lacks 2 changes (40 bytes)"));
        let send_only = |case: &mut Case| {
            need(case);
            case.config.mode = FolderMode::SendOnly;
        };
        assert_eq!(missing(None, send_only), []);
        assert_eq!(missing(Some(3), send_only), []);
        assert_eq!(missing(None, |case| case.status.working = true).len(), 1);
    }

    #[test]
    fn what_cannot_be_read_may_have_changed() {
        let unread = |case: &mut Case| case.status.scan_incomplete = true;
        let text = "photos: parts of it cannot be read";
        assert_eq!(missing(None, unread), [(text.to_owned(), true)]);
    }

    #[test]
    fn connected_devices_count_and_with_copies_all_do() {
        let lacks = |case: &mut Case| case.status.lacking = vec![(DESK, 0, 0), (LAPTOP, 1, 0)];
        assert_eq!(missing(None, lacks), [], "the laptop is not connected");
        let connected = |case: &mut Case| {
            lacks(case);
            case.connected.push(LAPTOP);
        };
        assert_eq!(missing(None, connected), passing("photos: laptop lacks 1 change"));
        assert_eq!(missing(Some(2), connected), []);
        let text = "photos: 2 of 3 copies are complete: laptop lacks 1 change";
        assert_eq!(missing(Some(3), lacks), passing(text));
    }

    #[test]
    fn what_time_does_not_mend_is_told_apart() {
        let stopped = |case: &mut Case| case.view.phase = Phase::Stopped("no disk".to_owned());
        assert_eq!(missing(None, stopped), [("photos: it has stopped: no disk".to_owned(), true)]);
        assert!(missing(None, |case| case.config.paused = true)[0].1);
        assert!(missing(Some(4), |_| ())[0].1, "three devices hold three copies at most");
    }
}
