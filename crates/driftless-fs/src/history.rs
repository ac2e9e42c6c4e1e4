//! What sync displaced, as plain files that any file manager can open.
//!
//! A version lies below `.driftless/history` in the directory that it was in,
//! with the time, reason and device behind its name ([`name`]). It comes here
//! by rename, so that it is in the tree or in history at every moment (P13).
//! Only [`expire`] deletes versions; files that are not named like one are
//! left alone.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use driftless_core::record::MODE_MASK;
use driftless_core::{RelPath, Stat};
use rustix::fs::{AtFlags, FileType, Mode, RenameFlags, readlinkat};
use rustix::io::{Errno, Result};

use crate::beneath::{DIRECTORY, lstat, open_beneath};
use crate::hash::{Hashed, hash_open};
use crate::listing::Listing;
use crate::root::Root;
use crate::staging::{LocalPlace, LocalSource, StageError, StagedFile};
use crate::stat::{kind_of, stat_of};

pub mod name;
mod search;

pub use name::{Label, VersionReason};
pub use search::{Found, Query, Standing, search};

/// Of all versions, an [`expire`] run takes at most one in so many for its age.
const AGE_SHARE: usize = 10;

/// A file or symlink in history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Names it: its path below the history directory.
    pub id: String,
    /// The path that it had. A name that was shortened to fit stays short here.
    pub path: RelPath,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its permission bits.
    pub mode: u16,
    /// When it was displaced, in milliseconds since 1970, to the second.
    pub displaced_ms: u64,
    /// When its inode last changed, in nanoseconds since 1970. As it comes here by rename, this
    /// tells in which order versions came that were displaced within one second.
    pub ctime_ns: i64,
    /// Why it was displaced.
    pub reason: VersionReason,
    /// The first group of the device whose change displaced it.
    pub device_short: String,
    /// Where it points, if it is a symlink.
    pub target: Option<Box<str>>,
}

/// What an [`expire`] run deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Expired {
    /// Versions.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// Where a displaced file went.
pub(crate) struct Place {
    pub(crate) dir: Arc<OwnedFd>,
    pub(crate) name: String,
}

/// Lists versions of `within` and of what was below it, by path, newest first.
pub fn list(root: &Root, within: Option<&RelPath>) -> std::io::Result<Vec<Version>> {
    let mut versions = Vec::new();
    match within {
        None => list_below(root, None, &mut versions)?,
        Some(path) => {
            list_dir(root, path.parent(), Some(path), &mut versions)?;
            list_below(root, Some(path.clone()), &mut versions)?;
        }
    }
    versions.sort_by(|a, b| {
        a.path.cmp(&b.path).then(b.displaced_ms.cmp(&a.displaced_ms)).then(a.id.cmp(&b.id))
    });
    Ok(versions)
}

fn list_below(root: &Root, dir: Option<RelPath>, versions: &mut Vec<Version>) -> Result<()> {
    let mut dirs = vec![dir];
    while let Some(dir) = dirs.pop() {
        dirs.extend(list_dir(root, dir, None, versions)?.into_iter().map(Some));
    }
    Ok(())
}

/// Adds the versions in one directory and returns its subdirectories.
pub(crate) fn list_dir(
    root: &Root,
    dir: Option<RelPath>,
    only: Option<&RelPath>,
    versions: &mut Vec<Version>,
) -> Result<Vec<RelPath>> {
    let path = dir.as_ref().map_or(".", RelPath::as_str);
    let fd = match open_beneath(root.history(), path, DIRECTORY) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
        fd => fd?,
    };
    let listing = Listing::of(&fd)?;
    let mut dirs = Vec::new();
    for index in 0..listing.len() {
        let Ok(text) = listing.name(index).to_str() else { continue };
        let Ok(id) = RelPath::child_of(dir.as_ref(), text) else { continue };
        let stat = match lstat(&fd, text) {
            Err(Errno::NOENT) => continue,
            raw => stat_of(&raw?),
        };
        if kind_of(&stat) == FileType::Directory {
            dirs.push(id);
        } else if let Some(version) = version(&fd, dir.as_ref(), text, id, &stat)
            && only.is_none_or(|only| *only == version.path)
        {
            versions.push(version);
        }
    }
    Ok(dirs)
}

fn version(
    fd: &OwnedFd,
    dir: Option<&RelPath>,
    text: &str,
    id: RelPath,
    stat: &Stat,
) -> Option<Version> {
    let parsed = name::parse(text)?;
    let target = match kind_of(stat) {
        FileType::Symlink => {
            Some(readlinkat(fd, text, Vec::new()).ok()?.into_string().ok()?.into_boxed_str())
        }
        FileType::RegularFile => None,
        _ => return None,
    };
    Some(Version {
        id: id.as_str().to_owned(),
        path: RelPath::child_of(dir, &parsed.original).ok()?,
        size_bytes: stat.size_bytes,
        mtime_ns: stat.mtime_ns,
        mode: (stat.mode as u16) & MODE_MASK,
        displaced_ms: parsed.displaced_ms,
        ctime_ns: stat.ctime_ns,
        reason: parsed.reason,
        device_short: parsed.device_short,
        target,
    })
}

/// Opens a version for reading.
pub fn open_version(root: &Root, id: &str) -> std::result::Result<File, StageError> {
    crate::staging::open_place(root, &LocalPlace::History(id.to_owned())).map(File::from)
}

