//! What scans and hashing report: edits, moves and deletions made on this device.
//!
//! A deletion is written only after a complete scan under a verified root
//! missed the path and a second look confirmed it. A path that vanished and one
//! that appeared with the same inode, size and time are taken for a rename:
//! at once if even the time of the inode's change is the same (a directory
//! above was renamed), otherwise if reading it shows the same content.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::diff::{Change, Observed, diff, mode_of};
use driftless_core::index::Flag;
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    Content, ContentId, Entry, FileRecord, Index, MovedFrom, OnDisk, Problem, ProblemCode, RelPath,
    ScanBatch, Stat, VersionVector,
};

use crate::engine::{Engine, Mode};
use crate::io::{Absence, Effect, Event, HashError, Hashed, StopReason};

/// How many files wait for the readers at once, and roughly how many bytes:
/// enough for a commit to gather many, few enough for their blocks to fit memory.
const HASHES_IN_FLIGHT: usize = 1024;
const HASH_BYTES_IN_FLIGHT: u64 = 256 << 20;

/// From how many files that wait to be read on a scan should pause.
const SATURATED: usize = 20_000;

/// Up to how many new files are held until the scan's end to recognise renames.
const HELD_FRESH: usize = 50_000;

/// A folder with at least this many files that is found empty stops.
const EMPTIED_FILES: u64 = 10;

/// How often a changing file is read again before a person is told.
const UNSTABLE_TRIES: u32 = 5;

/// How many index entries are looked at in one go.
const PAGE: usize = 2048;

/// What is known of the tree but not yet in the index.
#[derive(Debug, Default)]
pub(crate) struct Local {
    scan: Option<Scan>,
    /// What seemed deleted and awaits the second look, with the new path if it is a rename for certain.
    leaving: BTreeMap<RelPath, Option<(RelPath, Stat)>>,
    /// New files to be read after the second look at what they may have been renamed from.
    awaiting_absence: BTreeMap<RelPath, (RelPath, Stat)>,
    /// The new paths among both.
    arriving: BTreeSet<RelPath>,
    /// Paths that were directories and hold something else now; taken over once
    /// the deletion of what was below them is written.
    replaced: Vec<(RelPath, Observed)>,
    /// New paths that may be renamed from these confirmed absent ones.
    moving: BTreeMap<RelPath, RelPath>,
    /// Files to be read, in path order.
    queue: BTreeMap<RelPath, Stat>,
    /// Files that are being read, with their sizes in bytes.
    hashing: BTreeMap<RelPath, u64>,
    hashing_bytes: u64,
    /// Files that were seen to change while they were being read.
    again: BTreeSet<RelPath>,
    /// The whole tree was looked at since the engine began.
    looked: bool,
    /// All that was found then has been read.
    caught_up: bool,
    /// Files to be read again at the next tick.
    unstable: BTreeMap<RelPath, Unstable>,
    allow_empty: bool,
    incomplete: bool,
}

#[derive(Debug, Default)]
struct Scan {
    full: bool,
    found_any: bool,
    vanished: Vec<(RelPath, Option<VanishedFile>)>,
    fresh: Vec<(RelPath, Stat)>,
    /// Paths that were directories and hold something else now.
    replaced: Vec<(RelPath, Observed)>,
    problems: BTreeSet<String>,
    covered: Vec<Option<RelPath>>,
    /// Something could not be looked at that may hold files to be synced.
    incomplete: bool,
}

#[derive(Debug)]
struct VanishedFile {
    stat: Stat,
}

/// A file that could not be read.
#[derive(Debug, Default)]
struct Unstable {
    tries: u32,
    /// It is to be looked at again.
    is_due: bool,
}

/// What a rename keeps of a file.
type RenameKey = (u64, u64, i64);

fn rename_key(stat: &Stat) -> RenameKey {
    (stat.inode, stat.size_bytes, stat.mtime_ns)
}

impl Local {
    pub(crate) fn is_busy(&self) -> bool {
        self.scan.is_some()
            || !self.leaving.is_empty()
            || !self.awaiting_absence.is_empty()
            || !self.replaced.is_empty()
            || !self.queue.is_empty()
            || !self.hashing.is_empty()
            || !self.unstable.is_empty()
    }

