//! Where log lines go: standard error, and a rotated file in the home.
//!
//! What is logged is the callers' business, under one rule: names of synced
//! files appear at DEBUG and below only, so a log at the default level can be
//! shown to others.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use crate::home::{Home, create_private_dir, open_private};

/// The environment variable that says what is logged, such as `debug` or
/// `info,driftless_net=trace`.
pub const FILTER_VARIABLE: &str = "DRIFTLESS_LOG";

const DEFAULT_FILTER: &str = "info,mdns_sd=warn,quinn=warn,quinn_proto=warn,rustls=warn";
const FILE_BYTES: usize = 10 << 20;
/// How many full files are kept beside the one that is written.
const OLD_FILES: usize = 4;

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is malformed.
    #[error("{FILTER_VARIABLE} is no log filter ({0}); an example is `info,driftless_net=debug`")]
    Filter(String),
    /// The log file can't be written.
    #[error("cannot write the log {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Logging was started before in this process.
    #[error("logging has been started already")]
    Started,
}

/// Which of the home's log files a process writes: two that wrote one would
/// rotate it under each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFile {
    /// That of a daemon of its own.
    Daemon,
    /// That of the desktop app, whether or not it hosts the daemon.
    App,
}

impl LogFile {
    fn name(self) -> &'static str {
        match self {
            Self::Daemon => "driftless.log",
            Self::App => "app.log",
        }
    }
}

/// Starts logging for this process, once.
///
/// # Errors
///
/// When the filter is malformed, the log file can't be written, or logging
/// was started before.
pub fn init(home: &Home, file: LogFile) -> Result<(), LoggingError> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(text) if !text.is_empty() => {
            EnvFilter::try_new(&text).map_err(|error| LoggingError::Filter(error.to_string()))?
        }
        _ => EnvFilter::new(DEFAULT_FILTER),
    };
    let to_file = fmt::layer().with_ansi(false).with_writer(Mutex::new(log_file(home, file)?));
    let to_terminal = fmt::layer()
        .with_ansi(
            io::IsTerminal::is_terminal(&io::stderr()) && std::env::var_os("NO_COLOR").is_none(),
        )
        .with_writer(io::stderr);
    tracing_subscriber::registry()
        .with(filter)
        .with(to_terminal)
        .with(to_file)
        .try_init()
        .map_err(|_| LoggingError::Started)
}

/// Opens the log for appending; five files of 10 MiB are the most that stays.
fn log_file(home: &Home, file: LogFile) -> Result<FileRotate<AppendCount>, LoggingError> {
    let file = home.log_dir().join(file.name());
    // FileRotate panics or stays silent where it can't open its file: try first.
    create_private_dir(&home.log_dir())
        .and_then(|()| open_private(&file))
        .map_err(|source| LoggingError::File { file: file.clone(), source })?;
    Ok(FileRotate::new(
        &file,
        AppendCount::new(OLD_FILES),
        ContentLimit::BytesSurpassed(FILE_BYTES),
        Compression::None,
        Some(append_options()),
    ))
}

fn append_options() -> std::fs::OpenOptions {
    let mut options = crate::home::private_options();
    options.create(true).append(true);
    options
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_log_is_appended_to_and_rotated_within_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(directory.path().join("home"))).unwrap();
        log_file(&home, LogFile::Daemon).unwrap().write_all(b"first run\n").unwrap();
        let mut log = log_file(&home, LogFile::Daemon).unwrap();
        let line = [b'x'; 1 << 20];
        for _ in 0..64 {
            log.write_all(&line).unwrap();
        }
        log.flush().unwrap();
        let mut names: Vec<_> = std::fs::read_dir(home.log_dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let expected = ["", ".1", ".2", ".3", ".4"].map(|end| format!("driftless.log{end}"));
        assert_eq!(names, expected);
    }
}
