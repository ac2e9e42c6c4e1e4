//! Opening files below a directory descriptor, and nowhere else.
//!
//! Symlinks are never followed and mounts never crossed, whatever happens to
//! the tree meanwhile: `openat2` resolves it in the kernel. Where that call is
//! missing, each component is opened on its own, which is as safe and slower.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2};
use rustix::io::{Errno, Result};

/// Paths from this length on do not fit a system call.
const PATH_MAX: usize = 4096;

/// How often a lookup that a concurrent rename disturbed is tried again.
const RETRIES: usize = 16;

static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);

/// How a directory is opened: readable, so that it can be listed and synced.
pub(crate) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// How a file of a person's is opened: never waiting for a fifo's other end.
pub(crate) const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

/// Opens `path`, a plain relative path, below `dir`.
///
/// A symlink anywhere in it is `ELOOP` or `ENOTDIR`, a mount `EXDEV`.
pub(crate) fn open_beneath(dir: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    if path.len() >= PATH_MAX || WITHOUT_OPENAT2.load(Ordering::Relaxed) {
        return open_by_component(dir, path, flags);
    }
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    for _ in 0..RETRIES {
        match openat2(dir, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::NOSYS) => {
                WITHOUT_OPENAT2.store(true, Ordering::Relaxed);
                break;
            }
            result => return result,
        }
    }
    open_by_component(dir, path, flags)
}

fn open_by_component(dir: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let device = fstat(dir)?.st_dev;
    let walk = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut held: Option<OwnedFd> = None;
    for component in parents.split('/').filter(|component| !component.is_empty()) {
        let from = held.as_ref().map_or(dir, AsFd::as_fd);
        held = Some(on_device(openat(from, component, walk, Mode::empty())?, device)?);
    }
    let from = held.as_ref().map_or(dir, AsFd::as_fd);
    on_device(openat(from, name, flags, Mode::empty())?, device)
}

fn on_device(fd: OwnedFd, device: u64) -> Result<OwnedFd> {
    if fstat(&fd)?.st_dev == device { Ok(fd) } else { Err(Errno::XDEV) }
}

/// `lstat` of a name in an open directory.
pub(crate) fn lstat(dir: impl AsFd, name: &str) -> Result<Stat> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// I12, H2, F11
    #[test]
    fn neither_way_of_opening_follows_a_symlink() {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("in/deep")).unwrap();
        fs::write(tree.path().join("in/deep/file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", tree.path().join("in/out")).unwrap();
        std::os::unix::fs::symlink("deep", tree.path().join("in/near")).unwrap();
        let dir: OwnedFd = fs::File::open(tree.path()).unwrap().into();
        for open in [open_beneath, open_by_component] {
            let flags = FILE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            assert!(open(dir.as_fd(), "in/deep/file", flags).is_ok());
            for path in ["in/out/passwd", "in/near/file", "in/out"] {
                let errno = open(dir.as_fd(), path, flags).unwrap_err();
                assert!(matches!(errno, Errno::LOOP | Errno::NOTDIR), "{path}: {errno}");
            }
        }
    }
}
