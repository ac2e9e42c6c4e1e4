//! The directories that a group of steps works in, held open for as long.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use driftless_core::RelPath;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, Result};

use crate::beneath::open_beneath;
use crate::ignore::{Chain, Ignore};
use crate::root::Root;

/// The most directories held open at a time.
const HELD_OPEN: usize = 64;

/// What the owner needs in order to change names in a directory.
const OPEN_TO_OWNER: Mode = Mode::WUSR.union(Mode::XUSR);

pub(super) struct Parents<'a> {
    root: &'a Root,
    rules: &'a Ignore,
    open: HashMap<Option<RelPath>, Arc<Parent>>,
}

/// A directory, opened up for its owner while this lives.
pub(super) struct Parent {
    pub(super) fd: Arc<OwnedFd>,
    chain: Chain,
    mode_before: Option<Mode>,
}

impl Parent {
    pub(super) fn ignores(&self, path: &RelPath, is_dir: bool) -> bool {
        self.chain.is_ignored(path.as_str(), is_dir)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        if let Some(mode) = self.mode_before {
            let _ = rustix::fs::fchmod(&*self.fd, mode);
        }
    }
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: &'a Root, rules: &'a Ignore) -> Self {
        Self { root, rules, open: HashMap::new() }
    }

    /// Opens a directory; `ECANCELED` says that it is ignored.
    pub(super) fn open(&mut self, dir: Option<RelPath>) -> Result<Arc<Parent>> {
        if let Some(parent) = self.open.get(&dir) {
            return Ok(parent.clone());
        }
        let (fd, mode_before) = self.open_up(dir.as_ref())?;
        let mut parent = Parent { fd, chain: Chain::default(), mode_before };
        parent.chain = self.rules.chain_of(dir.as_ref()).map_err(|_| Errno::CANCELED)?;
        let parent = Arc::new(parent);
        if self.open.len() >= HELD_OPEN {
            self.close();
        }
        self.open.insert(dir, parent.clone());
        Ok(parent)
    }

    /// Lets go of `path` and what is below it, which is about to change.
    pub(super) fn forget(&mut self, path: &RelPath) {
        self.open.retain(|dir, _| !dir.as_ref().is_some_and(|dir| dir.is_within(path)));
    }

    /// Lets go of all directories, with the modes that they had.
    pub(super) fn close(&mut self) {
        self.open.clear();
    }

    fn open_up(&self, dir: Option<&RelPath>) -> Result<(Arc<OwnedFd>, Option<Mode>)> {
        let fd = match self.root.open_dir(dir) {
            Err(Errno::ACCESS) => return self.open_closed(dir),
            fd => fd?,
        };
        let stat = rustix::fs::fstat(&*fd)?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        let me = rustix::process::geteuid();
        if me.is_root() || stat.st_uid != me.as_raw() || mode.contains(OPEN_TO_OWNER) {
            return Ok((fd, None));
        }
        rustix::fs::fchmod(&*fd, mode | OPEN_TO_OWNER)?;
        Ok((fd, Some(mode)))
    }

    /// Opens a directory of ours that may not even be read.
    fn open_closed(&self, dir: Option<&RelPath>) -> Result<(Arc<OwnedFd>, Option<Mode>)> {
        let path = dir.ok_or(Errno::ACCESS)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let handle = open_beneath(self.root.fd(), path.as_str(), flags)?;
        let stat = rustix::fs::fstat(&handle)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Errno::ACCESS);
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        chmod_handle(&handle, mode | Mode::RWXU)?;
        match self.root.open_dir(dir) {
            Ok(fd) => Ok((fd, Some(mode))),
            Err(errno) => {
                chmod_handle(&handle, mode)?;
                Err(errno)
            }
        }
    }
}

/// Changes the mode of a file of which there is only an `O_PATH` handle.
///
/// The name below `/proc` leads to exactly the handle's file.
pub(super) fn chmod_handle(handle: impl AsFd, mode: Mode) -> Result<()> {
    let name = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
    rustix::fs::chmodat(CWD, name, mode, rustix::fs::AtFlags::empty())
}
