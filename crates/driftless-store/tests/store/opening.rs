//! What is found at a path, and what is refused.

use std::fs;
use std::io::ErrorKind;

use driftless_core::diff::Writer;
use driftless_core::{
    Author, Content, DeviceId, Entry, Epoch, FolderId, Index, InstanceId, Sequence, Totals,
};
use driftless_store::{
    IndexError, MAX_META_VALUE_BYTES, OpenError, OpenMode, Opened, Owner, SqliteIndex, quarantine,
};
use rusqlite::Connection;

use crate::scratch::{Scratch, owner, path, put};

/// Changes a closed database behind the index's back.
fn tamper(scratch: &Scratch, sql: &str) {
    let connection = Connection::open(scratch.path()).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
}

#[test]
fn a_closed_index_opens_as_it_was() {
    let scratch = Scratch::new();
    let (mut index, opened) = scratch.open().unwrap();
    assert_eq!(opened, Opened::Created);
    put(&mut index, "kept");
    index.put_meta("cursor", b"7").unwrap();
    let (identity, totals) = (index.identity(), *index.totals());
    index.begin().unwrap();
    index.remove(&path("kept")).unwrap();
    index.close().expect("closing rolls back");
    let (index, opened) = scratch.open().unwrap();
    assert_eq!(opened, Opened::Existing);
    assert_eq!((index.identity(), *index.totals()), (identity, totals));
    assert_eq!(index.last_sequence(), Sequence(1));
    assert!(index.get(&path("kept")).unwrap().is_some());
    assert_eq!(index.get_meta("cursor").unwrap().as_deref(), Some(b"7".as_slice()));
    let wal = scratch.root().join("index.db-wal");
    drop(index);
    assert!(!wal.exists() || wal.metadata().unwrap().len() == 0);
}

#[test]
fn a_device_named_in_a_rolled_back_transaction_is_known_after_reopening() {
    let scratch = Scratch::new();
    let (mut index, _) = scratch.open().unwrap();
    index.begin().unwrap();
    index.put(&path("a"), &directory(), true).unwrap();
    index.rollback().unwrap();
    index.begin().unwrap();
    index.put(&path("a"), &directory(), true).unwrap();
    index.commit().unwrap();
    let entry = index.get(&path("a")).unwrap();
    index.close().unwrap();
    assert_eq!(scratch.open().unwrap().0.get(&path("a")).unwrap(), entry);
}

/// I9: the committed state of a process that died is what the next one finds.
#[test]
fn an_index_that_was_not_closed_is_checked_and_kept() {
    let scratch = Scratch::new();
    let (mut index, _) = scratch.open().unwrap();
    put(&mut index, "kept");
    index.begin().unwrap();
    index.remove(&path("kept")).unwrap();
    drop(index);
    let (index, opened) = scratch.open().unwrap();
    assert_eq!(opened, Opened::Recovered);
    assert_eq!(index.last_sequence(), Sequence(1));
    assert!(index.get(&path("kept")).unwrap().is_some());
}

#[test]
fn wrong_or_missing_sums_are_counted_anew() {
    for damage in ["totals = NULL", "totals = zeroblob(1104), clean = 0"] {
        let scratch = Scratch::new();
        let (mut index, _) = scratch.open().unwrap();
        index.begin().unwrap();
        index.put(&path("a"), &directory(), true).unwrap();
        index.commit().unwrap();
        let totals = *index.totals();
        assert_ne!(totals, Totals::default());
        index.close().unwrap();
        tamper(&scratch, &format!("UPDATE state SET {damage}"));
        let (index, _) = scratch.open().unwrap();
        assert_eq!(*index.totals(), totals, "{damage}");
        index.close().unwrap();
        assert_eq!(*scratch.open().unwrap().0.totals(), totals, "{damage}, and stored");
    }
}

