//! From the system's errors to trouble that a person can read.

use std::io::{Error, ErrorKind};

use driftless_core::{Problem, ProblemCode, RelPath};

/// Trouble with reading or writing at `path`.
pub(crate) fn problem(path: &RelPath, error: &Error) -> Problem {
    let (code, message) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            (ProblemCode::DiskFull, "the disk or quota is full; free some space".to_owned())
        }
        ErrorKind::ReadOnlyFilesystem => {
            (ProblemCode::ReadOnly, "the file system is mounted read-only".to_owned())
        }
        ErrorKind::PermissionDenied => (
            ProblemCode::Unreadable,
            "may not be read or written; check its permissions".to_owned(),
        ),
        _ => (ProblemCode::Io, format!("the disk reported: {error}")),
    };
    Problem { path: path.to_string(), code, message }
}

/// An error with its causes, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
