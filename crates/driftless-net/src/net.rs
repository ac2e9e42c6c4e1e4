//! The entry: starts and stops everything, and hands out connections.
//!
//! Decides how incoming handshakes are admitted (H12); the rest is decided in
//! the modules that it wires together.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftless_core::DeviceId;
use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime, TransportConfig};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connection::{CloseReason, Connection};
use crate::discovery::{self, Nearby, Neighbourhood};
use crate::greeting::{self, HANDSHAKE_DEADLINE};
use crate::identity::Identity;
use crate::lobby::{Lobby, PairRequest};
use crate::pairing::{self, PairError, PairedDevice, PairingDesk, PairingFailure};
use crate::registry::{AllowedDevice, Registry};
use crate::runs::RunId;
use crate::tls::{self, Protocol, Tls, TlsSetupError};
use crate::{dial, lobby, recognition, transport, watch};

const EVENT_QUEUE: usize = 64;
const MAX_DIALS: usize = 32;
const MAX_HANDSHAKES: usize = 128;
const MAX_HANDSHAKES_PER_ADDRESS: usize = 16;
/// Beyond these, callers must first prove that they own their address.
const CALM_HANDSHAKES: usize = 32;
const CALM_HANDSHAKES_PER_ADDRESS: usize = 8;
/// First packets that QUIC itself holds before they are looked at.
const MAX_INCOMING: usize = 256;
const INCOMING_BUFFER_BYTES: u64 = 64 * 1024;
const INCOMING_BUFFERS_BYTES: u64 = 4 * 1024 * 1024;
const SHUTDOWN_DEADLINE: Duration = Duration::from_millis(800);

/// How the network part runs.
#[derive(Debug, Clone, Default)]
pub struct NetConfig {
    /// Where to listen. Empty: every interface, on UDP port 22100 or, if that is
    /// taken, any free one.
    pub listen: Vec<SocketAddr>,
    /// Whether to announce this device by mDNS and look for others.
    pub discovery: bool,
    /// What this device is called when it pairs; cut to 64 bytes.
    pub device_name: String,
}

/// What the network part reports.
#[derive(Debug)]
pub enum NetEvent {
    /// A connection to an allowed device; it replaces any earlier one to it.
    Connected(Connection),
    /// An allowed device was proved to be at this address; worth remembering.
    AddressSeen {
        /// Which device.
        device: DeviceId,
        /// Where it was.
        address: SocketAddr,
    },
    /// Someone entered the code that was shown here; both sides now know each other.
    Paired(PairedDevice),
    /// The code that was shown here is spent without a pairing.
    PairingFailed {
        /// Why.
        reason: PairingFailure,
    },
    /// Two computers use this device's key at the same time: its home was copied.
    /// Both were cut off, and are kept away for half a minute.
    Cloned {
        /// Which device.
        device: DeviceId,
    },
    /// A device says that another computer uses this device's key at the same
    /// time, and keeps both away. Comes again with every attempt to connect.
    ToldCloned {
        /// Who says so.
        by: DeviceId,
    },
    /// [`Net::nearby`] has news.
    NearbyChanged,
    /// [`Net::requests`] has news.
    RequestsChanged,
}

/// Why the network part cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (UDP)")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {reason}")]
    Tls {
        /// What the library said.
        reason: String,
    },
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Randomness,
}

/// The running network part; clones stand for the same one.
///
/// When the last clone is dropped everything ends without farewell; call
/// [`Net::shutdown`] to part politely.
#[derive(Clone)]
pub struct Net(Arc<Owner>);

struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.0.stop());
    }
}

