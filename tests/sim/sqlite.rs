//! Worlds whose devices run on SQLite's index, as everybody's do.

use std::path::{Path, PathBuf};

use driftless_core::index::Flag;
use driftless_core::{
    Author, BlockHash, BlockList, ContentId, Cursor, DeviceId, Difference, Entry, Epoch, FolderId,
    Index, IndexIdentity, InstanceId, RelPath, Sequence, Slot, Stretch, Totals,
};
use driftless_store::{IndexError, OpenMode, Owner, SqliteIndex};
use driftless_testkit::{WorldIndex, length_of, run_random_on};
use tempfile::TempDir;

/// Of so many seeds of the sweep, one runs here, too.
const ONE_OF: u64 = 400;

/// An index in a directory of its own.
#[derive(Debug)]
struct Database {
    index: SqliteIndex,
    owner: Owner,
    directory: TempDir,
}

fn new_directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("there is room for a small database")
}

fn file_in(directory: &TempDir) -> PathBuf {
    directory.path().join("folder.db")
}

impl Database {
    fn open(directory: TempDir, owner: Owner, mode: OpenMode) -> Self {
        let opened = SqliteIndex::open(&file_in(&directory), &owner, mode);
        let (index, _) = opened.unwrap_or_else(|error| panic!("the index is refused: {error}"));
        Self { index, owner, directory }
    }
}

impl WorldIndex for Database {
    fn create(device: DeviceId, instance: InstanceId, epoch: Epoch) -> Self {
        let folder = FolderId::parse("simulated").expect("the ID is plain");
        Self::open(new_directory(), Owner { folder, instance, device }, OpenMode::Create(epoch))
    }

    fn copied(&self) -> Self {
        let directory = new_directory();
        for name in ["folder.db", "folder.db-wal"] {
            let from = self.directory.path().join(name);
            if from.exists() {
                std::fs::copy(&from, directory.path().join(name)).expect("a copy fits");
            }
        }
        Self::open(directory, self.owner.clone(), OpenMode::Existing)
    }

    fn after_crash(self) -> Self {
        let Self { index, owner, directory } = self;
        drop(index);
        Self::open(directory, owner, OpenMode::Existing)
    }
}

/// Everything is the database's to do.
impl Index for Database {
    type Error = IndexError;

    fn begin(&mut self) -> Result<(), IndexError> {
        self.index.begin()
    }

    fn commit(&mut self) -> Result<(), IndexError> {
        self.index.commit()
    }

    fn rollback(&mut self) -> Result<(), IndexError> {
        self.index.rollback()
    }

    fn identity(&self) -> IndexIdentity {
        self.index.identity()
    }

    fn begin_epoch(&mut self, epoch: Epoch, author: Author) -> Result<(), IndexError> {
        self.index.begin_epoch(epoch, author)
    }

    fn last_sequence(&self) -> Sequence {
        self.index.last_sequence()
    }

    fn totals(&self) -> &Totals {
        self.index.totals()
    }

    fn get(&self, path: &RelPath) -> Result<Option<Entry>, IndexError> {
        self.index.get(path)
    }

    fn put(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        announce: bool,
    ) -> Result<Sequence, IndexError> {
        self.index.put(path, entry, announce)
    }

    fn remove(&mut self, path: &RelPath) -> Result<(), IndexError> {
        self.index.remove(path)
    }

    fn range(
        &self,
        within: Option<&RelPath>,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        self.index.range(within, after, limit)
    }

    fn differences(
        &self,
        stretch: &Stretch<'_>,
        limit: usize,
        in_any_case: &dyn Fn(&RelPath) -> bool,
    ) -> Result<Vec<Difference>, IndexError> {
        self.index.differences(stretch, limit, in_any_case)
    }

    fn announced_after(
        &self,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        self.index.announced_after(after, limit)
    }

    fn needed(
        &self,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        self.index.needed(after, limit)
    }

    fn needed_deletions(
        &self,
        before: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        self.index.needed_deletions(before, limit)
    }

    fn flagged(
        &self,
        flag: Flag,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        self.index.flagged(flag, after, limit)
    }

    fn paths_with(&self, content: ContentId, limit: usize) -> Result<Vec<RelPath>, IndexError> {
        self.index.paths_with(content, limit)
    }

    fn block_list(&self, content: ContentId) -> Result<Option<BlockList>, IndexError> {
        self.index.block_list(content)
    }

    fn put_block_list(&mut self, content: ContentId, list: &BlockList) -> Result<(), IndexError> {
        self.index.put_block_list(content, list)
    }

    fn find_block(&self, hash: BlockHash) -> Result<Option<(ContentId, u64)>, IndexError> {
        self.index.find_block(hash)
    }

    fn collect_block_lists(&mut self) -> Result<usize, IndexError> {
        self.index.collect_block_lists()
    }

    fn slot(&mut self, device: &DeviceId) -> Result<Option<Slot>, IndexError> {
        self.index.slot(device)
    }

    fn devices(&self) -> Vec<(Slot, DeviceId)> {
        self.index.devices()
    }

    fn cursor(&self, slot: Slot) -> Result<Cursor, IndexError> {
        self.index.cursor(slot)
    }

    fn set_cursor(&mut self, slot: Slot, cursor: Cursor) -> Result<(), IndexError> {
        self.index.set_cursor(slot, cursor)
    }

    fn clear_holder(&mut self, slot: Slot) -> Result<(), IndexError> {
        self.index.clear_holder(slot)
    }
}

/// The guarantees of the sweep, P7 to P9 on a real database.
#[test]
fn random_worlds_on_databases_keep_every_guarantee() {
    for seed in (0..20_000).step_by(ONE_OF as usize) {
        if let Err(failure) = run_random_on::<Database>(seed, length_of(seed)) {
            panic!("{}", failure.shrunk_on::<Database>());
        }
    }
}
