//! Devices that ask to be let in: who is told of them, and who may not ask again.
//!
//! Which of them are remembered, within which bounds, is decided in
//! `driftless_net`. A device that a person turned away, or removed from the list,
//! is not heard again until a person adds it or pairs with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use driftless_control::api;
use driftless_control::api::EventBody;
use driftless_core::DeviceId;
use driftless_net::{PairRequest, PairedDevice};

use crate::clock::now_ms;
use crate::config::{EditError, Settings};
use crate::hub::Hub;

impl Hub {
    /// Says who may ask, after the configuration changed from `before` to what it is.
    pub(crate) fn admit_requests(&self, before: &Settings) {
        let settings = self.settings();
        let listed: BTreeSet<_> = settings.devices.iter().map(|device| device.id).collect();
        let removed = before.devices.iter().map(|device| device.id);
        let removed: Vec<DeviceId> = removed.filter(|id| !listed.contains(id)).collect();
        let turned_away = self.remember(|memory| {
            let changed = memory.turn_away(&removed) | memory.welcome(&listed);
            (memory.turned_away(), changed)
        });
        self.net.set_requests(settings.device.requests, turned_away);
    }

    /// Tells of those who ask and have not been told of.
    pub(crate) fn requests_changed(&self) {
        let requests = self.net.requests();
        let now_asking: BTreeSet<_> = requests.iter().map(|request| request.device).collect();
        let before = self.replace_told(now_asking);
        for request in requests.iter().filter(|request| !before.contains(&request.device)) {
            tracing::info!(device = %request.device.short(), name = request.name, "asks to be let in");
            self.events.publish(now_ms(), EventBody::PairRequested { request: view(request) });
        }
    }

    /// Lets in a device that asks.
    pub(crate) async fn let_in(self: &Arc<Self>, request: PairRequest) -> Result<(), EditError> {
        let PairRequest { device, name, address, .. } = request;
        self.trust(&PairedDevice { device, name, address }).await
    }

    /// Turns a device away for good.
    pub(crate) fn turn_away(&self, device: DeviceId) {
        let turned_away = self.remember(|memory| {
            let changed = memory.turn_away(&[device]);
            (memory.turned_away(), changed)
        });
        self.net.set_requests(self.settings().device.requests, turned_away);
    }
}

/// A request as clients see it.
pub(crate) fn view(request: &PairRequest) -> api::PairRequest {
    let asked_at = request.asked_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    api::PairRequest {
        id: request.device.to_string(),
        name: request.name.clone(),
        address: request.address.to_string(),
        asked_at_ms: u64::try_from(asked_at.as_millis()).unwrap_or(u64::MAX),
    }
}
