//! A look at the disk, in path order.
//!
//! Decides what was seen and, as carefully, what was not: only a name that is
//! missing from a directory that was listed whole, below a verified root, is
//! absent. Everything that could not be looked at is reported as unknown. File
//! contents are not read here; whether one needs reading is decided by
//! comparing its `stat`.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use driftless_core::path::ParsePathError;
use driftless_core::{Observed, ProblemCode, RelPath, ScanBatch, Stat};
use rustix::fs::{FileType, fstat, readlinkat};
use rustix::io::Errno;

use crate::folding::is_exact;
use crate::ignore::{Chain, IGNORE_FILE, Ignore, with_ancestors};
use crate::listing::Listing;
use crate::problem::{problem, unreadable};
use crate::root::{Root, RootError};
use crate::stat::{kind_of, stat_of};

mod absence;
mod ahead;

pub use absence::{Absence, confirm_absent};
use ahead::{Ahead, Look, Seen};

/// The most entries that one batch finds.
pub const BATCH_ENTRIES: usize = 4096;

/// From this depth on, directories are opened again rather than held open.
const HELD_OPEN: usize = 64;

/// What part of a folder to look at.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Scope {
    /// Where; `None` is the root.
    pub path: Option<RelPath>,
    /// Whether to look below the path too. The root is always looked at with
    /// all that is below it.
    pub recursive: bool,
}

/// Looks at `scopes` and hands out what is there, batch after batch.
///
/// The batches of a scope cover it without a gap. Where a scope's path is gone
/// together with directories that led to it, the batch is about the outermost
/// of those. The walk ends early, with what was handed out still true, once
/// `stop` is set.
///
/// # Errors
///
/// The root is not (or no longer) the folder's. What was handed out before is
/// then not to be relied on.
pub fn scan(
    root: &Root,
    scopes: &[Scope],
    rules: &Ignore,
    stop: &AtomicBool,
    emit: &mut dyn FnMut(ScanBatch),
) -> Result<(), RootError> {
    root.verify()?;
    let ahead = Ahead::default();
    std::thread::scope(|threads| {
        let _closing = ahead.closing();
        let is_full = scopes.iter().any(|scope| scope.path.is_none());
        let (batch, ahead) = (ScanBatch::default(), &ahead);
        let is_looking_ahead = is_full && ahead.start(threads);
        let mut walk =
            Walk { root, rules, stop, emit, ahead, is_looking_ahead, batch, parent: None };
        for scope in scopes {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match &scope.path {
                None => walk.whole()?,
                Some(path) => walk.below(path, scope.recursive)?,
            }
        }
        root.verify()
    })
}

struct Walk<'a> {
    root: &'a Root,
    rules: &'a Ignore,
    stop: &'a AtomicBool,
    emit: &'a mut dyn FnMut(ScanBatch),
    ahead: &'a Ahead,
    is_looking_ahead: bool,
    batch: ScanBatch,
    /// The directory that held the last scope, since scopes come in path order.
    parent: Option<(Option<RelPath>, Arc<OwnedFd>, Chain)>,
}

/// A directory that is being walked through.
struct Frame {
    dir: Option<RelPath>,
    fd: Option<Arc<OwnedFd>>,
    listing: Listing,
    /// What the first of the names lead to, where somebody looked ahead.
    looks: Vec<rustix::io::Result<Look>>,
    next: usize,
    chain: Chain,
    /// Up to which name directories were handed in to be seen ahead.
    handed_in: usize,
    /// Which of those are still to come.
    coming: VecDeque<usize>,
}

