//! Starting and ending the daemon, and what it does meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use driftless_control::{EventLog, Server};
use driftless_core::DeviceId;
use driftless_net::{Net, NetConfig, NetEvent};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::home::Home;
use crate::hub::Hub;
use crate::{api, logging, random, session};

/// How many events are kept for those who subscribe later.
const EVENTS: usize = 20_000;

/// How often it is looked whether a folder wants a tick or the configuration was edited.
const TICK: Duration = Duration::from_secs(1);

/// How the daemon is to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Where key, configuration and databases are.
    pub home: Home,
    /// Where to listen; empty means as the configuration says.
    pub listen: Vec<SocketAddr>,
    /// Whether to look for devices by mDNS, if the configuration allows it.
    pub discovery: bool,
}

/// Runs the daemon until SIGTERM, SIGINT or a request to end.
///
/// Prints `ready DEVICE-ID IP:PORT` once it serves.
///
/// # Errors
///
/// The home is in use by another daemon, the configuration is refused, or an
/// address or the control socket cannot be used.
pub async fn run(options: RunOptions) -> anyhow::Result<()> {
    let home = options.home;
    let _lock = home.lock()?;
    logging::init(&home)?;
    let settings = Config::init(&home, None)?.settings().clone();
    let identity = home.identity()?;
    let device = identity.device_id();
    let net_config = NetConfig {
        listen: if options.listen.is_empty() {
            settings.device.listen.clone()
        } else {
            options.listen
        },
        discovery: options.discovery && settings.device.discovery,
        device_name: settings.device.name.clone(),
    };
    let (net, net_events) =
        Net::start(&identity, net_config).await.context("cannot use the network")?;
    let control = Server::bind(&home.control_socket()).context("cannot open the control socket")?;
    let run = random::bytes().map_err(anyhow::Error::msg)?;
    let events = EventLog::new(u64::from_be_bytes(run), EVENTS);
    let hub = Hub::new(home, device, net.clone(), events, settings.clone())?;
    hub.apply(settings).await;

    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(hear_network(Arc::clone(&hub), net_events));
    tasks.spawn(tick(Arc::clone(&hub)));
    tasks.spawn(end_on_signal(stop.clone()));
    let address = net.local_addrs().first().copied();
    {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        let address = address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        // Whoever started the daemon may have stopped listening; that ends nothing.
        let _ = writeln!(out, "ready {device} {address}").and_then(|()| out.flush());
    }
    tracing::info!(device = %device.short(), ?address, "ready");
    serve(Arc::clone(&hub), control, stop, stopping).await;
    tracing::info!("ending");
    tasks.shutdown().await;
    net.shutdown().await;
    hub.close().await;
    hub.save_memory();
    Ok(())
}

async fn serve(
    hub: Arc<Hub>,
    control: Server,
    stop: watch::Sender<bool>,
    mut stopping: watch::Receiver<bool>,
) {
    let handler =
        move |request, context| api::handle(Arc::clone(&hub), stop.clone(), request, context);
    let ended = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
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

/// Ends the daemon on SIGTERM or SIGINT.
async fn end_on_signal(stop: watch::Sender<bool>) {
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
    stop.send_replace(true);
}
