//! Gathering hints until it is time to pass them on.
//!
//! A lone change goes on after a moment of quiet; while many changes keep
//! coming, the pauses between passing them on grow, so that a storm is scanned
//! a few times rather than thousands. A few changes never wait long. Memory is bounded: many changes in one
//! directory become one scope, and too many altogether a full scan.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use driftless_core::RelPath;

use super::WatchEvent;
use crate::ignore::{Chain, Ignore};
use crate::scan::Scope;

/// How long nothing may have happened before changes are passed on.
const QUIET: Duration = Duration::from_millis(10);

/// How long changes that keep coming are held back at first.
const FIRST_HOLD: Duration = Duration::from_millis(200);

/// The longest that a storm is held back.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The longest that a few changes are held back, however often they come: to
/// look at a few paths costs less than a person would wait.
const SHORT_PAUSE: Duration = Duration::from_millis(40);

/// Up to how many changed paths are a few.
const FEW: usize = 64;

/// How long the first half of a rename is held back for the second. Scanned in
/// one go, the two are a rename; apart, they are a deletion and a new file.
const HALF_RENAME: Duration = Duration::from_millis(100);

/// Bursts that begin within this time of the last one are a storm.
const STORM_GAP: Duration = Duration::from_millis(50);

/// How long a file that is open for writing may hold its own change back.
const MAX_WRITING: Duration = Duration::from_secs(2);

/// More changes than this in one directory are one scope.
const MAX_SIBLINGS: u32 = 512;

/// More changes than this are a full scan.
const MAX_PENDING: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Gather {
    pending: BTreeMap<RelPath, Pending>,
    siblings: HashMap<Option<RelPath>, u32>,
    is_overflown: bool,
    first: Option<Instant>,
    last: Option<Instant>,
    flushed: Option<Instant>,
    pause: Duration,
    /// Since when the second half of a rename is waited for.
    half_rename: Option<Instant>,
}

struct Pending {
    recursive: bool,
    /// Since when it has been open for writing.
    writing: Option<Instant>,
}

impl Gather {
    pub(super) fn note(&mut self, path: RelPath, recursive: bool, now: Instant) {
        self.add(path, recursive, now);
    }

    pub(super) fn note_departed(&mut self, path: RelPath, now: Instant) {
        self.half_rename = Some(now);
        self.add(path, false, now);
    }

    pub(super) fn note_arrived(&mut self, path: RelPath, recursive: bool, now: Instant) {
        self.half_rename = None;
        self.add(path, recursive, now);
    }

    pub(super) fn note_writing(&mut self, path: RelPath, now: Instant) {
        if let Some(pending) = self.add(path, false, now) {
            pending.writing.get_or_insert(now);
        }
    }

    pub(super) fn note_closed(&mut self, path: RelPath, now: Instant) {
        if let Some(pending) = self.add(path, false, now) {
            pending.writing = None;
        }
    }

    /// Everything may have changed.
    pub(super) fn overflow(&mut self, now: Instant) {
        self.touch(now);
        self.is_overflown = true;
        self.pending.clear();
        self.siblings.clear();
    }

