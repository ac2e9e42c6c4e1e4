//! What scans report of the tree: what was found, what was missed, what an
//! ignore rule covers.
//!
//! Decides what is to be read, what seems deleted, and when the tree is known.
//! What reading shows is `hashing`'s, what became of vanished paths `renames`',
//! and what is then written `edits`'.

mod edits;
mod hashing;
mod renames;

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::diff::{Change, Observed, diff};
use driftless_core::index::Flag;
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    Content, Difference, Entry, Head, Index, Problem, ProblemCode, RelPath, ScanBatch, Stat,
    Stretch,
};

use crate::engine::Engine;
use crate::io::StopReason;

/// From how many files that wait to be read on a scan should pause.
const SATURATED: usize = 20_000;

/// Up to how many new files are held until the scan's end to recognise renames.
const HELD_FRESH: usize = 50_000;

/// A folder with at least this many files that is found empty stops.
const EMPTIED_FILES: u64 = 10;

/// For how long a rename stays known, in milliseconds: as long as history is
/// kept where nothing else is said.
const RENAMES_KNOWN_MS: u64 = 30 * 24 * 3_600_000;

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
    queue: Queue,
    /// Files that are being read, with their sizes in bytes.
    hashing: BTreeMap<RelPath, u64>,
    hashing_bytes: u64,
    /// Files that were seen to change while they were being read.
    again: BTreeSet<RelPath>,
    /// The whole tree was looked at since the engine began.
    looked: bool,
    /// All that was found then has been read.
    caught_up: bool,
    /// Directories that could not be listed then.
    unlisted: Vec<RelPath>,
    /// Files to be read again at the next tick.
    unstable: BTreeMap<RelPath, Unstable>,
    /// Large files that a person was warned of while they were being written.
    warned: BTreeSet<RelPath>,
    allow_empty: bool,
    incomplete: bool,
}

/// Files to be read.
#[derive(Debug, Default)]
struct Queue {
    /// What a power cut could still take back.
    fresh: BTreeMap<RelPath, Stat>,
    /// What is known to be on the disk as it was seen.
    durable: BTreeMap<RelPath, Stat>,
}

impl Queue {
    fn insert(&mut self, path: RelPath, stat: Stat) {
        self.durable.remove(&path);
        self.fresh.insert(path, stat);
    }

    fn extend(&mut self, files: impl IntoIterator<Item = (RelPath, Stat)>) {
        files.into_iter().for_each(|(path, stat)| self.insert(path, stat));
    }

    /// The next file, and whether it is durable.
    fn pop(&mut self) -> Option<(RelPath, Stat, bool)> {
        let durable = self.durable.pop_first().map(|(path, stat)| (path, stat, true));
        durable.or_else(|| self.fresh.pop_first().map(|(path, stat)| (path, stat, false)))
    }

    fn contains(&self, path: &RelPath) -> bool {
        self.fresh.contains_key(path) || self.durable.contains_key(path)
    }

    fn len(&self) -> usize {
        self.fresh.len() + self.durable.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug, Default)]
struct Scan {
    full: bool,
    found_any: bool,
    /// How far a full scan has come, in path order.
    reached: Reached,
    vanished: Vec<(RelPath, Option<VanishedFile>)>,
    fresh: BTreeMap<RelPath, Stat>,
    /// Paths that were directories and hold something else now.
    replaced: Vec<(RelPath, Observed)>,
    problems: BTreeSet<String>,
    covered: Vec<Option<RelPath>>,
    /// Something could not be looked at that may hold files to be synced.
    incomplete: bool,
}

#[derive(Debug, Default)]
enum Reached {
    #[default]
    Nothing,
    Upto(RelPath),
    Everything,
}

impl Reached {
    fn includes(&self, path: &RelPath) -> bool {
        match self {
            Self::Nothing => false,
            Self::Upto(last) => path <= last,
            Self::Everything => true,
        }
    }
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

