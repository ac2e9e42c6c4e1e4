//! History: what sync or a resolution displaced, and putting it back.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::HistorySettings;

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
    /// It was edited on this device. Kept for small texts.
    Edited,
    /// It was deleted on this device. Kept for small texts.
    Removed,
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
    /// Only this path and what is below it.
    #[ts(optional)]
    pub path: Option<String>,
    /// Only paths that contain this, in whatever case.
    #[ts(optional)]
    pub text: Option<String>,
    /// Only what was displaced at or after this time.
    #[ts(optional)]
    pub since_ms: Option<u64>,
    /// Only what was displaced before this time.
    #[ts(optional)]
    pub until_ms: Option<u64>,
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

/// Shows what a content looks like, within bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "of", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ContentPreview {
    /// Of a displaced version.
    History {
        /// The folder.
        folder: String,
        /// The path that it had.
        path: String,
        /// Which version.
        version: String,
    },
    /// Of a version in a conflict.
    Conflict {
        /// Which conflict.
        id: String,
        /// Which version; the one that all were made from when absent.
        #[serde(default)]
        #[ts(optional)]
        version: Option<String>,
    },
    /// Of what a folder holds at a path.
    Current {
        /// The folder.
        folder: String,
        /// The path below its root.
        path: String,
    },
}

/// What a content looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PreviewView {
    /// A text.
    Text {
        /// The text, at most the first mebibyte.
        text: String,
        /// Whether there is more of it.
        cut_short: bool,
    },
    /// An image.
    Image {
        /// A PNG file of at most 640 by 640 pixels, in base64.
        png: String,
        /// The width of the image itself, in pixels.
        width: u32,
        /// The height of the image itself, in pixels.
        height: u32,
    },
    /// Nothing that could be shown.
    None {
        /// Why, as a sentence.
        why: String,
    },
}

/// Says where the space goes that folders take beside their files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct HistorySpace {
    /// Only in this folder.
    #[ts(optional)]
    pub folder: Option<String>,
}

/// What a folder takes beside its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FolderSpace {
    /// The folder's ID.
    pub folder: String,
    /// The folder's label.
    pub folder_label: String,
    /// Size of the files themselves.
    pub files_bytes: u64,
    /// How many displaced versions are kept.
    pub history_files: u64,
    /// Their size.
    pub history_bytes: u64,
    /// When the oldest of them was displaced.
    pub oldest_ms: Option<u64>,
    /// Size of the contents that open conflicts keep.
    pub conflicts_bytes: u64,
    /// Size of what is being received.
    pub staging_bytes: u64,
    /// Size of the small texts that are kept for merging and for local edits.
    pub texts_bytes: u64,
    /// Size of the folder's database.
    pub database_bytes: u64,
    /// How long history is kept here.
    pub retention: HistorySettings,
    /// Whether that is the general setting, because the folder has none of its own.
    pub inherits: bool,
    /// The paths whose versions take the most, the largest first; at most ten.
    pub largest: Vec<SpacePart>,
    /// What was displaced within the last day, week, month and before, in this order.
    pub by_age: Vec<SpacePart>,
}

/// A part of the space that history takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SpacePart {
    /// The path below the folder's root, or the age: `day`, `week`, `month` or `older`.
    pub name: String,
    /// How many versions.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

/// Says what undoing everything that a device changed since a time would do; changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct UndoPreview {
    /// Whose changes.
    pub device: String,
    /// Since when, by this device's clock.
    pub since_ms: u64,
    /// Only in this folder.
    #[serde(default)]
    #[ts(optional)]
    pub folder: Option<String>,
    /// At most so many steps; 1000 when absent, which is also the most. All are counted.
    #[serde(default)]
    #[ts(optional)]
    pub limit: Option<u32>,
}

/// What an undo would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct UndoPlan {
    /// Name of the device.
    pub device_name: String,
    /// How many paths would get an earlier version back.
    pub restores: u64,
    /// How many paths that the device made would be deleted.
    pub removes: u64,
    /// How many paths would stay as they are, though the device changed them.
    pub leaves: u64,
    /// How many bytes would be put back.
    pub bytes: u64,
    /// The first steps, by folder and path.
    pub steps: Vec<UndoStep>,
}

/// What an undo does to one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct UndoStep {
    /// The folder's ID.
    pub folder: String,
    /// The folder's label.
    pub folder_label: String,
    /// The path below the folder's root.
    pub path: String,
    /// What is done to it.
    pub action: UndoAction,
}

/// What an undo does to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "does", rename_all = "kebab-case")]
pub enum UndoAction {
    /// It gets back what it held before.
    Restore {
        /// The size of that in bytes.
        size: u64,
        /// When that was displaced, by this device's clock.
        displaced_at_ms: u64,
    },
    /// It is deleted, as the device made it.
    Remove {
        /// The size of what is deleted.
        size: u64,
    },
    /// It stays as it is.
    Leave {
        /// Why, as a sentence.
        why: String,
    },
}

/// Undoes everything that a device changed since a time, as a change of this device that can be undone in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct UndoApply {
    /// Whose changes.
    pub device: String,
    /// Since when, by this device's clock.
    pub since_ms: u64,
    /// Only in this folder.
    #[serde(default)]
    #[ts(optional)]
    pub folder: Option<String>,
}

/// What an undo did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct UndoResult {
    /// How many paths got an earlier version back.
    pub restored: u64,
    /// How many paths were deleted.
    pub removed: u64,
    /// The paths that stay as they are, and why; at most the first 1,000.
    pub left: Vec<UndoStep>,
    /// How many paths stay as they are.
    pub leaves: u64,
    /// When this undo began: undoing what this device did since then takes it back.
    pub began_ms: u64,
}
