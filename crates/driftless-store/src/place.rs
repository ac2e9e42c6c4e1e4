//! The database's files: made private, made durable, set aside.
//!
//! Where modes of files mean nothing (outside Unix), the directory that the
//! caller chose has to be private already.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::Migrations;

use crate::error::OpenError;

/// Makes the directories above `path` (mode 0700) and, empty, the file itself
/// (mode 0600), each durably. What exists already is left as it is.
pub(crate) fn prepare(path: &Path) -> Result<(), OpenError> {
    let parent = parent(path);
    make_directories(parent)
        .map_err(|source| OpenError::Place { path: parent.to_owned(), source })?;
    make_file(path)
        .and_then(|()| sync_directory(parent))
        .map_err(|source| OpenError::Place { path: path.to_owned(), source })
}

/// Sets a damaged database aside: `index.db` and the files that SQLite keeps
/// next to it get `suffix` appended to the database's name. Replaces nothing.
///
/// # Errors
///
/// `AlreadyExists` if the suffix is taken; otherwise what renaming failed with.
/// The database goes first, because a log without its database is harmless,
/// and a database without its log is an old state that looks sound.
pub fn quarantine(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let aside = with_suffix(path, &format!(".{suffix}"));
    let pairs =
        ["", "-wal", "-shm"].map(|part| (with_suffix(path, part), with_suffix(&aside, part)));
    if pairs.iter().any(|(_, to)| to.symlink_metadata().is_ok()) {
        return Err(io::Error::from(io::ErrorKind::AlreadyExists));
    }
    for (from, to) in &pairs {
        match fs::rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    sync_directory(parent(path))?;
    Ok(aside)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn make_directories(directory: &Path) -> io::Result<()> {
    let missing: Vec<_> = directory.ancestors().take_while(|above| !above.exists()).collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    missing
        .iter()
        .filter(|made| !made.as_os_str().is_empty())
        .try_for_each(|made| sync_directory(parent(made)))
}

fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Opens a database beside the indexes whose loss costs nobody a file, made
/// where it is missing, with mode 0600: it is written without waiting for the
/// disk, so that a power cut may take the last writes and never what was before.
pub(crate) fn open_beside(
    path: &Path,
    migrations: &Migrations<'_>,
) -> Result<Connection, OpenError> {
    prepare(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;",
    )?;
    migrations.to_latest(&mut connection).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => err.into(),
        other => OpenError::Migration(other),
    })?;
    Ok(connection)
}
