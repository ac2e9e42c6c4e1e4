//! Entries: everything that this device knows of one path.

use crate::heads::{Head, Heads, HolderSet, Slot};
use crate::id::Sequence;
use crate::record::{Content, FileRecord};
use crate::resolve::combine;
use crate::sabotage::{Sabotage, is};

/// What `lstat` said of a path when it was last observed, as far as it tells
/// whether the path has changed since.
///
/// All of it is compared: a program that puts the old modification time back
/// still changes `ctime_ns`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct Stat {
    /// The size in bytes.
    pub size_bytes: u64,
    /// The modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// The time of the inode's last change, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// The inode number.
    pub inode: u64,
    /// The file type and all permission bits, as in `st_mode`.
    pub mode: u32,
}

/// What is in the tree at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OnDisk {
    /// The version that the tree holds. Where `local` is set, its content is
    /// what is on disk, and its version the one that was changed locally. Where
    /// its version is empty, it is none: a head's data, found with another mode
    /// or time, which are yet to be set.
    pub record: FileRecord,
    /// As last observed.
    pub stat: Stat,
    /// The content was changed in a receive-only folder and belongs to no version.
    pub local: bool,
}

/// Everything that this device knows of one path.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// The maximal records, and who holds each.
    pub heads: Heads,
    /// What is in the tree; `None` when nothing is there.
    pub disk: Option<OnDisk>,
    /// A version that was being put into the tree when another superseded it,
    /// or may have been when a crash came. If it is found there, it is no edit
    /// of this device. Cleared once it is known what became of it.
    pub landing: Option<FileRecord>,
    /// The tree's content changed though its `stat` did not: no program wrote
    /// it in the open, so the disk may have. It then counts as a local change
    /// (`OnDisk::local`) of any folder until a person has decided (D9).
    pub suspect: bool,
    /// An ignore rule covers the path: it is neither scanned nor changed, and
    /// `disk` is what it was before.
    pub ignored: bool,
    /// This device's sequence when what it announces of the path last changed;
    /// 0 when it has nothing to announce. Assigned by the index.
    pub sequence: Sequence,
}

impl Entry {
    /// The head that every device shows.
    pub fn shown(&self) -> Option<&FileRecord> {
        self.heads.shown().map(|head| &head.record)
    }

    /// What this device can say that it durably holds: its heads, and an older
    /// version if that is what its tree still has.
    pub fn announced(&self) -> Vec<&FileRecord> {
        let mut held: Vec<&FileRecord> = self
            .heads
            .iter()
            .filter(|head| head.holders.contains(Slot::ME))
            .map(|head| &head.record)
            .collect();
        if let Some(disk) = self.disk.as_ref().filter(|disk| !disk.local && !self.ignored)
            && !disk.record.version.is_empty()
            && !held.contains(&&disk.record)
        {
            held.push(&disk.record);
        }
        held
    }

    /// Whether the tree shows what it should, down to mode and time. A deletion
    /// is not settled while an older version may be on its way into the tree:
    /// whoever hears that it is may forget it, and take that version for news.
    pub fn is_settled(&self) -> bool {
        match (self.shown(), &self.disk) {
            (None, None) => true,
            (Some(shown), None) => {
                let is_due = self.landing.is_some() && !is(Sabotage::ClaimDeletionEarly);
                shown.content.is_tombstone() && !is_due
            }
            (None, Some(_)) => false,
            (Some(shown), Some(disk)) => !disk.local && disk.record.content.matches(&shown.content),
        }
    }

    /// What is in the tree, if anything: a deletion that a receive-only folder
    /// keeps to itself is nothing.
    pub fn present(&self) -> Option<&OnDisk> {
        self.disk.as_ref().filter(|disk| !disk.record.content.is_tombstone())
    }

    /// Whether the tree differs from every version, which only a receive-only
    /// folder leaves so.
    pub fn is_local(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.local)
    }

    /// Whether this device lacks anything of the path: a head's content, the
    /// shown head in the tree, or the version that its heads combine into.
    /// Local changes of a receive-only folder wait for a person and are
    /// counted apart.
    pub fn is_needed(&self) -> bool {
        !self.ignored
            && !self.is_local()
            && (!self.is_settled()
                || self.heads.iter().any(|head| !head.holders.contains(Slot::ME))
                || combine(self).is_some())
    }

    /// Records a write of this device that everyone should take over: the new
    /// record joins the heads and is held here.
    pub fn write(&mut self, record: FileRecord) {
        self.heads.learn(Head { record, holders: HolderSet::only(Slot::ME) });
    }

    /// Marks the heads that are held here: the shown one once the tree agrees
    /// with it, others whose data the tree has, and files that `keeps` says
    /// are in the store of heads. The record of anything but a file is all
    /// there is to keep of it: a deletion is told even while what concurs with
    /// it is still on its way, or others would wait for what it took away.
    pub fn refresh_held(&mut self, keeps: impl Fn(&FileRecord) -> bool) {
        if self.ignored {
            self.heads.set_holder(Slot::ME, |_| false);
            return;
        }
        let settled = self.is_settled();
        let shown = self.shown().cloned();
        let disk =
            self.disk.as_ref().filter(|disk| !disk.local).map(|disk| disk.record.content.clone());
        self.heads.set_holder(Slot::ME, |record| {
            if Some(record) == shown.as_ref() {
                return settled || is(Sabotage::ClaimUninstalled);
            }
            match &record.content {
                Content::File { .. } => {
                    disk.as_ref().is_some_and(|disk| disk.is_same_data(&record.content))
                        || keeps(record)
                        || is(Sabotage::ClaimUnkept)
                }
                Content::Tombstone { .. } | Content::Symlink { .. } | Content::Directory { .. } => {
                    true
                }
            }
        });
    }
}
