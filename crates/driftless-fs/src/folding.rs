//! Names that a file system takes for the same: those that differ in case, or
//! in normal form.
//!
//! A path that answers only because another one is taken for it is not there:
//! whoever wrote to it would write to the other. What names are alike is the
//! file system's to say, so that it is asked, and never computed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, OFlags};
use rustix::io::{Errno, Result};

use crate::beneath::{DIRECTORY, lstat, open_beneath};
use crate::listing::Listing;
use crate::root::{FILE_MODE, Root};

/// Finds out whether names fold where `private` is, by making a file there.
pub(crate) fn probe(private: impl AsFd, number: u64) -> Result<bool> {
    let name = format!("probe-caf\u{e9}-{number}");
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(&private, &name, flags, FILE_MODE)?;
    let in_other_case = format!("PROBE-CAF\u{e9}-{number}");
    let in_other_form = format!("probe-cafe\u{301}-{number}");
    let folds = [in_other_case, in_other_form].iter().any(|twin| lstat(&private, twin).is_ok());
    rustix::fs::unlinkat(&private, &name, AtFlags::empty())?;
    Ok(folds)
}

/// Whether what answers to `name` in a directory is called just that.
pub(crate) fn is_exact(root: &Root, dir: impl AsFd, name: &str) -> Result<bool> {
    Ok(!root.folds_names() || Listing::of(dir)?.contains(name))
}

/// Opens a directory by a path that is exact in all its parts.
pub(crate) fn open_exact(from: BorrowedFd<'_>, path: &str) -> Result<OwnedFd> {
    let mut dir = open_beneath(from, ".", DIRECTORY)?;
    for name in path.split('/') {
        if !Listing::of(&dir)?.contains(name) {
            return Err(Errno::NOENT);
        }
        dir = open_beneath(dir.as_fd(), name, DIRECTORY)?;
    }
    Ok(dir)
}
