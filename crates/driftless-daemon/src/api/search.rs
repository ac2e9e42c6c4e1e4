//! `history.search`: what was displaced in all folders.

use std::cmp::Reverse;
use std::sync::Arc;

use driftless_control::api::{FoundVersion, HistoryFound, HistorySearch};
use driftless_core::{FolderId, RelPath};
use driftless_fs::history::{Query, Standing, Version};

use super::failure::{because, usage};
use super::past::{self, Past};
use super::{Outcome, blocking, conflicts, find_folder, history, page_size};
use crate::config::FolderConfig;
use crate::hub::Hub;

/// How many names one search reads at the most: about a second's work.
const NAMES: u64 = 1_000_000;

/// Where a version stands in the list of all folders.
type Place = (Reverse<u64>, FolderId, String);

/// What is looked for.
struct Wanted {
    /// In lower case.
    text: Option<String>,
    device_short: Option<String>,
    path: Option<RelPath>,
    /// From when, in milliseconds since 1970, to the second as history has it.
    since_ms: u64,
    until_ms: u64,
    after: Option<Place>,
    limit: usize,
}

pub(super) async fn search(hub: &Arc<Hub>, request: &HistorySearch) -> Outcome<HistoryFound> {
    let folders = match &request.folder {
        Some(folder) => vec![find_folder(hub, folder)?],
        None => conflicts::open_folders(hub),
    };
    let wanted = Wanted {
        text: request.text.as_ref().map(|text| text.to_lowercase()),
        device_short: request.device.as_deref().map(|device| short_of(hub, device)).transpose()?,
        path: request.path.as_deref().map(history::parse_path).transpose()?,
        since_ms: request.since_ms.map_or(0, |since| since - since % 1000),
        until_ms: request.until_ms.unwrap_or(u64::MAX),
        after: request.after.as_deref().map(parse_cursor).transpose()?,
        limit: page_size(request.limit),
    };
    let limit = wanted.limit;
    let mut roots = Vec::with_capacity(folders.len());
    for folder in folders {
        let past = Past::of(hub, &folder).await?;
        roots.push((folder, past));
    }
    let (mut found, cut_short) = blocking(move || look(roots, &wanted)).await?;
    found.sort_by_cached_key(|(folder, version)| {
        (Reverse(version.displaced_ms), folder.id.clone(), version.id.clone())
    });
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| has_more)
        .map(|(folder, version)| format!("{}/{}/{}", version.displaced_ms, folder.id, version.id));
    let view = |(folder, version): (FolderConfig, Version)| FoundVersion {
        folder: folder.id.to_string(),
        folder_label: folder.label,
        entry: history::view(hub, version),
    };
    Ok(HistoryFound { entries: found.into_iter().map(view).collect(), next, cut_short })
}

/// The first group of the ID of the device that a person means.
fn short_of(hub: &Hub, query: &str) -> Outcome<String> {
    let settings = hub.settings();
    let own = (query == settings.device.name || query == hub.device.to_string())
        .then(|| hub.device.short());
    match own {
        Some(short) => Ok(short),
        None => Ok(settings.find_device(query)?.id.short()),
    }
}

fn parse_cursor(text: &str) -> Outcome<Place> {
    let mut parts = text.splitn(3, '/');
    let mut next = || parts.next();
    let parsed = (|| {
        let ms = next()?.parse().ok()?;
        Some((Reverse(ms), FolderId::parse(next()?).ok()?, next()?.to_owned()))
    })();
    parsed.ok_or_else(|| usage(format!("{text:?} is no place in a history")))
}

/// The newest of each folder, one more than wanted, and whether there was too much to look through.
fn look(
    folders: Vec<(FolderConfig, Past)>,
    wanted: &Wanted,
) -> Outcome<(Vec<(FolderConfig, Version)>, bool)> {
    let (mut all, mut cut_short, mut names) = (Vec::new(), false, NAMES);
    for (folder, past) in folders {
        let fits = |standing: &Standing, path: &RelPath, device: &str| {
            let is_behind = wanted.after.as_ref().is_none_or(|(ms, id, version)| {
                (&standing.0, &folder.id, &standing.1) > (ms, id, version)
            });
            is_behind
                && (wanted.since_ms..wanted.until_ms).contains(&standing.0.0)
                && wanted.device_short.as_ref().is_none_or(|short| short == device)
                && wanted
                    .text
                    .as_ref()
                    .is_none_or(|text| path.as_str().to_lowercase().contains(text))
        };
        let query = Query { fits: &fits, within: wanted.path.as_ref(), limit: wanted.limit + 1 };
        let mut found = driftless_fs::history::search(&past.root, query, &mut names)
            .map_err(|error| because("history cannot be searched", &error))?;
        let texts = past.texts(wanted.limit + 1, |text| {
            let standing = (Reverse(text.displaced_ms), text.id.clone());
            wanted.path.as_ref().is_none_or(|within| text.path.is_within(within))
                && fits(&standing, &text.path, &text.device_short)
        });
        past::add(&mut found.versions, texts);
        cut_short |= found.cut_short;
        all.extend(found.versions.into_iter().map(|version| (folder.clone(), version)));
    }
    Ok((all, cut_short))
}

#[cfg(test)]
mod tests {
    use super::parse_cursor;

    #[test]
    fn a_place_is_a_time_a_folder_and_a_version() {
        let (ms, folder, version) = parse_cursor("5/photos/a/b~c.txt").unwrap();
        assert_eq!((ms.0, folder.as_str(), version.as_str()), (5, "photos", "a/b~c.txt"));
        for bad in ["", "5", "5/photos", "soon/photos/x", "5//x"] {
            assert!(parse_cursor(bad).is_err(), "{bad:?}");
        }
    }
}
