//! Which kept version the sides of a conflict were made from.
//!
//! Conservative: a version counts only if it is certain that no later one was
//! seen by all sides. What was kept is not all that there was, and merging with
//! an older base would bring back what one side had taken out. So what the
//! versions found have seen, all together, must be just what all sides have
//! seen; where several such stand side by side (as after a criss-cross), they
//! must hold the same.
//!
//! A conflict that was opened again has sides that one device counted next to
//! each other, after how it was settled, which is not what they were made from.
//! For those, what was found when it was settled is remembered.

use driftless_core::{
    Author, BlockHash, Content, ContentId, FileRecord, MovedFrom, RelPath, VersionVector,
};
use rusqlite::{OptionalExtension as _, params};

use super::row::{self, COLUMNS};
use super::{KeptVersion, TextsDb};
use crate::error::IndexError;

/// A kept version, as far as it matters here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    pub(super) number: i64,
    pub(super) kept: KeptVersion,
    pub(super) moved_from: Option<MovedFrom>,
}

impl TextsDb {
    /// The version that all `sides` of a conflict at `path` were made from, if it
    /// is kept and there is no doubt about it.
    ///
    /// At the path itself, or, where no version of that was seen by all sides, at
    /// the one path from which all of them say that it was renamed.
    pub fn ancestor(
        &self,
        path: &RelPath,
        sides: &[&FileRecord],
    ) -> Result<Option<KeptVersion>, IndexError> {
        if is_counted_twice(sides) {
            return self.remembered_base(path, sides);
        }
        Ok(self.find_ancestor(path, sides)?.map(|found| found.kept))
    }

    /// Remembers what the `sides` of a conflict at `path` were made from, for when
    /// the conflict is opened again. Returns whether that is known.
    pub fn remember_base(
        &mut self,
        path: &RelPath,
        sides: &[&FileRecord],
    ) -> Result<bool, IndexError> {
        let found = match is_counted_twice(sides) {
            true => None,
            false => self.find_ancestor(path, sides)?,
        };
        let Some(found) = found else { return Ok(false) };
        let sql = "INSERT OR REPLACE INTO bases (path, sides, version) VALUES (?1, ?2, ?3)";
        self.connection.execute(sql, params![path.as_str(), key_of(sides), found.number])?;
        Ok(true)
    }

    fn remembered_base(
        &self,
        path: &RelPath,
        sides: &[&FileRecord],
    ) -> Result<Option<KeptVersion>, IndexError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM bases JOIN versions ON versions.number = bases.version
             JOIN contents ON contents.number = content
             WHERE bases.path = ?1 AND sides = ?2"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found =
            statement.query_row(params![path.as_str(), key_of(sides)], row::raw).optional()?;
        found.map(|raw| raw.kept()).transpose()
    }

    fn find_ancestor(
        &self,
        path: &RelPath,
        sides: &[&FileRecord],
    ) -> Result<Option<Candidate>, IndexError> {
        let candidates = self.versions_of(path)?;
        let seen_by_all = met(sides.iter().map(|side| &side.version));
        if !seen_by_all.is_empty() {
            return Ok(greatest(&candidates, &seen_by_all).cloned());
        }
        let origins: Option<Vec<_>> = sides.iter().map(|side| origin(side, &candidates)).collect();
        let Some(origins) = origins else { return Ok(None) };
        let Some(old) = origins.first().map(|from| from.path.clone()) else { return Ok(None) };
        if origins.iter().any(|from| from.path != old) {
            return Ok(None);
        }
        let seen_by_all = met(origins.iter().map(|from| &from.version));
        Ok(greatest(&self.versions_of(&old)?, &seen_by_all).cloned())
    }

    fn versions_of(&self, path: &RelPath) -> Result<Vec<Candidate>, IndexError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM versions JOIN contents ON contents.number = content
             WHERE path = ?1"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([path.as_str()], row::raw)?;
        let read = |raw: rusqlite::Result<row::Raw>| {
            let raw = raw?;
            Ok(Candidate { number: raw.number, kept: raw.kept()?, moved_from: raw.moved_from()? })
        };
        rows.map(read).collect()
    }
}

