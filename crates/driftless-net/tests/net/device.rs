//! A device under test, and waiting with a deadline.

use std::net::SocketAddr;
use std::time::Duration;

use driftless_core::DeviceId;
use driftless_net::{AllowedDevice, Connection, Identity, Net, NetConfig, NetEvent};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Device {
    pub(crate) net: Net,
    pub(crate) events: mpsc::Receiver<NetEvent>,
    pub(crate) identity: Identity,
    _home: TempDir,
}

impl Device {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, false).await
    }

    /// Listens on every interface, as by default, but on any port.
    pub(crate) async fn start_everywhere() -> Self {
        let mut everywhere = config("everywhere", false);
        everywhere.listen = vec!["[::]:0".parse().unwrap()];
        Self::start_from(everywhere).await
    }

    pub(crate) async fn start_with(name: &str, discovery: bool) -> Self {
        Self::start_from(config(name, discovery)).await
    }

    async fn start_from(config: NetConfig) -> Self {
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(&home.path().join("key.pem")).unwrap();
        let (net, events) = Net::start(&identity, config).await.unwrap();
        Self { net, events, identity, _home: home }
    }

    /// Ends this run and starts another with the same key, on another port.
    pub(crate) async fn restart(&mut self) {
        self.net.shutdown().await;
        let (net, events) = Net::start(&self.identity, config("restarted", false)).await.unwrap();
        (self.net, self.events) = (net, events);
    }

    /// Starts a second run with the same key while this one goes on.
    pub(crate) async fn twin(&self) -> Self {
        let home = tempfile::tempdir().unwrap();
        let identity = self.identity.clone();
        let (net, events) = Net::start(&identity, config("twin", false)).await.unwrap();
        Self { net, events, identity, _home: home }
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.identity.device_id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.net.local_addrs()[0]
    }

    /// How others should list this device.
    pub(crate) fn listed(&self) -> AllowedDevice {
        allowed(self.id(), vec![self.address()])
    }

    /// How others list this device when it shall find them.
    pub(crate) fn listed_without_address(&self) -> AllowedDevice {
        allowed(self.id(), Vec::new())
    }

    pub(crate) async fn next_event(&mut self) -> NetEvent {
        soon(self.events.recv()).await.expect("the network part runs")
    }

    pub(crate) async fn connected(&mut self) -> Connection {
        loop {
            if let NetEvent::Connected(connection) = self.next_event().await {
                return connection;
            }
        }
    }
}

fn config(name: &str, discovery: bool) -> NetConfig {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    NetConfig { listen, discovery, device_name: name.into() }
}

pub(crate) fn allowed(device: DeviceId, last_known: Vec<SocketAddr>) -> AllowedDevice {
    AllowedDevice { device, static_addresses: Vec::new(), last_known, paused: false }
}

/// Two devices of which `left` dialled `right`.
pub(crate) async fn connected_pair() -> ((Device, Connection), (Device, Connection)) {
    let (mut left, mut right) = (Device::start("left").await, Device::start("right").await);
    right.net.set_devices(vec![left.listed_without_address()]);
    left.net.set_devices(vec![right.listed()]);
    let (here, there) = (left.connected().await, right.connected().await);
    ((left, here), (right, there))
}

/// Fails the test if `wait` does not end in time.
pub(crate) async fn soon<T>(wait: impl Future<Output = T>) -> T {
    timeout(DEADLINE, wait).await.expect("should have happened by now")
}
