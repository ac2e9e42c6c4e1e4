//! The project's chores: `cargo xtask run`, `test`, `demo`, `bench`, `package`, `codegen`, `fuzz`, `tidy`.
//!
//! Everything that a newcomer, a maintainer or CI does beyond plain cargo
//! commands is here, in Rust, so that it is the same on every machine.

mod app;
mod bench;
mod codegen;
mod demo;
mod fuzz;
mod package;
mod setup;
mod sim;
mod tidy;
mod ui;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// The test that the simulator finds deliberate bugs; whole workspace, so that
/// what it has in common with the other tests is not built once more.
const MUTANTS: [&str; 5] =
    ["--workspace", "--features", "driftless-testkit/sabotage", "--test", "mutants"];

/// The project's chores.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Builds the desktop app and starts it; installs what that needs.
    Run {
        /// Passed on to the app.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Installs what the tests need, then runs all of them.
    Test {
        /// Run the tests even where something that they need is missing.
        #[arg(long)]
        no_setup: bool,
        /// Passed on to `cargo test`.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Runs two paired devices on this machine until Ctrl-C: two windows, each as on a laptop of its own.
    Demo {
        /// Without windows, as on two servers.
        #[arg(long)]
        headless: bool,
        /// Where the two devices live; must be empty or absent. By default a temporary directory.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Sync one sample file without windows, then stop.
        #[arg(long)]
        once: bool,
    },
    /// Measures how fast driftless is here, how cost grows, or whether a hot path became slower.
    Bench(bench::Options),
    /// Writes the control API's types for the user interface.
    Codegen,
    /// Makes a `.deb` and an `.rpm` in `target/package`.
    Package(package::Options),
    /// Feeds the decoders bytes that nobody meant to send them; installs cargo-fuzz if missing.
    Fuzz {
        /// How long each target runs.
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        /// The one target to run; by default all of them.
        target: Option<String>,
    },
    /// Runs random worlds of simulated devices, or one of them again.
    Sim(sim::Options),
    /// Checks the rules of the house that the compiler does not.
    Tidy,
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> anyhow::Result<ExitCode> {
    match chore {
        Chore::Test { no_setup, rest } => {
            if !no_setup {
                setup::ensure(setup::FOR_APP)?;
                setup::ensure(setup::FOR_TESTS)?;
            }
            ui::build(root())?;
            let status = test(&["--workspace"], &rest)?;
            // In no other build than this one are the deliberate bugs.
            let status = match status.success() && rest.is_empty() {
                true => test(&MUTANTS, &[])?,
                false => status,
            };
            let status = match status.success() && rest.is_empty() {
                true => ui::test(root())?,
                false => status,
            };
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
        }
        Chore::Run { rest } => app::run(root(), &rest),
        Chore::Demo { headless, dir, once } => {
            demo::run(dir, once, headless).map(|()| ExitCode::SUCCESS)
        }
        Chore::Bench(options) => bench::run(root(), &options),
        Chore::Codegen => codegen::run(root()).map(|()| ExitCode::SUCCESS),
        Chore::Package(options) => package::run(root(), &options),
        Chore::Fuzz { seconds, target } => fuzz::run(root(), seconds, target.as_deref()),
        Chore::Sim(options) => sim::run(root(), &options),
        Chore::Tidy => tidy::run(root()),
    }
}

fn test(what: &[&str], rest: &[String]) -> anyhow::Result<ExitStatus> {
    let mut tests = Command::new(cargo());
    tests.current_dir(root()).args(["test", "--locked"]).args(what).args(rest);
    tests.status().context("cannot run cargo")
}

/// The directory of the workspace.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The cargo that runs us.
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
