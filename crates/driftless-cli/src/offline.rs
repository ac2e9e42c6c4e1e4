//! What provisioning scripts do while no daemon runs: change the configuration that the next one reads.
//!
//! The rules are the configuration's own; this turns the requests that a daemon would get into changes of it.

use std::fs;
use std::path::PathBuf;

use driftless_control::api::{self, DeviceView, FolderMember, FolderView};
use driftless_daemon::config::{
    Config, ConfigError, DeviceConfig, EditError, FolderConfig, FolderMode, draw_folder_id,
};
use driftless_daemon::home::Home;

use crate::failure::{Exit, Failure};

impl From<EditError> for Failure {
    fn from(error: EditError) -> Self {
        Self::because(&error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::because(&error)
    }
}

/// Lets a device connect.
pub(crate) fn add_device(home: &Home, request: api::DeviceAdd) -> Result<DeviceView, Failure> {
    let api::DeviceAdd { id, name, addresses } = request;
    let id = id.parse().map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("{id:?} is not a device ID: {error}; `driftless id` prints it on that device"),
        )
    })?;
    let mut device = DeviceConfig::new(id, name.as_deref());
    device.addresses = addresses;
    Config::edit(home, |config| config.add_device(&device).map_err(Failure::from))?;
    Ok(DeviceView {
        id: device.id.to_string(),
        name: device.name,
        addresses: device.addresses,
        ..DeviceView::default()
    })
}

/// Starts syncing a directory, which is made if absent.
pub(crate) fn add_folder(home: &Home, request: api::FolderAdd) -> Result<FolderView, Failure> {
    let api::FolderAdd { path, id, label, mode, share } = request;
    let id = match &id {
        Some(id) => id.parse().map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("{id:?} is not a folder ID: {error}; leave --id out to have one drawn"),
            )
        })?,
        None => draw_folder_id().map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot draw a folder ID: {error}; choose one with --id"),
            )
        })?,
    };
    let mut folder = FolderConfig::new(id, PathBuf::from(&path));
    folder.label = label.unwrap_or(folder.label);
    folder.mode = match mode {
        api::FolderMode::SendReceive => FolderMode::SendReceive,
        api::FolderMode::SendOnly => FolderMode::SendOnly,
        api::FolderMode::ReceiveOnly => FolderMode::ReceiveOnly,
    };
    let devices = Config::edit(home, |config| {
        let mut devices = Vec::new();
        for query in &share {
            let device = config.find_device(query).map_err(EditError::from)?;
            if !folder.devices.contains(&device.id) {
                folder.devices.push(device.id);
                devices.push(FolderMember { id: device.id.to_string(), name: device.name.clone() });
            }
        }
        config.add_folder(&folder)?;
        // Made last, so that a refused folder leaves no directory behind.
        fs::create_dir_all(&path).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot make {path}: {error}; choose a directory that you may write"),
            )
        })?;
        Ok::<_, Failure>(devices)
    })?;
    let paused = folder.paused;
    Ok(FolderView { id: folder.id.to_string(), label: folder.label, path, mode, paused, devices })
}
