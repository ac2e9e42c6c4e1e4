//! The index in memory: the same behaviour as SQLite's, for the simulator.
//!
//! Everything is in ordered maps, so that equal operations give equal answers
//! in equal order. Durability is a promise kept by the value itself: what was
//! committed stays, and [`MemIndex::reopen_as_after_crash`] drops the rest.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use driftless_core::index::Flag;
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    Author, BlockHash, BlockList, ContentId, Cursor, DeviceId, Entry, Epoch, Index, IndexIdentity,
    InstanceId, RelPath, Sequence, Slot, Totals,
};

/// Why an operation of a [`MemIndex`] was refused. All but one are mistakes of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MemIndexError {
    /// A write outside a transaction.
    #[error("a write needs a transaction")]
    NoTransaction,
    /// A transaction within a transaction.
    #[error("a transaction is open already")]
    InTransaction,
    /// The entry carries a sequence that is another path's, or was never assigned.
    #[error("sequence {} is not this path's", .0.0)]
    Sequence(Sequence),
    /// The block list is not that of the content.
    #[error("the block list does not make the content")]
    BlockList,
    /// As [`MemIndex::fail_after`] said.
    #[error("the disk under the index fails")]
    Disk,
}

/// What is small enough to be copied when a transaction begins.
#[derive(Clone, Debug)]
struct Small {
    identity: IndexIdentity,
    last_sequence: Sequence,
    totals: Totals,
    slots: Vec<DeviceId>,
    cursors: BTreeMap<Slot, Cursor>,
}

/// How to take one write back.
#[derive(Clone, Debug)]
enum Undo {
    Entry(RelPath, Option<Box<Entry>>),
    List(ContentId, Option<BlockList>),
}

/// An open transaction: what was before it.
#[derive(Clone, Debug)]
struct Journal {
    before: Small,
    undo: Vec<Undo>,
}

/// Paths by what is asked about them.
#[derive(Clone, Debug, Default)]
struct Views {
    by_sequence: BTreeMap<Sequence, RelPath>,
    by_content: BTreeMap<ContentId, BTreeSet<RelPath>>,
    needed: BTreeSet<RelPath>,
    deletions: BTreeSet<RelPath>,
    conflicts: BTreeSet<RelPath>,
    local: BTreeSet<RelPath>,
    ignored: BTreeSet<RelPath>,
}

/// An [`Index`] in memory.
#[derive(Clone, Debug)]
pub struct MemIndex {
    small: Small,
    entries: BTreeMap<RelPath, Entry>,
    views: Views,
    lists: BTreeMap<ContentId, BlockList>,
    blocks: BTreeMap<BlockHash, BTreeMap<ContentId, u64>>,
    journal: Option<Journal>,
    written: RefCell<Vec<RelPath>>,
    fails_after: Cell<Option<u32>>,
}

impl MemIndex {
    /// An empty index of `device`, in its first epoch.
    pub fn new(device: DeviceId, instance: InstanceId, epoch: Epoch) -> Self {
        let identity = IndexIdentity { instance, epoch, author: Author::of(&device, epoch) };
        Self {
            small: Small {
                identity,
                last_sequence: Sequence(0),
                totals: Totals::default(),
                slots: vec![device],
                cursors: BTreeMap::new(),
            },
            entries: BTreeMap::new(),
            views: Views::default(),
            lists: BTreeMap::new(),
            blocks: BTreeMap::new(),
            journal: None,
            written: RefCell::default(),
            fails_after: Cell::new(None),
        }
    }

    /// The index as the next process finds it: without the open transaction, if any.
    pub fn reopen_as_after_crash(&mut self) {
        if let Some(journal) = self.journal.take() {
            self.undo(journal);
        }
    }

    /// The paths that were written since this was last asked, some more than once.
    pub fn take_written(&self) -> Vec<RelPath> {
        self.written.take()
    }

    /// Lets the write after `writes` more fail, once; or none.
    pub fn fail_after(&self, writes: Option<u32>) {
        self.fails_after.set(writes);
    }

