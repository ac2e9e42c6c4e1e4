//! Opening a database as one folder's index, and closing it.
//!
//! Decides whether what lies at a path may be used: of a format that is known,
//! sound, and of this folder, instance and device. Repairs nothing but sums
//! that can be counted anew.

use std::path::Path;

use driftless_core::{DeviceId, Epoch, FolderId, InstanceId, Sequence, Slot, Totals};
use rusqlite::{Connection, OpenFlags};

use crate::error::{IndexError, OpenError};
use crate::index::SqliteIndex;
use crate::names::Names;
use crate::state::{self, State};
use crate::{place, schema};

/// Whose index is expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The folder.
    pub folder: FolderId,
    /// The folder's root on this device.
    pub instance: InstanceId,
    /// This device.
    pub device: DeviceId,
}

/// What to do where no index is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// Fail with [`OpenError::Missing`].
    Existing,
    /// Begin a new one in this epoch, which the caller has drawn at random.
    Create(Epoch),
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// An index that was closed in order.
    Existing,
    /// An index that was not closed in order, and passed the checks.
    Recovered,
    /// No index: this one is new and empty.
    Created,
}

impl SqliteIndex {
    /// Opens the index at `path`, or begins a new one.
    ///
    /// A new database's directories get mode 0700 and the file 0600. After an
    /// unclean close the whole database is checked, which reads all of it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; on [`OpenError::is_corrupt`] the way on is
    /// [`crate::quarantine`]. A database that is refused is not changed.
    pub fn open(path: &Path, owner: &Owner, mode: OpenMode) -> Result<(Self, Opened), OpenError> {
        match mode {
            OpenMode::Existing if !path.exists() => {
                return Err(OpenError::Missing(path.to_owned()));
            }
            OpenMode::Existing => {}
            OpenMode::Create(_) => place::prepare(path)?,
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let mut connection = Connection::open_with_flags(path, flags)?;
        schema::prepare(&connection)?;
        let is_empty = check_format(&connection, path)?;
        match mode {
            OpenMode::Existing if is_empty => return Err(OpenError::Missing(path.to_owned())),
            OpenMode::Existing | OpenMode::Create(_) => {}
        }
        schema::make_durable(&connection)?;
        schema::MIGRATIONS.to_latest(&mut connection).map_err(migration_error)?;
        let (state, opened) = match (State::load(&connection)?, mode) {
            (Some(state), _) if state.clean => (state, Opened::Existing),
            (Some(state), _) => (state, Opened::Recovered),
            (None, OpenMode::Existing) => return Err(OpenError::Missing(path.to_owned())),
            (None, OpenMode::Create(fresh)) => {
                let state = State::fresh(owner, fresh);
                state.insert(&connection)?;
                (state, Opened::Created)
            }
        };
        check_owner(&state, owner)?;
        if opened == Opened::Recovered {
            check_soundness(&connection)?;
        }
        let index = Self::assemble(connection, state, opened)?;
        Ok((index, opened))
    }

    fn assemble(connection: Connection, state: State, opened: Opened) -> Result<Self, IndexError> {
        if opened == Opened::Existing {
            state::set_clean(&connection, false)?;
        }
        let names = load_names(&connection)?;
        let slots = load_slots(&connection, state.device)?;
        let totals = state.totals.unwrap_or_default();
        let mut index =
            Self::new(connection, state.identity, state.last_sequence, totals, names, slots);
        if index.highest_sequence()? > index.last_sequence {
            return Err(IndexError::corrupt("a sequence was never assigned"));
        }
        if opened == Opened::Recovered || state.totals.is_none() {
            index.recount(state.totals)?;
        }
        Ok(index)
    }

    /// Counts the sums anew and stores them if they are not as `stored`.
    fn recount(&mut self, stored: Option<Totals>) -> Result<(), IndexError> {
        let mut counted = Totals::default();
        self.walk(|_, found| {
            counted.add(&found.entry);
            Ok(())
        })?;
        if stored != Some(counted) {
            tracing::warn!("the index's sums were missing or wrong and have been counted anew");
            self.totals = counted;
            state::save(&self.connection, self.identity, self.last_sequence, &self.totals)?;
        }
        Ok(())
    }

    /// Closes the database in order: its log is folded in and emptied, and the
    /// next opening needs no check. An open transaction is rolled back.
    ///
    /// Merely dropping the index is as safe, but counts as unclean.
    ///
    /// # Errors
    ///
    /// The database is closed in any case, and nothing that was committed is lost.
    pub fn close(mut self) -> Result<(), IndexError> {
        if self.before.is_some() {
            driftless_core::Index::rollback(&mut self)?;
        }
        state::set_clean(&self.connection, true)?;
        self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        self.connection.close().map_err(|(_, error)| error.into())
    }
}

/// Whether the database is empty; an error if it is not ours to use.
fn check_format(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (version, application) = (pragma("user_version")?, pragma("application_id")?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (version, application, tables) == (0, 0, 0) {
        return Ok(true);
    }
    let found = u32::try_from(version).ok().filter(|&found| found > 0);
    match found {
        Some(found) if application == schema::APPLICATION_ID => {
            let known = schema::NEWEST;
            if found > known { Err(OpenError::Newer { found, known }) } else { Ok(false) }
        }
        _ => Err(OpenError::Foreign(path.to_owned())),
    }
}

fn check_owner(state: &State, owner: &Owner) -> Result<(), OpenError> {
    if state.folder != owner.folder {
        return Err(OpenError::OtherFolder { found: state.folder.clone() });
    }
    if state.identity.instance != owner.instance {
        return Err(OpenError::OtherInstance { found: state.identity.instance });
    }
    if state.device != owner.device {
        return Err(OpenError::OtherDevice { found: state.device });
    }
    Ok(())
}

/// Has SQLite look through the whole database.
fn check_soundness(connection: &Connection) -> Result<(), IndexError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match unread_page(&verdict) {
        _ if verdict == "ok" => Ok(()),
        Some(error) => Err(rusqlite::Error::SqliteFailure(error, Some(verdict)).into()),
        None => Err(IndexError::Corrupt(verdict.into())),
    }
}

/// The disk's error, where a check found nothing worse than that. It reports a
/// page that it was not given among what it finds in pages.
fn unread_page(verdict: &str) -> Option<rusqlite::ffi::Error> {
    let (_, code) = verdict.split_once("error code=")?;
    let digits = code.split(|it: char| !it.is_ascii_digit()).next()?;
    let error = rusqlite::ffi::Error::new(digits.parse().ok()?);
    (error.code == rusqlite::ErrorCode::SystemIoFailure).then_some(error)
}

fn migration_error(error: rusqlite_migration::Error) -> OpenError {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
        other => OpenError::Migration(other),
    }
}

fn load_names(connection: &Connection) -> Result<Names, IndexError> {
    let mut names = Names::default();
    let mut statement = connection.prepare("SELECT number, device FROM names ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let added = names.add(&DeviceId::from_bytes(row.get(1)?));
        if added != u64::try_from(number).ok() {
            return Err(IndexError::corrupt("a device's number is wrong"));
        }
    }
    Ok(names)
}

fn load_slots(connection: &Connection, me: DeviceId) -> Result<Vec<DeviceId>, IndexError> {
    let mut slots = vec![me];
    let mut statement = connection.prepare("SELECT slot, device FROM slots ORDER BY slot")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let slot = usize::try_from(row.get::<_, i64>(0)?).ok().and_then(Slot::new);
        if slot.map(Slot::number) != Some(slots.len()) {
            return Err(IndexError::corrupt("a device's slot is wrong"));
        }
        slots.push(DeviceId::from_bytes(row.get(1)?));
    }
    Ok(slots)
}

impl SqliteIndex {
    fn highest_sequence(&self) -> Result<Sequence, IndexError> {
        let sql = "SELECT coalesce(max(sequence), 0) FROM entries INDEXED BY entries_announced
                   WHERE sequence <> 0";
        let highest: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Sequence(highest as u64))
    }
}