/// What the tasks of this crate share.
pub(crate) struct Shared {
    pub(crate) own: DeviceId,
    device_name: Mutex<String>,
    pub(crate) run: RunId,
    pub(crate) registry: Arc<Registry>,
    pub(crate) desk: Arc<PairingDesk>,
    pub(crate) lobby: Arc<Lobby>,
    pub(crate) neighbourhood: Neighbourhood,
    pub(crate) tls: Tls,
    /// For connections to come.
    transport: Mutex<Arc<TransportConfig>>,
    pub(crate) dial_permits: Semaphore,
    pub(crate) events: mpsc::Sender<NetEvent>,
    endpoints: Vec<Endpoint>,
    server: quinn::ServerConfig,
    handshakes: Arc<Handshakes>,
    /// Nothing once stopped, so that no task outlives the rest.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Net {
    /// Starts to listen, and to discover if `config` says so. Knows no device
    /// until [`Net::set_devices`].
    ///
    /// The receiver must be read: connections wait while 64 events are unread.
    ///
    /// # Errors
    ///
    /// An address cannot be listened on, or cryptography cannot be set up.
    pub async fn start(
        identity: &Identity,
        config: NetConfig,
    ) -> Result<(Self, mpsc::Receiver<NetEvent>), StartError> {
        let own = identity.device_id();
        let registry = Arc::new(Registry::new(own));
        let desk = Arc::new(PairingDesk::default());
        let lobby = Arc::<Lobby>::default();
        let device_name = pairing::clean_name(&config.device_name);
        let tls = Tls::new(identity, &device_name, registry.clone(), desk.clone(), lobby.clone())
            .map_err(tls_failed)?;
        let transport = transport::config(None);
        let server = server_config(&tls, &transport)?;
        let endpoints = listen(&config.listen, &server)?;
        let (events, receiver) = mpsc::channel(EVENT_QUEUE);
        let shared = Arc::new(Shared {
            own,
            device_name: Mutex::new(device_name),
            run: recognition::random().map_err(|_| StartError::Randomness)?,
            registry,
            desk,
            lobby,
            neighbourhood: Neighbourhood::default(),
            tls,
            transport: Mutex::new(transport),
            dial_permits: Semaphore::new(MAX_DIALS),
            events,
            endpoints,
            server,
            handshakes: Arc::default(),
            tasks: Mutex::new(Some(JoinSet::new())),
        });
        for endpoint in shared.endpoints.clone() {
            shared.spawn(accept_all(Arc::clone(&shared), endpoint));
        }
        shared.spawn(watch::run(Arc::clone(&shared)));
        shared.neighbourhood.set_wanted(config.discovery);
        shared.spawn(discovery::run(Arc::clone(&shared)));
        shared.spawn(lobby::run(Arc::clone(&shared)));
        Ok((Self(Arc::new(Owner(shared))), receiver))
    }

    /// This device.
    pub fn device_id(&self) -> DeviceId {
        self.0.0.own
    }

    /// The addresses that are listened on, as bound; a wildcard stays a wildcard.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.0.0.local_addrs()
    }

    /// Replaces the list of devices that may connect, and starts to look for them.
    ///
    /// When it returns, a device that is no longer in the list, or is paused, has
    /// lost its connection, and nothing that it sent is delivered any more.
    pub fn set_devices(&self, devices: Vec<AllowedDevice>) {
        let shared = &self.0.0;
        let listed: BTreeSet<DeviceId> = devices.iter().map(|listed| listed.device).collect();
        for (device, wake) in shared.registry.set_devices(devices) {
            shared.spawn(dial::keep_connected(Arc::clone(shared), device, wake));
        }
        shared.lobby.forget(&listed);
        shared.neighbourhood.recognise(&shared.registry);
    }

    /// Calls this device something else from the next dial, pairing or announcement on.
    ///
    /// # Errors
    ///
    /// The system refuses to sign; the old name stays.
    pub fn set_name(&self, name: &str) -> Result<(), StartError> {
        let shared = &self.0.0;
        let name = pairing::clean_name(name);
        if shared.device_name() != name {
            shared.tls.set_name(&name).map_err(tls_failed)?;
            *lock(&shared.device_name) = name;
            shared.neighbourhood.refresh();
        }
        Ok(())
    }

    /// Begins to announce this device by mDNS and to look for others, or ends both.
    pub fn set_discovery(&self, wanted: bool) {
        self.0.0.neighbourhood.set_wanted(wanted);
    }

    /// Expects that no more than `bytes_per_s` of all answers are read, so that
    /// devices are let ahead by about a second of it; `None` is no limit. A
    /// connection that lives may first use up what it was granted, 32 MiB at most.
    pub fn expect_rate(&self, bytes_per_s: Option<u64>) {
        let shared = &self.0.0;
        *lock(&shared.transport) = transport::config(bytes_per_s);
        for connection in shared.registry.connections() {
            connection.expect_rate(bytes_per_s);
        }
    }

    /// Says whether devices that know this one's ID may ask to be let in, and
    /// which of them may not. Nobody may until this is called.
    pub fn set_requests(&self, open: bool, turned_away: BTreeSet<DeviceId>) {
        self.0.0.lobby.admit(open, turned_away);
    }

    /// The devices that ask to be let in, the one heard last first; at most 16.
    pub fn requests(&self) -> Vec<PairRequest> {
        let shared = &self.0.0;
        let mut requests = shared.lobby.list();
        requests.retain(|request| !shared.registry.is_known(request.device));
        requests
    }

    /// Where other devices may reach this one: what is listened on, and for every
    /// interface where that is all of them. No loopback or link-local address
    /// that was not asked for.
    pub fn reachable_addrs(&self) -> Vec<SocketAddr> {
        transport::reachable(&self.local_addrs())
    }

    /// Redials every missing device at once, and checks that live connections are
    /// alive: a silent one is replaced as soon as its device answers a dial, and
    /// closed after 2.5 s.
    ///
    /// Happens by itself, within a second, after a sleep or when the addresses of
    /// this device change; for a program that learns of either sooner.
    pub fn look_again(&self) {
        watch::look_again(&self.0.0);
    }

    /// Opens this device for one pairing attempt within `ttl`, and returns the
    /// six-digit code that the other device must enter. An earlier code is void.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub fn open_pairing(&self, ttl: Duration) -> Result<String, PairError> {
        let code = self.0.0.desk.open(ttl)?;
        self.0.0.neighbourhood.refresh();
        Ok(code)
    }

    /// Voids the code, if one is open. No event follows.
    pub fn close_pairing(&self) {
        self.0.0.desk.close();
        self.0.0.neighbourhood.refresh();
    }

    /// Pairs with the device that shows `code`: at `address` (`host` or
    /// `host:port`), or the only nearby one that is open for pairing.
    ///
    /// # Errors
    ///
    /// See [`PairError`]; once the other device was reached, the code is spent.
    pub async fn pair_with_code(
        &self,
        code: &str,
        address: Option<String>,
    ) -> Result<PairedDevice, PairError> {
        pairing::pair_with_code(&self.0.0, code, address).await
    }

    /// Devices that announce themselves on the local network; hints, not facts.
    pub fn nearby(&self) -> Vec<Nearby> {
        self.0.0.neighbourhood.list(&self.0.0.registry)
    }

    /// Closes every connection, says goodbye, and ends within a second.
    pub async fn shutdown(&self) {
        let shared = &self.0.0;
        let tasks = shared.stop();
        let idle = async {
            for endpoint in &shared.endpoints {
                endpoint.wait_idle().await;
            }
        };
        if timeout(SHUTDOWN_DEADLINE, idle).await.is_err() {
            tracing::debug!("some connections did not end in time");
        }
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }
}

