//! The walls between crates, checked against `cargo metadata`.
//!
//! Only what a crate is built from counts; tests may import what they like.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::Breach;
use crate::cargo;

/// Each crate with the crates of the workspace that it may import.
const WALLS: [(&str, &[&str]); 13] = [
    ("driftless-core", &[]),
    ("driftless-proto", &["driftless-core"]),
    ("driftless-engine", &["driftless-core", "driftless-proto"]),
    ("driftless-store", &["driftless-core"]),
    ("driftless-fs", &["driftless-core"]),
    ("driftless-merge", &[]),
    ("driftless-net", &["driftless-core"]),
    ("driftless-control", &[]),
    (
        "driftless-daemon",
        &[
            "driftless-core",
            "driftless-proto",
            "driftless-engine",
            "driftless-store",
            "driftless-fs",
            "driftless-merge",
            "driftless-net",
            "driftless-control",
        ],
    ),
    ("driftless-cli", &["driftless-control", "driftless-daemon"]),
    ("driftless-testkit", &["driftless-core", "driftless-proto", "driftless-engine"]),
    ("driftless-desktop", &["driftless-control", "driftless-daemon"]),
    ("xtask", &["driftless-control"]),
];

/// Crates without input and output, with everything else that they may import.
const PURE: [(&str, &[&str]); 3] = [
    ("driftless-core", &["blake3", "thiserror"]),
    ("driftless-proto", &["prost", "prost-build", "protox", "thiserror"]),
    ("driftless-engine", &["thiserror"]),
];

/// Outside crates that one crate alone imports.
const SINGLE_IMPORTERS: [(&str, &str); 6] = [
    ("tauri", "driftless-desktop"),
    ("notify", "driftless-fs"),
    ("quinn", "driftless-net"),
    ("rustls", "driftless-net"),
    ("mdns-sd", "driftless-net"),
    ("rusqlite", "driftless-store"),
];

/// One crate importing another, and where it says so.
struct Import<'a> {
    importer: &'a str,
    imported: &'a str,
}

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<Breach>> {
    let metadata = metadata(root)?;
    let mut breaches = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        let importer = package["name"].as_str().unwrap_or_default();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let text = std::fs::read_to_string(manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        let file = manifest.strip_prefix(root).unwrap_or(manifest);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["kind"] == "dev" {
                continue;
            }
            let imported = dependency["name"].as_str().unwrap_or_default();
            if let Some(message) = breach(&Import { importer, imported }) {
                let line = line_naming(&text, imported);
                breaches.push(Breach { file: file.to_owned(), line, message });
            }
        }
    }
    Ok(breaches)
}

fn metadata(root: &Path) -> anyhow::Result<Value> {
    let output = Command::new(cargo())
        .current_dir(root)
        .args(["metadata", "--offline", "--locked", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}

fn line_naming(manifest: &str, dependency: &str) -> usize {
    manifest.lines().position(|line| line.starts_with(dependency)).map_or(1, |line| line + 1)
}

/// Says which wall an import breaks, if any.
fn breach(import: &Import<'_>) -> Option<String> {
    let Import { importer, imported } = *import;
    let Some((_, allowed)) = WALLS.iter().find(|(name, _)| *name == importer) else {
        return Some(format!(
            "{importer} has no place in the import table; add it to tidy's WALLS"
        ));
    };
    if imported.starts_with("driftless-") {
        let fits = allowed.contains(&imported);
        return (!fits).then(|| {
            let only =
                if allowed.is_empty() { "no other crate".into() } else { allowed.join(", ") };
            format!(
                "{importer} may import {only} of this workspace, not {imported}; go through those"
            )
        });
    }
    if let Some((_, allowed)) = PURE.iter().find(|(name, _)| *name == importer)
        && !allowed.contains(&imported)
    {
        return Some(format!(
            "{importer} is pure and may not import {imported}; do it in an adapter"
        ));
    }
    let (_, owner) = SINGLE_IMPORTERS.iter().find(|(name, _)| *name == imported)?;
    (*owner != importer).then(|| format!("only {owner} imports {imported}; go through it"))
}

#[cfg(test)]
mod tests {
    use super::{Import, breach};

    #[test]
    fn walls_stand_and_doors_open() {
        let breaks = |importer, imported| breach(&Import { importer, imported }).is_some();
        for (importer, imported) in [
            ("driftless-core", "serde"),
            ("driftless-engine", "driftless-fs"),
            ("driftless-store", "driftless-engine"),
            ("driftless-cli", "driftless-core"),
            ("driftless-daemon", "rusqlite"),
            ("driftless-novelty", "anyhow"),
        ] {
            assert!(breaks(importer, imported), "{importer} imports {imported}");
        }
        for (importer, imported) in [
            ("driftless-core", "blake3"),
            ("driftless-net", "quinn"),
            ("driftless-daemon", "driftless-net"),
            ("driftless-cli", "clap"),
        ] {
            assert!(!breaks(importer, imported), "{importer} imports {imported}");
        }
    }
}
