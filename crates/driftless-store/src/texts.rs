//! Contents of small texts that were in the tree: a database of its own beside
//! a folder's index, for merging and for going back.
//!
//! Holds *versions* of paths, each with the version vector that it had, and the
//! contents that they name, compressed and each once. So the version that the
//! sides of a conflict were made from is found ([`TextsDb::ancestor`]), and what
//! an edit or deletion on this device replaced can be put back
//! ([`TextsDb::replaced`]). What is text, and what is worth keeping, is the
//! caller's to say.
//!
//! Losing it costs nobody a file, so that it is written without waiting for the
//! disk. It is bounded: what was used longest ago goes first, and what is older
//! than all that a full one has is not put in at all, so that a huge tree does
//! not turn it over and over. One that is damaged is the caller's to set aside
//! ([`crate::quarantine`]).

mod ancestor;
mod bounds;
mod replaced;
mod row;

use std::path::Path;

use driftless_core::{Content, ContentId, DeviceId, FileRecord, RelPath, VersionVector};
use rusqlite::{Connection, OptionalExtension as _, params};
use rusqlite_migration::{M, Migrations};

use crate::error::{IndexError, OpenError};
use crate::place;

pub use replaced::{ReplacedText, Replacement};

/// What all contents of a folder may take in the database, in bytes, unless the
/// caller says otherwise.
pub const TEXTS_BYTES: u64 = 64 << 20;

/// What a content is taken to need beside its bytes.
const OVERHEAD_BYTES: u64 = 256;

/// How hard contents are compressed: fast, and a few times smaller for text.
const LEVEL: i32 = 3;

/// The largest content that is read back, in bytes.
const MAX_CONTENT_BYTES: usize = 1 << 20;

/// - `contents`: what versions hold, by the content's name.
/// - `versions`: what paths held. `shared` is 0 where no other device is known
///   to have had it; `replaced_ms` and `reason` tell of the change of this
///   device that replaced it.
/// - `bases`: what the sides of a conflict were made from, by its sides.
const FIRST: &str = "
CREATE TABLE contents (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    used_ms INTEGER NOT NULL,
    stored_bytes INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX contents_used ON contents (used_ms, stored_bytes);
CREATE TABLE versions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    version BLOB NOT NULL,
    content INTEGER NOT NULL REFERENCES contents (number) ON DELETE CASCADE,
    size_bytes INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    device BLOB NOT NULL,
    changed_ms INTEGER NOT NULL,
    moved_path TEXT,
    moved_version BLOB,
    shared INTEGER NOT NULL,
    replaced_ms INTEGER,
    reason INTEGER
) STRICT;
CREATE UNIQUE INDEX versions_of ON versions (path, version);
CREATE INDEX versions_holding ON versions (content);
CREATE INDEX versions_replaced ON versions (replaced_ms DESC, number) WHERE replaced_ms IS NOT NULL;
CREATE TABLE bases (
    path TEXT NOT NULL,
    sides BLOB NOT NULL,
    version INTEGER NOT NULL REFERENCES versions (number) ON DELETE CASCADE,
    PRIMARY KEY (path, sides)
) STRICT, WITHOUT ROWID;
CREATE INDEX bases_of ON bases (version);
CREATE TABLE notes (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

const STEPS: &[M<'_>] = &[M::up(FIRST)];
const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

/// The note that every small text of the tree has been looked at.
const COMPLETE: &str = "complete";

/// A version that a path had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptVersion {
    /// The path that it had.
    pub path: RelPath,
    /// Which edits it had seen.
    pub version: VersionVector,
    /// Names its content.
    pub content: ContentId,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Permission bits.
    pub mode: u16,
    /// The modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// The device that made it.
    pub device: DeviceId,
    /// When that device's clock said that it was made, in milliseconds since 1970.
    pub changed_ms: u64,
}

/// What is known of a version that might be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// It is kept.
    Kept,
    /// Its content has to be given.
    Wanted,
    /// It is older than all that a full database has, or nothing to be kept.
    PassedOver,
}

/// The database of one folder's small texts.
#[derive(Debug)]
pub struct TextsDb {
    connection: Connection,
    /// What contents take, and may take, in bytes.
    bytes: u64,
    most_bytes: u64,
    versions: i64,
}

impl TextsDb {
    /// Opens the database at `path`, or begins a new one, with mode 0600, whose
    /// contents take at most `most_bytes`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; on [`OpenError::is_corrupt`] the way on is
    /// [`crate::quarantine`].
    pub fn open(path: &Path, most_bytes: u64) -> Result<Self, OpenError> {
        let connection = place::open_beside(path, &MIGRATIONS)?;
        connection.execute_batch(
            "PRAGMA foreign_keys = ON;
             PRAGMA wal_autocheckpoint = 256;
             PRAGMA cache_size = -2048;",
        )?;
        let mut db = Self { connection, bytes: 0, most_bytes, versions: 0 };
        db.count()?;
        Ok(db)
    }

    /// What the contents take, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether every small text that the tree had was looked at once.
    pub fn is_complete(&self) -> Result<bool, IndexError> {
        let sql = "SELECT value FROM notes WHERE name = ?1";
        let value: Option<i64> =
            self.connection.query_row(sql, [COMPLETE], |row| row.get(0)).optional()?;
        Ok(value == Some(1))
    }

