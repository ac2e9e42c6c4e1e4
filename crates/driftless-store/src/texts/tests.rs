use driftless_core::{
    Author, BlockHash, Content, ContentId, DeviceId, FileRecord, Level, MovedFrom, RelPath,
    VersionVector,
};
use proptest::prelude::*;

use super::ancestor::{Candidate, greatest, met};
use super::{KeptVersion, Known, OVERHEAD_BYTES, Replacement, TextsDb};

fn version(counters: &[(u64, u64)]) -> VersionVector {
    VersionVector::from_counters(counters.iter().map(|&(a, c)| (Author(a << 32), c)).collect())
        .unwrap()
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn record(counters: &[(u64, u64)], text: &str) -> FileRecord {
    let content = ContentId::from_bytes(*BlockHash::of(text.as_bytes()).as_bytes());
    FileRecord {
        version: version(counters),
        content: Content::File {
            content,
            size_bytes: text.len() as u64,
            level: Level::default(),
            mode: 0o644,
            mtime_ns: 5,
        },
        previous: None,
        device: DeviceId::from_bytes([3; 32]),
        changed_ms: 7,
        moved_from: None,
        policy_rounds: 0,
    }
}

struct Scene {
    directory: tempfile::TempDir,
    db: TextsDb,
}

impl Scene {
    fn new(most_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let db = TextsDb::open(&directory.path().join("index/f.texts.db"), most_bytes).unwrap();
        Self { directory, db }
    }

    fn reopen(self, most_bytes: u64) -> Self {
        let Self { directory, db } = self;
        drop(db);
        let db = TextsDb::open(&directory.path().join("index/f.texts.db"), most_bytes).unwrap();
        Self { directory, db }
    }

    /// Keeps a version as a daemon does; returns whether it is kept.
    fn keep(&mut self, at: &str, record: &FileRecord, text: &str, used_ms: u64) -> bool {
        match self.db.note(&path(at), record, used_ms).unwrap() {
            Known::Kept => true,
            Known::PassedOver => false,
            Known::Wanted => self.db.keep(&path(at), record, text.as_bytes(), used_ms).unwrap(),
        }
    }

    /// The text of the ancestor of sides with these versions.
    fn ancestor(&self, at: &str, sides: &[FileRecord]) -> Option<String> {
        let sides: Vec<_> = sides.iter().collect();
        let kept = self.db.ancestor(&path(at), &sides).unwrap()?;
        Some(String::from_utf8(self.db.content(kept.content).unwrap().unwrap()).unwrap())
    }
}

#[test]
fn the_ancestor_is_what_all_sides_have_seen_and_nothing_older() {
    let mut scene = Scene::new(1 << 20);
    for (counters, text) in
        [(&[(1, 1)][..], "one"), (&[(1, 2)], "two"), (&[(1, 2), (2, 1)], "two, then by 2")]
    {
        assert!(scene.keep("a", &record(counters, text), text, 9));
    }
    let of = |scene: &Scene, ours: &[(u64, u64)], theirs: &[(u64, u64)]| {
        scene.ancestor("a", &[record(ours, "x"), record(theirs, "y")])
    };
    let two = Some("two".to_owned());
    assert_eq!(of(&scene, &[(1, 3)], &[(1, 2), (3, 4)]), two);
    assert_eq!(of(&scene, &[(1, 9)], &[(1, 2), (2, 1), (3, 4)]), two, "each has seen more");
    assert_eq!(of(&scene, &[(1, 2), (2, 1), (4, 1)], &[(1, 5), (2, 1)]).unwrap(), "two, then by 2");
    assert_eq!(of(&scene, &[(1, 3), (2, 2)], &[(1, 3), (4, 1)]), None, "(1, 3) is not kept");
    assert_eq!(of(&scene, &[(2, 2)], &[(4, 1)]), None, "they have nothing in common");
    let three = [&[(1, 4)][..], &[(1, 2), (2, 8)], &[(1, 1), (3, 1)]].map(|side| record(side, "x"));
    assert_eq!(scene.ancestor("a", &three).unwrap(), "one", "three sides");
    let scene = scene.reopen(1 << 20);
    assert_eq!(of(&scene, &[(1, 3)], &[(1, 2), (3, 4)]), two, "after a restart");
}

#[test]
fn after_a_criss_cross_there_is_an_ancestor_only_if_both_hold_the_same() {
    for (other, expected) in [("same", Some("same")), ("other", None)] {
        let mut scene = Scene::new(1 << 20);
        assert!(scene.keep("a", &record(&[(1, 1)], "same"), "same", 1));
        assert!(scene.keep("a", &record(&[(2, 1)], other), other, 1));
        let sides = [record(&[(1, 2), (2, 1)], "x"), record(&[(1, 1), (2, 2)], "y")];
        assert_eq!(scene.ancestor("a", &sides).as_deref(), expected, "{other}");
    }
}

#[test]
fn a_renamed_file_finds_what_it_was_under_its_old_name() {
    let mut scene = Scene::new(1 << 20);
    assert!(scene.keep("old", &record(&[(1, 1)], "base"), "base", 1));
    let from = |path_: &str, counters: &[(u64, u64)]| {
        Some(MovedFrom { path: path(path_), version: version(counters) })
    };
    let moved = FileRecord { moved_from: from("old", &[(1, 1)]), ..record(&[(1, 2)], "base") };
    let theirs = FileRecord { moved_from: from("old", &[(1, 1)]), ..record(&[(2, 9)], "x") };
    let sides = [moved.clone(), theirs.clone()];
    assert_eq!(scene.ancestor("new", &sides).as_deref(), Some("base"));
    // Edited after the rename, a side does not say any more where it is from.
    assert!(scene.keep("new", &moved, "base", 1));
    let edited = record(&[(1, 3)], "edited");
    assert_eq!(scene.ancestor("new", &[edited.clone(), theirs]).as_deref(), Some("base"));
    let elsewhere = FileRecord { moved_from: from("third", &[(1, 1)]), ..record(&[(2, 9)], "x") };
    assert_eq!(scene.ancestor("new", &[edited, elsewhere]), None);
}

#[test]
fn sides_that_one_device_counted_next_to_each_other_have_the_remembered_base() {
    let mut scene = Scene::new(1 << 20);
    assert!(scene.keep("a", &record(&[(1, 1)], "base"), "base", 1));
    let sides = [record(&[(1, 2)], "ours"), record(&[(1, 1), (2, 1)], "theirs")];
    assert!(scene.db.remember_base(&path("a"), &[&sides[0], &sides[1]]).unwrap());
    assert!(scene.keep("a", &record(&[(1, 3), (2, 1)], "ours"), "ours", 2));
    // Device 1 opens it again: both sides have seen how it was settled.
    let next = |number: u64, text: &str| {
        let mut counters = vec![(Author(1 << 32), 3), (Author(2 << 32), 1)];
        counters.push((Author(1 << 32).branch(number), 4));
        counters.sort_unstable();
        FileRecord {
            version: VersionVector::from_counters(counters).unwrap(),
            ..record(&[(1, 1)], text)
        }
    };
    let again = [next(1, "ours"), next(2, "theirs")];
    assert_eq!(scene.ancestor("a", &again).as_deref(), Some("base"));
    let changed = [next(1, "ours"), next(2, "theirs, edited since")];
    assert_eq!(scene.ancestor("a", &changed), None, "doubt");
}

#[test]
fn what_was_used_longest_ago_goes_first_and_older_still_does_not_come_in() {
    let text = |number: u8| format!("{number}").repeat(8);
    let room = 3 * (OVERHEAD_BYTES + 40);
    let mut scene = Scene::new(room);
    for (number, used_ms) in [(1, 10), (2, 30), (3, 20)] {
        let at = format!("{number}");
        assert!(scene.keep(&at, &record(&[(1, 1)], &text(number)), &text(number), used_ms));
    }
    let holds = |scene: &Scene, number: u8| {
        let (content, _) = record(&[(1, 1)], &text(number)).content.file().unwrap();
        scene.db.content(content).unwrap().is_some()
    };
    assert!(!scene.keep("4", &record(&[(1, 1)], &text(4)), &text(4), 5), "older than all");
    assert_eq!([1, 2, 3].map(|number| holds(&scene, number)), [true; 3]);
    assert!(scene.keep("4", &record(&[(1, 1)], &text(4)), &text(4), 40));
    assert_eq!([1, 2, 3, 4].map(|number| holds(&scene, number)), [false, true, true, true]);
    assert!(scene.keep("3", &record(&[(1, 2)], &text(3)), &text(3), 50), "used again");
    let mut scene = scene.reopen(room);
    assert!(scene.keep("5", &record(&[(1, 1)], &text(5)), &text(5), 60));
    assert_eq!([2, 3, 4, 5].map(|number| holds(&scene, number)), [false, true, true, true]);
    assert!(scene.db.bytes() <= room);
}

#[test]
fn what_only_this_device_had_goes_before_what_devices_agreed_on() {
    let mut scene = Scene::new(1 << 20);
    let base = record(&[(1, 1)], "agreed");
    assert!(scene.keep("a", &base, "agreed", 1));
    for count in 2..200 {
        let (now, text) = (record(&[(1, count)], &format!("{count}")), format!("{count}"));
        assert!(scene.keep("a", &now, &text, count));
        let replaced = (&path("a"), &now.version);
        scene.db.note_replaced(replaced, Replacement::Edited, count, false).unwrap();
    }
    let sides = [record(&[(1, 300)], "x"), record(&[(1, 1), (2, 1)], "y")];
    assert_eq!(scene.ancestor("a", &sides).as_deref(), Some("agreed"));
    let kept = scene.db.replaced(1000, |_| true).unwrap();
    assert_eq!((kept.len(), kept[0].replaced_ms), (63, 199), "of the others the last ones");
}

#[test]
fn what_was_replaced_is_listed_newest_first_and_expires() {
    let mut scene = Scene::new(1 << 20);
    for number in 1..=20_u64 {
        let (at, text) = (format!("f{number}"), format!("text {number}"));
        let record = record(&[(1, number)], &text);
        assert!(scene.keep(&at, &record, &text, 1));
        let how = if number % 2 == 0 { Replacement::Edited } else { Replacement::Removed };
        let shared = number != 1;
        assert!(
            scene.db.note_replaced((&path(&at), &record.version), how, number / 2, shared).unwrap()
        );
    }
    let unknown = (&path("f1"), &version(&[(9, 9)]));
    assert!(!scene.db.note_replaced(unknown, Replacement::Edited, 1, true).unwrap());
    let found = scene.db.replaced(3, |text| text.kept.path.as_str() != "f19").unwrap();
    let names: Vec<_> = found.iter().map(|text| text.kept.path.as_str()).collect();
    assert_eq!(names, ["f20", "f18", "f16"]);
    assert_eq!(found[0].how, Replacement::Edited);
    assert_eq!(scene.db.replaced_text(found[0].number).unwrap().as_ref(), Some(&found[0]));

    let first = scene.db.replaced(99, |text| text.kept.path.as_str() == "f1").unwrap();
    assert_eq!(scene.db.expire(u64::MAX).unwrap(), 2, "a tenth at a time");
    assert_eq!(scene.db.replaced(99, |_| true).unwrap().len(), 18);
    assert_eq!(scene.db.content(first[0].kept.content).unwrap(), None, "nobody else had it");
    let (shared, _) = record(&[(1, 2)], "text 2").content.file().unwrap();
    assert!(scene.db.content(shared).unwrap().is_some(), "others may have changed it since");
}

#[test]
fn work_that_fails_leaves_nothing_behind() {
    let mut scene = Scene::new(1 << 20);
    let failed: Result<(), _> = scene.db.together(|db| {
        db.keep(&path("a"), &record(&[(1, 1)], "a"), b"a", 1)?;
        Err(crate::IndexError::Misuse("as a test"))
    });
    assert!(failed.is_err());
    assert_eq!(scene.db.bytes(), 0);
    assert_eq!(scene.db.note(&path("a"), &record(&[(1, 1)], "a"), 1).unwrap(), Known::Wanted);
    assert!(!scene.db.is_complete().unwrap());
    scene.db.set_complete(true).unwrap();
    assert!(scene.reopen(1 << 20).db.is_complete().unwrap());
}

#[test]
fn a_damaged_one_is_told_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.texts.db");
    std::fs::write(&path, "no database at all, whatever its name says").unwrap();
    assert!(TextsDb::open(&path, 1 << 20).unwrap_err().is_corrupt());
}

