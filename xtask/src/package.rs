//! Packages that a person installs: a `.deb` and an `.rpm` of the app and the command line.
//!
//! One list of files ([`contents`]) is laid out once for each, and the distributions' own tools
//! make packages of that: `dpkg-deb` and `rpmbuild` are in every Debian, know their formats'
//! every rule, and find out which libraries the programs need. What the packages say of
//! themselves is in `packaging/`. Nothing is signed or uploaded here.

mod contents;
mod deb;
mod rpm;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};

use crate::{cargo, setup, ui};

/// Who answers for the packages.
const MAINTAINER: &str = "The driftless contributors <driftless-sync@users.noreply.github.com>";
/// Counts packages of one version.
const RELEASE: &str = "1";

/// What to package.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install the package in a fresh Debian and start the app from its menu entry; needs root.
    #[arg(long = "try")]
    trial: bool,
    /// Take the programs from this directory instead of building them.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

/// What goes into both packages.
struct Input<'a> {
    /// The workspace.
    root: &'a Path,
    /// Where packages land and everything on the way to them.
    place: PathBuf,
    /// `driftless` and `driftless-desktop`.
    programs: [PathBuf; 2],
    /// The time that everything bears, in seconds since 1970.
    epoch: u64,
}

/// The two families of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Deb,
    Rpm,
}

/// Makes the packages, and tries one if that is wanted.
///
/// # Errors
/// When something that it needs is missing, or what came out is not what `packaging/` says.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<ExitCode> {
    setup::ensure(setup::FOR_PACKAGES)?;
    if options.trial {
        setup::ensure(setup::FOR_TRIAL)?;
        ensure!(rustix::process::geteuid().is_root(), "only root can try a package; use sudo");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let place = root.join(target).join("package");
    fs::create_dir_all(&place)?;
    let programs = match &options.programs {
        Some(built) => ["driftless", "driftless-desktop"].map(|name| built.join(name)),
        None => build(root, &place)?,
    };
    let input = Input { root, place, programs, epoch: epoch(root)? };
    let deb = deb::make(&input)?;
    let rpm = rpm::make(&input)?;
    contents::compare(root, Family::Deb, &deb::list(&deb)?)?;
    contents::compare(root, Family::Rpm, &rpm::list(&rpm)?)?;
    println!("{}\n{}", deb.display(), rpm.display());
    if options.trial {
        trial::run(&input, &deb, &rpm)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds both programs so that they do not tell where.
fn build(root: &Path, place: &Path) -> anyhow::Result<[PathBuf; 2]> {
    setup::ensure(setup::FOR_APP)?;
    ui::build(root)?;
    println!("Building the programs …");
    let own = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let own = own.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let own = own.context("cargo has no home")?;
    let mut flags = format!(
        "--remap-path-prefix={}=/cargo --remap-path-prefix={}=/driftless",
        own.display(),
        root.display()
    );
    if !place.starts_with(root) {
        flags.push_str(&format!(" --remap-path-prefix={}=/driftless/target", place.display()));
    }
    // In a place of their own, as other flags would build everything anew, again and again.
    let output = Command::new(cargo())
        .current_dir(root)
        .args(["build", "--release", "--locked", "--bins", "--target-dir"])
        .arg(place.join("build"))
        .args(["--package", "driftless-desktop", "--package", "driftless-cli"])
        .args(["--message-format", "json-render-diagnostics"])
        .env("RUSTFLAGS", flags)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the programs do not build; see above");
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = |name: &str| {
        let program = messages.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let program = PathBuf::from(message["executable"].as_str()?);
            program.ends_with(name).then_some(program)
        });
        program.with_context(|| format!("cargo built no {name}"))
    };
    Ok([built("driftless")?, built("driftless-desktop")?])
}

/// When the source was changed last, or what the environment says instead.
fn epoch(root: &Path) -> anyhow::Result<u64> {
    let said = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(said) => said,
        Err(_) => {
            say(Command::new("git").current_dir(root).args(["log", "-1", "--format=%ct"]), "git")?
        }
    };
    said.trim().parse().context("SOURCE_DATE_EPOCH is no number of seconds")
}

/// Fills in a template of `packaging/`.
fn fill(root: &Path, template: &str, values: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut text = fs::read_to_string(root.join("packaging").join(template))?;
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    Ok(text)
}

/// The summary and the description of what is packaged.
fn description(root: &Path) -> anyhow::Result<(String, String)> {
    let text = fs::read_to_string(root.join("packaging/description.txt"))?;
    let (summary, description) = text.split_once('\n').context("description.txt has one line")?;
    Ok((summary.to_owned(), description.trim_end().to_owned()))
}

/// Makes a directory, without anything that was there.
fn empty(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    Ok(fs::create_dir_all(directory)?)
}

/// Runs a program to its end.
///
/// # Errors
/// When it fails; what it said is in the message.
fn run_to_end(command: &mut Command, what: &str) -> anyhow::Result<()> {
    say(command, what).map(drop)
}

/// What a program prints.
///
/// # Errors
/// As [`run_to_end`].
fn say(command: &mut Command, what: &str) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {what}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} failed: {printed}{complaint}");
    Ok(printed)
}
