//! The port to what a device remembers of a folder.
//!
//! Synchronous and transactional, with two implementations, SQLite's and one
//! in memory, which one conformance suite in the test kit holds to the same
//! behaviour. It stores observations (what is on disk, what was announced),
//! never work: what to do is decided anew from them.

use crate::block::BlockList;
use crate::compare::{Comparison, Difference, Stretch, is_as_known};
use crate::entry::Entry;
use crate::heads::Slot;
use crate::id::{Author, BlockHash, ContentId, DeviceId, Epoch, InstanceId, Sequence};
use crate::path::RelPath;
use crate::totals::Totals;

/// How many entries are compared in one go where an index has no way of its own.
const COMPARED: usize = 1024;

/// Whose index this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IndexIdentity {
    /// The folder root that the index belongs to.
    pub instance: InstanceId,
    /// The index's own life.
    pub epoch: Epoch,
    /// Under whom this device counts in version vectors during the epoch.
    pub author: Author,
}

/// How far another device's index has been taken over, and ours by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// The epoch of its index; `None` before the first update.
    pub epoch: Option<Epoch>,
    /// All of its index up to here has been in ours, which is how it notices
    /// that its own was lost or rolled back.
    pub heard: Sequence,
    /// All of its index up to here is in ours. Behind `heard` while it is asked
    /// to say it again.
    pub received: Sequence,
    /// It was sent our index up to here, in our epoch, at the most. Whoever has
    /// seen more was told it by an index that has been lost since.
    pub sent: Sequence,
    /// It has said that it has all of our index up to here, in our epoch.
    pub acknowledged: Sequence,
}

/// What a device remembers of one folder.
///
/// Everything between [`Index::begin`] and [`Index::commit`] becomes durable at
/// once or not at all; writes are only made in between. Reads see the
/// transaction's own writes. Path order is the order of [`RelPath`].
pub trait Index {
    /// Why an operation failed. A failed index is not used further: the
    /// transaction is rolled back and the index opened anew.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Opens a transaction.
    fn begin(&mut self) -> Result<(), Self::Error>;

    /// Makes the transaction durable before it returns.
    fn commit(&mut self) -> Result<(), Self::Error>;

    /// Forgets the transaction.
    fn rollback(&mut self) -> Result<(), Self::Error>;

    /// Whose index this is.
    fn identity(&self) -> IndexIdentity;

    /// Begins another epoch: nothing of it was sent or acknowledged, sequences start anew and every entry that has
    /// something to announce gets a new one, in path order.
    fn begin_epoch(&mut self, epoch: Epoch, author: Author) -> Result<(), Self::Error>;

    /// The sequence assigned last.
    fn last_sequence(&self) -> Sequence;

    /// The sums over all entries.
    fn totals(&self) -> &Totals;

    /// What is known of `path`.
    fn get(&self, path: &RelPath) -> Result<Option<Entry>, Self::Error>;

    /// Stores what is known of `path`. With `announce` it gets the next
    /// sequence, otherwise it keeps the one in `entry`. Returns the sequence.
    fn put(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        announce: bool,
    ) -> Result<Sequence, Self::Error>;

    /// Forgets `path`.
    fn remove(&mut self, path: &RelPath) -> Result<(), Self::Error>;

    /// Up to `limit` entries in path order: those after `after`, and, where
    /// `within` is given, only it and what lies below it.
    fn range(
        &self,
        within: Option<&RelPath>,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, Self::Error>;

    /// Up to `limit` paths of a stretch that are not known just as they were
    /// found ([`is_as_known`]), or that `in_any_case` asks for, in path order.
    /// What is missing at the end is told by asking again after the last one.
    fn differences(
        &self,
        stretch: &Stretch<'_>,
        limit: usize,
        in_any_case: &dyn Fn(&RelPath) -> bool,
    ) -> Result<Vec<Difference>, Self::Error> {
        let mut comparison = Comparison::new(stretch.found, limit);
        let mut after = stretch.after.cloned();
        loop {
            let page = self.range(stretch.within, after.as_ref(), COMPARED)?;
            let is_last = page.len() < COMPARED;
            for (path, entry) in page {
                let is_behind = stretch.upto.is_some_and(|upto| path > *upto);
                if is_behind || comparison.is_full() {
                    return Ok(comparison.finish());
                }
                let seen = comparison.reach(|found| found.cmp(&path));
                let is_known = seen.is_some_and(|(_, _, seen)| is_as_known(&entry, seen));
                if !is_known || in_any_case(&path) {
                    comparison.note(path.clone(), entry, seen.map(|(number, ..)| number));
                }
                after = Some(path);
            }
            if is_last {
                return Ok(comparison.finish());
            }
        }
    }

    /// Up to `limit` entries with a sequence above `after`, ascending by sequence.
    fn announced_after(
        &self,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, Self::Error>;

    /// Up to `limit` needed entries ([`Entry::is_needed`]) after `after`, in path order.
    fn needed(
        &self,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, Self::Error>;

    /// Up to `limit` needed entries before `before` whose shown head is a
    /// deletion, in reverse path order: a directory comes after what it holds.
    fn needed_deletions(
        &self,
        before: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, Self::Error>;

    /// Up to `limit` entries in conflict, or with a local change, after `after`, in path order.
    fn flagged(
        &self,
        flag: Flag,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, Self::Error>;

    /// Up to `limit` paths whose file in the tree has this content.
    fn paths_with(&self, content: ContentId, limit: usize) -> Result<Vec<RelPath>, Self::Error>;

    /// The block list of a content of two blocks or more, if it is known.
    fn block_list(&self, content: ContentId) -> Result<Option<BlockList>, Self::Error>;

    /// Remembers the block list of a content of two blocks or more.
    fn put_block_list(&mut self, content: ContentId, list: &BlockList) -> Result<(), Self::Error>;

    /// Where a block of a remembered list stands: its content and its offset
    /// in bytes. May name contents that are in no tree any more.
    fn find_block(&self, hash: BlockHash) -> Result<Option<(ContentId, u64)>, Self::Error>;

    /// Forgets the block lists that neither a head nor the tree refers to.
    /// Returns how many.
    fn collect_block_lists(&mut self) -> Result<usize, Self::Error>;

    /// The slot of `device`, assigned on first use; `None` once all are taken.
    fn slot(&mut self, device: &DeviceId) -> Result<Option<Slot>, Self::Error>;

    /// The devices with a slot, this one excepted, ascending by slot.
    fn devices(&self) -> Vec<(Slot, DeviceId)>;

    /// How far the index of the device in `slot` has been taken over.
    fn cursor(&self, slot: Slot) -> Result<Cursor, Self::Error>;

    /// Moves the cursor of the device in `slot`.
    fn set_cursor(&mut self, slot: Slot, cursor: Cursor) -> Result<(), Self::Error>;

    /// What the device in `slot` said before no longer counts
    /// ([`crate::Heads::forget_holder`], of every entry).
    fn clear_holder(&mut self, slot: Slot) -> Result<(), Self::Error>;
}

/// What [`Index::flagged`] looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flag {
    /// A person has to choose ([`crate::Heads::is_conflict`]).
    Conflict,
    /// Changed locally in a receive-only folder ([`Entry::is_local`]).
    Local,
    /// Covered by an ignore rule.
    Ignored,
}
