//! A daemon inside this process.
//!
//! It has a runtime of its own, so that a busy folder never holds up a window, and so that all of
//! it is gone when it ends.

use std::io;

use anyhow::anyhow;
use driftless_daemon::RunOptions;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

/// Below this many threads, one that is held up would hold up everything.
const LEAST_WORKERS: usize = 2;

/// A daemon that runs, or ran, in this process. Dropping it lets it end by itself.
#[derive(Debug)]
pub(super) struct Host {
    end: watch::Sender<bool>,
    ended: oneshot::Receiver<anyhow::Result<()>>,
}

impl Host {
    /// Starts it on threads of its own.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(super) fn start(options: RunOptions) -> io::Result<Self> {
        let workers = std::thread::available_parallelism().map_or(LEAST_WORKERS, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers.max(LEAST_WORKERS))
            .thread_name("daemon")
            .enable_all()
            .build()?;
        let (end, ending) = watch::channel(false);
        let (tell, ended) = oneshot::channel();
        std::thread::Builder::new().name("daemon".to_owned()).spawn(move || {
            let outcome = runtime.block_on(driftless_daemon::host(options, ending));
            drop(runtime);
            // Nobody may be left to hear it.
            drop(tell.send(outcome));
        })?;
        Ok(Self { end, ended })
    }

    /// Asks it to end.
    pub(super) fn end(&self) {
        self.end.send_replace(true);
    }

    /// Waits until it has ended, in whichever way. Of no further use afterwards.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.ended).await.unwrap_or_else(|_| Err(panicked()))
    }

    /// How it ended, if it has.
    pub(super) fn try_ended(&mut self) -> Option<anyhow::Result<()>> {
        match self.ended.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(panicked())),
        }
    }
}

fn panicked() -> anyhow::Error {
    anyhow!("the daemon broke off; its log says where")
}