    fn undo(&mut self, journal: Journal) {
        for undo in journal.undo.into_iter().rev() {
            match undo {
                Undo::Entry(path, entry) => {
                    self.set_entry(&path, entry.map(|entry| *entry));
                }
                Undo::List(content, list) => {
                    self.set_list(content, list);
                }
            }
        }
        self.small = journal.before;
    }

    fn journal(&mut self) -> Result<&mut Journal, MemIndexError> {
        self.journal.as_mut().ok_or(MemIndexError::NoTransaction)
    }

    /// Replaces an entry and what is derived from it; returns the old one.
    fn set_entry(&mut self, path: &RelPath, entry: Option<Entry>) -> Option<Entry> {
        let old = self.entries.remove(path);
        if let Some(old) = &old {
            self.small.totals.remove(old);
            self.views.unlink(path, old);
        }
        if let Some(entry) = entry {
            self.small.totals.add(&entry);
            self.views.link(path, &entry);
            self.entries.insert(path.clone(), entry);
        }
        old
    }

    fn write_entry(&mut self, path: &RelPath, entry: Option<Entry>) -> Result<(), MemIndexError> {
        self.journal()?;
        match self.fails_after.get() {
            Some(0) => {
                self.fails_after.set(None);
                return Err(MemIndexError::Disk);
            }
            Some(writes) => self.fails_after.set(Some(writes - 1)),
            None => {}
        }
        self.written.borrow_mut().push(path.clone());
        let old = self.set_entry(path, entry);
        self.journal()?.undo.push(Undo::Entry(path.clone(), old.map(Box::new)));
        Ok(())
    }

    /// Replaces a block list and where its blocks stand; returns the old one.
    fn set_list(&mut self, content: ContentId, list: Option<BlockList>) -> Option<BlockList> {
        let old = self.lists.remove(&content);
        for block in old.iter().flat_map(BlockList::blocks) {
            if let Some(places) = self.blocks.get_mut(&block.hash) {
                places.remove(&content);
                if places.is_empty() {
                    self.blocks.remove(&block.hash);
                }
            }
        }
        if let Some(list) = list {
            for (offset, block) in list.with_offsets() {
                self.blocks.entry(block.hash).or_default().entry(content).or_insert(offset);
            }
            self.lists.insert(content, list);
        }
        old
    }

    fn next_sequence(&mut self) -> Sequence {
        self.small.last_sequence.0 += 1;
        self.small.last_sequence
    }

    fn entry_of(&self, path: &RelPath) -> (RelPath, Entry) {
        (path.clone(), self.entries.get(path).cloned().unwrap_or_default())
    }

    fn page(
        &self,
        view: &BTreeSet<RelPath>,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Vec<(RelPath, Entry)> {
        let paths = view.range::<RelPath, _>((lower(after), Bound::Unbounded));
        paths.take(limit).map(|path| self.entry_of(path)).collect()
    }
}

/// Everything after `after`.
fn lower(after: Option<&RelPath>) -> Bound<&RelPath> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

impl Views {
    fn link(&mut self, path: &RelPath, entry: &Entry) {
        if entry.sequence > Sequence(0) {
            self.by_sequence.insert(entry.sequence, path.clone());
        }
        if let Some(content) = tree_content(entry) {
            self.by_content.entry(content).or_default().insert(path.clone());
        }
        for (view, is_member) in self.memberships(entry) {
            if is_member {
                view.insert(path.clone());
            }
        }
    }

    fn unlink(&mut self, path: &RelPath, entry: &Entry) {
        self.by_sequence.remove(&entry.sequence);
        if let Some(content) = tree_content(entry)
            && let Some(paths) = self.by_content.get_mut(&content)
        {
            paths.remove(path);
            if paths.is_empty() {
                self.by_content.remove(&content);
            }
        }
        for (view, _) in self.memberships(entry) {
            view.remove(path);
        }
    }

