//! What a folder leaves out, and what adding one would come to.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::settings::given;
use super::{FolderMode, HistorySettings};

/// What to leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// IDs of sets that `folder.presets` lists.
    #[serde(default)]
    pub presets: Vec<String>,
    /// Patterns of one's own, one to an entry, as in `.gitignore`. They come after the presets, so that `!` takes
    /// back.
    #[serde(default)]
    pub patterns: Vec<String>,
}

/// What a folder leaves out, read from `.driftlessignore` at its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RulesView {
    /// IDs of the sets that hold.
    pub presets: Vec<String>,
    /// Patterns that were given to `folder.add` or `folder.set`.
    pub patterns: Vec<String>,
    /// Patterns that somebody wrote into the file by hand; only they change those.
    pub written: Vec<String>,
}

/// Lists names for sets of rules that most people want. Replies with [`IgnorePreset`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderPresets {
    /// Suggest what fits this directory, absolute.
    #[serde(default)]
    #[ts(optional)]
    pub path: Option<String>,
}

/// A set of rules under one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IgnorePreset {
    /// What requests call it.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Its patterns.
    pub patterns: Vec<String>,
    /// Whether it is wise here.
    pub suggested: bool,
}

/// Counts what adding a directory would sync. Changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderPreview {
    /// The directory, absolute.
    pub path: String,
    /// Sets to leave out.
    #[serde(default)]
    pub presets: Vec<String>,
    /// Patterns to leave out.
    #[serde(default)]
    pub patterns: Vec<String>,
}

/// What adding a directory comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PreviewResult {
    /// Whether the directory exists; it will be made otherwise.
    pub exists: bool,
    /// Files that would be synced.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that would be left out.
    pub left_out_files: u64,
    /// Their bytes.
    pub left_out_bytes: u64,
    /// Whether counting stopped at its bound of time, or something could not be read, so that there is more.
    pub at_least: bool,
    /// What to think of first.
    pub warnings: Vec<PreviewWarning>,
}

/// What to think of before adding a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PreviewWarning {
    /// It is somebody's whole home.
    HomeDirectory,
    /// It belongs to the system.
    SystemDirectory,
    /// It is inside a folder, or is one, and cannot be added.
    InsideFolder {
        /// What that folder is called.
        label: String,
    },
    /// A folder is inside it, so that it cannot be added.
    AroundFolder {
        /// What that folder is called.
        label: String,
    },
    /// A disk that would hold it is nearly full.
    LittleSpace {
        /// Whose disk.
        device_name: String,
        /// What may still be written to it.
        free_bytes: u64,
    },
    /// This program may not write there.
    NotWritable,
}

/// Tells the rules of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderRules {
    /// Which one.
    pub folder: String,
}

/// Changes a folder; absent fields stay as they are. Replies with the `FolderView`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct FolderSet {
    /// Which one.
    pub folder: String,
    /// The name that people see here.
    #[serde(default)]
    #[ts(optional)]
    pub label: Option<String>,
    /// In which direction it syncs.
    #[serde(default)]
    #[ts(optional)]
    pub mode: Option<FolderMode>,
    /// What it leaves out, on every device.
    #[serde(default)]
    #[ts(optional)]
    pub rules: Option<Rules>,
    /// How long displaced files are kept in it on this device; null for the general setting.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[ts(optional)]
    pub history: Option<Option<HistorySettings>>,
}
