//! Finding the device or folder that a person means.

use std::fmt;
use std::path::Path;

use super::parse::resolve;
use super::settings::{DeviceConfig, FolderConfig, Settings};

/// What was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A device.
    Device,
    /// A folder.
    Folder,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Folder => "folder",
        })
    }
}

/// Why nothing was found under a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Nothing is called that.
    #[error("no {kind} is called {query:?}; {}", known(*.kind, choices))]
    NotFound {
        /// What was looked for.
        kind: Kind,
        /// What it was called.
        query: String,
        /// What could have been meant, as people know it.
        choices: Vec<String>,
    },
    /// Several are called that.
    #[error("{query:?} fits several {kind}s: {}; use the ID", choices.join(", "))]
    Ambiguous {
        /// What was looked for.
        kind: Kind,
        /// What it was called.
        query: String,
        /// What fits.
        choices: Vec<String>,
    },
}

fn known(kind: Kind, choices: &[String]) -> String {
    match choices {
        [] => format!("there is no {kind} yet"),
        _ => format!("there is {}", choices.join(", ")),
    }
}

impl Settings {
    /// The device that a person calls `query`: its name, ID or unique ID prefix.
    ///
    /// # Errors
    ///
    /// When none fits, or several do.
    pub fn find_device(&self, query: &str) -> Result<&DeviceConfig, LookupError> {
        find_among(&self.devices, query)
    }

    /// The folder that a person calls `query`: its ID, label or absolute path.
    ///
    /// # Errors
    ///
    /// When none fits, or several do.
    pub fn find_folder(&self, query: &str) -> Result<&FolderConfig, LookupError> {
        folder(&self.folders, query)
    }
}

/// The device that a person calls `query`: by ID, else by name, else by the beginning of an ID.
pub(crate) fn find_among<'a>(
    devices: &'a [DeviceConfig],
    query: &str,
) -> Result<&'a DeviceConfig, LookupError> {
    let id = query.parse().ok();
    let prefix = plain(query);
    let tests: [&dyn Fn(&DeviceConfig) -> bool; 3] =
        [&|device| Some(device.id) == id, &|device| device.name == query, &|device| {
            !prefix.is_empty() && plain(&device.id.to_string()).starts_with(&prefix)
        }];
    let describe = |device: &DeviceConfig| format!("{} ({})", device.name, device.id.short());
    first_match(Kind::Device, devices, query, &tests, &describe)
}

/// A device ID's letters, however it was spaced.
fn plain(id: &str) -> String {
    id.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).collect()
}

/// By ID, else by path, else by label.
fn folder<'a>(folders: &'a [FolderConfig], query: &str) -> Result<&'a FolderConfig, LookupError> {
    let path = Path::new(query);
    let resolved = path.is_absolute().then(|| resolve(path));
    let tests: [&dyn Fn(&FolderConfig) -> bool; 3] = [
        &|folder| folder.id.as_str() == query,
        &|folder| resolved.as_deref().is_some_and(|path| resolve(&folder.path) == path),
        &|folder| folder.label == query,
    ];
    let describe = |folder: &FolderConfig| format!("{} ({})", folder.label, folder.id);
    first_match(Kind::Folder, folders, query, &tests, &describe)
}

/// Applies the tests in turn; the first that anything passes decides.
fn first_match<'a, T>(
    kind: Kind,
    candidates: &'a [T],
    query: &str,
    tests: &[&dyn Fn(&T) -> bool],
    describe: &dyn Fn(&T) -> String,
) -> Result<&'a T, LookupError> {
    let query = query.to_owned();
    for test in tests {
        let fits: Vec<&T> = candidates.iter().filter(|candidate| test(candidate)).collect();
        match fits.as_slice() {
            [] => {}
            [one] => return Ok(one),
            several => {
                let choices = several.iter().map(|fit| describe(fit)).collect();
                return Err(LookupError::Ambiguous { kind, query, choices });
            }
        }
    }
    let choices = candidates.iter().map(describe).collect();
    Err(LookupError::NotFound { kind, query, choices })
}
