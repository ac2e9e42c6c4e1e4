//! Making a group of changed names durable.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Result;

use crate::durable::{FEW, syncs_at_once};
use crate::root::Root;

/// What a group changed and has not synced yet.
pub(super) struct Sync<'a> {
    root: &'a Root,
    fds: Vec<(u64, Arc<OwnedFd>)>,
    is_everything: bool,
    /// How syncing went that could not wait for the end.
    so_far: Result<()>,
}

impl<'a> Sync<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
        Self { root, fds: Vec::new(), is_everything: false, so_far: Ok(()) }
    }

    /// Notes a directory in which a name changed, or a file whose metadata did.
    pub(super) fn directory(&mut self, fd: &Arc<OwnedFd>) {
        if self.is_everything {
            return;
        }
        let Ok(stat) = rustix::fs::fstat(fd) else {
            self.everything();
            return;
        };
        if self.fds.iter().any(|(inode, _)| *inode == stat.st_ino) {
            return;
        }
        if self.fds.len() == FEW {
            self.everything();
        }
        if !self.is_everything {
            self.fds.push((stat.st_ino, fd.clone()));
        }
    }

    /// Leaves it to the whole file system, or where that is no use, syncs what
    /// was noted so far. What changes again is noted again.
    fn everything(&mut self) {
        if syncs_at_once(self.root, usize::MAX) {
            self.is_everything = true;
        } else {
            self.so_far = self.so_far.and_then(|()| self.one_by_one());
        }
        self.fds.clear();
    }

    fn one_by_one(&self) -> Result<()> {
        self.fds.iter().try_for_each(|(_, fd)| rustix::fs::fsync(&**fd))
    }

    /// Syncs what was noted, with the private directories among it.
    pub(super) fn finish(self) -> Result<()> {
        self.so_far?;
        if self.is_everything {
            return rustix::fs::syncfs(self.root.fd());
        }
        if self.fds.is_empty() {
            return Ok(());
        }
        // Names that leave the staging area and enter others are one change on
        // most file systems, but not on all.
        self.one_by_one()?;
        rustix::fs::fsync(self.root.staging())
    }
}
