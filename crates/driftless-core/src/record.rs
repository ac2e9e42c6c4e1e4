//! Records: one version of what a path holds.

use crate::block::Level;
use crate::id::{ContentId, DeviceId};
use crate::path::RelPath;
use crate::sabotage::{Sabotage, is};
use crate::version::VersionVector;

/// The longest target of a symlink, in bytes.
pub const MAX_TARGET_BYTES: usize = 4095;

/// The permission bits that are kept: `rwxrwxrwx`.
pub const MODE_MASK: u16 = 0o777;

/// The largest file, in bytes (2^50).
pub const MAX_FILE_BYTES: u64 = 1 << 50;

/// What a path holds in one version.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Content {
    /// Nothing: the path was deleted.
    Tombstone {
        /// The path at which the content lives on, where the deletion is half
        /// of a rename and loses nothing.
        moved_to: Option<RelPath>,
    },
    /// A symlink. Its target is bytes, never followed.
    Symlink {
        /// The target, at most [`MAX_TARGET_BYTES`].
        target: Box<str>,
    },
    /// A regular file.
    File {
        /// Names the content.
        content: ContentId,
        /// The size in bytes, at most [`MAX_FILE_BYTES`].
        size_bytes: u64,
        /// The block sizes that its block list was made with.
        level: Level,
        /// Permission bits within [`MODE_MASK`].
        mode: u16,
        /// The modification time in nanoseconds since 1970.
        mtime_ns: i64,
    },
    /// A directory.
    Directory {
        /// Permission bits within [`MODE_MASK`].
        mode: u16,
    },
}

impl Content {
    /// Whether this is a deletion.
    pub fn is_tombstone(&self) -> bool {
        matches!(self, Self::Tombstone { .. })
    }

    /// The content and size of a regular file.
    pub fn file(&self) -> Option<(ContentId, u64)> {
        match *self {
            Self::File { content, size_bytes, .. } => Some((content, size_bytes)),
            _ => None,
        }
    }

    /// The permission bits of a regular file or directory.
    pub fn mode(&self) -> Option<u16> {
        match *self {
            Self::File { mode, .. } | Self::Directory { mode } => Some(mode),
            _ => None,
        }
    }

    /// The size in bytes of a regular file, otherwise 0.
    pub fn size_bytes(&self) -> u64 {
        self.file().map_or(0, |(_, size)| size)
    }

    /// Whether the two hold the same for a person: the same bytes, target or
    /// kind. Modes and times may differ.
    pub fn is_same_data(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tombstone { .. }, Self::Tombstone { .. })
            | (Self::Directory { .. }, Self::Directory { .. }) => true,
            (Self::Symlink { target: a }, Self::Symlink { target: b }) => a == b,
            (Self::File { content: a, .. }, Self::File { content: b, .. }) => a == b,
            _ => false,
        }
    }

    /// Whether the tree would look the same with either: all but the block
    /// sizes, which are how a content travels and not what it is.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::File { content: c1, size_bytes: s1, mode: m1, mtime_ns: t1, level: _ },
                Self::File { content: c2, size_bytes: s2, mode: m2, mtime_ns: t2, level: _ },
            ) => (c1, s1, m1, t1) == (c2, s2, m2, t2),
            (Self::Tombstone { .. }, Self::Tombstone { .. }) => true,
            _ => self == other,
        }
    }

    /// Which kind is shown where kinds concur: a directory before all else, so
    /// that what it holds keeps its place; anything before a deletion.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Tombstone { .. } if is(Sabotage::DeletionBeatsEdit) => 3,
            Self::Directory { .. } if is(Sabotage::FileBeatsDirectory) => 0,
            Self::Tombstone { .. } => 0,
            Self::Symlink { .. } | Self::File { .. } => 1,
            Self::Directory { .. } => 2,
        }
    }
}

/// Where the content of a renamed path came from.
///
/// Lets an edit that was made elsewhere under the old name land at the new one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MovedFrom {
    /// The old path.
    pub path: RelPath,
    /// The version that the old path had.
    pub version: VersionVector,
}

/// One version of what a path holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FileRecord {
    /// Which edits it has seen, its own included.
    pub version: VersionVector,
    /// What it holds.
    pub content: Content,
    /// The content that the edit was made on, which tells a changed mode from
    /// changed bytes when two edits concur.
    pub previous: Option<ContentId>,
    /// The device that made the edit.
    pub device: DeviceId,
    /// When that device's clock said that it was made, in milliseconds since
    /// 1970. Shown to people; decides nothing.
    pub changed_ms: u64,
    /// Set on the new path of a rename.
    pub moved_from: Option<MovedFrom>,
    /// How many policies have had their say one after the other about what it
    /// holds, up to [`crate::policy::MAX_ROUNDS`]; 0 for what a person made.
    pub policy_rounds: u8,
}

impl FileRecord {
    /// Whether the edit changed only the mode or time of a file.
    pub fn is_metadata_edit(&self) -> bool {
        self.content.file().is_some_and(|(content, _)| self.previous == Some(content))
    }

    /// A strict total order on the records of one path that extends causality
    /// among records of one rank and reads no clock.
    ///
    /// Kind first, then the weight of the version, then content, version and
    /// device: comparing the weight first is what makes it transitive, where
    /// "dominance, else a tie-break" would cycle.
    pub fn shown_order(&self, other: &Self) -> std::cmp::Ordering {
        if is(Sabotage::WallTimeShows) && self.changed_ms != other.changed_ms {
            return self.changed_ms.cmp(&other.changed_ms);
        }
        (self.content.rank(), self.version.weight())
            .cmp(&(other.content.rank(), other.version.weight()))
            .then_with(|| self.content.cmp(&other.content))
            .then_with(|| self.version.cmp(&other.version))
            .then_with(|| self.device.cmp(&other.device))
            .then_with(|| self.previous.cmp(&other.previous))
            .then_with(|| self.moved_from.cmp(&other.moved_from))
            .then_with(|| self.changed_ms.cmp(&other.changed_ms))
            .then_with(|| self.policy_rounds.cmp(&other.policy_rounds))
    }
}
