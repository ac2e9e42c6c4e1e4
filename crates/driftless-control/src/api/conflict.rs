//! Conflicts: paths with several heads, and choosing among them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Lists open conflicts, in the order of folder and path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct ConflictList {
    /// Only those of this folder.
    #[ts(optional)]
    pub folder: Option<String>,
    /// Go on after this `next` of the page before.
    #[ts(optional)]
    pub after: Option<String>,
    /// At most so many; 1000 when absent, which is also the most.
    #[ts(optional)]
    pub limit: Option<u32>,
}

/// Some open conflicts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ConflictPage {
    /// The conflicts.
    pub conflicts: Vec<Conflict>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

/// Shows one conflict, with the place of every content that is here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ConflictShow {
    /// Which one.
    pub id: String,
}

/// A path that was changed on several devices without one knowing of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Conflict {
    /// What to call it in `conflict.show` and `conflict.resolve`.
    pub id: String,
    /// The folder's ID.
    pub folder: String,
    /// The folder's label.
    pub folder_label: String,
    /// The path below the folder's root.
    pub path: String,
    /// When this device first saw it.
    pub opened_at_ms: Option<u64>,
    /// The versions; the shown one is first.
    pub heads: Vec<ConflictHead>,
    /// The version that all of them were made from, where its content is still known; only said by `conflict.show`.
    pub base: Option<ConflictBase>,
}

/// The version that the sides of a conflict were made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ConflictBase {
    /// How large it is.
    pub size: u64,
    /// When it was last modified.
    pub mtime_ms: u64,
    /// Name of the device that made it.
    pub device_name: String,
}

/// What kind of thing is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// One of the versions in a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ConflictHead {
    /// ID of the device that made it; of a version that was brought back, as far as that is remembered.
    pub device: String,
    /// Name of that device.
    pub device_name: String,
    /// What it is.
    pub kind: EntryKind,
    /// How large it is.
    pub size: u64,
    /// When that device last modified it, by that device's clock.
    pub mtime_ms: u64,
    /// Whether it is the one in the folder.
    pub shown: bool,
    /// Whether this version deletes the path.
    pub deleted: bool,
    /// Whether its content is on this device.
    pub content_here: bool,
    /// Where its content is on this device; only said by `conflict.show`.
    pub content_path: Option<String>,
    /// Its version, as an opaque word that tells it from the others.
    pub version: String,
}

/// Settles a conflict on every device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ConflictResolve {
    /// Which one.
    pub id: String,
    /// What to keep.
    pub resolution: Resolution,
    /// The versions that it was chosen among. Where others are there by then, nothing is decided.
    #[serde(default)]
    #[ts(optional)]
    pub seen: Option<Vec<String>>,
}

/// Takes back how conflicts were decided, on this device or another, as far back as it is remembered.
///
/// Each conflict is open again on every device, with the versions that it had and the same one shown; names that
/// keeping both made are deleted again. What that replaces goes to history. A path that was changed since is left
/// as it is, and nothing is undone where one of the versions is not here any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ConflictUndo {
    /// Which ones, by the IDs that they had.
    pub ids: Vec<String>,
}

/// Conflicts that are open again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Undone {
    /// Their paths, in the order asked for.
    pub paths: Vec<String>,
}

/// What to keep of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "keep", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Resolution {
    /// The version that this device made; refused where it made several.
    Device {
        /// Its name or ID.
        device: String,
    },
    /// Just this version.
    Version {
        /// What its head calls it.
        version: String,
    },
    /// The shown version under its name and the others beside it.
    Both,
    /// The content of this file.
    WithFile {
        /// Where it is, absolute.
        path: String,
    },
    /// This text, such as versions were merged into; at most a mebibyte.
    Text {
        /// The text.
        text: String,
    },
    /// A version of the path from its history.
    History {
        /// What `history.list` calls it.
        version: String,
    },
}

/// Says what a choice would do to conflicts, without doing it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ConflictForesee {
    /// Which ones.
    pub ids: Vec<String>,
    /// What to keep of each.
    pub resolution: Resolution,
}

/// What a choice would do to one conflict, on every device that the folder is shared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Foreseen {
    /// The conflict's ID.
    pub id: String,
    /// The path below the folder's root.
    pub path: String,
    /// Why it cannot be done, as a sentence; then nothing else is said.
    pub refused: Option<String>,
    /// What every device will hold: the path first, then the names beside it.
    pub holds: Vec<ForeseenFile>,
    /// The versions that go to history on this device, where it holds their contents.
    pub to_history: Vec<ForeseenFile>,
    /// Names of all devices that will come to hold it, this one first.
    pub devices: Vec<String>,
}

/// A file that a choice keeps or puts away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ForeseenFile {
    /// The path below the folder's root.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// How large it is.
    pub size: u64,
    /// Name of the device that made it; absent for what is made of several.
    pub device_name: Option<String>,
    /// Whether the path will be deleted.
    pub deleted: bool,
}

/// Asks for the texts of a conflict, and how they combine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ConflictTexts {
    /// Which conflict.
    pub id: String,
    /// The two versions to compare; the shown one and the one after it when absent.
    #[serde(default)]
    #[ts(optional)]
    pub versions: Option<(String, String)>,
}

/// Two versions of a conflict as texts, and how they combine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ConflictTextsReply {
    /// The versions that are compared.
    pub versions: (String, String),
    /// Why there are no texts: `not-text`, `too-large`, `not-here` or `no-file`.
    pub not_text: Option<String>,
    /// What both were made from, where it is known.
    pub base: Option<String>,
    /// The first version.
    pub ours: String,
    /// The second version.
    pub theirs: String,
    /// The stretches in order; together they cover all lines of each text. Without a base, whatever differs is a
    /// conflict.
    pub regions: Vec<TextRegion>,
    /// The merged text, where nobody has to choose.
    pub merged: Option<String>,
}

/// A stretch of two texts and what they were made from, in whole lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TextRegion {
    /// Who changed it.
    pub kind: RegionKind,
    /// How many lines of the base it takes.
    pub base: u32,
    /// How many lines of the first version.
    pub ours: u32,
    /// How many lines of the second version.
    pub theirs: u32,
}

/// Who changed a stretch of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum RegionKind {
    /// Nobody.
    Unchanged,
    /// The first version alone.
    Ours,
    /// The second version alone.
    Theirs,
    /// Both, in the same way.
    Alike,
    /// Both, differently.
    Conflict,
}

/// What a resolution left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Resolved {
    /// The folder's ID.
    pub folder: String,
    /// The path that was in conflict.
    pub path: String,
    /// Paths that keeping both made beside it.
    pub beside: Vec<String>,
}
