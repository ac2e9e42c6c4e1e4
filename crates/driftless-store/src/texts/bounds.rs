//! What goes when there is no room: what was used longest ago, version by version.

use driftless_core::RelPath;
use rusqlite::{OptionalExtension as _, params};

use super::{TextsDb, row};
use crate::error::IndexError;

/// The most versions of one path. Those that were only ever on this device go first.
const MOST_OF_PATH: i64 = 64;

/// The most versions of all paths; the oldest go first.
const MOST_VERSIONS: i64 = 1 << 18;

/// The content that was used longest ago.
pub(super) struct Oldest {
    number: i64,
    pub(super) used_ms: u64,
    stored_bytes: u64,
}

impl TextsDb {
    /// Lets go of versions beyond the bounds, of the path and of all.
    pub(super) fn thin_out(&mut self, path: &RelPath) -> Result<(), IndexError> {
        let sql = "SELECT number, content FROM versions WHERE path = ?1
                   ORDER BY shared, number
                   LIMIT max(0, (SELECT count(*) FROM versions WHERE path = ?1) - ?2)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![path.as_str(), MOST_OF_PATH], row::pair)?;
        let mut surplus = rows.collect::<Result<Vec<(i64, i64)>, _>>()?;
        drop(statement);
        if self.versions > MOST_VERSIONS {
            let sql = "SELECT number, content FROM versions ORDER BY number LIMIT 1";
            surplus.extend(self.connection.query_row(sql, [], row::pair).optional()?);
        }
        for (version, content) in surplus {
            self.drop_version(version, content)?;
        }
        Ok(())
    }

    /// Drops a version, and its content if no other has it.
    pub(super) fn drop_version(&mut self, version: i64, content: i64) -> Result<(), IndexError> {
        let sql = "DELETE FROM versions WHERE number = ?1";
        let dropped = self.connection.prepare_cached(sql)?.execute([version])?;
        self.versions -= i64::try_from(dropped).unwrap_or(0);
        let sql = "DELETE FROM contents WHERE number = ?1
                   AND NOT EXISTS (SELECT 1 FROM versions WHERE content = ?1)
                   RETURNING stored_bytes";
        let mut statement = self.connection.prepare_cached(sql)?;
        let freed: Option<i64> = statement.query_row([content], |row| row.get(0)).optional()?;
        self.bytes = self.bytes.saturating_sub(freed.map_or(0, i64::cast_unsigned));
        Ok(())
    }

    /// Makes room for a content that was last used at `used_ms`; false where that
    /// would cost what was used later.
    pub(super) fn make_room(&mut self, bytes: u64, used_ms: u64) -> Result<bool, IndexError> {
        if bytes > self.most_bytes {
            return Ok(false);
        }
        while self.bytes + bytes > self.most_bytes {
            let Some(oldest) = self.oldest()?.filter(|oldest| oldest.used_ms <= used_ms) else {
                return Ok(false);
            };
            let sql = "SELECT count(*) FROM versions WHERE content = ?1";
            let held: i64 = self
                .connection
                .prepare_cached(sql)?
                .query_row([oldest.number], |row| row.get(0))?;
            let sql = "DELETE FROM contents WHERE number = ?1";
            self.connection.prepare_cached(sql)?.execute([oldest.number])?;
            self.bytes = self.bytes.saturating_sub(oldest.stored_bytes);
            self.versions -= held;
        }
        Ok(true)
    }

    pub(super) fn oldest(&self) -> Result<Option<Oldest>, IndexError> {
        let sql = "SELECT number, used_ms, stored_bytes FROM contents ORDER BY used_ms LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row<'_>| {
            let unsigned = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(Oldest { number: row.get(0)?, used_ms: unsigned(1)?, stored_bytes: unsigned(2)? })
        };
        Ok(statement.query_row([], read).optional()?)
    }

    pub(super) fn count(&mut self) -> Result<(), IndexError> {
        let sum = "SELECT coalesce(sum(stored_bytes), 0) FROM contents";
        let bytes: i64 = self.connection.query_row(sum, [], |row| row.get(0))?;
        self.bytes = bytes.cast_unsigned();
        let count = "SELECT count(*) FROM versions";
        self.versions = self.connection.query_row(count, [], |row| row.get(0))?;
        Ok(())
    }
}
