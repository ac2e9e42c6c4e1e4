//! Looking ahead of a walk: threads beside it open, list and look through the
//! directories that it comes to next.
//!
//! Decides nothing about what was seen: the walk takes it up in path order as
//! if it had just looked, and looks itself wherever nobody was faster. What is
//! seen ahead is bounded, in directories and in names.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use driftless_core::{RelPath, Stat};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Result;

use super::Frame;
use crate::beneath::{DIRECTORY, open_beneath};
use crate::listing::Listing;
use crate::stat::stat_of;

/// How many directories are seen ahead at the most. Each is held open.
const MOST_DIRECTORIES: usize = 64;

/// From how many names that were seen ahead on nobody looks further.
const MANY_NAMES: usize = 8192;

/// How many names of one directory are looked at ahead.
const NAMES_EACH: usize = 4096;

/// How many threads look ahead at the most.
const MOST_THREADS: usize = 3;

/// How many directories of one directory are handed in at a time.
const WINDOW: usize = 8;

/// What `lstat` says of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) stat: Stat,
    /// The file system that it is on.
    pub(super) device: u64,
}

/// An open directory, its names, and what the first of them lead to.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) fd: OwnedFd,
    pub(super) listing: Listing,
    pub(super) looks: Vec<Result<Look>>,
}

/// The directories that are to be looked at, and those that were.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// With the open directories that hold them.
    waiting: BTreeMap<RelPath, Arc<OwnedFd>>,
    running: BTreeSet<RelPath>,
    seen: BTreeMap<RelPath, Result<Seen>>,
    /// How many names were looked at in `seen`.
    names: usize,
    closed: bool,
}

/// `lstat` of a name in a directory.
pub(super) fn look_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Look> {
    let raw = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)?;
    Ok(Look { stat: stat_of(&raw), device: raw.st_dev })
}

/// Opens and lists the directory `name` in `dir`.
pub(super) fn open(dir: BorrowedFd<'_>, name: &str) -> Result<Seen> {
    let fd = open_beneath(dir, name, DIRECTORY)?;
    let listing = Listing::of(&fd)?;
    Ok(Seen { fd, listing, looks: Vec::new() })
}

/// Ends the looking ahead when the walk ends, in whatever way.
pub(super) struct Closing<'a>(&'a Ahead);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Ahead {
    /// Has threads look ahead from now on, as many as there are further cores.
    /// Returns whether there are any.
    pub(super) fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> bool {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut is_on = false;
        for _ in 1..cores.min(MOST_THREADS + 1) {
            let thread = std::thread::Builder::new().name("scan ahead".to_owned());
            is_on |= thread.spawn_scoped(scope, || self.run()).is_ok();
        }
        is_on
    }

