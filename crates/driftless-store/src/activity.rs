//! What happened, for people: a small database of its own beside the indexes.
//!
//! Losing it costs nobody a file, so that it is written without waiting for the
//! disk: a power cut may take the last writes, and never what was before them.
//! It knows neither what its texts mean nor when to write them. One that is
//! damaged is the caller's to set aside ([`crate::quarantine`]).

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use rusqlite_migration::{M, Migrations};

use crate::error::{IndexError, OpenError};
use crate::place;

/// The most that is remembered of each.
const MAX_HAPPENED: i64 = 10_000;
const MAX_DECISIONS: i64 = 1_000;

/// - `happened`: what happened, by when it began.
/// - `decisions`: how conflicts were decided, by the conflict's name.
const FIRST: &str = "
CREATE TABLE happened (
    id INTEGER PRIMARY KEY,
    folder TEXT,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX happened_in ON happened (folder, id);
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    conflict TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;
";

const STEPS: &[M<'_>] = &[M::up(FIRST)];
const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happened {
    /// Its number; later ones have higher ones.
    pub id: u64,
    /// The folder, if it happened in one.
    pub folder: Option<String>,
    /// What it was, in the caller's words.
    pub body: String,
}

/// How a conflict was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The conflict's name.
    pub conflict: String,
    /// What was decided, in the caller's words.
    pub body: String,
}

/// The database of what happened.
#[derive(Debug)]
pub struct ActivityDb {
    connection: Connection,
}

impl ActivityDb {
    /// Opens the database at `path`, or begins a new one, with mode 0600.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; on [`OpenError::is_corrupt`] the way on is
    /// [`crate::quarantine`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = place::open_beside(path, &MIGRATIONS)?;
        connection.execute_batch("PRAGMA wal_autocheckpoint = 64; PRAGMA cache_size = -1024;")?;
        Ok(Self { connection })
    }

    /// The highest number in use; 0 where nothing happened yet.
    pub fn last_id(&self) -> Result<u64, IndexError> {
        let sql = "SELECT coalesce(max(id), 0) FROM happened";
        Ok(self.connection.query_row(sql, [], |row| row.get(0)).map(i64::cast_unsigned)?)
    }

    /// Writes all of it or nothing; what has the number or the name of
    /// something known takes its place. Forgets the oldest beyond the bounds.
    pub fn write(&mut self, what: &[Happened], decided: &[Decision]) -> Result<(), IndexError> {
        let writing = self.connection.transaction()?;
        for Happened { id, folder, body } in what {
            let sql = "INSERT OR REPLACE INTO happened (id, folder, body) VALUES (?1, ?2, ?3)";
            writing.prepare_cached(sql)?.execute(params![id.cast_signed(), folder, body])?;
        }
        for Decision { conflict, body } in decided {
            let sql = "INSERT OR REPLACE INTO decisions (conflict, body) VALUES (?1, ?2)";
            writing.prepare_cached(sql)?.execute(params![conflict, body])?;
        }
        writing.execute(
            "DELETE FROM happened WHERE id <= (SELECT max(id) FROM happened) - ?1",
            [MAX_HAPPENED],
        )?;
        writing.execute(
            "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?1",
            [MAX_DECISIONS],
        )?;
        Ok(writing.commit()?)
    }

    /// Up to `limit` of what happened with a number below `before`, in `folder`
    /// or anywhere, highest number first.
    pub fn happened(
        &self,
        folder: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Happened>, IndexError> {
        let sql = match folder {
            Some(_) => {
                "SELECT id, folder, body FROM happened WHERE folder = ?1 AND id < ?2
                 ORDER BY id DESC LIMIT ?3"
            }
            None => {
                "SELECT id, folder, body FROM happened WHERE ?1 IS NULL AND id < ?2
                 ORDER BY id DESC LIMIT ?3"
            }
        };
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![folder, before, limit], |row| {
            let id = row.get::<_, i64>(0)?.cast_unsigned();
            Ok(Happened { id, folder: row.get(1)?, body: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How the conflict of this name was decided last.
    pub fn decision(&self, conflict: &str) -> Result<Option<String>, IndexError> {
        let sql = "SELECT body FROM decisions WHERE conflict = ?1";
        Ok(self.connection.query_row(sql, [conflict], |row| row.get(0)).optional()?)
    }
}

#[cfg(test)]
mod tests {
    use super::{ActivityDb, Decision, Happened, MAX_DECISIONS, MAX_HAPPENED};

    fn happened(id: u64, folder: Option<&str>) -> Happened {
        Happened { id, folder: folder.map(str::to_owned), body: format!("body {id}") }
    }

    fn ids(found: Vec<Happened>) -> Vec<u64> {
        found.into_iter().map(|happened| happened.id).collect()
    }

    #[test]
    fn what_happened_is_there_after_a_restart_newest_first_and_by_folder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/activity.db");
        let mut db = ActivityDb::open(&path).unwrap();
        assert_eq!(db.last_id().unwrap(), 0);
        let all: Vec<_> = (1..=6).map(|id| happened(id, (id % 2 == 0).then_some("f"))).collect();
        let decision = |body: &str| Decision { conflict: "c".into(), body: body.into() };
        db.write(&all, &[decision("one")]).unwrap();
        db.write(&[Happened { body: "grown".into(), ..all[5].clone() }], &[decision("two")])
            .unwrap();
        drop(db);

        let db = ActivityDb::open(&path).unwrap();
        assert_eq!(db.last_id().unwrap(), 6);
        assert_eq!(ids(db.happened(None, None, 4).unwrap()), [6, 5, 4, 3]);
        assert_eq!(ids(db.happened(None, Some(3), 4).unwrap()), [2, 1]);
        assert_eq!(ids(db.happened(Some("f"), Some(6), 9).unwrap()), [4, 2]);
        assert_eq!(db.happened(None, None, 1).unwrap()[0].body, "grown");
        assert_eq!(db.decision("c").unwrap().as_deref(), Some("two"));
        assert_eq!(db.decision("other").unwrap(), None);
    }

    #[test]
    fn only_so_much_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        let mut db = ActivityDb::open(&directory.path().join("activity.db")).unwrap();
        let all: Vec<_> =
            (1..=MAX_HAPPENED.cast_unsigned() + 5).map(|id| happened(id, None)).collect();
        let decision =
            |number: i64| Decision { conflict: format!("c{number}"), body: String::new() };
        let decided: Vec<_> = (1..=MAX_DECISIONS + 5).map(decision).collect();
        db.write(&all, &decided).unwrap();
        let kept = db.happened(None, None, usize::MAX).unwrap();
        assert_eq!(kept.len() as i64, MAX_HAPPENED);
        assert_eq!(kept.last().unwrap().id, 6);
        assert!(db.decision("c5").unwrap().is_none() && db.decision("c6").unwrap().is_some());
    }

    #[test]
    fn a_damaged_one_is_told_as_such() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("activity.db");
        std::fs::write(&path, "no database at all, whatever its name says").unwrap();
        assert!(ActivityDb::open(&path).unwrap_err().is_corrupt());
    }
}
