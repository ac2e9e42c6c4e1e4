//! The configuration: a commented TOML file that a person may edit.
//!
//! Parsed once, here, into [`Settings`]; a file with any flaw is refused as a
//! whole, naming line, column and reason. Our own changes go through the
//! file's syntax tree, so comments and order survive them, and every change
//! is checked by the same rules as a file from a person's editor before it is
//! taken. What the settings mean for a running daemon is decided elsewhere.
//!
//! Two writers never undo each other: a save is refused when the file is not
//! what was loaded, and [`Config::edit`] loads, changes and saves under a lock.
//! An editor takes no such lock; a save that falls between our comparison and
//! our rename loses, a window of microseconds.

mod change;
mod general;
mod lookup;
mod parse;
mod policies;
pub mod provision;
mod section;
mod settings;
mod size;
mod write;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use driftless_core::{DeviceId, FolderId};
use toml_edit::DocumentMut;

use crate::home::{Home, open_private};

pub use change::EditError;
pub(crate) use lookup::find_among;
pub use lookup::{Kind, LookupError};
pub use policies::{MAX_POLICY_RULES, Policies, PolicyRule, policy_word, read_policy};
pub use settings::{
    DeviceConfig, FolderConfig, FolderMode, History, Hours, Limits, MAX_DEVICES_PER_FOLDER,
    MAX_NAME_BYTES, Settings, ThisDevice, sanitize_name,
};
pub use size::parse_size;

/// The largest configuration that is read.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A configuration as loaded, with the changes made since.
///
/// Changes are in memory until [`Config::save`]; [`Config::edit`] does both.
#[derive(Clone, Debug)]
pub struct Config {
    settings: Settings,
    document: DocumentMut,
    /// The file's text when it was last read or written.
    saved: String,
    home: Home,
}

