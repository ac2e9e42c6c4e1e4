//! What a directory of a folder holds, as names in the order in which people see them.
//!
//! Put together from the index and, for what is not synced, from the disk. A
//! front end that scrolls asks for page after page, so a listing is kept for as
//! long as making it anew would cost more than it is worth: a small directory is
//! nearly always fresh, one of a million files stays for some seconds. The
//! folder's thread is asked for a stretch at a time, so that it is never held up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use driftless_core::{Content, Entry, FolderId, Index, RelPath};
use driftless_fs::{Beside, Ignore};
use tokio::task::{AbortHandle, JoinSet};

use super::failure::{because, not_found, refused};
use super::{Outcome, ask, blocking};
use crate::config::FolderConfig;
use crate::folder::{Asked, Message, Shared};
use crate::hub::Hub;

/// How many rows of the index are looked at in one go.
const ROWS: usize = 256;

/// A listing serves for so many times what making it took.
const WORTH: u32 = 10;

/// The most names that are kept of all listings together, unless one alone has more.
const MAX_NAMES: usize = 2_000_000;

/// How long a listing that nobody asks for is kept.
const KEPT: Duration = Duration::from_secs(60);

/// How long sums of directories are kept that nobody asks for.
const SUMS_KEPT: Duration = Duration::from_secs(900);

/// What a directory holds.
#[derive(Debug)]
pub(super) struct Listing {
    /// Directories, then the rest, each in the order of names.
    pub(super) items: Vec<Item>,
    made_at: Instant,
    cost: Duration,
}

/// One name of a directory.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// The index knows of it.
    Known(Box<str>),
    /// It is not synced.
    Beside(Box<Beside>),
}

impl Item {
    fn name(&self) -> &str {
        match self {
            Self::Known(name) => name,
            Self::Beside(beside) => &beside.name,
        }
    }
}

/// A directory of a folder; `None` is its root.
type Place = (FolderId, Option<RelPath>);

/// What is kept for people who look into folders.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    listings: Mutex<BTreeMap<Place, Arc<Listing>>>,
    /// Folders whose directories are summed up.
    summed: Mutex<BTreeMap<FolderId, Summed>>,
    counting: Mutex<JoinSet<()>>,
}

