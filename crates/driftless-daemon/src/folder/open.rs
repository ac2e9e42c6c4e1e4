//! Opening a folder: its root, its marker and its index have to belong together.

use std::collections::BTreeSet;
use std::path::Path;

use driftless_core::{DeviceId, Epoch, Index, InstanceId};
use driftless_fs::{Marker, Root, RootError};
use driftless_store::{OpenError, OpenMode, Owner, SqliteIndex};

use crate::config::FolderConfig;
use crate::random;

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenFolderError {
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Index(#[from] OpenError),
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    #[error("the damaged database could not be put aside: {0}")]
    Quarantine(std::io::Error),
}

/// An open root with the index that belongs to it.
pub(super) struct Opened {
    pub(super) root: Root,
    pub(super) index: SqliteIndex,
}

/// Sorts out what an earlier run left in the staging area: what is still needed
/// stays, so that broken off transfers go on.
pub(super) fn recover_staging(opened: &Opened) -> std::io::Result<()> {
    let mut wanted = BTreeSet::new();
    let mut after = None;
    loop {
        let page = opened.index.needed(after.as_ref(), 4096).map_err(std::io::Error::other)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        let heads = page.iter().flat_map(|(_, entry)| entry.heads.iter());
        wanted.extend(
            heads.filter_map(|head| head.record.content.file()).map(|(content, _)| content),
        );
    }
    let recovered =
        driftless_fs::staging::recover(&opened.root, &mut |content| wanted.contains(&content))?;
    if recovered.rescued > 0 {
        tracing::warn!(
            files = recovered.rescued,
            "files that a crash had left in staging are in history now"
        );
    }
    Ok(())
}

/// Opens a folder, or makes it if this device never had it.
///
/// A known folder is never made anew: its root has to be there with its marker
/// (an unmounted disk must not look like an empty folder). Nor is a missing
/// directory ever made, as adding the folder made it. A lost or damaged index
/// is begun anew, in another epoch, over the files that are there.
pub(super) fn open(
    config: &FolderConfig,
    own: DeviceId,
    database: &Path,
) -> Result<Opened, OpenFolderError> {
    let marker = Root::read_marker(&config.path);
    if !database.exists() {
        return create(config, own, database, marker?);
    }
    let marker = marker?.ok_or(RootError::MarkerMissing)?;
    let root = Root::open(&config.path, &config.id, marker.instance)?;
    let owner = Owner { folder: config.id.clone(), instance: marker.instance, device: own };
    match SqliteIndex::open(database, &owner, OpenMode::Existing) {
        Ok((index, opened)) => {
            tracing::debug!(folder = %config.id, ?opened, "opened the index");
            Ok(Opened { root, index })
        }
        Err(OpenError::Missing(_)) => create(config, own, database, Some(marker)),
        Err(error) if error.is_corrupt() => {
            put_aside(database, &error).map_err(OpenFolderError::Quarantine)?;
            create(config, own, database, Some(marker))
        }
        Err(error) => Err(error.into()),
    }
}

/// Sets a damaged database aside, so that the next opening begins a new one.
pub(super) fn put_aside(database: &Path, error: &dyn std::fmt::Display) -> std::io::Result<()> {
    let suffix = format!("damaged-{}", crate::clock::now_ms());
    let aside = driftless_store::quarantine(database, &suffix)?.display().to_string();
    tracing::warn!(%error, aside, "the folder's database is damaged; a new one is made from the files");
    Ok(())
}

fn create(
    config: &FolderConfig,
    own: DeviceId,
    database: &Path,
    marker: Option<Marker>,
) -> Result<Opened, OpenFolderError> {
    // A marker of this folder that is already there is taken over: the index was lost.
    let (root, instance) = match marker {
        Some(marker) => (Root::open(&config.path, &config.id, marker.instance)?, marker.instance),
        None => {
            let fresh = InstanceId(random::bytes().map_err(OpenFolderError::Random)?);
            (Root::create(&config.path, &config.id, fresh)?, fresh)
        }
    };
    let epoch = Epoch(u64::from_be_bytes(random::bytes().map_err(OpenFolderError::Random)?));
    let owner = Owner { folder: config.id.clone(), instance, device: own };
    let (index, _) = SqliteIndex::open(database, &owner, OpenMode::Create(epoch))?;
    Ok(Opened { root, index })
}
