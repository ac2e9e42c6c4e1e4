//! The app's own settings: a small file in the configuration directory, beside the daemon's.
//!
//! Whether the app starts at login is the desktop's to remember; it is asked for and told, not
//! stored here. What the settings mean for devices and folders is the daemon's business.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// How the window looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

/// What a person wants to be told outside the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Notify {
    pub(crate) conflicts: bool,
    pub(crate) problems: bool,
    pub(crate) requests: bool,
    pub(crate) finished: bool,
}

impl Default for Notify {
    fn default() -> Self {
        Self { conflicts: true, problems: true, requests: true, finished: true }
    }
}

/// What is stored. Fields of a newer version are dropped when this one writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Stored {
    pub(crate) theme: Theme,
    pub(crate) notify: Notify,
    /// Whether a person was told that closing the window ends nothing.
    pub(crate) told_of_tray: bool,
}

/// The settings as the window reads them.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) start_at_login: bool,
    pub(crate) theme: Theme,
    pub(crate) notify: Notify,
}

/// What the window changes; absent fields stay as they are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    pub(crate) start_at_login: Option<bool>,
    pub(crate) theme: Option<Theme>,
    pub(crate) notify: Option<Notify>,
}

/// The settings and the file that they are in.
#[derive(Debug)]
pub(crate) struct Settings {
    file: PathBuf,
    stored: Mutex<Stored>,
}

impl Settings {
    /// Reads the file in this directory. One that is missing or makes no sense counts as empty:
    /// nothing in it is worth refusing to start for.
    pub(crate) fn load(directory: &Path) -> Self {
        let file = directory.join("app.json");
        let read = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Self { file, stored: Mutex::new(read.unwrap_or_default()) }
    }

    pub(crate) fn get(&self) -> Stored {
        self.lock().clone()
    }

    /// Changes the settings and writes them.
    ///
    /// # Errors
    /// When the file cannot be written; the change then holds until the program ends.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Stored)) -> io::Result<Stored> {
        let mut stored = self.lock();
        change(&mut stored);
        let text = serde_json::to_vec_pretty(&*stored)?;
        let directory = self.file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        // A crash leaves the old file or the new one.
        let new = self.file.with_extension("json.new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &self.file)?;
        Ok(stored.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, Stored, Theme};

    #[test]
    fn settings_are_kept_and_a_damaged_file_counts_as_none() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("made/when/needed");
        let settings = Settings::load(&directory);
        assert_eq!(settings.get(), Stored::default());
        settings.change(|stored| stored.theme = Theme::Dark).unwrap();
        settings.change(|stored| stored.notify.conflicts = false).unwrap();
        let again = Settings::load(&directory).get();
        assert_eq!(
            (again.theme, again.notify.conflicts, again.notify.problems),
            (Theme::Dark, false, true)
        );
        std::fs::write(directory.join("app.json"), "{\"theme\": 7").unwrap();
        assert_eq!(Settings::load(&directory).get(), Stored::default());
    }
}
