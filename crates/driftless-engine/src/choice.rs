//! What people decide: conflicts, held back mass changes, overrides and reverts.

use std::collections::BTreeMap;

use driftless_core::index::Flag;
use driftless_core::plan::{Precondition, Reason};
use driftless_core::policy::next_round;
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    Content, ContentId, DeviceId, Displaced, Entry, FileRecord, Head, HolderSet, Index, OnDisk,
    Problem, ProblemCode, RelPath, Slot, Step, VersionVector,
};

use crate::engine::{Engine, Mode};
use crate::io::{Choice, Effect, Reopen, Resolve};
use crate::work::Chosen;

/// How many entries are looked at in one go.
const PAGE: usize = 1024;

impl<I: Index> Engine<I> {
    /// Writes a version that supersedes every head, so that it settles every
    /// device. What was chosen among other versions than there are now is not
    /// written: nobody has seen what it would decide. A policy only decides what
    /// is open.
    pub(crate) fn resolve(&mut self, resolve: Resolve) -> Result<(), I::Error> {
        let Resolve { path, choice, seen, by_policy } = resolve;
        let path = &path;
        let entry = self.entry(path)?;
        let Some(shown) = entry.shown().cloned() else { return Ok(()) };
        // What was brought is looked at once it is kept, and kept in any case.
        let is_brought = matches!(choice, Choice::With { .. });
        if !is_brought && !is_to_decide(&entry, seen.as_deref(), by_policy) {
            return Ok(());
        }
        if !self.has_what_is_chosen(path, &entry, &choice) {
            return Ok(());
        }
        let content = match choice {
            Choice::Shown => shown.content,
            Choice::Both => {
                self.keep_losers(path, &entry)?;
                shown.content
            }
            Choice::Device(device) => {
                match entry.heads.iter().find(|head| head.record.device == device) {
                    Some(head) => head.record.content.clone(),
                    None => return Ok(()),
                }
            }
            Choice::Head(record) => match entry.heads.contains(&record) {
                true => record.content,
                false => return Ok(()),
            },
            Choice::With { content, size_bytes, level, blocks, mode, mtime_ns } => {
                if blocks.blocks().len() > 1 {
                    self.index.put_block_list(content, &blocks)?;
                }
                let chosen = Content::File { content, size_bytes, level, mode, mtime_ns };
                if self.work.choose(path, content, Chosen { content: chosen, seen, by_policy }) {
                    self.effect(Effect::Keep { content, path: path.clone() });
                }
                return Ok(());
            }
        };
        self.supersede(path, &entry, (content, by_policy))
    }

    /// Whether a choice of `path` waits for its content to be durable.
    pub fn is_choosing(&self, path: &RelPath) -> bool {
        self.work.is_choosing(path)
    }

    /// What a person brought is in the store of heads: decides with it, if
    /// there still is what the person saw. If not, it goes to history.
    pub(crate) fn chosen_kept(
        &mut self,
        path: &RelPath,
        content: ContentId,
        chosen: Chosen,
        result: Result<(), Problem>,
    ) -> Result<(), I::Error> {
        if let Err(problem) = result {
            self.report(problem);
            return Ok(());
        }
        self.need_stored(content, path);
        let entry = self.entry(path)?;
        let Chosen { content: brought, seen, by_policy } = chosen;
        if is_to_decide(&entry, seen.as_deref(), by_policy) && entry.shown().is_some() {
            self.supersede(path, &entry, (brought, by_policy))?;
        }
        let entry = self.entry(path)?;
        self.let_go(path, content, &entry);
        Ok(())
    }

    /// Whether this device holds what a choice keeps. What it does not hold,
    /// nobody could get any more once the choice has superseded it.
    fn has_what_is_chosen(&mut self, path: &RelPath, entry: &Entry, choice: &Choice) -> bool {
        let is_kept = |head: &Head| match choice {
            Choice::Shown => entry.shown() == Some(&head.record),
            Choice::Device(device) => head.record.device == *device,
            Choice::Head(record) => head.record == **record,
            Choice::Both => !head.record.content.is_tombstone(),
            Choice::With { .. } => false,
        };
        let is_here = |head: &Head| head.holders.contains(Slot::ME);
        let has_all = entry.heads.iter().all(|head| !is_kept(head) || is_here(head))
            || is(Sabotage::ChooseUnheld);
        if !has_all {
            let message = "a version of it has not arrived yet; decide once it is here".to_owned();
            let code = ProblemCode::NotAvailable;
            self.report(Problem { path: path.to_string(), code, message });
        }
        has_all
    }

    fn supersede(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        (content, by_policy): (Content, bool),
    ) -> Result<(), I::Error> {
        let Some(record) = self.writer(entry).choose(entry, content) else { return Ok(()) };
        let policy_rounds = if by_policy { next_round(&entry.heads) } else { 0 };
        let record = FileRecord { policy_rounds, ..record };
        let mut after = entry.clone();
        after.heads.learn(Head { record, holders: HolderSet::default() });
        self.store(path, entry, after)
    }

