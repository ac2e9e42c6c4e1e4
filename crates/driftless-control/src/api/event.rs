//! Events: what happened, in order, so that a client can be a fold over them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{FolderState, OfferView, PairRequest, Problem, Status};

/// Subscribes to events.
///
/// Frames are pushed until the client cancels or the daemon ends. Where `after` is absent, or no longer in the
/// daemon's memory, the first frame is a snapshot; a client that falls behind gets another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct Subscribe {
    /// The cursor of the last event seen, or `oldest` for all that the daemon remembers.
    #[ts(optional)]
    pub after: Option<String>,
    /// Whether to go on with events that are yet to happen.
    pub follow: bool,
}

impl Default for Subscribe {
    fn default() -> Self {
        Self { after: None, follow: true }
    }
}

impl Subscribe {
    /// The value of `after` that asks for all events that the daemon remembers.
    pub const OLDEST: &str = "oldest";
}

/// A place in one daemon run's sequence of events. Opaque to clients.
///
/// Written as `RUN-SEQUENCE`, both in hexadecimal. The run keeps a cursor from before a restart from naming
/// another event after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(into = "String", try_from = "String")]
#[ts(as = "String")]
pub struct Cursor {
    pub(crate) run: u64,
    pub(crate) sequence: u64,
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cursor")]
pub struct CursorError(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.run, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (run, sequence) = text.split_once('-').ok_or_else(|| CursorError(text.to_owned()))?;
        match (u64::from_str_radix(run, 16), u64::from_str_radix(sequence, 16)) {
            (Ok(run), Ok(sequence)) => Ok(Self { run, sequence }),
            _ => Err(CursorError(text.to_owned())),
        }
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

impl TryFrom<String> for Cursor {
    type Error = CursorError;

    fn try_from(text: String) -> Result<Self, CursorError> {
        text.parse()
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Event {
    /// Its place in the sequence.
    pub cursor: Cursor,
    /// When it happened, by this device's clock.
    pub at_ms: u64,
    /// What happened.
    pub body: EventBody,
}

/// What was done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ItemAction {
    /// It was made.
    Created,
    /// Its content was replaced.
    Changed,
    /// Its permissions or times were set.
    Metadata,
    /// It was moved here from another name.
    Renamed,
    /// It was deleted.
    Deleted,
}

/// What happened. A client skips a type that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventBody {
    /// A device connected.
    DeviceConnected {
        /// Its ID.
        device: String,
        /// Its name.
        name: String,
        /// From where, as `IP:PORT`.
        address: String,
    },
    /// A device's connection ended.
    DeviceDisconnected {
        /// Its ID.
        device: String,
        /// Its name.
        name: String,
        /// Why, where known.
        reason: Option<String>,
    },
    /// A folder does something else now.
    FolderState {
        /// The folder's ID.
        folder: String,
        /// What it does now.
        state: FolderState,
        /// Why, where that needs saying.
        reason: Option<String>,
    },
    /// A path was brought to what another device has, or changed here.
    ItemSynced {
        /// The folder's ID.
        folder: String,
        /// The path below the folder's root.
        path: String,
        /// What was done to it.
        action: ItemAction,
        /// ID of the device that made the version; absent where it was changed here.
        device: Option<String>,
    },
    /// A conflict came up.
    ConflictOpened {
        /// The folder's ID.
        folder: String,
        /// The conflict's ID.
        id: String,
        /// The path below the folder's root.
        path: String,
    },
    /// A conflict is settled.
    ConflictResolved {
        /// The folder's ID.
        folder: String,
        /// The conflict's ID.
        id: String,
        /// The path below the folder's root.
        path: String,
        /// ID of the device on which it was decided; absent where nobody had to.
        device: Option<String>,
        /// Whether a policy decided it.
        #[serde(default)]
        by_policy: bool,
    },
    /// A file was edited here though a newer version of it was already known of, which is not here yet. Where that is
    /// a conflict at once, it is told after this.
    StaleEdit {
        /// The folder's ID.
        folder: String,
        /// The path below the folder's root.
        path: String,
        /// ID of the device that made the newer version.
        device: String,
        /// Name of that device.
        device_name: String,
        /// Whether it was deleted here rather than edited; then it comes back.
        #[serde(default)]
        deleted: bool,
    },
    /// Something is wrong.
    ProblemOpened {
        /// The folder's ID; absent for a problem of the whole program.
        folder: Option<String>,
        /// What is wrong.
        problem: Problem,
    },
    /// Something is no longer wrong.
    ProblemCleared {
        /// The folder's ID; absent for a problem of the whole program.
        folder: Option<String>,
        /// The path that the problem had.
        path: String,
        /// The code that the problem had.
        code: String,
    },
    /// Another device offers a folder.
    Offer {
        /// The offer.
        offer: OfferView,
    },
    /// A device asks to be let in.
    PairRequested {
        /// Who asks.
        request: PairRequest,
    },
    /// This device and another now trust each other.
    Paired {
        /// Its ID.
        device: String,
        /// Its name.
        name: String,
    },
    /// How far a folder is; at most a few each second.
    Progress {
        /// The folder's ID.
        folder: String,
        /// How many files this device still needs.
        need_files: u64,
        /// How many bytes this device still needs.
        need_bytes: u64,
        /// How fast it is receiving.
        rate_bytes_per_s: u64,
        /// How long it will still take, where known.
        eta_s: Option<u64>,
    },
    /// Devices or folders were added, removed or set differently.
    ConfigChanged,
}

/// All that a client needs to begin with, as of a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Snapshot {
    /// Events after this one are still to come.
    pub cursor: Cursor,
    /// The status.
    pub status: Status,
    /// The open offers.
    pub offers: Vec<OfferView>,
}

/// One frame of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionFrame {
    /// Forget what was known and begin with this.
    Snapshot(Box<Snapshot>),
    /// Something happened.
    Event(Event),
}