#[test]
fn p8_a_deleted_index_begins_anew_in_the_epoch_that_the_caller_drew() {
    let scratch = Scratch::with_one_entry();
    fs::remove_file(scratch.path()).unwrap();
    let existing = SqliteIndex::open(&scratch.path(), &owner(), OpenMode::Existing);
    assert!(matches!(existing, Err(OpenError::Missing(_))));
    assert!(!scratch.path().exists(), "asking creates nothing");
    let fresh = OpenMode::Create(Epoch(99));
    let (index, opened) = SqliteIndex::open(&scratch.path(), &owner(), fresh).unwrap();
    assert_eq!(opened, Opened::Created);
    assert_eq!(index.identity().epoch, Epoch(99));
    assert_eq!(index.get(&path("kept")).unwrap(), None);
}

/// I9: the log of a deleted database is not taken for the new one's.
#[test]
fn p8_a_log_left_behind_is_not_replayed_into_a_new_index() {
    let scratch = Scratch::new();
    let wal = scratch.root().join("index.db-wal");
    let (mut index, _) = scratch.open().unwrap();
    put(&mut index, "kept");
    let log = fs::read(&wal).unwrap();
    assert!(!log.is_empty());
    drop(index);
    fs::remove_file(scratch.path()).unwrap();
    fs::write(&wal, log).unwrap();
    let (index, opened) = scratch.open().unwrap();
    assert_eq!(opened, Opened::Created);
    assert_eq!((index.last_sequence(), index.get(&path("kept")).unwrap()), (Sequence(0), None));
}

#[test]
fn p7_a_file_that_is_no_database_is_corrupt_and_can_be_set_aside() {
    let scratch = Scratch::new();
    fs::write(scratch.path(), vec![b'x'; 40_000]).unwrap();
    let error = scratch.open().unwrap_err();
    assert!(error.is_corrupt(), "{error}");
    let aside = quarantine(&scratch.path(), "damaged-1").unwrap();
    assert_eq!(aside, scratch.root().join("index.db.damaged-1"));
    assert_eq!(fs::read(&aside).unwrap(), vec![b'x'; 40_000]);
    assert_eq!(scratch.open().unwrap().1, Opened::Created);
    let again = quarantine(&scratch.path(), "damaged-1").unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists, "nothing is replaced");
    assert!(scratch.path().exists());
}

#[test]
fn p7_a_torn_page_is_found_after_an_unclean_close() {
    let scratch = Scratch::new();
    let (mut index, _) = scratch.open().unwrap();
    index.begin().unwrap();
    for number in 0..2000 {
        index.put(&path(&format!("file-{number:05}")), &directory(), true).unwrap();
    }
    index.commit().unwrap();
    index.close().unwrap();
    tamper(&scratch, "UPDATE state SET clean = 0");
    let mut bytes = fs::read(scratch.path()).unwrap();
    let middle = bytes.len() / 2 / 16384 * 16384;
    bytes[middle..middle + 8192].fill(0);
    fs::write(scratch.path(), bytes).unwrap();
    let error = scratch.open().unwrap_err();
    assert!(error.is_corrupt(), "{error}");
}

#[test]
fn p7_an_entry_that_was_never_written_so_is_corrupt() {
    let scratch = Scratch::with_one_entry();
    tamper(&scratch, "UPDATE entries SET record = x'01ff'");
    let (index, _) = scratch.open().unwrap();
    assert!(matches!(index.get(&path("kept")), Err(IndexError::Corrupt(_))));
}

/// I9: such an index has forgotten what it announced.
#[test]
fn p7_a_sequence_beyond_the_last_is_corrupt() {
    let scratch = Scratch::with_one_entry();
    tamper(&scratch, "UPDATE state SET last_sequence = 0");
    assert!(scratch.open().unwrap_err().is_corrupt());
}

