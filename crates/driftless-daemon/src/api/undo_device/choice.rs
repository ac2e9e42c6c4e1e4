//! What undoing a device's changes means for each path.
//!
//! Pure: what is known of the paths and what history has of them go in, what is
//! to be done comes out. What a path held before is the first version that the
//! device displaced of it, after the last that somebody else displaced; where it
//! displaced nothing, the path was made by it, or came by a rename that is taken
//! back. Wherever that cannot be told, the path is left as it is, and why is said.
//!
//! A version that the device alone has had a part in, and that was written since
//! the time that is asked for, is its own doing too: a file that it made and
//! wrote twice was not there before.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::{
    Author, BlockList, Content, DeviceId, Entry, FileRecord, RelPath, VersionVector,
};
use driftless_fs::history::{Version, VersionReason};

#[cfg(test)]
mod tests;

/// The times of files may be behind the clock by so much, in milliseconds.
pub(super) const TICK_MS: u64 = 20;

/// How many renames of one file are followed.
const RENAMES: usize = 64;

/// Everything that the choice depends on.
pub(super) struct Past {
    /// Whose changes are undone.
    pub(super) device: DeviceId,
    /// From when on, in milliseconds since 1970.
    pub(super) since_ms: u64,
    /// History has all that was displaced from then on, in milliseconds since 1970.
    pub(super) kept_since_ms: u64,
    /// Under whom the device counts its edits, as far as that is known.
    pub(super) authors: BTreeSet<Author>,
    /// What is known of all paths that are concerned. Nothing where nothing is known.
    pub(super) entries: BTreeMap<RelPath, Entry>,
    /// What history has of them, in the order in which it was displaced.
    pub(super) versions: BTreeMap<RelPath, Vec<Version>>,
    /// Paths at which a file was made on this disk since then.
    pub(super) new: BTreeSet<RelPath>,
    /// Directories that hold what the device did not change.
    pub(super) shared: BTreeSet<RelPath>,
}

/// What is done to a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// It gets this version back.
    Restore(Version),
    /// It gets back what was renamed to there.
    MoveBack(RelPath),
    /// It keeps what is here, and the device's change does not come.
    Insist(VersionVector),
    /// The device made it: it is deleted.
    Remove,
    /// It stays as it is.
    Leave(Why),
}

/// Why a path stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// Somebody else changed it since.
    ChangedBy(DeviceId),
    /// Somebody else changed it since, of whom history has this first group.
    ChangedByShort(String),
    /// A person has to choose between versions first.
    Conflict,
    /// The device decided a conflict about it.
    Decided,
    /// It is being synced.
    Syncing,
    /// It was changed here, which is not passed on.
    Local,
    /// An ignore rule covers it.
    Ignored,
    /// Its content was not changed, and its mode and time are not remembered.
    SameContent,
    /// What it held before is not kept on this device.
    NotKept,
    /// It was renamed from where something else is now.
    Taken(RelPath),
    /// Changes made here are not passed on.
    OnlyReceives,
}

/// What a path held before.
enum Before<'a> {
    Nothing,
    Version(&'a Version),
    /// What is at another path now.
    At(&'a RelPath),
}

/// What the device renamed: from the old path to the new one, and back.
struct Renames<'a> {
    to: BTreeMap<&'a RelPath, &'a RelPath>,
    from: BTreeMap<&'a RelPath, &'a RelPath>,
    /// Size and modification time of each file that it deleted: one that is as
    /// if it had been copied elsewhere first.
    deleted: BTreeSet<(u64, i64)>,
}

/// Decides for every path that the device changed; in path order. Paths that are
/// as they were before are not among them.
pub(super) fn choose(past: &Past) -> BTreeMap<RelPath, Action> {
    let renames = past.renames();
    let mut actions: BTreeMap<RelPath, Action> = past
        .entries
        .keys()
        .filter_map(|path| Some((path.clone(), past.action(path, &renames)?)))
        .collect();
    // A directory goes only with all that is in it.
    let mut needed = past.shared.clone();
    for (path, action) in &actions {
        let is_there = match action {
            Action::Restore(_) | Action::MoveBack(_) => true,
            Action::Insist(_) | Action::Leave(_) => past.entries[path].present().is_some(),
            Action::Remove => false,
        };
        if is_there {
            need_parents(path, &mut needed);
        }
    }
    let is_directory = |path: &RelPath| past.entries[path].present().is_some_and(is_directory);
    actions.retain(|path, action| {
        *action != Action::Remove || !is_directory(path) || !needed.contains(path)
    });
    actions
}

