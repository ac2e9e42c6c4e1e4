//! `daemon`: syncs in the foreground.

use std::net::SocketAddr;

use crate::failure::{Exit, Failure};
use crate::session::Session;

pub(super) fn run(
    session: Session,
    _listen: Vec<SocketAddr>,
    _discovery: bool,
) -> Result<(), Failure> {
    let home = session.home.path().display();
    Err(Failure::new(Exit::Failed, format!("no daemon for {home} is part of this build")))
}
