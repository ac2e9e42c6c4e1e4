//! Folders: what is synced, with whom, in which direction.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Rules;

/// In which direction a folder syncs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum FolderMode {
    /// Changes go both ways.
    #[default]
    SendReceive,
    /// Changes made here go out; none come in.
    SendOnly,
    /// Changes come in; those made here stay here.
    ReceiveOnly,
}

/// Starts syncing a directory, which is made if absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderAdd {
    /// The directory, absolute.
    pub path: String,
    /// The folder's ID; a random one when absent. The same ID on two devices that share it joins them.
    #[serde(default)]
    #[ts(optional)]
    pub id: Option<String>,
    /// The name that people see; the directory's name when absent.
    #[serde(default)]
    #[ts(optional)]
    pub label: Option<String>,
    /// In which direction it syncs.
    #[serde(default)]
    pub mode: FolderMode,
    /// Devices to share it with.
    #[serde(default)]
    pub share: Vec<String>,
    /// What to leave out from the beginning, so that nothing is sent that should not be.
    #[serde(default)]
    #[ts(optional)]
    pub rules: Option<Rules>,
}

/// Shares a folder with more devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderShare {
    /// Which folder.
    pub folder: String,
    /// With whom.
    pub devices: Vec<String>,
}

/// Stops sharing a folder with devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderUnshare {
    /// Which folder.
    pub folder: String,
    /// With whom no longer.
    pub devices: Vec<String>,
}

/// Lists folders that other devices offer. Replies with [`OfferView`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderOffers {}

/// A folder that another device offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OfferView {
    /// The folder's ID.
    pub id: String,
    /// What the other device calls it.
    pub label: String,
    /// ID of the device that offers it.
    pub device: String,
    /// Name of that device.
    pub device_name: String,
    /// How many files it holds, where known.
    pub files: Option<u64>,
    /// How large they are together, where known.
    pub bytes: Option<u64>,
    /// When the offer was first seen.
    pub offered_at_ms: u64,
}

/// Accepts an offered folder into a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderAccept {
    /// The offered folder, by ID or label.
    pub folder: String,
    /// The directory, absolute; made if absent.
    pub path: String,
    /// In which direction it syncs.
    #[serde(default)]
    pub mode: FolderMode,
}

/// Declines an offered folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderDecline {
    /// The offered folder, by ID or label.
    pub folder: String,
}

/// Lists the folders. Replies with [`FolderView`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderList {}

/// A folder as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FolderView {
    /// Its ID.
    pub id: String,
    /// The name that people see.
    pub label: String,
    /// Where it is on this device.
    pub path: String,
    /// In which direction it syncs.
    pub mode: FolderMode,
    /// Whether it is paused.
    pub paused: bool,
    /// Whom it is shared with.
    pub devices: Vec<FolderMember>,
}

/// A device that a folder is shared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FolderMember {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Stops syncing a folder until `folder.resume`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderPause {
    /// Which one.
    pub folder: String,
}

/// Goes on with a paused folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderResume {
    /// Which one.
    pub folder: String,
}

/// Begins a full scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderRescan {
    /// Which one.
    pub folder: String,
}

/// Forgets a folder and leaves its files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderRemove {
    /// Which one.
    pub folder: String,
    /// Whether to remove the folder's history, too, with all else that lies in `.driftless`. Refused while open
    /// conflicts keep contents there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub forget_history: bool,
}

/// Says yes to the mass change that a folder holds back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderConfirm {
    /// Which one.
    pub folder: String,
}

/// What a yes let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Confirmed {
    /// How many deletions.
    pub deletions: u64,
    /// How many rewrites.
    pub rewrites: u64,
}

/// Makes this device's state of a send-only folder win everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderOverride {
    /// Which one.
    pub folder: String,
}

/// Lists what was changed here in a receive-only folder. Replies with [`LocalChange`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderChanges {
    /// Which one.
    pub folder: String,
}

/// What was done to a path here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeAction {
    /// It is only here.
    Added,
    /// It differs from what the others have.
    Changed,
    /// It is missing here.
    Deleted,
}

/// One change made here that a receive-only folder keeps to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LocalChange {
    /// The path below the folder's root.
    pub path: String,
    /// What was done.
    pub action: ChangeAction,
    /// How large it is here; zero when deleted.
    pub size: u64,
}

/// Undoes what was changed here in a receive-only folder, and what changed in
/// any without a trace; the changed files go to history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderRevert {
    /// Which one.
    pub folder: String,
    /// Only these paths below its root; none means all.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// Takes files that changed without a trace for what they should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderKeep {
    /// Which one.
    pub folder: String,
    /// Only these paths below its root; none means all.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// Reads every file again, to find what changed without a trace. The reply
/// comes when all are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderScrub {
    /// Which one.
    pub folder: String,
}

/// What was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Scrubbed {
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The files, at most the first 1,000, that changed without a trace, those
    /// found earlier included.
    pub corrupt: Vec<String>,
}

/// How much was undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Reverted {
    /// How many paths.
    pub files: u64,
}
