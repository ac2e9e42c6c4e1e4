//! What the database looks like, and how an older one is brought up to date.
//!
//! `user_version` counts the migrations. One that was released is never
//! changed; a new one is appended, and runs in a transaction of its own.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite_migration::{M, Migrations};

/// Marks the file as an index: `drft`.
pub(crate) const APPLICATION_ID: i64 = 0x6472_6674;

/// The bits of `entries.flags`, as the indexes below test them.
pub(crate) mod flag {
    pub(crate) const NEEDED: i64 = 1;
    pub(crate) const DELETION: i64 = 2;
    pub(crate) const CONFLICT: i64 = 4;
    pub(crate) const LOCAL: i64 = 8;
    pub(crate) const IGNORED: i64 = 16;
}

/// - `state`: one row: whose index this is, and its sums.
/// - `entries`: `key` is the path with NUL for the slash; `content` the first
///   six bytes of the content of the file in the tree; `record` all the rest.
/// - `lists`, `list_parts`: block lists, 112 blocks to a part; a part's number
///   is the list's, times 2^16, plus its position.
/// - `blocks`: the first six bytes of a block's hash, and where it first stands
///   in a list.
/// - `names`: devices by the number that records name them by.
const FIRST: &str = "
PRAGMA application_id = 0x64726674;
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    folder TEXT NOT NULL,
    instance BLOB NOT NULL,
    device BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    author INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    totals BLOB,
    clean INTEGER NOT NULL
) STRICT;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    sequence INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    content INTEGER,
    record BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_announced ON entries (sequence) WHERE sequence <> 0;
CREATE INDEX entries_content ON entries (content) WHERE content IS NOT NULL;
CREATE INDEX entries_needed ON entries (key) WHERE flags & 1;
CREATE INDEX entries_deletion ON entries (key) WHERE flags & 2;
CREATE INDEX entries_conflict ON entries (key) WHERE flags & 4;
CREATE INDEX entries_local ON entries (key) WHERE flags & 8;
CREATE INDEX entries_ignored ON entries (key) WHERE flags & 16;
CREATE TABLE lists (
    id INTEGER PRIMARY KEY,
    content BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE list_parts (
    id INTEGER PRIMARY KEY,
    blocks BLOB NOT NULL
) STRICT;
CREATE TABLE blocks (
    prefix INTEGER NOT NULL,
    list INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (prefix, list)
) STRICT, WITHOUT ROWID;
CREATE TABLE slots (
    slot INTEGER PRIMARY KEY,
    device BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE cursors (
    slot INTEGER PRIMARY KEY,
    epoch INTEGER,
    heard INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL
) STRICT;
CREATE TABLE names (
    number INTEGER PRIMARY KEY,
    device BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

const STEPS: &[M<'_>] = &[M::up(FIRST)];

/// All steps from an empty database to the newest format.
pub(crate) const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

/// The newest format known.
pub(crate) const NEWEST: u32 = STEPS.len() as u32;

/// Sets up a connection before anything is read, and changes nothing yet.
///
/// The page size counts for a new database only. Exclusive locking comes
/// before the write-ahead log, which then needs no shared memory.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Plans do not depend on what is bound, so that statements are prepared once.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "PRAGMA page_size = 16384;
         PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA cell_size_check = ON;
         PRAGMA mmap_size = 0;
         PRAGMA foreign_keys = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -8192;",
    )
}

/// Sets up how a database that is ours is written: durably at every commit,
/// through a log that is folded into the database at about 4 MiB.
pub(crate) fn make_durable(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 256;
         PRAGMA journal_size_limit = 16777216;",
    )
}
