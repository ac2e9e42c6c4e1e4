//! Which daemon the app speaks to: one that runs already, or one that it hosts itself.
//!
//! The keeper is one task. It attaches to whatever answers on the home's control socket; where
//! nothing does, it hosts a daemon in this process, on threads of its own. When the daemon goes
//! away it says so and attaches again, or hosts. Everything else asks through [`Daemon`], and
//! everything goes over the socket, hosted or not. What is asked is not decided here.

mod host;

use std::sync::Arc;
use std::time::Duration;

use driftless_control::api::Shutdown;
use driftless_control::{ApiError, CallError, Client, ConnectError, ErrorCode};
use driftless_daemon::RunOptions;
use driftless_daemon::home::HomeLockError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::text;
use host::Host;

/// Between two looks whether a daemon that starts serves yet.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a daemon may take until it serves.
const START: Duration = Duration::from_secs(60);
/// How long a daemon that ran elsewhere has to come back before one is hosted in its place.
const COME_BACK: Duration = Duration::from_secs(5);
/// How long a daemon may take to end.
const END: Duration = Duration::from_secs(15);
/// Between two looks whether someone else has started a daemon.
const WATCH: Duration = Duration::from_secs(2);

/// How it stands with the daemon.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// It is on its way.
    Starting,
    /// It serves.
    Live(Arc<Client>),
    /// It does not run, for this reason.
    Gone(String),
}

/// The app's hold of the daemon.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    link: watch::Receiver<Link>,
    wishes: mpsc::Sender<Wish>,
}

/// What the app wants of the keeper; told once it was done.
#[derive(Debug)]
enum Wish {
    Restart(oneshot::Sender<()>),
    End(oneshot::Sender<()>),
}

/// Why a daemon cannot be reached.
#[derive(Debug, thiserror::Error)]
enum ReachError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the daemon cannot run here")]
    Thread(#[source] std::io::Error),
    #[error("{0:#}")]
    Host(anyhow::Error),
    #[error("the daemon does not answer")]
    Late,
}

impl Daemon {
    /// Begins to look after the daemon of this home. Needs a tokio runtime.
    pub(crate) fn keep(options: RunOptions) -> Self {
        let (told, link) = watch::channel(Link::Starting);
        let (wishes, wished) = mpsc::channel(4);
        let keeper = Keeper { options, told, host: None };
        tauri::async_runtime::spawn(keeper.run(wished));
        Self { link, wishes }
    }

    /// Follows how it stands.
    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.clone()
    }

    /// The connection, waiting for a daemon that starts.
    ///
    /// # Errors
    /// `failed` while there is no daemon.
    pub(crate) async fn client(&self) -> Result<Arc<Client>, ApiError> {
        let mut link = self.link.clone();
        let settled = link.wait_for(|link| !matches!(link, Link::Starting)).await;
        match settled.as_deref() {
            Ok(Link::Live(client)) => Ok(Arc::clone(client)),
            Ok(Link::Gone(why)) => Err(gone(why)),
            Ok(Link::Starting) | Err(_) => Err(gone(text::GONE)),
        }
    }

    /// Ends the daemon, wherever it runs, and starts or attaches anew.
    pub(crate) async fn restart(&self) {
        self.wish(Wish::Restart).await;
    }

    /// Ends the daemon if it is hosted here, and leaves any other alone. Nothing works afterwards.
    pub(crate) async fn end(&self) {
        self.wish(Wish::End).await;
    }

    async fn wish(&self, wish: fn(oneshot::Sender<()>) -> Wish) {
        let (done, told) = oneshot::channel();
        // A keeper that is gone has ended the daemon.
        if self.wishes.send(wish(done)).await.is_ok() {
            drop(told.await);
        }
    }
}

fn gone(why: &str) -> ApiError {
    ApiError::new(ErrorCode::Failed, why).with_hint(text::GONE_HINT)
}

/// A failed call in the words of the API.
pub(crate) fn api_error(error: CallError) -> ApiError {
    match error {
        CallError::Api(error) => error,
        CallError::Disconnected => ApiError::new(ErrorCode::Stopping, text::GONE),
        other => ApiError::new(ErrorCode::Failed, other.to_string()),
    }
}

struct Keeper {
    options: RunOptions,
    told: watch::Sender<Link>,
    host: Option<Host>,
}

/// Why a daemon is no longer there.
enum Lost {
    /// The one hosted here ended, by request or with an error; it is not brought back unasked.
    Ended(String),
    /// The one hosted here begins anew, or one elsewhere went away.
    Away,
}

