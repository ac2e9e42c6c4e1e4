//! Finding devices on the local network by mDNS, and being found.
//!
//! Decides what is announced: names and tags that are random and change, so
//! that a stranger cannot follow a device (rule 22); only while it is open for
//! pairing does a device say its name. What is heard is a hint to dial (L6),
//! bounded in number, never a fact.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use driftless_core::DeviceId;
use mdns_sd::{IfKind, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::net::{NetEvent, Shared};
use crate::pairing::clean_name;
use crate::recognition::{self, NONCE_BYTES, Nonce, TAG_BYTES};
use crate::registry::{MAX_HINTS, Registry};

pub(crate) const SERVICE: &str = "_driftless._udp.local.";
const ROTATION: Duration = Duration::from_secs(600);
/// How long to wait before mDNS is tried again after it failed.
const REPAIR: Duration = Duration::from_secs(30);
/// How often mdns-sd looks for new interfaces, in seconds.
const INTERFACE_CHECK_S: u32 = 2;
const MAX_NEARBY: usize = 64;
/// Names that this device used lately and still hears itself by.
const MAX_OWN_NAMES: usize = 16;

/// A device that announces itself on the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearby {
    /// What it calls itself, which it says only while open for pairing.
    pub name: Option<String>,
    /// Where it says it is; at most eight.
    pub addresses: Vec<SocketAddr>,
    /// Whether it is open for pairing.
    pub pairing: bool,
    /// Which device of the list it is, if it shows that device's tag. A stranger
    /// who knows the ID can show it too.
    pub device: Option<DeviceId>,
}

