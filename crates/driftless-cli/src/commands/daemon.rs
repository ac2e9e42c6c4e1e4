//! `driftless daemon`: everything else happens in the daemon's own crate.

use std::net::SocketAddr;

use driftless_daemon::RunOptions;

use crate::failure::{Exit, Failure};
use crate::session::Session;

pub(super) fn run(
    session: Session,
    listen: Vec<SocketAddr>,
    discovery: bool,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start threads: {error}")))?;
    runtime
        .block_on(driftless_daemon::run(RunOptions { home: session.home, listen, discovery }))
        .map_err(|error| Failure::new(Exit::Failed, format!("{error:#}")))
}
