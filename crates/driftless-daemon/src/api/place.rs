//! Putting displaced versions in place in the tree, as edits of this device.
//!
//! What is there goes to history, labelled with this device, and nothing is
//! touched that is not as was believed. The scan that follows makes it known.

use driftless_core::plan::Reason;
use driftless_core::record::MODE_MASK;
use driftless_core::{ContentId, DeviceId, Displaced, Precondition, RelPath, Step};
use driftless_fs::history::{Version, restore_to_staging};
use driftless_fs::{Root, StageError};
use tokio::time::timeout;

use super::{Outcome, running};
use crate::config::FolderConfig;
use crate::folder::Message;
use crate::hub::Hub;

/// The permissions of directories that have to be made.
const DIRECTORY_MODE: u16 = 0o755;

/// A version that is ready to be put in place.
pub(super) enum Ready {
    /// A file; its content is staged.
    File {
        /// Names the content.
        content: ContentId,
        /// Its size in bytes.
        size_bytes: u64,
        /// Permission bits.
        mode: u16,
        /// The modification time in nanoseconds since 1970.
        mtime_ns: i64,
    },
    /// A symlink with this target.
    Symlink(Box<str>),
}

impl Ready {
    /// Stages a copy of a version, which stays where it is.
    pub(super) fn stage(root: &Root, version: &Version) -> Result<Self, StageError> {
        match &version.target {
            Some(target) => Ok(Self::Symlink(target.clone())),
            None => restore_to_staging(root, &version.id).map(|hashed| Self::File {
                content: hashed.content,
                size_bytes: hashed.stat.size_bytes,
                mode: u16::try_from(hashed.stat.mode & u32::from(MODE_MASK)).unwrap_or(0o644),
                mtime_ns: hashed.stat.mtime_ns,
            }),
        }
    }

    /// The step that puts it at `path`.
    pub(super) fn step(&self, path: RelPath, precondition: Precondition, own: DeviceId) -> Step {
        let displaced = displaced(own, Reason::Overwritten);
        match self {
            Self::Symlink(target) => {
                Step::Symlink { path, target: target.clone(), precondition, displaced }
            }
            &Self::File { content, size_bytes, mode, mtime_ns } => {
                Step::Install { path, content, size_bytes, mode, mtime_ns, precondition, displaced }
            }
        }
    }
}

/// Where what this device displaces goes.
pub(super) fn displaced(own: DeviceId, reason: Reason) -> Displaced {
    Displaced::History { by: own, reason }
}

/// The step that makes a directory that is missing.
pub(super) fn directory(path: RelPath, own: DeviceId) -> Step {
    Step::Directory {
        path,
        mode: DIRECTORY_MODE,
        precondition: Precondition::Absent,
        displaced: displaced(own, Reason::Overwritten),
    }
}

/// Has the folder look at what was changed; at all of it where `scopes` is `None`.
pub(super) async fn look_at(
    hub: &Hub,
    folder: &FolderConfig,
    scopes: Option<Vec<driftless_fs::Scope>>,
) -> Outcome<()> {
    let (shared, _) = running(hub, folder)?;
    let _ = shared.inbox.send(Message::Scan(scopes)).await;
    Ok(())
}

/// Waits until the folder has looked and taken in what it saw, at most so long.
pub(super) async fn has_looked(
    hub: &Hub,
    folder: &FolderConfig,
    limit: std::time::Duration,
) -> Outcome<()> {
    let (shared, mut view) = running(hub, folder)?;
    // The first answer comes before the scan is begun and shown, the second after.
    let _ = shared.ask(|_| ()).await;
    let _ = shared.ask(|_| ()).await;
    let _ = timeout(limit, view.wait_for(|view| !view.scanning)).await;
    Ok(())
}
