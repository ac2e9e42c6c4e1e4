//! Planning, fetching and applying: from needs to steps and back.
//!
//! Needed paths are planned in path order, so that directories come before
//! what they hold; deletions afterwards in reverse, so that what is renamed can
//! still be moved and directories are empty when it is their turn. Whatever
//! fails is planned again later from what is known then.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::brake::HeldBack;
use driftless_core::index::Flag;
use driftless_core::plan::{Plan, plan, revert};
use driftless_core::totals::brakes_on;
use driftless_core::{
    Content, ContentId, Displaced, Entry, FileRecord, Head, Heads, HolderSet, Index, OnDisk,
    Outcome, Precondition, Problem, ProblemCode, RelPath, Stat, Step,
};

use crate::engine::{Engine, Mode, files_of, on_disk};
use crate::io::{Effect, Event, FetchError, Fetched, LocalSource};

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

/// The mode of a directory that is brought back and was not there to be asked.
const REVIVED_MODE: u16 = 0o755;

/// Deletions and rewrites within this time count together for the brake, in milliseconds.
const BRAKE_WINDOW_MS: u64 = 600_000;

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
    /// Needed paths whose content no connected device has.
    waiting: BTreeSet<RelPath>,
    /// Needed paths that failed, and when they may be tried again.
    parked: BTreeMap<RelPath, u64>,
    /// Needed paths that the brake holds.
    held: BTreeSet<RelPath>,
    reverting: BTreeSet<RelPath>,
    recheck: BTreeSet<RelPath>,
    confirmed: bool,
    was_held_back: bool,
    /// Deletions and rewrites carried out since the window began.
    recent: (u64, u64),
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

    /// Has the path scanned once the step that is changing it has ended.
    pub(crate) fn recheck(&mut self, path: &RelPath) {
        self.recheck.insert(path.clone());
    }

    pub(crate) fn wants_tick(&self) -> bool {
        !self.parked.is_empty() || !self.recheck.is_empty()
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
        let is_last = users.is_empty() && !self.arriving.contains_key(&content);
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
    fn find_users_of_stored(&mut self) -> Result<(), I::Error> {
        let mut after: Option<RelPath> = None;
        while !self.work.stored.is_empty() {
            let page = self.index.flagged(Flag::Conflict, after.as_ref(), PENDING / 2)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            self.note_users(&page);
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
        let Some(record) = self.writer().choose(entry, content) else { return Ok(()) };
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
            self.work.waiting.insert(path);
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
                self.work.large_waiting.insert(path);
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
            after.write(disk.record.clone());
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
            if brakes_on(&entry).is_some() && !self.may_threaten(&path) {
                continue;
            }
            if let Some(shown) = entry.shown().cloned() {
                self.work.push_step(step, shown);
            }
        }
        Ok(())
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

    pub(crate) fn fetched(
        &mut self,
        content: ContentId,
        result: Result<Fetched, FetchError>,
    ) -> Result<(), I::Error> {
        let Some(fetching) = self.work.fetching.remove(&content) else { return Ok(()) };
        if fetching.size_bytes > SINGLE_BLOCK_BYTES {
            self.work.large = self.work.large.saturating_sub(1);
        } else {
            self.work.small_bytes = self.work.small_bytes.saturating_sub(fetching.size_bytes);
        }
        let mut is_wanted = false;
        for path in &fetching.paths {
            self.work.busy.remove(path);
            is_wanted |= files_of(&self.entry(path)?).any(|wanted| wanted == content);
        }
        if !is_wanted {
            self.effect(Effect::Discard(content));
            for path in fetching.paths {
                let entry = self.entry(&path)?;
                self.note_need(&path, &entry);
            }
            return Ok(());
        }
        match result {
            Ok(fetched) => {
                if let Some(blocks) = fetched.blocks {
                    self.index.put_block_list(content, &blocks)?;
                }
                self.work.staged.insert(content);
                self.work.pending.extend(fetching.paths);
            }
            Err(FetchError::NotAvailable) => {
                for path in fetching.paths {
                    self.park(path);
                }
            }
            Err(FetchError::Local(problem)) => {
                for path in fetching.paths {
                    self.report(Problem { path: path.to_string(), ..problem.clone() });
                    self.park(path);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn park(&mut self, path: RelPath) {
        self.work.parked.insert(path, self.now_ms.saturating_add(RETRY_MS));
    }

    pub(crate) fn applied(&mut self, outcomes: Vec<(Step, Outcome)>) -> Result<(), I::Error> {
        self.work.applying = false;
        let mut changed = false;
        for (step, outcome) in outcomes {
            let path = step.path().clone();
            let arrived = displaced_head(&step);
            if let Some(content) = arrived {
                self.work.end_arrival(content);
            }
            let record = match self.work.busy.remove(&path) {
                Some(Busy::Applying(record)) => *record,
                _ => continue,
            };
            if let Step::Move { from, .. } = &step {
                self.work.busy.remove(from);
                // It may have been passed over as busy when its deletion was due.
                self.work.pending.insert(from.clone());
            }
            match outcome {
                Outcome::Applied(stat) => {
                    changed = true;
                    self.step_done(&step, stat, record)?;
                }
                failed => self.step_failed(&step, failed)?,
            }
            if let Some(content) = arrived {
                let entry = self.entry(&path)?;
                self.let_go(&path, content, &entry);
            }
        }
        if changed {
            // A directory may have become empty, or may be there at last.
            self.work.pending.extend(std::mem::take(&mut self.work.parked).into_keys());
        }
        let recheck = std::mem::take(&mut self.work.recheck);
        let (later, now): (Vec<_>, Vec<_>) =
            recheck.into_iter().partition(|path| self.work.is_touching(path));
        self.work.recheck.extend(later);
        if !now.is_empty() {
            self.effect(Effect::Rescan(now));
        }
        Ok(())
    }

    fn step_done(
        &mut self,
        step: &Step,
        stat: Option<Stat>,
        record: FileRecord,
    ) -> Result<(), I::Error> {
        let path = step.path();
        let before = self.entry(path)?;
        self.count_threat(&before);
        self.work.reverting.remove(path);
        match step {
            Step::Install { content, displaced, .. } => {
                self.work.staged.remove(content);
                self.note_displaced(path, displaced);
            }
            Step::Symlink { displaced, .. }
            | Step::Directory { displaced, .. }
            | Step::Remove { displaced, .. } => {
                self.note_displaced(path, displaced);
            }
            Step::Move { from, .. } => {
                let left = self.entry(from)?;
                self.store(from, &left, Entry { disk: None, ..left.clone() })?;
            }
            Step::Touch { .. } => {}
        }
        let mut after = before.clone();
        let was_there = before.present().is_some();
        after.disk = stat.map(|stat| OnDisk { record: record.clone(), stat, local: false });
        if !matches!(step, Step::Touch { .. }) {
            self.publish_synced(path, was_there, &record);
        }
        self.clear_problem(path.as_str());
        self.store(path, &before, after)
    }

    fn note_displaced(&mut self, path: &RelPath, displaced: &Displaced) {
        if let Displaced::Head(content) = displaced {
            self.work.stored.entry(*content).or_default().insert(path.clone());
        }
    }

    fn step_failed(&mut self, step: &Step, outcome: Outcome) -> Result<(), I::Error> {
        let path = step.path().clone();
        match outcome {
            Outcome::Applied(_) => {}
            Outcome::Stale => {
                let mut again = vec![path.clone()];
                if let Step::Move { from, .. } = step {
                    again.push(from.clone());
                }
                self.effect(Effect::Rescan(again));
                self.park(path);
            }
            Outcome::Ignored => {
                let entry = self.entry(&path)?;
                self.set_ignored(&path, &entry, true)?;
            }
            Outcome::NotStaged => {
                if let Step::Install { content, .. } = step {
                    self.work.staged.remove(content);
                }
                self.work.pending.insert(path);
            }
            Outcome::NoParent if matches!(step, Step::Remove { .. }) => {
                self.effect(Effect::Rescan(vec![path.clone()]));
                self.park(path);
            }
            Outcome::NoParent => {
                self.park(path.clone());
                self.revive_parent(&path)?;
            }
            Outcome::Blocked(problem) => {
                if problem.code == ProblemCode::DirectoryNotEmpty && self.revive(&path)? {
                    return Ok(());
                }
                if problem.code == ProblemCode::Io
                    && let Step::Install { content, .. } = step
                {
                    self.work.staged.remove(content);
                }
                self.report(problem);
                self.park(path);
            }
        }
        Ok(())
    }

    /// Brings a deleted directory back that still holds something live (C5).
    /// Returns whether it did.
    fn revive(&mut self, path: &RelPath) -> Result<bool, I::Error> {
        let entry = self.entry(path)?;
        let Some(Content::Directory { mode }) = entry.present().map(|disk| &disk.record.content)
        else {
            return Ok(false);
        };
        let Some(shown) = entry.shown() else { return Ok(false) };
        // Whoever put something else in the place of a directory has deleted
        // what it knew inside, and tells of that too.
        let replacer = match &shown.content {
            Content::Tombstone { .. } => None,
            _ => self.index.devices().into_iter().find(|(_, device)| *device == shown.device),
        };
        let is_unknown_to_replacer = |inside: &Entry| {
            replacer.is_none_or(|(slot, _)| {
                !inside.heads.iter().any(|head| head.holders.contains(slot))
            })
        };
        let keeps = |inside: &Entry| {
            inside.present().is_some() && !inside.ignored && is_unknown_to_replacer(inside)
        };
        if self.is_being_told() || !self.has_live_below(path, keeps)? {
            return Ok(false);
        }
        let mode = *mode;
        let Some(record) = self.writer().edit(&entry, Content::Directory { mode }, None) else {
            return Ok(false);
        };
        let mut after = entry.clone();
        after.write(record.clone());
        if let Some(disk) = after.disk.as_mut() {
            disk.record = record;
        }
        self.store(path, &entry, after)?;
        Ok(true)
    }

    /// Brings back the directory that `path` is to live in, where it was deleted
    /// or made a file: a live path has a live parent (I11), and a directory
    /// keeps its name against a file (C6).
    fn revive_parent(&mut self, path: &RelPath) -> Result<(), I::Error> {
        let Some(parent) = path.parent().filter(|_| !self.is_being_told()) else { return Ok(()) };
        let entry = self.entry(path)?;
        let is_own_idea = entry.shown().is_some_and(|shown| {
            matches!(shown.content, Content::Directory { .. })
                && entry.heads.iter().all(|head| head.record != *shown || head.holders.is_empty())
        });
        if is_own_idea && !self.has_live_below(path, |_| true)? {
            // It was to be brought back for something that is gone since.
            return self.write_off(path, &entry);
        }
        let before = self.entry(&parent)?;
        let is_directory =
            |record: &FileRecord| matches!(record.content, Content::Directory { .. });
        if before.shown().is_some_and(is_directory) || before.ignored || before.is_local() {
            return Ok(());
        }
        // An edit of nothing: a file that is there stays a head beside it.
        let nothing = Entry { disk: None, ..before.clone() };
        let content = Content::Directory { mode: REVIVED_MODE };
        let Some(record) = self.writer().edit(&nothing, content, None) else { return Ok(()) };
        let mut after = before.clone();
        after.heads.learn(Head { record, holders: HolderSet::default() });
        self.store(&parent, &before, after)
    }

    /// Deletes a directory that was to be brought back and never was.
    fn write_off(&mut self, path: &RelPath, before: &Entry) -> Result<(), I::Error> {
        let Some(record) = before.shown().cloned() else { return Ok(()) };
        let idea = OnDisk { record, stat: Stat::default(), local: false };
        let entry = Entry { disk: Some(idea), ..before.clone() };
        let gone = Content::Tombstone { moved_to: None };
        let Some(record) = self.writer().edit(&entry, gone, None) else { return Ok(()) };
        let mut after = before.clone();
        after.write(record);
        self.store(path, before, after)
    }

    /// Whether anything live that `counts` is known below `path`.
    fn has_live_below(
        &self,
        path: &RelPath,
        counts: impl Fn(&Entry) -> bool,
    ) -> Result<bool, I::Error> {
        let mut after = Some(path.clone());
        loop {
            let page = self.index.range(Some(path), after.as_ref(), 256)?;
            let Some((last, _)) = page.last() else { return Ok(false) };
            after = Some(last.clone());
            let is_live =
                |entry: &Entry| entry.shown().is_some_and(|shown| !shown.content.is_tombstone());
            if page.iter().any(|(_, entry)| is_live(entry) && counts(entry)) {
                return Ok(true);
            }
        }
    }

    pub(crate) fn kept(
        &mut self,
        content: ContentId,
        path: RelPath,
        result: Result<(), Problem>,
    ) -> Result<(), I::Error> {
        self.work.busy.remove(&path);
        self.work.staged.remove(&content);
        self.work.end_arrival(content);
        match result {
            Ok(()) => {
                self.work.stored.entry(content).or_default().insert(path.clone());
                let entry = self.entry(&path)?;
                self.store(&path, &entry, entry.clone())?;
                let entry = self.entry(&path)?;
                self.let_go(&path, content, &entry);
                Ok(())
            }
            Err(problem) => {
                self.report(problem);
                self.park(path);
                Ok(())
            }
        }
    }

    /// Tries again what failed a while ago.
    pub(crate) fn retry_work(&mut self) {
        let now = self.now_ms;
        // Also when the clock jumped back: nothing rests longer than it should.
        let due = |at: &u64| *at <= now || *at > now.saturating_add(RETRY_MS);
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
        let recheck = std::mem::take(&mut self.work.recheck);
        if !recheck.is_empty() {
            self.effect(Effect::Rescan(recheck.into_iter().collect()));
        }
    }

    /// A device has come: it may have what was missing.
    pub(crate) fn wake_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.work.waiting);
        self.work.pending.extend(waiting);
    }

    /// The mass change that waits for a yes, if there is one.
    pub(crate) fn held_back(&self) -> Option<HeldBack> {
        if self.work.confirmed || self.config.mode == Mode::SendOnly {
            return None;
        }
        let mut totals = *self.index.totals();
        if totals.need_deletions + totals.need_rewrites == 0 {
            return None;
        }
        let (began, recent) = self.work.recent;
        if self.now_ms.abs_diff(began) < BRAKE_WINDOW_MS {
            totals.need_rewrites += recent;
        }
        let held = self.config.brake?.check(&totals)?;
        Some(HeldBack { rewrites: self.index.totals().need_rewrites, ..held })
    }

    fn count_threat(&mut self, before: &Entry) {
        if brakes_on(before).is_none() {
            return;
        }
        let (began, count) = self.work.recent;
        let is_recent = self.now_ms.abs_diff(began) < BRAKE_WINDOW_MS;
        self.work.recent = if is_recent { (began, count + 1) } else { (self.now_ms, 1) };
    }

    fn report_brake(&mut self) {
        let totals = self.index.totals();
        if totals.need_deletions + totals.need_rewrites == 0 {
            if self.work.confirmed {
                self.work.recent = (self.now_ms, 0);
            }
            self.work.confirmed = false;
        }
        let held_back = self.held_back();
        match held_back {
            Some(HeldBack { deletions, rewrites }) if !self.work.was_held_back => {
                self.publish(Event::HeldBack { deletions, rewrites });
            }
            None if !self.is_being_told() && !self.work.held.is_empty() => {
                let held = std::mem::take(&mut self.work.held);
                for path in held {
                    self.work.pending.insert(path);
                }
            }
            _ => {}
        }
        self.work.was_held_back = held_back.is_some();
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
