//! Which vanished path became which new one, and the deletions that are left.
//!
//! A deletion is written only after a complete scan under a verified root
//! missed the path and a second look confirmed it. A path that vanished and one
//! that appeared with the same inode, size and time are taken for a rename:
//! at once if even the time of the inode's change is the same (a directory
//! above was renamed), otherwise if reading it shows the same content.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::diff::{Change, diff};
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{Content, ContentId, Entry, Index, MovedFrom, RelPath, Stat};

use super::{Local, Scan};
use crate::engine::{Engine, Mode};
use crate::io::{Absence, Effect};

/// What a rename keeps of a file.
type RenameKey = (u64, u64, i64);

fn rename_key(stat: &Stat) -> RenameKey {
    (stat.inode, stat.size_bytes, stat.mtime_ns)
}

impl<I: Index> Engine<I> {
    pub(super) fn match_renames(&mut self, mut scan: Scan) {
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
                None => self.local.queue.insert(path, stat),
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
    pub(super) fn settle_replaced(&mut self) -> Result<(), I::Error> {
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
                Change::Read(stat) => self.local.queue.insert(path, stat),
                change => self.take_over(&path, &entry, change, None)?,
            }
        }
        Ok(())
    }

    /// Writes a deletion; returns what the path held, for the new path of a rename.
    pub(super) fn depart(
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
        let Some(record) = self.writer(entry).edit(entry, Content::Tombstone { moved_to }, None)
        else {
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

    /// Writes the deletion of a path that may have been renamed to `new`, which holds `content`.
    pub(super) fn depart_to(
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
}
