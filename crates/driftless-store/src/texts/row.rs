//! Between rows and values.

use driftless_core::{Author, ContentId, DeviceId, MovedFrom, RelPath, VersionVector};
use rusqlite::Row;

use super::KeptVersion;
use crate::error::IndexError;

/// The columns that [`version`] reads, of `versions` joined with `contents`.
pub(super) const COLUMNS: &str = "versions.number, versions.path, versions.version, contents.id, size_bytes, mode, \
    mtime_ns, device, changed_ms, moved_path, moved_version, replaced_ms, reason";

/// The columns in the order of [`COLUMNS`], as they are.
pub(super) struct Raw {
    pub(super) number: i64,
    path: String,
    version: Vec<u8>,
    content: [u8; 32],
    size_bytes: i64,
    mode: u16,
    mtime_ns: i64,
    device: [u8; 32],
    changed_ms: i64,
    moved: (Option<String>, Option<Vec<u8>>),
    pub(super) replaced_ms: Option<i64>,
    pub(super) reason: Option<i64>,
}

pub(super) fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        number: row.get(0)?,
        path: row.get(1)?,
        version: row.get(2)?,
        content: row.get(3)?,
        size_bytes: row.get(4)?,
        mode: row.get(5)?,
        mtime_ns: row.get(6)?,
        device: row.get(7)?,
        changed_ms: row.get(8)?,
        moved: (row.get(9)?, row.get(10)?),
        replaced_ms: row.get(11)?,
        reason: row.get(12)?,
    })
}

pub(super) fn pair(row: &Row<'_>) -> rusqlite::Result<(i64, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

impl Raw {
    /// Checks what was read.
    pub(super) fn kept(&self) -> Result<KeptVersion, IndexError> {
        Ok(KeptVersion {
            path: path(&self.path)?,
            version: read_version(&self.version)?,
            content: ContentId::from_bytes(self.content),
            size_bytes: self.size_bytes.cast_unsigned(),
            mode: self.mode,
            mtime_ns: self.mtime_ns,
            device: DeviceId::from_bytes(self.device),
            changed_ms: self.changed_ms.cast_unsigned(),
        })
    }

    /// Where the version was moved from.
    pub(super) fn moved_from(&self) -> Result<Option<MovedFrom>, IndexError> {
        match &self.moved {
            (Some(from), Some(version)) => {
                Ok(Some(MovedFrom { path: path(from)?, version: read_version(version)? }))
            }
            _ => Ok(None),
        }
    }
}

fn path(text: &str) -> Result<RelPath, IndexError> {
    RelPath::parse(text).map_err(|_| IndexError::corrupt("a path is none"))
}

/// A version vector as a key: the author and the counter of each, in order.
pub(super) fn version_bytes(version: &VersionVector) -> Vec<u8> {
    let counted = version.counters().iter();
    counted
        .flat_map(|(author, count)| [author.0.to_be_bytes(), count.to_be_bytes()])
        .flatten()
        .collect()
}

fn read_version(bytes: &[u8]) -> Result<VersionVector, IndexError> {
    let damaged = || IndexError::corrupt("a version is none");
    let (numbers, rest) = bytes.as_chunks::<8>();
    let (pairs, odd) = numbers.as_chunks::<2>();
    if !rest.is_empty() || !odd.is_empty() {
        return Err(damaged());
    }
    let counters = pairs
        .iter()
        .map(|[author, count]| (Author(u64::from_be_bytes(*author)), u64::from_be_bytes(*count)));
    VersionVector::from_counters(counters.collect()).map_err(|_| damaged())
}
