//! The connections of the moment: who can be told something, and asked for blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driftless_core::DeviceId;
use driftless_net::{CloseReason, Connection};
use driftless_proto::{IndexUpdate, Message};
use tokio::sync::mpsc;

use crate::folder::Shared;

/// How many messages wait for a connection; index updates wait one per folder.
pub(crate) const OUTGOING: usize = 4096;

/// Something to be told to a device.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A small message.
    Message(Message),
    /// A stretch of a folder's index; the folder hears once it is on its way.
    Index(Arc<Shared>, IndexUpdate),
}

/// A live connection.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) connection: Connection,
    outgoing: mpsc::Sender<Outgoing>,
}

/// The connections of the moment, at most one per device.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: Mutex<BTreeMap<DeviceId, Link>>,
}

impl Links {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a connection; returns what is to be sent on it.
    pub(crate) fn add(&self, connection: Connection) -> mpsc::Receiver<Outgoing> {
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        self.lock().insert(connection.device(), Link { connection, outgoing });
        queue
    }

    /// Forgets the device's connection.
    pub(crate) fn remove(&self, device: DeviceId) {
        self.lock().remove(&device);
    }

    /// The device's connection.
    pub(crate) fn get(&self, device: DeviceId) -> Option<Link> {
        self.lock().get(&device).cloned()
    }

    /// Sends something to the device if it is connected. A device that does
    /// not take what it is sent is cut off, and hears all of it again later.
    pub(crate) fn send(&self, device: DeviceId, outgoing: Outgoing) {
        let Some(link) = self.get(device) else { return };
        if link.outgoing.try_send(outgoing).is_err() && !link.connection.is_closed() {
            tracing::warn!(device = %device.short(), "it does not take what it is sent; cutting it off");
            link.connection.close(CloseReason::Unresponsive);
        }
    }

    /// Closes the connections to these devices so that all is said anew.
    pub(crate) fn restart(&self, devices: &[DeviceId]) {
        for link in devices.iter().filter_map(|device| self.get(*device)) {
            link.connection.close(CloseReason::Lost);
        }
    }

    /// Closes the connection to a device that broke the rules.
    pub(crate) fn violation(&self, device: DeviceId) {
        if let Some(link) = self.get(device) {
            link.connection.close(CloseReason::Violation);
        }
    }
}
