//! Starting and ending the daemon, and what it does meanwhile.
//!
//! A daemon that becomes another device begins anew within its process: its
//! folders, connections and control socket are closed and opened again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use driftless_control::{EventLog, Server};
use driftless_core::DeviceId;
use driftless_net::{Identity, Net, NetConfig, NetEvent, StartError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::Config;
use crate::home::{Home, MachineId};
use crate::hub::Hub;
use crate::logging::{self, LogFile};
use crate::{api, random, session};

/// How many events are kept for those who subscribe later.
const EVENTS: usize = 20_000;

/// How often it is looked whether a folder wants a tick or the configuration was edited.
const TICK: Duration = Duration::from_secs(1);

/// How long the addresses of a daemon that begins anew may take to become free.
const FREE_WITHIN: Duration = Duration::from_secs(10);

/// Between two attempts to take them.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// What the daemon is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Go on.
    On,
    /// End and begin anew, as the device that the home is then.
    Anew,
    /// End.
    End,
}

/// How the daemon is to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Where key, configuration and databases are.
    pub home: Home,
    /// Where to listen; empty means as the configuration says.
    pub listen: Vec<SocketAddr>,
    /// Whether to look for devices by mDNS, if the configuration allows it.
    pub discovery: bool,
    /// Where this computer's ID is read from, instead of from where the system keeps it.
    pub machine_id: Option<PathBuf>,
}

/// Runs the daemon until SIGTERM, SIGINT or a request to end.
///
/// Prints `ready DEVICE-ID IP:PORT` once it serves, and again when it has become
/// another device.
///
/// # Errors
///
/// The home is in use by another daemon, the configuration is refused, or an
/// address or the control socket cannot be used.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let _lock = options.home.lock()?;
    logging::init(&options.home, LogFile::Daemon)?;
    let (signal, signalled) = watch::channel(false);
    let mut listening = JoinSet::new();
    listening.spawn(hear_signals(signal));
    run_until(&options, signalled, say_ready).await?;
    listening.shutdown().await;
    Ok(())
}

/// Runs the daemon within another program, until `end` is true or a request to end.
///
/// Leaves logging and signals to that program, and prints nothing. Whether the
/// daemon serves is seen by connecting to its socket.
///
/// # Errors
///
/// As [`run`].
pub async fn host(options: RunOptions, end: watch::Receiver<bool>) -> anyhow::Result<()> {
    let _lock = options.home.lock()?;
    run_until(&options, end, |_, _| {}).await
}

async fn run_until(
    options: &RunOptions,
    ended: watch::Receiver<bool>,
    tell: fn(DeviceId, Option<SocketAddr>),
) -> anyhow::Result<()> {
    let mut listened = Vec::new();
    while run_as_one_device(options, &mut listened, ended.clone(), tell).await? == Course::Anew
        && !*ended.borrow()
    {
        tracing::info!("beginning anew");
    }
    Ok(())
}

/// Runs until the course changes. `listened` is where an earlier run listened.
async fn run_as_one_device(
    options: &RunOptions,
    listened: &mut Vec<SocketAddr>,
    ended: watch::Receiver<bool>,
    tell: fn(DeviceId, Option<SocketAddr>),
) -> anyhow::Result<Course> {
    let home = options.home.clone();
    let settings = Config::init(&home, None)?.settings().clone();
    let machine = MachineId::read(options.machine_id.as_deref());
    let identity = home.settle_identity(machine.as_ref(), settings.device.check_machine)?;
    let device = identity.device_id();
    let net_config = NetConfig {
        listen: match (listened.is_empty(), options.listen.is_empty()) {
            (false, _) => listened.clone(),
            (true, false) => options.listen.clone(),
            (true, true) => settings.device.listen.clone(),
        },
        discovery: options.discovery && settings.device.discovery,
        device_name: settings.device.name.clone(),
    };
    let patience = if listened.is_empty() { Duration::ZERO } else { FREE_WITHIN };
    let (net, net_events) = start_net(&identity, net_config, patience).await?;
    *listened = net.local_addrs();
    let control = Server::bind(&home.control_socket()).context("cannot open the control socket")?;
    let run = random::bytes().map_err(anyhow::Error::msg)?;
    let events = EventLog::new(u64::from_be_bytes(run), EVENTS);
    let may_discover = options.discovery;
    let hub = Hub::new(home, device, net.clone(), events, settings.clone(), may_discover)?;
    hub.apply(settings).await;

    let (course, changing) = watch::channel(Course::On);
    let mut tasks = JoinSet::new();
    tasks.spawn(hear_network(Arc::clone(&hub), net_events));
    tasks.spawn(tick(Arc::clone(&hub)));
    tasks.spawn(api::run_policies(Arc::clone(&hub)));
    tasks.spawn(end_when_told(ended, course.clone()));
    let address = listened.first().copied();
    tracing::info!(device = %device.short(), ?address, "ready");
    tell(device, address);
    serve(Arc::clone(&hub), control, course, changing.clone()).await;
    tracing::info!("ending");
    tasks.shutdown().await;
    net.shutdown().await;
    hub.close().await;
    hub.save_memory();
    let course = *changing.borrow();
    Ok(course)
}