/// The summing up of one folder.
#[derive(Debug)]
struct Summed {
    asked_at: Instant,
    /// The task that goes on with it.
    task: Option<AbortHandle>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Looks {
    fn fresh(&self, key: &Place) -> Option<Arc<Listing>> {
        let kept = lock(&self.listings).get(key).cloned()?;
        (kept.made_at.elapsed() < kept.cost * WORTH).then_some(kept)
    }

    fn keep(&self, key: Place, listing: &Arc<Listing>) {
        let mut listings = lock(&self.listings);
        listings.insert(key.clone(), Arc::clone(listing));
        let names = |all: &BTreeMap<_, Arc<Listing>>| -> usize {
            all.values().map(|listing| listing.items.len()).sum()
        };
        while names(&listings) > MAX_NAMES && listings.len() > 1 {
            let others = listings.iter().filter(|(other, _)| **other != key);
            let oldest = others.min_by_key(|(_, listing)| listing.made_at);
            let Some(oldest) = oldest.map(|(oldest, _)| oldest.clone()) else { return };
            listings.remove(&oldest);
        }
    }

    /// Forgets a listing that turned out to be out of date.
    pub(super) fn forget(&self, folder: &FolderId, directory: Option<&RelPath>) {
        lock(&self.listings).remove(&(folder.clone(), directory.cloned()));
    }

    /// Forgets what nobody has asked for lately, and says of which folders the
    /// sums may go.
    pub(crate) fn expire(&self) -> Vec<FolderId> {
        lock(&self.listings).retain(|_, kept| kept.made_at.elapsed() < KEPT.max(kept.cost * WORTH));
        while lock(&self.counting).try_join_next().is_some() {}
        let mut summed = lock(&self.summed);
        let idle = summed.iter().filter(|(_, summed)| summed.asked_at.elapsed() >= SUMS_KEPT);
        let idle: Vec<_> = idle.map(|(id, _)| id.clone()).collect();
        summed.retain(|id, _| !idle.contains(id));
        idle
    }

    /// Notes that sums of a folder are asked for. Returns whether they are being counted.
    pub(super) fn wants_sums(&self, folder: &FolderId) -> bool {
        let mut summed = lock(&self.summed);
        let task = summed.remove(folder).and_then(|summed| summed.task);
        let is_counting = task.as_ref().is_some_and(|task| !task.is_finished());
        summed.insert(folder.clone(), Summed { asked_at: Instant::now(), task });
        is_counting
    }

    /// Goes on with summing up until all is counted, or the folder closes.
    pub(super) fn count_on(&self, shared: Arc<Shared>) {
        let id = shared.id.clone();
        let task = lock(&self.counting)
            .spawn(async move { while let Some(Ok(false)) = shared.ask(sum_up).await {} });
        let summed = Summed { asked_at: Instant::now(), task: Some(task) };
        lock(&self.summed).insert(id, summed);
    }
}

/// Sums up a stretch more of the directories. Returns whether all is counted.
pub(super) fn sum_up(asked: &mut Asked<'_>) -> Result<bool, driftless_store::IndexError> {
    asked.engine.index_mut().sum_up(ROWS)
}

/// The message that frees what a folder's sums take up.
pub(crate) fn forget_sums() -> Message {
    Message::Ask(Box::new(|asked| asked.engine.index_mut().forget_sums()))
}

/// What `directory` (`None` is the root) holds, as it is or was a short while ago.
pub(super) async fn listing(
    hub: &Hub,
    folder: &FolderConfig,
    directory: Option<RelPath>,
) -> Outcome<Arc<Listing>> {
    let key = (folder.id.clone(), directory);
    if let Some(kept) = hub.looks.fresh(&key) {
        return Ok(kept);
    }
    let begun = Instant::now();
    let directory = key.1.clone();
    let mut items = known(hub, folder, directory.clone()).await?;
    let beside = beside(hub, folder, directory, items.is_empty()).await?;
    let made = blocking(move || {
        items.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
        let is_new = |beside: &Beside| {
            let found = |(is_file, item): &(bool, Item)| {
                (*is_file, item.name()).cmp(&(!beside.is_directory, &*beside.name))
            };
            items.binary_search_by(found).is_err()
        };
        let new: Vec<_> = beside.into_iter().filter(is_new).collect();
        let new = new.into_iter().map(|beside| (!beside.is_directory, Item::Beside(beside.into())));
        items.extend(new);
        items.sort_by(|one, other| order(one).cmp(&order(other)));
        Ok(items.into_iter().map(|(_, item)| item).collect::<Vec<_>>())
    });
    let items = made.await?;
    let listing = Arc::new(Listing { items, made_at: Instant::now(), cost: begun.elapsed() });
    hub.looks.keep(key, &listing);
    Ok(listing)
}

fn order((is_file, item): &(bool, Item)) -> (bool, &str) {
    (*is_file, item.name())
}

/// Whether people see a path of which this is known.
pub(super) fn is_listed(entry: &Entry) -> bool {
    content(entry).is_some_and(|content| !content.is_tombstone())
}

/// What is in the tree, or else what should be.
pub(super) fn content(entry: &Entry) -> Option<&Content> {
    let here = entry.present().map(|disk| &disk.record.content);
    here.or_else(|| entry.shown().map(|shown| &shown.content))
}

/// The names that the index knows of, each with whether it is no directory.
async fn known(
    hub: &Hub,
    folder: &FolderConfig,
    directory: Option<RelPath>,
) -> Outcome<Vec<(bool, Item)>> {
    let mut items = Vec::new();
    let mut position = None;
    loop {
        let (directory, from) = (directory.clone(), position.take());
        let stretch = ask(hub, folder, move |asked| {
            asked.engine.index().children(directory.as_ref(), from.as_ref(), ROWS)
        });
        let stretch = stretch.await?;
        for (name, entry) in stretch.found.into_iter().filter(|(_, entry)| is_listed(entry)) {
            let is_directory = matches!(content(&entry), Some(Content::Directory { .. }));
            items.push((!is_directory, Item::Known(name)));
        }
        position = stretch.next;
        if position.is_none() {
            return Ok(items);
        }
    }
}

/// What is in the directory and not synced. `must_exist` where the index does
/// not know of anything in it.
async fn beside(
    hub: &Hub,
    folder: &FolderConfig,
    directory: Option<RelPath>,
    must_exist: bool,
) -> Outcome<Vec<Beside>> {
    let at = directory.clone();
    let about = ask(hub, folder, move |asked| {
        let entry = at.as_ref().map(|at| asked.engine.index().get(at)).transpose()?;
        Ok((asked.root.clone(), entry.flatten()))
    });
    let (root, entry) = about.await?;
    let is_directory = entry
        .filter(is_listed)
        .and_then(|entry| Some(matches!(content(&entry)?, Content::Directory { .. })));
    let shown = directory.as_ref().map_or("", RelPath::as_str).to_owned();
    if is_directory == Some(false) {
        return Err(refused(format!("{shown:?} is no directory")));
    }
    let label = folder.label.clone();
    blocking(move || match driftless_fs::beside(&root, directory.as_ref(), &Ignore::new(&root)) {
        Ok(beside) => Ok(beside),
        Err(_) if is_directory == Some(true) || !must_exist => Ok(Vec::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(not_found(format!("{label} has no directory {shown:?}")))
        }
        Err(error) => Err(because(&format!("{shown:?} cannot be listed"), &error)),
    })
    .await
}
