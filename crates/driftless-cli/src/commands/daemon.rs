//! `daemon`: syncs in the foreground.

use std::net::SocketAddr;
use std::path::PathBuf;

use driftless_daemon::RunOptions;

use crate::failure::{Exit, Failure};
use crate::session::Session;

/// Below this many threads, one that is held up would hold up everything.
const LEAST_WORKERS: usize = 2;

pub(super) fn run(
    session: Session,
    listen: Vec<SocketAddr>,
    discovery: bool,
    machine_id: Option<PathBuf>,
) -> Result<(), Failure> {
    let workers = std::thread::available_parallelism().map_or(LEAST_WORKERS, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.max(LEAST_WORKERS))
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    let options = RunOptions { home: session.home, listen, discovery, machine_id };
    let ended = runtime.block_on(driftless_daemon::run(options));
    ended.map_err(|error| Failure::new(Exit::Failed, format!("{error:#}")))
}
