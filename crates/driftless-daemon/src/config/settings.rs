//! What a configuration says, as plain values.
//!
//! Every field was checked where the file was read, so whoever holds one of
//! these need not check again. Defaults stand here and nowhere else.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use driftless_core::brake::Brake;
use driftless_core::{DeviceId, FolderId};

use super::policies::Policies;

/// The most devices, this one not counted, that one folder may be shared with.
pub const MAX_DEVICES_PER_FOLDER: usize = 64;
/// The longest device name or folder label, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 64;

/// Everything that the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// This device.
    pub device: ThisDevice,
    /// The devices that may connect, in the order of the file.
    pub devices: Vec<DeviceConfig>,
    /// The folders that are synced, in the order of the file.
    pub folders: Vec<FolderConfig>,
    /// How much of the network may be used.
    pub limits: Limits,
    /// How long displaced files are kept, in folders that do not say otherwise.
    pub history: History,
}

/// What concerns this device alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThisDevice {
    /// The name that other devices see.
    pub name: String,
    /// The UDP addresses to listen on; empty means the default port on all of them.
    pub listen: Vec<SocketAddr>,
    /// Whether devices are looked for, and this one is announced, on the local network.
    pub discovery: bool,
    /// Whether devices that know this one's ID may ask to be let in.
    pub requests: bool,
    /// Whether a home that comes to another computer becomes a new device.
    pub check_machine: bool,
}

/// Another device that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// Who it is.
    pub id: DeviceId,
    /// What it is called here; two devices may have one name.
    pub name: String,
    /// Where to look for it, as `HOST:PORT`, besides what discovery finds.
    pub addresses: Vec<String>,
    /// Whether it is kept away.
    pub paused: bool,
}

/// A folder that is kept the same on several devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderConfig {
    /// What it is called on every device.
    pub id: FolderId,
    /// What it is called here.
    pub label: String,
    /// Where it is: absolute, without `.` and `..`.
    pub path: PathBuf,
    /// Which way changes go.
    pub mode: FolderMode,
    /// The devices that it is shared with; each has an entry of its own.
    pub devices: Vec<DeviceId>,
    /// Whether syncing rests.
    pub paused: bool,
    /// How long displaced files are kept.
    pub history: History,
    /// Whether the folder says so itself; otherwise it is the general setting.
    pub own_history: bool,
    /// What settles its conflicts.
    pub policies: Policies,
    /// When a change from elsewhere is held until a person says yes; `None` is never.
    pub mass_change: Option<Brake>,
    /// The time between two full scans; `None` scans only at start and on request.
    pub rescan: Option<Duration>,
    /// The time between two readings of all files, to find what a disk let
    /// rot; `None` reads only on request.
    pub scrub: Option<Duration>,
}

/// Which way changes of a folder go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FolderMode {
    /// Both ways.
    #[default]
    SendReceive,
    /// Changes made elsewhere are not taken over.
    SendOnly,
    /// Changes made here are not passed on.
    ReceiveOnly,
}

impl FolderMode {
    /// Every mode, in the order in which people are told of them.
    pub const ALL: [Self; 3] = [Self::SendReceive, Self::SendOnly, Self::ReceiveOnly];

    /// The spelling that the configuration and the command line use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendReceive => "send-receive",
            Self::SendOnly => "send-only",
            Self::ReceiveOnly => "receive-only",
        }
    }

    /// Reads the spelling that [`FolderMode::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

impl fmt::Display for FolderMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How long the files that sync displaced are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Whether they are kept beyond the moment at which they are known to be safe elsewhere.
    pub enabled: bool,
    /// For how many days.
    pub days: u32,
    /// Up to which total size; the oldest go first. `None` sets no bound.
    pub max_bytes: Option<u64>,
}

impl Default for History {
    fn default() -> Self {
        Self { enabled: true, days: 30, max_bytes: None }
    }
}

/// How much of the network may be used, over all devices; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes sent in a second.
    pub send_bytes_per_s: Option<u64>,
    /// Bytes received in a second.
    pub receive_bytes_per_s: Option<u64>,
    /// When the limits hold; `None` is always.
    pub hours: Option<Hours>,
}

/// A part of each day by the local clock, in minutes after midnight; it may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// The first minute, below 1440.
    pub from_min: u16,
    /// The first minute after it, below 1440; never the first minute itself.
    pub to_min: u16,
}

/// The time between two full scans where the configuration does not say.
pub(super) const DEFAULT_RESCAN: Duration = Duration::from_secs(3600);

/// The days between two readings of all files where the configuration does not say.
pub(super) const DEFAULT_SCRUB_DAYS: u32 = 30;

/// `days` as the configuration means them; 0 is never.
pub(super) fn scrub_every(days: u32) -> Option<Duration> {
    (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400))
}

/// Makes a name that the configuration accepts out of any text.
///
/// Control characters and surrounding space go, and what passes the length
/// bound is cut. Gives `None` when nothing is left.
pub fn sanitize_name(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !is_unprintable(*c)).collect();
    let mut end = plain.trim().len().min(MAX_NAME_BYTES);
    let plain = plain.trim();
    while !plain.is_char_boundary(end) {
        end -= 1;
    }
    let name = plain[..end].trim_end();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Says what is wrong with a name, if anything.
pub(super) fn name_problem(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        Some("is empty".to_owned())
    } else if text.len() > MAX_NAME_BYTES {
        Some(format!("is longer than {MAX_NAME_BYTES} bytes"))
    } else if text.chars().any(is_unprintable) {
        Some("contains a control character".to_owned())
    } else if text.trim() != text {
        Some("begins or ends with a space".to_owned())
    } else {
        None
    }
}

/// Whether `c` could confuse a terminal or reorder the text around it.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
