//! The page in the desktop app's window: getting its packages, building and testing it.
//!
//! Needs Node; where the system has one that is too old, npm gets another into `target`. What is
//! older than its sources is made anew, and nothing else is touched, so that a second run costs
//! nothing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};

use crate::setup;

/// The oldest Node that builds it, and the one that npm gets.
const OLDEST_NODE: (u32, u32) = (20, 19);
const NODE: &str = "node@22";

/// What the built page is made from.
const SOURCES: [&str; 6] =
    ["src", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];

/// Builds `ui/dist` where it is missing or older than its sources.
///
/// # Errors
/// When Node is missing, or the page does not build.
pub(crate) fn build(root: &Path) -> anyhow::Result<()> {
    let ui = root.join("ui");
    let built = modified(&ui.join("dist/index.html"));
    let sources = SOURCES.iter().filter_map(|source| newest(&ui.join(source))).max();
    if built.is_some() && built >= sources {
        return Ok(());
    }
    let node = Node::find(root)?;
    node.install(&ui)?;
    println!("Building the page …");
    let status = node.npm(&ui, &["run", "--silent", "build"])?;
    ensure!(status.success(), "the page does not build; see above");
    Ok(())
}

/// Runs the page's own tests.
///
/// # Errors
/// When they cannot be run; that they failed is no error but a status.
pub(crate) fn test(root: &Path) -> anyhow::Result<ExitStatus> {
    let ui = root.join("ui");
    let node = Node::find(root)?;
    node.install(&ui)?;
    node.npm(&ui, &["test"])
}

/// Node, and npm beside it.
struct Node {
    /// Where programs are looked for.
    path: OsString,
}

impl Node {
    /// Finds a Node that is new enough, or has npm get one.
    fn find(root: &Path) -> anyhow::Result<Self> {
        setup::ensure(setup::FOR_PAGE)?;
        let system = Self { path: std::env::var_os("PATH").unwrap_or_default() };
        if system.is_new_enough() {
            return Ok(system);
        }
        let place = root.join("target/node");
        let bin = place.join("node_modules/node/bin");
        let places = std::iter::once(bin).chain(std::env::split_paths(&system.path));
        let own = Self { path: std::env::join_paths(places.collect::<Vec<PathBuf>>())? };
        if !own.is_new_enough() {
            println!("The system's Node is too old; getting {NODE} …");
            fs::create_dir_all(&place)?;
            let prefix = place.to_string_lossy();
            let install =
                ["install", "--no-save", "--no-fund", "--no-audit", "--prefix", &prefix, NODE];
            ensure!(system.npm(&place, &install)?.success(), "{NODE} cannot be had; see above");
            ensure!(own.is_new_enough(), "{NODE} does not run here");
        }
        Ok(own)
    }

    fn is_new_enough(&self) -> bool {
        let output = Command::new("node").env("PATH", &self.path).arg("--version").output();
        let printed = output.map(|output| output.stdout).unwrap_or_default();
        let version = String::from_utf8_lossy(&printed);
        let mut numbers = version.trim().trim_start_matches('v').split('.').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST_NODE,
            _ => false,
        }
    }

    /// Gets the packages that `package-lock.json` names.
    fn install(&self, ui: &Path) -> anyhow::Result<()> {
        let installed = modified(&ui.join("node_modules/.package-lock.json"));
        if installed.is_some() && installed >= modified(&ui.join("package-lock.json")) {
            return Ok(());
        }
        println!("Getting the page's packages …");
        let status = self.npm(ui, &["ci", "--no-fund", "--no-audit", "--silent"])?;
        ensure!(status.success(), "the page's packages cannot be had; see above");
        Ok(())
    }

    fn npm(&self, directory: &Path, arguments: &[&str]) -> anyhow::Result<ExitStatus> {
        Command::new("npm")
            .env("PATH", &self.path)
            .current_dir(directory)
            .args(arguments)
            .status()
            .context("cannot run npm")
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// When anything at or below a path was changed last.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = modified(path);
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    below.filter_map(|entry| newest(&entry.path())).chain(own).max()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{modified, newest};

    #[test]
    fn a_source_is_as_new_as_the_newest_below_it() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("src/screens/deep.ts");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        fs::File::open(&file).unwrap().set_modified(later).unwrap();
        assert_eq!(newest(place.path()), modified(&file));
        assert_eq!(newest(&place.path().join("none")), None);
    }
}
