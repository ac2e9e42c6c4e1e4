//! What a step puts in place, made ready in the staging area and durable.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use driftless_core::{BlockList, ContentId, Outcome, Stat, Step};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::failed;
use super::parents::chmod_handle;
use crate::beneath::lstat;
use crate::durable::syncs_at_once;
use crate::passing::{Cache, read_at, write_all_at};
use crate::problem::unwritable;
use crate::root::{FILE_MODE, Root};
use crate::staging::{copy_name, open_staging, staged};
use crate::stat::{is_same_but_renamed, kind_of, stat_of, timespec_of};

const COPY_BYTES: usize = 1 << 20;

/// What a step has to put in place.
pub(super) enum Prepared {
    /// Nothing is needed.
    Nothing,
    /// This.
    Ready(Staged),
    /// It could not be made ready.
    Failed(Outcome),
}

/// A name in the staging area, complete with mode and time.
pub(super) struct Staged {
    pub(super) name: String,
    /// As it is there.
    pub(super) stat: Stat,
    /// Made for this step alone.
    pub(super) is_temporary: bool,
}

impl Staged {
    pub(super) fn new(root: &Root, name: String, is_temporary: bool) -> Result<Self> {
        let stat = stat_of(&lstat(root.staging(), &name)?);
        Ok(Self { name, stat, is_temporary })
    }

    /// Deletes it, if the name still leads to what was made.
    pub(super) fn discard(&self, root: &Root) {
        let Ok(raw) = lstat(root.staging(), &self.name) else { return };
        let flags = match kind_of(&self.stat) {
            // Never removed unless empty, whoever made it.
            FileType::Directory => AtFlags::REMOVEDIR,
            _ if is_same_but_renamed(&stat_of(&raw), &self.stat) => AtFlags::empty(),
            _ => return,
        };
        let _ = rustix::fs::unlinkat(root.staging(), &self.name, flags);
    }
}

/// Makes ready what `steps` put in place, and syncs it.
pub(super) fn prepare(root: &Root, steps: &[Step]) -> Vec<Prepared> {
    let mut uses: HashMap<ContentId, usize> = HashMap::new();
    let mut installs = 0;
    for step in steps {
        if let Step::Install { content, .. } = step {
            *uses.entry(*content).or_default() += 1;
            installs += 1;
        }
    }
    let sync_each = !syncs_at_once(root, installs);
    let mut prepared: Vec<Prepared> = steps
        .iter()
        .map(|step| match step {
            Step::Install { content, size_bytes, mode, mtime_ns, .. } => {
                let left = uses.entry(*content).or_default();
                *left = left.saturating_sub(1);
                let ready = file(root, content, *size_bytes, *left > 0)
                    .and_then(|made| complete(root, made, *mode, *mtime_ns, sync_each));
                match ready {
                    Ok(staged) => Prepared::Ready(staged),
                    Err(Errno::NOENT) => Prepared::Failed(Outcome::NotStaged),
                    Err(errno) => {
                        Prepared::Failed(Outcome::Blocked(unwritable(step.path().as_str(), errno)))
                    }
                }
            }
            Step::Symlink { target, .. } => match symlink(root, target) {
                Ok(staged) => Prepared::Ready(staged),
                Err(errno) => Prepared::Failed(failed(step.path(), errno)),
            },
            _ => Prepared::Nothing,
        })
        .collect();
    if !sync_each && let Err(errno) = rustix::fs::syncfs(root.fd()) {
        give_up(root, steps, &mut prepared, errno);
    }
    prepared
}

/// After a failed sync no one knows which bytes are on the disk: all of the
/// group is thrown away and fetched again, never synced a second time (D3).
fn give_up(root: &Root, steps: &[Step], prepared: &mut [Prepared], errno: Errno) {
    for (step, prepared) in steps.iter().zip(prepared) {
        if let Prepared::Ready(staged) = prepared {
            staged.discard(root);
            let blocked = Outcome::Blocked(unwritable(step.path().as_str(), errno));
            *prepared = Prepared::Failed(blocked);
        }
    }
}

