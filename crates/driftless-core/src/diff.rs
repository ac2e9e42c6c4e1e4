//! What a path's observed state means against what is known of it.
//!
//! Decides whether a person (or program) changed the path, and which version
//! the change gets. Only what was really observed comes here: a path that
//! could not be listed is never "absent".

use crate::block::Level;
use crate::entry::{Entry, Stat};
use crate::id::{Author, ContentId, DeviceId, Sequence};
use crate::policy::MAX_ROUNDS;
use crate::record::{Content, FileRecord, MODE_MASK, MovedFrom};
use crate::sabotage::{Sabotage, is};
use crate::version::{MAX_AUTHORS, VersionVector};

/// What was seen at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Observed {
    /// Its directory was listed and the name was not there.
    Absent,
    /// A directory.
    Directory(Stat),
    /// A symlink with this target.
    Symlink(Stat, Box<str>),
    /// A regular file whose content was not read.
    File(Stat),
    /// A regular file that was read whole and did not change meanwhile.
    Hashed {
        /// As it was before and after reading.
        stat: Stat,
        /// Names the content.
        content: ContentId,
        /// The block sizes used.
        level: Level,
    },
}

/// What an observation means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing changed.
    Nothing,
    /// The same content under another inode, time of change or the like.
    Restat(Stat),
    /// The file may have changed: its content has to be read.
    Read(Stat),
    /// The path holds what this head holds, or what was on its way into the
    /// tree; the tree has that version now.
    Adopt(FileRecord, Stat),
    /// Someone wrote this to the path.
    Write(Content, Stat),
    /// Someone deleted the path.
    Delete,
    /// The content changed and the `stat` did not: nobody wrote this.
    Rot(Content, Stat),
}

/// Decides what `observed` means for a path of which `entry` is known.
pub fn diff(entry: &Entry, observed: &Observed) -> Change {
    let known = entry.present();
    let (content, stat) = match observed {
        Observed::Absent => return if known.is_some() { Change::Delete } else { Change::Nothing },
        Observed::File(stat) => {
            let is_same = |known: &Stat| {
                let (a, b) = (known, stat);
                a == b
                    || (is(Sabotage::TrustSizeAndTime)
                        && (a.size_bytes, a.mtime_ns, a.mode) == (b.size_bytes, b.mtime_ns, b.mode))
            };
            let unchanged = known
                .is_some_and(|disk| is_same(&disk.stat) && disk.record.content.file().is_some());
            return if unchanged { Change::Nothing } else { Change::Read(*stat) };
        }
        Observed::Directory(stat) => (Content::Directory { mode: mode_of(stat) }, *stat),
        Observed::Symlink(stat, target) => (Content::Symlink { target: target.clone() }, *stat),
        Observed::Hashed { stat, content, level } => {
            let (content, level) = (*content, *level);
            let (size_bytes, mode, mtime_ns) = (stat.size_bytes, mode_of(stat), stat.mtime_ns);
            (Content::File { content, size_bytes, level, mode, mtime_ns }, *stat)
        }
    };
    if let Some(disk) = known
        && disk.record.content.matches(&content)
    {
        // A directory's times and size change with what it holds.
        let matters = disk.stat != stat && !matches!(content, Content::Directory { .. });
        return if matters { Change::Restat(stat) } else { Change::Nothing };
    }
    if !entry.is_local()
        && let Observed::Hashed { stat, .. } = observed
        && let Some(disk) = known
        && disk.stat == *stat
        && disk.record.content.file().is_some()
    {
        return Change::Rot(content, *stat);
    }
    if !entry.is_local() {
        let exact = entry.heads.iter().find(|head| head.record.content.matches(&content));
        let same_data_as_known =
            known.is_some_and(|disk| disk.record.content.is_same_data(&content));
        let shown = entry.shown().filter(|shown| shown.content.is_same_data(&content));
        let first = entry.heads.iter().find(|head| head.record.content.is_same_data(&content));
        let adopted = match (exact, known) {
            (Some(head), _) if known.is_none() || Some(&head.record) == entry.shown() => {
                Some(&head.record)
            }
            (_, None) => first.map(|head| &head.record),
            (_, Some(_)) if !same_data_as_known => shown,
            _ => None,
        };
        let landed = entry.landing.as_ref().filter(|record| {
            record.content.matches(&content)
                || !same_data_as_known && record.content.is_same_data(&content)
        });
        if let Some(record) = adopted.or(landed) {
            return Change::Adopt(record.clone(), stat);
        }
    }
    Change::Write(content, stat)
}

/// The permission bits that are kept of a file's mode.
pub fn mode_of(stat: &Stat) -> u16 {
    (stat.mode as u16) & MODE_MASK
}

/// How a settled conflict is opened again ([`Writer::reopen`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reopening {
    /// The versions that are not shown.
    pub losers: Vec<FileRecord>,
    shown: Content,
    seen: VersionVector,
    author: Author,
}

impl Reopening {
    /// The version that is shown, counted by `writer` after the losers.
    pub fn shown(self, writer: &Writer) -> Option<FileRecord> {
        writer.record(&self.seen, self.author, self.shown, None, None).map(spent)
    }
}

/// `record`, which no policy is to act on: a person took back how it was decided.
fn spent(record: FileRecord) -> FileRecord {
    FileRecord { policy_rounds: MAX_ROUNDS, ..record }
}

/// Who writes, and when their clock says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Writer {
    /// The device.
    pub device: DeviceId,
    /// Under whom it counts.
    pub author: Author,
    /// Its clock, in milliseconds since 1970; shown, never decisive.
    pub now_ms: u64,
    /// The last sequence of its index. Edits count above it, so that no count
    /// of an author is ever used twice, not even for a path that was deleted,
    /// forgotten and made again.
    pub last_sequence: Sequence,
}