impl Shared {
    /// Runs `task` until it ends or everything does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = lock(&self.tasks).as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Reports `event`, waiting while the queue is full.
    pub(crate) async fn tell(&self, event: NetEvent) {
        // Without a reader the program is ending.
        let _ = self.events.send(event).await;
    }

    pub(crate) fn transport(&self) -> Arc<TransportConfig> {
        Arc::clone(&lock(&self.transport))
    }

    pub(crate) fn device_name(&self) -> String {
        lock(&self.device_name).clone()
    }

    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.endpoints.iter().filter_map(|endpoint| endpoint.local_addr().ok()).collect()
    }

    /// The socket that suits a dial to `remote` best.
    pub(crate) fn endpoint_for(&self, remote: SocketAddr) -> Option<&Endpoint> {
        let score =
            |endpoint: &Endpoint| transport::suitability(endpoint.local_addr().ok()?, remote);
        let ranked =
            self.endpoints.iter().filter_map(|endpoint| Some((score(endpoint)?, endpoint)));
        ranked.max_by_key(|(score, _)| *score).map(|(_, endpoint)| endpoint)
    }

    /// Closes all and aborts the tasks, which the caller may then join.
    fn stop(&self) -> Option<JoinSet<()>> {
        let mut tasks = lock(&self.tasks).take();
        if let Some(tasks) = &mut tasks {
            tasks.abort_all();
        }
        self.registry.clear();
        self.desk.close();
        for endpoint in &self.endpoints {
            endpoint.close(CloseReason::ShuttingDown.code(), &[]);
        }
        tasks
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tls_failed(error: TlsSetupError) -> StartError {
    StartError::Tls { reason: error.to_string() }
}

fn server_config(
    tls: &Tls,
    transport: &Arc<TransportConfig>,
) -> Result<quinn::ServerConfig, StartError> {
    // What each connection's own takes the place of.
    let nobody = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let mut server = quinn::ServerConfig::with_crypto(tls.server(nobody).map_err(tls_failed)?);
    server
        .transport_config(Arc::clone(transport))
        .migration(true)
        .max_incoming(MAX_INCOMING)
        .incoming_buffer_size(INCOMING_BUFFER_BYTES)
        .incoming_buffer_size_total(INCOMING_BUFFERS_BYTES);
    Ok(server)
}

fn listen(
    addresses: &[SocketAddr],
    server: &quinn::ServerConfig,
) -> Result<Vec<Endpoint>, StartError> {
    let sockets = transport::bind_all(addresses)
        .map_err(|(address, source)| StartError::Listen { address, source })?;
    let mut endpoints = Vec::with_capacity(sockets.len());
    for socket in sockets {
        let unknown = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let address = socket.local_addr().unwrap_or(unknown);
        let runtime = Arc::new(TokioRuntime);
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(server.clone()), socket, runtime)
                .map_err(|source| StartError::Listen { address, source })?;
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

async fn accept_all(shared: Arc<Shared>, endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        admit(&shared, incoming);
    }
}

/// Decides about one caller before any cryptography is spent on it.
fn admit(shared: &Arc<Shared>, incoming: Incoming) {
    let address = incoming.remote_address().ip();
    let Some((slot, calm)) = Slot::take(&shared.handshakes, address) else {
        tracing::debug!(%address, "too many handshakes, refusing one");
        return incoming.refuse();
    };
    if !calm && !incoming.remote_address_validated() {
        // Cannot fail for an address that is not validated.
        let _ = incoming.retry();
        return;
    }
    let mut server = shared.server.clone();
    server.transport_config(shared.transport());
    match shared.tls.server(transport::canonical(incoming.remote_address())) {
        Ok(crypto) => server.crypto = crypto,
        Err(error) => {
            tracing::error!(%error, "cannot take a connection");
            return incoming.refuse();
        }
    }
    match incoming.accept_with(Arc::new(server)) {
        Ok(connecting) => shared.spawn(receive(Arc::clone(shared), connecting, slot)),
        Err(error) => tracing::debug!(%address, %error, "no handshake"),
    }
}

async fn receive(shared: Arc<Shared>, connecting: quinn::Connecting, slot: Slot) {
    let link = match timeout(HANDSHAKE_DEADLINE, connecting).await {
        Ok(Ok(link)) => link,
        Ok(Err(error)) => return tracing::debug!(%error, "handshake failed"),
        Err(_) => return tracing::debug!("handshake took too long"),
    };
    match tls::authenticated(&link) {
        Some((device, Protocol::Sync)) => {
            if let Err(error) = greeting::establish(&shared, link, device, false).await {
                tracing::debug!(%device, %error, "greeting failed");
            }
        }
        Some((device, Protocol::Pair)) => pairing::answer(&shared, link, device).await,
        None => link.close(CloseReason::Violation.code(), &[]),
    }
    drop(slot);
}

/// Handshakes under way, by network of origin.
#[derive(Default)]
struct Handshakes(Mutex<BTreeMap<IpAddr, usize>>);

/// Holds the place of one handshake.
struct Slot {
    handshakes: Arc<Handshakes>,
    origin: IpAddr,
}

impl Slot {
    /// Takes a place, and tells whether there is room to spare; nothing if full.
    fn take(handshakes: &Arc<Handshakes>, address: IpAddr) -> Option<(Self, bool)> {
        let origin = origin(address);
        let mut counts = lock(&handshakes.0);
        let total: usize = counts.values().sum();
        let here = counts.get(&origin).copied().unwrap_or(0);
        if total >= MAX_HANDSHAKES || here >= MAX_HANDSHAKES_PER_ADDRESS {
            return None;
        }
        counts.insert(origin, here + 1);
        let calm = total < CALM_HANDSHAKES && here < CALM_HANDSHAKES_PER_ADDRESS;
        Some((Self { handshakes: Arc::clone(handshakes), origin }, calm))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = lock(&self.handshakes.0);
        if let Some(count) = counts.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.origin);
            }
        }
    }
}

/// An IPv4 address, or the /64 that one IPv6 host can fill at will.
pub(crate) fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h12_handshakes_from_one_address_first_need_validation_and_then_are_refused() {
        let handshakes = Arc::new(Handshakes::default());
        let flooder: IpAddr = "10.0.0.1".parse().unwrap();
        let slots: Vec<_> = std::iter::from_fn(|| Slot::take(&handshakes, flooder)).collect();
        assert_eq!(slots.len(), MAX_HANDSHAKES_PER_ADDRESS);
        assert_eq!(slots.iter().filter(|(_, calm)| *calm).count(), CALM_HANDSHAKES_PER_ADDRESS);
        assert!(
            Slot::take(&handshakes, "10.0.0.2".parse().unwrap()).is_some(),
            "others still get in"
        );
        drop(slots);
        assert!(Slot::take(&handshakes, flooder).is_some());
    }
}
