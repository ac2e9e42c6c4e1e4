//! What must hold of a device from one moment to the next, and what can only be
//! told of a world at rest by what was seen on the way.

use std::collections::BTreeSet;

use driftless_core::index::Flag;
use driftless_core::{Content, ContentId, Entry, FileRecord, Heads, RelPath, Sequence, Slot};
use driftless_engine::Input;

use super::{World, WorldIndex};
use crate::world::device::{Device, id_of};
use crate::world::disk::Node;

/// What is taken from a tree within this time counts together.
const BRAKE_WINDOW_US: u64 = 600_000_000;

/// A device before it handles what has gathered.
#[derive(Debug)]
pub(crate) struct Watch {
    last: Sequence,
    /// Conflicts that only an edit of this device's tree can touch.
    undecided: Vec<(RelPath, Entry)>,
}

impl<I: WorldIndex> World<I> {
    pub(crate) fn watch(&self, device: usize, inputs: &[Input]) -> Watch {
        let index = self.devices[device].index();
        let is_chosen = |input: &Input| matches!(input, Input::Kept { content, .. } if self.ledger.chosen.contains_key(content));
        let may_decide = |input: &Input| {
            is_chosen(input)
                || matches!(
                    input,
                    Input::IndexUpdate(..)
                        | Input::Connected { .. }
                        | Input::Resolve(_)
                        | Input::Override
                        | Input::Insist(_)
                        | Input::Revert(_)
                )
        };
        let undecided = match inputs.iter().any(may_decide) {
            true => Vec::new(),
            false => index.flagged(Flag::Conflict, None, usize::MAX).unwrap_or_default(),
        };
        Watch { last: index.last_sequence(), undecided }
    }

    /// Checks what a device has come to say since `watch`.
    pub(crate) fn check_since(&mut self, device: usize, watch: &Watch) {
        let this = &self.devices[device];
        let said = this.index().announced_after(watch.last, usize::MAX).unwrap_or_default();
        let mut problem =
            said.iter().find_map(|(path, entry)| check_receipts(this, path, entry).err());
        for (path, before) in &watch.undecided {
            let after = this.index().get(path).ok().flatten().unwrap_or_default();
            problem = problem.or(check_decision(device, path, before, &after).err());
        }
        if let Some(problem) = problem {
            self.fail(format!("{problem} on device {device}"));
        }
    }

    /// H13: no more files than the brake lets go are taken from a tree unasked. Twice
    /// as much is let pass here, because the engine counts anew now and then.
    pub(crate) fn check_brake(&mut self, device: usize, path: &RelPath, taken: ContentId) {
        let this = &mut self.devices[device];
        let Some(brake) = this.config.brake else { return };
        let files = this.disk.now.tree.values().filter(|node| !node.is_directory()).count() as u64;
        this.most_files = this.most_files.max(files + 1);
        let is_elsewhere = |node: &Node| node.blob().is_some_and(|blob| blob.content == taken);
        if this.disk.now.tree.values().any(is_elsewhere) {
            return;
        }
        let share = this.most_files * brake.percent / 100;
        let Some((since_us, lost)) = this.losses.as_mut() else { return };
        if self.now_us.abs_diff(*since_us) > BRAKE_WINDOW_US {
            (*since_us, *lost) = (self.now_us, BTreeSet::new());
        }
        lost.insert(path.clone());
        if lost.len() as u64 > 2 * brake.at_least.max(share + 1) {
            self.fail(format!("H13: device {device} takes files away unasked"));
        }
    }

    /// C2, C6, I7: a live head hides a deletion, a directory keeps its path, and
    /// what is shown depends on no clock.
    pub(super) fn check_views(&self) -> Result<(), String> {
        for number in 0..self.devices.len() {
            let entries = self.entries(number);
            for (path, entry) in entries.into_iter().filter(|(_, entry)| entry.heads.len() > 1) {
                let highest = entry.heads.iter().map(|head| rank(&head.record)).max();
                if entry.shown().map(rank) != highest {
                    return Err(format!("C6: {path} shows the wrong kind on device {number}"));
                }
                let latest = entry.heads.iter().map(|head| head.record.changed_ms).max();
                let mirrored = entry.heads.iter().cloned().map(|mut head| {
                    head.record.changed_ms = latest.unwrap_or_default() - head.record.changed_ms;
                    head
                });
                let mirrored = Heads::from_heads(mirrored);
                let version = |heads: &Heads| heads.shown().map(|it| it.record.version.clone());
                if version(&mirrored) != version(&entry.heads) {
                    return Err(format!("I7: a clock decides what {path} shows"));
                }
            }
        }
        Ok(())
    }

