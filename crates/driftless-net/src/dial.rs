//! Finding devices: which address is tried when.
//!
//! Decides pace and order: a few addresses at a time, staggered, the first
//! completed handshake wins; then a growing pause, which any news of the device
//! ends. Whether the found link is kept is decided in `registry`.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::DeviceId;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::connection::CloseReason;
use crate::greeting::{self, GreetingError, HANDSHAKE_DEADLINE};
use crate::net::Shared;
use crate::recognition;
use crate::registry::DialPlan;
use crate::tls::Callee;

/// Handshakes of one race that may be under way at once.
const MAX_RUNNING: usize = 8;
/// Addresses that one race may try, however many are suggested to it.
const MAX_TRIED: usize = 64;
const STAGGER: Duration = Duration::from_millis(150);
const RESOLVE_DEADLINE: Duration = Duration::from_secs(3);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A connection that lived shorter than this does not count as a success.
const LASTING: Duration = Duration::from_secs(5);
/// News ends a pause, but never so often that announcements set the pace.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Why one address did not lead to a device.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("no socket here reaches that address")]
    NoSocket,
    #[error("the dial could not be prepared: {0}")]
    Setup(String),
    #[error("no answer")]
    TimedOut,
    #[error("the handshake failed")]
    Handshake(#[from] quinn::ConnectionError),
}

/// Keeps one device connected for as long as it is in the list.
pub(crate) async fn keep_connected(shared: Arc<Shared>, device: DeviceId, wake: Arc<Notify>) {
    let mut pause = Pause::new();
    let mut connected_at = None::<Instant>;
    loop {
        match shared.registry.dial_plan(device, &wake) {
            DialPlan::Gone => return,
            DialPlan::Rest => {
                connected_at.get_or_insert_with(Instant::now);
                wake.notified().await;
                continue;
            }
            DialPlan::Dial { addresses, names } => {
                match connected_at.take() {
                    Some(since) if since.elapsed() >= LASTING => pause.reset(),
                    Some(_) => {
                        pause.wait(&wake).await;
                        continue;
                    }
                    None => {}
                }
                let mut race = Race::new(Arc::clone(&shared), Callee::Device(device));
                race.offer(addresses, names);
                match run(&shared, device, &wake, race).await {
                    Outcome::Changed => continue,
                    Outcome::Nowhere => wake.notified().await,
                    Outcome::Failed => pause.wait(&wake).await,
                }
            }
        }
    }
}

enum Outcome {
    /// Something came of it; look at the plan again.
    Changed,
    /// There is no address to try.
    Nowhere,
    Failed,
}

async fn run(
    shared: &Arc<Shared>,
    device: DeviceId,
    wake: &Arc<Notify>,
    mut race: Race,
) -> Outcome {
    let link = loop {
        tokio::select! {
            link = race.next() => break link,
            () = wake.notified() => match shared.registry.dial_plan(device, wake) {
                DialPlan::Dial { addresses, names } => race.offer(addresses, names),
                DialPlan::Gone | DialPlan::Rest => return Outcome::Changed,
            },
        }
    };
    let nowhere = race.tried.is_empty() && !race.named;
    // The slower handshakes end here, before the greeting.
    drop(race);
    let Some(link) = link else {
        return if nowhere { Outcome::Nowhere } else { Outcome::Failed };
    };
    match greeting::establish(shared, link, device, true).await {
        Ok(()) => Outcome::Changed,
        Err(GreetingError::Refused(CloseReason::Duplicate | CloseReason::Replaced)) => {
            Outcome::Failed
        }
        Err(error) => {
            tracing::debug!(%device, %error, "greeting failed");
            Outcome::Failed
        }
    }
}

/// The pause between dials: doubled each time, with jitter.
struct Pause(Duration);

impl Pause {
    fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    fn reset(&mut self) {
        self.0 = FIRST_PAUSE;
    }

    /// Waits; news of the device ends the wait and resets the pause.
    async fn wait(&mut self, wake: &Notify) {
        let length = jittered(self.0);
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        sleep(SHORTEST_PAUSE).await;
        if timeout(length, wake.notified()).await.is_ok() {
            self.reset();
        }
    }
}

/// Three to five quarters of `length`.
fn jittered(length: Duration) -> Duration {
    let [byte] = recognition::random::<1>().unwrap_or([128]);
    length * 3 / 4 + length / 512 * u32::from(byte)
}

