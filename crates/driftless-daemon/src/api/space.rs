//! `history.space`: where the space goes that folders take.
//!
//! Measured anew each time, on a thread of its own, from names and sizes alone.
//! A folder that rests is measured like any other; of one whose disk is away
//! there is nothing to say.

use std::path::Path;

use driftless_control::api::{FolderSpace, HistorySpace, SpacePart};
use driftless_fs::space::{Space, Sum, measure};

use super::failure::because;
use super::{Outcome, blocking, find_folder, rules, settings};
use crate::clock::now_ms;
use crate::config::FolderConfig;
use crate::hub::Hub;

/// What [`Space::by_age`] is called.
const AGES: [&str; 4] = ["day", "week", "month", "older"];

pub(super) async fn space(hub: &Hub, request: &HistorySpace) -> Outcome<Vec<FolderSpace>> {
    let folders = match &request.folder {
        Some(folder) => vec![find_folder(hub, folder)?],
        None => hub.settings().folders.clone(),
    };
    let mut measured = Vec::with_capacity(folders.len());
    for folder in folders {
        let files_bytes = hub
            .folder(&folder.id)
            .and_then(|(_, view)| view.borrow().status.as_ref().map(|status| status.totals.bytes));
        let database = hub.home.database(&folder.id);
        let texts = hub.home.texts_database(&folder.id);
        let one = blocking(move || {
            let root = rules::root_of(&folder)?;
            let space = measure(&root, now_ms())
                .map_err(|error| because("what it keeps cannot be measured", &error))?;
            let mut view = view(&folder, space, files_bytes.unwrap_or(0));
            view.database_bytes = database_bytes(&database);
            view.texts_bytes = database_bytes(&texts);
            Ok(view)
        });
        match one.await {
            Ok(view) => measured.push(view),
            Err(error) if request.folder.is_some() => return Err(error),
            // Its disk is away, which the status says.
            Err(_) => {}
        }
    }
    Ok(measured)
}

fn view(folder: &FolderConfig, space: Space, files_bytes: u64) -> FolderSpace {
    let part = |name: String, Sum { files, bytes }: Sum| SpacePart { name, files, bytes };
    FolderSpace {
        folder: folder.id.to_string(),
        folder_label: folder.label.clone(),
        files_bytes,
        history_files: space.history.files,
        history_bytes: space.history.bytes,
        oldest_ms: space.oldest_ms,
        conflicts_bytes: space.heads_bytes,
        staging_bytes: space.staging_bytes,
        texts_bytes: 0,
        database_bytes: 0,
        retention: settings::history_view(folder.history),
        inherits: !folder.own_history,
        largest: space.largest.into_iter().map(|(path, sum)| part(path.to_string(), sum)).collect(),
        by_age: AGES.iter().zip(space.by_age).map(|(age, sum)| part((*age).into(), sum)).collect(),
    }
}

/// The size of a database and of what is not yet written into it; 0 where there is none.
fn database_bytes(path: &Path) -> u64 {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |found| found.len())
    };
    beside("") + beside("-wal")
}