    pub(crate) fn wants_tick(&self) -> bool {
        !self.unstable.is_empty()
    }

    /// Whether the whole tree was looked at since the engine began. Before that
    /// nothing is known of what may lie in the way of others' changes.
    pub(crate) fn has_looked(&self) -> bool {
        self.looked
    }

    /// Whether something that lay in the tree when the engine began may still
    /// be unknown.
    pub(crate) fn is_catching_up(&self) -> bool {
        !self.caught_up
    }

    /// Takes note once all that was found in the beginning has been read.
    fn note_caught_up(&mut self) {
        self.caught_up |= self.looked
            && self.scan.is_none()
            && self.leaving.is_empty()
            && self.awaiting_absence.is_empty()
            && self.replaced.is_empty()
            && self.moving.is_empty()
            && self.queue.is_empty()
            && self.hashing.is_empty();
    }

    /// Whether the path holds a file that is still to be read.
    pub(crate) fn is_unread(&self, path: &RelPath) -> bool {
        self.queue.contains_key(path)
            || self.hashing.contains_key(path)
            || self.moving.contains_key(path)
            || self.arriving.contains(path)
    }

    pub(crate) fn is_saturated(&self) -> bool {
        self.queue.len() > SATURATED
    }

    pub(crate) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    pub(crate) fn allow_empty(&mut self) {
        self.allow_empty = true;
    }
}

impl<I: Index> Engine<I> {
    pub(crate) fn scan_started(&mut self, full: bool) {
        self.local.scan = Some(Scan { full, ..Scan::default() });
    }

    pub(crate) fn scanned(&mut self, batch: ScanBatch) -> Result<(), I::Error> {
        let Some(mut scan) = self.local.scan.take() else { return Ok(()) };
        scan.found_any |=
            !batch.found.is_empty() || !batch.ignored.is_empty() || !batch.unknown.is_empty();
        scan.covered.push(batch.within.clone());
        for problem in &batch.problems {
            scan.problems.insert(problem.path.clone());
            self.report(problem.clone());
        }
        // Names that are never synced are reported, but leave nothing out.
        let is_closed =
            |problem: &Problem| matches!(problem.code, ProblemCode::Unreadable | ProblemCode::Io);
        scan.incomplete |= batch.problems.iter().any(is_closed);
        let result = self.merge(&batch, &mut scan);
        if scan.fresh.len() > HELD_FRESH {
            self.local.queue.extend(scan.fresh.drain(..));
        }
        self.local.scan = Some(scan);
        result?;
        self.dispatch_hashes()
    }

    /// Walks what was found and what is known side by side, in path order.
    fn merge(&mut self, batch: &ScanBatch, scan: &mut Scan) -> Result<(), I::Error> {
        let mut found = batch.found.iter().peekable();
        let mut after = batch.after.clone();
        loop {
            let page = self.index.range(batch.within.as_ref(), after.as_ref(), PAGE)?;
            let last_page = page.len() < PAGE;
            for (path, entry) in page {
                if batch.upto.as_ref().is_some_and(|upto| path > *upto) {
                    return self.observe_rest(found, scan);
                }
                while let Some((new, observed)) = found.next_if(|(new, _)| *new < path) {
                    self.observe(new, Entry::default(), observed, scan)?;
                }
                match found.next_if(|(same, _)| *same == path) {
                    Some((_, observed)) => self.observe(&path, entry, observed, scan)?,
                    None => self.missed(&path, entry, batch, scan)?,
                }
                after = Some(path);
            }
            if last_page {
                return self.observe_rest(found, scan);
            }
        }
    }

