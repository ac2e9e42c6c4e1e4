//! Finding versions without looking at each.
//!
//! Names tell nearly all there is to know of versions, so that only those that
//! are found are looked at themselves. How much is read and kept is bounded,
//! however much history there is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use driftless_core::RelPath;
use rustix::fs::FileType;
use rustix::io::{Errno, Result};

use super::{Version, name, version};
use crate::beneath::{DIRECTORY, lstat, open_beneath};
use crate::listing::Listing;
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

/// Where a version stands in a list of all, newest first: when it was
/// displaced, in milliseconds since 1970, and its id.
pub type Standing = (Reverse<u64>, String);

/// What is looked for.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// Whether a version may be among what is found, by its standing and path and
    /// the first group of the device that displaced it.
    pub fits: &'a dyn Fn(&Standing, &RelPath, &str) -> bool,
    /// Only versions of this path and of what was below it.
    pub within: Option<&'a RelPath>,
    /// How many are wanted at the most.
    pub limit: usize,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The newest of what fits, newest first.
    pub versions: Vec<Version>,
    /// Whether there are more names than were to be read.
    pub cut_short: bool,
}

/// Finds the newest versions that fit. Takes what it reads off `names`, and
/// stops where there are none left.
pub fn search(root: &Root, query: Query<'_>, names: &mut u64) -> std::io::Result<Found> {
    let mut found = Found::default();
    let mut newest: BinaryHeap<Standing> = BinaryHeap::new();
    let mut dirs: Vec<Option<RelPath>> = vec![query.within.cloned()];
    if let Some(path) = query.within {
        let is_it = |standing: &Standing, other: &RelPath, device: &str| {
            other == path && (query.fits)(standing, other, device)
        };
        let beside = Query { fits: &is_it, ..query };
        // What is in the directories beside it is looked at below, as far as it is wanted.
        drop(look(root, path.parent(), beside, names, &mut newest)?);
    }
    while let Some(dir) = dirs.pop() {
        if *names == 0 {
            found.cut_short = true;
            break;
        }
        dirs.extend(look(root, dir, query, names, &mut newest)?.into_iter().map(Some));
    }
    for (_, id) in newest.into_sorted_vec() {
        found.versions.extend(read(root, &id)?);
    }
    Ok(found)
}

/// Looks at the names in one directory and returns its subdirectories.
fn look(
    root: &Root,
    dir: Option<RelPath>,
    query: Query<'_>,
    names: &mut u64,
    newest: &mut BinaryHeap<Standing>,
) -> Result<Vec<RelPath>> {
    let path = dir.as_ref().map_or(".", RelPath::as_str);
    let fd = match open_beneath(root.history(), path, DIRECTORY) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
        fd => fd?,
    };
    let listing = Listing::of(&fd)?;
    *names = names.saturating_sub(listing.len().max(1) as u64);
    let mut dirs = Vec::new();
    for index in 0..listing.len() {
        let Ok(text) = listing.name(index).to_str() else { continue };
        let Ok(id) = RelPath::child_of(dir.as_ref(), text) else { continue };
        let kind = match listing.kind(index) {
            FileType::Unknown => match lstat(&fd, text) {
                Err(Errno::NOENT) => continue,
                raw => kind_of(&stat_of(&raw?)),
            },
            kind => kind,
        };
        if kind == FileType::Directory {
            dirs.push(id);
            continue;
        }
        let Some(parsed) = name::parse(text) else { continue };
        let Ok(path) = RelPath::child_of(dir.as_ref(), &parsed.original) else { continue };
        let standing = (Reverse(parsed.displaced_ms), id.as_str().to_owned());
        let is_newer =
            newest.len() < query.limit || newest.peek().is_some_and(|last| standing < *last);
        if is_newer && (query.fits)(&standing, &path, &parsed.device_short) {
            newest.push(standing);
            if newest.len() > query.limit {
                newest.pop();
            }
        }
    }
    Ok(dirs)
}

/// The version itself, unless it is gone by now.
fn read(root: &Root, id: &str) -> Result<Option<Version>> {
    let (dir, text) = match id.rsplit_once('/') {
        Some((dir, text)) => (RelPath::parse(dir).ok(), text),
        None => (None, id),
    };
    let path = dir.as_ref().map_or(".", RelPath::as_str);
    let fd = match open_beneath(root.history(), path, DIRECTORY) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        fd => fd?,
    };
    let stat = match lstat(&fd, text) {
        Err(Errno::NOENT) => return Ok(None),
        raw => stat_of(&raw?),
    };
    let Ok(id) = RelPath::parse(id) else { return Ok(None) };
    Ok(version(&fd, dir.as_ref(), text, id, &stat))
}
