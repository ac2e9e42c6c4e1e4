//! One function for each command; this file only tells them apart.

mod activity;
mod conflict;
mod daemon;
mod device;
mod diff;
mod files;
mod folder;
mod generate;
mod history;
mod link;
mod pair;
mod policy;
mod preview;
mod resolve;
mod settings;
mod setup;
mod status;
mod undo;
mod watch;

use crate::args::{Cli, Command};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::Session;

/// Runs one command.
pub(crate) fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { home, json, command } = cli;
    let session = |home| Session::new(home, Output::new(json));
    match command {
        // These need no home, and must not make one.
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { directory } => generate::man(directory.as_deref()),
        Command::Init { name } => setup::init(&session(home)?, name),
        Command::Daemon { listen, no_discovery, machine_id_file } => {
            daemon::run(session(home)?, listen, !no_discovery, machine_id_file)
        }
        command => ask(&session(home)?, command),
    }
}

fn ask(session: &Session, command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        match command {
            Command::Pair { code, address } => pair::run(session, &code, address).await,
            Command::Device(command) => device::run(session, command).await,
            Command::Folder(command) => folder::run(session, command).await,
            Command::Status { folder, follow } => status::run(session, folder, follow).await,
            Command::Wait(wait) => watch::wait(session, wait).await,
            Command::Conflict(command) => conflict::run(session, command).await,
            Command::Policy(command) => policy::run(session, command).await,
            Command::History(command) => history::run(session, command).await,
            Command::Undo(undo) => undo::run(session, undo).await,
            Command::Activity { folder, number } => activity::list(session, folder, number).await,
            Command::Transfers { folder } => activity::transfers(session, folder).await,
            Command::Events { since, follow } => watch::events(session, since, follow).await,
            Command::Id { link, qr } => link::id(session, link, qr).await,
            Command::Settings { change } => settings::run(session, change).await,
            Command::Doctor => setup::doctor(session).await,
            Command::Init { .. }
            | Command::Daemon { .. }
            | Command::Completions { .. }
            | Command::Man { .. } => unreachable!("`run` handles what needs no daemon"),
        }
    })
}
