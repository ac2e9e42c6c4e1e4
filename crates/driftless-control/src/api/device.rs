//! Who may connect: devices, and pairing with new ones.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Lists the devices that may connect. Replies with [`DeviceView`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DeviceList {}

/// Lets a device connect.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DeviceAdd {
    /// Its whole ID, or its link.
    pub id: String,
    /// What to call it here; when absent what its link calls it, or else the first letters of its ID.
    #[serde(default)]
    #[ts(optional)]
    pub name: Option<String>,
    /// Where to look for it, as `HOST:PORT`, besides where its link says.
    #[serde(default)]
    pub addresses: Vec<String>,
}

/// Forgets a device and ends its connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DeviceRemove {
    /// Which one.
    pub device: String,
}

/// Gives a device another name here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DeviceRename {
    /// Which one.
    pub device: String,
    /// What to call it.
    pub name: String,
}

/// Ends a device's connection and makes no new one until `device.resume`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DevicePause {
    /// Which one.
    pub device: String,
}

/// Lets a paused device connect again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DeviceResume {
    /// Which one.
    pub device: String,
}

/// Makes this device another one, with a new key: for one of two computers that have the same.
///
/// The daemon begins anew as that device, after it has replied. Its files stay and its indexes are made anew from
/// them. Other devices see a stranger, which has to be paired with each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct DeviceRekey {}

/// The device that this one is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Rekeyed {
    /// Its ID.
    pub id: String,
}

/// A device as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeviceView {
    /// Its ID.
    pub id: String,
    /// Its name here.
    pub name: String,
    /// Where to look for it, as configured.
    pub addresses: Vec<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether there is a live connection.
    pub connected: bool,
    /// Where it is connected from, as `IP:PORT`.
    pub address: Option<String>,
    /// When it was last connected.
    pub last_seen_ms: Option<u64>,
    /// IDs of the folders shared with it.
    pub folders: Vec<String>,
}

/// Makes a one-time code for another device to enter. An earlier code stops working.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairOpen {}

/// A code for one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PairCode {
    /// Six digits.
    pub code: String,
    /// How long it works.
    pub expires_in_s: u64,
}

/// Waits until the open code was used, failed or expired.
///
/// Fails with `refused` after a wrong attempt, with `timed-out` when the code expired and with `not-found` when
/// no code is open. The window closes when the caller goes away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairWait {}

/// Makes the open code stop working.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairClose {}

/// Enters the code that another device shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairEnter {
    /// Six digits.
    pub code: String,
    /// Where that device is, as `HOST:PORT`; the only nearby device with an open code when absent.
    #[serde(default)]
    #[ts(optional)]
    pub address: Option<String>,
}

/// The device that this one now trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Paired {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// Lists devices on this network. Replies with [`Nearby`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairNearby {}

/// A device on this network; nothing here is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Nearby {
    /// The name that it gives itself; only said while it shows a code.
    pub name: Option<String>,
    /// Where it says it is, as `IP:PORT`.
    pub addresses: Vec<String>,
    /// Whether it shows a code just now.
    pub pairing: bool,
}

/// Says how another device can be told of this one. Replies with an [`OwnLink`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairLink {}

/// What tells another device of this one. Whoever has it may ask to be let in, and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct OwnLink {
    /// `driftless://device/ID?name=NAME&address=HOST:PORT`, with an address for each way that may lead here.
    pub link: String,
    /// The link as a QR code: one string a row, `1` for a dark module, without the quiet zone.
    pub qr: Vec<String>,
}

/// Lists devices that ask to be let in: they know this one's link or ID and have proved their key. Replies with
/// [`PairRequest`]s, the one heard last first; at most 16.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairRequests {}

/// A device that asks to be let in. Only its ID is proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PairRequest {
    /// Its ID.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Where it asks from, as `IP:PORT`.
    pub address: String,
    /// When it asked first.
    pub asked_at_ms: u64,
}

/// Lets a device in that asks for it, or turns it away for good: until it is added or paired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PairAnswer {
    /// Which one, by its ID or a unique beginning of it; its name is not proved.
    pub id: String,
    /// Whether it may connect.
    pub accept: bool,
}
