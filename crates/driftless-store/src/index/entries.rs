//! Rows of the table of entries: reading, writing and walking them.

use driftless_core::{ContentId, Entry, RelPath, Sequence};
use rusqlite::{ErrorCode, Row, params};

use super::SqliteIndex;
use crate::codec;
use crate::error::IndexError;
use crate::key;
use crate::schema::flag;

/// All entries from one key to below another. So are those that follow, of the
/// entries with one flag; each names its index, so that none can become a scan.
pub(super) const ALL: &str = "SELECT id, key, sequence, record FROM entries
    WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
pub(super) const NEEDED: &str = "SELECT id, key, sequence, record
    FROM entries INDEXED BY entries_needed
    WHERE flags & 1 AND key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
pub(super) const DELETIONS_BACKWARDS: &str = "SELECT id, key, sequence, record
    FROM entries INDEXED BY entries_deletion
    WHERE flags & 2 AND key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3";
pub(super) const CONFLICTS: &str = "SELECT id, key, sequence, record
    FROM entries INDEXED BY entries_conflict
    WHERE flags & 4 AND key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
pub(super) const LOCAL: &str = "SELECT id, key, sequence, record
    FROM entries INDEXED BY entries_local
    WHERE flags & 8 AND key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
pub(super) const IGNORED: &str = "SELECT id, key, sequence, record
    FROM entries INDEXED BY entries_ignored
    WHERE flags & 16 AND key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";

const ANNOUNCED: &str = "SELECT id, key, sequence, record
    FROM entries INDEXED BY entries_announced
    WHERE sequence <> 0 AND sequence > ?1 ORDER BY sequence LIMIT ?2";
const HOLDING: &str = "SELECT id, key, sequence, record
    FROM entries INDEXED BY entries_content WHERE content = ?1";

/// All queries that answer in pages.
#[cfg(test)]
pub(super) const QUERIES: [&str; 8] =
    [ALL, NEEDED, DELETIONS_BACKWARDS, CONFLICTS, LOCAL, IGNORED, ANNOUNCED, HOLDING];

/// Entries that a walk over all of them holds in memory at a time.
const WALK_ENTRIES: usize = 1000;

/// A row.
pub(crate) struct Found {
    pub(crate) id: i64,
    path: RelPath,
    pub(crate) entry: Entry,
}

impl SqliteIndex {
    /// The row of a key.
    pub(super) fn find(&self, key: &[u8]) -> Result<Option<(i64, Entry)>, IndexError> {
        let sql = "SELECT id, sequence, record FROM entries WHERE key = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([key])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let sequence = Sequence(row.get::<_, i64>(1)? as u64);
        let record = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        Ok(Some((row.get(0)?, codec::decode(record, &self.names, sequence)?)))
    }

    /// Writes a row that is not there yet.
    pub(super) fn insert(
        &mut self,
        key: &[u8],
        entry: &Entry,
        sequence: Sequence,
    ) -> Result<(), IndexError> {
        self.encode(entry)?;
        let sql = "INSERT INTO entries (key, sequence, flags, content, record)
                   VALUES (?, ?, ?, ?, ?)";
        let inserted = self.connection.prepare_cached(sql)?.execute(params![
            key,
            sequence.0 as i64,
            flags(entry),
            tree_content(entry).map(|content| key::of_hash(content.prefix())),
            self.buffer,
        ]);
        inserted.map(drop).map_err(|error| sequence_error(error, sequence))
    }

    /// Writes a row anew.
    pub(super) fn update(
        &mut self,
        id: i64,
        entry: &Entry,
        sequence: Sequence,
    ) -> Result<(), IndexError> {
        self.encode(entry)?;
        let sql = "UPDATE entries SET sequence = ?, flags = ?, content = ?, record = ?
                   WHERE id = ?";
        let updated = self.connection.prepare_cached(sql)?.execute(params![
            sequence.0 as i64,
            flags(entry),
            tree_content(entry).map(|content| key::of_hash(content.prefix())),
            self.buffer,
            id,
        ]);
        updated.map(drop).map_err(|error| sequence_error(error, sequence))
    }

