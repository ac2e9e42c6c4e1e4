//! The desktop app: building it and starting it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};

use crate::{cargo, setup, ui};

/// Builds the app and runs it until it is quit.
///
/// # Errors
/// When something that it needs is missing, or it does not build.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let app = build(root)?;
    println!("Starting {} …", app.display());
    let status = Command::new(app).args(arguments).status().context("cannot start the app")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Builds the release binary with the page in it and gives its path.
///
/// # Errors
/// As [`run`].
pub(crate) fn build(root: &Path) -> anyhow::Result<PathBuf> {
    setup::ensure(setup::FOR_APP)?;
    ui::build(root)?;
    println!("Building the desktop app …");
    let output = Command::new(cargo())
        .current_dir(root)
        .args(["build", "--release", "--locked", "--package", "driftless-desktop"])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "the desktop app does not build; see above");
    let program = String::from_utf8_lossy(&output.stdout).lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    program.context("cargo built no program")
}