    fn observe_rest<'a>(
        &mut self,
        found: impl Iterator<Item = &'a (RelPath, Observed)>,
        scan: &mut Scan,
    ) -> Result<(), I::Error> {
        for (path, observed) in found {
            self.observe(path, Entry::default(), observed, scan)?;
        }
        Ok(())
    }

    /// A known path that the scan did not find.
    fn missed(
        &mut self,
        path: &RelPath,
        entry: Entry,
        batch: &ScanBatch,
        scan: &mut Scan,
    ) -> Result<(), I::Error> {
        if batch.unknown.iter().any(|unknown| path.is_within(unknown)) {
            if is(Sabotage::UnlistedIsAbsent) && entry.present().is_some() {
                self.depart(path, &entry, None)?;
            }
            return Ok(());
        }
        if batch.ignored.iter().any(|ignored| path.is_within(ignored)) {
            if is(Sabotage::IgnoredIsDeleted) && entry.present().is_some() {
                return self.depart(path, &entry, None).map(drop);
            }
            return self.set_ignored(path, &entry, true);
        }
        if self.work.is_touching(path) {
            self.work.recheck(path);
            return Ok(());
        }
        if entry.ignored {
            // What went while it was ignored was not deleted for the others.
            let after = Entry { ignored: false, disk: None, ..entry.clone() };
            return self.store(path, &entry, after);
        }
        match entry.present() {
            Some(disk) => {
                let file = disk.record.content.file().map(|_| VanishedFile { stat: disk.stat });
                scan.vanished.push((path.clone(), file));
            }
            None if self.is_forgettable(&entry)? => self.index.remove(path)?,
            None => self.clear_landing(path)?,
        }
        Ok(())
    }

    /// Looks at everything anew that an ignore rule covered; what is still
    /// covered is noticed by the scan that follows, or when it is to be changed.
    pub(crate) fn forget_ignored(&mut self) -> Result<(), I::Error> {
        loop {
            let page = self.index.flagged(Flag::Ignored, None, PAGE)?;
            if page.is_empty() {
                return Ok(());
            }
            for (path, entry) in page {
                self.set_ignored(&path, &entry, false)?;
            }
        }
    }

    pub(crate) fn set_ignored(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        ignored: bool,
    ) -> Result<(), I::Error> {
        if entry.ignored == ignored {
            return Ok(());
        }
        self.store(path, entry, Entry { ignored, ..entry.clone() })
    }

    fn observe(
        &mut self,
        path: &RelPath,
        mut entry: Entry,
        observed: &Observed,
        scan: &mut Scan,
    ) -> Result<(), I::Error> {
        if self.work.is_touching(path) {
            self.work.recheck(path);
            return Ok(());
        }
        if entry.ignored {
            self.set_ignored(path, &entry, false)?;
            entry = self.entry(path)?;
        }
        let is_directory = |content: &Content| matches!(content, Content::Directory { .. });
        if entry.present().is_some_and(|disk| is_directory(&disk.record.content))
            && !matches!(observed, Observed::Directory(_))
        {
            scan.replaced.push((path.clone(), observed.clone()));
            return Ok(());
        }
        match diff(&entry, observed) {
            Change::Read(stat) => {
                let is_new = entry.present().is_none();
                if self.local.hashing.contains_key(path) {
                    self.local.again.insert(path.clone());
                } else if is_new {
                    scan.fresh.push((path.clone(), stat));
                } else {
                    self.local.queue.insert(path.clone(), stat);
                }
                Ok(())
            }
            change => self.take_over(path, &entry, change, None),
        }
    }

    /// Writes what an observation means.
    fn take_over(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        change: Change,
        moved_from: Option<MovedFrom>,
    ) -> Result<(), I::Error> {
        let mut after = Entry { landing: None, suspect: false, ..entry.clone() };
        match change {
            Change::Read(_) => return Ok(()),
            Change::Nothing if entry.landing.is_none() => return Ok(()),
            Change::Nothing => after.suspect = entry.suspect,
            Change::Restat(stat) => {
                if let Some(disk) = after.disk.as_mut() {
                    disk.stat = stat;
                }
                after.suspect = entry.suspect;
            }
            Change::Rot(content, stat) => {
                let Some(known) = entry.present() else { return Ok(()) };
                let record = FileRecord { content, ..known.record.clone() };
                after.disk = Some(OnDisk { record, stat, local: true });
                after.suspect = true;
                self.report_suspect(path);
            }
            Change::Adopt(record, stat) => {
                let content = as_found(&record.content, &stat);
                // A send-only device does not mind another's mode and time.
                let is_exact = content == record.content || self.config.mode == Mode::SendOnly;
                let found = FileRecord { version: VersionVector::new(), content, ..record.clone() };
                let record = if is_exact { record } else { found };
                after.disk = Some(OnDisk { record, stat, local: false });
            }
            Change::Write(content, stat) => {
                let Some(disk) = self.written(path, entry, content, stat, moved_from) else {
                    return Ok(());
                };
                if !disk.local {
                    after.write(disk.record.clone());
                }
                self.publish_change(path, entry, &disk.record);
                after.disk = Some(disk);
            }
            Change::Delete => {
                let content = Content::Tombstone { moved_to: None };
                let Some(disk) = self.written(path, entry, content, Stat::default(), None) else {
                    return Ok(());
                };
                self.publish_change(path, entry, &disk.record);
                if disk.local {
                    // A file that was only here leaves nothing to keep to oneself.
                    after.disk = (!entry.heads.is_empty()).then_some(disk);
                } else {
                    after.write(disk.record);
                    after.disk = None;
                }
            }
        }
        self.store(path, entry, after)
    }

    /// The tree's new state after a local edit: a version of its own, or, in a
    /// receive-only folder, a change to the version before.
    fn written(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        content: Content,
        stat: Stat,
        moved_from: Option<MovedFrom>,
    ) -> Option<OnDisk> {
        if self.config.mode == Mode::ReceiveOnly {
            let version =
                entry.disk.as_ref().map(|disk| disk.record.version.clone()).unwrap_or_default();
            let (device, changed_ms) = (self.config.device, self.now_ms);
            let record = FileRecord {
                version,
                content,
                previous: None,
                device,
                changed_ms,
                moved_from: None,
            };
            return Some(OnDisk { record, stat, local: true });
        }
        let record = self.writer().edit(entry, content, moved_from);
        if record.is_none() {
            let message = "its history of edits is full; rename it to go on".to_owned();
            self.report(Problem { path: path.to_string(), code: ProblemCode::Io, message });
        }
        record.map(|record| OnDisk { record, stat, local: false })
    }

    pub(crate) fn scan_finished(&mut self, complete: bool) -> Result<(), I::Error> {
        let Some(scan) = self.local.scan.take() else { return Ok(()) };
        if !complete {
            self.local.queue.extend(scan.fresh);
            self.local.incomplete = true;
            self.dispatch_hashes()?;
            return Ok(());
        }
        if scan.full {
            self.local.incomplete = scan.incomplete;
            self.local.looked = true;
            if !scan.found_any
                && self.index.totals().files >= EMPTIED_FILES
                && !self.local.allow_empty
            {
                self.stop(StopReason::Emptied);
                return Ok(());
            }
            self.local.allow_empty = false;
            if scan.found_any {
                self.go_on();
            }
        }
        self.local.incomplete |= scan.incomplete;
        self.clear_covered_problems(&scan);
        self.match_renames(scan);
        self.settle_replaced()?;
        self.forget_unstable();
        self.dispatch_hashes()
    }

    /// What could not be read, was looked at again and is not to be read now
    /// is gone, or as it was known.
    fn forget_unstable(&mut self) {
        let Local { unstable, queue, hashing, awaiting_absence, leaving, .. } = &mut self.local;
        let waits = |path: &RelPath| {
            hashing.contains_key(path)
                || queue.contains_key(path)
                || awaiting_absence.values().any(|(new, _)| new == path)
                || leaving.values().flatten().any(|(new, _)| new == path)
        };
        unstable.retain(|path, unstable| !unstable.is_due || waits(path));
    }

    /// Problems of names that the scan covered and did not report again are over.
    fn clear_covered_problems(&mut self, scan: &Scan) {
        for path in self.problem_paths() {
            let parsed = RelPath::parse(&path).ok();
            let covered = scan.covered.iter().any(|within| match (within, &parsed) {
                (None, _) => true,
                (Some(within), Some(path)) => path.is_within(within),
                (Some(_), None) => false,
            });
            let waits = parsed.is_some_and(|path| {
                self.work.is_parked(&path) || self.local.unstable.contains_key(&path)
            });
            if covered && !waits && !scan.problems.contains(&path) {
                self.clear_problem(&path);
            }
        }
    }

    fn match_renames(&mut self, mut scan: Scan) {
        // What an earlier scan took for the old side of a rename is written
        // once the new side is read.
        let moving: BTreeSet<&RelPath> = self.local.moving.values().collect();
        scan.vanished.retain(|(path, _)| !moving.contains(path));
        let mut by_key: BTreeMap<RenameKey, (RelPath, Stat)> = BTreeMap::new();
        for (path, file) in &scan.vanished {
            if let Some(file) = file {
                by_key.insert(rename_key(&file.stat), (path.clone(), file.stat));
            }
        }
        self.local.leaving.extend(scan.vanished.iter().map(|(path, _)| (path.clone(), None)));
        for (path, stat) in scan.fresh {
            match by_key.remove(&rename_key(&stat)) {
                Some((old, old_stat)) if old_stat == stat || is(Sabotage::RenameUnread) => {
                    self.local.leaving.insert(old, Some((path, stat)));
                }
                Some((old, _)) => {
                    self.local.awaiting_absence.insert(old, (path, stat));
                }
                None => drop(self.local.queue.insert(path, stat)),
            }
        }
        let Local { leaving, awaiting_absence, arriving, .. } = &mut self.local;
        let certain = leaving.values().flatten().map(|(new, _)| new);
        let candidates = awaiting_absence.values().map(|(new, _)| new);
        *arriving = certain.chain(candidates).cloned().collect();
        self.local.replaced.extend(scan.replaced);
        if !scan.vanished.is_empty() {
            let paths = scan.vanished.into_iter().map(|(path, _)| path).collect();
            self.effect(Effect::ConfirmAbsent(paths));
        }
    }

    /// Writes confirmed deletions, and renames as deletions and creations at
    /// once: all deletions first, so that whoever hears of the new path knows
    /// that the old one's content is free to be moved.
    pub(crate) fn absences(&mut self, absences: Vec<(RelPath, Absence)>) -> Result<(), I::Error> {
        let mut arrivals = Vec::new();
        for (old, absence) in absences {
            let Some(certain) = self.local.leaving.remove(&old) else { continue };
            let candidate = self.local.awaiting_absence.remove(&old);
            for (new, _) in certain.iter().chain(&candidate) {
                self.local.arriving.remove(new);
            }
            let entry = self.entry(&old)?;
            let is_error = absence == Absence::Unknown;
            let is_gone = (absence == Absence::Absent
                || is_error && is(Sabotage::ErrorIsAbsence)
                || is(Sabotage::TrustFirstLook))
                && entry.present().is_some()
                && !self.work.is_touching(&old);
            match (is_gone, certain, candidate) {
                (true, Some((new, stat)), _) => {
                    let moved = self.depart(&old, &entry, Some(new.clone()))?;
                    arrivals.push((new, stat, moved));
                }
                (true, None, Some((new, stat))) => {
                    self.local.moving.insert(new.clone(), old);
                    self.local.queue.insert(new, stat);
                }
                (true, None, None) => {
                    self.depart(&old, &entry, None)?;
                }
                (false, certain, candidate) => {
                    self.local.queue.extend(certain.into_iter().chain(candidate));
                    match absence {
                        Absence::Ignored => self.set_ignored(&old, &entry, true)?,
                        Absence::Present => self.effect(Effect::Rescan(vec![old])),
                        Absence::Absent => self.work.recheck(&old),
                        Absence::Unknown => {}
                    }
                }
            }
        }
        for (new, stat, moved) in arrivals {
            let Some((from, content)) = moved else {
                self.local.queue.insert(new, stat);
                continue;
            };
            let entry = self.entry(&new)?;
            if entry.present().is_some() || self.work.is_touching(&new) {
                self.local.queue.insert(new, stat);
                continue;
            }
            self.take_over(&new, &entry, Change::Write(content, stat), Some(from))?;
        }
        self.settle_replaced()?;
        self.dispatch_hashes()
    }

    /// Takes over what was put in the place of directories, once the deletion
    /// of what was below them is written: whoever hears of the one has then
    /// heard of the other.
    fn settle_replaced(&mut self) -> Result<(), I::Error> {
        if !self.local.leaving.is_empty() {
            return Ok(());
        }
        for (path, observed) in std::mem::take(&mut self.local.replaced) {
            if self.work.is_touching(&path) {
                self.work.recheck(&path);
                continue;
            }
            let entry = self.entry(&path)?;
            match diff(&entry, &observed) {
                Change::Read(stat) => drop(self.local.queue.insert(path, stat)),
                change => self.take_over(&path, &entry, change, None)?,
            }
        }
        Ok(())
    }

    /// Writes a deletion; returns what the path held, for the new path of a rename.
    fn depart(
        &mut self,
        old: &RelPath,
        entry: &Entry,
        moved_to: Option<RelPath>,
    ) -> Result<Option<(MovedFrom, Content)>, I::Error> {
        let Some(disk) = entry.present().cloned() else { return Ok(None) };
        let is_version = !disk.local && !disk.record.version.is_empty();
        let is_move = moved_to.is_some() && self.config.mode != Mode::ReceiveOnly && is_version;
        if !is_move {
            self.take_over(old, entry, Change::Delete, None)?;
            return Ok(None);
        }
        let Some(record) = self.writer().edit(entry, Content::Tombstone { moved_to }, None) else {
            return Ok(None);
        };
        let mut after = entry.clone();
        after.write(record);
        after.disk = None;
        self.store(old, entry, after)?;
        Ok(Some((
            MovedFrom { path: old.clone(), version: disk.record.version },
            disk.record.content,
        )))
    }

    pub(crate) fn hashed(
        &mut self,
        path: RelPath,
        result: Result<Hashed, HashError>,
    ) -> Result<(), I::Error> {
        let size_bytes = self.local.hashing.remove(&path).unwrap_or_default();
        self.local.hashing_bytes = self.local.hashing_bytes.saturating_sub(size_bytes);
        if self.local.again.remove(&path) {
            self.effect(Effect::Rescan(vec![path.clone()]));
        }
        let old = self.local.moving.remove(&path);
        match result {
            Ok(hashed) => {
                self.take_hashed(&path, hashed, old)?;
                // Whatever was to be done about the path has waited for this.
                let entry = self.entry(&path)?;
                self.note_need(&path, &entry);
            }
            Err(error) => {
                if let Some(old) = old {
                    let entry = self.entry(&old)?;
                    self.depart(&old, &entry, None)?;
                }
                if self.entry(&path)?.is_needed() {
                    self.park(path.clone());
                }
                self.not_hashed(path, error);
            }
        }
        self.dispatch_hashes()
    }

    fn take_hashed(
        &mut self,
        path: &RelPath,
        hashed: Hashed,
        old: Option<RelPath>,
    ) -> Result<(), I::Error> {
        self.local.unstable.remove(path);
        self.clear_problem(path.as_str());
        if hashed.blocks.blocks().len() > 1 {
            self.index.put_block_list(hashed.content, &hashed.blocks)?;
        }
        let moved_from = match old {
            Some(old) => self.depart_to(&old, path, hashed.content)?,
            None => None,
        };
        if self.work.is_touching(path) {
            self.work.recheck(path);
            return Ok(());
        }
        let entry = self.entry(path)?;
        let observed =
            Observed::Hashed { stat: hashed.stat, content: hashed.content, level: hashed.level };
        let change = diff(&entry, &observed);
        self.take_over(path, &entry, change, moved_from)
    }

    /// Writes the deletion of a path that may have been renamed to `new`, which holds `content`.
    fn depart_to(
        &mut self,
        old: &RelPath,
        new: &RelPath,
        content: ContentId,
    ) -> Result<Option<MovedFrom>, I::Error> {
        let entry = self.entry(old)?;
        let held = entry.present().and_then(|disk| disk.record.content.file());
        let is_move = held.is_some_and(|(held, _)| held == content);
        Ok(self.depart(old, &entry, is_move.then(|| new.clone()))?.map(|(from, _)| from))
    }

    /// Compares a known file that was read again with what it should be (D9).
    pub(crate) fn scrubbed(&mut self, path: &RelPath, hashed: Hashed) -> Result<(), I::Error> {
        let is_in_work = self.work.is_touching(path) || self.local.is_unread(path);
        let entry = self.entry(path)?;
        let Some(Content::File { content, level, .. }) =
            entry.present().filter(|_| !is_in_work).map(|disk| &disk.record.content)
        else {
            return Ok(());
        };
        // In other blocks the same bytes have another name.
        if *content == hashed.content || *level != hashed.level {
            return Ok(());
        }
        self.take_hashed(path, hashed, None)
    }

    pub(crate) fn report_suspect(&mut self, path: &RelPath) {
        let message = "its content changed, but nothing is seen to have written to it: the disk \
            may be failing; it is not passed on until you restore or keep it"
            .to_owned();
        self.report(Problem { path: path.to_string(), code: ProblemCode::Corrupt, message });
    }

    fn not_hashed(&mut self, path: RelPath, error: HashError) {
        match error {
            HashError::Vanished => {
                self.local.unstable.remove(&path);
                self.effect(Effect::Rescan(vec![path]));
            }
            HashError::Unstable => {
                let unstable = self.local.unstable.entry(path.clone()).or_default();
                unstable.tries += 1;
                unstable.is_due = false;
                if unstable.tries == UNSTABLE_TRIES {
                    let message =
                        "it changes faster than it can be read; it will be synced once it rests"
                            .to_owned();
                    self.report(Problem {
                        path: path.to_string(),
                        code: ProblemCode::KeepsChanging,
                        message,
                    });
                }
            }
            HashError::Unreadable(problem) => {
                self.local.unstable.insert(path, Unstable::default());
                self.report(problem);
            }
        }
    }

    /// Looks again at files that could not be read.
    pub(crate) fn retry_hashes(&mut self) {
        let hashing = &self.local.hashing;
        let again: Vec<_> = self
            .local
            .unstable
            .keys()
            .filter(|path| !hashing.contains_key(*path))
            .cloned()
            .collect();
        for path in &again {
            if let Some(unstable) = self.local.unstable.get_mut(path) {
                unstable.is_due = true;
            }
        }
        if !again.is_empty() {
            self.effect(Effect::Rescan(again));
        }
    }

    /// Has files read, as many at once as is good.
    pub(crate) fn dispatch_hashes(&mut self) -> Result<(), I::Error> {
        while self.local.hashing.len() < HASHES_IN_FLIGHT
            && (self.local.hashing_bytes < HASH_BYTES_IN_FLIGHT || self.local.hashing.is_empty())
        {
            let Some((path, stat)) = self.local.queue.pop_first() else { break };
            if self.local.hashing.contains_key(&path) {
                self.local.again.insert(path);
                continue;
            }
            self.local.hashing.insert(path.clone(), stat.size_bytes);
            self.local.hashing_bytes += stat.size_bytes;
            let entry = self.entry(&path)?;
            let previous = entry.present().map(|disk| &disk.record.content);
            let previous = match previous {
                Some(Content::File { level, .. }) => Some(*level),
                _ => None,
            };
            self.effect(Effect::Hash { path, stat, previous });
        }
        self.local.note_caught_up();
        Ok(())
    }

    /// Whether nobody needs to know any more that a path was deleted: every
    /// member holds the deletion and has heard that this device does.
    fn is_forgettable(&self, entry: &Entry) -> Result<bool, I::Error> {
        if !entry.heads.iter().all(|head| head.record.content.is_tombstone()) {
            return Ok(false);
        }
        if is(Sabotage::ForgetDeletionEarly) {
            return Ok(!entry.is_needed());
        }
        for (slot, device) in self.index.devices() {
            if !self.members.contains(&device) {
                continue;
            }
            let holds = entry.heads.iter().all(|head| head.holders.contains(slot));
            if !holds || self.index.cursor(slot)?.acknowledged < entry.sequence {
                return Ok(false);
            }
        }
        let known: BTreeSet<_> =
            self.index.devices().into_iter().map(|(_, device)| device).collect();
        Ok(self.members.is_subset(&known) && !entry.is_needed())
    }

    pub(crate) fn publish_synced(&mut self, path: &RelPath, was_there: bool, record: &FileRecord) {
        let action = crate::engine::action_of(was_there, record);
        self.publish(Event::Synced { path: path.clone(), action, device: record.device });
    }
}

/// The content with the mode and time that were found.
fn as_found(content: &Content, stat: &Stat) -> Content {
    let mut content = content.clone();
    match &mut content {
        Content::File { mode, mtime_ns, .. } => (*mode, *mtime_ns) = (mode_of(stat), stat.mtime_ns),
        Content::Directory { mode } => *mode = mode_of(stat),
        Content::Symlink { .. } | Content::Tombstone { .. } => {}
    }
    content
}