    /// Up to `limit` entries from `first` to below `end`, by one of the queries above.
    pub(super) fn page(
        &self,
        sql: &str,
        first: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        let found = self.found(sql, params![first, end, row_limit(limit)])?;
        Ok(found.into_iter().map(|found| (found.path, found.entry)).collect())
    }

    pub(super) fn announced(
        &self,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        let after = i64::try_from(after.0).unwrap_or(i64::MAX);
        let found = self.found(ANNOUNCED, params![after, row_limit(limit)])?;
        Ok(found.into_iter().map(|found| (found.path, found.entry)).collect())
    }

    /// Up to `limit` paths whose file in the tree has this content.
    pub(super) fn holding(
        &self,
        content: ContentId,
        limit: usize,
    ) -> Result<Vec<RelPath>, IndexError> {
        let mut statement = self.connection.prepare_cached(HOLDING)?;
        let mut rows = statement.query([key::of_hash(content.prefix())])?;
        let mut paths = Vec::new();
        while paths.len() < limit
            && let Some(row) = rows.next()?
        {
            let found = self.read(row)?;
            // The column is only the beginning of the content's name.
            if tree_content(&found.entry) == Some(content) {
                paths.push(found.path);
            }
        }
        Ok(paths)
    }

    /// Visits every entry in path order; the visitor may change the entry that it is at.
    pub(crate) fn walk(
        &mut self,
        mut visit: impl FnMut(&mut Self, &Found) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let mut first = key::BEFORE_ALL.to_vec();
        loop {
            let page = self.found(ALL, params![first, key::AFTER_ALL, row_limit(WALK_ENTRIES)])?;
            for found in &page {
                visit(self, found)?;
            }
            match page.last() {
                Some(last) if page.len() == WALK_ENTRIES => {
                    first = key::just_above(Some(&last.path));
                }
                _ => return Ok(()),
            }
        }
    }

    fn found(
        &self,
        sql: &str,
        parameters: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Found>, IndexError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.read(row)?);
        }
        Ok(found)
    }

    fn read(&self, row: &Row<'_>) -> Result<Found, IndexError> {
        let path = key::to_path(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
        let sequence = Sequence(row.get::<_, i64>(2)? as u64);
        let record = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        let entry = codec::decode(record, &self.names, sequence)?;
        Ok(Found { id: row.get(0)?, path, entry })
    }

    /// Encodes into the buffer; devices without a number get one first.
    fn encode(&mut self, entry: &Entry) -> Result<(), IndexError> {
        for record in codec::records(entry) {
            if self.names.number(&record.device).is_some() {
                continue;
            }
            if let Some(number) = self.names.add(&record.device) {
                self.connection
                    .prepare_cached("INSERT INTO names (number, device) VALUES (?, ?)")?
                    .execute(params![number as i64, record.device.as_bytes()])?;
            }
        }
        self.buffer.clear();
        codec::encode(entry, &self.names, &mut self.buffer);
        Ok(())
    }
}

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The only constraint that a caller can break is that sequences are unique.
fn sequence_error(error: rusqlite::Error, sequence: Sequence) -> IndexError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => IndexError::Sequence(sequence),
        _ => error.into(),
    }
}

fn flags(entry: &Entry) -> i64 {
    let is_needed = entry.is_needed();
    let deletes = entry.shown().is_some_and(|shown| shown.content.is_tombstone());
    [
        (is_needed, flag::NEEDED),
        (is_needed && deletes, flag::DELETION),
        (entry.heads.is_conflict(), flag::CONFLICT),
        (entry.is_local(), flag::LOCAL),
        (entry.ignored, flag::IGNORED),
    ]
    .into_iter()
    .filter_map(|(is_set, bit)| is_set.then_some(bit))
    .sum()
}

/// The content of the file in the tree.
fn tree_content(entry: &Entry) -> Option<ContentId> {
    entry.present()?.record.content.file().map(|(content, _)| content)
}
