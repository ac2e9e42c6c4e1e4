//! What is going on: the status, waiting for it to settle, the installation's health.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::FolderMode;

/// Asks what is going on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct StatusQuery {
    /// Only this folder; all of them when absent.
    #[ts(optional)]
    pub folder: Option<String>,
}

/// The state of this device, its folders and the devices that it knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Status {
    /// This device.
    pub device: OwnDevice,
    /// The daemon's version.
    pub version: String,
    /// What is wrong with the program as a whole.
    #[serde(default)]
    #[ts(as = "Option<Vec<Problem>>", optional)]
    pub problems: Vec<Problem>,
    /// How many folders others offer that nobody has answered yet.
    #[serde(default)]
    pub offers: u32,
    /// How many devices ask to be let in.
    #[serde(default)]
    pub requests: u32,
    /// The folders, in the order of the configuration.
    pub folders: Vec<FolderStatus>,
    /// The other devices, in the order of the configuration.
    pub devices: Vec<DeviceStatus>,
}

/// This device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OwnDevice {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it listens, as `IP:PORT`.
    pub addresses: Vec<String>,
}

/// What a folder is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum FolderState {
    /// It looks for changes on disk.
    Scanning,
    /// It needs something and is fetching or applying it.
    Syncing,
    /// Nothing is needed, the last scan ended without error and changes are being watched for.
    UpToDate,
    /// A person paused it.
    Paused,
    /// It cannot go on; the reason says why.
    Stopped,
}

/// One folder's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FolderStatus {
    /// Its ID.
    pub id: String,
    /// The name that people see.
    pub label: String,
    /// Where it is on this device.
    pub path: String,
    /// In which direction it syncs.
    pub mode: FolderMode,
    /// What it is doing.
    pub state: FolderState,
    /// Why it is in that state, where that needs saying.
    pub reason: Option<String>,
    /// How many files there are here.
    pub files: u64,
    /// How large they are together.
    pub bytes: u64,
    /// How many files this device still needs.
    pub need_files: u64,
    /// How many bytes this device still needs.
    pub need_bytes: u64,
    /// How many conflicts are open.
    pub conflicts: u64,
    /// What is wrong with parts of it. Never more than 100; `problem_count` is the whole number.
    pub problems: Vec<Problem>,
    /// How many problems there are.
    #[serde(default)]
    pub problem_count: u64,
    /// How fast it is receiving just now.
    #[serde(default)]
    pub rate_bytes_per_s: u64,
    /// How long it will still take at that rate; absent while unknown or nothing is needed.
    pub eta_s: Option<u64>,
    /// How many devices, this one counted, durably hold all that this device has.
    #[serde(default)]
    pub copies: u32,
    /// How many files are on no other device yet.
    #[serde(default)]
    pub only_here_files: u64,
    /// How many changes made here a receive-only folder keeps to itself.
    #[serde(default)]
    pub local_changes: u64,
    /// A large change from elsewhere that waits for a yes.
    pub held_back: Option<HeldBack>,
    /// When the last scan that saw everything ended.
    pub last_scan_ms: Option<u64>,
    /// IDs of the devices that it is shared with.
    #[serde(default)]
    pub devices: Vec<String>,
}

/// A mass change that the brake holds until `folder.confirm`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HeldBack {
    /// How many files it would delete here.
    pub deletions: u64,
    /// How many files it would rewrite here.
    pub rewrites: u64,
    /// ID of the device that it comes from, where it is only one.
    pub device: Option<String>,
}

/// Something wrong with one path, or with a folder as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Problem {
    /// The path below the folder's root; empty for the folder itself.
    pub path: String,
    /// A stable kebab-case word for the cause.
    pub code: String,
    /// What is wrong, as one sentence without a period.
    pub message: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
}

impl Problem {
    /// The code of the problem that stands for a [`HeldBack`] change.
    pub const MASS_CHANGE: &str = "mass-change";
}

/// One other device's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeviceStatus {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether there is a live connection.
    pub connected: bool,
    /// Where it is connected from, as `IP:PORT`.
    pub address: Option<String>,
    /// Whether a person paused it.
    #[serde(default)]
    pub paused: bool,
    /// When it was last connected.
    pub last_seen_ms: Option<u64>,
    /// What it still needs, for each folder shared with it.
    pub folders: Vec<DeviceFolder>,
}

/// What another device still needs of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeviceFolder {
    /// The folder's ID.
    pub id: String,
    /// How many files it still needs.
    pub need_files: u64,
    /// How many bytes it still needs.
    pub need_bytes: u64,
}

/// Waits until folders have settled.
///
/// Settled means: a scan begun after the call has finished, this device needs nothing, and every connected
/// device of the folder has acknowledged holding all that this device has. With `copies`, the last part is
/// instead that so many devices (this one counted) durably hold it, connected or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    /// The folders; all of them when empty.
    pub folders: Vec<String>,
    /// How long to wait; for ever when absent.
    #[ts(optional)]
    pub timeout_s: Option<u64>,
    /// How many devices must durably hold everything.
    #[ts(optional)]
    pub copies: Option<u32>,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct WaitResult {
    /// Whether everything settled in time.
    pub done: bool,
    /// What did not, one sentence each.
    pub missing: Vec<String>,
}

/// Checks this installation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Doctor {}

/// What the check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DoctorReport {
    /// Every check that ran, in a fixed order.
    pub checks: Vec<Check>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Check {
    /// What was checked, in a few words.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// What was found.
    pub message: String,
    /// How to mend it, where it needs mending.
    pub mend: Option<String>,
}

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Works, though not as well as it could.
    Warning,
    /// Stops syncing.
    Failed,
}

/// Ends the daemon cleanly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {}
