//! Connected devices and their indexes.
//!
//! A device's word about its own holdings is taken; what that means for the
//! tree is decided elsewhere. Updates come in the order of the device's own
//! sequence, so that a cursor says all of what has been taken over.

use std::collections::BTreeSet;

use driftless_core::diff::Writer;
use driftless_core::heads::MAX_HEADS;
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    Author, Content, Cursor, DeviceId, Entry, Epoch, FileRecord, Head, HolderSet, Index, RelPath,
    Sequence, Slot,
};
use driftless_proto::codec::path_update_bytes;
use driftless_proto::{FolderState, IndexUpdate, PathUpdate, Seen};

use crate::engine::Engine;
use crate::io::Effect;

/// What a device announces is taken over until the folder has so many heads,
/// its own files counted: about one for each path, at 200 to 500 bytes of the
/// database. Only what is new is refused then, so that nothing here is lost.
pub(crate) const MAX_FOLDER_HEADS: u64 = 1 << 22;

/// The most paths of one update, and roughly its most bytes.
const UPDATE_PATHS: usize = 2048;
const UPDATE_BYTES: usize = 700 << 10;

/// How often a device may say, while the folder is open, that this index was
/// rolled back: once is usual after a restored backup.
const MAX_RESTARTS: u32 = 8;

/// A connected device.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) slot: Slot,
    /// Its index is sent up to here.
    sent: Sequence,
    /// An update is on its way out.
    sending: bool,
    /// The device has said that another update follows at once.
    pub(crate) more: bool,
    /// Its index was received up to here, and nobody counts on that yet.
    received: Option<Sequence>,
}

impl<I: Index> Engine<I> {
    /// What to say of the folder to a device that has just connected, and to
    /// one that has just come to share it.
    pub fn introduction(&self, device: &DeviceId, label: String) -> Result<FolderState, I::Error> {
        let slot = self.index.devices().into_iter().find(|(_, known)| known == device);
        let cursor = slot.map_or(Ok(Cursor::default()), |(slot, _)| self.index.cursor(slot))?;
        let (sequence, wanted_after) = (cursor.heard, cursor.received);
        Ok(FolderState {
            id: self.config.folder.clone(),
            label,
            epoch: self.index.identity().epoch,
            sequence: self.index.last_sequence(),
            seen: cursor.epoch.map(|epoch| Seen { epoch, sequence, wanted_after }),
            acknowledged: cursor.acknowledged,
        })
    }

    pub(crate) fn connected(
        &mut self,
        device: DeviceId,
        state: &FolderState,
        spare: Epoch,
    ) -> Result<(), I::Error> {
        let Some(slot) = self.index.slot(&device)? else {
            self.effect(Effect::Disconnect { device, reason: "the folder has too many devices" });
            return Ok(());
        };
        let mut cursor = self.index.cursor(slot)?;
        let own = self.index.identity().epoch;
        let seen = state.seen.filter(|seen| seen.epoch == own);
        // It was removed, and remembers what may have been forgotten without it.
        let is_back =
            cursor.epoch.is_none() && seen.is_some_and(|seen| seen.sequence > Sequence(0));
        if cursor.epoch == Some(state.epoch) {
            if seen.map_or(Sequence(0), |seen| seen.sequence) < cursor.acknowledged {
                // Its index was rolled back, which it notices by what it is
                // told of its acknowledgements; then it comes anew.
                return Ok(());
            }
        } else if is(Sabotage::OverlookNewEpoch) && cursor.epoch.is_some() {
            cursor.epoch = Some(state.epoch);
        } else {
            self.index.clear_holder(slot)?;
            cursor.epoch = Some(state.epoch);
            (cursor.heard, cursor.received) = (Sequence(0), Sequence(0));
        }
        let was_rolled_back =
            |seen: Seen| seen.sequence > cursor.sent || state.acknowledged > cursor.heard;
        let was_rolled_back = seen.is_some_and(was_rolled_back) && !is(Sabotage::OverlookRollback);
        if is_back || was_rolled_back {
            let restarts = self.restarts.entry(device).or_default();
            *restarts += 1;
            if *restarts > MAX_RESTARTS {
                let reason = "it makes this device begin anew again and again";
                self.effect(Effect::Disconnect { device, reason });
                return Ok(());
            }
            // The device remembers what this index has said, or acknowledged,
            // and it does not, even if it has assigned as many sequences since.
            self.index.set_cursor(slot, cursor)?;
            self.links.clear();
            self.begin_epoch(spare, cursor.sent)?;
            let reason = if is_back {
                "the device was removed and is back; a new epoch begins"
            } else {
                "the index was rolled back; a new epoch begins"
            };
            self.effect(Effect::Reintroduce { reason });
            return Ok(());
        }
        cursor.acknowledged = seen.map_or(Sequence(0), |seen| seen.wanted_after);
        if is(Sabotage::NeverSendTwice) {
            cursor.acknowledged = cursor.sent;
        }
        self.index.set_cursor(slot, cursor)?;
        let more = state.sequence > cursor.received;
        self.links.insert(
            device,
            Link { slot, sent: cursor.acknowledged, sending: false, more, received: None },
        );
        self.wake_waiting();
        Ok(())
    }

