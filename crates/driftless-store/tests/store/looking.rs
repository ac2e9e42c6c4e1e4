//! Looking into directories: names without what lies below, and sums that keep up.

use std::collections::BTreeMap;

use driftless_core::{Entry, Index, RelPath};
use driftless_store::{Below, SqliteIndex, is_only_here, size_bytes};
use driftless_testkit::conformance;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

use crate::scratch::Scratch;

/// Paths whose order among each other is easy to get wrong.
const PATHS: [&str; 10] =
    ["a", "a/b", "a/b/c", "a/b/d", "a/b-c", "a/\u{1}", "a-b", "a-b/c", "\u{7f}", "e/f/g/h"];

fn path(number: usize) -> RelPath {
    RelPath::parse(PATHS[number % PATHS.len()]).unwrap()
}

/// The sums of what is below `directory`, counted one by one.
fn counted(known: &BTreeMap<RelPath, Entry>, directory: &RelPath) -> Below {
    let mut sums = Below::default();
    let below = known
        .iter()
        .filter(|(path, entry)| path.is_within(directory) && *path != directory && !entry.ignored);
    for (_, entry) in below {
        sums.bytes += size_bytes(entry);
        sums.conflicts += u64::from(entry.heads.is_conflict());
        sums.needed += u64::from(entry.is_needed());
        sums.only_here += u64::from(is_only_here(entry));
    }
    sums
}

fn names(index: &SqliteIndex, directory: Option<&RelPath>, limit: usize) -> Vec<String> {
    let (mut names, mut position) = (Vec::new(), None);
    loop {
        let stretch = index.children(directory, position.as_ref(), limit).unwrap();
        names.extend(stretch.found.into_iter().map(|(name, _)| name.into_string()));
        position = stretch.next;
        if position.is_none() {
            return names;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_and_sums_are_those_of_the_entries_whatever_happens_while_they_are_counted(
        writes in proptest::collection::vec((any::<usize>(), conformance::entry(), any::<bool>(), 0_usize..4), 1..30),
        limit in 1_usize..5,
    ) {
        let scratch = Scratch::new();
        let (mut index, _) = scratch.open().unwrap();
        let mut known = BTreeMap::new();
        for (number, entry, is_removal, count) in writes {
            let path = path(number);
            index.begin().unwrap();
            if is_removal {
                index.remove(&path).unwrap();
                known.remove(&path);
            } else {
                index.put(&path, &entry, true).unwrap();
                known.insert(path, entry);
            }
            index.commit().unwrap();
            if count > 0 {
                index.sum_up(count).unwrap();
            }
        }
        while !index.sum_up(limit).unwrap() {}
        for directory in ["a", "a/b", "a-b", "e", "e/f", "e/f/g", "none"] {
            let directory = RelPath::parse(directory).unwrap();
            prop_assert_eq!(index.below(&directory), (counted(&known, &directory), true));
        }
        for directory in [None, Some("a"), Some("a/b"), Some("e"), Some("e/f/g")] {
            let directory = directory.map(|text| RelPath::parse(text).unwrap());
            let inside = known.keys().filter(|path| path.parent() == directory);
            let expected: Vec<_> = inside.map(|path| path.name().to_owned()).collect();
            prop_assert_eq!(names(&index, directory.as_ref(), limit), expected);
        }
    }
}

#[test]
fn sums_say_that_they_are_not_all_until_they_are() {
    let scratch = Scratch::new();
    let (mut index, _) = scratch.open().unwrap();
    index.begin().unwrap();
    for path in PATHS {
        index.put(&RelPath::parse(path).unwrap(), &Entry::default(), true).unwrap();
    }
    index.commit().unwrap();
    let (first, last) = (RelPath::parse("a").unwrap(), RelPath::parse("e").unwrap());
    assert!(!index.below(&first).1);
    assert!(!index.sum_up(8).unwrap());
    assert_eq!((index.below(&first).1, index.below(&last).1), (true, false));
    assert!(index.sum_up(100).unwrap());
    assert!(index.below(&last).1);
    index.begin().unwrap();
    index.put(&last, &Entry::default(), true).unwrap();
    index.rollback().unwrap();
    assert!(!index.below(&last).1);
}
