//! Two devices on this machine, set up the way a person would: by the command line.
//!
//! Uses the `driftless` binary and nothing behind it. Each device gets a home
//! and a folder; the two pair by code over 127.0.0.1, without discovery, so
//! that nothing leaves the machine. Where there is a display, each device is a
//! laptop: the desktop app with a home and a session bus of its own.

mod device;

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::{app, cargo, root, setup};
use device::{Device, Laptop};

const FOLDER_ID: &str = "demo";
const SAMPLE: &str = "hello.txt";
const SAMPLE_TEXT: &str = "This file was written on the first device.\n";

/// Runs the demo in `dir`, or in a temporary directory.
///
/// With `once`, ends when the sample file has arrived; otherwise on SIGINT or SIGTERM, or
/// when both windows are gone. With either option, or without a display, there are no windows.
pub(crate) fn run(dir: Option<PathBuf>, once: bool, headless: bool) -> anyhow::Result<()> {
    setup::ensure(setup::FOR_BUILDING)?;
    let laptop = match once || headless {
        true => None,
        false => laptop()?,
    };
    let program = build()?;
    let (place, temporary) = match dir {
        Some(dir) => (empty_dir(dir)?, None),
        None => {
            let temporary = tempfile::Builder::new().prefix("driftless-demo-").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Dropping the devices stops their daemons, whichever way the session ends.
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = session(&program, laptop.as_ref(), &place, once) => outcome,
            outcome = interrupted() => outcome,
        }
    });
    match temporary {
        // A person may have put something there, or want to see what went wrong.
        Some(temporary) if !once || outcome.is_err() => {
            let kept = temporary.keep();
            println!("\nStopped. What was there is kept in {}", kept.display());
        }
        _ => println!("Stopped."),
    }
    outcome
}

async fn interrupted() -> anyhow::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => Ok(outcome?),
        _ = term.recv() => Ok(()),
    }
}

/// What a laptop needs, where there is a display to show its window on.
fn laptop() -> anyhow::Result<Option<Laptop>> {
    if ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().all(|name| std::env::var_os(name).is_none()) {
        println!("There is no display here, so there will be no windows.");
        return Ok(None);
    }
    setup::ensure(setup::FOR_DEMO)?;
    Ok(Some(Laptop { app: app::build(root())? }))
}

/// Builds the release binary and gives its path.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    println!("Building driftless …");
    let output = Command::new(cargo())
        .current_dir(root())
        .args(["build", "--release", "--locked", "--package", "driftless-cli"])
        .args(["--bin", "driftless", "--message-format", "json-render-diagnostics"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "driftless does not build; see above");
    let program = String::from_utf8_lossy(&output.stdout).lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    program.context("cargo built no program called driftless")
}

fn empty_dir(dir: PathBuf) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    if fs::read_dir(&dir)?.next().is_some() {
        bail!("{} is not empty; name a directory that is empty or absent", dir.display());
    }
    Ok(std::path::absolute(dir)?)
}

async fn session(
    program: &Path,
    laptop: Option<&Laptop>,
    place: &Path,
    once: bool,
) -> anyhow::Result<()> {
    let mut first = Device::new(program, &place.join("first")).await?;
    let mut second = Device::new(program, &place.join("second")).await?;
    first.start(laptop).await?;
    second.start(laptop).await?;
    println!("Two daemons run: {} and {}", first.address(), second.address());

    let waiting = first.open_pairing().await?;
    println!("The first shows the code {}; the second enters it.", waiting.code());
    second.run(&["pair", waiting.code(), "--address", first.address()]).await?;
    waiting.finish().await?;

    fs::write(first.folder().join(SAMPLE), SAMPLE_TEXT)?;
    for (here, there) in [(&first, &second), (&second, &first)] {
        let path = here.folder().to_string_lossy();
        let add = ["folder", "add", &path, "--id", FOLDER_ID, "--label", "Demo"];
        here.run(&[&add[..], &["--share", there.id()]].concat()).await?;
    }
    for device in [&first, &second] {
        device.run(&["wait", FOLDER_ID, "--timeout", "60"]).await?;
    }
    let arrived = fs::read_to_string(second.folder().join(SAMPLE)).unwrap_or_default();
    ensure!(arrived == SAMPLE_TEXT, "{SAMPLE} did not reach the second device as it was");
    println!("Paired, shared, and {SAMPLE} has arrived on the second device.");

    if !once {
        println!("\n  first device's folder   {}", first.folder().display());
        println!("  second device's folder  {}", second.folder().display());
        println!("\nChange files in either and watch the other. Ctrl-C stops both.\n");
        match laptop {
            Some(_) => drop(tokio::try_join!(first.quits(), second.quits())?),
            None => watch(&[&first, &second]).await?,
        }
    }
    first.stop().await?;
    second.stop().await
}

/// Shows how the devices do, until cancelled.
async fn watch(devices: &[&Device]) -> anyhow::Result<()> {
    let live = std::io::stdout().is_terminal();
    let mut last = String::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let mut parts = Vec::new();
        for device in devices {
            parts.push(format!("{}: {}", device.name(), device.status(FOLDER_ID).await?));
        }
        let line = parts.join("  |  ");
        if line == last {
            continue;
        }
        let mut out = std::io::stdout();
        if live {
            // Back to the start of the line, and clear it.
            write!(out, "\r\x1b[2K{line}")?;
        } else {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        last = line;
    }
}
