//! The desktop app: a window, an icon in the panel, and the daemon behind them.
//!
//! The shell is thin. What is shown is in `ui/`, what syncs is in the daemon, and everything
//! between them goes over the control API. The shell decides which daemon to speak to
//! ([`daemon`]), what the page may ask ([`bridge`]), and what a person sees outside the window
//! ([`tray`], [`notify`]).

mod app;
mod bridge;
mod daemon;
mod logs;
mod notify;
mod own;
mod sentence;
mod settings;
mod text;
mod tray;
mod view;
mod window;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// driftless: the same folders on all your devices.
#[derive(Debug, Clone, Parser)]
#[command(version)]
struct Arguments {
    /// Where key, configuration and index are.
    #[arg(long, value_name = "DIR", env = "DRIFTLESS_HOME")]
    home: Option<PathBuf>,
    /// Start without a window, as at login.
    #[arg(long)]
    hidden: bool,
    /// Where a daemon that the app hosts listens, instead of as the configuration says.
    #[arg(long, value_name = "IP:PORT")]
    listen: Vec<SocketAddr>,
    /// Do not look for devices on the local network.
    #[arg(long)]
    no_discovery: bool,
}

fn main() -> ExitCode {
    if driftless_daemon::thumbnail::is_asked() {
        return driftless_daemon::thumbnail::make();
    }
    match app::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("driftless: {error:#}");
            ExitCode::FAILURE
        }
    }
}
