//! Making a group of changed names durable.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Result;

use crate::root::Root;

/// So many files or directories are synced one by one; more, with the whole
/// file system at once, which then costs less.
pub(super) const FEW: usize = 8;

/// What a group changed and has not synced yet.
#[derive(Default)]
pub(super) struct Sync {
    fds: Vec<(u64, Arc<OwnedFd>)>,
    is_everything: bool,
}

impl Sync {
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
        } else {
            self.fds.push((stat.st_ino, fd.clone()));
        }
    }

    fn everything(&mut self) {
        self.is_everything = true;
        self.fds.clear();
    }

    /// Syncs what was noted, with the private directories among it.
    pub(super) fn finish(self, root: &Root) -> Result<()> {
        if self.is_everything {
            return rustix::fs::syncfs(root.fd());
        }
        if self.fds.is_empty() {
            return Ok(());
        }
        // Names that leave the staging area and enter others are one change on
        // most file systems, but not on all.
        for (_, fd) in &self.fds {
            rustix::fs::fsync(&**fd)?;
        }
        rustix::fs::fsync(root.staging())
    }
}