/// Who was heard, and what the announcing task should do.
#[derive(Default)]
pub(crate) struct Neighbourhood {
    sightings: Mutex<BTreeMap<String, Sighting>>,
    changed: Notify,
    refresh: Notify,
    search: Notify,
    /// Whether this device announces itself and listens.
    wanted: watch::Sender<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    nonce: Nonce,
    tag: [u8; TAG_BYTES],
    pub(crate) name: Option<String>,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Neighbourhood {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Sighting>> {
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to announce this device and to listen, or ends both.
    pub(crate) fn set_wanted(&self, wanted: bool) {
        self.wanted.send_if_modified(|before| std::mem::replace(before, wanted) != wanted);
    }

    /// Announces anew: something that is announced has changed.
    pub(crate) fn refresh(&self) {
        self.refresh.notify_one();
    }

    /// Asks the network again, and announces anew.
    pub(crate) fn search_again(&self) {
        self.search.notify_one();
    }

    /// Completes at the next change after this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Who is near. A device that announces itself anew is heard under two
    /// names until the old one lapses, but at one address.
    pub(crate) fn list(&self, registry: &Registry) -> Vec<Nearby> {
        let devices = registry.devices();
        let mut list: Vec<Nearby> = Vec::new();
        for sighting in self.lock().values() {
            let is_at = |other: &Nearby| {
                other.addresses.iter().any(|address| sighting.addresses.contains(address))
            };
            let device = sighting.device_of(&devices);
            match list.iter_mut().find(|other| is_at(other)) {
                Some(other) => {
                    other.name = other.name.take().or_else(|| sighting.name.clone());
                    other.pairing |= sighting.name.is_some();
                    other.device = other.device.or(device);
                }
                None => list.push(Nearby {
                    name: sighting.name.clone(),
                    addresses: sighting.addresses.clone(),
                    pairing: sighting.name.is_some(),
                    device,
                }),
            }
        }
        list
    }

    /// Passes addresses of allowed devices on to their diallers.
    pub(crate) fn recognise(&self, registry: &Registry) {
        let devices = registry.devices();
        for sighting in self.lock().values() {
            if let Some(device) = sighting.device_of(&devices) {
                registry.hint(device, &sighting.addresses);
            }
        }
    }

    /// Takes in one announcement; tells whether it was news.
    fn note(&self, service: &ResolvedService, registry: &Registry) -> bool {
        let Some(mut heard) = Sighting::read(service) else { return false };
        let devices = registry.devices();
        let device = heard.device_of(&devices);
        let mut sightings = self.lock();
        if let Some(before) = sightings.get(&service.fullname) {
            // One event may carry only the addresses of one interface.
            for &address in &before.addresses {
                if !heard.addresses.contains(&address) && heard.addresses.len() < MAX_HINTS {
                    heard.addresses.push(address);
                }
            }
            heard.addresses.sort_by_key(preference);
        } else if sightings.len() >= MAX_NEARBY {
            let Some(name) = least_missed(&sightings, &devices).filter(|_| device.is_some()) else {
                return false;
            };
            sightings.remove(&name);
        }
        if let Some(device) = device {
            registry.hint(device, &heard.addresses);
        }
        let news = sightings.get(&service.fullname) != Some(&heard);
        sightings.insert(service.fullname.clone(), heard);
        news
    }

    fn forget(&self, fullname: &str) -> bool {
        self.lock().remove(fullname).is_some()
    }
}

/// Whom to forget for a device of the list: a stranger, so that a flood cannot
/// hide those that are known, or else one of those that show the tag of the same
/// device, which anybody can who heard it (L6).
fn least_missed(sightings: &BTreeMap<String, Sighting>, devices: &[DeviceId]) -> Option<String> {
    let mut seen: BTreeMap<DeviceId, (usize, &String)> = BTreeMap::new();
    for (name, sighting) in sightings {
        match sighting.device_of(devices) {
            None => return Some(name.clone()),
            Some(device) => seen.entry(device).or_insert((0, name)).0 += 1,
        }
    }
    seen.into_values().max_by_key(|(count, _)| *count).map(|(_, name)| name.clone())
}

impl Sighting {
    pub(crate) fn read(service: &ResolvedService) -> Option<Self> {
        let text = |key| service.get_property_val(key).flatten();
        let mut addresses: Vec<_> =
            service.addresses.iter().filter_map(|ip| address(ip, service.port)).collect();
        addresses.sort_by_key(preference);
        addresses.truncate(MAX_HINTS);
        let pairing = text("p") == Some(b"1");
        let name =
            pairing.then(|| clean_name(&String::from_utf8_lossy(text("d").unwrap_or_default())));
        let sighting =
            Self { nonce: hex::<NONCE_BYTES>(text("n")?)?, tag: hex(text("t")?)?, name, addresses };
        (!sighting.addresses.is_empty()).then_some(sighting)
    }

    pub(crate) fn device_of(&self, devices: &[DeviceId]) -> Option<DeviceId> {
        devices.iter().copied().find(|&device| recognition::tag(device, &self.nonce) == self.tag)
    }
}

fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    HEXLOWER.decode(text).ok()?.try_into().ok()
}

/// Keeps the scope of link-local addresses, without which they lead nowhere.
fn address(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    let address = match ip {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index).into()
        }
        other => SocketAddr::new(other.to_ip_addr(), port),
    };
    let usable = port != 0 && !address.ip().is_unspecified() && !address.ip().is_multicast();
    usable.then_some(address)
}

/// Wide addresses before link-local and loopback ones.
fn preference(address: &SocketAddr) -> (u8, SocketAddr) {
    let rank = match address.ip() {
        ip if ip.is_loopback() => 2,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 1,
        _ => 0,
    };
    (rank, *address)
}

/// Announces and listens whenever that is wanted, for as long as the program runs.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut wanted = shared.neighbourhood.wanted.subscribe();
    while wanted.wait_for(|wanted| *wanted).await.is_ok() {
        tokio::select! {
            () = try_on(&shared) => {}
            _ = wanted.wait_for(|wanted| !*wanted) => {
                tracing::info!("no longer looking for devices on the local network");
                shared.neighbourhood.lock().clear();
                shared.neighbourhood.changed.notify_waiters();
            }
        }
    }
}

