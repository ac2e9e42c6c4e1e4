//! What provisioning scripts do while no daemon runs: change the configuration that the next one reads.
//!
//! What a request becomes there is decided by `driftless_daemon`, as for a daemon that runs.

use driftless_control::api::{self, DeviceView, FolderView, Rekeyed};
use driftless_daemon::config::provision::{self, ProvisionError};
use driftless_daemon::config::{Config, ConfigError};
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