    /// Brings the versions of a settled conflict back as heads of this device,
    /// which supersede how it was settled; what the tree shows goes the usual
    /// ways. Does nothing if the path was changed since.
    pub(crate) fn reopen(&mut self, reopen: Reopen) -> Result<(), I::Error> {
        let Reopen { path, settled, sides, beside } = reopen;
        let before = self.entry(&path)?;
        let is_as_settled = before.shown().is_some_and(|now| now.content.is_same_data(&settled))
            && !(before.heads.is_conflict() || before.is_local() || before.ignored);
        let contents: Vec<Content> = sides.iter().map(|side| side.content.clone()).collect();
        let reopening = self.writer(&before).reopen(&before, &contents).filter(|_| is_as_settled);
        for side in &sides {
            let Some((content, _)) = side.content.file() else { continue };
            if side.blocks.blocks().len() > 1 {
                self.index.put_block_list(content, &side.blocks)?;
            }
            // It is kept in the order of all that is done to the disk, so that a
            // version of another path that is let go of does not take it along.
            self.work.staged.insert(content);
        }
        let Some(reopening) = reopening else { return Ok(()) };
        let mut after = before.clone();
        for record in &reopening.losers {
            after.heads.learn(Head { record: record.clone(), holders: HolderSet::default() });
        }
        self.store(&path, &before, after)?;
        let before = self.entry(&path)?;
        let mut after = before.clone();
        if let Some(record) = reopening.shown(&self.writer(&before)) {
            after.heads.learn(Head { record, holders: HolderSet::default() });
        }
        self.store(&path, &before, after)?;
        for path in beside {
            let entry = self.entry(&path)?;
            let is_copy = |shown: &FileRecord| {
                contents.iter().any(|content| content.is_same_data(&shown.content))
            };
            if entry.heads.len() == 1 && entry.shown().is_some_and(is_copy) && !entry.is_local() {
                self.supersede(&path, &entry, (Content::Tombstone { moved_to: None }, false))?;
            }
        }
        Ok(())
    }

    /// Gives every losing head a path of its own next to `path`.
    fn keep_losers(&mut self, path: &RelPath, entry: &Entry) -> Result<(), I::Error> {
        for (beside, loser) in self.names_beside(path, entry)? {
            let before = self.entry(&beside)?;
            self.supersede(&beside, &before, (loser.content, false))?;
        }
        Ok(())
    }

    /// The paths that [`Choice::Both`] gives the versions that are not shown.
    pub fn names_beside(
        &self,
        path: &RelPath,
        entry: &Entry,
    ) -> Result<BTreeMap<RelPath, FileRecord>, I::Error> {
        let mut names = BTreeMap::new();
        for loser in entry.heads.losers() {
            if let Some(beside) = self.free_name_beside(path, loser.record.device, &names)? {
                names.insert(beside, loser.record.clone());
            }
        }
        Ok(names)
    }

    /// A path that nothing is known of, and that is not among `taken`: the name
    /// with the device that wrote it.
    fn free_name_beside(
        &self,
        path: &RelPath,
        device: DeviceId,
        taken: &BTreeMap<RelPath, FileRecord>,
    ) -> Result<Option<RelPath>, I::Error> {
        let name = path.name();
        let (stem, extension) = match name.rfind('.') {
            Some(dot) if dot > 0 => name.split_at(dot),
            _ => (name, ""),
        };
        for number in 1..1000_u32 {
            let count = if number == 1 { String::new() } else { format!(" {number}") };
            let mark = format!(" (from {}{count})", device.short());
            let room =
                driftless_core::path::MAX_NAME_BYTES.saturating_sub(mark.len() + extension.len());
            let mut cut = stem.len().min(room);
            while !stem.is_char_boundary(cut) {
                cut -= 1;
            }
            let candidate = format!("{}{mark}{extension}", &stem[..cut]);
            let Ok(beside) = RelPath::child_of(path.parent().as_ref(), &candidate) else {
                return Ok(None);
            };
            let entry = self.entry(&beside)?;
            if !taken.contains_key(&beside)
                && entry.present().is_none()
                && entry.heads.iter().all(|head| head.record.content.is_tombstone())
            {
                return Ok(Some(beside));
            }
        }
        Ok(None)
    }

    /// Lets a held back mass change go ahead, and an emptied folder go on.
    pub(crate) fn confirm(&mut self) {
        self.work.confirm();
        self.local.allow_empty();
        self.go_on();
    }

