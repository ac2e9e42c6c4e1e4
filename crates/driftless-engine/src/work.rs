//! Planning, fetching and applying: from needs to steps and back.
//!
//! Needed paths are planned in path order, so that directories come before
//! what they hold; deletions afterwards in reverse, so that what is renamed can
//! still be moved and directories are empty when it is their turn. Whatever
//! fails is planned again later from what is known then.
//!
//! `outcome` has what became of it, `brake` what waits for a person, `standing`
//! what is told of single paths, `twins` what a folding disk's names stand in
//! the way of, `overtaken` what was deleted elsewhere while it was on its way.

mod brake;
mod outcome;
mod overtaken;
mod standing;
mod twins;

pub use standing::Standing;

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::index::Flag;
use driftless_core::plan::{Plan, plan, revert};
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::totals::brakes_on;
use driftless_core::{
    Content, ContentId, Displaced, Entry, FileRecord, Head, Heads, HolderSet, Index, OnDisk,
    Precondition, RelPath, Slot, Stat, Step, VersionVector,
};

use crate::engine::{Engine, Mode, files_of, on_disk};
use crate::io::{Effect, LocalSource};

/// The most small contents, and roughly the most bytes of them, that are
/// fetched at once; and the most large ones, which do not hold the small ones up.
const FETCHES_IN_FLIGHT: usize = 2048;
const FETCH_BYTES_IN_FLIGHT: u64 = 64 << 20;
const LARGE_IN_FLIGHT: usize = 4;

/// The most steps that are carried out under one barrier, and how many may wait.
const STEPS_PER_BATCH: usize = 1024;
const STEPS_WAITING: usize = 4096;

/// The most needed paths that are kept in memory; the rest waits in the index.
const PENDING: usize = 20_000;

/// How long a step that failed rests, in milliseconds.
const RETRY_MS: u64 = 5_000;

/// After how long paths that were passed over are looked at again, in milliseconds.
const PASSED_OVER_MS: u64 = 60_000;

/// The mode of a directory that is brought back and was not there to be asked.
const REVIVED_MODE: u16 = 0o755;

/// What is in progress. Forgetting it costs time, never data.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// Needed paths to be planned.
    pending: BTreeSet<RelPath>,
    /// Needed paths whose turn comes when nothing is pending: deletions.
    removals: BTreeSet<RelPath>,
    /// The index holds needed paths beyond those above, after this one.
    more_after: Option<Option<RelPath>>,
    /// Paths that steps or fetches are about.
    busy: BTreeMap<RelPath, Busy>,
    fetching: BTreeMap<ContentId, Fetching>,
    /// Bytes of the small contents among them, and how many large ones there are.
    small_bytes: u64,
    large: usize,
    /// Needed paths of large contents that wait for their turn.
    large_waiting: BTreeSet<RelPath>,
    ready: Vec<Step>,
    applying: bool,
    /// Contents that are staged and verified.
    pub(crate) staged: BTreeSet<ContentId>,
    /// Contents in the store of heads, and the paths that need each.
    pub(crate) stored: BTreeMap<ContentId, BTreeSet<RelPath>>,
    /// Contents on their way into the store of heads, and by how many ways.
    arriving: BTreeMap<ContentId, usize>,
    /// Those among them that a person brought, for a path in conflict.
    choosing: BTreeMap<(ContentId, RelPath), Chosen>,
    /// Needed paths whose content no connected device has.
    waiting: BTreeSet<RelPath>,
    /// Needed paths that failed, and when they may be tried again.
    parked: BTreeMap<RelPath, u64>,
    /// Since when paths were passed over because too many are parked or wait.
    passed_over: Option<u64>,
    /// Needed paths that wait for other devices to move or delete something,
    /// and since when.
    blocked: BTreeMap<RelPath, u64>,
    /// Needed paths that the brake holds.
    held: BTreeSet<RelPath>,
    reverting: BTreeSet<RelPath>,
    recheck: BTreeSet<RelPath>,
    /// Deleted paths that hold an older version, or may soon, of which other
    /// devices may not have heard.
    overtaken: BTreeSet<RelPath>,
    confirmed: bool,
    was_held_back: bool,
    /// What counts together for the brake.
    recent: brake::Recent,
}

#[derive(Debug)]
enum Busy {
    Fetching,
    Keeping,
    /// The step makes this record of the path, or takes the path away.
    Applying(Box<FileRecord>),
    /// The step takes the path's file to another path.
    MovedAway,
}

