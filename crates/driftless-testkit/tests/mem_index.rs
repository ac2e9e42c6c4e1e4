//! The index in memory against the suite, and what only it can do.

use driftless_core::{Entry, Index, RelPath, Sequence};
use driftless_testkit::MemIndex;
use driftless_testkit::conformance::{DEVICE, EPOCH, INSTANCE, check};

#[test]
fn the_index_in_memory_conforms() {
    check(|| MemIndex::new(DEVICE, INSTANCE, EPOCH));
}

#[test]
fn a_crash_keeps_what_was_committed_and_nothing_else() {
    let mut index = MemIndex::new(DEVICE, INSTANCE, EPOCH);
    let path = |text| RelPath::parse(text).unwrap();
    index.begin().unwrap();
    index.put(&path("kept"), &Entry::default(), true).unwrap();
    index.commit().unwrap();
    index.begin().unwrap();
    index.put(&path("lost"), &Entry::default(), true).unwrap();
    index.reopen_as_after_crash();
    assert_eq!(index.last_sequence(), Sequence(1));
    assert_eq!(index.get(&path("lost")).unwrap(), None);
    assert!(index.get(&path("kept")).unwrap().is_some());
    index.begin().expect("the crash ended the transaction");
}