impl Walk<'_> {
    fn whole(&mut self) -> Result<(), RootError> {
        self.begin(None);
        let fd = self.root.open_dir(None)?;
        let listing = Listing::of(&fd)?;
        let frame = self.frame(None, (fd, listing, Vec::new()), &Chain::default());
        self.walk(frame)
    }

    fn below(&mut self, path: &RelPath, recursive: bool) -> Result<(), RootError> {
        let Some((fd, chain)) = self.parent_of(path)? else { return Ok(()) };
        self.begin(Some(path));
        let stat = match self.exact(&fd, path.name()) {
            Ok(raw) if raw.st_dev == self.root.device() => Some(stat_of(&raw)),
            Ok(_) => None,
            Err(Errno::NOENT) => {
                if chain.may_ignore(path.as_str()) {
                    self.batch.ignored.push(path.clone());
                }
                return self.finish();
            }
            Err(_) => None,
        };
        let is_dir = stat.is_some_and(|stat| kind_of(&stat) == FileType::Directory);
        if let (true, false, Some(stat)) = (is_dir, recursive, stat) {
            if chain.is_ignored(path.as_str(), true) {
                self.batch.ignored.push(path.clone());
                return self.finish();
            }
            self.batch.found.push((path.clone(), Observed::Directory(stat)));
            self.batch.upto = Some(path.clone());
            return self.emit_batch();
        }
        let name = std::ffi::CString::new(path.name()).unwrap_or_default();
        let look = ahead::look_at(fd.as_fd(), &name);
        match self.entry((fd.as_fd(), &name), look, path.clone(), &chain)? {
            Some(frame) => self.walk(frame),
            None => self.finish(),
        }
    }

    /// `lstat` of a name; one that only a twin answers to is not there.
    fn exact(&self, fd: &OwnedFd, name: &str) -> rustix::io::Result<rustix::fs::Stat> {
        let raw = crate::beneath::lstat(fd, name)?;
        if !is_exact(self.root, fd, name)? {
            return Err(Errno::NOENT);
        }
        Ok(raw)
    }

    /// Opens the directory that holds `path`; where it is gone, or is no
    /// directory, or is ignored, reports that instead.
    fn parent_of(&mut self, path: &RelPath) -> Result<Option<(Arc<OwnedFd>, Chain)>, RootError> {
        let parent = path.parent();
        if let Some((held, fd, chain)) = &self.parent
            && *held == parent
        {
            return Ok(Some((fd.clone(), chain.clone())));
        }
        match self.root.open_dir(parent.as_ref()) {
            Ok(fd) => match self.rules.chain_of(parent.as_ref()) {
                Ok(chain) => {
                    self.parent = Some((parent, fd.clone(), chain.clone()));
                    Ok(Some((fd, chain)))
                }
                Err(ignored) => {
                    self.begin(Some(&ignored));
                    self.batch.ignored.push(ignored);
                    self.finish().map(|()| None)
                }
            },
            Err(errno) => self.blocking_ancestor(path, errno).map(|()| None),
        }
    }

    /// Reports the outermost ancestor of `path` that cannot be opened.
    fn blocking_ancestor(&mut self, path: &RelPath, errno: Errno) -> Result<(), RootError> {
        for ancestor in path.parent().iter().flat_map(with_ancestors) {
            if self.root.open_dir(Some(&ancestor)).is_err() {
                // It is absent, a file, a symlink, or closed to us: looked at
                // on its own, it tells which, and covers all below it.
                return self.below(&ancestor, true);
            }
        }
        self.begin(Some(path));
        self.unknown(path.clone(), errno);
        self.finish()
    }

    fn walk(&mut self, first: Frame) -> Result<(), RootError> {
        let mut stack = vec![first];
        while let Some(frame) = stack.last_mut() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if frame.next == frame.listing.len() {
                stack.pop();
                continue;
            }
            let index = frame.next;
            frame.next += 1;
            self.ahead.hand_in_from(frame);
            if let Some(child) = self.child(frame, index)? {
                if stack.len() >= HELD_OPEN
                    && let Some(frame) = stack.last_mut()
                {
                    frame.fd = None;
                }
                stack.push(child);
            }
        }
        self.finish()
    }

    /// Looks at one name of a listed directory; a directory is to be walked next.
    fn child(&mut self, frame: &mut Frame, index: usize) -> Result<Option<Frame>, RootError> {
        let name = frame.listing.name(index);
        let Ok(text) = name.to_str() else {
            let shown = match &frame.dir {
                Some(dir) => format!("{dir}/{}", name.to_string_lossy()),
                None => name.to_string_lossy().into_owned(),
            };
            self.batch.problems.push(problem(
                &shown,
                ProblemCode::NameNotUtf8,
                "the name is not UTF-8; rename it to have it synced",
            ));
            return Ok(None);
        };
        let path = match RelPath::child_of(frame.dir.as_ref(), text) {
            Ok(path) => path,
            Err(ParsePathError::Private) => return Ok(None),
            Err(error) => {
                let shown = frame.dir.as_ref().map_or(text, RelPath::as_str);
                let message = format!("something in it is not synced: {error}");
                self.batch.problems.push(problem(shown, ProblemCode::NameTooLong, message));
                return Ok(None);
            }
        };
        let fd = match &frame.fd {
            Some(fd) => fd.clone(),
            None => match self.root.open_dir(frame.dir.as_ref()) {
                Ok(fd) => frame.fd.insert(fd).clone(),
                Err(errno) => {
                    self.unknown(path, errno);
                    return Ok(None);
                }
            },
        };
        let name = frame.listing.name(index);
        let seen = frame.looks.get(index).copied();
        let look = seen.unwrap_or_else(|| ahead::look_at(fd.as_fd(), name));
        self.entry((fd.as_fd(), name), look, path, &frame.chain)
    }

    /// Takes up what a look at `name` in `dir` has shown; a directory is
    /// listed, to be walked next.
    fn entry(
        &mut self,
        (dir, name): (BorrowedFd<'_>, &CStr),
        look: rustix::io::Result<Look>,
        path: RelPath,
        chain: &Chain,
    ) -> Result<Option<Frame>, RootError> {
        let Look { stat, device } = match look {
            Ok(look) => look,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => {
                self.unknown(path, errno);
                return Ok(None);
            }
        };
        let kind = kind_of(&stat);
        if chain.is_ignored(path.as_str(), kind == FileType::Directory) {
            self.batch.ignored.push(path);
            return Ok(None);
        }
        if device != self.root.device() {
            self.unknown(path, Errno::XDEV);
            return Ok(None);
        }
        match kind {
            FileType::RegularFile => self.found(path, Observed::File(stat))?,
            FileType::Directory => return self.directory((dir, name), path, stat, chain),
            FileType::Symlink => self.symlink((dir, name), path, stat)?,
            _ => {
                self.batch.problems.push(problem(
                    path.as_str(),
                    ProblemCode::SpecialFile,
                    "fifos, sockets and devices are not synced",
                ));
                self.batch.unknown.push(path);
            }
        }
        Ok(None)
    }

    fn directory(
        &mut self,
        (dir, name): (BorrowedFd<'_>, &CStr),
        path: RelPath,
        stat: Stat,
        chain: &Chain,
    ) -> Result<Option<Frame>, RootError> {
        // Another one may have come into its place since it was seen ahead.
        let is_it = |seen: &Seen| fstat(&seen.fd).is_ok_and(|raw| raw.st_ino == stat.inode);
        let seen = self.ahead.take(&path).and_then(Result::ok).filter(is_it);
        // A name from the kernel that was UTF-8 before is so still.
        let anew = || ahead::open(dir, name.to_str().unwrap_or_default());
        match seen.map_or_else(anew, Ok) {
            Ok(Seen { fd, listing, looks }) => {
                let frame = self.frame(Some(path.clone()), (Arc::new(fd), listing, looks), chain);
                self.found(path, Observed::Directory(stat))?;
                Ok(Some(frame))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => {
                self.unknown(path, errno);
                Ok(None)
            }
        }
    }

    fn symlink(
        &mut self,
        (dir, name): (BorrowedFd<'_>, &CStr),
        path: RelPath,
        stat: Stat,
    ) -> Result<(), RootError> {
        match readlinkat(dir, name, Vec::new()) {
            Ok(target) => match target.into_string() {
                Ok(target) => self.found(path, Observed::Symlink(stat, target.into())),
                Err(_) => {
                    self.batch.problems.push(problem(
                        path.as_str(),
                        ProblemCode::NameNotUtf8,
                        "the symlink's target is not UTF-8; it is left alone",
                    ));
                    self.batch.unknown.push(path);
                    Ok(())
                }
            },
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => {
                self.unknown(path, errno);
                Ok(())
            }
        }
    }

    fn frame(
        &self,
        dir: Option<RelPath>,
        (fd, listing, looks): (Arc<OwnedFd>, Listing, Vec<rustix::io::Result<Look>>),
        parent: &Chain,
    ) -> Frame {
        let lists_rules = listing.contains(IGNORE_FILE);
        let chain = self.rules.enter_open(dir.as_ref(), parent, fd.as_fd(), lists_rules);
        let handed_in = if self.is_looking_ahead { 0 } else { listing.len() };
        let (fd, next, coming) = (Some(fd), 0, VecDeque::new());
        Frame { dir, fd, listing, looks, next, chain, handed_in, coming }
    }

    fn begin(&mut self, within: Option<&RelPath>) {
        self.batch = ScanBatch { within: within.cloned(), ..ScanBatch::default() };
    }

    fn found(&mut self, path: RelPath, observed: Observed) -> Result<(), RootError> {
        self.batch.found.push((path, observed));
        // A stretch only ever ends with something found: were its last path an
        // ignored or unknown directory, what lies below that would be taken
        // for absent in the next stretch.
        if self.batch.found.len() >= BATCH_ENTRIES {
            let last = self.batch.found.last().map(|(path, _)| path.clone());
            let next = ScanBatch {
                within: self.batch.within.clone(),
                after: last.clone(),
                ..ScanBatch::default()
            };
            self.batch.upto = last;
            self.emit_batch()?;
            self.batch = next;
        }
        Ok(())
    }

    fn unknown(&mut self, path: RelPath, errno: Errno) {
        self.batch.problems.push(unreadable(path.as_str(), errno));
        self.batch.unknown.push(path);
    }

    fn finish(&mut self) -> Result<(), RootError> {
        self.batch.upto = None;
        self.emit_batch()
    }

    fn emit_batch(&mut self) -> Result<(), RootError> {
        self.root.verify()?;
        (self.emit)(std::mem::take(&mut self.batch));
        Ok(())
    }
}