/// What a person chose that is to be durable before it is written.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) content: Content,
    /// The versions that it was chosen among, where that is told.
    pub(crate) seen: Option<Vec<VersionVector>>,
    pub(crate) by_policy: bool,
}

#[derive(Debug)]
struct Fetching {
    size_bytes: u64,
    paths: BTreeSet<RelPath>,
}

impl Work {
    pub(crate) fn is_busy(&self) -> bool {
        !self.busy.is_empty()
            || !self.ready.is_empty()
            || self.applying
            || !self.fetching.is_empty()
            || !self.pending.is_empty()
            || !self.recheck.is_empty()
    }

    /// Whether a step may be changing the path at this moment.
    pub(crate) fn is_touching(&self, path: &RelPath) -> bool {
        matches!(self.busy.get(path), Some(Busy::Applying(_) | Busy::MovedAway))
    }

    /// The record that a step is putting into the tree at `path`, so that a
    /// crash may leave it there.
    pub(crate) fn landing(&self, path: &RelPath) -> Option<&FileRecord> {
        match self.busy.get(path) {
            Some(Busy::Applying(record)) => Some(record),
            _ => None,
        }
    }

    /// Has the path scanned once the step that is changing it has ended.
    pub(crate) fn recheck(&mut self, path: &RelPath) {
        self.recheck.insert(path.clone());
    }

    pub(crate) fn wants_tick(&self) -> bool {
        !self.parked.is_empty() || !self.recheck.is_empty() || self.passed_over.is_some()
    }

    /// Notes that a path rests until it is tried again at `at_ms`, unless too
    /// many do: whatever devices announce, memory stays bounded (H5).
    pub(crate) fn park(&mut self, path: RelPath, at_ms: u64, now_ms: u64) {
        if self.parked.len() < PENDING || self.parked.contains_key(&path) {
            self.parked.insert(path, at_ms);
        } else {
            self.passed_over.get_or_insert(now_ms);
        }
    }

    pub(crate) fn is_parked(&self, path: &RelPath) -> bool {
        self.parked.contains_key(path)
    }

    /// Notes that `path` needs `content`, if the store of heads has it.
    pub(crate) fn use_stored(&mut self, content: ContentId, path: &RelPath) {
        if let Some(users) = self.stored.get_mut(&content) {
            users.insert(path.clone());
        }
    }

    /// Notes that `path` needs `content` no more. Returns whether nothing does,
    /// so that the store of heads no longer counts as having it. What is on
    /// its way there stays, or it would be let go of as it arrives.
    pub(crate) fn disuse_stored(&mut self, content: ContentId, path: &RelPath) -> bool {
        let Some(users) = self.stored.get_mut(&content) else { return false };
        users.remove(path);
        let is_last = (users.is_empty() && !self.arriving.contains_key(&content))
            || is(Sabotage::ReleaseSharedContent);
        if is_last {
            self.stored.remove(&content);
        }
        is_last
    }

    fn expect_arrival(&mut self, content: ContentId) {
        *self.arriving.entry(content).or_default() += 1;
    }

    fn end_arrival(&mut self, content: ContentId) {
        if let Some(ways) = self.arriving.get_mut(&content) {
            *ways -= 1;
            if *ways == 0 {
                self.arriving.remove(&content);
            }
        }
    }

    /// Notes what is chosen for `path` once `content` is in the store of heads.
    /// Returns whether it is not on its way there for that already.
    pub(crate) fn choose(&mut self, path: &RelPath, content: ContentId, chosen: Chosen) -> bool {
        let is_news = self.choosing.insert((content, path.clone()), chosen).is_none();
        if is_news {
            self.expect_arrival(content);
        }
        is_news
    }

    pub(crate) fn is_choosing(&self, path: &RelPath) -> bool {
        self.choosing.keys().any(|(_, chosen)| chosen == path)
    }

    pub(crate) fn confirm(&mut self) {
        self.confirmed = true;
        self.pending.append(&mut self.held);
    }

    pub(crate) fn revert(&mut self, path: RelPath) {
        self.reverting.insert(path.clone());
        self.pending.insert(path);
    }

    pub(crate) fn push_step(&mut self, step: Step, record: FileRecord) {
        if let Some(content) = displaced_head(&step) {
            self.expect_arrival(content);
        }
        self.busy.insert(step.path().clone(), Busy::Applying(Box::new(record)));
        self.ready.push(step);
    }