    /// N9: what was deleted, as somebody knows, stays so; unless a device that
    /// was removed brings it back.
    pub(super) fn check_deletions(&self) -> Result<(), String> {
        if self.ledger.was_removed {
            return Ok(());
        }
        for number in 0..self.devices.len() {
            for (path, entry) in self.entries(number) {
                let shown = entry.shown().filter(|shown| !shown.content.is_tombstone());
                if shown.is_some_and(|shown| self.ledger.is_deleted(&path, shown)) {
                    return Err(format!("N9: {path} was deleted and is back on device {number}"));
                }
            }
        }
        Ok(())
    }

    /// I2: whatever stands in a tree is whole: someone wrote it so.
    pub(super) fn check_wholeness(&self) -> Result<(), String> {
        for (number, device) in self.devices.iter().enumerate() {
            for (path, node) in &device.disk.now.tree {
                let Some(blob) = node.blob() else { continue };
                if !self.ledger.written.contains_key(&blob.content) {
                    let text = blob.text();
                    return Err(format!("I2: nobody wrote {text:?}, as {path} has it on {number}"));
                }
            }
        }
        Ok(())
    }
}

fn rank(record: &FileRecord) -> u8 {
    match record.content {
        Content::Tombstone { .. } => 0,
        Content::Symlink { .. } | Content::File { .. } => 1,
        Content::Directory { .. } => 2,
    }
}

/// The contents that are held as heads and are not in the tree.
fn kept_beside(entry: &Entry) -> BTreeSet<ContentId> {
    let in_tree = entry.present().and_then(|disk| disk.record.content.file());
    let held = entry.heads.iter().filter(|head| head.holders.contains(Slot::ME));
    let contents = held.filter_map(|head| head.record.content.file());
    contents.filter(|&file| Some(file) != in_tree).map(|(content, _)| content).collect()
}

/// I3: what a device says that it holds, it holds.
fn check_receipts<I: WorldIndex>(
    device: &Device<I>,
    path: &RelPath,
    entry: &Entry,
) -> Result<(), String> {
    if let Some(disk) = entry.present()
        && let Some((content, _)) = disk.record.content.file()
        && let Some(node) = device.disk.get(path).filter(|node| node.stat() == disk.stat)
        && node.blob().is_none_or(|blob| blob.content != content)
    {
        return Err(format!("I3: {path} is taken for what it is not"));
    }
    let heads = &device.disk.now.heads;
    match kept_beside(entry).iter().find(|content| !heads.contains_key(*content)) {
        Some(_) => Err(format!("I3: a version of {path} is announced that is not held")),
        None => Ok(()),
    }
}

/// C1: an edit of what is shown decides no conflict.
fn check_decision(
    device: usize,
    path: &RelPath,
    before: &Entry,
    after: &Entry,
) -> Result<(), String> {
    let base = before.present().map(|disk| &disk.record);
    let is_new_edit = |record: &&FileRecord| {
        record.device == id_of(device)
            && record.previous.is_some()
            && !before.heads.contains(record)
    };
    for edit in after.heads.iter().map(|head| &head.record).filter(is_new_edit) {
        let is_decided = |side: &FileRecord| {
            side.content.file().is_some_and(|(content, _)| edit.previous != Some(content))
                && !side.content.is_same_data(&edit.content)
                && base.is_none_or(|base| {
                    !base.version.includes(&side.version)
                        && !base.content.is_same_data(&side.content)
                })
                && edit.version.includes(&side.version)
        };
        if before.heads.iter().any(|head| is_decided(&head.record)) {
            return Err(format!("C1: an edit of {path} decides a conflict"));
        }
    }
    Ok(())
}