/// Adds the directories that a path is in.
pub(super) fn need_parents(path: &RelPath, needed: &mut BTreeSet<RelPath>) {
    let mut above = path.parent();
    while let Some(directory) = above {
        above = directory.parent();
        if !needed.insert(directory) {
            return;
        }
    }
}

fn is_directory(disk: &driftless_core::OnDisk) -> bool {
    matches!(disk.record.content, Content::Directory { .. })
}

/// Whether a version tells what the tree held; sides of conflicts were beside it.
fn is_of_tree(version: &&Version) -> bool {
    !matches!(version.reason, VersionReason::Resolved | VersionReason::Recovered)
}

/// Whether the path held nothing afterwards.
fn is_deletion(version: &Version) -> bool {
    matches!(version.reason, VersionReason::Deleted | VersionReason::Removed)
}

impl Past {
    /// Whether the device made this since.
    pub(super) fn is_by(&self, record: &FileRecord) -> bool {
        record.device == self.device && record.changed_ms >= self.since_ms
    }

    /// Whether the device displaced it since. Labels know seconds only; within the
    /// first one, the inode knows more, unless it was touched since.
    pub(super) fn is_displaced_by(&self, version: &Version) -> bool {
        let first_s = self.since_ms / 1000;
        let changed_ms = u64::try_from(version.ctime_ns / 1_000_000).unwrap_or(0);
        let is_since = match version.displaced_ms / 1000 == first_s {
            true => changed_ms >= self.since_ms,
            false => version.displaced_ms >= self.since_ms,
        };
        is_since && version.device_short == self.device.short()
    }

    /// Whether nobody else ever had a part in it.
    fn is_alone_in(&self, record: &FileRecord) -> bool {
        let counters = record.version.counters();
        !counters.is_empty() && counters.iter().all(|(author, _)| self.authors.contains(author))
    }

    /// Whether what was written then is the device's own doing, as it alone had a part in it.
    fn is_own_writing(&self, shown: Option<&FileRecord>, mtime_ns: i64) -> bool {
        let since_ms = i64::try_from(self.since_ms.saturating_sub(TICK_MS)).unwrap_or(i64::MAX);
        let since_ns = since_ms.saturating_mul(1_000_000);
        mtime_ns >= since_ns && shown.is_some_and(|shown| self.is_alone_in(shown))
    }

    fn versions_of(&self, path: &RelPath) -> &[Version] {
        self.versions.get(path).map_or(&[], Vec::as_slice)
    }

    /// What the device displaced of a path without anybody else in between, and
    /// who displaced something of it afterwards.
    fn run(&self, path: &RelPath) -> (Vec<&Version>, Option<&Version>) {
        let (mut run, mut after) = (Vec::new(), None);
        for version in self.versions_of(path).iter().filter(is_of_tree) {
            match self.is_displaced_by(version) {
                true => {
                    if after.take().is_some() {
                        run.clear();
                    }
                    run.push(version);
                }
                false if run.is_empty() => {}
                false => after = Some(version),
            }
        }
        (run, after)
    }

