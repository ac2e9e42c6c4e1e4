//! The store of heads: contents of open conflicts that the tree does not show.
//!
//! A file lies at `.driftless/heads/<content>`. It comes here by rename, from
//! the staging area or as what a step displaced, and leaves for history: it is
//! deleted only when the tree is proved to hold the same bytes.

use std::os::fd::{AsFd, OwnedFd};

use driftless_core::{BlockList, ContentId, RelPath, Stat};
use rustix::fs::{AtFlags, FileType, RenameFlags};
use rustix::io::{Errno, Result};

use crate::beneath::{FILE, lstat, open_beneath};
use crate::history::{self, Label};
use crate::listing::Listing;
use crate::root::Root;
use crate::staging::{LocalPlace, LocalSource, StageError, StagedFile};
use crate::stat::{kind_of, stat_of};

const COMPARE_BYTES: usize = 256 << 10;

/// What became of a head that is not needed any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Released {
    /// It is in history.
    ToHistory,
    /// The tree holds the same bytes; this copy is gone.
    Deleted,
    /// It was not held.
    NotHeld,
}

/// Moves staged content into the store, durably, unless it is there already.
///
/// `NotFound` if it is neither staged nor there.
pub fn keep(root: &Root, content: &ContentId) -> std::io::Result<()> {
    let name = content.to_string();
    let fd = match crate::staging::open_staging(root, &name, rustix::fs::OFlags::RDONLY) {
        Err(Errno::NOENT) if holds(root, content) => return Ok(()),
        opened => opened?,
    };
    if let Err(errno) = rustix::fs::fsync(&fd) {
        // What a failed sync left on the disk is unknown; it is fetched again (D3).
        let _ = rustix::fs::unlinkat(root.staging(), &name, AtFlags::empty());
        return Err(errno.into());
    }
    if holds(root, content) {
        rustix::fs::unlinkat(root.staging(), &name, AtFlags::empty())?;
    } else if root.can_swap() {
        let (from, to) = (root.staging(), root.heads());
        rustix::fs::renameat_with(from, &name, to, &name, RenameFlags::NOREPLACE)?;
    } else {
        rustix::fs::renameat(root.staging(), &name, root.heads(), &name)?;
    }
    rustix::fs::fsync(root.heads())?;
    rustix::fs::fsync(root.staging())?;
    Ok(())
}

/// Whether the store holds `content`.
pub fn holds(root: &Root, content: &ContentId) -> bool {
    lstat(root.heads(), &content.to_string())
        .is_ok_and(|raw| kind_of(&stat_of(&raw)) == FileType::RegularFile)
}

/// The contents that the store holds, in order.
pub fn list(root: &Root) -> std::io::Result<Vec<ContentId>> {
    let listing = Listing::of(root.heads())?;
    let names = (0..listing.len()).filter_map(|index| listing.name(index).to_str().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// Lets go of a head: to history, under `label`, or for good if the file at
/// `twin` is as given and holds the same bytes.
pub fn release(
    root: &Root,
    content: &ContentId,
    label: &Label<'_>,
    twin: Option<(&RelPath, Stat)>,
) -> std::io::Result<Released> {
    let name = content.to_string();
    if !holds(root, content) {
        return Ok(Released::NotHeld);
    }
    let released = if let Some((path, stat)) = twin
        && is_same(root, &name, path, &stat).unwrap_or(false)
    {
        rustix::fs::unlinkat(root.heads(), &name, AtFlags::empty())?;
        Released::Deleted
    } else {
        let place = history::displace(root, root.heads(), &name, label)?;
        rustix::fs::fsync(&*place.dir)?;
        Released::ToHistory
    };
    rustix::fs::fsync(root.heads())?;
    Ok(released)
}

/// Stages a copy of a head, verified block by block. The head stays.
pub fn stage(
    root: &Root,
    content: ContentId,
    blocks: &BlockList,
) -> std::result::Result<(), StageError> {
    if crate::staging::staged(root, &content) {
        return Ok(());
    }
    let staged = StagedFile::begin(root, content, blocks.clone())?;
    staged.copy_local(&[LocalSource::whole(LocalPlace::Head(content), blocks)])?;
    staged.finish()
}

/// Whether a head and a file of the tree have the same bytes.
fn is_same(root: &Root, name: &str, path: &RelPath, stat: &Stat) -> Result<bool> {
    let head = open_beneath(root.heads(), name, FILE)?;
    let file = root.open_file(path)?;
    if stat_of(&rustix::fs::fstat(&file)?) != *stat
        || stat_of(&rustix::fs::fstat(&head)?).size_bytes != stat.size_bytes
    {
        return Ok(false);
    }
    let (mut ours, mut theirs) = (vec![0; COMPARE_BYTES], vec![0; COMPARE_BYTES]);
    let mut at = 0;
    while at < stat.size_bytes {
        let read = fill(&head, &mut ours, at)?;
        if read == 0 || fill(&file, &mut theirs, at)? != read || ours[..read] != theirs[..read] {
            return Ok(false);
        }
        at += read as u64;
    }
    Ok(stat_of(&rustix::fs::fstat(&file)?) == *stat && root.lstat(path)? == *stat)
}

fn fill(fd: &OwnedFd, bytes: &mut [u8], at: u64) -> Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pread(fd.as_fd(), &mut bytes[done..], at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}