/// A history of one path, as devices make it: each edit has seen an earlier
/// version, or two that it joins.
fn histories() -> impl Strategy<Value = Vec<VersionVector>> {
    let steps =
        proptest::collection::vec((0..3_u64, any::<usize>(), any::<Option<usize>>()), 1..14);
    steps.prop_map(|steps| {
        let mut known = vec![VersionVector::new()];
        for (count, (device, from, also)) in (1..).zip(steps) {
            let mut seen = known[from % known.len()].clone();
            if let Some(also) = also {
                seen = seen.joined(&known[also % known.len()]);
            }
            known.push(seen.bumped(Author(device << 32), count).unwrap());
        }
        known.remove(0);
        known
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was kept and whatever was not, what is found was seen by both
    /// sides, and nothing else that both have seen is later.
    #[test]
    fn no_later_version_was_seen_by_both_sides(
        history in histories(), ours: usize, theirs: usize, kept: u16,
    ) {
        let (ours, theirs) = (&history[ours % history.len()], &history[theirs % history.len()]);
        let is_kept = |number: &usize| kept & 1 << number != 0;
        let candidate = |number: usize| Candidate {
            number: number as i64,
            kept: KeptVersion {
                path: path("a"),
                version: history[number].clone(),
                content: ContentId::from_bytes([number as u8; 32]),
                size_bytes: 1,
                mode: 0,
                mtime_ns: 0,
                device: DeviceId::from_bytes([0; 32]),
                changed_ms: 0,
            },
            moved_from: None,
        };
        let candidates: Vec<_> = (0..history.len()).filter(is_kept).map(candidate).collect();
        let seen = met([ours, theirs].into_iter());
        let Some(found) = greatest(&candidates, &seen) else { return Ok(()) };
        let found = &found.kept.version;
        prop_assert!(ours.includes(found) && theirs.includes(found));
        for version in history.iter().filter(|version| ours.includes(version) && theirs.includes(version)) {
            prop_assert!(found.includes(version), "{:?} is later than {:?}", version, found);
        }
    }
}
