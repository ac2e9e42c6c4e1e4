//! What a person asks for, as entries of the configuration.
//!
//! Used by a running daemon and, where none runs, by the command line, so that
//! a machine that a script provisioned is as if its daemon had been asked. The
//! rules are the configuration's own; whether a folder can then be opened is
//! found out by whoever opens it.

use std::path::{Path, PathBuf};

use driftless_control::api;
use driftless_core::id::{ParseDeviceIdError, ParseFolderIdError};
use driftless_core::{DeviceId, FolderId};
use driftless_fs::Root;
use driftless_net::IdentityError;

use super::{
    Config, ConfigError, DeviceConfig, EditError, FolderConfig, FolderMode, Settings,
    draw_folder_id,
};
use crate::device_link::{DeviceLink, ParseLinkError};
use crate::home::Home;
use crate::rules;
pub use crate::rules::RulesError;

/// Why a device or folder was not added.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The text is no device ID.
    #[error("{text:?} is not a device ID")]
    DeviceId {
        /// The text.
        text: String,
        /// Why not.
        source: ParseDeviceIdError,
    },
    /// The text is no device's link.
    #[error("{text:?} is no link to a device")]
    Link {
        /// The text.
        text: String,
        /// Why not.
        source: ParseLinkError,
    },
    /// The text is no folder ID.
    #[error("{text:?} is not a folder ID")]
    FolderId {
        /// The text.
        text: String,
        /// Why not.
        source: ParseFolderIdError,
    },
    /// A device does not connect to itself.
    #[error("{} is this device's own ID", .0.short())]
    OwnDevice(DeviceId),
    /// This device's identity cannot be read.
    #[error("cannot tell this device's own ID")]
    Identity(#[from] IdentityError),
    /// The daemon and the command line may run in different directories.
    #[error("{0:?} is not an absolute path")]
    RelativePath(String),
    /// The system gives no random bytes.
    #[error("cannot draw a folder ID")]
    Draw(#[source] std::io::Error),
    /// The directory is marked as a copy of another folder than the one asked for.
    #[error("{} belongs to another folder, {found}", path.display())]
    Claimed {
        /// The directory.
        path: PathBuf,
        /// The folder that its marker names.
        found: FolderId,
    },
    /// The directory cannot be made.
    #[error("cannot make {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What it is to leave out cannot be written down.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// It is there already.
    #[error("{0}")]
    Known(String),
    /// The configuration refuses it.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl From<ConfigError> for ProvisionError {
    fn from(error: ConfigError) -> Self {
        Self::Edit(error.into())
    }
}

impl ProvisionError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::DeviceId { .. } => Some("`driftless id` prints it on that device".to_owned()),
            Self::Link { .. } => Some("`driftless id --link` prints it on that device".to_owned()),
            Self::FolderId { .. } => Some("leave --id out to have one drawn".to_owned()),
            Self::OwnDevice(_) => Some("give the ID of the other device".to_owned()),
            Self::RelativePath(_) => Some("give a path that begins with /".to_owned()),
            Self::Draw(_) => Some("choose one with --id".to_owned()),
            Self::Claimed { found, .. } => {
                Some(format!("choose another directory, or go on with it by --id {found}"))
            }
            Self::Directory { .. } => Some("choose a directory that you may write".to_owned()),
            Self::Rules(error) => error.hint(),
            Self::Identity(_) | Self::Known(_) | Self::Edit(_) => None,
        }
    }

    /// Whether the request itself makes no sense.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::DeviceId { .. }
            | Self::Link { .. }
            | Self::FolderId { .. }
            | Self::RelativePath(_) => true,
            Self::Rules(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Lets a device connect.
///
/// # Errors
///
/// The ID or link is malformed, this device's own or listed already, or the
/// configuration refuses the name or an address.
pub fn add_device(home: &Home, request: &api::DeviceAdd) -> Result<DeviceConfig, ProvisionError> {
    let api::DeviceAdd { id: text, name, addresses } = request;
    let link = match text.parse::<DeviceLink>() {
        Ok(link) => Some(link),
        Err(ParseLinkError::Prefix) => None,
        Err(source) => return Err(ProvisionError::Link { text: text.clone(), source }),
    };
    let id: DeviceId = match &link {
        Some(link) => link.device,
        None => text
            .parse()
            .map_err(|source| ProvisionError::DeviceId { text: text.clone(), source })?,
    };
    let said = link.as_ref().and_then(|link| link.name.as_deref());
    let mut device = DeviceConfig::new(id, name.as_deref().or(said));
    device.addresses = addresses.clone();
    for address in link.into_iter().flat_map(|link| link.addresses) {
        if !device.addresses.contains(&address) {
            device.addresses.push(address);
        }
    }
    Config::edit(home, |config| {
        if home.identity()?.device_id() == id {
            return Err(ProvisionError::OwnDevice(id));
        }
        let is_known = config.device(&id).is_some();
        config.add_device(&device).map_err(|error| known_or(is_known, error))
    })?;
    Ok(device)
}

/// Lists a folder and makes its directory where it is absent.
///
/// Without an ID, a directory that is marked as a copy of a folder goes on as
/// that; any other gets a random ID.
///
/// # Errors
///
/// The ID is malformed or in use, the path is relative, inside another folder
/// or marked as another, a device to share it with is unknown, or the
/// directory or its rules cannot be made.
pub fn add_folder(home: &Home, request: &api::FolderAdd) -> Result<FolderConfig, ProvisionError> {
    let api::FolderAdd { path, id, label, mode, share, rules } = request;
    let directory = PathBuf::from(path);
    if !directory.is_absolute() {
        return Err(ProvisionError::RelativePath(path.clone()));
    }
    let mut folder = FolderConfig::new(folder_id(id.as_deref(), &directory)?, directory);
    if let Some(label) = label {
        folder.label.clone_from(label);
    }
    folder.mode = mode_of(*mode);
    if let Some(rules) = rules {
        rules::written("", rules)?;
    }
    Config::edit(home, |config| {
        for query in share {
            let device = config.find_device(query).map_err(EditError::from)?.id;
            if !folder.devices.contains(&device) {
                folder.devices.push(device);
            }
        }
        let is_known = config.folder(&folder.id).is_some();
        config.add_folder(&folder).map_err(|error| known_or(is_known, error))?;
        // Made last, so that a refused folder leaves no directory behind.
        std::fs::create_dir_all(&folder.path)
            .map_err(|source| ProvisionError::Directory { path: folder.path.clone(), source })?;
        if let Some(wanted) = rules {
            // Before anybody looks at the directory, so that nothing is sent that should not be.
            rules::begin(&folder.path, home.identity()?.device_id(), wanted)?;
        }
        Ok::<_, ProvisionError>(())
    })?;
    Ok(folder)
}

fn known_or(is_known: bool, error: EditError) -> ProvisionError {
    match error {
        EditError::Refused(reason) if is_known => ProvisionError::Known(reason),
        error => ProvisionError::Edit(error),
    }
}

fn folder_id(asked: Option<&str>, directory: &Path) -> Result<FolderId, ProvisionError> {
    // A directory that cannot be looked at is refused when it is to be made or opened.
    let marked = Root::read_marker(directory).ok().flatten().map(|marker| marker.folder);
    match (asked, marked) {
        (None, Some(found)) => Ok(found),
        (None, None) => draw_folder_id().map_err(ProvisionError::Draw),
        (Some(text), marked) => {
            let id = FolderId::parse(text)
                .map_err(|source| ProvisionError::FolderId { text: text.to_owned(), source })?;
            match marked.filter(|found| *found != id) {
                Some(found) => Err(ProvisionError::Claimed { path: directory.to_owned(), found }),
                None => Ok(id),
            }
        }
    }
}

pub(crate) fn mode_of(mode: api::FolderMode) -> FolderMode {
    match mode {
        api::FolderMode::SendReceive => FolderMode::SendReceive,
        api::FolderMode::SendOnly => FolderMode::SendOnly,
        api::FolderMode::ReceiveOnly => FolderMode::ReceiveOnly,
    }
}

/// The API's word for a mode.
pub(crate) fn mode_view(mode: FolderMode) -> api::FolderMode {
    match mode {
        FolderMode::SendReceive => api::FolderMode::SendReceive,
        FolderMode::SendOnly => api::FolderMode::SendOnly,
        FolderMode::ReceiveOnly => api::FolderMode::ReceiveOnly,
    }
}

/// A device as configured; whether it is connected is not known here.
pub fn device_view(settings: &Settings, device: &DeviceConfig) -> api::DeviceView {
    let shared = settings.folders.iter().filter(|folder| folder.devices.contains(&device.id));
    api::DeviceView {
        id: device.id.to_string(),
        name: device.name.clone(),
        addresses: device.addresses.clone(),
        paused: device.paused,
        folders: shared.map(|folder| folder.id.to_string()).collect(),
        ..api::DeviceView::default()
    }
}

/// A folder as configured.
pub fn folder_view(settings: &Settings, folder: &FolderConfig) -> api::FolderView {
    let name_of = |id: &DeviceId| {
        let known = settings.devices.iter().find(|device| device.id == *id);
        known.map_or_else(|| id.short(), |device| device.name.clone())
    };
    let member = |id: &DeviceId| api::FolderMember { id: id.to_string(), name: name_of(id) };
    api::FolderView {
        id: folder.id.to_string(),
        label: folder.label.clone(),
        path: folder.path.display().to_string(),
        mode: mode_view(folder.mode),
        paused: folder.paused,
        devices: folder.devices.iter().map(member).collect(),
    }
}
