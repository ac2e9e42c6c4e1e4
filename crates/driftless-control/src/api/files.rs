//! What a folder holds, path by path, and why a path is as it is.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::EntryKind;

/// How one path of a folder stands on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Kept out of syncing by a rule.
    LeftOut,
    /// As it should be, and on another device too.
    UpToDate,
    /// Here, and on no other device yet.
    OnlyHere,
    /// Known, and not here yet.
    Waiting,
    /// Being fetched or applied just now.
    Receiving,
    /// Changed on several devices; a person has to choose.
    Conflict,
    /// Something is wrong with it.
    Problem,
}

/// Lists one directory, directories first, then by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderBrowse {
    /// Which folder.
    pub folder: String,
    /// The directory below the folder's root; the root when empty.
    #[serde(default)]
    pub path: String,
    /// How many entries to pass over.
    #[serde(default)]
    pub offset: u64,
    /// At most so many; 1000 when absent, which is also the most.
    #[serde(default)]
    #[ts(optional)]
    pub limit: Option<u32>,
}

/// Some entries of a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct BrowsePage {
    /// The entries.
    pub entries: Vec<BrowseEntry>,
    /// How many entries the directory has.
    pub total: u64,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct BrowseEntry {
    /// Its name, made printable where it is no UTF-8.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// How large it is; of a directory, all that is synced below it.
    pub size: u64,
    /// Whether not all below a directory has been counted yet, so that there is more.
    pub at_least: bool,
    /// When it was last modified; zero where that is not known.
    pub mtime_ms: u64,
    /// How it stands; of a directory, the most pressing of all below it.
    pub state: FileState,
}

/// Says why a path is as it is: "why isn't this here?"
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderExplain {
    /// Which folder.
    pub folder: String,
    /// The path below its root, or an absolute one.
    pub path: String,
}

/// Why a path is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Explanation {
    /// The path below the folder's root.
    pub path: String,
    /// How it stands.
    pub state: FileState,
    /// A stable kebab-case word for the cause: a problem's code, or one of the folder (`paused`, `stopped`,
    /// `opening`, `send-only`, `mass-change`), of the path (`rule`, `conflict`, `local-change`, `deleted`,
    /// `unknown`, `not-looked-at`), of the work on it (`receiving`, `applying`, `queued`, `retrying`, `blocked`)
    /// or of the devices (`device-offline`, `not-shared`, `sending`, `settled`).
    pub cause: String,
    /// What is the case, as one sentence without a period.
    pub message: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
    /// IDs of the devices that durably hold the shown version.
    pub holders: Vec<String>,
    /// The rule that leaves it out, as written, where one does.
    pub rule: Option<String>,
    /// The file that the rule is in, below the folder's root.
    pub rule_file: Option<String>,
    /// The rule's line in that file, from 1.
    pub rule_line: Option<u32>,
}
