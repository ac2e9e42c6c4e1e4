//! How much room a folder's own directory takes, and what for.
//!
//! Reads names and sizes, changes nothing. Versions are summed up directory by
//! directory, so that what is kept of them in memory is bounded by the largest
//! directory, however much history there is.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use driftless_core::RelPath;
use rustix::io::{Errno, Result};

use crate::beneath::lstat;
use crate::history::{Version, list_dir};
use crate::listing::Listing;
use crate::root::Root;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Up to which age each of [`Space::by_age`] goes, in milliseconds.
const AGES_MS: [u64; 4] = [DAY_MS, 7 * DAY_MS, 30 * DAY_MS, u64::MAX];

/// How many paths are named.
const LARGEST: usize = 10;

/// Some versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum {
    /// How many.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// What a folder's own directory holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Space {
    /// All versions.
    pub history: Sum,
    /// When the oldest version was displaced, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// What was displaced within the last day, week, 30 days and before.
    pub by_age: [Sum; 4],
    /// The paths whose versions are the largest together, the largest first.
    pub largest: Vec<(RelPath, Sum)>,
    /// Size of the contents that open conflicts keep, in bytes.
    pub heads_bytes: u64,
    /// What contents on their way take up on the disk, in bytes.
    pub staging_bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Measures what a folder keeps, as of `now_ms`, in milliseconds since 1970.
pub fn measure(root: &Root, now_ms: u64) -> std::io::Result<Space> {
    let mut space = Space {
        heads_bytes: sum_up(root.heads(), |raw| u64::try_from(raw.st_size).unwrap_or(0))?,
        // What is not written yet is a hole.
        staging_bytes: sum_up(root.staging(), |raw| {
            u64::try_from(raw.st_blocks).unwrap_or(0).saturating_mul(512)
        })?,
        ..Space::default()
    };
    let mut dirs = vec![None];
    let mut versions = Vec::new();
    while let Some(dir) = dirs.pop() {
        dirs.extend(list_dir(root, dir, None, &mut versions)?.into_iter().map(Some));
        space.count(versions.drain(..), now_ms);
    }
    Ok(space)
}

impl Space {
    /// Counts all versions of one directory.
    fn count(&mut self, versions: impl Iterator<Item = Version>, now_ms: u64) {
        let mut paths: BTreeMap<RelPath, Sum> = BTreeMap::new();
        for version in versions {
            let bytes = version.size_bytes;
            let age_ms = now_ms.saturating_sub(version.displaced_ms);
            self.history.add(bytes);
            self.by_age[AGES_MS.partition_point(|most| *most < age_ms)].add(bytes);
            let oldest = self.oldest_ms.unwrap_or(u64::MAX).min(version.displaced_ms);
            self.oldest_ms = Some(oldest);
            paths.entry(version.path).or_default().add(bytes);
        }
        self.largest.extend(paths);
        self.largest.sort_by(|(one, a), (other, b)| (b.bytes, one).cmp(&(a.bytes, other)));
        self.largest.truncate(LARGEST);
    }
}

/// The sum over the files in one directory.
fn sum_up(dir: BorrowedFd<'_>, of: impl Fn(&rustix::fs::Stat) -> u64) -> Result<u64> {
    let listing = Listing::of(dir)?;
    let mut sum = 0_u64;
    for index in 0..listing.len() {
        let Ok(name) = listing.name(index).to_str() else { continue };
        match lstat(dir, name) {
            Err(Errno::NOENT) => {}
            raw => sum = sum.saturating_add(of(&raw?)),
        }
    }
    Ok(sum)
}