impl Keeper {
    async fn run(mut self, mut wished: mpsc::Receiver<Wish>) {
        loop {
            let wish = tokio::select! {
                () = self.stay_connected() => None,
                wish = wished.recv() => wish,
            };
            self.told.send_replace(Link::Starting);
            self.end_hosted().await;
            match wish {
                Some(Wish::Restart(done)) => {
                    self.shut_down_elsewhere().await;
                    let _ = done.send(());
                }
                Some(Wish::End(done)) => {
                    let _ = done.send(());
                    return;
                }
                None => return,
            }
        }
    }

    /// Connects again and again; never returns.
    async fn stay_connected(&mut self) {
        loop {
            let lost = match self.reach().await {
                Ok(client) => {
                    tracing::info!(hosted = self.host.is_some(), "speaking to the daemon");
                    self.told.send_replace(Link::Live(Arc::clone(&client)));
                    client.ended().await;
                    self.lost().await
                }
                Err(error) => {
                    self.end_hosted().await;
                    Lost::Ended(error.to_string())
                }
            };
            match lost {
                Lost::Away if self.host.is_some() => drop(self.told.send_replace(Link::Starting)),
                Lost::Away => {
                    self.told.send_replace(Link::Gone(text::GONE.to_owned()));
                    tracing::warn!("the daemon went away");
                    self.is_back(Some(COME_BACK)).await;
                }
                Lost::Ended(why) => {
                    tracing::warn!(why, "no daemon runs");
                    self.told.send_replace(Link::Gone(why));
                    self.is_back(None).await;
                }
            }
        }
    }

    /// Attaches to the daemon that runs, or hosts one and attaches to it.
    async fn reach(&mut self) -> Result<Arc<Client>, ReachError> {
        let socket = self.options.home.control_socket();
        let deadline = Instant::now() + START;
        loop {
            match Client::connect(&socket).await {
                Ok(client) => return Ok(Arc::new(client)),
                Err(ConnectError::NoDaemon { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= deadline {
                return Err(ReachError::Late);
            }
            match &mut self.host {
                None => {
                    let host = Host::start(self.options.clone()).map_err(ReachError::Thread)?;
                    self.host = Some(host);
                }
                Some(host) => {
                    let Some(ended) = host.try_ended() else {
                        sleep(LOOK_AGAIN).await;
                        continue;
                    };
                    self.host = None;
                    match ended {
                        // Another daemon is about to serve, or about to end.
                        Err(error) if is_taken(&error) => sleep(10 * LOOK_AGAIN).await,
                        Err(error) => return Err(ReachError::Host(error)),
                        Ok(()) => return Err(ReachError::Late),
                    }
                }
            }
        }
    }

    /// Finds out why a connection that was there ended.
    async fn lost(&mut self) -> Lost {
        let Some(host) = &mut self.host else { return Lost::Away };
        // A daemon that ends closes its socket a moment before; one that begins anew does not end.
        let Ok(ended) = timeout(Duration::from_secs(2), host.ended()).await else {
            return Lost::Away;
        };
        self.host = None;
        Lost::Ended(match ended {
            Ok(()) => text::GONE.to_owned(),
            Err(error) => format!("{error:#}"),
        })
    }

    /// Waits until something answers on the socket, for so long at the most.
    async fn is_back(&self, limit: Option<Duration>) {
        let socket = self.options.home.control_socket();
        let begun = Instant::now();
        while limit.is_none_or(|limit| begun.elapsed() < limit) {
            sleep(if begun.elapsed() < COME_BACK { 10 * LOOK_AGAIN } else { WATCH }).await;
            if Client::connect(&socket).await.is_ok() {
                return;
            }
        }
    }

    async fn end_hosted(&mut self) {
        let Some(mut host) = self.host.take() else { return };
        host.end();
        match timeout(END, host.ended()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "the daemon failed"),
            Err(_) => tracing::error!("the daemon does not end"),
        }
    }

    /// Asks the daemon that runs elsewhere to end, and waits until it has.
    async fn shut_down_elsewhere(&self) {
        let socket = self.options.home.control_socket();
        let Ok(client) = Client::connect(&socket).await else { return };
        drop(timeout(END, client.call(Shutdown {})).await);
        drop(timeout(END, client.ended()).await);
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<HomeLockError>(), Some(HomeLockError::Held { .. }))
}