    /// Notes whether every small text that the tree has was looked at.
    pub fn set_complete(&self, complete: bool) -> Result<(), IndexError> {
        let sql = "INSERT OR REPLACE INTO notes (name, value) VALUES (?1, ?2)";
        self.connection.execute(sql, params![COMPLETE, complete])?;
        Ok(())
    }

    /// Does `work` in one transaction: all of it or nothing.
    pub fn together<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|done| {
            self.connection.execute_batch("COMMIT")?;
            Ok(done)
        });
        if done.is_err() {
            // It fails where there is nothing to take back any more.
            let _ = self.connection.execute_batch("ROLLBACK");
            self.count()?;
        }
        done
    }

    /// Notes that a path held a version, last used at `used_ms`, if its content
    /// is kept already; otherwise says whether it is wanted.
    pub fn note(
        &mut self,
        path: &RelPath,
        record: &FileRecord,
        used_ms: u64,
    ) -> Result<Known, IndexError> {
        let Some((content, size_bytes)) = record.content.file() else {
            return Ok(Known::PassedOver);
        };
        // There is nothing in an empty file that could be merged or restored.
        if size_bytes == 0 || size_bytes > MAX_CONTENT_BYTES as u64 {
            return Ok(Known::PassedOver);
        }
        if let Some(number) = self.number_of(content)? {
            self.add_version(path, record, number, used_ms)?;
            return Ok(Known::Kept);
        }
        let is_full = self.bytes + OVERHEAD_BYTES + size_bytes / 4 > self.most_bytes;
        let is_older = is_full && self.oldest()?.is_some_and(|oldest| used_ms < oldest.used_ms);
        Ok(if is_older { Known::PassedOver } else { Known::Wanted })
    }

    /// Keeps a version of a path and its content, `text`, last used at `used_ms`.
    /// Returns whether there was room.
    pub fn keep(
        &mut self,
        path: &RelPath,
        record: &FileRecord,
        text: &[u8],
        used_ms: u64,
    ) -> Result<bool, IndexError> {
        let Some((content, _)) = record.content.file() else { return Ok(false) };
        let number = match self.number_of(content)? {
            Some(number) => number,
            None => match self.add_content(content, text, used_ms)? {
                Some(number) => number,
                None => return Ok(false),
            },
        };
        self.add_version(path, record, number, used_ms)?;
        Ok(true)
    }

    /// The content of this name.
    pub fn content(&self, content: ContentId) -> Result<Option<Vec<u8>>, IndexError> {
        let sql = "SELECT data FROM contents WHERE id = ?1";
        let data: Option<Vec<u8>> =
            self.connection.query_row(sql, [content.as_bytes()], |row| row.get(0)).optional()?;
        let unpack = |data: Vec<u8>| {
            zstd::bulk::decompress(&data, MAX_CONTENT_BYTES)
                .map_err(|_| IndexError::corrupt("a text cannot be unpacked"))
        };
        data.map(unpack).transpose()
    }

    fn number_of(&self, content: ContentId) -> Result<Option<i64>, IndexError> {
        let sql = "SELECT number FROM contents WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([content.as_bytes()], |row| row.get(0)).optional()?)
    }

    fn add_content(
        &mut self,
        content: ContentId,
        text: &[u8],
        used_ms: u64,
    ) -> Result<Option<i64>, IndexError> {
        let data = zstd::bulk::compress(text, LEVEL)
            .map_err(|_| IndexError::Misuse("a text cannot be packed"))?;
        let stored = data.len() as u64 + OVERHEAD_BYTES;
        if text.len() > MAX_CONTENT_BYTES || !self.make_room(stored, used_ms)? {
            return Ok(None);
        }
        let sql = "INSERT INTO contents (id, used_ms, stored_bytes, data) VALUES (?1, ?2, ?3, ?4)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let values = params![content.as_bytes(), signed(used_ms), signed(stored), data];
        let number = statement.insert(values)?;
        self.bytes += stored;
        Ok(Some(number))
    }

    fn add_version(
        &mut self,
        path: &RelPath,
        record: &FileRecord,
        content: i64,
        used_ms: u64,
    ) -> Result<(), IndexError> {
        if self.insert_version(path, record, content)? {
            self.versions += 1;
            self.thin_out(path)?;
        }
        // What devices agreed on is used for as long as its file is.
        let sql = "UPDATE contents SET used_ms = ?2 WHERE used_ms < ?2 AND number IN
                   (SELECT content FROM versions WHERE path = ?1 AND (shared = 1 OR content = ?3))";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params![path.as_str(), signed(used_ms), content])?;
        Ok(())
    }

    fn insert_version(
        &self,
        path: &RelPath,
        record: &FileRecord,
        content: i64,
    ) -> Result<bool, IndexError> {
        let Content::File { size_bytes, mode, mtime_ns, .. } = record.content else {
            return Ok(false);
        };
        let sql =
            "INSERT OR IGNORE INTO versions (path, version, content, size_bytes, mode, mtime_ns,
                   device, changed_ms, moved_path, moved_version, shared)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1)";
        let moved = record.moved_from.as_ref();
        let inserted = self.connection.prepare_cached(sql)?.execute(params![
            path.as_str(),
            row::version_bytes(&record.version),
            content,
            signed(size_bytes),
            mode,
            mtime_ns,
            record.device.as_bytes(),
            signed(record.changed_ms),
            moved.map(|from| from.path.as_str()),
            moved.map(|from| row::version_bytes(&from.version)),
        ])?;
        Ok(inserted > 0)
    }
}

/// A number as the database takes it; what is beyond its range is its end.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
