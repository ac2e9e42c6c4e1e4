//! `history.list`: what sync or a resolution displaced.

use std::cmp::Reverse;

use driftless_control::api::{HistoryEntry, HistoryList, HistoryPage, HistoryReason};
use driftless_core::RelPath;
use driftless_fs::Root;
use driftless_fs::history::{Version, VersionReason};

use super::failure::{because, usage};
use super::past::Past;
use super::{Outcome, blocking, find_folder, page_size};
use crate::hub::Hub;

pub(super) async fn list(hub: &Hub, request: &HistoryList) -> Outcome<HistoryPage> {
    let folder = find_folder(hub, &request.folder)?;
    let within = request.path.as_deref().map(parse_path).transpose()?;
    let after = request.after.as_deref().map(parse_cursor).transpose()?;
    let versions = Past::of(hub, &folder).await?.versions(within).await?;
    let (versions, next) = page(versions, after.as_ref(), page_size(request.limit));
    let entries = versions.into_iter().map(|version| view(hub, version)).collect();
    Ok(HistoryPage { entries, next })
}

/// A path below a folder's root, as a person wrote it.
pub(super) fn parse_path(text: &str) -> Outcome<RelPath> {
    RelPath::parse(text).map_err(|error| usage(format!("{text:?} is no path in a folder: {error}")))
}

/// The displaced files of a path and of what was below it.
pub(super) async fn versions(root: Root, within: Option<RelPath>) -> Outcome<Vec<Version>> {
    blocking(move || {
        driftless_fs::history::list(&root, within.as_ref())
            .map_err(|error| because("history cannot be listed", &error))
    })
    .await
}

/// Where a version stands in the list, newest first.
type Place = (Reverse<u64>, String);

fn place_of(version: &Version) -> Place {
    (Reverse(version.displaced_ms), version.id.clone())
}

fn parse_cursor(text: &str) -> Outcome<Place> {
    let parts = text.split_once('/');
    let parsed = parts.and_then(|(ms, id)| Some((Reverse(ms.parse().ok()?), id.to_owned())));
    parsed.ok_or_else(|| usage(format!("{text:?} is no place in a history")))
}

/// At most `limit` versions behind `after`, newest first, and where to go on.
fn page(
    mut versions: Vec<Version>,
    after: Option<&Place>,
    limit: usize,
) -> (Vec<Version>, Option<String>) {
    versions.retain(|version| after.is_none_or(|after| place_of(version) > *after));
    versions.sort_by_cached_key(place_of);
    let has_more = versions.len() > limit;
    versions.truncate(limit);
    let last = versions.last().filter(|_| has_more);
    let next = last.map(|last| format!("{}/{}", last.displaced_ms, last.id));
    (versions, next)
}

pub(super) fn view(hub: &Hub, version: Version) -> HistoryEntry {
    let settings = hub.settings();
    let known = settings.devices.iter().map(|device| device.id).chain([hub.device]);
    let device = known.into_iter().find(|device| device.short() == version.device_short);
    HistoryEntry {
        version: version.id,
        path: version.path.to_string(),
        size: version.size_bytes,
        displaced_at_ms: version.displaced_ms,
        device: device.map(|device| device.to_string()),
        device_name: device.map(|device| hub.name_of(&device)),
        reason: match version.reason {
            // What a crash left had been taken out of the tree for something else.
            VersionReason::Overwritten | VersionReason::Recovered => HistoryReason::Overwritten,
            VersionReason::Deleted => HistoryReason::Deleted,
            VersionReason::Resolved => HistoryReason::Conflict,
            VersionReason::Reverted => HistoryReason::Reverted,
            VersionReason::Edited => HistoryReason::Edited,
            VersionReason::Removed => HistoryReason::Removed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{RelPath, Version, VersionReason, page, parse_cursor};

    fn version(id: &str, displaced_ms: u64) -> Version {
        Version {
            id: id.to_owned(),
            path: RelPath::parse("a").unwrap(),
            size_bytes: 0,
            mtime_ns: 0,
            mode: 0o644,
            displaced_ms,
            ctime_ns: 0,
            reason: VersionReason::Deleted,
            device_short: "unknown".to_owned(),
            target: None,
        }
    }

    #[test]
    fn pages_run_from_the_newest_and_leave_nothing_out() {
        let all = [("b/x", 5), ("a/x", 5), ("c", 9), ("d", 1)];
        let all = || all.map(|(id, ms)| version(id, ms)).to_vec();
        let (mut seen, mut after) = (Vec::new(), None);
        for _ in 0..4 {
            let (versions, next) = page(all(), after.as_ref(), 3);
            seen.extend(versions.into_iter().map(|version| version.id));
            let Some(next) = next else { break };
            after = Some(parse_cursor(&next).unwrap());
        }
        assert_eq!(seen, ["c", "a/x", "b/x", "d"]);
        assert!(parse_cursor("soon/x").is_err());
    }
}
