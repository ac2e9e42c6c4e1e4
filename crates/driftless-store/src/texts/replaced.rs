//! What a change made on this device replaced, for people who want it back.

use driftless_core::{RelPath, VersionVector};
use rusqlite::{OptionalExtension as _, params};

use super::row::{self, COLUMNS};
use super::{KeptVersion, TextsDb, signed};
use crate::error::IndexError;

/// Of all that was replaced, one run of [`TextsDb::expire`] forgets at most one
/// in so many, so that a clock that jumped ahead does not empty it at once.
const AGE_SHARE: i64 = 10;

/// How a version went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replacement {
    /// It was edited.
    Edited,
    /// It was deleted.
    Removed,
}

impl Replacement {
    fn number(self) -> i64 {
        match self {
            Self::Edited => 0,
            Self::Removed => 1,
        }
    }
}

/// A version that a change made on this device replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplacedText {
    /// Its number, which no other ever has.
    pub number: u64,
    /// The version.
    pub kept: KeptVersion,
    /// When it was replaced, in milliseconds since 1970.
    pub replaced_ms: u64,
    /// How.
    pub how: Replacement,
}

impl TextsDb {
    /// Notes that a version of a path was replaced at `at_ms`, and whether another
    /// device may have had it. Returns whether it is kept.
    pub fn note_replaced(
        &mut self,
        (path, version): (&RelPath, &VersionVector),
        how: Replacement,
        at_ms: u64,
        shared: bool,
    ) -> Result<bool, IndexError> {
        let sql = "UPDATE versions SET replaced_ms = ?3, reason = ?4, shared = ?5
                   WHERE path = ?1 AND version = ?2";
        let version = row::version_bytes(version);
        let mut statement = self.connection.prepare_cached(sql)?;
        let values = params![path.as_str(), version, signed(at_ms), how.number(), shared];
        Ok(statement.execute(values)? > 0)
    }

    /// What was replaced and `fits`, at most `limit`: newest first, then by number.
    pub fn replaced(
        &self,
        limit: usize,
        fits: impl Fn(&ReplacedText) -> bool,
    ) -> Result<Vec<ReplacedText>, IndexError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM versions JOIN contents ON contents.number = content
             WHERE replaced_ms IS NOT NULL ORDER BY replaced_ms DESC, versions.number"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], row::raw)?;
        let mut found = Vec::new();
        for raw in rows {
            let text = replaced(&raw?)?;
            if fits(&text) {
                found.push(text);
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// The version of this number, if it was replaced and is still kept.
    pub fn replaced_text(&self, number: u64) -> Result<Option<ReplacedText>, IndexError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM versions JOIN contents ON contents.number = content
             WHERE versions.number = ?1 AND replaced_ms IS NOT NULL"
        );
        let raw = self.connection.query_row(&sql, [signed(number)], row::raw).optional()?;
        raw.as_ref().map(replaced).transpose()
    }

    /// Forgets of what was replaced before `before_ms` that it was, and lets go of
    /// it where no other device had it; of all that was replaced at most a tenth.
    pub fn expire(&mut self, before_ms: u64) -> Result<u64, IndexError> {
        let sql = "SELECT number, content FROM versions WHERE replaced_ms < ?1
                   ORDER BY replaced_ms, number
                   LIMIT (SELECT (count(*) + ?2 - 1) / ?2 FROM versions WHERE replaced_ms IS NOT NULL)";
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map(params![signed(before_ms), AGE_SHARE], row::pair)?;
        let due = rows.collect::<Result<Vec<(i64, i64)>, _>>()?;
        drop(statement);
        for &(number, content) in &due {
            let sql = "UPDATE versions SET replaced_ms = NULL, reason = NULL
                       WHERE number = ?1 AND shared = 1";
            if self.connection.prepare_cached(sql)?.execute([number])? == 0 {
                self.drop_version(number, content)?;
            }
        }
        Ok(due.len() as u64)
    }
}

fn replaced(raw: &row::Raw) -> Result<ReplacedText, IndexError> {
    let how = match raw.reason {
        Some(1) => Replacement::Removed,
        _ => Replacement::Edited,
    };
    Ok(ReplacedText {
        number: raw.number.cast_unsigned(),
        kept: raw.kept()?,
        replaced_ms: raw.replaced_ms.map_or(0, i64::cast_unsigned),
        how,
    })
}
