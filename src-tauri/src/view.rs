//! What the shell itself knows of the state of things, for the tray and for notifications.
//!
//! One task follows the daemon's events and asks for the status when it may have changed, once a
//! second at the most; nothing is asked while nothing happens. The window follows events on its
//! own account ([`crate::bridge`]).

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless_control::api::{
    Activity, ActivityList, Event, EventBody, FolderState, ItemAction, Status, StatusQuery,
    Subscribe, SubscriptionFrame, Wait,
};
use driftless_control::{ApiError, CallError, Client};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::daemon::{Daemon, Link, api_error};
use crate::sentence::{Headline, Meaning, TrayState};
use crate::text;

/// How many files the tray's menu names.
pub(crate) const RECENT: usize = 5;
/// How much of what happened before is asked for.
const ACTIVITY: u32 = 50;
/// Between two requests for the status.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Between two requests while something is under way, of which not every step is an event.
const ASK_WHILE_WORKING: Duration = Duration::from_secs(3);
/// How long one wait for other devices lasts before it begins anew, with the folders as they are then.
const WAIT_S: u64 = 300;
/// How many events may wait to be looked at for a notification.
const EVENTS: usize = 256;

/// The state of things, as of now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum View {
    /// The daemon is on its way.
    Starting,
    /// There is none, for this reason.
    Gone(String),
    /// As the daemon says.
    Live(Box<Seen>),
}

/// What the daemon said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: Status,
    /// What changed last, newest first, at most [`RECENT`].
    pub(crate) recent: VecDeque<RecentFile>,
}

/// A file that was brought to what another device has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecentFile {
    pub(crate) folder: String,
    /// The path below the folder's root.
    pub(crate) path: String,
}

impl View {
    /// The sentence as the panel shows it.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Starting => text::STARTING.to_owned(),
            Self::Gone(_) => text::GONE.to_owned(),
            Self::Live(seen) => Headline::of(&seen.status).line(),
        }
    }

    pub(crate) fn tray_state(&self) -> TrayState {
        match self {
            Self::Starting => TrayState::Offline,
            Self::Gone(_) => TrayState::Error,
            Self::Live(seen) => TrayState::of(&Headline::of(&seen.status), &seen.status),
        }
    }

    pub(crate) fn status(&self) -> Option<&Status> {
        match self {
            Self::Live(seen) => Some(&seen.status),
            Self::Starting | Self::Gone(_) => None,
        }
    }
}

impl Seen {
    /// Begins with what is remembered from before.
    fn new(status: Status, activity: &[Activity]) -> Self {
        let mut seen = Self { status, recent: VecDeque::new() };
        // Oldest first, as if it happened again. What came in one go is known by its first and its last.
        for entry in activity.iter().rev() {
            let EventBody::ItemSynced { folder, path: last, action, device } = &entry.body else {
                continue;
            };
            for path in entry.paths.iter().filter(|path| *path != last).chain([last]) {
                let (folder, path) = (folder.clone(), path.clone());
                let (action, device) = (*action, device.clone());
                seen.take(&EventBody::ItemSynced { folder, path, action, device });
            }
        }
        seen
    }

    fn take(&mut self, event: &EventBody) {
        let EventBody::ItemSynced { folder, path, action, .. } = event else { return };
        let file = RecentFile { folder: folder.clone(), path: path.clone() };
        self.recent.retain(|other| *other != file);
        match action {
            ItemAction::Deleted => {}
            ItemAction::Created
            | ItemAction::Changed
            | ItemAction::Metadata
            | ItemAction::Renamed => self.recent.push_front(file),
        }
        self.recent.truncate(RECENT);
    }

    /// Where a recent file is, while its folder is known.
    pub(crate) fn path_of(&self, file: &RecentFile) -> Option<PathBuf> {
        let folder = self.status.folders.iter().find(|folder| folder.id == file.folder)?;
        Some(PathBuf::from(&folder.path).join(&file.path))
    }
}

/// Begins to follow the daemon. Yields the view, and the events as they come;
/// of a storm of events, some are left out.
pub(crate) fn follow(daemon: &Daemon) -> (watch::Receiver<View>, mpsc::Receiver<EventBody>) {
    let (shown, view) = watch::channel(View::Starting);
    let (heard, events) = mpsc::channel(EVENTS);
    let link = daemon.link();
    tauri::async_runtime::spawn(follow_links(link, shown, heard));
    (view, events)
}

async fn follow_links(
    mut link: watch::Receiver<Link>,
    shown: watch::Sender<View>,
    heard: mpsc::Sender<EventBody>,
) {
    loop {
        let now = link.borrow_and_update().clone();
        match now {
            Link::Starting => drop(shown.send_replace(View::Starting)),
            Link::Gone(why) => drop(shown.send_replace(View::Gone(why))),
            Link::Live(client) => {
                let over = follow_client(&client, &shown, &heard).await;
                tracing::debug!(?over, "the shell's subscription ended");
                if matches!(over, Err(CallError::Lagged)) {
                    continue;
                }
            }
        }
        if link.changed().await.is_err() {
            return;
        }
    }
}

