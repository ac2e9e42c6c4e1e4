//! What is worth remembering across restarts but is no configuration: where
//! devices were last, and which offers were declined. Losing it costs a little
//! time, so a file that cannot be read counts as empty.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use driftless_core::{DeviceId, FolderId};
use serde::{Deserialize, Serialize};

/// The most addresses that are remembered of a device.
const MAX_ADDRESSES: usize = 4;

/// The most declined offers that are remembered.
const MAX_DECLINED: usize = 1024;

/// What is worth remembering across restarts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    devices: BTreeMap<String, Seen>,
    declined: BTreeSet<(String, String)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Seen {
    /// Newest first.
    addresses: Vec<SocketAddr>,
    last_seen_ms: Option<u64>,
}

impl Memory {
    pub(crate) fn load(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it down; a failure is logged, not fatal.
    pub(crate) fn save(&self, path: &Path) {
        let write = || -> std::io::Result<()> {
            let temporary = path.with_extension("json.new");
            std::fs::write(&temporary, serde_json::to_vec_pretty(self)?)?;
            std::fs::rename(&temporary, path)
        };
        if let Err(error) = write() {
            tracing::warn!(%error, "cannot write down where devices were");
        }
    }

    /// Where a device was, newest first.
    pub(crate) fn addresses(&self, device: &DeviceId) -> Vec<SocketAddr> {
        self.devices.get(&device.to_string()).map(|seen| seen.addresses.clone()).unwrap_or_default()
    }

    /// Notes an address; returns whether it is news.
    pub(crate) fn remember(&mut self, device: DeviceId, address: SocketAddr) -> bool {
        let seen = self.devices.entry(device.to_string()).or_default();
        if seen.addresses.first() == Some(&address) {
            return false;
        }
        seen.addresses.retain(|known| *known != address);
        seen.addresses.insert(0, address);
        seen.addresses.truncate(MAX_ADDRESSES);
        true
    }

    /// Notes that a device was connected.
    pub(crate) fn seen(&mut self, device: DeviceId, now_ms: u64) {
        self.devices.entry(device.to_string()).or_default().last_seen_ms = Some(now_ms);
    }

    pub(crate) fn last_seen_ms(&self, device: &DeviceId) -> Option<u64> {
        self.devices.get(&device.to_string())?.last_seen_ms
    }

    pub(crate) fn decline(&mut self, folder: &FolderId, device: &DeviceId) {
        if self.declined.len() < MAX_DECLINED {
            self.declined.insert((folder.to_string(), device.to_string()));
        }
    }

    pub(crate) fn is_declined(&self, folder: &FolderId, device: &DeviceId) -> bool {
        self.declined.contains(&(folder.to_string(), device.to_string()))
    }
}
