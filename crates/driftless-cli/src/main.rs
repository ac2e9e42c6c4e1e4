//! The binary `driftless`: turns arguments into requests and replies into text.
//!
//! Nothing about syncing is decided here. All but a few commands ask the running daemon through
//! `driftless_control`; `daemon` runs one in the foreground, and the commands that provision a machine edit the
//! configuration while none runs. Output is the contract that scripts lean on.

mod args;
mod commands;
mod failure;
mod format;
mod offline;
mod output;
mod progress;
mod session;
mod status_text;
mod when;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::failure::Failure;

fn main() -> ExitCode {
    if driftless_daemon::thumbnail::is_asked() {
        return driftless_daemon::thumbnail::make();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse_arguments(&error),
    };
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Help and version are answers; anything else that clap says becomes one line like every other failure.
fn refuse_arguments(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Where the text goes may be closed; there is nobody left to tell.
            drop(error.print());
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
        }
        _ => Failure::arguments(error).report(),
    }
}