#[test]
fn p10_the_index_of_another_instance_device_or_folder_is_refused() {
    let scratch = Scratch::with_one_entry();
    let before = fs::read(scratch.path()).unwrap();
    let open = |owner: Owner| {
        SqliteIndex::open(&scratch.path(), &owner, OpenMode::Create(Epoch(5))).unwrap_err()
    };
    let error = open(Owner { instance: InstanceId([1; 16]), ..owner() });
    assert!(matches!(error, OpenError::OtherInstance { found } if found == owner().instance));
    let error = open(Owner { device: DeviceId::from_bytes([9; 32]), ..owner() });
    assert!(matches!(error, OpenError::OtherDevice { found } if found == owner().device));
    let error = open(Owner { folder: FolderId::parse("other").unwrap(), ..owner() });
    assert!(matches!(error, OpenError::OtherFolder { found } if found == owner().folder));
    assert_eq!(fs::read(scratch.path()).unwrap(), before, "a refused index is not changed");
}

#[test]
fn p12_the_format_of_a_newer_version_is_refused_and_left_alone() {
    let scratch = Scratch::with_one_entry();
    tamper(&scratch, "PRAGMA user_version = 2");
    let before = fs::read(scratch.path()).unwrap();
    let error = scratch.open().unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1 }));
    assert_eq!(
        error.to_string(),
        "the index has format 2, this version of driftless knows up to 1"
    );
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
}

#[test]
fn p12_an_interrupted_creation_is_taken_up_again() {
    let scratch = Scratch::new();
    fs::write(scratch.path(), b"").unwrap();
    assert_eq!(scratch.open().unwrap().1, Opened::Created, "before the first transaction");
    tamper(&scratch, "DELETE FROM state");
    assert_eq!(scratch.open().unwrap().1, Opened::Created, "before the second");
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    tamper(&scratch, "CREATE TABLE bookmarks (url TEXT)");
    let before = fs::read(scratch.path()).unwrap();
    assert!(matches!(scratch.open(), Err(OpenError::Foreign(_))));
    assert_eq!(fs::read(scratch.path()).unwrap(), before);
}

#[test]
fn an_index_that_is_open_elsewhere_is_busy() {
    let scratch = Scratch::new();
    let (_index, _) = scratch.open().unwrap();
    let error = scratch.open().unwrap_err();
    assert!(matches!(error, OpenError::Index(IndexError::Busy(_))), "{error:?}");
}

#[cfg(unix)]
#[test]
fn the_database_and_its_directories_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let (mut index, _) = scratch.open_named("home/folders/index.db").unwrap();
    put(&mut index, "a");
    let mode =
        |name: &str| scratch.root().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("home"), mode("home/folders")), (0o700, 0o700));
    assert_eq!(mode("home/folders/index.db"), 0o600);
    assert_eq!(mode("home/folders/index.db-wal"), 0o600);
}

#[test]
fn the_daemons_values_are_bounded_and_follow_the_transaction() {
    let scratch = Scratch::new();
    let (mut index, _) = scratch.open().unwrap();
    let too_long = vec![0; MAX_META_VALUE_BYTES + 1];
    assert!(matches!(index.put_meta("a", &too_long), Err(IndexError::Misuse(_))));
    index.put_meta("a", b"first").unwrap();
    index.begin().unwrap();
    index.put_meta("a", b"second").unwrap();
    index.rollback().unwrap();
    assert_eq!(index.get_meta("a").unwrap().as_deref(), Some(b"first".as_slice()));
    index.put_meta("a", b"").unwrap();
    assert_eq!(index.get_meta("a").unwrap(), None);
}

/// The first edit of a directory.
fn directory() -> Entry {
    let mut entry = Entry::default();
    let writer = Writer {
        device: DeviceId::from_bytes([1; 32]),
        author: Author(1),
        now_ms: 0,
        last_sequence: Sequence(0),
    };
    let content = Content::Directory { mode: 0o755 };
    entry.write(writer.edit(&entry, content, None).unwrap());
    entry
}