struct Made {
    name: String,
    fd: OwnedFd,
    is_temporary: bool,
}

/// Opens the staged file, or a copy where more steps need it after this one.
fn file(root: &Root, content: &ContentId, size_bytes: u64, is_shared: bool) -> Result<Made> {
    let fresh = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    let is_empty = *content == BlockList::default().content_id();
    if is_empty && (is_shared || !staged(root, content)) {
        let name = copy_name(root, content);
        let fd = open_staging(root, &name, fresh)?;
        return Ok(Made { name, fd, is_temporary: true });
    }
    let name = content.to_string();
    let fd = match open_staging(root, &name, OFlags::RDONLY) {
        Err(Errno::ACCESS) => {
            // An earlier attempt gave it a mode that forbids reading.
            chmod_handle(open_staging(root, &name, OFlags::PATH)?, FILE_MODE)?;
            open_staging(root, &name, OFlags::RDONLY)?
        }
        fd => fd?,
    };
    let stat = stat_of(&rustix::fs::fstat(&fd)?);
    if kind_of(&stat) != FileType::RegularFile || stat.size_bytes != size_bytes {
        return Err(Errno::NOENT);
    }
    if !is_shared {
        return Ok(Made { name, fd, is_temporary: false });
    }
    let name = copy_name(root, content);
    let copy = open_staging(root, &name, fresh)?;
    match copy_whole(&fd, &copy, size_bytes) {
        Ok(()) => Ok(Made { name, fd: copy, is_temporary: true }),
        Err(errno) => {
            let _ = rustix::fs::unlinkat(root.staging(), &name, AtFlags::empty());
            Err(errno)
        }
    }
}

/// Copies a file, sharing its storage where the file system can.
fn copy_whole(from: &OwnedFd, to: &OwnedFd, size_bytes: u64) -> Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let cache = Cache::passing(size_bytes);
    let mut bytes = vec![0; COPY_BYTES.min(usize::try_from(size_bytes).unwrap_or(COPY_BYTES))];
    let mut at = 0;
    while at < size_bytes {
        let read = read_at(from, &mut bytes, at, cache)?;
        if read == 0 {
            return Err(Errno::NOENT);
        }
        write_all_at(to, &bytes[..read], at, cache)?;
        at += read as u64;
    }
    Ok(())
}

/// Gives a staged file its mode and time, and syncs it.
fn complete(root: &Root, made: Made, mode: u16, mtime_ns: i64, sync: bool) -> Result<Staged> {
    let staged = set_metadata(&made.fd, mode, mtime_ns)
        .and_then(|()| if sync { rustix::fs::fsync(&made.fd) } else { Ok(()) })
        .and_then(|()| rustix::fs::fstat(&made.fd))
        .map(|raw| stat_of(&raw));
    match staged {
        Ok(stat) => Ok(Staged { name: made.name, stat, is_temporary: made.is_temporary }),
        Err(errno) => {
            let _ = rustix::fs::unlinkat(root.staging(), &made.name, AtFlags::empty());
            Err(errno)
        }
    }
}

/// Sets mode and modification time of an open file; the access time stays.
pub(super) fn set_metadata(fd: &OwnedFd, mode: u16, mtime_ns: i64) -> Result<()> {
    rustix::fs::fchmod(fd, Mode::from_raw_mode(mode.into()))?;
    rustix::fs::futimens(fd, &times(mtime_ns))
}

pub(super) fn times(mtime_ns: i64) -> rustix::fs::Timestamps {
    rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        last_modification: timespec_of(mtime_ns),
    }
}

fn symlink(root: &Root, target: &str) -> Result<Staged> {
    let name = temporary_name(root);
    rustix::fs::symlinkat(target, root.staging(), &name)?;
    Staged::new(root, name, true)
}

/// A name for what is not a file's content.
pub(super) fn temporary_name(root: &Root) -> String {
    format!("{}.new", root.unique())
}
