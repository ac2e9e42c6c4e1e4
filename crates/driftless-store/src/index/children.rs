//! What one directory holds, without walking through what lies below its directories.

use driftless_core::{Entry, RelPath, Sequence};
use rusqlite::params;

use super::SqliteIndex;
use crate::below::{Below, Sums};
use crate::codec;
use crate::error::IndexError;
use crate::key;

/// Never more than this many at once: the caller bounds what it asks for.
const NO_LIMIT: i64 = i64::MAX;

/// Where the listing of a directory goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position(Vec<u8>);

/// A stretch of what a directory holds, by name.
#[derive(Debug, Default)]
pub struct Children {
    /// Names and what is known of them.
    pub found: Vec<(Box<str>, Entry)>,
    /// Where the next stretch begins; `None` after the last one.
    pub next: Option<Position>,
}

impl SqliteIndex {
    /// What `directory` (`None` is the root) holds itself, from `from` on.
    ///
    /// Looks at no more than `limit` rows. What lies below the directories in
    /// it is skipped at the cost of one row each.
    pub fn children(
        &self,
        directory: Option<&RelPath>,
        from: Option<&Position>,
        limit: usize,
    ) -> Result<Children, IndexError> {
        let (inside, end) = match directory {
            None => (Vec::new(), key::AFTER_ALL.to_vec()),
            Some(path) => (key::just_above(Some(path)), key::above_tree(path)),
        };
        let mut first = from.map_or_else(|| inside.clone(), |position| position.0.clone());
        let mut children = Children::default();
        let mut statement = self.connection.prepare_cached(super::entries::ALL)?;
        let mut looked_at = 0;
        'seek: loop {
            let mut rows = statement.query(params![first, end, NO_LIMIT])?;
            while let Some(row) = rows.next()? {
                let key = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                if looked_at >= limit {
                    children.next = Some(Position(key.to_vec()));
                    return Ok(children);
                }
                looked_at += 1;
                let name = key.get(inside.len()..).unwrap_or_default();
                if let Some(end_of_name) = name.iter().position(|byte| *byte == 0) {
                    first = key[..inside.len() + end_of_name].to_vec();
                    first.push(1);
                    continue 'seek;
                }
                let name = std::str::from_utf8(name)
                    .map_err(|_| IndexError::corrupt("a path is no text"))?;
                let sequence = Sequence(row.get::<_, i64>(2)? as u64);
                let record = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
                let entry = codec::decode(record, &self.names, sequence)?;
                children.found.push((name.into(), entry));
            }
            return Ok(children);
        }
    }

    /// Goes on with summing up what lies below each directory, by at most
    /// `limit` entries. Returns whether all is counted.
    ///
    /// From the first call on the sums are kept in memory, and kept up.
    pub fn sum_up(&mut self, limit: usize) -> Result<bool, IndexError> {
        let mut sums = self.sums.take().unwrap_or_else(Sums::begun);
        let counted = self.count_on(&mut sums, limit);
        self.sums = Some(sums);
        counted
    }

    fn count_on(&self, sums: &mut Sums, limit: usize) -> Result<bool, IndexError> {
        let Some(upto) = sums.upto() else { return Ok(true) };
        let mut first = upto.to_vec();
        if !first.is_empty() {
            first.push(0);
        }
        let page = self.page(super::entries::ALL, &first, key::AFTER_ALL, limit.max(1))?;
        for (path, entry) in &page {
            sums.add(&key::of_path(path), entry);
        }
        let last = page.last().filter(|_| page.len() >= limit.max(1));
        sums.reached(last.map(|(path, _)| key::of_path(path)));
        Ok(last.is_none())
    }

    /// What lies below a directory, as far as it was counted, and whether that
    /// is all of it.
    pub fn below(&self, directory: &RelPath) -> (Below, bool) {
        let (key, above) = (key::of_path(directory), key::above_tree(directory));
        self.sums.as_ref().map_or((Below::default(), false), |sums| sums.below(&key, &above))
    }

    /// Forgets the sums, and frees what they take up.
    pub fn forget_sums(&mut self) {
        self.sums = None;
    }
}
