//! What an observation of the tree means: which edit is written, or kept to this device.

use driftless_core::diff::{Change, mode_of};
use driftless_core::{
    Content, Entry, FileRecord, Head, Index, MovedFrom, OnDisk, Problem, ProblemCode, RelPath,
    Stat, VersionVector,
};

use crate::engine::{Engine, Mode};
use crate::io::Event;

/// From this size on, in bytes, a file takes so long to be read that a warning
/// does not wait for it; and how many such warnings are remembered.
const LARGE_BYTES: u64 = 16 << 20;
const WARNED: usize = 1000;

impl<I: Index> Engine<I> {
    /// Writes what an observation means.
    pub(super) fn take_over(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        change: Change,
        moved_from: Option<MovedFrom>,
    ) -> Result<(), I::Error> {
        let mut after = Entry { landing: None, suspect: false, ..entry.clone() };
        let is_moved_away =
            |head: &Head| matches!(head.record.content, Content::Tombstone { moved_to: Some(_) });
        let warned = self.local.warned.remove(path);
        if !warned {
            self.warn_of_newer(path, entry, &change);
        }
        let follows = matches!(change, Change::Write(..)) && entry.heads.iter().any(is_moved_away);
        match self.if_adopted(entry, change) {
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
                if !is_known(entry, &record) {
                    // It was given up as lost, and is not.
                    after.write(record.clone());
                }
                let is_exact = content == record.content;
                let found = FileRecord { version: VersionVector::new(), content, ..record.clone() };
                let record = if is_exact { record } else { found };
                after.disk = Some(OnDisk { record, stat, local: false });
            }
            Change::Write(content, stat) => {
                let Some(disk) = self.written(path, entry, content, stat, moved_from) else {
                    return Ok(());
                };
                if !disk.local {
                    self.tell_replaced(path, entry, &disk.record.content);
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
                    self.tell_replaced(path, entry, &disk.record.content);
                    after.write(disk.record);
                    after.disk = None;
                }
            }
        }
        self.store(path, entry, after)?;
        if follows { self.follow_move(path) } else { Ok(()) }
    }

    /// Tells of an edit or deletion of what is known to be out of date.
    fn warn_of_newer(&mut self, path: &RelPath, entry: &Entry, change: &Change) {
        let Some((known, newer)) = self.newer_than_tree(entry) else { return };
        let (is_edit, deleted) = match change {
            Change::Write(content, _) => {
                let is_other = |one: &Content| !one.is_same_data(content);
                (is_other(known) && is_other(&newer.content), false)
            }
            Change::Delete => (true, true),
            _ => (false, false),
        };
        if is_edit {
            let device = newer.device;
            self.publish(Event::StaleEdit { path: path.clone(), device, deleted });
        }
    }

    /// Tells of a large file that is being written while a newer version of it
    /// is known, before it can be read: that takes its time, or its end.
    pub(super) fn warn_early(&mut self, path: &RelPath, entry: &Entry, stat: &Stat) {
        let is_written = entry.present().is_some_and(|disk| {
            (disk.stat.size_bytes, disk.stat.mtime_ns) != (stat.size_bytes, stat.mtime_ns)
        });
        let is_told = self.local.warned.contains(path) || self.local.warned.len() >= WARNED;
        if !is_written || is_told || stat.size_bytes < LARGE_BYTES {
            return;
        }
        if let Some((_, newer)) = self.newer_than_tree(entry) {
            let device = newer.device;
            self.local.warned.insert(path.clone());
            self.publish(Event::StaleEdit { path: path.clone(), device, deleted: false });
        }
    }

    /// What the tree holds, and a version of another device that was made from
    /// it and is still to take its place. What is found after a start may have
    /// been done before that version was heard of.
    fn newer_than_tree<'a>(&self, entry: &'a Entry) -> Option<(&'a Content, &'a FileRecord)> {
        if self.local.is_catching_up() {
            return None;
        }
        let disk = entry.present().filter(|disk| !disk.local && entry.landing.is_none())?;
        let held = &disk.record;
        let is_newer = |record: &&FileRecord| {
            record.device != self.config.device
                && record.version != held.version
                && record.version.includes(&held.version)
                && !record.content.is_tombstone()
                && !record.content.is_same_data(&held.content)
        };
        let is_edited = held.content.file().is_some() && !held.version.is_empty();
        let newer = entry.heads.iter().map(|head| &head.record).find(is_newer);
        newer.filter(|_| is_edited).map(|newer| (&held.content, newer))
    }

    /// `change`, or an edit where a version was found with another mode or time
    /// and nothing would set them: a send-only device applies none of others',
    /// and a version that was given up as lost is nothing to go by.
    fn if_adopted(&self, entry: &Entry, change: Change) -> Change {
        let Change::Adopt(record, stat) = change else { return change };
        let content = as_found(&record.content, &stat);
        let is_to_be_set = self.config.mode != Mode::SendOnly && is_known(entry, &record);
        match content == record.content || is_to_be_set {
            true => Change::Adopt(record, stat),
            false => Change::Write(content, stat),
        }
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
                policy_rounds: 0,
            };
            return Some(OnDisk { record, stat, local: true });
        }
        let record = self.writer(entry).edit(entry, content, moved_from);
        if record.is_none() {
            let message = "its history of edits is full; rename it to go on".to_owned();
            self.report(Problem { path: path.to_string(), code: ProblemCode::Io, message });
        }
        record.map(|record| OnDisk { record, stat, local: false })
    }

    pub(crate) fn publish_synced(&mut self, path: &RelPath, was_there: bool, record: &FileRecord) {
        let action = crate::engine::action_of(was_there, record);
        self.publish(Event::Synced { path: path.clone(), action, device: record.device });
    }
}

/// Whether `record` is among the heads, or superseded by one.
fn is_known(entry: &Entry, record: &FileRecord) -> bool {
    entry.heads.iter().any(|head| head.record.version.includes(&record.version))
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