/// Follows one connection until it ends.
async fn follow_client(
    client: &Arc<Client>,
    shown: &watch::Sender<View>,
    heard: &mpsc::Sender<EventBody>,
) -> Result<(), CallError> {
    let mut stream = client.subscribe(Subscribe::default()).await?;
    let mut seen: Option<Seen> = None;
    let mut ask_at: Option<Instant> = None;
    loop {
        let asking = async {
            match ask_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = stream.next() => match frame {
                None => return Ok(()),
                Some(Err(error)) => return Err(error),
                Some(Ok(SubscriptionFrame::Snapshot(snapshot))) => {
                    let asked = ActivityList { limit: Some(ACTIVITY), ..ActivityList::default() };
                    // Without it, the list of recent files begins empty.
                    let activity = client.call(asked).await.map(|page| page.entries);
                    seen = Some(Seen::new(snapshot.status, &activity.unwrap_or_default()));
                }
                Some(Ok(SubscriptionFrame::Event(Event { body, .. }))) => {
                    if let Some(seen) = &mut seen {
                        seen.take(&body);
                    }
                    // With so many at once, what is needed of a person is in the status.
                    drop(heard.try_send(body));
                    ask_at.get_or_insert(Instant::now() + ASK_EVERY);
                    continue;
                }
            },
            () = asking => {
                let status = client.call(StatusQuery::default()).await?;
                ask_at = None;
                if let Some(seen) = &mut seen {
                    seen.status = status;
                }
            }
        }
        if let Some(seen) = &seen {
            if Headline::of(&seen.status).meaning == Meaning::Working {
                ask_at.get_or_insert(Instant::now() + ASK_WHILE_WORKING);
            }
            show(shown, seen);
        }
    }
}

fn show(shown: &watch::Sender<View>, seen: &Seen) {
    let view = View::Live(Box::new(seen.clone()));
    shown.send_if_modified(|before| {
        let is_new = *before != view;
        *before = view;
        is_new
    });
}

/// Waits until everything here that can be on another device is.
///
/// Folders that are paused, or that no other device has, are not waited for; the window's own
/// question (`ui/src/format/lid.ts`) leaves out the same.
///
/// # Errors
/// When the daemon goes away or refuses.
pub(crate) async fn until_safe(daemon: &Daemon) -> Result<(), ApiError> {
    loop {
        let client = daemon.client().await?;
        let status = client.call(StatusQuery::default()).await.map_err(api_error)?;
        let folders: Vec<String> = status
            .folders
            .into_iter()
            .filter(|folder| !folder.devices.is_empty() && folder.state != FolderState::Paused)
            .map(|folder| folder.id)
            .collect();
        // Of no folders, all would be waited for.
        if folders.is_empty() {
            return Ok(());
        }
        let wait = Wait { folders, copies: Some(2), timeout_s: Some(WAIT_S) };
        if client.call(wait).await.map_err(api_error)?.done {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use driftless_control::api::{Activity, EventBody, ItemAction, OwnDevice, Status};

    use super::{Seen, View};
    use crate::sentence::TrayState;

    fn seen() -> Seen {
        let device = OwnDevice { id: "A".into(), name: "here".into(), addresses: vec![] };
        let status = Status {
            device,
            version: "0".into(),
            problems: vec![],
            offers: 0,
            requests: 0,
            folders: vec![],
            devices: vec![],
        };
        Seen { status, recent: Default::default() }
    }

    #[test]
    fn what_is_remembered_from_before_comes_first() {
        let entry = |paths: &[&str], last: &str, action| Activity {
            id: 1,
            since_ms: 0,
            at_ms: 0,
            count: paths.len() as u64,
            paths: paths.iter().map(ToString::to_string).collect(),
            body: EventBody::ItemSynced {
                folder: "f".into(),
                path: last.into(),
                action,
                device: None,
            },
            folder_label: None,
            device_name: None,
        };
        let newest_first = [
            entry(&["gone"], "gone", ItemAction::Deleted),
            entry(&["b", "c"], "z", ItemAction::Created),
            entry(&["a", "gone"], "gone", ItemAction::Changed),
        ];
        let seen = Seen::new(seen().status, &newest_first);
        let paths: Vec<_> = seen.recent.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["z", "c", "b", "a"]);
    }

    #[test]
    fn the_last_five_files_are_kept_newest_first_and_each_once() {
        let mut seen = seen();
        let synced = |path: &str, action| EventBody::ItemSynced {
            folder: "f".into(),
            path: path.into(),
            action,
            device: None,
        };
        for path in ["a", "b", "c", "d", "e", "f", "d"] {
            seen.take(&synced(path, ItemAction::Changed));
        }
        seen.take(&synced("e", ItemAction::Deleted));
        let paths: Vec<_> = seen.recent.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["d", "f", "c", "b"]);
    }

    /// I17: without a daemon nothing is called up to date.
    #[test]
    fn i17_a_daemon_that_is_not_there_is_no_good_news() {
        let gone = View::Gone("the port is taken".into());
        assert_eq!(gone.line(), "driftless is not running in the background");
        assert_eq!(gone.tray_state(), TrayState::Error);
        assert_eq!(
            (View::Starting.line().as_str(), View::Starting.tray_state()),
            ("Starting…", TrayState::Offline)
        );
    }
}
