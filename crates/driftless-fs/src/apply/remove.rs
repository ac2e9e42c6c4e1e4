//! Taking a path away, and moving it elsewhere in the tree.

use std::os::fd::{AsFd, BorrowedFd};

use driftless_core::{Displaced, Outcome, Precondition, RelPath, Stat};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::{Errno, Result};

use super::prepare::{set_metadata, temporary_name, times};
use super::{Group, Tried, is_directory, parent_failed};
use crate::beneath::{FILE, lstat, open_beneath};
use crate::history;
use crate::listing::Listing;
use crate::problem::unwritable;
use crate::stat::{is_same_but_renamed, stat_of};

impl Group<'_> {
    /// Takes a file to where it is kept, or removes an empty directory.
    pub(super) fn remove(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        precondition: &Precondition,
        displaced: &Displaced,
    ) -> Tried {
        let Precondition::Unchanged(expected) = precondition else {
            return Ok(match lstat(dir, path.name()) {
                Err(Errno::NOENT) => Outcome::Applied(None),
                Err(errno) => return Err(errno),
                Ok(_) if Listing::of(dir)?.contains(path.name()) => Outcome::Stale,
                Ok(_) => Outcome::Applied(None),
            });
        };
        let before = match self.victim(dir, path, expected)? {
            Ok(before) => before,
            Err(outcome) => return Ok(outcome),
        };
        if is_directory(&before) {
            return match unlinkat(dir, path.name(), AtFlags::REMOVEDIR) {
                Ok(()) => Ok(Outcome::Applied(None)),
                Err(Errno::NOTEMPTY | Errno::EXIST) => {
                    Ok(Outcome::Blocked(unwritable(path.as_str(), Errno::NOTEMPTY)))
                }
                Err(errno) => Err(errno),
            };
        }
        let place = self.keep(dir, path.name(), path, displaced)?;
        let out = stat_of(&lstat(&*place.dir, &place.name)?);
        if is_same_but_renamed(&out, &before) {
            return Ok(Outcome::Applied(None));
        }
        self.put_back(&place, dir, path)?;
        Ok(Outcome::Stale)
    }

    /// Renames a file to a path where nothing is.
    pub(super) fn rename(
        &mut self,
        from: &RelPath,
        from_stat: &Stat,
        to_dir: BorrowedFd<'_>,
        to: &RelPath,
        mode: u16,
        mtime_ns: i64,
    ) -> Tried {
        let parent = match self.parents.open(from.parent()) {
            Ok(parent) => parent,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Outcome::Stale),
            Err(errno) => return Ok(parent_failed(from, errno)),
        };
        if parent.ignores(from, false) {
            return Ok(Outcome::Ignored);
        }
        let from_dir = parent.fd.as_fd();
        let before = match self.victim(from_dir, from, from_stat)? {
            Ok(before) if !is_directory(&before) => before,
            Ok(_) => return Ok(Outcome::Stale),
            Err(outcome) => return Ok(outcome),
        };
        match self.rename_new(from_dir, from.name(), to_dir, to.name()) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.is_own_twin(from_dir, &before, to_dir, to)? => {
                self.respell(from_dir, from, to)?;
            }
            Err(Errno::EXIST) => return self.occupied(to_dir, to),
            Err(errno) => return Err(errno),
        }
        let moved = stat_of(&lstat(to_dir, to.name())?);
        if !is_same_but_renamed(&moved, &before) {
            // Something has the old name again: then both stay.
            match self.rename_new(to_dir, to.name(), from_dir, from.name()) {
                Ok(()) | Err(Errno::EXIST) => return Ok(Outcome::Stale),
                Err(errno) => return Err(errno),
            }
        }
        self.sync.directory(&parent.fd);
        self.dress(to_dir, to, &moved, mode, mtime_ns)
    }

    /// Whether the new name is only another way to write the old one (C8).
    fn is_own_twin(
        &self,
        from_dir: BorrowedFd<'_>,
        before: &Stat,
        to_dir: BorrowedFd<'_>,
        to: &RelPath,
    ) -> Result<bool> {
        let is_same_dir = rustix::fs::fstat(from_dir)?.st_ino == rustix::fs::fstat(to_dir)?.st_ino;
        Ok(is_same_dir
            && lstat(to_dir, to.name())?.st_ino == before.inode
            && !Listing::of(to_dir)?.contains(to.name()))
    }

    /// Gives a file a name that the file system takes for the one that it has.
    ///
    /// Linux takes a rename between two such names for one that is done
    /// already, so that it goes by way of another name.
    fn respell(&self, dir: BorrowedFd<'_>, from: &RelPath, to: &RelPath) -> Result<()> {
        let (staging, between) = (self.root.staging(), temporary_name(self.root));
        self.rename_new(dir, from.name(), staging, &between)?;
        let renamed = self.rename_new(staging, &between, dir, to.name());
        if renamed.is_err() {
            match self.rename_new(staging, &between, dir, from.name()) {
                // Someone has taken the name meanwhile.
                Err(Errno::EXIST) => history::rescue(self.root, staging, &between)?,
                back => back?,
            }
        }
        renamed
    }

    /// Gives a file that was just moved its mode and time.
    fn dress(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        moved: &Stat,
        mode: u16,
        mtime_ns: i64,
    ) -> Tried {
        let is_dressed = driftless_core::diff::mode_of(moved) == mode && moved.mtime_ns == mtime_ns;
        if is_dressed {
            return self.applied(dir, path, moved);
        }
        // The move stands whether or not this works: a file that may not be
        // opened shows up with the metadata that it has.
        let Ok(fd) = open_beneath(dir, path.name(), FILE) else {
            return self.applied(dir, path, moved);
        };
        if !is_same_but_renamed(&stat_of(&rustix::fs::fstat(&fd)?), moved) {
            return self.applied(dir, path, moved);
        }
        if set_metadata(&fd, mode, mtime_ns).is_err() {
            let _ = rustix::fs::futimens(&fd, &times(mtime_ns));
        }
        let stat = stat_of(&rustix::fs::fstat(&fd)?);
        self.sync.directory(&std::sync::Arc::new(fd));
        Ok(Outcome::Applied(Some(stat)))
    }
}
