//! History: what sync or a resolution displaced, and putting it back.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Lists what was displaced in a folder, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct HistoryList {
    /// Which folder.
    pub folder: String,
    /// Only this path and what is below it.
    #[serde(default)]
    #[ts(optional)]
    pub path: Option<String>,
    /// Go on after this `next` of the page before.
    #[serde(default)]
    #[ts(optional)]
    pub after: Option<String>,
    /// At most so many; 1000 when absent, which is also the most.
    #[serde(default)]
    #[ts(optional)]
    pub limit: Option<u32>,
}

/// Some displaced versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HistoryPage {
    /// The versions.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

/// Why a version was displaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryReason {
    /// A newer version came.
    Overwritten,
    /// A deletion came.
    Deleted,
    /// A conflict was settled for another version.
    Conflict,
    /// A change made here was undone.
    Reverted,
}

/// One displaced version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HistoryEntry {
    /// What to call it in `history.restore`.
    pub version: String,
    /// The path below the folder's root that it had.
    pub path: String,
    /// How large it is.
    pub size: u64,
    /// When it was displaced.
    pub displaced_at_ms: u64,
    /// ID of the device that caused it, where known.
    pub device: Option<String>,
    /// Name of that device, where known.
    pub device_name: Option<String>,
    /// Why it was displaced.
    pub reason: HistoryReason,
}

/// Searches what was displaced in all folders, newest first.
///
/// Folders that are not open are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySearch {
    /// Only in this folder.
    #[ts(optional)]
    pub folder: Option<String>,
    /// Only what this device caused.
    #[ts(optional)]
    pub device: Option<String>,
    /// Only paths that contain this, in whatever case.
    #[ts(optional)]
    pub text: Option<String>,
    /// Go on after this `next` of the page before.
    #[ts(optional)]
    pub after: Option<String>,
    /// At most so many; 1000 when absent, which is also the most.
    #[ts(optional)]
    pub limit: Option<u32>,
}

/// A displaced version, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FoundVersion {
    /// The folder's ID.
    pub folder: String,
    /// The folder's label.
    pub folder_label: String,
    /// The version.
    #[serde(flatten)]
    pub entry: HistoryEntry,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HistoryFound {
    /// The versions.
    pub entries: Vec<FoundVersion>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
    /// Whether there is more history than one search looks through, so that some may be missing.
    pub cut_short: bool,
}

/// Puts a displaced version back; what it replaces goes to history in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct HistoryRestore {
    /// Which folder.
    pub folder: String,
    /// The path that it had.
    pub path: String,
    /// Which version.
    pub version: String,
    /// Another path below the folder's root to put it at.
    #[serde(default)]
    #[ts(optional)]
    pub to: Option<String>,
}

/// Where a version was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Restored {
    /// The path below the folder's root.
    pub path: String,
}