    fn has_room(&self) -> bool {
        self.fetching.len() < FETCHES_IN_FLIGHT
            && self.small_bytes < FETCH_BYTES_IN_FLIGHT
            && self.ready.len() < STEPS_WAITING
    }
}

impl<I: Index> Engine<I> {
    pub(crate) fn started(&mut self, stored: Vec<ContentId>) -> Result<(), I::Error> {
        self.work.stored = stored.into_iter().map(|content| (content, BTreeSet::new())).collect();
        self.work.more_after = Some(None);
        self.find_users_of_stored()?;
        self.publish_local_changes()
    }

    /// Finds the paths that need what the store of heads holds: those in
    /// conflict, and those whose content was taken from a conflict elsewhere.
    /// What an index from a backup says to be there and is not, is not held.
    fn find_users_of_stored(&mut self) -> Result<(), I::Error> {
        let mut after: Option<RelPath> = None;
        loop {
            let page = self.index.flagged(Flag::Conflict, after.as_ref(), PENDING / 2)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            self.note_users(&page);
            for (path, entry) in page {
                self.store(&path, &entry, entry.clone())?;
            }
        }
        after = None;
        while !self.work.stored.is_empty() {
            let page = self.index.needed(after.as_ref(), PENDING / 2)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            self.note_users(&page);
        }
        Ok(())
    }

    fn note_users(&mut self, page: &[(RelPath, Entry)]) {
        for (path, entry) in page {
            for content in files_of(entry).filter(|content| !on_disk(entry, *content)) {
                self.work.use_stored(content, path);
            }
        }
    }

    /// Notes whether a path whose entry was just stored needs anything.
    pub(crate) fn note_need(&mut self, path: &RelPath, entry: &Entry) {
        let work = &mut self.work;
        if work.reverting.contains(path) {
            return;
        }
        if !entry.is_needed() {
            work.blocked.remove(path);
            work.pending.remove(path);
            work.removals.remove(path);
            work.held.remove(path);
            work.waiting.remove(path);
            work.large_waiting.remove(path);
            if work.parked.remove(path).is_some() {
                self.clear_problem(path.as_str());
            }
            return;
        }
        if work.pending.len() < PENDING {
            work.parked.remove(path);
            work.waiting.remove(path);
            work.pending.insert(path.clone());
        } else {
            work.more_after = Some(None);
        }
    }

    /// Plans what is pending, as far as there is room, and sends off what is ready.
    pub(crate) fn pump(&mut self) -> Result<(), I::Error> {
        if self.is_stopped() || !self.local.has_looked() {
            return Ok(());
        }
        self.report_brake();
        self.plan_pending()?;
        if self.work.pending.is_empty() && self.work.more_after.is_none() && !self.is_being_told() {
            self.plan_removals()?;
        }
        self.flush();
        self.discard_unwanted();
        Ok(())
    }

    /// Once nothing is in progress, what is still staged has no taker.
    fn discard_unwanted(&mut self) {
        let work = &self.work;
        let is_idle = work.busy.is_empty() && work.pending.is_empty() && work.parked.is_empty();
        if is_idle && work.ready.is_empty() && !work.applying && work.fetching.is_empty() {
            for content in std::mem::take(&mut self.work.staged) {
                self.effect(Effect::Discard(content));
            }
        }
    }

    fn plan_pending(&mut self) -> Result<(), I::Error> {
        while self.work.has_room() {
            match self.work.pending.pop_first() {
                Some(path) => self.plan_path(path)?,
                None if self.work.more_after.is_some() => self.load_more()?,
                None => break,
            }
        }
        while self.work.large < LARGE_IN_FLIGHT {
            let Some(path) = self.work.large_waiting.pop_first() else { break };
            self.plan_path(path)?;
        }
        Ok(())
    }

    /// Takes the next page of needed paths from the index.
    fn load_more(&mut self) -> Result<(), I::Error> {
        let Some(after) = self.work.more_after.take() else { return Ok(()) };
        let page = self.index.needed(after.as_ref(), PENDING / 2)?;
        if let Some((last, _)) = page.last() {
            self.work.more_after = Some(Some(last.clone()));
        }
        for (path, _) in page {
            let work = &self.work;
            let elsewhere = work.busy.contains_key(&path)
                || work.waiting.contains(&path)
                || work.large_waiting.contains(&path)
                || work.parked.contains_key(&path)
                || work.held.contains(&path)
                || work.removals.contains(&path);
            if !elsewhere {
                self.work.pending.insert(path);
            }
        }
        Ok(())
    }