/// Starts the network; waits for addresses that are about to become free.
async fn start_net(
    identity: &Identity,
    config: NetConfig,
    patience: Duration,
) -> anyhow::Result<(Net, mpsc::Receiver<NetEvent>)> {
    let end = Instant::now() + patience;
    loop {
        match Net::start(identity, config.clone()).await {
            Err(StartError::Listen { .. }) if Instant::now() < end => {
                tokio::time::sleep(TRY_AGAIN).await;
            }
            outcome => return outcome.context("cannot use the network"),
        }
    }
}

/// Tells whoever started the daemon that it serves.
fn say_ready(device: DeviceId, address: Option<SocketAddr>) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let shown = address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    // Whoever started the daemon may have stopped listening; that ends nothing.
    let _ = writeln!(out, "ready {device} {shown}").and_then(|()| out.flush());
}

async fn serve(
    hub: Arc<Hub>,
    control: Server,
    course: watch::Sender<Course>,
    mut changing: watch::Receiver<Course>,
) {
    let handler =
        move |request, context| api::handle(Arc::clone(&hub), course.clone(), request, context);
    let ended = async move {
        let _ = changing.wait_for(|course| *course != Course::On).await;
    };
    control.serve(handler, ended).await;
}

/// Runs a session for every connection, and takes note of the rest.
///
/// A device's sessions follow each other: the next begins once the last has
/// ended and every folder knows it. So nothing that was meant for one
/// connection goes out on the next, where it would be a gap in an index.
async fn hear_network(hub: Arc<Hub>, mut events: mpsc::Receiver<NetEvent>) {
    let mut sessions = JoinSet::new();
    let mut latest: BTreeMap<DeviceId, oneshot::Receiver<()>> = BTreeMap::new();
    while let Some(event) = events.recv().await {
        match event {
            NetEvent::Connected(connection) => {
                let (ending, ended) = oneshot::channel();
                let before = latest.insert(connection.device(), ended);
                let hub = Arc::clone(&hub);
                sessions.spawn(async move {
                    if let Some(before) = before {
                        // It says nothing: it ends by going away.
                        let _ = before.await;
                    }
                    session::run(hub, connection).await;
                    drop(ending);
                });
            }
            NetEvent::AddressSeen { device, address } => hub.remember_address(device, address),
            NetEvent::Paired(paired) => hub.paired(Ok(paired)).await,
            NetEvent::PairingFailed { reason } => hub.paired(Err(reason)).await,
            NetEvent::Cloned { device } => hub.clones_seen(device),
            NetEvent::ToldCloned { by } => hub.clone_told(by),
            NetEvent::RequestsChanged => hub.requests_changed(),
            NetEvent::NearbyChanged => {}
        }
        while sessions.try_join_next().is_some() {}
    }
}

/// Wakes folders that want it, and takes up the configuration when a person edited it.
async fn tick(hub: Arc<Hub>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let changed_at = |hub: &Hub| -> Option<SystemTime> {
        std::fs::metadata(hub.home.config_file()).ok()?.modified().ok()
    };
    let mut known = changed_at(&hub);
    loop {
        ticks.tick().await;
        hub.tick();
        let now = changed_at(&hub);
        if now != known && now.is_some() {
            known = now;
            match Config::load(&hub.home) {
                Ok(config) if *config.settings() != *hub.settings() => {
                    hub.apply(config.settings().clone()).await
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "the edited configuration is refused; the one before stays in force")
                }
            }
        }
    }
}

/// Ends the daemon once it was told to from outside.
async fn end_when_told(mut ended: watch::Receiver<bool>, course: watch::Sender<Course>) {
    if ended.wait_for(|ended| *ended).await.is_ok() {
        course.send_replace(Course::End);
    }
}

/// Hears SIGTERM and SIGINT, also while the daemon begins anew.
async fn hear_signals(heard: watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    heard.send_replace(true);
}
