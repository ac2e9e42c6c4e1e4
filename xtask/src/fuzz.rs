//! Feeding the decoders bytes that nobody meant to send them.
//!
//! The targets and what they hold a decoder to are in `fuzz`, a workspace of
//! its own; here are only libFuzzer's installation and its runs. What they
//! find interesting stays below `fuzz/target`; what breaks a decoder lands in
//! `fuzz/artifacts` and belongs into `fuzz/corpus`, with the fix.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};

use crate::{cargo, setup};

/// The release of cargo-fuzz that is installed where there is none.
const CARGO_FUZZ: &str = "0.13.2";

/// Inputs are at most this large, in bytes: bounds on memory need some room.
const MAX_INPUT_BYTES: usize = 1 << 16;

/// Fuzzes each target, or the one that is named, for so many seconds.
///
/// # Errors
///
/// When cargo-fuzz can't be had, or there is no such target. A decoder that
/// broke is no error but a failing exit code.
pub(crate) fn run(root: &Path, seconds: u32, only: Option<&str>) -> anyhow::Result<ExitCode> {
    setup::ensure(setup::FOR_BUILDING)?;
    install()?;
    let place = root.join("fuzz");
    let mut targets = targets(&place)?;
    if let Some(only) = only {
        ensure!(targets.iter().any(|target| target == only), "targets are {}", targets.join(", "));
        targets.retain(|target| target == only);
    }
    let built = cargo_fuzz(&place).args(["build", "--sanitizer", "none"]).args(only).status()?;
    ensure!(built.success(), "cargo fuzz build failed ({built})");
    let mut broken = Vec::new();
    for target in &targets {
        let found = place.join("target/corpus").join(target);
        std::fs::create_dir_all(&found)?;
        let status = cargo_fuzz(&place)
            .args(["run", "--sanitizer", "none", target])
            .args([found, place.join("corpus").join(target)])
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={MAX_INPUT_BYTES}"))
            .args(["-timeout=10", "-print_final_stats=1", "-verbosity=0"])
            .status()?;
        if !status.success() {
            broken.push(target.as_str());
        }
    }
    if broken.is_empty() {
        println!("fuzz: {} targets hold", targets.len());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("fuzz: see fuzz/artifacts for what broke {}", broken.join(", "));
    Ok(ExitCode::FAILURE)
}

/// cargo-fuzz on the stable compiler. Its one unstable need is a sanitizer,
/// which code without `unsafe` does without.
fn cargo_fuzz(place: &Path) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(place).env("RUSTC_BOOTSTRAP", "1").arg("fuzz");
    command
}

fn install() -> anyhow::Result<()> {
    let found = Command::new(cargo()).args(["fuzz", "--version"]).output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    eprintln!("xtask: installing cargo-fuzz {CARGO_FUZZ}");
    let install = ["install", "cargo-fuzz", "--locked", "--version", CARGO_FUZZ];
    let status = Command::new(cargo()).args(install).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo-fuzz could not be installed ({status})");
    }
    Ok(())
}

fn targets(place: &Path) -> anyhow::Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(place.join("fuzz_targets"))? {
        let path = entry?.path();
        targets.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}