    fn touch(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    fn add(&mut self, path: RelPath, recursive: bool, now: Instant) -> Option<&mut Pending> {
        self.touch(now);
        if self.is_overflown {
            return None;
        }
        if !self.pending.contains_key(&path) {
            let parent = path.parent();
            if self.pending.len() >= MAX_PENDING {
                self.overflow(now);
                return None;
            }
            let siblings = self.siblings.entry(parent.clone()).or_default();
            *siblings += 1;
            if *siblings > MAX_SIBLINGS {
                match parent {
                    Some(parent) => self.widen(parent),
                    None => self.overflow(now),
                }
                return None;
            }
        }
        let pending =
            self.pending.entry(path).or_insert(Pending { recursive: false, writing: None });
        pending.recursive |= recursive;
        Some(pending)
    }

    /// Takes a directory as a whole in place of what changed in it.
    fn widen(&mut self, dir: RelPath) {
        let below: Vec<RelPath> = self
            .pending
            .range(dir.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.is_within(&dir))
            .cloned()
            .collect();
        for path in below {
            self.pending.remove(&path);
        }
        self.pending.insert(dir, Pending { recursive: true, writing: None });
    }

    /// How long to wait for more before asking what is due.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        match self.due_at() {
            Some(due) => due.saturating_duration_since(now),
            None => Duration::from_secs(3600),
        }
    }

    fn due_at(&self) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        let quiet = last + QUIET;
        let paused = self.flushed.map_or(quiet, |flushed| flushed + self.pause);
        let hold = first + self.pause.max(FIRST_HOLD);
        let due = quiet.max(paused).min(hold);
        // However many renames lead out of the tree, with no second half to come.
        let whole = self.half_rename.map(|since| (since + HALF_RENAME).min(first + MAX_PAUSE));
        Some(whole.map_or(due, |whole| due.max(whole)))
    }

    /// What is to be passed on now, if anything.
    pub(super) fn take(&mut self, now: Instant, rules: &Ignore) -> Option<WatchEvent> {
        if self.due_at().is_none_or(|due| now < due) {
            return None;
        }
        self.pace(now, if self.is_overflown { usize::MAX } else { self.pending.len() });
        if std::mem::take(&mut self.is_overflown) {
            return Some(WatchEvent::Rescan);
        }
        let pending = std::mem::take(&mut self.pending);
        self.siblings.clear();
        let mut scopes = Vec::new();
        let mut chains: HashMap<Option<RelPath>, Option<Chain>> = HashMap::new();
        let mut whole: Option<RelPath> = None;
        for (path, pending) in pending {
            if let Some(since) = pending.writing
                && now.duration_since(since) < MAX_WRITING
            {
                self.pending.insert(path, pending);
                continue;
            }
            let is_within = whole.as_ref().is_some_and(|whole| path.is_within(whole));
            let chain = chains
                .entry(path.parent())
                .or_insert_with_key(|parent| rules.chain_of(parent.as_ref()).ok());
            let is_ignored = chain.as_ref().is_none_or(|chain| chain.may_ignore(path.as_str()));
            if is_within || is_ignored {
                continue;
            }
            if pending.recursive {
                whole = Some(path.clone());
            }
            scopes.push(Scope { path: Some(path), recursive: pending.recursive });
        }
        if !self.pending.is_empty() {
            // Files that are still being written are asked about again later.
            self.first = Some(now);
            self.last = Some(now + STORM_GAP);
        }
        (!scopes.is_empty()).then_some(WatchEvent::Changed(scopes))
    }

    /// Lets pauses grow during a storm, and shrink after it.
    fn pace(&mut self, now: Instant, count: usize) {
        let gap = self
            .flushed
            .zip(self.first)
            .map(|(flushed, first)| first.saturating_duration_since(flushed));
        self.pause = match gap {
            Some(gap) if gap < STORM_GAP.max(self.pause) => {
                let longest = if count > FEW { MAX_PAUSE } else { SHORT_PAUSE };
                (self.pause * 2).clamp(QUIET, longest)
            }
            _ => Duration::ZERO,
        };
        self.flushed = Some(now);
        self.first = None;
        self.last = None;
        self.half_rename = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;
    use driftless_core::{FolderId, InstanceId};

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    fn rules() -> (tempfile::TempDir, Ignore) {
        let dir = tempfile::tempdir().unwrap();
        let folder = FolderId::from_random([7; 10]);
        let root = Root::create(dir.path(), &folder, InstanceId([1; 16])).unwrap();
        let rules = Ignore::new(&root);
        (dir, rules)
    }

    #[test]
    fn a_lone_change_goes_on_after_a_moment_of_quiet() {
        let (_dir, rules) = rules();
        let (mut gather, start) = (Gather::default(), Instant::now());
        gather.note(path("a"), false, start);
        assert_eq!(gather.take(start + QUIET / 2, &rules), None);
        let scope = Scope { path: Some(path("a")), recursive: false };
        assert_eq!(gather.take(start + QUIET, &rules), Some(WatchEvent::Changed(vec![scope])));
        assert_eq!(gather.take(start + MAX_PAUSE, &rules), None);
    }

    /// C3
    #[test]
    fn the_halves_of_a_rename_are_passed_on_together() {
        let (_dir, rules) = rules();
        let (mut gather, start) = (Gather::default(), Instant::now());
        gather.note_departed(path("old"), start);
        assert_eq!(gather.take(start + QUIET * 2, &rules), None);
        gather.note_arrived(path("new"), false, start + QUIET * 2);
        let told = gather.take(start + QUIET * 3, &rules);
        let Some(WatchEvent::Changed(scopes)) = told else { panic!("{told:?}") };
        assert_eq!(scopes.len(), 2);
        gather.note_departed(path("moved out"), start + MAX_PAUSE);
        assert!(gather.take(start + MAX_PAUSE + HALF_RENAME, &rules).is_some());
    }

    #[test]
    fn a_storm_is_passed_on_a_few_times() {
        let (_dir, rules) = rules();
        let (mut gather, start) = (Gather::default(), Instant::now());
        let mut passed = 0;
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            gather.note(path(&format!("f{}", ms % 100)), false, now);
            passed += usize::from(gather.take(now, &rules).is_some());
        }
        assert!((3..=30).contains(&passed), "{passed}");
    }

    #[test]
    fn a_few_changes_never_wait_long_however_often_they_come() {
        let (_dir, rules) = rules();
        let (mut gather, start) = (Gather::default(), Instant::now());
        let mut changed = None;
        for ms in (0..5_000).step_by(15) {
            let now = start + Duration::from_millis(ms);
            gather.note(path(&format!("f{}", ms % 7)), false, now);
            let since = *changed.get_or_insert(now);
            if gather.take(now, &rules).is_some() {
                changed = None;
            } else {
                assert!(now - since <= FIRST_HOLD.max(SHORT_PAUSE * 2), "{:?}", now - since);
            }
        }
    }

    /// D10
    #[test]
    fn many_changes_in_a_directory_become_one_scope_and_too_many_a_rescan() {
        let (_dir, rules) = rules();
        let (mut gather, start) = (Gather::default(), Instant::now());
        for index in 0..1000 {
            gather.note(path(&format!("d/{index}")), false, start);
        }
        let scope = Scope { path: Some(path("d")), recursive: true };
        assert_eq!(gather.take(start + QUIET, &rules), Some(WatchEvent::Changed(vec![scope])));
        for index in 0..=MAX_PENDING {
            gather.note(path(&format!("d{index}/x")), false, start + MAX_PAUSE);
        }
        assert_eq!(gather.take(start + MAX_PAUSE * 2, &rules), Some(WatchEvent::Rescan));
    }

    /// F4
    #[test]
    fn a_file_that_is_being_written_waits_for_its_close() {
        let (_dir, rules) = rules();
        let (mut gather, start) = (Gather::default(), Instant::now());
        gather.note_writing(path("log"), start);
        assert_eq!(gather.take(start + FIRST_HOLD, &rules), None);
        gather.note_closed(path("log"), start + FIRST_HOLD);
        assert!(gather.take(start + FIRST_HOLD + QUIET * 6, &rules).is_some());
        gather.note_writing(path("log"), start + MAX_WRITING);
        let later = start + MAX_WRITING * 2;
        assert!(gather.take(later + FIRST_HOLD, &rules).is_some(), "but not for ever");
    }
}