/// Why a configuration was not loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none yet.
    #[error("{} does not exist; run `driftless init` first", file.display())]
    Missing {
        /// Where it was looked for.
        file: PathBuf,
    },
    /// The text breaks a rule.
    #[error("{}:{line}:{column}: {reason}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// Somebody else changed the file since it was loaded.
    #[error("{} was changed by someone else meanwhile; try again", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
    },
    /// A first name for this device that can't be used.
    #[error("the name {name:?} {problem}")]
    Name {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file could not be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written; the old one stands.
    #[error("cannot write {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Config {
    /// Makes the configuration of `home` where there is none, and loads it.
    ///
    /// `name` is what the new file calls this device; by default the host's
    /// name. A file that exists is left as it is.
    ///
    /// # Errors
    ///
    /// When an existing file is refused, a new one can't be written, or
    /// `name` is empty, too long or unprintable.
    pub fn init(home: &Home, name: Option<String>) -> Result<Self, ConfigError> {
        let _lock = lock(home)?;
        match Self::load(home) {
            Err(ConfigError::Missing { .. }) => {}
            outcome => return outcome,
        }
        let name = match name {
            Some(name) => match settings::name_problem(&name) {
                Some(problem) => return Err(ConfigError::Name { name, problem }),
                None => name,
            },
            None => host_name(),
        };
        let mut document: DocumentMut =
            include_str!("config/default.toml").parse().expect("the default configuration is TOML");
        document["name"] = toml_edit::value(name);
        let mut config = Self::from_text(home, document.to_string())?;
        config.saved = String::new();
        config.save_locked()?;
        Ok(config)
    }

    /// Loads the configuration of `home`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Missing`] before [`Config::init`], [`ConfigError::Invalid`]
    /// for a file that breaks a rule.
    pub fn load(home: &Home) -> Result<Self, ConfigError> {
        Self::from_text(home, read(&home.config_file())?)
    }

    pub(crate) fn from_text(home: &Home, text: String) -> Result<Self, ConfigError> {
        let file = home.config_file();
        let settings = parse::parse(&text, home.path()).map_err(|flaw| {
            let (line, column) = flaw.line_and_column(&text);
            ConfigError::Invalid { file, line, column, reason: flaw.reason }
        })?;
        let document = text.parse().expect("the text was parsed a moment ago");
        Ok(Self { settings, document, saved: text, home: home.clone() })
    }

    /// Loads, changes and saves the configuration while other writers wait.
    ///
    /// Nothing is written when `change` fails or changes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Config::load`], of `change` and of [`Config::save`].
    pub fn edit<T, E: From<ConfigError>>(
        home: &Home,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let _lock = lock(home)?;
        let mut config = Self::load(home)?;
        let outcome = change(&mut config)?;
        config.save_locked()?;
        Ok(outcome)
    }

    /// Writes the changes made since the configuration was loaded.
    ///
    /// The file is replaced as a whole and is durable on return.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Changed`] when the file is not what was loaded.
    pub fn save(&mut self) -> Result<(), ConfigError> {
        let _lock = lock(&self.home)?;
        self.save_locked()
    }

    fn save_locked(&mut self) -> Result<(), ConfigError> {
        let text = self.text();
        if text == self.saved {
            return Ok(());
        }
        let file = self.home.config_file();
        let on_disk = match read(&file) {
            Err(ConfigError::Missing { .. }) => String::new(),
            outcome => outcome?,
        };
        if on_disk != self.saved {
            return Err(ConfigError::Changed { file });
        }
        write::replace(&file, text.as_bytes())
            .map_err(|source| ConfigError::Write { file, source })?;
        self.saved = text;
        Ok(())
    }

    /// The text of the file with the changes made since.
    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// Everything that the configuration says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// This device.
    pub fn this_device(&self) -> &ThisDevice {
        &self.settings.device
    }

    /// The devices that may connect.
    pub fn devices(&self) -> &[DeviceConfig] {
        &self.settings.devices
    }

    /// The folders that are synced.
    pub fn folders(&self) -> &[FolderConfig] {
        &self.settings.folders
    }

    /// The device of this ID, if it is listed.
    pub fn device(&self, id: &DeviceId) -> Option<&DeviceConfig> {
        self.settings.devices.iter().find(|device| device.id == *id)
    }

    /// The folder of this ID, if it is listed.
    pub fn folder(&self, id: &FolderId) -> Option<&FolderConfig> {
        self.settings.folders.iter().find(|folder| folder.id == *id)
    }

    /// The device that a person calls `query`: its name, ID or unique ID prefix.
    ///
    /// # Errors
    ///
    /// When none fits, or several do.
    pub fn find_device(&self, query: &str) -> Result<&DeviceConfig, LookupError> {
        self.settings.find_device(query)
    }

    /// The folder that a person calls `query`: its ID, label or absolute path.
    ///
    /// # Errors
    ///
    /// When none fits, or several do.
    pub fn find_folder(&self, query: &str) -> Result<&FolderConfig, LookupError> {
        self.settings.find_folder(query)
    }
}

/// Draws an ID for a folder that is shared for the first time.
///
/// # Errors
///
/// When the system gives no randomness.
pub fn draw_folder_id() -> io::Result<FolderId> {
    let mut bits = [0; 10];
    getrandom::fill(&mut bits).map_err(io::Error::other)?;
    Ok(FolderId::from_random(bits))
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { file: file.to_owned(), source };
    match file.metadata() {
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
            return Err(failed(io::Error::other(format!("larger than {MAX_FILE_BYTES} bytes"))));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ConfigError::Missing { file: file.to_owned() });
        }
        Err(error) => return Err(failed(error)),
    }
    std::fs::read_to_string(file).map_err(failed)
}

/// Waits until no other process edits the configuration of `home`.
fn lock(home: &Home) -> Result<std::fs::File, ConfigError> {
    let file = home.path().join("config.lock");
    let locked = open_private(&file).and_then(|open| open.lock().map(|()| open));
    locked.map_err(|source| ConfigError::Write { file, source })
}

fn host_name() -> String {
    let name = rustix::system::uname();
    let first = name.nodename().to_string_lossy();
    sanitize_name(first.split('.').next().unwrap_or_default())
        .unwrap_or_else(|| "this device".to_owned())
}