    fn renames(&self) -> Renames<'_> {
        let (to, from) = (BTreeMap::new(), BTreeMap::new());
        let deleted = self
            .versions
            .values()
            .flatten()
            .filter(|version| is_deletion(version) && self.is_displaced_by(version));
        let deleted = deleted.map(|version| (version.size_bytes, version.mtime_ns)).collect();
        let mut renames = Renames { to, from, deleted };
        for (path, entry) in &self.entries {
            let Some(shown) = entry.shown().filter(|shown| self.is_by(shown)) else { continue };
            let (from, to) = match (&shown.content, &shown.moved_from) {
                (Content::Tombstone { moved_to: Some(to) }, _) => (path, to),
                (_, Some(from)) => (&from.path, path),
                _ => continue,
            };
            renames.to.insert(from, to);
            renames.from.insert(to, from);
        }
        renames
    }

    /// What is to be done about a path; nothing where it is as it was before,
    /// or the device did not change it.
    fn action(&self, path: &RelPath, renames: &Renames<'_>) -> Option<Action> {
        let entry = &self.entries[path];
        let (run, after) = self.run(path);
        let shown = entry.shown();
        let is_touched = entry.heads.iter().any(|head| self.is_by(&head.record));
        if !is_touched && run.is_empty() && !renames.to.contains_key(path) {
            return None;
        }
        if entry.heads.is_conflict() {
            return Some(Action::Leave(Why::Conflict));
        }
        if entry.ignored || entry.is_local() {
            let why = if entry.ignored { Why::Ignored } else { Why::Local };
            return Some(Action::Leave(why));
        }
        if let Some(shown) = shown.filter(|shown| self.is_by(shown) && entry.is_needed()) {
            let is_not_here_yet =
                run.is_empty() && entry.present().is_none_or(|disk| !self.is_by(&disk.record));
            return Some(match is_not_here_yet {
                true => Action::Insist(shown.version.clone()),
                false => Action::Leave(Why::Syncing),
            });
        }
        let before = match self.before(path, &run, renames)? {
            Ok(before) => before,
            Err(why) => return Some(Action::Leave(why)),
        };
        if self.holds(entry, &before) {
            return None;
        }
        match (shown.filter(|shown| !self.is_by(shown)), after) {
            (Some(shown), _) if shown.device == self.device => return None,
            (Some(shown), _) => return Some(Action::Leave(Why::ChangedBy(shown.device))),
            (None, Some(after)) => {
                let short = after.device_short.clone();
                return Some(Action::Leave(Why::ChangedByShort(short)));
            }
            (None, None) => {}
        }
        Some(match before {
            Before::Version(version) => Action::Restore(version.clone()),
            Before::At(there) => Action::MoveBack(there.clone()),
            Before::Nothing => match renames.from.get(path) {
                Some(source) if self.has_other(source, entry) => {
                    Action::Leave(Why::Taken((*source).clone()))
                }
                _ => Action::Remove,
            },
        })
    }

    /// Whether there is something else at `path` than there is here.
    fn has_other(&self, path: &RelPath, here: &Entry) -> bool {
        let there = self.entries.get(path).and_then(Entry::present);
        there.is_some_and(|there| {
            let (there, here) = (&there.record.content, here.present());
            here.is_none_or(|here| !here.record.content.is_same_data(there))
        })
    }

    /// What a path held before the device changed it, as far as that can be
    /// told. Nothing where there is nothing to say of it.
    fn before<'a>(
        &'a self,
        path: &'a RelPath,
        run: &[&'a Version],
        renames: &Renames<'a>,
    ) -> Option<Result<Before<'a>, Why>> {
        let entry = &self.entries[path];
        let shown = entry.shown();
        let came = renames.from.get(path).is_some_and(|source| self.was_moved(source));
        if let Some(first) = run.first() {
            let (era, is_first) = self.last_era(path, run);
            if came && is_first && !era.is_empty() {
                // What was displaced here had come by the rename.
                return Some(Ok(Before::Nothing));
            }
            let is_own = self.is_own_writing(shown, first.mtime_ns);
            return Some(Ok(if is_own { Before::Nothing } else { Before::Version(first) }));
        }
        if came {
            return Some(Ok(Before::Nothing));
        }
        if let Some(there) = renames.to.get(path) {
            return match self.moved_content(there, renames) {
                Some(Before::Nothing) => None,
                Some(before) => Some(Ok(before)),
                None => Some(Err(Why::NotKept)),
            };
        }
        let shown = shown?;
        if shown.content.is_tombstone() {
            // What came and went was never here.
            return (!self.is_alone_in(shown)).then_some(Err(Why::NotKept));
        }
        Some(self.if_made(path, shown, renames))
    }

    /// Of a path of which nothing was displaced: whether the device made it.
    fn if_made<'a>(
        &self,
        path: &RelPath,
        shown: &FileRecord,
        renames: &Renames<'a>,
    ) -> Result<Before<'a>, Why> {
        if matches!(shown.content, Content::Directory { .. }) || shown.moved_from.is_some() {
            return Ok(Before::Nothing);
        }
        let decided = |version: &&Version| {
            version.reason == VersionReason::Resolved && self.is_displaced_by(version)
        };
        if self.versions_of(path).iter().any(|version| decided(&version)) {
            return Err(Why::Decided);
        }
        if shown.is_metadata_edit() {
            return Err(Why::SameContent);
        }
        if shown.changed_ms < self.kept_since_ms {
            return Err(Why::NotKept);
        }
        let is_alone = self.is_alone_in(shown);
        let nothing = BlockList::default().content_id();
        let last = self.versions_of(path).iter().rfind(is_of_tree);
        let was_deleted = last.is_some_and(is_deletion);
        let was_elsewhere = match &shown.content {
            Content::File { size_bytes, mtime_ns, .. } => {
                renames.deleted.contains(&(*size_bytes, *mtime_ns))
            }
            _ => false,
        };
        match shown.previous {
            // An empty file that was filled at once: how programs make files.
            Some(previous) if is_alone && previous == nothing => Ok(Before::Nothing),
            None if is_alone || was_deleted || was_elsewhere || self.new.contains(path) => {
                Ok(Before::Nothing)
            }
            Some(_) | None => Err(Why::NotKept),
        }
    }

    /// What was displaced since the path last came to be, and whether that was
    /// the first time.
    fn last_era<'a, 'v>(
        &self,
        path: &RelPath,
        run: &'a [&'v Version],
    ) -> (&'a [&'v Version], bool) {
        let ends = |version: &&Version| is_deletion(version);
        let is_gone = self
            .entries
            .get(path)
            .and_then(Entry::shown)
            .is_none_or(|shown| matches!(shown.content, Content::Tombstone { moved_to: None }));
        let lived = match run.split_last() {
            Some((last, rest)) if is_gone && ends(last) => rest,
            _ => run,
        };
        let start = lived.iter().rposition(ends).map_or(0, |last| last + 1);
        (&run[start..], start == 0)
    }

    /// Whether the file itself was renamed here, rather than deleted at the old
    /// path and made at the new one.
    fn was_moved(&self, source: &RelPath) -> bool {
        let (run, _) = self.run(source);
        run.last().is_none_or(|last| !is_deletion(last))
    }

    /// The content that a rename brought to `there`, wherever it is now.
    fn moved_content<'a>(
        &'a self,
        there: &'a RelPath,
        renames: &Renames<'a>,
    ) -> Option<Before<'a>> {
        let mut there = there;
        for _ in 0..RENAMES {
            let entry = self.entries.get(there)?;
            let shown = entry.shown();
            let (run, _) = self.run(there);
            if let Some(first) = self.last_era(there, &run).0.first() {
                let is_own = self.is_own_writing(shown, first.mtime_ns);
                return Some(if is_own { Before::Nothing } else { Before::Version(first) });
            }
            if shown.is_some_and(|shown| !self.is_by(shown)) {
                return None;
            }
            match (shown.map(|shown| &shown.content), renames.to.get(there)) {
                // Where it was made since, too, this is more than was there; that it was
                // only touched since cannot be told from that.
                (Some(Content::File { .. }), _) => return Some(Before::At(there)),
                (Some(Content::Tombstone { .. }) | None, Some(next)) => there = next,
                _ => return None,
            }
        }
        None
    }

    /// Whether the tree has that already.
    fn holds(&self, entry: &Entry, before: &Before<'_>) -> bool {
        let content = entry.present().map(|disk| &disk.record.content);
        match (before, content) {
            (Before::Nothing, content) => content.is_none(),
            (Before::Version(version), Some(Content::File { size_bytes, mtime_ns, .. })) => {
                version.target.is_none()
                    && (version.size_bytes, version.mtime_ns) == (*size_bytes, *mtime_ns)
            }
            (Before::Version(version), Some(Content::Symlink { target })) => {
                version.target.as_ref() == Some(target)
            }
            (Before::At(there), Some(_)) => !self.has_other(there, entry),
            (Before::Version(_) | Before::At(_), _) => false,
        }
    }
}
