//! Random worlds for as long as someone wishes, or one of them again.
//!
//! The worlds themselves are the test `sim` of driftless-testkit; this starts
//! as many processes of it as were asked for, each with seeds of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::Value;

use crate::cargo;

/// The test that runs them.
const TEST: &str = "sweep::random_worlds_keep_every_guarantee";

#[derive(Args)]
pub(crate) struct Options {
    /// How many worlds to try; by default as many as time allows, or 20,000.
    #[arg(long)]
    seeds: Option<u64>,
    /// For how long at most.
    #[arg(long)]
    minutes: Option<u64>,
    /// The seed of the first world, of which others follow.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run the one world of this seed, and tell how it fails.
    #[arg(long, conflicts_with_all = ["seeds", "minutes", "first", "jobs"])]
    seed: Option<u64>,
    /// How many things happen in it.
    #[arg(long, requires = "seed")]
    steps: Option<u64>,
    /// Tell everything that happens in it.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// How many processes share the worlds.
    #[arg(long, default_value_t = 1)]
    jobs: u64,
}

pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    let program = build(root)?;
    let jobs = options.jobs.max(1);
    let jobs = (0..jobs).map(|job| start(root, &program, options, job, jobs));
    let jobs: Vec<Child> = jobs.collect::<anyhow::Result<_>>()?;
    let mut all_hold = true;
    for mut job in jobs {
        all_hold &= job.wait().context("a job got lost")?.success();
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the test and returns where it is.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let output = Command::new(cargo())
        .current_dir(root)
        .args(["test", "--locked", "-p", "driftless-testkit", "--test", "sim", "--no-run"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the simulator does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter(|message| message["target"]["name"] == "sim");
    let program =
        programs.filter_map(|it| it["executable"].as_str().map(PathBuf::from)).next_back();
    program.context("cargo built no simulator")
}

fn start(
    root: &Path,
    program: &Path,
    options: &Options,
    job: u64,
    jobs: u64,
) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command
        .current_dir(root.join("crates/driftless-testkit"))
        .args(["--exact", TEST, "--nocapture", "--quiet"])
        .env("DRIFTLESS_SIM_FIRST", (options.first + job).to_string())
        .env("DRIFTLESS_SIM_STRIDE", jobs.to_string());
    let seeds = match (options.seeds, options.minutes) {
        (Some(seeds), _) => Some(seeds.div_ceil(jobs)),
        (None, Some(_)) => Some(u64::MAX / jobs / 2),
        (None, None) => None,
    };
    let numbers = [
        ("DRIFTLESS_SIM_SEEDS", seeds),
        ("DRIFTLESS_SIM_MINUTES", options.minutes),
        ("DRIFTLESS_SIM_SEED", options.seed),
        ("DRIFTLESS_SIM_STEPS", options.steps),
        ("DRIFTLESS_SIM_TRACE", options.trace.then_some(1)),
    ];
    for (name, number) in numbers {
        match number {
            Some(number) => command.env(name, number.to_string()),
            None => command.env_remove(name),
        };
    }
    command.spawn().with_context(|| format!("cannot run {}", program.display()))
}