/// Handshakes with several addresses, of which the first to complete wins.
pub(crate) struct Race {
    shared: Arc<Shared>,
    callee: Callee,
    waiting: VecDeque<SocketAddr>,
    tried: BTreeSet<SocketAddr>,
    /// Whether a name was asked for, so that an empty race may fill tomorrow.
    named: bool,
    asked: BTreeSet<String>,
    resolving: JoinSet<Vec<SocketAddr>>,
    running: JoinSet<Result<quinn::Connection, DialError>>,
    next_start: Instant,
    refused: bool,
}

impl Race {
    pub(crate) fn new(shared: Arc<Shared>, callee: Callee) -> Self {
        Self {
            shared,
            callee,
            waiting: VecDeque::new(),
            tried: BTreeSet::new(),
            named: false,
            asked: BTreeSet::new(),
            resolving: JoinSet::new(),
            running: JoinSet::new(),
            next_start: Instant::now(),
            refused: false,
        }
    }

    /// Adds addresses, and names to be resolved; those known already are ignored.
    pub(crate) fn offer(&mut self, addresses: Vec<SocketAddr>, names: Vec<String>) {
        for address in addresses {
            if self.tried.len() < MAX_TRIED && self.tried.insert(address) {
                self.waiting.push_back(address);
            }
        }
        for name in names {
            if self.asked.insert(name.clone()) {
                self.named = true;
                self.resolving.spawn(resolve(name));
            }
        }
    }

    /// Whether some device answered and turned this one away in TLS.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused
    }

    /// Waits for the next completed handshake; nothing when all have failed.
    /// Cancelling it loses nothing.
    pub(crate) async fn next(&mut self) -> Option<quinn::Connection> {
        loop {
            let room = !self.waiting.is_empty() && self.running.len() < MAX_RUNNING;
            if room && (self.running.is_empty() || Instant::now() >= self.next_start) {
                self.start();
                continue;
            }
            if self.running.is_empty() && self.resolving.is_empty() {
                return None;
            }
            tokio::select! {
                Some(ended) = self.running.join_next() => match ended {
                    Ok(Ok(link)) => return Some(link),
                    Ok(Err(error)) => self.failed(&error),
                    Err(_) => {}
                },
                Some(addresses) = self.resolving.join_next() => {
                    self.offer(addresses.unwrap_or_default(), Vec::new());
                }
                () = sleep_until(self.next_start), if room => {}
            }
        }
    }

    fn start(&mut self) {
        if let Some(address) = self.waiting.pop_front() {
            self.next_start = Instant::now() + STAGGER;
            self.running.spawn(connect(Arc::clone(&self.shared), address, self.callee));
        }
    }

    fn failed(&mut self, error: &DialError) {
        tracing::debug!(%error, "dial failed");
        self.refused |= matches!(
            error,
            DialError::Handshake(
                quinn::ConnectionError::ConnectionClosed(_)
                    | quinn::ConnectionError::TransportError(_)
            )
        );
        self.next_start = Instant::now();
    }
}

async fn resolve(name: String) -> Vec<SocketAddr> {
    match timeout(RESOLVE_DEADLINE, tokio::net::lookup_host(&name)).await {
        Ok(Ok(addresses)) => addresses.take(MAX_RUNNING).collect(),
        Ok(Err(error)) => {
            tracing::debug!(name, %error, "address cannot be resolved");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// Dials one address; the returned link has passed TLS on this side.
async fn connect(
    shared: Arc<Shared>,
    address: SocketAddr,
    callee: Callee,
) -> Result<quinn::Connection, DialError> {
    let _permit = shared.dial_permits.acquire().await.map_err(|_| DialError::NoSocket)?;
    let endpoint = shared.endpoint_for(address).ok_or(DialError::NoSocket)?;
    let setup = |error: &dyn std::fmt::Display| DialError::Setup(error.to_string());
    let nonce = recognition::random().map_err(|error| setup(&error))?;
    let name = match callee {
        Callee::Device(device) => recognition::server_name(device, &nonce),
        // Says nothing, and looks like any other.
        Callee::Pairing => recognition::server_name(DeviceId::from_bytes([0; 32]), &nonce),
    };
    let tls = shared.tls.client(callee).map_err(|error| setup(&error))?;
    let mut config = quinn::ClientConfig::new(tls);
    config.transport_config(shared.transport());
    let connecting =
        endpoint.connect_with(config, address, &name).map_err(|error| setup(&error))?;
    Ok(timeout(HANDSHAKE_DEADLINE, connecting).await.map_err(|_| DialError::TimedOut)??)
}
