//! The index on SQLite: a transaction of many entries, and reading them.

use driftless_core::{DeviceId, Entry, Epoch, FolderId, Index as _, InstanceId, RelPath};
use driftless_store::{IndexError, OpenMode, Owner, SqliteIndex};
use tempfile::TempDir;

use super::{DEVICES, PATHS, Work, path, settled, work};

const HELD: &str = "a new database on a disk with room works";

/// A new index that has the first `entries`, and the directory that it is in.
fn index(entries: u64) -> (SqliteIndex, TempDir) {
    let place = tempfile::tempdir().expect(HELD);
    let owner = Owner {
        folder: FolderId::parse("bench").expect("it is plain"),
        instance: InstanceId([1; 16]),
        device: DeviceId::from_bytes(*DEVICES[0].as_bytes()),
    };
    let (mut index, _) =
        SqliteIndex::open(&place.path().join("bench.db"), &owner, OpenMode::Create(Epoch(1)))
            .expect(HELD);
    put(&mut index, &known(0, entries)).expect(HELD);
    (index, place)
}

fn known(from: u64, upto: u64) -> Vec<(RelPath, Entry)> {
    (from..upto).map(|number| (path(number), settled(number))).collect()
}

fn put(index: &mut SqliteIndex, entries: &[(RelPath, Entry)]) -> Result<(), IndexError> {
    index.begin()?;
    for (path, entry) in entries {
        index.put(path, entry, true)?;
    }
    index.commit()
}

/// A thousand new entries in one transaction, into an index that has some.
pub(super) fn commit() -> Work {
    let (mut index, place) = index(PATHS);
    let new = known(PATHS, 2 * PATHS);
    work(move || {
        put(&mut index, &new).expect(HELD);
        (index, place)
    })
}

/// One entry after the other, by path.
pub(super) fn get() -> Work {
    let (index, place) = index(PATHS);
    let paths: Vec<RelPath> = (0..PATHS).map(path).collect();
    work(move || {
        let found = paths.iter().filter_map(|path| index.get(path).expect(HELD)).count();
        assert_eq!(found as u64, PATHS);
        (index, place)
    })
}

/// All entries in path order, as a scan goes through them.
pub(super) fn range() -> Work {
    let (index, place) = index(PATHS);
    work(move || {
        let found = index.range(None, None, PATHS as usize).expect(HELD);
        assert_eq!(found.len() as u64, PATHS);
        (index, place)
    })
}
