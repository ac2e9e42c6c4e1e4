//! From what is known of a path to the one change that brings its tree closer.
//!
//! Pure and forgetful: after every change, crash or refusal it is asked again.
//! Whether content is at hand is the engine's knowledge, not this module's.

use crate::entry::{Entry, Stat};
use crate::heads::Slot;
use crate::id::{ContentId, DeviceId};
use crate::path::RelPath;
use crate::record::{Content, FileRecord};
use crate::resolve::combine;

/// What a step believes of the path that it changes. The disk adapter checks it
/// against what it really displaces; a mismatch is put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Precondition {
    /// Nothing is there.
    Absent,
    /// What is there is as it was observed.
    Unchanged(Stat),
}

impl Precondition {
    /// What is believed of a path of which `entry` is known.
    pub fn of(entry: &Entry) -> Self {
        entry.present().map_or(Self::Absent, |disk| Self::Unchanged(disk.stat))
    }
}

/// Where a displaced file goes. Nothing is ever thrown away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Displaced {
    /// To the folder's history.
    History {
        /// The device whose change displaces it.
        by: DeviceId,
        /// Why.
        reason: Reason,
    },
    /// To the store of heads: it is one side of an open conflict.
    Head(ContentId),
}

/// Why a file went to history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Another version took its place.
    Overwritten,
    /// It was deleted elsewhere.
    Deleted,
    /// A conflict was decided against it.
    Resolved,
    /// A person took back a local change of a receive-only folder.
    Reverted,
}

/// One change to the tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Makes a directory, or gives the one that is there the mode.
    Directory {
        /// Where.
        path: RelPath,
        /// Permission bits.
        mode: u16,
        /// What is believed to be there.
        precondition: Precondition,
        /// Where a file in the way goes.
        displaced: Displaced,
    },
    /// Puts staged content at a path.
    Install {
        /// Where.
        path: RelPath,
        /// The staged content.
        content: ContentId,
        /// Its size in bytes.
        size_bytes: u64,
        /// Permission bits.
        mode: u16,
        /// The modification time in nanoseconds since 1970.
        mtime_ns: i64,
        /// What is believed to be there.
        precondition: Precondition,
        /// Where the file that is there goes.
        displaced: Displaced,
    },
    /// Makes a symlink.
    Symlink {
        /// Where.
        path: RelPath,
        /// Its target.
        target: Box<str>,
        /// What is believed to be there.
        precondition: Precondition,
        /// Where the file that is there goes.
        displaced: Displaced,
    },
    /// Changes a file's mode and time.
    Touch {
        /// Where.
        path: RelPath,
        /// Permission bits.
        mode: u16,
        /// The modification time in nanoseconds since 1970.
        mtime_ns: i64,
        /// What is believed to be there.
        precondition: Precondition,
    },
    /// Renames a file, with mode and time as given, to a path where nothing is.
    Move {
        /// The old path.
        from: RelPath,
        /// What is believed to be there.
        from_stat: Stat,
        /// The new path.
        to: RelPath,
        /// Permission bits.
        mode: u16,
        /// The modification time in nanoseconds since 1970.
        mtime_ns: i64,
    },
    /// Takes a file or symlink away, or an empty directory.
    Remove {
        /// Where.
        path: RelPath,
        /// What is believed to be there.
        precondition: Precondition,
        /// Where the file goes.
        displaced: Displaced,
    },
}

impl Step {
    /// The path that the step is about.
    pub fn path(&self) -> &RelPath {
        match self {
            Self::Directory { path, .. }
            | Self::Install { path, .. }
            | Self::Symlink { path, .. }
            | Self::Touch { path, .. }
            | Self::Remove { path, .. } => path,
            Self::Move { to, .. } => to,
        }
    }
}

/// What should be done next about a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Nothing is left to do.
    Nothing,
    /// The heads combine into this; it should be written as a new version.
    Combine(Content),
    /// The tree should be changed. An [`Step::Install`] needs its content staged first.
    Change(Step),
    /// A head that is not shown should be fetched and kept.
    Keep(FileRecord),
}

/// Decides what this device should do next about `path`.
///
/// Pure: equal inputs give equal plans on every device.
pub fn plan(path: &RelPath, entry: &Entry) -> Plan {
    if !entry.is_needed() {
        return Plan::Nothing;
    }
    // Written only by who holds the data, which nobody could get from it otherwise.
    if let Some(content) = combine(entry)
        && entry.heads.iter().any(|head| {
            head.record.content.is_same_data(&content) && head.holders.contains(Slot::ME)
        })
    {
        return Plan::Combine(content);
    }
    let Some(shown) = entry.shown() else {
        return Plan::Nothing;
    };
    if shown.content.is_tombstone() && entry.disk.is_none() && entry.landing.is_some() {
        // What may be landing will be seen, or was refused.
        return Plan::Nothing;
    }
    if !entry.is_settled() {
        return Plan::Change(step_to(path, entry, shown));
    }
    let missing = entry.heads.iter().find(|head| !head.holders.contains(Slot::ME));
    missing.map_or(Plan::Nothing, |head| Plan::Keep(head.record.clone()))
}

/// The step that puts the shown head in place of a local change of a
/// receive-only folder; `None` when nothing is shown.
pub fn revert(path: &RelPath, entry: &Entry, by: DeviceId) -> Option<Step> {
    let mut step = step_to(path, entry, entry.shown()?);
    if let Step::Install { displaced, .. }
    | Step::Symlink { displaced, .. }
    | Step::Directory { displaced, .. }
    | Step::Remove { displaced, .. } = &mut step
    {
        *displaced = Displaced::History { by, reason: Reason::Reverted };
    }
    Some(step)
}

/// The step that makes `path` show `shown`.
fn step_to(path: &RelPath, entry: &Entry, shown: &FileRecord) -> Step {
    let path = path.clone();
    let precondition = Precondition::of(entry);
    let displaced = displaced_by(entry, shown);
    match &shown.content {
        Content::Tombstone { .. } => Step::Remove { path, precondition, displaced },
        Content::Directory { mode } => {
            Step::Directory { path, mode: *mode, precondition, displaced }
        }
        Content::Symlink { target } => {
            Step::Symlink { path, target: target.clone(), precondition, displaced }
        }
        &Content::File { content, size_bytes, mode, mtime_ns, .. } => {
            if entry.present().is_some_and(|disk| disk.record.content.is_same_data(&shown.content))
            {
                Step::Touch { path, mode, mtime_ns, precondition }
            } else {
                Step::Install { path, content, size_bytes, mode, mtime_ns, precondition, displaced }
            }
        }
    }
}

/// Where the file that is in the tree goes when `shown` takes its place: it
/// stays at hand while it is one side of a conflict.
fn displaced_by(entry: &Entry, shown: &FileRecord) -> Displaced {
    let on_disk = entry.present().and_then(|disk| disk.record.content.file());
    let is_head = on_disk.filter(|(content, _)| {
        entry
            .heads
            .iter()
            .any(|head| head.record.content.file().is_some_and(|(other, _)| other == *content))
    });
    if let Some((content, _)) = is_head {
        return Displaced::Head(content);
    }
    let reason = match shown.content {
        Content::Tombstone { .. } => Reason::Deleted,
        _ => Reason::Overwritten,
    };
    Displaced::History { by: shown.device, reason }
}