    /// Whether what lay at `path` when the engine began may still be unknown.
    pub(crate) fn is_unseen(&self, path: &RelPath) -> bool {
        let is_past = |scan: &Scan| scan.full && scan.reached.includes(path);
        let is_fresh = |scan: &Scan| scan.fresh.contains_key(path);
        !self.caught_up
            && (!(self.looked || self.scan.as_ref().is_some_and(is_past))
                || self.scan.as_ref().is_some_and(is_fresh)
                || self.is_unread(path)
                || self.leaving.contains_key(path)
                || self.unstable.contains_key(path)
                || self.unlisted.iter().any(|unlisted| path.is_within(unlisted)))
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
        self.queue.contains(path)
            || self.hashing.contains_key(path)
            || self.moving.contains_key(path)
            || self.arriving.contains(path)
    }

    /// Paths that were directories and hold something else now.
    fn replaced(&self) -> impl Iterator<Item = &RelPath> {
        let seen = self.scan.iter().flat_map(|scan| &scan.replaced);
        self.replaced.iter().chain(seen).map(|(path, _)| path)
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
    /// How many files wait to be read that are not known to be durable as they
    /// were seen.
    pub fn unsynced(&self) -> usize {
        self.local.queue.fresh.len()
    }

    /// Takes note that all of the disk was synced after what the engine was
    /// told last was seen: no file that waits now needs a sync of its own.
    pub fn all_synced(&mut self) {
        let Queue { fresh, durable } = &mut self.local.queue;
        durable.append(fresh);
    }

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
        if !self.local.looked {
            self.local.unlisted.extend(batch.unknown);
        }
        scan.reached = batch.upto.map_or(Reached::Everything, Reached::Upto);
        if scan.fresh.len() > HELD_FRESH {
            self.local.queue.extend(std::mem::take(&mut scan.fresh));
        }
        self.local.scan = Some(scan);
        result?;
        self.dispatch_hashes()
    }

    /// Looks at all that is not known just as it was found, in path order.
    fn merge(&mut self, batch: &ScanBatch, scan: &mut Scan) -> Result<(), I::Error> {
        let mut after = batch.after.clone();
        let mut done = 0;
        loop {
            let found = &batch.found[done..];
            let stretch = Stretch { after: after.as_ref(), found, ..Stretch::of(batch) };
            let (work, local) = (&self.work, &self.local);
            let in_any_case =
                |path: &RelPath| work.is_touching(path) || local.warned.contains(path);
            let page = self.index.differences(&stretch, PAGE, &in_any_case)?;
            let is_last = page.len() < PAGE;
            for Difference { path, entry, found: at } in page {
                match (at, entry) {
                    (Some(at), entry) => {
                        let observed = &found[at].1;
                        self.observe(&path, entry.unwrap_or_default(), observed, scan)?;
                    }
                    (None, Some(entry)) => self.missed(&path, entry, batch, scan)?,
                    (None, None) => {}
                }
                after = Some(path);
            }
            if is_last {
                return Ok(());
            }
            let is_done = |(path, _): &(RelPath, Observed)| Some(path) <= after.as_ref();
            done += found.partition_point(is_done);
        }
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
                self.warn_early(path, &entry, &stat);
                let is_new = entry.present().is_none();
                if self.local.hashing.contains_key(path) {
                    self.local.again.insert(path.clone());
                } else if is_new {
                    scan.fresh.insert(path.clone(), stat);
                } else {
                    self.local.queue.insert(path.clone(), stat);
                }
                Ok(())
            }
            change => self.take_over(path, &entry, change, None),
        }
    }

    pub(crate) fn scan_finished(&mut self, complete: bool) -> Result<(), I::Error> {
        let Some(scan) = self.local.scan.take() else { return Ok(()) };
        if !complete {
            self.local.unlisted.clear();
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

    /// Whether nobody needs to know any more that a path was deleted: every
    /// member holds the deletion and has heard that this device does. A rename
    /// is known for longer, so that it can be taken back: it leaves nothing in
    /// history.
    fn is_forgettable(&self, entry: &Entry) -> Result<bool, I::Error> {
        if !entry.heads.iter().all(|head| head.record.content.is_tombstone()) {
            return Ok(false);
        }
        let is_recent_move = |head: &Head| {
            matches!(head.record.content, Content::Tombstone { moved_to: Some(_) })
                // A clock that is far off keeps nothing for ever.
                && self.now_ms.abs_diff(head.record.changed_ms) < RENAMES_KNOWN_MS
        };
        if entry.heads.iter().any(is_recent_move) {
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
}
