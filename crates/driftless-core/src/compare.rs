//! Holding what a scan found against what an index knows, in path order.
//!
//! Decides what is worth telling: nearly all that a scan finds is known just as
//! it is, and an index that keeps its entries packed can see that without
//! unpacking them. What a difference means is decided by [`crate::diff`].

use std::cmp::Ordering;
use std::iter::{Enumerate, Peekable};
use std::slice::Iter;

use crate::diff::{Change, Observed, diff};
use crate::entry::Entry;
use crate::path::RelPath;
use crate::scan::ScanBatch;

/// What a scan found in a stretch of path order.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'a> {
    /// Only this path and what lies below it; `None` is the whole tree.
    pub within: Option<&'a RelPath>,
    /// Only what comes after this path.
    pub after: Option<&'a RelPath>,
    /// Nothing that comes after this path.
    pub upto: Option<&'a RelPath>,
    /// What was found there, in path order.
    pub found: &'a [(RelPath, Observed)],
}

/// A path that is not known just as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The path.
    pub path: RelPath,
    /// What is known of it; `None` if nothing is.
    pub entry: Option<Entry>,
    /// Where it stands in [`Stretch::found`]; `None` if it was not found.
    pub found: Option<usize>,
}

/// Whether a path is known just as it was found, so that nothing follows from it.
pub fn is_as_known(entry: &Entry, observed: &Observed) -> bool {
    !entry.ignored && entry.landing.is_none() && diff(entry, observed) == Change::Nothing
}

impl<'a> Stretch<'a> {
    /// The stretch that a batch covers.
    pub fn of(batch: &'a ScanBatch) -> Self {
        let (within, after) = (batch.within.as_ref(), batch.after.as_ref());
        Self { within, after, upto: batch.upto.as_ref(), found: &batch.found }
    }
}

/// Walks through what was found while an index walks through what it knows.
#[derive(Debug)]
pub struct Comparison<'a> {
    found: Peekable<Enumerate<Iter<'a, (RelPath, Observed)>>>,
    limit: usize,
    differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    /// Collects up to `limit` differences from `found`, which is in path order.
    pub fn new(found: &'a [(RelPath, Observed)], limit: usize) -> Self {
        Self { found: found.iter().enumerate().peekable(), limit, differences: Vec::new() }
    }

    /// Whether as many differences are known as were asked for.
    pub fn is_full(&self) -> bool {
        self.differences.len() >= self.limit
    }

    /// Goes on to a known path: what was found before it is new. `order` tells
    /// how a path stands to that one. Returns what was found at it, if anything.
    pub fn reach(
        &mut self,
        order: impl Fn(&RelPath) -> Ordering,
    ) -> Option<(usize, &'a RelPath, &'a Observed)> {
        while !self.is_full() {
            let (_, (path, _)) = self.found.peek()?;
            match order(path) {
                Ordering::Less => self.take_new(),
                Ordering::Equal => {
                    let (number, (path, observed)) = self.found.next()?;
                    return Some((number, path, observed));
                }
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// Notes a difference at a known path.
    pub fn note(&mut self, path: RelPath, entry: Entry, found: Option<usize>) {
        if !self.is_full() {
            self.differences.push(Difference { path, entry: Some(entry), found });
        }
    }

    /// All that is left to be found is new. Returns the differences, in path order.
    pub fn finish(mut self) -> Vec<Difference> {
        while !self.is_full() && self.found.peek().is_some() {
            self.take_new();
        }
        self.differences
    }

    fn take_new(&mut self) {
        if let Some((number, (path, _))) = self.found.next() {
            let (path, found) = (path.clone(), Some(number));
            self.differences.push(Difference { path, entry: None, found });
        }
    }
}