/// Announces and listens without end; failures are logged.
async fn try_on(shared: &Shared) {
    loop {
        let error = match Announcer::start(shared) {
            Ok(mut announcer) => announcer.serve(shared).await,
            Err(error) => error,
        };
        tracing::warn!(%error, "mDNS does not work here; devices are found by known addresses only");
        sleep(REPAIR).await;
    }
}

/// Why mDNS stopped.
#[derive(Debug, thiserror::Error)]
enum DiscoveryError {
    #[error("{0}")]
    Daemon(#[from] mdns_sd::Error),
    #[error("the mDNS daemon ended")]
    Ended,
    #[error("the system gives no random bytes")]
    Randomness(#[from] getrandom::Error),
}

/// The mDNS daemon thread and what it says about this device.
struct Announcer {
    daemon: ServiceDaemon,
    own_names: VecDeque<String>,
}

impl Drop for Announcer {
    fn drop(&mut self) {
        // The daemon says goodbye for what is registered before it ends.
        let _ = self.daemon.shutdown();
    }
}

impl Announcer {
    fn start(shared: &Shared) -> Result<Self, DiscoveryError> {
        let announcer = Self { daemon: ServiceDaemon::new()?, own_names: VecDeque::new() };
        let _ = announcer.daemon.set_ip_check_interval(INTERFACE_CHECK_S);
        let bound: Vec<IpAddr> = shared.local_addrs().iter().map(SocketAddr::ip).collect();
        if !bound.iter().any(IpAddr::is_unspecified) {
            // Speak only where this device can be reached.
            announcer.daemon.disable_interface(IfKind::All)?;
            announcer.daemon.enable_interface(bound)?;
        }
        Ok(announcer)
    }

    async fn serve(&mut self, shared: &Shared) -> DiscoveryError {
        match self.try_serve(shared).await {
            Ok(()) => DiscoveryError::Ended,
            Err(error) => error,
        }
    }

    async fn try_serve(&mut self, shared: &Shared) -> Result<(), DiscoveryError> {
        let neighbourhood = &shared.neighbourhood;
        let mut heard = self.daemon.browse(SERVICE)?;
        self.announce(shared).await?;
        let mut rotation = Instant::now() + ROTATION;
        let mut untold = false;
        loop {
            tokio::select! {
                event = heard.recv_async() => {
                    let Ok(event) = event else {
                        // Ended because too much came at once; fails if the daemon has.
                        heard = self.daemon.browse(SERVICE)?;
                        continue;
                    };
                    if self.hear(shared, event) {
                        untold = true;
                        neighbourhood.changed.notify_waiters();
                    }
                    continue;
                }
                permit = shared.events.reserve(), if untold => {
                    untold = false;
                    permit.map_err(|_| DiscoveryError::Ended)?.send(NetEvent::NearbyChanged);
                    continue;
                }
                () = neighbourhood.search.notified() => {
                    self.daemon.stop_browse(SERVICE)?;
                    heard = self.daemon.browse(SERVICE)?;
                }
                () = neighbourhood.refresh.notified() => {}
                () = sleep_until(rotation) => {}
            }
            self.announce(shared).await?;
            rotation = Instant::now() + ROTATION;
        }
    }

    fn hear(&self, shared: &Shared, event: ServiceEvent) -> bool {
        match event {
            ServiceEvent::ServiceResolved(service)
                if !self.own_names.contains(&service.fullname) =>
            {
                tracing::debug!(name = service.fullname, addresses = ?service.addresses, "heard a device");
                shared.neighbourhood.note(&service, &shared.registry)
            }
            ServiceEvent::ServiceRemoved(_, fullname) => shared.neighbourhood.forget(&fullname),
            _ => false,
        }
    }

    /// Replaces the announcement by one that has nothing in common with it.
    async fn announce(&mut self, shared: &Shared) -> Result<(), DiscoveryError> {
        if let Some(old) = self.own_names.back() {
            let gone = self.daemon.unregister(old)?;
            let _ = timeout(Duration::from_secs(1), gone.recv_async()).await;
        }
        let service = announcement(shared)?;
        self.own_names.push_back(service.get_fullname().to_owned());
        if self.own_names.len() > MAX_OWN_NAMES {
            self.own_names.pop_front();
        }
        Ok(self.daemon.register(service)?)
    }
}

/// Says that some device is here; only who knows its ID sees which.
fn announcement(shared: &Shared) -> Result<ServiceInfo, DiscoveryError> {
    let nonce: Nonce = recognition::random()?;
    let instance = HEXLOWER.encode(&recognition::random::<8>()?);
    let host = format!("{}.local.", HEXLOWER.encode(&recognition::random::<8>()?));
    let mut properties = vec![
        ("n", HEXLOWER.encode(&nonce)),
        ("t", HEXLOWER.encode(&recognition::tag(shared.own, &nonce))),
    ];
    if shared.desk.is_open() {
        properties.push(("p", "1".into()));
        properties.push(("d", shared.device_name()));
    }
    let bound = shared.local_addrs();
    let wildcard = bound.iter().find(|address| address.ip().is_unspecified());
    let port = wildcard.or(bound.first()).map_or(0, SocketAddr::port);
    let reachable = bound.iter().filter(|address| wildcard.is_none() && address.port() == port);
    let ips: Vec<IpAddr> = reachable.map(SocketAddr::ip).collect();
    let mut service = ServiceInfo::new(SERVICE, &instance, &host, &ips[..], port, &properties[..])?;
    if wildcard.is_some() {
        service = service.enable_addr_auto();
    }
    // Random names do not collide, and probing would cost most of a second.
    service.set_requires_probe(false);
    Ok(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_announces_itself_anew_is_one_device() {
        let neighbourhood = Neighbourhood::default();
        let hear = |fullname: &str, name: Option<&str>, address: &str| {
            let (nonce, tag) = ([7; NONCE_BYTES], [7; TAG_BYTES]);
            let addresses = vec![address.parse().unwrap()];
            let sighting = Sighting { nonce, tag, name: name.map(str::to_owned), addresses };
            neighbourhood.lock().insert(fullname.to_owned(), sighting);
        };
        hear("before", Some("ada"), "10.0.0.1:22100");
        hear("now", Some("ada"), "10.0.0.1:22100");
        hear("another", None, "10.0.0.1:22101");
        let list = neighbourhood.list(&Registry::new(DeviceId::from_bytes([0; 32])));
        let names: Vec<_> = list.iter().map(|nearby| nearby.name.as_deref()).collect();
        assert_eq!(names, [None, Some("ada")]);
    }

    /// L6: the tag of a device is there for all to hear, and to show as their own.
    #[test]
    fn l6_a_flood_under_one_devices_tag_hides_no_other_device() {
        let devices = [DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32])];
        let sighting = |device| {
            let nonce = [7; NONCE_BYTES];
            let addresses = vec!["10.0.0.1:22100".parse().unwrap()];
            Sighting { nonce, tag: recognition::tag(device, &nonce), name: None, addresses }
        };
        let mut sightings = BTreeMap::from([("0".to_owned(), sighting(devices[1]))]);
        for number in 0..MAX_NEARBY {
            sightings.insert(format!("flood {number}"), sighting(devices[0]));
        }
        let forgotten = least_missed(&sightings, &devices).unwrap();
        assert!(forgotten.starts_with("flood"), "{forgotten}");
        sightings.insert("stranger".into(), sighting(DeviceId::from_bytes([3; 32])));
        assert_eq!(least_missed(&sightings, &devices).as_deref(), Some("stranger"));
    }
}
