//! What is worth remembering across restarts but is no configuration: where
//! devices were last, which offers were declined and which devices turned away. Losing it costs a little
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

/// The most devices that are remembered as turned away; the oldest go first.
const MAX_TURNED_AWAY: usize = 1024;

/// What is worth remembering across restarts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    devices: BTreeMap<String, Seen>,
    declined: BTreeSet<(String, String)>,
    /// Devices that may not ask to be let in; the one turned away last is last.
    turned_away: Vec<String>,
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

    /// Notes devices that may not ask to be let in; tells whether that is news.
    pub(crate) fn turn_away(&mut self, devices: &[DeviceId]) -> bool {
        for device in devices.iter().map(ToString::to_string) {
            self.turned_away.retain(|known| *known != device);
            self.turned_away.push(device);
        }
        let surplus = self.turned_away.len().saturating_sub(MAX_TURNED_AWAY);
        self.turned_away.drain(..surplus);
        !devices.is_empty()
    }

    /// Forgets that these devices were turned away; tells whether any was.
    pub(crate) fn welcome(&mut self, devices: &BTreeSet<DeviceId>) -> bool {
        let before = self.turned_away.len();
        let is_welcome = |text: &String| text.parse().is_ok_and(|device| devices.contains(&device));
        self.turned_away.retain(|text| !is_welcome(text));
        self.turned_away.len() != before
    }

    /// The devices that may not ask to be let in.
    pub(crate) fn turned_away(&self) -> BTreeSet<DeviceId> {
        self.turned_away.iter().filter_map(|text| text.parse().ok()).collect()
    }

    pub(crate) fn is_declined(&self, folder: &FolderId, device: &DeviceId) -> bool {
        self.declined.contains(&(folder.to_string(), device.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_turned_away_outlive_a_restart_in_bounded_number_until_they_are_welcome() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state.json");
        let device =
            |number: usize| DeviceId::from_bytes(*blake3::hash(&number.to_be_bytes()).as_bytes());
        let mut memory = Memory::default();
        for number in 0..MAX_TURNED_AWAY + 2 {
            assert!(memory.turn_away(&[device(number)]));
        }
        memory.save(&file);
        let mut memory = Memory::load(&file);
        assert_eq!(memory.turned_away().len(), MAX_TURNED_AWAY);
        assert!(!memory.turned_away().contains(&device(1)), "the oldest go first");
        assert!(memory.welcome(&[device(1), device(9)].into()));
        assert!(!memory.turned_away().contains(&device(9)));
        assert!(!memory.turn_away(&[]) && !memory.welcome(&BTreeSet::new()));
    }
}