    /// Starts over under another epoch, with other author counters. What this
    /// index has said after `certain` it may have said differently before, and
    /// is written anew. All that others have is heard again: what was
    /// forgotten since is known again, and what is nowhere any more is not.
    fn begin_epoch(&mut self, epoch: Epoch, certain: Sequence) -> Result<(), I::Error> {
        let old = self.index.identity().author;
        for (slot, _) in self.index.devices() {
            let cursor = self.index.cursor(slot)?;
            self.index.set_cursor(slot, Cursor { received: Sequence(0), ..cursor })?;
            self.index.clear_holder(slot)?;
        }
        let mut doubtful = Vec::new();
        let mut after = certain;
        loop {
            let page = self.index.announced_after(after, UPDATE_PATHS)?;
            let Some((_, last)) = page.last() else { break };
            after = last.sequence;
            doubtful.extend(page.into_iter().map(|(path, _)| path));
        }
        self.index.begin_epoch(epoch, Author::of(&self.config.device, epoch))?;
        for path in doubtful.into_iter().filter(|_| !is(Sabotage::KeepDoubtfulNames)) {
            self.write_anew(&path, old, certain)?;
        }
        Ok(())
    }

    /// Gives this device's versions of `path` that `old` counted names that no
    /// other state ever had. What they followed on up to `certain` they still
    /// do: it was the same whatever this index has said later.
    fn write_anew(
        &mut self,
        path: &RelPath,
        old: Author,
        certain: Sequence,
    ) -> Result<(), I::Error> {
        let before = self.entry(path)?;
        let is_ours = |record: &FileRecord| {
            record.device == self.config.device
                && old.branches().any(|author| record.version.get(author) > 0)
        };
        if !before.heads.iter().any(|head| is_ours(&head.record)) {
            return Ok(());
        }
        let mut after = before.clone();
        let heads = std::mem::take(&mut after.heads);
        let mut authors = self.index.identity().author.branches();
        for head in heads.iter() {
            let mut record = head.record.clone();
            if is_ours(&record)
                && let Some(author) = authors.next()
            {
                let capped =
                    old.branches().fold(record.version.clone(), |v, a| v.capped(a, certain.0));
                let floor = self.index.last_sequence().0;
                record.version = capped.bumped(author, floor).unwrap_or(record.version);
                if let Some(disk) = after.disk.as_mut().filter(|disk| disk.record == head.record) {
                    disk.record = record.clone();
                }
            }
            let holders = if record == head.record { head.holders } else { HolderSet::default() };
            after.heads.learn(Head { record, holders });
        }
        self.store(path, &before, after)
    }

    /// Takes note of who shares the folder. What a device said, and was told,
    /// no longer counts once it does not: deletions that it never heard of are
    /// forgotten without it. If it comes back it meets a new epoch.
    pub(crate) fn members_are(&mut self, members: BTreeSet<DeviceId>) -> Result<(), I::Error> {
        for (slot, device) in self.index.devices() {
            let cursor = self.index.cursor(slot)?;
            if members.contains(&device) || cursor.epoch.is_none() {
                continue;
            }
            self.index.set_cursor(slot, Cursor { sent: cursor.sent, ..Cursor::default() })?;
            self.index.clear_holder(slot)?;
            // What is in flight follows on what no longer counts.
            self.links.clear();
            self.effect(Effect::Reintroduce { reason: "a device was removed" });
        }
        self.members = members;
        Ok(())
    }

