//! A directory for databases, and how the tests open them.

use std::path::{Path, PathBuf};

use driftless_core::{Entry, FolderId, Index, RelPath};
use driftless_store::{OpenError, OpenMode, Opened, Owner, SqliteIndex};
use driftless_testkit::conformance::{DEVICE, EPOCH, INSTANCE};

/// A directory that goes away.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.root().join("index.db")
    }

    pub(crate) fn open(&self) -> Result<(SqliteIndex, Opened), OpenError> {
        self.open_named("index.db")
    }

    pub(crate) fn open_named(&self, name: &str) -> Result<(SqliteIndex, Opened), OpenError> {
        SqliteIndex::open(&self.root().join(name), &owner(), OpenMode::Create(EPOCH))
    }

    /// A database with one committed entry at `kept`, closed in order.
    pub(crate) fn with_one_entry() -> Self {
        let scratch = Self::new();
        let (mut index, _) = scratch.open().unwrap();
        put(&mut index, "kept");
        index.close().unwrap();
        scratch
    }
}

pub(crate) fn owner() -> Owner {
    Owner { folder: FolderId::parse("photos").unwrap(), instance: INSTANCE, device: DEVICE }
}

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// Commits an empty entry, announced.
pub(crate) fn put(index: &mut SqliteIndex, text: &str) {
    index.begin().unwrap();
    index.put(&path(text), &Entry::default(), true).unwrap();
    index.commit().unwrap();
}
