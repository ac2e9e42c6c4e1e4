//! `folder.browse`: one directory of a folder, page by page.
//!
//! Costs what a page costs, however large the folder: see [`listing`](super::listing)
//! for the names, and `store::below` for what lies below directories.

use std::time::{Duration, Instant};

use driftless_control::api::{BrowseEntry, BrowsePage, EntryKind, FileState, FolderBrowse};
use driftless_core::{Content, Entry, Index, RelPath};
use driftless_engine::Standing;
use driftless_fs::Beside;
use driftless_store::{Below, IndexError, is_only_here, size_bytes};

use super::history::parse_path;
use super::listing::{Item, content, is_listed, listing, sum_up};
use super::{Outcome, ask, find_folder, page_size, running};
use crate::config::FolderConfig;
use crate::folder::Asked;
use crate::hub::Hub;

/// How many paths the folder's thread is asked about in one go.
const PATHS: usize = 128;

/// How long a first look waits for what lies below directories to be summed up.
const COUNTING: Duration = Duration::from_millis(250);

/// What the folder's thread knows of one path.
pub(super) struct Seen {
    pub(super) entry: Entry,
    pub(super) standing: Standing,
    pub(super) has_problem: bool,
    /// What lies below, where it is a directory.
    pub(super) below: Inside,
}

/// What is known of what lies below a directory.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) sums: Below,
    /// Whether the sums are of all.
    pub(super) is_all: bool,
    pub(super) is_busy: bool,
    pub(super) has_problem: bool,
}

pub(super) async fn browse(hub: &Hub, request: &FolderBrowse) -> Outcome<BrowsePage> {
    let folder = find_folder(hub, &request.folder)?;
    let directory = match request.path.as_str() {
        "" => None,
        path => Some(parse_path(path)?),
    };
    let listing = listing(hub, &folder, directory.clone()).await?;
    let first = usize::try_from(request.offset).unwrap_or(usize::MAX).min(listing.items.len());
    let end = first.saturating_add(page_size(request.limit)).min(listing.items.len());
    let items = &listing.items[first..end];
    sum_up_for_a_while(hub, &folder).await?;
    let mut entries = Vec::with_capacity(items.len());
    for items in items.chunks(PATHS) {
        let (items, within) = (items.to_vec(), directory.clone());
        let shown = ask(hub, &folder, move |asked| {
            items.into_iter().map(|item| show(asked, within.as_ref(), item)).collect()
        });
        let shown: Vec<(BrowseEntry, bool)> = shown.await?;
        if shown.iter().any(|(_, is_there)| !is_there) {
            hub.looks.forget(&folder.id, directory.as_ref());
        }
        entries.extend(shown.into_iter().map(|(entry, _)| entry));
    }
    Ok(BrowsePage { entries, total: listing.items.len() as u64 })
}

/// Sums up what lies below directories, and has the rest done in passing.
async fn sum_up_for_a_while(hub: &Hub, folder: &FolderConfig) -> Outcome<()> {
    let (shared, _) = running(hub, folder)?;
    if hub.looks.wants_sums(&folder.id) {
        return Ok(());
    }
    let begun = Instant::now();
    while begun.elapsed() < COUNTING {
        if ask(hub, folder, sum_up).await? {
            return Ok(());
        }
    }
    hub.looks.count_on(shared);
    Ok(())
}

/// One entry as people see it, and whether it was still there.
fn show(
    asked: &mut Asked<'_>,
    directory: Option<&RelPath>,
    item: Item,
) -> Result<(BrowseEntry, bool), IndexError> {
    let name = match item {
        Item::Beside(beside) => return Ok((show_beside(&beside), true)),
        Item::Known(name) => name,
    };
    let path = RelPath::child_of(directory, &name)
        .map_err(|_| IndexError::Misuse("a name of the index is none"))?;
    let seen = see(asked, &path)?;
    let is_there = is_listed(&seen.entry);
    Ok((show_known(name.into(), &seen), is_there))
}

/// Looks at one path.
pub(super) fn see(asked: &Asked<'_>, path: &RelPath) -> Result<Seen, IndexError> {
    let engine = &asked.engine;
    let entry = engine.index().get(path)?.unwrap_or_default();
    let mut below = Inside::default();
    if matches!(content(&entry), Some(Content::Directory { .. })) {
        (below.sums, below.is_all) = engine.index().below(path);
        below.is_busy = engine.is_busy_below(path);
        below.has_problem = engine.problem_below(path.as_str()).is_some();
    }
    Ok(Seen {
        entry,
        standing: engine.standing(path),
        has_problem: engine.problem_at(path.as_str()).is_some(),
        below,
    })
}

/// How a path stands on its own.
pub(super) fn own_state(seen: &Seen) -> FileState {
    let entry = &seen.entry;
    let is_moving = matches!(seen.standing, Standing::Fetching | Standing::Applying);
    if entry.ignored {
        FileState::LeftOut
    } else if seen.has_problem {
        FileState::Problem
    } else if entry.heads.is_conflict() {
        FileState::Conflict
    } else if is_moving {
        FileState::Receiving
    } else if entry.is_needed() {
        FileState::Waiting
    } else if is_only_here(entry) {
        FileState::OnlyHere
    } else {
        FileState::UpToDate
    }
}

/// How a path stands, with all that lies below it.
pub(super) fn state_of(seen: &Seen) -> FileState {
    let (own, below) = (own_state(seen), &seen.below);
    let inside = [
        (below.has_problem, FileState::Problem),
        (below.sums.conflicts > 0, FileState::Conflict),
        (below.is_busy, FileState::Receiving),
        (below.sums.needed > 0, FileState::Waiting),
        (below.sums.only_here > 0, FileState::OnlyHere),
    ];
    if own == FileState::LeftOut {
        return own;
    }
    let inside = inside.into_iter().find(|(is_so, _)| *is_so).map(|(_, state)| state);
    inside.map_or(own, |inside| own.max(inside))
}

fn show_known(name: String, seen: &Seen) -> BrowseEntry {
    let (entry, below) = (&seen.entry, &seen.below);
    let kind = match content(entry) {
        Some(Content::Directory { .. }) => EntryKind::Directory,
        Some(Content::Symlink { .. }) => EntryKind::Symlink,
        _ => EntryKind::File,
    };
    let mtime_ns = match (entry.present(), content(entry)) {
        (Some(disk), _) => disk.stat.mtime_ns,
        (None, Some(Content::File { mtime_ns, .. })) => *mtime_ns,
        _ => 0,
    };
    let is_directory = kind == EntryKind::Directory;
    BrowseEntry {
        name,
        kind,
        size: if is_directory { below.sums.bytes } else { size_bytes(entry) },
        at_least: is_directory && !below.is_all,
        mtime_ms: ms(mtime_ns),
        state: state_of(seen),
    }
}

fn show_beside(beside: &Beside) -> BrowseEntry {
    let kind = match (beside.is_directory, beside.is_symlink) {
        (true, _) => EntryKind::Directory,
        (false, true) => EntryKind::Symlink,
        (false, false) => EntryKind::File,
    };
    BrowseEntry {
        name: beside.name.to_string(),
        kind,
        size: beside.size_bytes,
        at_least: false,
        mtime_ms: ms(beside.mtime_ns),
        state: if beside.trouble.is_some() { FileState::Problem } else { FileState::LeftOut },
    }
}

fn ms(ns: i64) -> u64 {
    u64::try_from(ns / 1_000_000).unwrap_or(0)
}