    pub(crate) fn index_update(
        &mut self,
        device: DeviceId,
        update: IndexUpdate,
    ) -> Result<(), I::Error> {
        let Some(link) = self.links.get(&device) else { return Ok(()) };
        let slot = link.slot;
        let cursor = self.index.cursor(slot)?;
        let received = link.received.unwrap_or(cursor.received);
        if cursor.epoch != Some(update.epoch) || update.upto < received {
            return Ok(());
        }
        if update.after > received {
            self.effect(Effect::Disconnect { device, reason: "a gap in its index" });
            return Ok(());
        }
        let told = if is(Sabotage::DropTailOfUpdate) { 1 } else { update.paths.len() };
        for PathUpdate { path, held } in update.paths.into_iter().take(told) {
            let before = self.entry(&path)?;
            let has_forgotten =
                before.sequence <= cursor.acknowledged && supersedes_any(&before, &held);
            let mut after = before.clone();
            // Who has nothing there has nothing to delete.
            let has_nothing = held.iter().all(|record| record.content.is_tombstone());
            after.heads.set_holder(slot, |record| {
                held.contains(record) || (has_nothing && record.content.is_tombstone())
            });
            for record in held {
                after.heads.learn(Head { record, holders: HolderSet::only(slot) });
            }
            if after.heads.len() > before.heads.len()
                && self.index.totals().heads >= self.most_heads
            {
                let reason = "more paths than a folder may have";
                self.effect(Effect::Disconnect { device, reason });
                return Ok(());
            }
            if after.heads.len() > MAX_HEADS {
                self.effect(Effect::Disconnect { device, reason: "too many versions of one path" });
                return Ok(());
            }
            self.store(&path, &before, after)?;
            if has_forgotten {
                self.say_again(&path)?;
            }
            self.follow_move(&path)?;
        }
        let heard = cursor.heard.max(update.upto);
        self.index.set_cursor(slot, Cursor { heard, ..cursor })?;
        let was_being_told = self.is_being_told();
        if let Some(link) = self.links.get_mut(&device) {
            link.more = update.more;
            link.received = Some(update.upto);
        }
        if was_being_told && !self.is_being_told() {
            self.wake_waiting();
        }
        Ok(())
    }

    /// Tells devices how far their indexes were received, and counts on it.
    pub(crate) fn acknowledge(&mut self) -> Result<(), I::Error> {
        if self.is_overtaken_anywhere()? && !is(Sabotage::AcknowledgeWhileLanding) {
            return Ok(());
        }
        let received = |(device, link): (&DeviceId, &mut Link)| {
            Some((*device, link.slot, link.received.take()?))
        };
        let received: Vec<_> = self.links.iter_mut().filter_map(received).collect();
        for (device, slot, sequence) in received {
            let cursor = self.index.cursor(slot)?;
            let Some(epoch) = cursor.epoch else { continue };
            self.index.set_cursor(slot, Cursor { received: sequence, ..cursor })?;
            self.effect(Effect::SendReceived { device, epoch, sequence });
        }
        Ok(())
    }

    /// Announces a path as if it had changed: a device has been told of it and
    /// does not know it any more, as of a deletion that only it could forget.
    fn say_again(&mut self, path: &RelPath) -> Result<(), I::Error> {
        let entry = self.entry(path)?;
        self.index.put(path, &entry, true)?;
        Ok(())
    }

    pub(crate) fn received(
        &mut self,
        device: DeviceId,
        epoch: Epoch,
        sequence: Sequence,
    ) -> Result<(), I::Error> {
        let Some(link) = self.links.get(&device) else { return Ok(()) };
        if epoch != self.index.identity().epoch || sequence > self.index.last_sequence() {
            return Ok(());
        }
        let slot = link.slot;
        let mut cursor = self.index.cursor(slot)?;
        if sequence > cursor.acknowledged {
            cursor.acknowledged = sequence;
            self.index.set_cursor(slot, cursor)?;
        }
        Ok(())
    }

    pub(crate) fn index_sent(&mut self, device: DeviceId) {
        if let Some(link) = self.links.get_mut(&device) {
            link.sending = false;
        }
    }

    /// Asks every device for all of its index again: of some path, what they
    /// said was passed over for a version that turned out to be nowhere.
    pub(crate) fn ask_anew(&mut self) -> Result<(), I::Error> {
        for (slot, _) in self.index.devices() {
            let cursor = self.index.cursor(slot)?;
            self.index.set_cursor(slot, Cursor { received: Sequence(0), ..cursor })?;
        }
        self.links.clear();
        self.effect(Effect::Reintroduce { reason: "a content that was announced is nowhere" });
        Ok(())
    }

    /// Whether a device is in the middle of telling what changed: what it says
    /// next may bear on what it said.
    pub(crate) fn is_being_told(&self) -> bool {
        self.links.values().any(|link| link.more)
    }

