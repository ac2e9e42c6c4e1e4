//! What became of fetches and steps, and what follows from it.

use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    Content, ContentId, DeviceId, Displaced, Entry, FileRecord, Head, HolderSet, Index, OnDisk,
    Outcome, Problem, ProblemCode, RelPath, Slot, Stat, Step,
};

use super::{Busy, RETRY_MS, REVIVED_MODE, displaced_head};
use crate::engine::{Engine, files_of};
use crate::io::{Effect, FetchError, Fetched};

/// How long a directory that should make way, or a path without one, waits for
/// what other devices are expected to do about it, in milliseconds.
const PATIENCE_MS: u64 = 30_000;

/// Whether the device in `slot` says that it has something live at a path.
fn is_said_to_be_there(entry: &Entry, slot: Slot) -> bool {
    let live = |head: &&Head| !head.record.content.is_tombstone();
    entry.heads.iter().filter(live).any(|head| head.holders.contains(slot))
}

impl<I: Index> Engine<I> {
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
            Err(FetchError::NotAvailable) if is(Sabotage::GiveUpFetching) => {}
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
        self.work.park(path, self.now_ms.saturating_add(RETRY_MS), self.now_ms);
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
                failed => {
                    // What a crash left there is still to be read.
                    if !self.local.is_unseen(&path) {
                        self.clear_landing(&path)?;
                    }
                    self.step_failed(&step, failed)?;
                }
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

    /// Forgets what may have been on its way into the tree: it is known now
    /// what is there.
    pub(crate) fn clear_landing(&mut self, path: &RelPath) -> Result<(), I::Error> {
        let entry = self.entry(path)?;
        if entry.landing.is_some() && !self.work.is_touching(path) {
            self.store(path, &entry, Entry { landing: None, ..entry.clone() })?;
        }
        Ok(())
    }

    pub(super) fn step_done(
        &mut self,
        step: &Step,
        stat: Option<Stat>,
        record: FileRecord,
    ) -> Result<(), I::Error> {
        let path = step.path();
        let before = self.entry(path)?;
        self.count_threat(path, &before);
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
        after.landing = None;
        after.suspect = false;
        after.disk = stat.map(|stat| OnDisk { record: record.clone(), stat, local: false });
        if !matches!(step, Step::Touch { .. }) {
            self.publish_synced(path, was_there, &record);
        }
        self.clear_problem(path.as_str());
        self.store(path, &before, after)
    }

    pub(super) fn note_displaced(&mut self, path: &RelPath, displaced: &Displaced) {
        if let Displaced::Head(content) = displaced {
            self.work.stored.entry(*content).or_default().insert(path.clone());
        }
    }

