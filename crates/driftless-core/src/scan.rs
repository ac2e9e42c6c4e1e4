//! What a look at the disk reports, in pieces that cover stretches of path order.
//!
//! The disk adapter fills these in, the engine reads them. A piece says what it
//! covers, so that "not found" is told apart from "not looked at".

use crate::diff::Observed;
use crate::path::RelPath;

/// One stretch of a scan, in path order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScanBatch {
    /// Only this path and what lies below it was looked at; `None` is the whole tree.
    pub within: Option<RelPath>,
    /// The stretch begins behind this path; `None` is the beginning of the scope.
    pub after: Option<RelPath>,
    /// The stretch ends with this path, which was found; `None` is the end of
    /// the scope. Were it ignored or unknown, what lies below it would seem
    /// absent from the next stretch.
    pub upto: Option<RelPath>,
    /// What was found in the stretch, in path order, ignored paths left out.
    pub found: Vec<(RelPath, Observed)>,
    /// Paths that exist but are covered by an ignore rule, and so is all below them.
    pub ignored: Vec<RelPath>,
    /// Paths that could not be looked at: nothing is known of them or of what
    /// lies below them, least of all that it is gone.
    pub unknown: Vec<RelPath>,
    /// Trouble with single names.
    pub problems: Vec<Problem>,
}

/// Trouble with one path that a person should know of.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    /// The path, made printable where its name is no UTF-8; empty for the folder itself.
    pub path: String,
    /// What kind of trouble.
    pub code: ProblemCode,
    /// What happened and what mends it, for a person.
    pub message: String,
}

/// Kinds of trouble with one path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ProblemCode {
    /// The name is not UTF-8; the file is left alone.
    NameNotUtf8,
    /// The path or a name is too long for driftless.
    NameTooLong,
    /// This file system holds another name that it takes for the same.
    NameTwin,
    /// This file system cannot hold the name.
    NameNotHeld,
    /// A fifo, socket or device; skipped.
    SpecialFile,
    /// May not be read.
    Unreadable,
    /// May not be written.
    NotWritable,
    /// The disk or quota is full.
    DiskFull,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The disk reported an error.
    Io,
    /// The file keeps changing while it is read.
    KeepsChanging,
    /// The content changed and the file's times did not.
    Corrupt,
    /// A directory that should go still holds something.
    DirectoryNotEmpty,
    /// No connected device has the content.
    NotAvailable,
    /// Too few watches: changes are found by scanning.
    Watch,
    /// An ignore file has a line that is no pattern.
    IgnoreRule,
    /// A mass deletion or rewrite waits for a yes.
    MassChange,
}

impl ProblemCode {
    /// The code that people and scripts see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NameNotUtf8 => "name-not-utf8",
            Self::NameTooLong => "name-too-long",
            Self::NameTwin => "name-twin",
            Self::NameNotHeld => "name-not-held",
            Self::SpecialFile => "special-file",
            Self::Unreadable => "unreadable",
            Self::NotWritable => "not-writable",
            Self::Corrupt => "corrupt",
            Self::DiskFull => "disk-full",
            Self::ReadOnly => "read-only",
            Self::Io => "io-error",
            Self::KeepsChanging => "keeps-changing",
            Self::DirectoryNotEmpty => "directory-not-empty",
            Self::NotAvailable => "not-available",
            Self::Watch => "watch",
            Self::IgnoreRule => "ignore-rule",
            Self::MassChange => "mass-change",
        }
    }
}

/// How a step ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The tree holds it, durably; this is its `lstat` now (`None` after a removal).
    Applied(Option<crate::entry::Stat>),
    /// The path was not as believed; nothing changed. It should be scanned again.
    Stale,
    /// An ignore rule covers the path; nothing changed.
    Ignored,
    /// The staged content is not there (any more).
    NotStaged,
    /// The directory that should hold the path is not there.
    NoParent,
    /// It could not be done; nothing changed. Worth another try later.
    Blocked(Problem),
}
