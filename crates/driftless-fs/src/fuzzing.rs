//! This crate's private decoders, for fuzz targets; no part of its interface.

use driftless_core::RelPath;

use crate::history::VersionReason;
use crate::history::name;
use crate::ignore::{self, Chain};
use crate::root::{self, Marker};

/// A rule file at the root of a folder.
#[derive(Debug)]
pub struct Rules {
    chain: Chain,
    /// What was found wrong with it.
    pub problems: Vec<String>,
}

impl Rules {
    /// Reads a rule file.
    pub fn parse(text: &str) -> Self {
        let file = ignore::parse(ignore::IGNORE_FILE, text, None);
        let problems = file.problems.iter().map(|problem| problem.message.clone()).collect();
        Self { chain: Chain::default().within(None, &file), problems }
    }

    /// Whether a rule covers the path itself.
    pub fn covers(&self, path: &RelPath, is_dir: bool) -> bool {
        self.chain.is_ignored(path.as_str(), is_dir)
    }
}

/// What the name of a file in history says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionName {
    /// The name that the file had.
    pub original: String,
    /// When it was displaced, in milliseconds since 1970.
    pub displaced_ms: u64,
    /// Why.
    pub reason: VersionReason,
    /// By whom.
    pub device_short: String,
}

/// Reads the name of a file in history.
pub fn read_version_name(file_name: &str) -> Option<VersionName> {
    let name::Parsed { original, displaced_ms, reason, device_short } = name::parse(file_name)?;
    Some(VersionName { original, displaced_ms, reason, device_short })
}

/// Reads a root's marker.
pub fn read_marker(bytes: &[u8]) -> Option<Marker> {
    root::parse_marker(bytes)
}

/// Writes a root's marker.
pub fn write_marker(marker: &Marker) -> String {
    root::marker_text(&marker.folder, marker.instance)
}
