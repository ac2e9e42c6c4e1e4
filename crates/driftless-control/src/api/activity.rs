//! What is under way, and what happened lately.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::EventBody;

/// Lists what is being sent and received just now, largest first; at most 100.
///
/// Cheap to ask every second: nothing is counted for those who do not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct TransferList {
    /// Only those of this folder.
    #[ts(optional)]
    pub folder: Option<String>,
}

/// Which way a content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To this device.
    Receiving,
    /// To another device.
    Sending,
}

/// A content on its way, or several small ones that travel together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Transfer {
    /// The folder's ID.
    pub folder: String,
    /// The path below the folder's root; of several, the one whose turn it is.
    pub path: String,
    /// How many files travel together, this one counted.
    pub files: u64,
    /// Which way it goes.
    pub direction: Direction,
    /// Names of the devices that it comes from, or of the one that it goes to.
    pub devices: Vec<String>,
    /// How much there is of it in all.
    pub bytes: u64,
    /// How much of that the receiver has. Of what is sent, how much went out: the
    /// receiver may have had more.
    pub done_bytes: u64,
    /// How fast it goes, as a mean of the last few seconds.
    pub rate_bytes_per_s: u64,
}

/// Lists what happened lately, newest first. It is kept across restarts, up to a bound.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct ActivityList {
    /// Only what happened in this folder.
    #[ts(optional)]
    pub folder: Option<String>,
    /// Go on after this `next` of the page before.
    #[ts(optional)]
    pub after: Option<String>,
    /// At most so many; 1000 when absent, which is also the most.
    #[ts(optional)]
    pub limit: Option<u32>,
}

/// Some of what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ActivityPage {
    /// What happened, in the order in which it began, newest first.
    pub entries: Vec<Activity>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

/// Something that happened, as often as it happened in one go: what a device
/// did to many files is one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Activity {
    /// Tells it from all others; an entry that grows keeps it.
    pub id: u64,
    /// When it began, by this device's clock.
    pub since_ms: u64,
    /// When it was last so.
    pub at_ms: u64,
    /// How many things it is about.
    pub count: u64,
    /// The first of their paths, where they have one; at most 100.
    pub paths: Vec<String>,
    /// The last of it.
    pub body: EventBody,
    /// The folder's label, where it happened in one that this device still has.
    pub folder_label: Option<String>,
    /// Name of the device that did it; absent where it was done here, or nobody did it.
    pub device_name: Option<String>,
}