    /// Sends every connected device what it has not been sent.
    pub(crate) fn feed_links(&mut self) -> Result<(), I::Error> {
        let last = self.index.last_sequence();
        let due: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| !link.sending && link.sent < last)
            .map(|(device, _)| *device)
            .collect();
        for device in due {
            let Some((slot, sent)) = self.links.get(&device).map(|link| (link.slot, link.sent))
            else {
                continue;
            };
            let update = self.next_update(sent, last)?;
            if let Some(link) = self.links.get_mut(&device) {
                link.sent = update.upto;
                link.sending = true;
            }
            let cursor = self.index.cursor(slot)?;
            if update.upto > cursor.sent {
                self.index.set_cursor(slot, Cursor { sent: update.upto, ..cursor })?;
            }
            if is(Sabotage::SentIsReceived) {
                self.received(device, update.epoch, update.upto)?;
            }
            self.effect(Effect::SendIndex(device, update));
        }
        Ok(())
    }

    fn next_update(&self, after: Sequence, last: Sequence) -> Result<IndexUpdate, I::Error> {
        let page = self.index.announced_after(after, UPDATE_PATHS)?;
        let is_rest = page.len() < UPDATE_PATHS;
        let (mut paths, mut upto, mut bytes, mut cut) = (Vec::new(), after, 0, false);
        for (path, entry) in page {
            let held = entry
                .announced()
                .into_iter()
                .filter(|record| !record.version.is_empty())
                .filter(|record| !is(Sabotage::AnnounceOnlyShown) || entry.shown() == Some(record))
                .cloned()
                .collect();
            let update = PathUpdate { path, held };
            bytes += path_update_bytes(&update);
            if bytes > UPDATE_BYTES && !paths.is_empty() {
                cut = true;
                break;
            }
            upto = entry.sequence;
            paths.push(update);
        }
        let upto = if is_rest && !cut { last } else { upto };
        let epoch = self.index.identity().epoch;
        Ok(IndexUpdate {
            folder: self.config.folder.clone(),
            epoch,
            after,
            upto,
            more: upto < last,
            paths,
        })
    }

    /// Lets an edit that was made under the old name of a renamed file land at
    /// the new name (C3). Done by a device that has the edit in its tree;
    /// where two do it at once, they write the same.
    pub(crate) fn follow_move(&mut self, path: &RelPath) -> Result<(), I::Error> {
        let entry = self.entry(path)?;
        let target = entry.heads.iter().find_map(|head| match &head.record.content {
            Content::Tombstone { moved_to: Some(to) } => Some(to.clone()),
            _ => None,
        });
        if let Some(to) = target {
            return self.carry_edit(path, &to);
        }
        let from =
            entry.shown().and_then(|shown| shown.moved_from.as_ref()).map(|from| from.path.clone());
        from.map_or(Ok(()), |from| self.carry_edit(&from, path))
    }

    fn carry_edit(&mut self, from: &RelPath, to: &RelPath) -> Result<(), I::Error> {
        let (old, new) = (self.entry(from)?, self.entry(to)?);
        let Some(disk) = old.present().filter(|disk| !disk.local) else { return Ok(()) };
        let edit = &disk.record;
        let is_moved_away = old.heads.iter().any(|head| {
            matches!(&head.record.content, Content::Tombstone { moved_to: Some(target) } if target == to)
        });
        let Some(shown) = new.shown() else { return Ok(()) };
        let Some(origin) = shown.moved_from.as_ref().filter(|origin| origin.path == *from) else {
            return Ok(());
        };
        let is_edit_of_origin =
            edit.version != origin.version && edit.version.includes(&origin.version);
        let is_untouched = shown.content.file().map(|(content, _)| content) == edit.previous
            && new.heads.len() == 1;
        let is_head = old.heads.contains(edit) && edit.content.file().is_some();
        if !(is_moved_away && is_edit_of_origin && is_untouched && is_head)
            || self.work.is_touching(from)
        {
            return Ok(());
        }
        let origin = origin.clone();
        let previous = edit.previous;
        let arrive = |writer: Writer| {
            let record = writer.choose(&new, edit.content.clone())?;
            Some(FileRecord { moved_from: Some(origin.clone()), previous, ..record })
        };
        let departed =
            self.writer(&old).choose(&old, Content::Tombstone { moved_to: Some(to.clone()) });
        let (Some(first), Some(departed)) = (arrive(self.writer(&new)), departed) else {
            return Ok(());
        };
        let mut gone = old.clone();
        gone.heads.learn(Head { record: departed, holders: HolderSet::default() });
        self.store(from, &old, gone)?;
        // Counted anew: what a version counts is never above its sequence.
        let record = arrive(self.writer(&new)).unwrap_or(first);
        let mut there = new.clone();
        there.heads.learn(Head { record, holders: HolderSet::default() });
        self.store(to, &new, there)
    }
}

/// Whether this device has announced what supersedes one of the records, and
/// who says to hold these does not know it: its tree may have what is superseded
/// for a while after it has heard of that.
fn supersedes_any(entry: &Entry, records: &[FileRecord]) -> bool {
    let announced = entry.heads.iter().filter(|head| head.holders.contains(Slot::ME));
    announced.map(|head| &head.record.version).any(|version| {
        let is_superseded = |record: &FileRecord| {
            version.causal_cmp(&record.version) == Some(std::cmp::Ordering::Greater)
        };
        records.iter().any(is_superseded)
            && !records.iter().any(|record| record.version.includes(version))
    })
}