    fn memberships(&mut self, entry: &Entry) -> [(&mut BTreeSet<RelPath>, bool); 5] {
        let is_needed = entry.is_needed();
        let deletes = entry.shown().is_some_and(|shown| shown.content.is_tombstone());
        [
            (&mut self.needed, is_needed),
            (&mut self.deletions, is_needed && deletes),
            (&mut self.conflicts, entry.heads.is_conflict()),
            (&mut self.local, entry.is_local()),
            (&mut self.ignored, entry.ignored),
        ]
    }
}

/// The content of the file in the tree.
fn tree_content(entry: &Entry) -> Option<ContentId> {
    entry.present()?.record.content.file().map(|(content, _)| content)
}

impl Index for MemIndex {
    type Error = MemIndexError;

    fn begin(&mut self) -> Result<(), MemIndexError> {
        if is(Sabotage::ActBeforeCommit) {
            self.journal = None;
        }
        if self.journal.is_some() {
            return Err(MemIndexError::InTransaction);
        }
        self.journal = Some(Journal { before: self.small.clone(), undo: Vec::new() });
        Ok(())
    }

    fn commit(&mut self) -> Result<(), MemIndexError> {
        if is(Sabotage::ActBeforeCommit) {
            return Ok(());
        }
        self.journal.take().map(drop).ok_or(MemIndexError::NoTransaction)
    }

    fn rollback(&mut self) -> Result<(), MemIndexError> {
        let journal = self.journal.take().ok_or(MemIndexError::NoTransaction)?;
        self.undo(journal);
        Ok(())
    }

    fn identity(&self) -> IndexIdentity {
        self.small.identity
    }

    fn begin_epoch(&mut self, epoch: Epoch, author: Author) -> Result<(), MemIndexError> {
        self.journal()?;
        self.small.identity.epoch = epoch;
        self.small.identity.author = author;
        self.small.last_sequence = Sequence(0);
        for cursor in self.small.cursors.values_mut() {
            (cursor.sent, cursor.acknowledged) = (Sequence(0), Sequence(0));
        }
        // All out first: a new sequence may be one that another path had.
        let entries: Vec<_> = self.entries.iter().map(|(p, e)| (p.clone(), e.clone())).collect();
        for (path, _) in &entries {
            self.write_entry(path, None)?;
        }
        for (path, mut entry) in entries {
            let announces = !entry.announced().is_empty();
            entry.sequence = if announces { self.next_sequence() } else { Sequence(0) };
            self.write_entry(&path, Some(entry))?;
        }
        Ok(())
    }

    fn last_sequence(&self) -> Sequence {
        self.small.last_sequence
    }

    fn totals(&self) -> &Totals {
        &self.small.totals
    }

    fn get(&self, path: &RelPath) -> Result<Option<Entry>, MemIndexError> {
        Ok(self.entries.get(path).cloned())
    }

    fn put(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        announce: bool,
    ) -> Result<Sequence, MemIndexError> {
        self.journal()?;
        let sequence = if announce { self.next_sequence() } else { entry.sequence };
        let owner = self.views.by_sequence.get(&sequence);
        if sequence > self.small.last_sequence || owner.is_some_and(|owner| owner != path) {
            return Err(MemIndexError::Sequence(sequence));
        }
        self.write_entry(path, Some(Entry { sequence, ..entry.clone() }))?;
        Ok(sequence)
    }

    fn remove(&mut self, path: &RelPath) -> Result<(), MemIndexError> {
        self.write_entry(path, None)
    }