/// Stages a copy of a version, so that it can be applied. The version stays.
pub fn restore_to_staging(root: &Root, id: &str) -> std::result::Result<Hashed, StageError> {
    let place = LocalPlace::History(id.to_owned());
    let fd = crate::staging::open_place(root, &place)?;
    let stat = stat_of(&rustix::fs::fstat(&fd)?);
    if kind_of(&stat) != FileType::RegularFile {
        return Err(StageError::SourceChanged);
    }
    let hashed = hash_open(&fd, &stat, None)?;
    if !crate::staging::staged(root, &hashed.content) {
        let staged = StagedFile::begin(root, hashed.content, hashed.blocks.clone())?;
        staged.copy_local(&[LocalSource::whole(place, &hashed.blocks)])?;
        staged.finish()?;
    }
    Ok(hashed)
}

/// Deletes old versions, oldest first: as many as bring history below
/// `max_bytes`, and of those older than `max_age_ms` at most a tenth of all.
///
/// The tenth is what keeps a clock that jumped ahead by years from emptying
/// history in one run (N6); run hourly, true expiry keeps up all the same.
pub fn expire(
    root: &Root,
    now_ms: u64,
    max_age_ms: u64,
    max_bytes: u64,
) -> std::io::Result<Expired> {
    let mut versions = Vec::new();
    list_below(root, None, &mut versions)?;
    versions.sort_by(|a, b| a.displaced_ms.cmp(&b.displaced_ms).then_with(|| a.id.cmp(&b.id)));
    let mut total: u64 = versions.iter().map(|version| version.size_bytes).sum();
    let mut for_age = versions.len().div_ceil(AGE_SHARE);
    let mut expired = Expired::default();
    for version in &versions {
        let is_old = now_ms.saturating_sub(version.displaced_ms) > max_age_ms;
        if total <= max_bytes && !(is_old && for_age > 0) {
            break;
        }
        for_age = for_age.saturating_sub(1);
        delete(root, version)?;
        total -= version.size_bytes;
        expired.files += 1;
        expired.bytes += version.size_bytes;
    }
    Ok(expired)
}

/// Deletes a version and the directories that it leaves empty.
fn delete(root: &Root, version: &Version) -> Result<()> {
    let (dir, name) = version.id.rsplit_once('/').unwrap_or((".", &version.id));
    let fd = open_beneath(root.history(), dir, DIRECTORY)?;
    match rustix::fs::unlinkat(&fd, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    let mut empty = version.path.parent();
    while let Some(dir) = empty {
        let parent = dir.parent();
        let path = parent.as_ref().map_or(".", RelPath::as_str);
        let Ok(fd) = open_beneath(root.history(), path, DIRECTORY) else { break };
        if rustix::fs::unlinkat(&fd, dir.name(), AtFlags::REMOVEDIR).is_err() {
            break;
        }
        empty = parent;
    }
    Ok(())
}

/// Renames `name` in `from` into history.
pub(crate) fn displace(
    root: &Root,
    from: BorrowedFd<'_>,
    name: &str,
    label: &Label<'_>,
) -> Result<Place> {
    place(root, label, |dir, new| {
        if root.can_swap() {
            rustix::fs::renameat_with(from, name, dir, new, RenameFlags::NOREPLACE)
        } else if lstat(dir, new).is_ok() {
            Err(Errno::EXIST)
        } else {
            rustix::fs::renameat(from, name, dir, new)
        }
    })
}

/// Gives `name` in `from` a second name in history.
pub(crate) fn link(
    root: &Root,
    from: BorrowedFd<'_>,
    name: &str,
    label: &Label<'_>,
) -> Result<Place> {
    place(root, label, |dir, new| rustix::fs::linkat(from, name, dir, new, AtFlags::empty()))
}

/// Moves something of unknown origin into history.
pub(crate) fn rescue(root: &Root, from: BorrowedFd<'_>, name: &str) -> Result<()> {
    let path = RelPath::parse(&format!("recovered {}", &name[..name.len().min(16)]))
        .map_err(|_| Errno::INVAL)?;
    let label = Label {
        path: &path,
        reason: VersionReason::Recovered,
        device_short: "unknown",
        now_ms: now_ms(),
    };
    let place = displace(root, from, name, &label)?;
    rustix::fs::fsync(&*place.dir)
}

fn place(
    root: &Root,
    label: &Label<'_>,
    mut put: impl FnMut(BorrowedFd<'_>, &str) -> Result<()>,
) -> Result<Place> {
    let dir = match make_dirs(root, label.path.parent().as_ref()) {
        // Something in history is in the way of the directories: then the
        // version loses them, but not its bytes.
        Err(Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => make_dirs(root, None)?,
        dir => dir?,
    };
    for attempt in 0..u32::MAX {
        let name = label.file_name(attempt);
        match put(dir.as_fd(), &name) {
            Ok(()) => return Ok(Place { dir, name }),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::EXIST)
}

/// Opens a directory of history, making it durably where it is missing.
fn make_dirs(root: &Root, dir: Option<&RelPath>) -> Result<Arc<OwnedFd>> {
    let path = dir.map_or(".", RelPath::as_str);
    match open_beneath(root.history(), path, DIRECTORY) {
        Err(Errno::NOENT) => {}
        fd => return fd.map(Arc::new),
    }
    let mut fd = open_beneath(root.history(), ".", DIRECTORY)?;
    for name in dir.iter().flat_map(|dir| dir.components()) {
        match rustix::fs::mkdirat(&fd, name, Mode::RWXU) {
            Ok(()) => rustix::fs::fsync(&fd)?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        fd = open_beneath(fd.as_fd(), name, DIRECTORY)?;
    }
    Ok(Arc::new(fd))
}

/// The clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
