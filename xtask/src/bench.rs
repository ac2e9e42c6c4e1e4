//! How fast driftless is: workloads on real devices, how cost grows, and the guard over the hot paths.
//!
//! What each workload is, and what not to trust, is in docs/benchmarks.md. Everything here goes through the program
//! as it is shipped: daemons, the command line, the control socket.

mod basic;
mod device;
mod growth;
mod guard;
mod lab;
mod network;
mod plot;
mod report;
mod rest;
mod rsync;
mod scaling;
mod subject;
mod tree;
mod usage;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};

use crate::{demo, setup};
use lab::{Lab, Sizes};
use network::Network;
use report::Report;

#[derive(Args)]
pub(crate) struct Options {
    /// What to measure; w1 to w8 by default. `guard` goes alone.
    #[arg(value_name = "WORK")]
    works: Vec<Work>,
    /// Little of everything, to see that it works.
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Up to a million files; takes an hour or more.
    #[arg(long)]
    full: bool,
    /// Measure these programs, too, where they can do the same: w1 to w5.
    #[arg(long, value_name = "PROGRAM", value_delimiter = ',')]
    with: Vec<Program>,
    /// Let devices live here; should be on the disk that counts.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Measure this program instead of building it.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// With `guard`: write down what is counted instead of comparing with it.
    #[arg(long)]
    bless: bool,
}

/// Something that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// One large file.
    W1,
    /// Many small files.
    W2,
    /// A source tree.
    W3,
    /// Edits of a large file: a byte in front, 100 places, appended.
    W4,
    /// A directory is renamed.
    W5,
    /// From a save to its being read on the other device.
    W6,
    /// Starting with many files, and looking through them.
    W7,
    /// Nothing to do.
    W8,
    /// Growth with the number of files.
    Files,
    /// Growth with the size of a file of holes of which one block changes.
    Sparse,
    /// Growth with the number of folders.
    Folders,
    /// Growth with the number of devices.
    Swarm,
    /// Growth of catching up with the number of files.
    Offline,
    /// The hot paths' instructions, compared with figures in the repository.
    Guard,
}

/// A program that brings files over.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    #[value(skip)]
    Driftless,
    /// rsync with its own daemon.
    Rsync,
    /// The same, with `--fsync`.
    RsyncFsync,
}

/// Works that are measured where none is named.
const USUAL: [Work; 8] = {
    use Work::{W1, W2, W3, W4, W5, W6, W7, W8};
    [W1, W2, W3, W4, W5, W6, W7, W8]
};

/// Measures, and writes `target/bench`.
///
/// # Errors
/// When something cannot be built or run, or does not arrive as it was.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    if options.works.contains(&Work::Guard) {
        ensure!(options.works.len() == 1, "the guard goes alone");
        return guard::run(root, options.bless);
    }
    ensure!(!options.bless, "--bless is for the guard");
    let works = if options.works.is_empty() { USUAL.to_vec() } else { options.works.clone() };
    let (sizes, kind) = match (options.quick, options.full) {
        (true, _) => (Sizes::quick(), "quick"),
        (_, true) => (Sizes::full(), "full"),
        _ => (Sizes::whole(), "whole"),
    };
    let target = target_dir(root);
    let place = options.dir.clone().unwrap_or_else(|| target.join("bench/devices"));
    std::fs::create_dir_all(&place).with_context(|| format!("cannot make {place:?}"))?;
    let program = match &options.program {
        Some(program) => std::path::absolute(program)?,
        None => {
            setup::ensure(setup::FOR_BUILDING)?;
            demo::build()?
        }
    };
    let report = Report { conditions: conditions(&program, kind)?, ..Report::default() };
    let mut lab = Lab { program, place: std::path::absolute(place)?, sizes, report };
    let outcome = measure(&mut lab, &works, &options.with);
    // What was measured before something failed is worth keeping.
    let results = target.join("bench");
    lab.report.write(&results)?;
    println!("\n{}\nAll of it is in {}", lab.report.markdown(), results.display());
    outcome.map(|()| ExitCode::SUCCESS)
}

fn measure(lab: &mut Lab, works: &[Work], with: &[Program]) -> anyhow::Result<()> {
    let mut has_rested = false;
    for work in works {
        match work {
            Work::W1 | Work::W2 | Work::W3 | Work::W4 | Work::W5 => {
                for program in [&[Program::Driftless][..], with].concat() {
                    basic::run(lab, *work, program)?;
                }
            }
            Work::W6 => basic::run(lab, *work, Program::Driftless)?,
            Work::W7 | Work::W8 if has_rested => {}
            Work::W7 | Work::W8 => {
                has_rested = true;
                rest::run(lab, works)?;
            }
            Work::Files => scaling::files(lab)?,
            Work::Sparse => scaling::sparse(lab)?,
            Work::Folders => scaling::folders(lab)?,
            Work::Swarm => scaling::swarm(lab)?,
            Work::Offline => scaling::offline(lab)?,
            Work::Guard => {}
        }
    }
    Ok(())
}

/// Where cargo puts what it builds.
fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Where and how is measured.
fn conditions(program: &Path, kind: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let version = Command::new(program).arg("--version").output();
    let version = version.with_context(|| format!("cannot run {}", program.display()))?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = model.map_or("unknown", |(_, model)| model);
    Ok(vec![
        ("program", String::from_utf8_lossy(&version.stdout).trim().to_owned()),
        ("sizes", kind.to_owned()),
        ("processor", format!("{cores} cores of {model}, which both sides share")),
        ("kernel", kernel.trim().to_owned()),
        ("network", Network::new(1)?.name().to_owned()),
    ])
}
