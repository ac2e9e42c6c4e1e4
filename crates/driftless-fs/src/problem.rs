//! From the kernel's errors to trouble that a person can read.

use driftless_core::{Problem, ProblemCode};
use rustix::io::Errno;

/// Trouble with `path`.
pub(crate) fn problem(path: &str, code: ProblemCode, message: impl Into<String>) -> Problem {
    Problem { path: path.to_owned(), code, message: message.into() }
}

/// What an error on reading says.
pub(crate) fn unreadable(path: &str, errno: Errno) -> Problem {
    match errno {
        Errno::ACCESS | Errno::PERM => {
            problem(path, ProblemCode::Unreadable, "may not be read; check its permissions")
        }
        Errno::XDEV => problem(
            path,
            ProblemCode::Unreadable,
            "another file system is mounted here; it is left out until it is unmounted",
        ),
        Errno::NAMETOOLONG => problem(path, ProblemCode::NameTooLong, "the path is too long"),
        errno => problem(path, ProblemCode::Io, format!("cannot be read: {}", text(errno))),
    }
}

/// What an error on changing the tree says.
pub(crate) fn unwritable(path: &str, errno: Errno) -> Problem {
    let (code, message) = match errno {
        Errno::NOSPC | Errno::DQUOT => {
            (ProblemCode::DiskFull, "the disk or quota is full; free some space".to_owned())
        }
        Errno::ROFS => (ProblemCode::ReadOnly, "the file system is mounted read-only".to_owned()),
        Errno::ACCESS | Errno::PERM => (
            ProblemCode::NotWritable,
            "may not be written; check the permissions of it and its directory".to_owned(),
        ),
        Errno::INVAL | Errno::ILSEQ | Errno::NAMETOOLONG => {
            (ProblemCode::NameNotHeld, "this file system cannot hold the name".to_owned())
        }
        Errno::NOTEMPTY => (
            ProblemCode::DirectoryNotEmpty,
            "still holds something that is not synced; it stays until that is gone".to_owned(),
        ),
        errno => (ProblemCode::Io, format!("the disk reported: {}", text(errno))),
    };
    problem(path, code, message)
}

fn text(errno: Errno) -> std::io::Error {
    errno.into()
}
