//! Where one installation keeps its things, and who may run it.
//!
//! A home is one private directory: the device's key, the configuration, one
//! database per folder, the log and the control socket. This module names
//! those places and holds the lock that lets one daemon run per home. It does
//! not read or write what lies there, and it holds no synced files.

mod machine;
mod private;
mod rekey;

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use driftless_core::FolderId;
use driftless_net::{Identity, IdentityError};
use etcetera::BaseStrategy as _;

pub use rekey::RekeyError;

pub(crate) use machine::MachineId;
pub(crate) use private::{create_private, create_private_dir, open_private, private_options};
pub(crate) use rekey::Because;

/// The directory that holds one installation's key, configuration and index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// Why a home directory could not be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The platform names no place for a user's data.
    #[error("no home directory is known for this user; name one with --home DIR")]
    NoDefault,
    /// The path exists and is something else than a directory.
    #[error("{} is not a directory; name another with --home DIR", path.display())]
    NotADirectory {
        /// The path in question.
        path: PathBuf,
    },
    /// The directory could not be made or looked at.
    #[error("cannot use {} as home", path.display())]
    Create {
        /// The directory in question.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why the lock on a home was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HomeLockError {
    /// Another daemon runs here.
    #[error("a daemon already runs for {}{}", home.display(), holder(*.pid))]
    Held {
        /// The home in question.
        home: PathBuf,
        /// The process that holds it, where it could be read.
        pid: Option<u32>,
    },
    /// The lock file could not be opened or locked.
    #[error("cannot lock {}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

/// The right to run the daemon of one home, for as long as it lives.
///
/// Advisory, and released by the system when the process ends in any way.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

impl Home {
    /// Finds the home that `chosen` names, or the platform's default, and makes it.
    ///
    /// A new directory is open to its owner only; the mode of an existing one
    /// is left as it is. The path is made absolute and is otherwise kept as
    /// given.
    ///
    /// # Errors
    ///
    /// When no place is known, or the directory can't be made.
    pub fn resolve(chosen: Option<PathBuf>) -> Result<Self, HomeError> {
        let path = match chosen {
            Some(path) => path,
            None => etcetera::choose_base_strategy()
                .map_err(|_| HomeError::NoDefault)?
                .data_dir()
                .join("driftless"),
        };
        let failed = |source| HomeError::Create { path: path.clone(), source };
        let absolute = std::path::absolute(&path).map_err(failed)?;
        if absolute.exists() && !absolute.is_dir() {
            return Err(HomeError::NotADirectory { path: absolute });
        }
        let home = Self { path: absolute };
        for directory in [home.path.clone(), home.index_dir(), home.log_dir()] {
            create_private_dir(&directory).map_err(failed)?;
        }
        Ok(home)
    }

    /// The directory itself, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration that a person may edit.
    pub fn config_file(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// The device's private key.
    pub fn key_file(&self) -> PathBuf {
        self.path.join("device.pem")
    }

    /// The index database of one folder.
    ///
    /// Distinct folder IDs give distinct names, on file systems that fold case too.
    pub fn database(&self, folder: &FolderId) -> PathBuf {
        let name = file_safe(&folder.to_string());
        self.index_dir().join(format!("{name}.db"))
    }

    /// Where small texts of one folder are kept, beside its index; losing them loses no file.
    pub fn texts_database(&self, folder: &FolderId) -> PathBuf {
        let name = file_safe(&folder.to_string());
        self.index_dir().join(format!("{name}.texts.db"))
    }

    fn index_dir(&self) -> PathBuf {
        self.path.join("index")
    }

    /// Where the log is written.
    pub fn log_dir(&self) -> PathBuf {
        self.path.join("log")
    }

    /// What the daemon remembers between runs and a person need not see.
    pub fn state_file(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// What happened, for people; losing it loses nothing else.
    pub fn activity_file(&self) -> PathBuf {
        self.path.join("activity.db")
    }

    /// The socket that front ends speak to.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// Takes the right to run the daemon of this home.
    ///
    /// # Errors
    ///
    /// [`HomeLockError::Held`] while another process has it.
    pub fn lock(&self) -> Result<HomeLock, HomeLockError> {
        let path = self.path.join("daemon.lock");
        let failed = |source| HomeLockError::Io { path: path.clone(), source };
        let mut file = open_private(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(HomeLockError::Held { home: self.path.clone(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // The number only makes the refusal above easier to act on.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(HomeLock { _file: file })
    }

    /// Loads this device's identity, making one where there is none.
    ///
    /// # Errors
    ///
    /// When the key file is unreadable, damaged, or readable by others.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        Identity::load_or_create(&self.key_file())
    }
}

/// Spells `id` with lower-case letters, digits, `-`, `_` and `%XX` only.
fn file_safe(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_below(directory: &tempfile::TempDir) -> Home {
        Home::resolve(Some(directory.path().join("home"))).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn a_new_home_is_open_to_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let home = home_below(&directory);
        for path in [home.path(), &home.log_dir(), &home.index_dir()] {
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o700, "{}", path.display());
        }
    }

    #[test]
    fn one_daemon_runs_per_home_and_a_dropped_lock_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let home = home_below(&directory);
        let first = home.lock().unwrap();
        let refused = home.lock().unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "a daemon already runs for {} (process {})",
                home.path().display(),
                std::process::id()
            )
        );
        drop(first);
        home.lock().unwrap();
    }

    #[test]
    fn a_device_keeps_its_identity() {
        let directory = tempfile::tempdir().unwrap();
        let home = home_below(&directory);
        let first = home.identity().unwrap().device_id();
        assert_eq!(home.identity().unwrap().device_id(), first);
    }

    #[test]
    fn a_file_in_the_place_of_the_home_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("home");
        std::fs::write(&file, "").unwrap();
        let refused = Home::resolve(Some(file)).unwrap_err();
        assert!(matches!(refused, HomeError::NotADirectory { .. }));
    }

    #[test]
    fn database_names_escape_what_a_file_system_might_fold_or_split() {
        assert_eq!(file_safe("abc-123_x"), "abc-123_x");
        assert_eq!(file_safe("A/b.."), "%41%2fb%2e%2e");
    }
}
