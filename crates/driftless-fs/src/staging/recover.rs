//! Sorting out the staging area after a crash.
//!
//! A crash right after a swap leaves a person's file under a staging name
//! (P14). So nothing here is deleted by its name alone: sealed content is
//! hashed, and what is not what its name says goes to history.

use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::{ContentId, Level, Stat};
use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::{Errno, Result};

use super::open_staging;
use crate::beneath::{DIRECTORY, lstat, open_beneath};
use crate::hash::hash_at_level;
use crate::history;
use crate::listing::Listing;
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

/// What was done to the staging area.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// Names that stay, because their content is needed.
    pub kept: usize,
    /// Names that held only driftless's own bytes, and are gone.
    pub removed: usize,
    /// Names that held something else, which is in history now.
    pub rescued: usize,
}

/// Goes through the staging area. Only to be called while nothing is staged
/// or applied: once after opening the root, before anything else.
///
/// # Errors
///
/// The staging area or history cannot be used; what was not reached is untouched.
pub fn recover(
    root: &Root,
    is_needed: &mut dyn FnMut(ContentId) -> bool,
) -> std::io::Result<Recovered> {
    let mut recovered = Recovered::default();
    let listing = Listing::of(root.staging())?;
    for index in 0..listing.len() {
        let name = listing.name(index).to_string_lossy();
        match fate(root, &name, is_needed)? {
            Fate::Keep => recovered.kept += 1,
            Fate::Remove(flags) => {
                rustix::fs::unlinkat(root.staging(), &*name, flags)?;
                recovered.removed += 1;
            }
            Fate::Rescue => {
                history::rescue(root, root.staging(), &name)?;
                recovered.rescued += 1;
            }
        }
    }
    if recovered != Recovered::default() {
        rustix::fs::fsync(root.staging())?;
    }
    Ok(recovered)
}

/// Throws away what is staged of `content`, whole or in part. Something else
/// that has its name goes to history.
///
/// # Errors
///
/// The staging area or history cannot be used.
pub fn discard(root: &Root, content: ContentId) -> std::io::Result<()> {
    for name in [content.to_string(), format!("{content}.part")] {
        match fate(root, &name, &mut |_| false) {
            Err(Errno::NOENT) | Ok(Fate::Keep) => {}
            Err(errno) => return Err(errno.into()),
            Ok(Fate::Remove(flags)) => rustix::fs::unlinkat(root.staging(), &name, flags)?,
            Ok(Fate::Rescue) => history::rescue(root, root.staging(), &name)?,
        }
    }
    Ok(())
}

enum Fate {
    Keep,
    Remove(AtFlags),
    Rescue,
}

fn fate(root: &Root, name: &str, is_needed: &mut dyn FnMut(ContentId) -> bool) -> Result<Fate> {
    let stat = stat_of(&lstat(root.staging(), name)?);
    match kind_of(&stat) {
        FileType::Directory => {
            let dir = open_beneath(root.staging(), name, DIRECTORY)?;
            let is_empty = Listing::of(dir)?.len() == 0;
            return Ok(if is_empty { Fate::Remove(AtFlags::REMOVEDIR) } else { Fate::Rescue });
        }
        FileType::RegularFile => {}
        _ => return Ok(Fate::Rescue),
    }
    // Only whole content is ever swapped into the tree, so that no one else's
    // bytes come to have the name of a part.
    if let Some(content) = name.strip_suffix(".part").and_then(|name| name.parse().ok()) {
        return Ok(if is_needed(content) { Fate::Keep } else { Fate::Remove(AtFlags::empty()) });
    }
    // A copy of content that several paths get has a number behind its name.
    let (base, is_copy) = match name.split_once('.') {
        Some((base, _)) => (base, true),
        None => (name, false),
    };
    let Ok(content) = base.parse::<ContentId>() else { return Ok(Fate::Rescue) };
    if !is_content(root, name, &stat, &content) {
        return Ok(Fate::Rescue);
    }
    let keep = !is_copy && is_needed(content);
    Ok(if keep { Fate::Keep } else { Fate::Remove(AtFlags::empty()) })
}

/// Whether a staged file holds `content`. Its level is not known, so the likely
/// ones are tried first.
fn is_content(root: &Root, name: &str, stat: &Stat, content: &ContentId) -> bool {
    let Ok(fd) = open_staging(root, name, OFlags::RDONLY) else { return false };
    let ideal = Level::for_size(stat.size_bytes, None);
    let mut levels: Vec<_> = (0..=Level::MAX.number()).filter_map(Level::new).collect();
    levels.sort_by_key(|level| level.number().abs_diff(ideal.number()));
    if stat.size_bytes <= SINGLE_BLOCK_BYTES {
        levels.truncate(1);
    }
    levels
        .into_iter()
        .any(|level| hash_at_level(&fd, stat, level).is_ok_and(|hashed| hashed.content == *content))
}
