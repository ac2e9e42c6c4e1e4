//! What provisioning scripts do while no daemon runs: change the configuration that the next one reads.
//!
//! What a request becomes there is decided by `driftless_daemon`, as for a daemon that runs.

use driftless_control::api::{self, DeviceView, FolderView, OwnLink, Rekeyed};
use driftless_daemon::config::provision::{self, ProvisionError};
use driftless_daemon::config::{Config, ConfigError};
use driftless_daemon::device_link::{DeviceLink, qr};
use driftless_daemon::home::Home;

use crate::failure::{Exit, Failure};

impl From<ProvisionError> for Failure {
    fn from(error: ProvisionError) -> Self {
        let exit = if error.is_usage() { Exit::Usage } else { Exit::Failed };
        let message = Self::because(&error);
        match error.hint() {
            Some(hint) => Self::new(exit, format!("{message}; {hint}")),
            None => Self::new(exit, message.to_string()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::because(&error)
    }
}

/// Lets a device connect.
pub(crate) fn add_device(home: &Home, request: &api::DeviceAdd) -> Result<DeviceView, Failure> {
    let device = provision::add_device(home, request)?;
    Ok(provision::device_view(Config::load(home)?.settings(), &device))
}

/// What tells another device of this one. Where it can be reached is known only
/// once a daemon runs, but for what the configuration says.
pub(crate) fn own_link(home: &Home) -> Result<OwnLink, Failure> {
    // An ID made in passing would be of a home that somebody misspelt.
    let config = Config::load(home)?;
    let device = home.identity().map_err(|error| Failure::because(&error))?.device_id();
    let listen = config.this_device().listen.iter();
    let addresses = listen.filter(|address| !address.ip().is_unspecified());
    let link = DeviceLink {
        device,
        name: Some(config.this_device().name.clone()),
        addresses: addresses.map(ToString::to_string).collect(),
    };
    let link = link.to_string();
    Ok(OwnLink { qr: qr(&link), link })
}

/// Starts syncing a directory, which is made if absent.
pub(crate) fn add_folder(home: &Home, request: &api::FolderAdd) -> Result<FolderView, Failure> {
    let folder = provision::add_folder(home, request)?;
    Ok(provision::folder_view(Config::load(home)?.settings(), &folder))
}

/// Makes the home another device, which its next daemon is.
pub(crate) fn rekey(home: &Home) -> Result<Rekeyed, Failure> {
    Config::load(home)?;
    let drawn = home.renew_identity().map_err(|error| Failure::because(&error))?;
    Ok(Rekeyed { id: drawn.to_string() })
}
