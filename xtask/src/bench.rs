//! How fast driftless is: workloads on real devices, how cost grows, and the guard over the hot paths.

mod guard;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct Options {
    /// What to measure.
    #[arg(value_name = "WORK")]
    works: Vec<Work>,
    /// With `guard`: write down what is counted instead of comparing with it.
    #[arg(long)]
    bless: bool,
}

/// Something that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    /// The hot paths' instructions, compared with figures in the repository.
    Guard,
}

/// Measures.
///
/// # Errors
/// When something cannot be built or run.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    guard::run(root, options.bless || !options.works.contains(&Work::Guard))
}
