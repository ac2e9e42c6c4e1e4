//! Making files and names outlast a power cut.
//!
//! Decides only how: one by one, or with the whole file system at once, which
//! costs less for many. A file's sync does not promise that its name lasts, so
//! that the directory is synced with it.

use std::os::fd::AsFd;

use driftless_core::RelPath;
use rustix::io::{Errno, Result};

use crate::root::Root;

/// So many files or directories are synced one by one; more, with the whole
/// file system.
pub(crate) const FEW: usize = 8;

/// What file systems behind FUSE say that they are.
const FUSE: u64 = 0x6573_5546;

/// Whether to sync so many things with the whole file system at once.
///
/// The kernel keeps that from file systems behind FUSE and reports success
/// (but, since Linux 6.18, from those on block devices): there, everything is
/// synced one by one.
pub fn syncs_at_once(root: &Root, count: usize) -> bool {
    count > FEW && !is_fuse(root.fd())
}

fn is_fuse(fd: impl AsFd) -> bool {
    rustix::fs::fstatfs(fd).map_or(true, |system| system.f_type as u64 == FUSE)
}

/// Makes durable all that the file system holds, where [`syncs_at_once`].
///
/// # Errors
///
/// The disk failed; nothing is known of what is durable.
pub fn sync_all(root: &Root) -> std::io::Result<()> {
    Ok(lenient(rustix::fs::syncfs(root.fd()))?)
}

/// Makes files durable that a person or program has written, with their names,
/// before anyone hears of them: an index entry is a receipt. What is gone by
/// now is passed over.
///
/// # Errors
///
/// The disk failed; nothing is known of what is durable.
pub fn make_durable(root: &Root, paths: &[&RelPath]) -> std::io::Result<()> {
    if syncs_at_once(root, paths.len()) {
        return sync_all(root);
    }
    for path in paths {
        if let Some(fd) = found(root.open_file(path))? {
            lenient(rustix::fs::fsync(&fd))?;
        }
    }
    let mut parents: Vec<_> = paths.iter().map(|path| path.parent()).collect();
    parents.sort_unstable();
    parents.dedup();
    for parent in parents {
        if let Some(fd) = found(root.open_dir(parent.as_ref()))? {
            lenient(rustix::fs::fsync(&*fd))?;
        }
    }
    Ok(())
}

/// What was opened; an error of the disk's is one, anything else is `None`.
fn found<T>(opened: Result<T>) -> Result<Option<T>> {
    match opened {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::IO) => Err(Errno::IO),
        Err(_) => Ok(None),
    }
}

/// A file system that cannot sync, or is read-only, has nothing to wait for.
fn lenient(synced: Result<()>) -> Result<()> {
    match synced {
        Err(Errno::INVAL | Errno::ROFS | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        synced => synced,
    }
}
