//! What happens alike within a short while, as one.

use driftless_control::api::{EventBody, FolderState};
use driftless_store::Happened;
use serde::{Deserialize, Serialize};

/// What comes later than this after the last of a bundle begins another, in milliseconds.
const GAP_MS: u64 = 10_000;

/// No bundle goes on for longer than this, in milliseconds.
const LONGEST_MS: u64 = 600_000;

/// The most paths that are remembered of a bundle, and the most bytes of those after the first.
const MOST_PATHS: usize = 100;
const MOST_PATH_BYTES: usize = 4096;

/// What a bundle tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// When it began and when it was last so, in milliseconds since 1970.
    pub(crate) since_ms: u64,
    pub(crate) at_ms: u64,
    /// How many things it is about.
    pub(crate) count: u64,
    /// The first of their paths.
    pub(crate) paths: Vec<String>,
    /// The last of it.
    pub(crate) body: EventBody,
}

/// What happens alike within a short while.
#[derive(Debug)]
pub(super) struct Bundle {
    told: Told,
    path_bytes: usize,
    id: Option<u64>,
    is_written: bool,
}

/// Whether people will want to know of it later: not of what comes and goes by
/// itself, nor of what strangers can fill the list with.
pub(super) fn is_remembered(body: &EventBody) -> bool {
    match body {
        EventBody::FolderState { state, .. } => *state == FolderState::Stopped,
        EventBody::ItemSynced { .. }
        | EventBody::ConflictOpened { .. }
        | EventBody::ConflictResolved { .. }
        | EventBody::StaleEdit { .. }
        | EventBody::ProblemOpened { .. }
        | EventBody::ProblemCleared { .. }
        | EventBody::Offer { .. }
        | EventBody::Paired { .. } => true,
        EventBody::DeviceConnected { .. }
        | EventBody::DeviceDisconnected { .. }
        | EventBody::PairRequested { .. }
        | EventBody::Progress { .. }
        | EventBody::ConfigChanged => false,
    }
}

/// The folder that it is about.
fn folder_of(body: &EventBody) -> Option<&str> {
    match body {
        EventBody::FolderState { folder, .. }
        | EventBody::ItemSynced { folder, .. }
        | EventBody::ConflictOpened { folder, .. }
        | EventBody::ConflictResolved { folder, .. }
        | EventBody::StaleEdit { folder, .. } => Some(folder),
        EventBody::ProblemOpened { folder, .. } | EventBody::ProblemCleared { folder, .. } => {
            folder.as_deref()
        }
        _ => None,
    }
}

fn path_of(body: &EventBody) -> Option<&str> {
    let path = match body {
        EventBody::ItemSynced { path, .. }
        | EventBody::ConflictOpened { path, .. }
        | EventBody::ConflictResolved { path, .. }
        | EventBody::StaleEdit { path, .. }
        | EventBody::ProblemCleared { path, .. } => path,
        EventBody::ProblemOpened { problem, .. } => &problem.path,
        _ => return None,
    };
    Some(path.as_str()).filter(|path| !path.is_empty())
}

/// Whether the two tell the same of paths of one folder.
fn is_alike(one: &EventBody, other: &EventBody) -> bool {
    let is_same = match (one, other) {
        (
            EventBody::ItemSynced { action: a, device: by, .. },
            EventBody::ItemSynced { action: b, device: too, .. },
        ) => (a, by) == (b, too),
        (EventBody::ConflictOpened { .. }, EventBody::ConflictOpened { .. })
        | (EventBody::ProblemCleared { .. }, EventBody::ProblemCleared { .. }) => true,
        (
            EventBody::ConflictResolved { device: by, .. },
            EventBody::ConflictResolved { device: too, .. },
        ) => by == too,
        (
            EventBody::ProblemOpened { problem: a, .. },
            EventBody::ProblemOpened { problem: b, .. },
        ) => a.code == b.code,
        _ => false,
    };
    is_same && folder_of(one) == folder_of(other)
}

impl Bundle {
    pub(super) fn new(at_ms: u64, body: &EventBody) -> Self {
        let paths: Vec<_> = path_of(body).map(str::to_owned).into_iter().collect();
        let told = Told { since_ms: at_ms, at_ms, count: 1, paths, body: body.clone() };
        Self { told, path_bytes: 0, id: None, is_written: false }
    }

    /// Grows by `body` if that belongs to it.
    pub(super) fn takes(&mut self, at_ms: u64, body: &EventBody) -> bool {
        if !self.may_grow(at_ms) || !is_alike(&self.told.body, body) {
            return false;
        }
        self.told.at_ms = at_ms;
        self.told.body = body.clone();
        self.is_written = false;
        let Some(path) = path_of(body) else {
            self.told.count += 1;
            return true;
        };
        if self.told.paths.iter().any(|known| known == path) {
            return true;
        }
        self.told.count += 1;
        if self.told.paths.len() < MOST_PATHS && self.path_bytes + path.len() <= MOST_PATH_BYTES {
            self.path_bytes += path.len();
            self.told.paths.push(path.to_owned());
        }
        true
    }

    /// Whether what happens at `now_ms` may belong to it. A clock that was set back ends it.
    pub(super) fn may_grow(&self, now_ms: u64) -> bool {
        let Told { since_ms, at_ms, .. } = self.told;
        now_ms >= at_ms && now_ms - at_ms <= GAP_MS && now_ms - since_ms <= LONGEST_MS
    }

    /// What is to be written, if there is news of it; its number is `next_id` if it has none yet.
    pub(super) fn row(&mut self, next_id: &mut u64) -> Option<Happened> {
        if std::mem::replace(&mut self.is_written, true) {
            return None;
        }
        let id = *self.id.get_or_insert_with(|| {
            *next_id += 1;
            *next_id - 1
        });
        let folder = folder_of(&self.told.body).map(str::to_owned);
        let body = serde_json::to_string(&self.told).ok()?;
        Some(Happened { id, folder, body })
    }

    /// Has it written again, under another number.
    pub(super) fn renumber(&mut self) {
        self.id = None;
        self.is_written = false;
    }
}
