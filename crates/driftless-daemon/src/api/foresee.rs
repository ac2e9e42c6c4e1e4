//! `conflict.foresee`: what a choice would do to conflicts.
//!
//! Asks what `conflict.resolve` asks, of the engine too, so that what it says is
//! what would be done; nothing is staged or written. All conflicts are looked up
//! in one go.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use driftless_control::api::{ConflictForesee, EntryKind, Foreseen, ForeseenFile, Resolution};
use driftless_core::{Content, DeviceId, FileRecord, Head, RelPath, Slot};
use driftless_engine::Choice;

use super::conflicts::kind_of;
use super::failure::not_found;
use super::past::Past;
use super::resolve::{Open, among, bring, makers};
use super::{Outcome, ask, blocking, conflicts};
use crate::hub::Hub;

/// The names that versions which are not shown would get.
type Beside = BTreeMap<RelPath, FileRecord>;

pub(super) async fn foresee(hub: &Arc<Hub>, request: &ConflictForesee) -> Outcome<Vec<Foreseen>> {
    let mut open = conflicts::find_all(hub, &request.ids).await?;
    let mut foreseen = Vec::with_capacity(request.ids.len());
    for id in &request.ids {
        let mut one = Foreseen {
            id: id.clone(),
            path: String::new(),
            refused: None,
            holds: Vec::new(),
            to_history: Vec::new(),
            devices: Vec::new(),
        };
        let done = match open.remove(id) {
            None => Err(not_found(format!("no conflict is called {id:?}; it may be settled"))),
            Some((folder, path, entry)) => {
                one.path = path.to_string();
                look_ahead(hub, &Open { folder, path, entry }, (&request.resolution, &mut one))
                    .await
            }
        };
        if let Err(error) = done {
            one.refused = Some(match error.hint {
                Some(hint) => format!("{}; {hint}", error.message),
                None => error.message,
            });
            (one.holds, one.to_history, one.devices) = Default::default();
        }
        foreseen.push(one);
    }
    Ok(foreseen)
}

async fn look_ahead(
    hub: &Arc<Hub>,
    open: &Open,
    (resolution, one): (&Resolution, &mut Foreseen),
) -> Outcome<()> {
    let choice = among(hub, open, resolution).await?;
    let makers = makers(hub, open).await?;
    let maker = |record: &FileRecord| {
        let place = open.entry.heads.iter().position(|head| head.record == *record);
        place.and_then(|place| makers.get(place)).copied().unwrap_or(record.device)
    };
    let file = |path: &RelPath, record: &FileRecord| file_of(hub, path, record, maker(record));
    match &choice {
        Some(Choice::Both) => {
            let shown = open.entry.shown().into_iter().map(|shown| file(&open.path, shown));
            let names = names_beside(hub, open).await?;
            let beside = names.iter().map(|(name, record)| file(name, record));
            one.holds = shown.chain(beside).collect();
        }
        Some(Choice::Head(record)) => one.holds.push(file(&open.path, record)),
        _ => one.holds.push(brought(hub, open, resolution).await?),
    }
    one.to_history = lost(open, choice.as_ref()).map(|record| file(&open.path, record)).collect();
    let others = open.folder.devices.iter().filter(|device| **device != hub.device);
    one.devices = std::iter::once(&hub.device).chain(others).map(|id| hub.name_of(id)).collect();
    Ok(())
}

/// The files of which this device would put its content away, each content once.
fn lost<'a>(open: &'a Open, choice: Option<&'a Choice>) -> impl Iterator<Item = &'a FileRecord> {
    let is_kept = move |record: &FileRecord| match choice {
        Some(Choice::Both) => true,
        Some(Choice::Head(kept)) => kept.content.is_same_data(&record.content),
        _ => false,
    };
    let is_here =
        |head: &&Head| head.record.content.file().is_some() && head.holders.contains(Slot::ME);
    let mut known = Vec::new();
    open.entry
        .heads
        .iter()
        .filter(is_here)
        .map(|head| &head.record)
        .filter(move |record| !is_kept(record))
        .filter(move |record| {
            let content = record.content.file();
            let is_first = !known.contains(&content);
            known.push(content);
            is_first
        })
}

async fn names_beside(hub: &Hub, open: &Open) -> Outcome<Beside> {
    let (path, entry) = (open.path.clone(), open.entry.clone());
    ask(hub, &open.folder, move |asked| asked.engine.names_beside(&path, &entry)).await
}

/// What the path would hold of what a person brings.
async fn brought(hub: &Hub, open: &Open, resolution: &Resolution) -> Outcome<ForeseenFile> {
    let past = Past::of(hub, &open.folder).await?;
    let (path, resolution) = (open.path.clone(), resolution.clone());
    let size = blocking(move || match resolution {
        Resolution::WithFile { path } => bring::size_of(&PathBuf::from(path)),
        Resolution::History { version } => {
            bring::find_version(&past, &path, &version).map(|found| found.size_bytes)
        }
        Resolution::Text { text } => Ok(text.len() as u64),
        Resolution::Device { .. } | Resolution::Version { .. } | Resolution::Both => Ok(0),
    })
    .await?;
    let path = open.path.to_string();
    Ok(ForeseenFile { path, kind: EntryKind::File, size, device_name: None, deleted: false })
}

fn file_of(hub: &Hub, path: &RelPath, record: &FileRecord, maker: DeviceId) -> ForeseenFile {
    ForeseenFile {
        path: path.to_string(),
        kind: kind_of(&record.content),
        size: record.content.size_bytes(),
        device_name: Some(hub.name_of(&maker)),
        deleted: matches!(record.content, Content::Tombstone { .. }),
    }
}