    pub(super) fn step_failed(&mut self, step: &Step, outcome: Outcome) -> Result<(), I::Error> {
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
    pub(super) fn revive(&mut self, path: &RelPath) -> Result<bool, I::Error> {
        let entry = self.entry(path)?;
        let Some(Content::Directory { mode }) = entry.present().map(|disk| &disk.record.content)
        else {
            return Ok(false);
        };
        let Some(shown) = entry.heads.shown() else { return Ok(false) };
        // Whoever deleted a directory, or put something else in its place, has
        // deleted what it knew inside, and tells of that too. If it never
        // does, it may have lost its index in between.
        let is_replacer = |(slot, device): &(Slot, DeviceId)| {
            *device == shown.record.device && shown.holders.contains(*slot)
        };
        let replacer = self.index.devices().into_iter().find(is_replacer);
        let has_waited = self.has_waited(path);
        let replacer = replacer.filter(|_| !has_waited);
        let is_unknown_to_replacer =
            |inside: &Entry| replacer.is_none_or(|(slot, _)| !is_said_to_be_there(inside, slot));
        let keeps = |inside: &Entry| {
            inside.present().is_some() && !inside.ignored && is_unknown_to_replacer(inside)
        };
        if self.is_being_told()
            || is(Sabotage::ReviveNothing)
            || !self.has_live_below(path, keeps)?
        {
            return Ok(false);
        }
        let mode = *mode;
        let Some(record) = self.writer(&entry).edit(&entry, Content::Directory { mode }, None)
        else {
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

    /// Whether `path` has been in the way, or had no place, for so long that
    /// what would have mended it is not to be expected any more.
    fn has_waited(&mut self, path: &RelPath) -> bool {
        let since = *self.work.blocked.entry(path.clone()).or_insert(self.now_ms);
        self.now_ms.abs_diff(since) >= PATIENCE_MS
    }

    /// Brings back the directory that `path` is to live in, where it was deleted
    /// or made a file: a live path has a live parent (I11), and a directory
    /// keeps its name against a file (C6).
    pub(super) fn revive_parent(&mut self, path: &RelPath) -> Result<(), I::Error> {
        let Some(parent) = path.parent().filter(|_| !self.is_being_told()) else { return Ok(()) };
        let entry = self.entry(path)?;
        let is_own_idea = entry.shown().is_some_and(|shown| {
            matches!(shown.content, Content::Directory { .. })
                && entry.heads.iter().all(|head| {
                    !matches!(head.record.content, Content::Directory { .. })
                        || head.holders.is_empty()
                })
        });
        if is_own_idea && !self.has_live_below(path, |_| true)? {
            // It was to be brought back for something that is gone since.
            return self.write_off(path, &entry);
        }
        let is_move =
            |head: &Head| matches!(head.record.content, Content::Tombstone { moved_to: Some(_) });
        if entry.heads.iter().any(is_move) && !self.has_waited(path) {
            // Whoever has the edit lets it land at the new name.
            return Ok(());
        }
        let before = self.entry(&parent)?;
        let is_directory =
            |record: &FileRecord| matches!(record.content, Content::Directory { .. });
        if before.shown().is_some_and(is_directory) || before.ignored || before.is_local() {
            return Ok(());
        }
        if self.is_known_to_deleter(&entry, &before) && !self.has_waited(path) {
            return Ok(());
        }
        // An edit of nothing: a file that is there stays a head beside it.
        let nothing = Entry { disk: None, ..before.clone() };
        let content = Content::Directory { mode: REVIVED_MODE };
        let Some(record) = self.writer(&nothing).edit(&nothing, content, None) else {
            return Ok(());
        };
        let mut after = before.clone();
        after.heads.learn(Head { record, holders: HolderSet::default() });
        self.store(&parent, &before, after)
    }

    /// Whether the device that deleted `parent` still says that it has what is
    /// in it, and so has more to tell.
    fn is_known_to_deleter(&self, inside: &Entry, parent: &Entry) -> bool {
        let Some(shown) = parent.shown() else { return false };
        let devices = self.index.devices().into_iter();
        devices
            .filter(|(_, device)| *device == shown.device)
            .any(|(slot, _)| is_said_to_be_there(inside, slot))
    }

    /// Deletes a directory that was to be brought back and never was.
    pub(super) fn write_off(&mut self, path: &RelPath, before: &Entry) -> Result<(), I::Error> {
        let Some(record) = before.shown().cloned() else { return Ok(()) };
        let idea = OnDisk { record, stat: Stat::default(), local: false };
        let entry = Entry { disk: Some(idea), ..before.clone() };
        let gone = Content::Tombstone { moved_to: None };
        let Some(record) = self.writer(&entry).edit(&entry, gone, None) else { return Ok(()) };
        let mut after = before.clone();
        after.write(record);
        self.store(path, before, after)
    }

    /// Whether anything live that `counts` is known below `path`.
    pub(super) fn has_live_below(
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
        if let Some(chosen) = self.work.choosing.remove(&(content, path.clone())) {
            self.work.end_arrival(content);
            return self.chosen_kept(&path, content, chosen, result);
        }
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
}
