//! How a database fails, sorted by what the caller can do about it.

use std::io;
use std::path::PathBuf;

use driftless_core::{DeviceId, FolderId, InstanceId, Sequence};
use rusqlite::ErrorCode;

/// Why an operation on an open index failed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The disk, or a limit on the database's size, is full. What was committed
    /// is intact; try again once there is room.
    #[error("there is no room for the index")]
    Full(#[source] rusqlite::Error),
    /// The operating system could not read or write.
    #[error("the index cannot be read or written")]
    Io(#[source] rusqlite::Error),
    /// The database is malformed, or holds what this program never writes.
    /// Set it aside and begin anew.
    #[error("the index is damaged: {0}")]
    Corrupt(Box<str>),
    /// Another process has the database open.
    #[error("the index is in use by another process")]
    Busy(#[source] rusqlite::Error),
    /// The entry carries a sequence that is another path's, or was never assigned.
    #[error("sequence {} is not this path's", .0.0)]
    Sequence(Sequence),
    /// The caller asked for what the port does not allow.
    #[error("the index was misused: {0}")]
    Misuse(&'static str),
    /// Anything else that SQLite reports.
    #[error("the index failed")]
    Other(#[source] rusqlite::Error),
}

impl IndexError {
    /// A database that holds what this program never writes.
    pub(crate) fn corrupt(what: &str) -> Self {
        Self::Corrupt(what.into())
    }
}

impl From<rusqlite::Error> for IndexError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied,
            ) => Self::Io(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt(error.to_string().into())
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(error),
            Some(_) => Self::Other(error),
            None => match error {
                // The schema is strict, so a value of another kind or size than
                // was written means damage, as does a row that went missing.
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::QueryReturnedNoRows => Self::Corrupt(error.to_string().into()),
                other => Self::Other(other),
            },
        }
    }
}

/// Why a database could not be opened as a folder's index.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No database is there, and none was to be created.
    #[error("no index at {0}")]
    Missing(PathBuf),
    /// The file or its directory could not be made or reached.
    #[error("cannot prepare {path}")]
    Place {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Written by a newer version of the program.
    #[error("the index has format {found}, this version of driftless knows up to {known}")]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// A sound SQLite database, but no index.
    #[error("{0} is not an index of driftless")]
    Foreign(PathBuf),
    /// The index of another folder.
    #[error("this is the index of folder {found}")]
    OtherFolder {
        /// Whose it is.
        found: FolderId,
    },
    /// The index of another root of the folder.
    #[error("this is the index of folder instance {found}")]
    OtherInstance {
        /// Whose it is.
        found: InstanceId,
    },
    /// Another device's index.
    #[error("this is the index of device {}", .found.short())]
    OtherDevice {
        /// Whose it is.
        found: DeviceId,
    },
    /// The format could not be brought up to date; the database is as it was.
    #[error("cannot bring the index up to date")]
    Migration(#[source] rusqlite_migration::Error),
    /// The database itself failed; [`IndexError::Corrupt`] if it is damaged.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl OpenError {
    /// Whether the database is damaged, so that setting it aside is the way on.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Self::Index(IndexError::Corrupt(_)))
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error.into())
    }
}
