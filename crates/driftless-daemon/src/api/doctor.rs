//! `doctor`: what would stop this installation from syncing, and the mend.
//!
//! Looks and never changes anything. That it answers at all shows that the
//! daemon runs and its control socket works.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use driftless_control::api::{Check, CheckState, DoctorReport, FolderState};

use super::{Outcome, blocking};
use crate::clock::now_ms;
use crate::config::{Config, DeviceConfig, FolderConfig};
use crate::hub::Hub;
use crate::trouble::with_causes;
use crate::views;

/// 2024-01-01: no clock that was ever set says less.
const SANE_MS: u64 = 1_704_067_200_000;

/// Less free space than both of these is worth a word.
const LITTLE_BYTES: u64 = 1 << 30;
const LITTLE_PERCENT: u64 = 5;

const WATCHES: &str = "/proc/sys/fs/inotify/max_user_watches";

pub(super) async fn examine(hub: &Arc<Hub>) -> Outcome<DoctorReport> {
    let hub = Arc::clone(hub);
    blocking(move || {
        let settings = hub.settings();
        let mut checks = vec![
            configuration(&hub),
            key(&hub),
            identity(&hub),
            lock(&hub),
            socket(&hub),
            clock(now_ms()),
            listening(&hub),
            discovery(&hub),
        ];
        for folder in &settings.folders {
            checks.push(folder_state(&hub, folder));
            checks.extend(watching(&hub, folder));
            checks.extend(space(folder));
        }
        let others = settings.devices.iter().filter(|device| device.id != hub.device);
        checks.extend(others.map(|device| connection(&hub, device)));
        checks.push(databases(&hub));
        Ok(DoctorReport { checks })
    })
    .await
}

fn fine(name: impl Into<String>, message: impl Into<String>) -> Check {
    Check { name: name.into(), state: CheckState::Ok, message: message.into(), mend: None }
}

fn warning(name: impl Into<String>, message: impl Into<String>, mend: impl Into<String>) -> Check {
    let mend = Some(mend.into());
    Check { name: name.into(), state: CheckState::Warning, message: message.into(), mend }
}

fn broken(name: impl Into<String>, message: impl Into<String>, mend: impl Into<String>) -> Check {
    Check { state: CheckState::Failed, ..warning(name, message, mend) }
}

fn configuration(hub: &Hub) -> Check {
    let file = hub.home.config_file();
    match Config::load(&hub.home) {
        Ok(_) => fine("configuration", format!("{} is in force", file.display())),
        Err(error) => broken(
            "configuration",
            with_causes(&error),
            "correct that line; until then, what it said before stays in force",
        ),
    }
}

fn key(hub: &Hub) -> Check {
    let file = hub.home.key_file();
    let shown = file.display();
    match std::fs::metadata(&file).map(|metadata| metadata.permissions().mode() & 0o777) {
        Ok(mode) if mode & 0o077 == 0 => fine("key", format!("{shown} is private")),
        Ok(mode) => broken(
            "key",
            format!("{shown} can be used by others (mode {mode:o})"),
            format!("chmod 600 {shown}; if somebody may have copied it, begin with a new home"),
        ),
        Err(error) => broken(
            "key",
            format!("{shown} cannot be looked at: {error}"),
            "put it back from a backup; without it this device becomes another one at the next start",
        ),
    }
}

/// Whether this device is one computer.
fn identity(hub: &Hub) -> Check {
    let is_told = hub.clones.is_told();
    match hub.problems().into_iter().next() {
        Some(problem) if is_told => {
            broken("identity", problem.message, problem.hint.unwrap_or_default())
        }
        Some(problem) => warning("identity", problem.message, problem.hint.unwrap_or_default()),
        None => fine("identity", format!("{} is this computer alone", hub.device.short())),
    }
}

fn lock(hub: &Hub) -> Check {
    let home = hub.home.path().display();
    fine("home", format!("{home} is held by this daemon, process {}", std::process::id()))
}

fn socket(hub: &Hub) -> Check {
    let path = hub.home.control_socket();
    match std::fs::symlink_metadata(&path) {
        Ok(found) if found.file_type().is_socket() && found.permissions().mode() & 0o077 == 0 => {
            fine("control socket", format!("{} is open to this user alone", path.display()))
        }
        Ok(_) => broken(
            "control socket",
            format!("{} was replaced or opened to others", path.display()),
            "restart the daemon",
        ),
        // A path that is too long for a socket has a stand-in elsewhere.
        Err(_) => fine("control socket", "answers"),
    }
}

fn clock(now_ms: u64) -> Check {
    if now_ms >= SANE_MS {
        return fine("clock", "is set");
    }
    broken(
        "clock",
        "says that it is before 2024",
        "set the clock; history shows wrong times until then",
    )
}

fn listening(hub: &Hub) -> Check {
    let addresses: Vec<String> = hub.net.local_addrs().iter().map(ToString::to_string).collect();
    if addresses.is_empty() {
        return broken("network", "no address is listened on", "restart the daemon");
    }
    fine("network", format!("listens on {} (UDP)", addresses.join(", ")))
}