impl Writer {
    /// The record of an edit of the tree that made `content` of a path.
    ///
    /// It supersedes the version that the tree had, what holds the same data as
    /// before or after, and deletions; concurrent heads of other data stay, as
    /// a conflict. That a file was moved away, or given another mode, stays
    /// known beside an edit that was made without that, which is to follow it
    /// (C3, C16). `None` when the author's counter is used up.
    pub fn edit(
        &self,
        entry: &Entry,
        content: Content,
        moved_from: Option<MovedFrom>,
    ) -> Option<FileRecord> {
        let known = entry.disk.as_ref();
        let edited = known.map(|disk| &disk.record.content).filter(|edited| {
            edited.file().is_some() && content.file().is_some() && !edited.is_same_data(&content)
        });
        let is_followed = |record: &&FileRecord| match &record.content {
            Content::Tombstone { moved_to } => edited.is_some() && moved_to.is_some(),
            other => edited.is_some_and(|edited| {
                record.is_metadata_edit()
                    && edited.is_same_data(other)
                    && edited.mode() != other.mode()
            }),
        };
        let bases = known.map(|disk| &disk.record.content).into_iter().chain([&content]);
        let mut seen = known.map(|disk| disk.record.version.clone()).unwrap_or_default();
        for base in bases {
            let superseded = entry.heads.superseded_by_edit_of(base);
            for record in superseded.filter(|record| !is_followed(record)) {
                seen = seen.joined(&record.version);
            }
        }
        let previous =
            known.and_then(|disk| disk.record.content.file()).map(|(content, _)| content);
        let author = self.author_beside(entry, &seen);
        self.record(&seen, author, content, previous, moved_from)
    }

    /// The record of a choice among all heads: it supersedes every one.
    pub fn choose(&self, entry: &Entry, content: Content) -> Option<FileRecord> {
        let mut seen =
            entry.disk.as_ref().map(|disk| disk.record.version.clone()).unwrap_or_default();
        for head in entry.heads.iter() {
            seen = seen.joined(&head.record.version);
        }
        self.record(&seen, self.author, content, None, None)
    }

    /// The records that bring `sides` back as heads next to each other: each
    /// supersedes all that is known of the path, and none of the others. They
    /// are to be stored in two steps, so that the first side is the one that is
    /// shown where kinds do not decide: `losers` now, which counts all but the
    /// first, and `shown` once those have their sequence.
    ///
    /// `None` where there are more sides than names to count them under, or the
    /// counters are used up.
    pub fn reopen(&self, entry: &Entry, sides: &[Content]) -> Option<Reopening> {
        let mut seen =
            entry.disk.as_ref().map(|disk| disk.record.version.clone()).unwrap_or_default();
        for head in entry.heads.iter() {
            seen = seen.joined(&head.record.version);
        }
        let is_free = |author: &Author| seen.get(*author) <= self.last_sequence.0;
        let mut names: Vec<Author> = self.author.branches().filter(is_free).collect();
        // What was counted least so far grows the most, and the heaviest is shown.
        names.sort_by_key(|author| seen.get(*author));
        let (first, rest) = sides.split_first()?;
        if names.len() < sides.len() || seen.bumped(names[0], self.last_sequence.0 + 1).is_none() {
            return None;
        }
        let mut losers = Vec::with_capacity(rest.len());
        for (content, author) in rest.iter().zip(&names[1..]) {
            seen.bumped(*author, self.last_sequence.0)?;
            losers.push(spent(self.record(&seen, *author, content.clone(), None, None)?));
        }
        Some(Reopening { losers, shown: first.clone(), seen, author: names[0] })
    }

    /// The name to count under so that an edit of what `seen` has seen does not
    /// supersede, or take the version of, another head of this device's own.
    fn author_beside(&self, entry: &Entry, seen: &VersionVector) -> Author {
        let beside: Vec<_> = entry
            .heads
            .iter()
            .map(|head| &head.record.version)
            .filter(|version| !seen.includes(version))
            .collect();
        let is_free = |author: &Author| {
            beside.iter().all(|version| version.get(*author) <= seen.get(*author))
        };
        let branches = self.author.branches();
        let free = branches.filter(|_| !is(Sabotage::CountInOneBranch)).find(is_free);
        free.unwrap_or(self.author)
    }

    /// `author`, or else a further name of this device's own, under which nobody
    /// claims more edits than there can have been. Only a device that lies does
    /// that (H8); its claims must not keep this one from editing.
    fn unclaimed(&self, author: Author, seen: &VersionVector) -> Option<Author> {
        let further = (0..=MAX_AUTHORS as u64).map(|number| self.author.branch(number));
        std::iter::once(author)
            .chain(further)
            .find(|author| seen.get(*author) <= self.last_sequence.0)
    }

    fn record(
        &self,
        seen: &VersionVector,
        author: Author,
        content: Content,
        previous: Option<ContentId>,
        moved_from: Option<MovedFrom>,
    ) -> Option<FileRecord> {
        let floor = if is(Sabotage::ReuseCounter) { 0 } else { self.last_sequence.0 };
        let author = self.unclaimed(author, seen)?;
        // What was made under more names than a version may have is not built
        // upon: the edit stands beside it, as a conflict.
        let bumped =
            seen.bumped(author, floor).or_else(|| VersionVector::new().bumped(author, floor));
        let version = match bumped? {
            _ if is(Sabotage::KeepVersion) && !seen.is_empty() => seen.clone(),
            version => version,
        };
        Some(FileRecord {
            version,
            content,
            previous,
            device: self.device,
            changed_ms: self.now_ms,
            moved_from,
            policy_rounds: 0,
        })
    }
}