    fn plan_path(&mut self, path: RelPath) -> Result<(), I::Error> {
        if self.work.busy.contains_key(&path) {
            return Ok(());
        }
        if self.local.is_unread(&path) {
            // What lies there may turn out to be just what is wanted; once it
            // is read, the path is planned again.
            return Ok(());
        }
        let entry = self.entry(&path)?;
        if self.work.reverting.contains(&path) {
            return match revert(&path, &entry, self.config.device).zip(entry.shown().cloned()) {
                Some((step, shown)) if entry.is_local() => self.start(path, &entry, step, shown),
                _ => {
                    self.work.reverting.remove(&path);
                    Ok(())
                }
            };
        }
        if self.config.mode == Mode::SendOnly {
            return Ok(());
        }
        match plan(&path, &entry) {
            Plan::Nothing => Ok(()),
            Plan::Combine(content) => self.combine(&path, &entry, content),
            Plan::Keep(record) => self.keep(path, &entry, &record),
            Plan::Change(Step::Remove { .. }) => {
                self.work.removals.insert(path);
                Ok(())
            }
            Plan::Change(step) => {
                let Some(shown) = entry.shown().cloned() else { return Ok(()) };
                if brakes_on(&entry).is_some() && !self.may_threaten(&path) {
                    return Ok(());
                }
                self.start(path, &entry, step, shown)
            }
        }
    }

    fn combine(&mut self, path: &RelPath, entry: &Entry, content: Content) -> Result<(), I::Error> {
        let edited = entry.heads.iter().map(|head| &head.record);
        let previous = edited
            .filter(|record| record.content.is_same_data(&content))
            .find_map(|record| record.previous);
        let Some(record) = self.writer(entry).choose(entry, content) else { return Ok(()) };
        // So that a further change of the mode combines with it, too.
        let record = FileRecord { previous, ..record };
        let mut after = entry.clone();
        after.heads.learn(Head { record, holders: HolderSet::default() });
        self.store(path, entry, after)
    }

    /// Whether a change that takes something from the tree may go ahead. While
    /// a device is still telling what changed, all of it is counted first.
    fn may_threaten(&mut self, path: &RelPath) -> bool {
        if self.is_being_told() || self.held_back().is_some() {
            self.work.held.insert(path.clone());
            return false;
        }
        true
    }

    /// Begins a change of the tree, or of what has to be there first.
    fn start(
        &mut self,
        path: RelPath,
        entry: &Entry,
        step: Step,
        record: FileRecord,
    ) -> Result<(), I::Error> {
        let Step::Install { content, size_bytes, precondition, mode, mtime_ns, .. } = step else {
            self.work.push_step(step, record);
            return Ok(());
        };
        if self.work.staged.contains(&content) {
            self.work.push_step(step, record);
            return Ok(());
        }
        let local = self.local_sources(&path, entry, content, &record)?;
        if precondition == Precondition::Absent
            && let Some((from, from_stat)) = self.movable(&local, content)?
        {
            self.work.busy.insert(from.clone(), Busy::MovedAway);
            self.work.push_step(Step::Move { from, from_stat, to: path, mode, mtime_ns }, record);
            return Ok(());
        }
        self.fetch(path, entry, content, size_bytes, local)
    }