    /// Writes this device's tree over what others have (send-only).
    pub(crate) fn override_others(&mut self) -> Result<(), I::Error> {
        if self.config.mode != Mode::SendOnly {
            return Ok(());
        }
        let mut after: Option<RelPath> = None;
        loop {
            let page = self.index.needed(after.as_ref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (path, entry) in page {
                self.write_tree_over(&path, &entry, None)?;
            }
        }
    }

    /// Writes what the tree has over versions that are on their way into it. A
    /// path that has changed since, or is being changed, stays as it is.
    pub(crate) fn insist(&mut self, paths: Vec<(RelPath, VersionVector)>) -> Result<(), I::Error> {
        for (path, version) in paths {
            let entry = self.entry(&path)?;
            let is_as_believed = entry.shown().is_some_and(|shown| shown.version == version);
            if is_as_believed
                && entry.is_needed()
                && !entry.heads.is_conflict()
                && self.config.mode != Mode::ReceiveOnly
                && !self.work.is_touching(&path)
            {
                // What was edited elsewhere meanwhile, from what is here, is newer.
                let here = entry.present().and_then(|disk| disk.record.content.file());
                self.write_tree_over(&path, &entry, here.map(|(content, _)| content))?;
            }
        }
        Ok(())
    }

    /// Writes a version that supersedes every head and holds what the tree has.
    fn write_tree_over(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        previous: Option<ContentId>,
    ) -> Result<(), I::Error> {
        let content = entry
            .present()
            .map_or(Content::Tombstone { moved_to: None }, |disk| disk.record.content.clone());
        let Some(record) = self.writer(entry).choose(entry, content) else { return Ok(()) };
        let record = FileRecord { previous, ..record };
        let mut after = entry.clone();
        after.write(record.clone());
        after.disk = entry.present().map(|disk| OnDisk { record, ..disk.clone() });
        self.store(path, entry, after)
    }

    /// Takes back local changes of a receive-only folder, and what changed
    /// without a trace in any: what the tree has goes to history, and the
    /// folder's version takes its place.
    pub(crate) fn revert(&mut self, paths: Vec<RelPath>) -> Result<(), I::Error> {
        let paths = if paths.is_empty() { self.local_changes()? } else { paths };
        for path in paths {
            let entry = self.entry(&path)?;
            if !entry.is_local() || self.work.is_touching(&path) {
                continue;
            }
            if entry.heads.iter().all(|head| head.record.content.is_tombstone()) {
                self.remove_local(&path, &entry);
                continue;
            }
            self.work.revert(path);
        }
        Ok(())
    }

    /// Writes what a receive-only folder kept to itself, once it is one no more.
    pub(crate) fn publish_local_changes(&mut self) -> Result<(), I::Error> {
        for path in self.local_changes()? {
            let entry = self.entry(&path)?;
            if entry.suspect {
                self.report_suspect(&path);
            } else if self.config.mode != Mode::ReceiveOnly {
                self.publish_local_change(&path, &entry)?;
            }
        }
        Ok(())
    }

    /// Takes files that changed without a trace for edits of this device.
    pub(crate) fn keep_suspects(&mut self, paths: Vec<RelPath>) -> Result<(), I::Error> {
        let paths = if paths.is_empty() { self.local_changes()? } else { paths };
        for path in paths {
            let entry = self.entry(&path)?;
            if !entry.suspect || self.work.is_touching(&path) {
                continue;
            }
            if self.config.mode == Mode::ReceiveOnly {
                // From here on it is a local change like any other.
                self.store(&path, &entry, Entry { suspect: false, ..entry.clone() })?;
            } else {
                self.publish_local_change(&path, &entry)?;
            }
        }
        Ok(())
    }

    fn publish_local_change(&mut self, path: &RelPath, entry: &Entry) -> Result<(), I::Error> {
        let Some(disk) = entry.disk.clone() else { return Ok(()) };
        let Some(record) = self.writer(entry).edit(entry, disk.record.content.clone(), None) else {
            return Ok(());
        };
        let mut after = entry.clone();
        after.write(record.clone());
        after.suspect = false;
        after.disk = (!record.content.is_tombstone()).then_some(OnDisk {
            record,
            stat: disk.stat,
            local: false,
        });
        self.store(path, entry, after)
    }

    fn local_changes(&self) -> Result<Vec<RelPath>, I::Error> {
        let mut paths = Vec::new();
        loop {
            let page = self.index.flagged(Flag::Local, paths.last(), PAGE)?;
            if page.is_empty() {
                // Deepest first, so that directories are empty when it is their turn.
                paths.reverse();
                return Ok(paths);
            }
            paths.extend(page.into_iter().map(|(path, _)| path));
        }
    }

    fn remove_local(&mut self, path: &RelPath, entry: &Entry) {
        let Some(disk) = entry.present() else { return };
        let record =
            FileRecord { content: Content::Tombstone { moved_to: None }, ..disk.record.clone() };
        let displaced = Displaced::History { by: self.config.device, reason: Reason::Reverted };
        let step =
            Step::Remove { path: path.clone(), precondition: Precondition::of(entry), displaced };
        self.work.push_step(step, record);
    }
}

/// Whether the heads are just those that were seen, if that is told, and there
/// is a conflict for a policy.
fn is_to_decide(entry: &Entry, seen: Option<&[VersionVector]>, by_policy: bool) -> bool {
    let is_as_seen = seen.is_none_or(|seen| {
        let mut versions = entry.heads.iter().map(|head| &head.record.version);
        seen.len() == entry.heads.len() && versions.all(|version| seen.contains(version))
    });
    is_as_seen && (!by_policy || entry.heads.is_conflict())
}