    /// To be kept for as long as the walk goes on.
    pub(super) fn closing(&self) -> Closing<'_> {
        Closing(self)
    }

    /// Hands in the directories that `frame` comes to next.
    pub(super) fn hand_in_from(&self, frame: &mut Frame) {
        while frame.coming.front().is_some_and(|index| *index < frame.next) {
            frame.coming.pop_front();
        }
        frame.handed_in = frame.handed_in.max(frame.next);
        while frame.handed_in < frame.listing.len() && frame.coming.len() < WINDOW {
            let index = frame.handed_in;
            frame.handed_in += 1;
            if frame.listing.kind(index) == FileType::Directory
                && let (Some(holder), Ok(name)) = (&frame.fd, frame.listing.name(index).to_str())
                && let Ok(path) = RelPath::child_of(frame.dir.as_ref(), name)
                && !frame.chain.is_ignored(path.as_str(), true)
            {
                self.lock().waiting.insert(path, Arc::clone(holder));
                self.changed.notify_all();
                frame.coming.push_back(index);
            }
        }
    }

    /// What was seen of a directory, if anybody has begun to look at it. Looks
    /// at others for as long as somebody does.
    pub(super) fn take(&self, path: &RelPath) -> Option<Result<Seen>> {
        let mut queue = self.lock();
        queue.pass(path);
        while queue.running.contains(path) {
            if let Some((path, holder)) = queue.next() {
                drop(queue);
                self.look(path, &holder);
                queue = self.lock();
            } else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
        queue.pass(path);
        let seen = queue.seen.remove(path)?;
        queue.names -= names_in(&seen);
        drop(queue);
        self.changed.notify_all();
        Some(seen)
    }

    fn run(&self) {
        let mut queue = self.lock();
        while !queue.closed {
            if let Some((path, holder)) = queue.next() {
                drop(queue);
                self.look(path, &holder);
                queue = self.lock();
            } else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn look(&self, path: RelPath, holder: &OwnedFd) {
        // Even if looking panics, the walk does not wait for it.
        let mut turn = Turn { ahead: self, path, seen: None };
        turn.seen = Some(open(holder.as_fd(), turn.path.name()).map(look_through));
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// The next directory in path order, unless enough was seen.
    fn next(&mut self) -> Option<(RelPath, Arc<OwnedFd>)> {
        if self.seen.len() + self.running.len() >= MOST_DIRECTORIES || self.names >= MANY_NAMES {
            return None;
        }
        let (path, holder) = self.waiting.pop_first()?;
        self.running.insert(path.clone());
        Some((path, holder))
    }

    /// The walk has come to a path: nobody is to begin with it, and what comes
    /// before it is not asked for any more.
    fn pass(&mut self, path: &RelPath) {
        while self.waiting.first_key_value().is_some_and(|(first, _)| first <= path) {
            self.waiting.pop_first();
        }
        while self.seen.first_key_value().is_some_and(|(first, _)| first < path) {
            let gone = self.seen.pop_first();
            self.names -= gone.map_or(0, |(_, seen)| names_in(&seen));
        }
    }
}

fn names_in(seen: &Result<Seen>) -> usize {
    seen.as_ref().map_or(0, |seen| seen.looks.len())
}

/// One directory that is being looked at.
struct Turn<'a> {
    ahead: &'a Ahead,
    path: RelPath,
    seen: Option<Result<Seen>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.ahead.lock();
        queue.running.remove(&self.path);
        if let Some(seen) = self.seen.take() {
            queue.names += names_in(&seen);
            queue.seen.insert(self.path.clone(), seen);
        }
        drop(queue);
        self.ahead.changed.notify_all();
    }
}

fn look_through(mut seen: Seen) -> Seen {
    let names = 0..seen.listing.len().min(NAMES_EACH);
    seen.looks = names.map(|index| look_at(seen.fd.as_fd(), seen.listing.name(index))).collect();
    seen
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    /// I14
    #[test]
    fn what_is_seen_ahead_is_bounded_and_forgotten_once_the_walk_is_past_it() {
        let tree = tempfile::tempdir().unwrap();
        let root: Arc<OwnedFd> = Arc::new(File::open(tree.path()).unwrap().into());
        let ahead = Ahead::default();
        for number in 0..100 {
            let name = format!("{number:03}");
            fs::create_dir(tree.path().join(&name)).unwrap();
            fs::write(tree.path().join(&name).join("file"), "").unwrap();
            ahead.lock().waiting.insert(path(&name), Arc::clone(&root));
        }
        let mut queue = ahead.lock();
        while let Some((path, holder)) = queue.next() {
            drop(queue);
            ahead.look(path, &holder);
            queue = ahead.lock();
        }
        assert_eq!((queue.seen.len(), queue.names), (MOST_DIRECTORIES, MOST_DIRECTORIES));
        drop(queue);
        let seen = ahead.take(&path("003")).unwrap().unwrap();
        assert_eq!((seen.listing.len(), seen.looks.len()), (1, 1));
        assert!(ahead.take(&path("002")).is_none(), "the walk has passed it");
        assert!(ahead.take(&path("070")).is_none(), "nobody has begun to look at it");
        let queue = ahead.lock();
        assert_eq!((queue.seen.len(), queue.names), (0, 0));
        assert_eq!(queue.waiting.first_key_value().unwrap().0, &path("071"));
    }
}
