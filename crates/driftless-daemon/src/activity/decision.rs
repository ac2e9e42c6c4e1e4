//! How a conflict was decided, as it is written down.

use driftless_core::{Content, FileRecord, Level, RelPath};
use driftless_engine::Settled;
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;

/// How a conflict was decided.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Decided {
    /// The folder's ID.
    pub(crate) folder: String,
    /// The path below the folder's root.
    pub(crate) path: String,
    /// When this device heard of it, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// What the path came to hold.
    pub(crate) by: Version,
    /// What there was to choose from, the shown version first.
    pub(crate) sides: Vec<Version>,
    /// Names that losing versions were given, as far as this device gave them.
    #[serde(default)]
    pub(crate) beside: Vec<String>,
}

/// A version of the path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Version {
    /// ID of the device that made it.
    pub(crate) device: String,
    held: Held,
}

/// What a version holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Held {
    Nothing,
    Symlink { target: String },
    File { content: String, size_bytes: u64, level: u8, mode: u16, mtime_ns: i64 },
    Directory { mode: u16 },
}

impl Decided {
    /// What to remember of it.
    pub(crate) fn new(folder: &str, path: &str, settled: &Settled) -> Self {
        Self {
            folder: folder.to_owned(),
            path: path.to_owned(),
            at_ms: now_ms(),
            by: Version::of(&settled.by),
            sides: settled.sides.iter().map(Version::of).collect(),
            beside: Vec::new(),
        }
    }

    /// Takes over who made what from an earlier decision, where one device
    /// counted several of the versions: it brought them back.
    pub(super) fn inherit(&mut self, before: &Self) {
        let makers: Vec<_> = self.sides.iter().map(|side| side.device.clone()).collect();
        for side in &mut self.sides {
            let is_several = makers.iter().filter(|maker| **maker == side.device).count() > 1;
            if let Some(maker) = before.maker_of(side.content()).filter(|_| is_several) {
                side.device = maker.to_owned();
            }
        }
    }

    /// ID of the device that made the version that held this.
    pub(crate) fn maker_of(&self, content: Option<Content>) -> Option<&str> {
        let content = content?;
        let is_same =
            |side: &&Version| side.content().is_some_and(|held| held.is_same_data(&content));
        self.sides.iter().find(is_same).map(|side| side.device.as_str())
    }

    /// The names that losing versions were given.
    pub(crate) fn beside(&self) -> Vec<RelPath> {
        self.beside.iter().filter_map(|path| RelPath::parse(path).ok()).collect()
    }
}

impl Version {
    fn of(record: &FileRecord) -> Self {
        let held = match &record.content {
            Content::Tombstone { .. } => Held::Nothing,
            Content::Symlink { target } => Held::Symlink { target: target.to_string() },
            Content::Directory { mode } => Held::Directory { mode: *mode },
            &Content::File { content, size_bytes, level, mode, mtime_ns } => {
                let (content, level) = (content.to_string(), level.number());
                Held::File { content, size_bytes, level, mode, mtime_ns }
            }
        };
        Self { device: record.device.to_string(), held }
    }

    /// What it holds; nothing where that cannot be read.
    pub(crate) fn content(&self) -> Option<Content> {
        Some(match &self.held {
            Held::Nothing => Content::Tombstone { moved_to: None },
            Held::Symlink { target } => Content::Symlink { target: target.as_str().into() },
            &Held::Directory { mode } => Content::Directory { mode },
            Held::File { content, size_bytes, level, mode, mtime_ns } => Content::File {
                content: content.parse().ok()?,
                size_bytes: *size_bytes,
                level: Level::new(*level)?,
                mode: *mode,
                mtime_ns: *mtime_ns,
            },
        })
    }
}