/// What every one of `versions` has seen.
pub(super) fn met<'a>(mut versions: impl Iterator<Item = &'a VersionVector>) -> VersionVector {
    let Some(first) = versions.next() else { return VersionVector::new() };
    versions.fold(first.clone(), |seen, version| {
        let counters = seen.counters().iter();
        let both = counters.map(|&(author, count)| (author, count.min(version.get(author))));
        let counters = both.filter(|&(_, count)| count > 0).collect();
        // A part of a version vector, lowered, is one.
        VersionVector::from_counters(counters).unwrap_or_default()
    })
}

/// The candidate that has seen all of `seen`, or one of several that have seen it
/// together and hold the same; the one kept last of those.
pub(super) fn greatest<'a>(
    candidates: &'a [Candidate],
    seen: &VersionVector,
) -> Option<&'a Candidate> {
    let below: Vec<_> =
        candidates.iter().filter(|candidate| seen.includes(&candidate.kept.version)).collect();
    let is_maximal = |candidate: &&&Candidate| {
        !below.iter().any(|other| {
            other.kept.version != candidate.kept.version
                && other.kept.version.includes(&candidate.kept.version)
        })
    };
    let maximal: Vec<_> = below.iter().filter(is_maximal).collect();
    let together =
        maximal.iter().fold(VersionVector::new(), |all, one| all.joined(&one.kept.version));
    let newest = maximal.iter().max_by_key(|candidate| candidate.number)?;
    let agree = maximal.iter().all(|candidate| candidate.kept.content == newest.kept.content);
    (together == *seen && agree).then_some(**newest)
}

/// Where a side came from when its path got its name.
fn origin(side: &FileRecord, candidates: &[Candidate]) -> Option<MovedFrom> {
    let earlier = || {
        let seen = candidates.iter().filter(|kept| side.version.includes(&kept.kept.version));
        seen.filter(|kept| kept.moved_from.is_some())
            .max_by_key(|kept| kept.kept.version.weight())
            .and_then(|kept| kept.moved_from.clone())
    };
    side.moved_from.clone().or_else(earlier)
}

/// Whether one device counted edits of its own in two of the sides, beyond what
/// both of these have seen.
fn is_counted_twice(sides: &[&FileRecord]) -> bool {
    let pairs = sides.iter().enumerate().flat_map(|(place, ours)| {
        sides[..place].iter().map(move |theirs| (&ours.version, &theirs.version))
    });
    let names = |author: Author| author.branches().flat_map(Author::branches);
    pairs.into_iter().any(|(ours, theirs)| {
        let further = authors_beyond(theirs, ours);
        authors_beyond(ours, theirs)
            .any(|author| further.clone().any(|other| names(author).any(|name| name == other)))
    })
}

/// The authors of whom `version` has seen more edits than `other`.
fn authors_beyond<'a>(
    version: &'a VersionVector,
    other: &'a VersionVector,
) -> impl Iterator<Item = Author> + Clone + 'a {
    let counters = version.counters().iter();
    counters.filter(|(author, count)| *count > other.get(*author)).map(|(author, _)| *author)
}

/// Tells the sides of a conflict from those of another, whatever their order.
fn key_of(sides: &[&FileRecord]) -> Vec<u8> {
    let mut held: Vec<_> = sides
        .iter()
        .map(|side| match &side.content {
            Content::File { content, .. } => *content,
            Content::Symlink { target } => {
                ContentId::from_bytes(*BlockHash::of(target.as_bytes()).as_bytes())
            }
            Content::Directory { .. } => ContentId::from_bytes([1; 32]),
            Content::Tombstone { .. } => ContentId::from_bytes([0; 32]),
        })
        .collect();
    held.sort();
    held.dedup();
    held.iter().flat_map(|content| *content.as_bytes()).collect()
}
