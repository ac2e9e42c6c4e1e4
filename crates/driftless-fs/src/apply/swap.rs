//! Putting something staged at a path.

use std::os::fd::{BorrowedFd, OwnedFd};

use driftless_core::{Displaced, Outcome, Precondition, RelPath, Stat};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, linkat, renameat, renameat_with, unlinkat,
};
use rustix::io::{Errno, Result};

use super::prepare::Staged;
use super::{Group, Tried, is_directory, twin};
use crate::beneath::{DIRECTORY, lstat, open_beneath};
use crate::folding::is_exact;
use crate::history::{self, Label, Place, VersionReason};
use crate::listing::Listing;
use crate::problem::unwritable;
use crate::stat::{is_same_but_renamed, kind_of, stat_of};

/// How often a swap is undone while a person keeps saving over it.
const UNDO_ATTEMPTS: usize = 8;

impl Group<'_> {
    /// Puts what is staged at `path`, if that is as believed.
    pub(super) fn put(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        staged: &Staged,
        precondition: &Precondition,
        displaced: &Displaced,
    ) -> Tried {
        let Precondition::Unchanged(expected) = precondition else {
            return self.put_new(dir, path, staged);
        };
        let before = match self.victim(dir, path, expected)? {
            Ok(before) => before,
            Err(outcome) => return Ok(outcome),
        };
        if is_directory(&before) && !self.is_empty(dir, path)? {
            return Ok(Outcome::Blocked(unwritable(path.as_str(), Errno::NOTEMPTY)));
        }
        if self.root.can_swap() {
            self.exchange(dir, path, staged, &before, displaced)
        } else {
            self.replace(dir, path, staged, &before, displaced)
        }
    }

    /// What is at `path`, if it is as expected; otherwise how the step ends.
    pub(super) fn victim(
        &self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        expected: &Stat,
    ) -> Result<std::result::Result<Stat, Outcome>> {
        let before = match lstat(dir, path.name()) {
            Err(Errno::NOENT) => return Ok(Err(Outcome::Stale)),
            raw => stat_of(&raw?),
        };
        // A directory's times change with what it holds. Nothing but an empty
        // one is ever replaced, so that being a directory is enough.
        let is_expected = before == *expected || (is_directory(&before) && is_directory(expected));
        if !is_expected {
            return Ok(Err(Outcome::Stale));
        }
        if !is_exact(self.root, dir, path.name())? {
            return Ok(Err(Outcome::Blocked(twin(path))));
        }
        Ok(Ok(before))
    }

    fn is_empty(&self, dir: BorrowedFd<'_>, path: &RelPath) -> Result<bool> {
        Ok(Listing::of(open_beneath(dir, path.name(), DIRECTORY)?)?.len() == 0)
    }

    /// Gives the staged file a name that nothing has.
    fn put_new(&mut self, dir: BorrowedFd<'_>, path: &RelPath, staged: &Staged) -> Tried {
        match self.rename_new(self.root.staging(), &staged.name, dir, path.name()) {
            Ok(()) => self.applied(dir, path, &staged.stat),
            Err(Errno::EXIST) => self.occupied(dir, path),
            Err(errno) => Err(errno),
        }
    }

    /// Renames to a name that nothing has; `EEXIST` if something has it.
    pub(super) fn rename_new(
        &self,
        from: BorrowedFd<'_>,
        old: &str,
        to: BorrowedFd<'_>,
        new: &str,
    ) -> Result<()> {
        if self.root.can_swap() {
            return renameat_with(from, old, to, new, RenameFlags::NOREPLACE);
        }
        match linkat(from, old, to, new, AtFlags::empty()) {
            Ok(()) => unlinkat(from, old, AtFlags::empty()),
            // Directories have no links, and some file systems have none at all.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => match lstat(to, new) {
                Err(Errno::NOENT) => renameat(from, old, to, new),
                Ok(_) => Err(Errno::EXIST),
                Err(errno) => Err(errno),
            },
            Err(errno) => Err(errno),
        }
    }

    /// Why a name that was to be new is taken: by itself, or by a twin (C8-C10).
    pub(super) fn occupied(&self, dir: BorrowedFd<'_>, path: &RelPath) -> Tried {
        if Listing::of(dir)?.contains(path.name()) || lstat(dir, path.name()).is_err() {
            return Ok(Outcome::Stale);
        }
        Ok(Outcome::Blocked(twin(path)))
    }

    /// Exchanges names, then looks at what came out.
    fn exchange(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        staged: &Staged,
        before: &Stat,
        displaced: &Displaced,
    ) -> Tried {
        let staging = self.root.staging();
        // While they are held, no other file can come to have their inode numbers.
        let held = Held { _ours: hold(staging, &staged.name)?, _theirs: hold(dir, path.name())? };
        renameat_with(staging, &staged.name, dir, path.name(), RenameFlags::EXCHANGE)?;
        let out = stat_of(&lstat(staging, &staged.name)?);
        if is_directory(&out) {
            return match unlinkat(staging, &staged.name, AtFlags::REMOVEDIR) {
                Ok(()) => self.applied(dir, path, &staged.stat),
                Err(errno) => {
                    self.undo(dir, path, staged, &held)?;
                    Err(errno)
                }
            };
        }
        if !is_same_but_renamed(&out, before) {
            self.undo(dir, path, staged, &held)?;
            return Ok(Outcome::Stale);
        }
        match self.keep(staging, &staged.name, path, displaced) {
            Ok(_) => self.applied(dir, path, &staged.stat),
            Err(errno) => {
                self.undo(dir, path, staged, &held)?;
                // What is missing here is the place to keep it, not the path.
                Err(if errno == Errno::NOENT { Errno::IO } else { errno })
            }
        }
    }

    /// Puts back what an exchange took out. Whatever a person does to the path
    /// meanwhile, the last thing that they saved ends up there, and what was
    /// there before in history.
    fn undo(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        staged: &Staged,
        _held: &Held,
    ) -> Result<()> {
        let staging = self.root.staging();
        for _ in 0..UNDO_ATTEMPTS {
            match renameat_with(staging, &staged.name, dir, path.name(), RenameFlags::EXCHANGE) {
                Ok(()) => {}
                // The new file was removed meanwhile.
                Err(Errno::NOENT) => {
                    match self.rename_new(staging, &staged.name, dir, path.name()) {
                        Err(Errno::EXIST) => continue,
                        result => return result,
                    }
                }
                Err(errno) => {
                    history::rescue(self.root, staging, &staged.name)?;
                    return Err(errno);
                }
            }
            if lstat(staging, &staged.name)?.st_ino == staged.stat.inode {
                if kind_of(&staged.stat) != FileType::RegularFile {
                    return Ok(());
                }
                // Someone may have opened the new file in the moment that it
                // was there, and write into it yet: it is not to be trusted
                // as content any more, nor to be thrown away.
                return history::rescue(self.root, staging, &staged.name);
            }
            // Someone saved over the new file: that save was taken out just
            // now and goes back, and what was there before it to history.
            renameat_with(staging, &staged.name, dir, path.name(), RenameFlags::EXCHANGE)?;
            return history::rescue(self.root, staging, &staged.name);
        }
        history::rescue(self.root, staging, &staged.name)
    }

    /// Replaces a file where names cannot be exchanged.
    fn replace(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &RelPath,
        staged: &Staged,
        before: &Stat,
        displaced: &Displaced,
    ) -> Tried {
        if is_directory(before) {
            unlinkat(dir, path.name(), AtFlags::REMOVEDIR)?;
            return self.put_new(dir, path, staged);
        }
        let why = Why::of(displaced);
        let linked = history::link(self.root, dir, path.name(), &why.label(path, self.now_ms));
        match linked {
            Ok(place) => {
                self.sync.directory(&place.dir);
                let linked = stat_of(&lstat(&*place.dir, &place.name)?);
                let now = stat_of(&lstat(dir, path.name())?);
                if !is_same_but_renamed(&linked, before) || !is_same_but_renamed(&now, before) {
                    return Ok(Outcome::Stale);
                }
                if is_directory(&staged.stat) {
                    unlinkat(dir, path.name(), AtFlags::empty())?;
                }
                renameat(self.root.staging(), &staged.name, dir, path.name())?;
                if let Displaced::Head(content) = displaced {
                    let name = content.to_string();
                    let _ = self.rename_new(
                        rustix::fd::AsFd::as_fd(&*place.dir),
                        &place.name,
                        self.root.heads(),
                        &name,
                    );
                }
                self.applied(dir, path, &staged.stat)
            }
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
                let place = self.keep(dir, path.name(), path, displaced)?;
                let out = stat_of(&lstat(&*place.dir, &place.name)?);
                let put = if is_same_but_renamed(&out, before) {
                    self.put_new(dir, path, staged)
                } else {
                    Ok(Outcome::Stale)
                };
                if !matches!(put, Ok(Outcome::Applied(_))) {
                    self.put_back(&place, dir, path)?;
                }
                put
            }
            Err(errno) => Err(errno),
        }
    }

    /// Gives a displaced file its name back, unless something has it now.
    pub(super) fn put_back(
        &self,
        place: &Place,
        dir: BorrowedFd<'_>,
        path: &RelPath,
    ) -> Result<()> {
        let from = rustix::fd::AsFd::as_fd(&*place.dir);
        match self.rename_new(from, &place.name, dir, path.name()) {
            Err(Errno::EXIST) => Ok(()),
            result => result,
        }
    }

    /// Renames a displaced file to where it is kept.
    pub(super) fn keep(
        &mut self,
        from: BorrowedFd<'_>,
        name: &str,
        path: &RelPath,
        displaced: &Displaced,
    ) -> Result<Place> {
        if let Displaced::Head(content) = displaced {
            let head = content.to_string();
            match self.rename_new(from, name, self.root.heads(), &head) {
                Ok(()) => {
                    let dir = open_beneath(self.root.heads(), ".", DIRECTORY)?;
                    let place = Place { dir: dir.into(), name: head };
                    self.sync.directory(&place.dir);
                    return Ok(place);
                }
                // The same content is kept already; this file goes to history.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        let why = Why::of(displaced);
        let place = history::displace(self.root, from, name, &why.label(path, self.now_ms))?;
        self.sync.directory(&place.dir);
        Ok(place)
    }

    /// The outcome of having put what is `ours` at `path`.
    ///
    /// What is reported is what was put there. Where that was changed again
    /// already, a time of change that no file has makes the next look notice.
    pub(super) fn applied(&self, dir: BorrowedFd<'_>, path: &RelPath, ours: &Stat) -> Tried {
        let now = lstat(dir, path.name()).map(|raw| stat_of(&raw));
        Ok(Outcome::Applied(Some(match now {
            Ok(now) if is_same_but_renamed(&now, ours) => now,
            _ => Stat { ctime_ns: 0, ..*ours },
        })))
    }
}

/// The two files of an exchange.
struct Held {
    _ours: OwnedFd,
    _theirs: OwnedFd,
}

fn hold(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

/// The parts of a version's label that a step tells.
struct Why {
    device_short: String,
    reason: VersionReason,
}

impl Why {
    fn of(displaced: &Displaced) -> Self {
        match displaced {
            Displaced::History { by, reason } => {
                Self { device_short: by.short(), reason: (*reason).into() }
            }
            Displaced::Head(_) => {
                Self { device_short: "unknown".to_owned(), reason: VersionReason::Overwritten }
            }
        }
    }

    fn label<'a>(&'a self, path: &'a RelPath, now_ms: u64) -> Label<'a> {
        Label { path, reason: self.reason, device_short: &self.device_short, now_ms }
    }
}
