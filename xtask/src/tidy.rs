//! The rules of the house that the compiler does not check.
//!
//! Which crate may import which, how files are kept, and what must not stand
//! in them, and that tests name every invariant and scenario of the catalogue.
//! Says everything that is wrong, a line each, with what to do.

mod imports;
mod scenarios;
mod sources;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

use crate::codegen;

/// A rule that is broken, and where.
pub(crate) struct Breach {
    /// Relative to the workspace.
    pub(crate) file: PathBuf,
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong and what to do, in one line.
    pub(crate) message: String,
}

/// What must be present and say something.
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];

/// Checks the workspace at `root`.
///
/// # Errors
///
/// When it can't be looked at; breaches are no error but a failing exit code.
pub(crate) fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let files = files(root)?;
    let mut breaches = imports::check(root)?;
    let mut long_files = Vec::new();
    let mut scenarios = scenarios::Coverage::default();
    for file in &files {
        // What is no text has no lines to check.
        let Ok(text) = std::fs::read_to_string(root.join(file)) else { continue };
        sources::check(file, &text, &mut breaches);
        long_files.extend(sources::long_file(file, &text));
        scenarios.count(file, &text);
    }
    scenarios.check(&mut breaches);
    for document in DOCUMENTS {
        let size = root.join(document).metadata().map_or(0, |metadata| metadata.len());
        if size < 100 {
            let message = "is missing or says nothing; write it".to_owned();
            breaches.push(Breach { file: document.into(), line: 1, message });
        }
    }
    if codegen::is_stale(root) {
        let message = "differs from the API's types; run 'cargo xtask codegen'".to_owned();
        breaches.push(Breach { file: codegen::FILE.into(), line: 1, message });
    }
    println!("{scenarios}");
    for warning in &long_files {
        println!("warning: {warning}");
    }
    breaches.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for Breach { file, line, message } in &breaches {
        eprintln!("{}:{line}: {message}", file.display());
    }
    if breaches.is_empty() {
        println!("tidy: {} files are as they should be", files.len());
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} things to mend", breaches.len());
    Ok(ExitCode::FAILURE)
}

/// The files that git tracks or would track, relative to `root`.
fn files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run git")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let mut files: Vec<PathBuf> =
        names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    files.sort();
    files.dedup();
    Ok(files)
}
