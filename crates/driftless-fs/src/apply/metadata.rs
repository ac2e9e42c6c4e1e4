//! Modes, times, and directories.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use driftless_core::diff::mode_of;
use driftless_core::{Displaced, Outcome, Precondition, RelPath, Stat};
use rustix::fs::{Mode, OFlags, fchmod, fstat, futimens, mkdirat};
use rustix::io::{Errno, Result};

use super::parents::chmod_handle;
use super::prepare::{Staged, temporary_name, times};
use super::{Group, Tried, is_directory};
use crate::beneath::{DIRECTORY, FILE, lstat, open_beneath};
use crate::stat::stat_of;

impl Group<'_> {
    /// Changes a file's mode and time, if it is as believed.
    ///
    /// Only what differs is set: putting back a time that is right already
    /// could hide an edit made at that moment.
    pub(super) fn touch(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        mode: u16,
        mtime_ns: i64,
        precondition: &Precondition,
    ) -> Tried {
        let Precondition::Unchanged(expected) = precondition else { return Ok(Outcome::Stale) };
        match self.victim(dir, path, expected)? {
            Ok(before) if !is_directory(&before) => {}
            Ok(_) => return Ok(Outcome::Stale),
            Err(outcome) => return Ok(outcome),
        }
        let handle = open_beneath(dir, path.name(), OFlags::PATH)?;
        if stat_of(&fstat(&handle)?) != *expected {
            return Ok(Outcome::Stale);
        }
        let fd = match open_beneath(dir, path.name(), FILE) {
            Err(Errno::ACCESS) => {
                // Ours, but not readable: opened up to be opened.
                chmod_handle(&handle, Mode::from_raw_mode(expected.mode) | Mode::RUSR)?;
                open_beneath(dir, path.name(), FILE)?
            }
            fd => fd?,
        };
        fchmod(&fd, Mode::from_raw_mode(mode.into()))?;
        let between = stat_of(&fstat(&fd)?);
        let is_untouched = between.inode == expected.inode
            && between.size_bytes == expected.size_bytes
            && between.mtime_ns == expected.mtime_ns;
        if !is_untouched {
            return Ok(Outcome::Stale);
        }
        if between.mtime_ns != mtime_ns {
            futimens(&fd, &times(mtime_ns))?;
        }
        let stat = stat_of(&fstat(&fd)?);
        self.sync.directory(&Arc::new(fd));
        Ok(Outcome::Applied(Some(stat)))
    }

    /// Makes a directory, or gives the one that is there the mode.
    pub(super) fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        mode: u16,
        precondition: &Precondition,
        displaced: &Displaced,
    ) -> Tried {
        let Precondition::Unchanged(expected) = precondition else {
            return match mkdirat(dir, path.name(), Mode::from_raw_mode(mode.into())) {
                Ok(()) => self.set_directory_mode(dir, path, mode),
                Err(Errno::EXIST) => self.occupied(dir, path),
                Err(errno) => Err(errno),
            };
        };
        let before = match self.victim(dir, path, expected)? {
            Ok(before) => before,
            Err(outcome) => return Ok(outcome),
        };
        if is_directory(&before) {
            if before.mode != expected.mode {
                return Ok(Outcome::Stale);
            }
            return self.set_directory_mode(dir, path, mode);
        }
        let name = temporary_name(self.root);
        mkdirat(self.root.staging(), &name, Mode::from_raw_mode(mode.into()))?;
        let staged = Staged::new(self.root, name, true)?;
        let put = self.put(dir, path, &staged, precondition, displaced);
        match put {
            Ok(Outcome::Applied(_)) => self.set_directory_mode(dir, path, mode),
            put => {
                staged.discard(self.root);
                put
            }
        }
    }

    /// Sets what the process's mask kept from being set, or an old mode.
    fn set_directory_mode(&mut self, dir: BorrowedFd<'_>, path: &RelPath, mode: u16) -> Tried {
        let now = stat_of(&lstat(dir, path.name())?);
        if is_directory(&now) && mode_of(&now) != mode {
            let (handle, opened) = open_directory(dir, path.name())?;
            // Set-group-ID and the like are the local file system's own.
            let kept = Mode::from_raw_mode(fstat(&handle)?.st_mode) - Mode::from_raw_mode(0o777);
            let mode = Mode::from_raw_mode(mode.into()) | kept;
            match opened {
                Some(fd) => {
                    fchmod(&fd, mode)?;
                    self.sync.directory(&Arc::new(fd));
                }
                None => chmod_handle(&handle, mode)?,
            }
        }
        let stat: Stat = stat_of(&lstat(dir, path.name())?);
        Ok(Outcome::Applied(Some(stat)))
    }
}

/// Opens a directory by handle, and for reading where that is allowed.
fn open_directory(dir: BorrowedFd<'_>, name: &str) -> Result<(OwnedFd, Option<OwnedFd>)> {
    let handle = open_beneath(dir, name, OFlags::PATH | OFlags::DIRECTORY)?;
    match open_beneath(dir, name, DIRECTORY) {
        Ok(fd) => Ok((handle, Some(fd))),
        Err(Errno::ACCESS) => Ok((handle, None)),
        Err(errno) => Err(errno),
    }
}