    /// Where blocks of `content` may be found on this device: the same content
    /// first, then the version before.
    fn local_sources(
        &self,
        path: &RelPath,
        entry: &Entry,
        content: ContentId,
        record: &FileRecord,
    ) -> Result<Vec<LocalSource>, I::Error> {
        let mut sources = Vec::new();
        if self.work.stored.contains_key(&content) {
            sources.push(LocalSource::Stored(content));
        }
        let origin = record.moved_from.iter().map(|from| from.path.clone());
        for candidate in origin.chain(self.index.paths_with(content, 4)?).chain([path.clone()]) {
            if self.work.is_touching(&candidate) {
                continue;
            }
            let known = if candidate == *path { entry.clone() } else { self.entry(&candidate)? };
            if let Some((disk, (held, _))) =
                known.present().and_then(|disk| Some((disk, disk.record.content.file()?)))
            {
                let source = LocalSource::Path { path: candidate, stat: disk.stat, content: held };
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        Ok(sources)
    }

    /// A file that holds `content` and is about to be deleted: it can be renamed.
    fn movable(
        &self,
        sources: &[LocalSource],
        content: ContentId,
    ) -> Result<Option<(RelPath, Stat)>, I::Error> {
        for source in sources {
            let LocalSource::Path { path, stat, content: held } = source else { continue };
            if *held != content || self.work.busy.contains_key(path) {
                continue;
            }
            let entry = self.entry(path)?;
            let is_leaving = entry.shown().is_some_and(|shown| shown.content.is_tombstone())
                && entry.is_needed();
            if is_leaving && !entry.is_local() {
                return Ok(Some((path.clone(), *stat)));
            }
        }
        Ok(None)
    }

    fn fetch(
        &mut self,
        path: RelPath,
        entry: &Entry,
        content: ContentId,
        size_bytes: u64,
        local: Vec<LocalSource>,
    ) -> Result<(), I::Error> {
        let has_content =
            |head: &&Head| head.record.content.file().is_some_and(|(held, _)| held == content);
        let holders = entry
            .heads
            .iter()
            .filter(has_content)
            .fold(HolderSet::default(), |all, head| all.union(head.holders));
        let sources: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| holders.contains(link.slot))
            .map(|(device, _)| *device)
            .collect();
        let is_here = local.iter().any(|source| match source {
            LocalSource::Path { content: held, .. } | LocalSource::Stored(held) => *held == content,
        });
        if sources.is_empty() && !is_here {
            if holders.is_empty() && !self.is_being_told() {
                return self.forget_unheld(&path, entry, content);
            }
            if self.work.waiting.len() < PENDING {
                self.work.waiting.insert(path);
            } else {
                self.work.passed_over.get_or_insert(self.now_ms);
            }
            return Ok(());
        }
        self.work.busy.insert(path.clone(), Busy::Fetching);
        if let Some(fetching) = self.work.fetching.get_mut(&content) {
            fetching.paths.insert(path);
            return Ok(());
        }
        if size_bytes > SINGLE_BLOCK_BYTES {
            if self.work.large == LARGE_IN_FLIGHT {
                self.work.busy.remove(&path);
                if self.work.large_waiting.len() < PENDING {
                    self.work.large_waiting.insert(path);
                } else {
                    self.work.passed_over.get_or_insert(self.now_ms);
                }
                return Ok(());
            }
            self.work.large += 1;
        } else {
            self.work.small_bytes += size_bytes;
        }
        let paths = BTreeSet::from([path.clone()]);
        self.work.fetching.insert(content, Fetching { size_bytes, paths });
        self.effect(Effect::Fetch { content, size_bytes, path, sources, local });
        Ok(())
    }

    /// Lets go of the heads of `path` with a content that no device is known to
    /// hold: the one that announced it has lost its index and the file since,
    /// or it was chosen here and got lost before it was put in place. Whoever
    /// holds it after all will say so.
    fn forget_unheld(
        &mut self,
        path: &RelPath,
        before: &Entry,
        content: ContentId,
    ) -> Result<(), I::Error> {
        let is_lost =
            |record: &FileRecord| record.content.file().is_some_and(|(held, _)| held == content);
        self.forget_heads(path, before, is_lost)?;
        self.ask_anew()
    }

    /// Drops heads that nobody holds, and goes back to what the tree has.
    fn forget_heads(
        &mut self,
        path: &RelPath,
        before: &Entry,
        is_lost: impl Fn(&FileRecord) -> bool,
    ) -> Result<(), I::Error> {
        let mut after = before.clone();
        let kept = before.heads.iter().filter(|head| !is_lost(&head.record));
        after.heads = Heads::from_heads(kept.cloned());
        if let Some(disk) = before.disk.as_ref().filter(|disk| !disk.local) {
            if disk.record.version.is_empty() {
                // It was to become what is lost now; it is this device's own.
                return self.adopt_found(path, before, after);
            }
            after.write(disk.record.clone());
        }
        self.store(path, before, after)
    }

    /// Makes what was found at `path`, and is no version yet, one.
    fn adopt_found(
        &mut self,
        path: &RelPath,
        before: &Entry,
        mut after: Entry,
    ) -> Result<(), I::Error> {
        let Some(found) = after.disk.take() else { return self.store(path, before, after) };
        if self.config.mode == Mode::ReceiveOnly {
            after.disk = Some(OnDisk { local: true, ..found });
        } else if let Some(record) =
            self.writer(&after).edit(&after, found.record.content.clone(), None)
        {
            after.write(record.clone());
            after.disk = Some(OnDisk { record, ..found });
        }
        self.store(path, before, after)
    }

    /// Has a head that is not shown kept in the store of heads.
    fn keep(&mut self, path: RelPath, entry: &Entry, record: &FileRecord) -> Result<(), I::Error> {
        let Some((content, size_bytes)) = record.content.file() else { return Ok(()) };
        if self.work.staged.contains(&content) {
            self.work.busy.insert(path.clone(), Busy::Keeping);
            self.work.expect_arrival(content);
            self.effect(Effect::Keep { content, path });
            return Ok(());
        }
        let local = self.local_sources(&path, entry, content, record)?;
        self.fetch(path, entry, content, size_bytes, local)
    }

    fn plan_removals(&mut self) -> Result<(), I::Error> {
        let mut postponed = Vec::new();
        while self.work.ready.len() < STEPS_WAITING {
            let Some(path) = self.work.removals.pop_last() else { break };
            if self.work.busy.contains_key(&path) {
                continue;
            }
            let entry = self.entry(&path)?;
            let Plan::Change(step @ Step::Remove { .. }) = plan(&path, &entry) else {
                self.note_need(&path, &entry);
                continue;
            };
            if self.is_wanted_at_new_name(&path, &entry)? {
                postponed.push(path);
                continue;
            }
            if brakes_on(&entry).is_some() && !self.may_threaten(&path) {
                continue;
            }
            if let Some(shown) = entry.shown().cloned() {
                self.work.push_step(step, shown);
            }
        }
        self.work.removals.extend(postponed);
        Ok(())
    }

    /// Whether what is about to be deleted was moved to a path that is still
    /// to get it, maybe from here: an edit that landed at the new name (C3).
    fn is_wanted_at_new_name(&self, path: &RelPath, entry: &Entry) -> Result<bool, I::Error> {
        let Some(Content::Tombstone { moved_to: Some(to) }) =
            entry.shown().map(|shown| &shown.content)
        else {
            return Ok(false);
        };
        let Some((content, _)) = entry.present().and_then(|disk| disk.record.content.file()) else {
            return Ok(false);
        };
        if self.work.staged.contains(&content) || self.work.stored.contains_key(&content) {
            return Ok(false);
        }
        if self.is_in_its_own_way(path, to) {
            return Ok(false);
        }
        let target = self.entry(to)?;
        let lacks = |head: &Head| {
            !head.holders.contains(Slot::ME)
                && head.record.content.file().is_some_and(|(held, _)| held == content)
        };
        Ok(target.is_needed() && target.heads.iter().any(lacks))
    }

    fn flush(&mut self) {
        if self.work.applying || self.work.ready.is_empty() {
            return;
        }
        let count = self.work.ready.len().min(STEPS_PER_BATCH);
        let steps = self.work.ready.drain(..count).collect();
        self.work.applying = true;
        self.effect(Effect::Apply(steps));
    }

    /// Tries again what failed a while ago.
    pub(crate) fn retry_work(&mut self) {
        let now = self.now_ms;
        // Also when the clock jumped back: nothing rests longer than it should.
        let due = |at: &u64| {
            let is_too_late = *at > now.saturating_add(RETRY_MS);
            *at <= now || (is_too_late && !is(Sabotage::TrustClockForRetries))
        };
        let due: Vec<_> = self
            .work
            .parked
            .iter()
            .filter(|(_, at)| due(at))
            .map(|(path, _)| path.clone())
            .collect();
        for path in due {
            self.work.parked.remove(&path);
            self.work.pending.insert(path);
        }
        if self.work.passed_over.is_some_and(|since| now.abs_diff(since) >= PASSED_OVER_MS) {
            self.work.passed_over = None;
            self.work.more_after = Some(None);
        }
        let recheck = std::mem::take(&mut self.work.recheck);
        if !recheck.is_empty() {
            self.effect(Effect::Rescan(recheck.into_iter().collect()));
        }
    }

    /// A device has come: it may have what was missing.
    pub(crate) fn wake_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.work.waiting);
        self.work.pending.extend(waiting);
        if self.work.passed_over.take().is_some() {
            self.work.more_after = Some(None);
        }
    }
}

/// The content that a step put into the store of heads.
fn displaced_head(step: &Step) -> Option<ContentId> {
    match step {
        Step::Install { displaced: Displaced::Head(content), .. }
        | Step::Symlink { displaced: Displaced::Head(content), .. }
        | Step::Directory { displaced: Displaced::Head(content), .. }
        | Step::Remove { displaced: Displaced::Head(content), .. } => Some(*content),
        _ => None,
    }
}