    fn range(
        &self,
        within: Option<&RelPath>,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, MemIndexError> {
        // A directory stands right before what it holds.
        let start = match within {
            Some(within) if after.is_none_or(|after| after < within) => Bound::Included(within),
            _ => lower(after),
        };
        Ok(self
            .entries
            .range::<RelPath, _>((start, Bound::Unbounded))
            .take_while(|(path, _)| within.is_none_or(|within| path.is_within(within)))
            .take(limit)
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect())
    }

    fn announced_after(
        &self,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, MemIndexError> {
        let after = (Bound::Excluded(after), Bound::Unbounded);
        let paths = self.views.by_sequence.range(after).take(limit);
        Ok(paths.map(|(_, path)| self.entry_of(path)).collect())
    }

    fn needed(
        &self,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, MemIndexError> {
        Ok(self.page(&self.views.needed, after, limit))
    }

    fn needed_deletions(
        &self,
        before: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, MemIndexError> {
        let below = (Bound::Unbounded, lower(before));
        let paths = self.views.deletions.range::<RelPath, _>(below).rev().take(limit);
        Ok(paths.map(|path| self.entry_of(path)).collect())
    }

    fn flagged(
        &self,
        flag: Flag,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, MemIndexError> {
        let view = match flag {
            Flag::Conflict => &self.views.conflicts,
            Flag::Local => &self.views.local,
            Flag::Ignored => &self.views.ignored,
        };
        Ok(self.page(view, after, limit))
    }

    fn paths_with(&self, content: ContentId, limit: usize) -> Result<Vec<RelPath>, MemIndexError> {
        let paths = self.views.by_content.get(&content).into_iter().flatten();
        Ok(paths.take(limit).cloned().collect())
    }

    fn block_list(&self, content: ContentId) -> Result<Option<BlockList>, MemIndexError> {
        Ok(self.lists.get(&content).cloned())
    }

    fn put_block_list(
        &mut self,
        content: ContentId,
        list: &BlockList,
    ) -> Result<(), MemIndexError> {
        self.journal()?;
        if list.content_id() != content {
            return Err(MemIndexError::BlockList);
        }
        if list.blocks().len() >= 2 && !self.lists.contains_key(&content) {
            let old = self.set_list(content, Some(list.clone()));
            self.journal()?.undo.push(Undo::List(content, old));
        }
        Ok(())
    }

    fn find_block(&self, hash: BlockHash) -> Result<Option<(ContentId, u64)>, MemIndexError> {
        let Some(places) = self.blocks.get(&hash) else { return Ok(None) };
        let in_tree = places.iter().find(|(id, _)| self.views.by_content.contains_key(id));
        Ok(in_tree.or_else(|| places.first_key_value()).map(|(id, offset)| (*id, *offset)))
    }

    fn collect_block_lists(&mut self) -> Result<usize, MemIndexError> {
        self.journal()?;
        let mut unused: BTreeSet<ContentId> = self.lists.keys().copied().collect();
        for entry in self.entries.values() {
            let heads = entry.heads.iter().map(|head| &head.record);
            let disk = entry.disk.as_ref().map(|disk| &disk.record);
            for record in heads.chain(disk).chain(&entry.landing) {
                if let Some((content, _)) = record.content.file() {
                    unused.remove(&content);
                }
            }
        }
        for content in &unused {
            let old = self.set_list(*content, None);
            self.journal()?.undo.push(Undo::List(*content, old));
        }
        Ok(unused.len())
    }

    fn slot(&mut self, device: &DeviceId) -> Result<Option<Slot>, MemIndexError> {
        if let Some(number) = self.small.slots.iter().position(|known| known == device) {
            return Ok(Slot::new(number));
        }
        self.journal()?;
        let slot = Slot::new(self.small.slots.len());
        if slot.is_some() {
            self.small.slots.push(*device);
        }
        Ok(slot)
    }

    fn devices(&self) -> Vec<(Slot, DeviceId)> {
        let numbered = self.small.slots.iter().enumerate().skip(1);
        numbered.filter_map(|(number, device)| Some((Slot::new(number)?, *device))).collect()
    }

    fn cursor(&self, slot: Slot) -> Result<Cursor, MemIndexError> {
        Ok(self.small.cursors.get(&slot).copied().unwrap_or_default())
    }

    fn set_cursor(&mut self, slot: Slot, cursor: Cursor) -> Result<(), MemIndexError> {
        self.journal()?;
        self.small.cursors.insert(slot, cursor);
        Ok(())
    }

    fn clear_holder(&mut self, slot: Slot) -> Result<(), MemIndexError> {
        self.journal()?;
        let known: Vec<_> = self.entries.iter().map(|(p, e)| (p.clone(), e.clone())).collect();
        for (path, entry) in known {
            let mut after = entry.clone();
            after.heads.forget_holder(slot);
            if after != entry {
                self.write_entry(&path, Some(after))?;
            }
        }
        Ok(())
    }
}