fn discovery(hub: &Hub) -> Check {
    if !hub.settings().device.discovery {
        return warning(
            "discovery",
            "is off: devices are found only at addresses that are known",
            "set `discovery = true` in the configuration and restart, or give devices an address",
        );
    }
    fine("discovery", format!("{} devices announce themselves nearby", hub.net.nearby().len()))
}

fn folder_state(hub: &Hub, folder: &FolderConfig) -> Check {
    let name = format!("folder {}", folder.label);
    let view = hub.folder(&folder.id).map(|(_, view)| view.borrow().clone());
    let (state, reason) = views::state_of(folder, view.as_ref());
    let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    match state {
        FolderState::Stopped => broken(
            name,
            format!("has stopped{because}"),
            format!("mend what is named; {} is looked at again by itself", folder.path.display()),
        ),
        FolderState::Paused => {
            let resume = format!("driftless folder resume {}", folder.id);
            warning(name, "is paused", resume)
        }
        FolderState::Scanning => fine(name, "is being scanned"),
        FolderState::Syncing => fine(name, format!("is syncing{because}")),
        FolderState::UpToDate => fine(name, "is up to date"),
    }
}

/// Trouble with noticing changes at once.
fn watching(hub: &Hub, folder: &FolderConfig) -> Option<Check> {
    let (_, view) = hub.folder(&folder.id)?;
    let problem = view.borrow().watch_problem.clone()?;
    let limit = std::fs::read_to_string(WATCHES).ok()?;
    let limit: u64 = limit.trim().parse().ok()?;
    Some(warning(
        format!("changes in {}", folder.label),
        problem.message,
        format!(
            "if directories are more than {limit}: sudo sysctl fs.inotify.max_user_watches={}",
            limit.saturating_mul(4)
        ),
    ))
}

fn space(folder: &FolderConfig) -> Option<Check> {
    let stat = rustix::fs::statvfs(&folder.path).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let total = stat.f_blocks.saturating_mul(stat.f_frsize);
    let name = format!("space for {}", folder.label);
    Some(space_check(name, &folder.path, free, total))
}

fn space_check(name: String, path: &Path, free_bytes: u64, total_bytes: u64) -> Check {
    let message = format!("{} MiB are free at {}", free_bytes >> 20, path.display());
    let enough = LITTLE_BYTES.min(total_bytes / 100 * LITTLE_PERCENT);
    match free_bytes >= enough {
        true => fine(name, message),
        false => warning(name, message, "free some space, or let history keep less"),
    }
}

fn connection(hub: &Hub, device: &DeviceConfig) -> Check {
    let name = format!("device {}", device.name);
    if let Some(link) = hub.links.get(device.id) {
        return fine(name, format!("is connected at {}", link.connection.remote_address()));
    }
    if device.paused {
        return warning(
            name,
            "is paused",
            format!("driftless device resume {}", device.id.short()),
        );
    }
    let seen = match hub.last_seen_ms(&device.id) {
        Some(seen_ms) => {
            format!("was last connected {} minutes ago", now_ms().saturating_sub(seen_ms) / 60_000)
        }
        None => "was never connected".to_owned(),
    };
    let addresses = match device.addresses.as_slice() {
        [] => "no address is configured for it".to_owned(),
        addresses => format!("it is looked for at {}", addresses.join(", ")),
    };
    warning(
        name,
        format!("{seen}; {addresses}"),
        format!(
            "start driftless there, check that it lists {} as a device, and that no firewall blocks UDP",
            hub.device.short()
        ),
    )
}

fn databases(hub: &Hub) -> Check {
    let size = |folder: &FolderConfig| {
        let metadata = std::fs::metadata(hub.home.database(&folder.id));
        metadata.map_or(0, |metadata| metadata.len())
    };
    let settings = hub.settings();
    let total: u64 = settings.folders.iter().map(size).sum();
    let count = settings.folders.len();
    fine("databases", format!("{} MiB for {count} folders", total.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{CheckState, SANE_MS, clock, space_check};

    #[test]
    fn space_is_little_below_a_gibibyte_or_a_twentieth() {
        let state = |free: u64, total: u64| {
            space_check("space".to_owned(), Path::new("/f"), free, total).state
        };
        assert_eq!(state(2 << 30, 1 << 40), CheckState::Ok);
        assert_eq!(state(1 << 29, 1 << 40), CheckState::Warning);
        assert_eq!(state(1 << 29, 1 << 32), CheckState::Ok, "a small disk may have less");
        assert_eq!(state(0, 1 << 32), CheckState::Warning);
    }

    /// N6
    #[test]
    fn a_clock_that_was_never_set_is_noticed() {
        assert_eq!(clock(0).state, CheckState::Failed);
        assert_eq!(clock(SANE_MS).state, CheckState::Ok);
    }
}
