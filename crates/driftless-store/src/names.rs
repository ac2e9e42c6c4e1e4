//! Device IDs in short: entries name devices by a number instead of 32 bytes.
//!
//! Append-only and bounded, because devices can put any ID into a record: what
//! does not fit is written out in full.

use std::collections::BTreeMap;

use driftless_core::DeviceId;

/// The most devices that get a number.
pub(crate) const MAX_NAMES: usize = 4096;

/// Devices and their numbers, from 1.
#[derive(Debug, Default)]
pub(crate) struct Names {
    devices: Vec<DeviceId>,
    numbers: BTreeMap<DeviceId, u64>,
}

impl Names {
    /// The device's number, if it has one.
    pub(crate) fn number(&self, device: &DeviceId) -> Option<u64> {
        self.numbers.get(device).copied()
    }

    /// The device of a number.
    pub(crate) fn device(&self, number: u64) -> Option<DeviceId> {
        let position = usize::try_from(number.checked_sub(1)?).ok()?;
        self.devices.get(position).copied()
    }

    /// Gives the device the next number; `None` if it has one or all are taken.
    pub(crate) fn add(&mut self, device: &DeviceId) -> Option<u64> {
        if self.devices.len() >= MAX_NAMES || self.numbers.contains_key(device) {
            return None;
        }
        self.devices.push(*device);
        let number = self.devices.len() as u64;
        self.numbers.insert(*device, number);
        Some(number)
    }

    /// How many devices have a number.
    pub(crate) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Forgets all but the first `len` numbers.
    pub(crate) fn truncate(&mut self, len: usize) {
        for device in self.devices.drain(len..) {
            self.numbers.remove(&device);
        }
    }
}
