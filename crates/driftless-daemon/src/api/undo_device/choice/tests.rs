//! What is chosen, told as one line: each path with what is done to it.

use driftless_core::{
    Author, BlockHash, ContentId, Epoch, Head, HolderSet, Level, MovedFrom, OnDisk, Slot, Stat,
};

use super::*;

const X: DeviceId = DeviceId::from_bytes([1; 32]);
const BOB: DeviceId = DeviceId::from_bytes([2; 32]);

/// The time since when, on a whole second.
const SINCE_MS: u64 = 1_800_000_000_000;

fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

fn author(device: DeviceId) -> Author {
    Author::of(&device, Epoch(7))
}

fn id(name: &str) -> ContentId {
    let hash = BlockHash::of(name.as_bytes());
    let block = driftless_core::Block { hash, len: 3 };
    BlockList::new(vec![block]).unwrap().content_id()
}

/// A file with this content, written at a time after [`SINCE_MS`], in milliseconds.
fn file(name: &str, at_ms: i64) -> Content {
    Content::File {
        content: id(name),
        size_bytes: 3,
        level: Level::new(0).unwrap(),
        mode: 0o644,
        mtime_ns: (SINCE_MS.cast_signed() + at_ms) * 1_000_000,
    }
}

/// A record of `by` at a time after [`SINCE_MS`], in which `also` had a part.
fn record(by: DeviceId, at_ms: i64, content: Content) -> FileRecord {
    FileRecord {
        version: VersionVector::from_counters(vec![(author(by), 5)]).unwrap(),
        content,
        previous: None,
        device: by,
        changed_ms: SINCE_MS.checked_add_signed(at_ms).unwrap(),
        moved_from: None,
        policy_rounds: 0,
    }
}

/// The same, of something that others had a part in.
fn shared(by: DeviceId, at_ms: i64, content: Content) -> FileRecord {
    let mut counters = vec![(author(by), 5), (author(DeviceId::from_bytes([9; 32])), 3)];
    counters.sort();
    let version = VersionVector::from_counters(counters).unwrap();
    FileRecord { version, ..record(by, at_ms, content) }
}

fn gone(to: Option<&str>) -> Content {
    Content::Tombstone { moved_to: to.map(path) }
}

struct Case(Past);

impl Case {
    fn new() -> Self {
        Self(Past {
            device: X,
            since_ms: SINCE_MS,
            kept_since_ms: 0,
            authors: author(X).branches().collect(),
            entries: BTreeMap::new(),
            versions: BTreeMap::new(),
            new: BTreeSet::new(),
            shared: BTreeSet::new(),
        })
    }

    /// A path of which the tree has what is known.
    fn is(mut self, at: &str, record: FileRecord) -> Self {
        let disk = (!record.content.is_tombstone()).then(|| OnDisk {
            record: record.clone(),
            stat: Stat::default(),
            local: false,
        });
        let heads = driftless_core::Heads::from_heads([Head {
            record,
            holders: HolderSet::only(Slot::ME),
        }]);
        self.0.entries.insert(path(at), Entry { heads, disk, ..Entry::default() });
        self
    }

    /// A path of which nothing is known.
    fn unknown(mut self, at: &str) -> Self {
        self.0.entries.insert(path(at), Entry::default());
        self
    }

    /// A version, displaced by `by` at a time and last written at another.
    fn kept(
        mut self,
        at: &str,
        why: VersionReason,
        (by, at_ms, mtime_ms): (DeviceId, i64, i64),
    ) -> Self {
        let versions = self.0.versions.entry(path(at)).or_default();
        let displaced_ms = SINCE_MS.checked_add_signed(at_ms).unwrap();
        versions.push(Version {
            id: format!("{at}#{}", versions.len() + 1),
            path: path(at),
            size_bytes: 3,
            mtime_ns: (SINCE_MS.cast_signed() + mtime_ms) * 1_000_000,
            mode: 0o644,
            displaced_ms: displaced_ms - displaced_ms % 1000,
            ctime_ns: displaced_ms.cast_signed() * 1_000_000,
            reason: why,
            device_short: by.short(),
            target: None,
        });
        self
    }

    fn chosen(self) -> String {
        let said = choose(&self.0).into_iter().map(|(path, action)| match action {
            Action::Restore(version) => format!("{path} gets {}", version.id),
            Action::MoveBack(from) => format!("{path} gets {from}"),
            Action::Insist(_) => format!("{path} stays here"),
            Action::Remove => format!("{path} goes"),
            Action::Leave(why) => format!("{path}: {why:?}"),
        });
        said.collect::<Vec<_>>().join(", ")
    }
}

const OVERWRITTEN: VersionReason = VersionReason::Overwritten;
const DELETED: VersionReason = VersionReason::Deleted;

#[test]
fn the_first_version_that_the_device_displaced_since_is_what_was_there_before() {
    let edited = Case::new()
        .is("a", shared(X, 9_000, file("bad", 9_000)))
        .kept("a", OVERWRITTEN, (X, -5_000, -90_000))
        .kept("a", OVERWRITTEN, (X, 2_000, -80_000))
        .kept("a", OVERWRITTEN, (X, 4_000, 2_000));
    assert_eq!(edited.chosen(), "a gets a#2");
    let deleted =
        Case::new().is("a", shared(X, 3_000, gone(None))).kept("a", DELETED, (X, 3_000, -9));
    assert_eq!(deleted.chosen(), "a gets a#1");
    let forgotten = Case::new().unknown("a").kept("a", DELETED, (X, 3_000, -9));
    assert_eq!(forgotten.chosen(), "a gets a#1");
    let before = Case::new().is("a", shared(X, -10, file("old", -10)));
    assert_eq!(before.kept("a", OVERWRITTEN, (X, 5_000, -90)).chosen(), "", "it only came since");
}

#[test]
fn within_the_first_second_the_inode_tells_what_came_since() {
    let mut case = Case::new()
        .is("a", shared(X, 900, file("bad", 900)))
        .kept("a", OVERWRITTEN, (X, 200, -90_000))
        .kept("a", OVERWRITTEN, (X, 800, -80_000));
    case.0.since_ms += 500;
    assert_eq!(case.chosen(), "a gets a#2");
}

#[test]
fn what_the_device_made_goes_and_directories_only_with_all_that_is_in_them() {
    let directory = || record(X, 10, Content::Directory { mode: 0o755 });
    let made = Case::new()
        .is("d", directory())
        .is("d/e", directory())
        .is("d/e/new", record(X, 20, file("new", 20)))
        .is("f", directory())
        .is("f/new", record(X, 20, file("new", 20)));
    assert_eq!(made.chosen(), "d goes, d/e goes, d/e/new goes, f goes, f/new goes");
    let mut used = Case::new().is("d", directory()).is("d/e", directory());
    need_parents(&path("d/bob's"), &mut used.0.shared);
    assert_eq!(used.chosen(), "d/e goes", "bob has put something into d");
    let back = Case::new().is("d", directory()).unknown("d/a").kept("d/a", DELETED, (X, 5_000, -9));
    assert_eq!(back.chosen(), "d/a gets d/a#1");
    let twice = Case::new().is("a", record(X, 3_000, file("whole", 3_000))).kept(
        "a",
        OVERWRITTEN,
        (X, 3_000, 2_000),
    );
    assert_eq!(twice.chosen(), "a goes", "the version before was the device's own doing, too");
    let filled = FileRecord {
        previous: Some(BlockList::default().content_id()),
        ..record(X, 3_000, file("whole", 3_000))
    };
    assert_eq!(Case::new().is("a", filled).chosen(), "a goes");
}

#[test]
fn a_rename_is_taken_back_also_where_the_new_name_was_written_to_or_renamed_again() {
    let moved = |from: &str, at_ms, content| FileRecord {
        moved_from: Some(MovedFrom { path: path(from), version: VersionVector::new() }),
        ..record(X, at_ms, content)
    };
    let plain = Case::new()
        .is("a", shared(X, 10, gone(Some("a.locked"))))
        .is("a.locked", moved("a", 10, file("good", -90)));
    assert_eq!(plain.chosen(), "a gets a.locked, a.locked goes");
    let forgotten = Case::new().unknown("a").is("a.locked", moved("a", 10, file("good", -90)));
    assert_eq!(forgotten.chosen(), "a gets a.locked, a.locked goes");
    let rewritten_first = Case::new()
        .unknown("a")
        .kept("a", OVERWRITTEN, (X, 5, -90))
        .is("a.locked", moved("a", 10, file("bad", 5)));
    assert_eq!(rewritten_first.chosen(), "a gets a#1, a.locked goes");
    let rewritten_then = Case::new()
        .is("a", shared(X, 10, gone(Some("a.locked"))))
        .is("a.locked", record(X, 20, file("bad", 20)))
        .kept("a.locked", OVERWRITTEN, (X, 20, -90));
    assert_eq!(rewritten_then.chosen(), "a gets a.locked#1, a.locked goes");
    let twice = Case::new()
        .is("a", shared(X, 10, gone(Some("b"))))
        .is("b", shared(X, 20, gone(Some("c"))))
        .is("c", moved("b", 20, file("good", -90)));
    assert_eq!(twice.chosen(), "a gets c, c goes");
    let half_forgotten = Case::new()
        .is("a", shared(X, 10, gone(Some("b"))))
        .unknown("b")
        .is("c", moved("b", 20, file("good", -90)));
    assert_eq!(half_forgotten.chosen(), "a gets c, c goes");
    let over_another = Case::new()
        .is("a", shared(X, 10, gone(Some("b"))))
        .kept("a", DELETED, (X, 10, -90))
        .is("b", moved("a", 10, file("a's", -90)))
        .kept("b", OVERWRITTEN, (X, 10, -80));
    assert_eq!(over_another.chosen(), "a gets a#1, b gets b#1");
    let into_the_place_of_a_deleted_one = Case::new()
        .is("a", shared(X, 3_000, gone(Some("b"))))
        .kept("b", DELETED, (X, 2_000, -80))
        .is("b", moved("a", 3_000, file("a's", -90)));
    assert_eq!(into_the_place_of_a_deleted_one.chosen(), "a gets b, b gets b#1");
    let touched = Case::new().unknown("a").is("b", moved("a", 10, file("good", 5)));
    assert_eq!(touched.chosen(), "a gets b, b goes", "it need not be new");
    let copied_back = Case::new()
        .is("a", shared(BOB, 20, file("good", -90)))
        .is("a.locked", moved("a", 10, file("good", -90)));
    assert_eq!(copied_back.chosen(), "a.locked goes", "an undo was cut off there");
    let taken = Case::new()
        .is("a", record(BOB, 20, file("bob's", 20)))
        .is("b", moved("a", 10, file("good", -90)));
    assert!(taken.chosen().contains("b: Taken"), "it is not to vanish");
}

#[test]
fn what_others_did_since_stays() {
    let changed =
        Case::new().is("a", shared(BOB, 20, file("bob's", 20))).kept("a", OVERWRITTEN, (X, 5, -90));
    assert!(changed.chosen().starts_with("a: ChangedBy("));
    let deleted = Case::new().unknown("a").kept("a", OVERWRITTEN, (X, 2_000, -90)).kept(
        "a",
        DELETED,
        (BOB, 4_000, 2_000),
    );
    assert_eq!(deleted.chosen(), format!("a: ChangedByShort({:?})", BOB.short()));
    let between = Case::new()
        .is("a", shared(X, 9_000, file("bad", 9_000)))
        .kept("a", OVERWRITTEN, (X, 2_000, -90))
        .kept("a", OVERWRITTEN, (BOB, 4_000, 2_000))
        .kept("a", OVERWRITTEN, (X, 9_000, 4_000));
    assert_eq!(between.chosen(), "a gets a#3", "bob's version, and not the one before that");
    let undone = Case::new()
        .is("a", shared(BOB, 20_000, file("good", -90)))
        .kept("a", OVERWRITTEN, (X, 2_000, -90))
        .kept("a", OVERWRITTEN, (BOB, 20_000, 2_000))
        .is("made", shared(BOB, 20_000, gone(None)))
        .kept("made", OVERWRITTEN, (X, 2_000, 1_000));
    assert!(!undone.chosen().contains("a gets"), "it has it");
}

#[test]
fn where_it_cannot_be_told_what_was_there_a_path_is_left() {
    let one = |record| Case::new().is("a", record).chosen();
    let before = Some(id("before"));
    let edit = |content| FileRecord { previous: before, ..shared(X, 9, content) };
    assert_eq!(one(edit(file("bad", 9))), "a: NotKept");
    assert_eq!(one(edit(file("before", 9))), "a: SameContent");
    assert_eq!(one(shared(X, 9, gone(None))), "a: NotKept");
    assert_eq!(one(record(X, 9, gone(None))), "", "what came and went was never here");
    assert_eq!(one(shared(X, 9, file("merged", 9))), "a: NotKept", "others had a part in it");
    let made_again = Case::new().is("a", shared(X, 9, file("again", 9))).kept(
        "a",
        DELETED,
        (BOB, -5_000, -90_000),
    );
    assert_eq!(made_again.chosen(), "a goes");
    let from_elsewhere = Case::new()
        .is("a", shared(X, 3_000, file("good", -90)))
        .unknown("a.locked")
        .kept("a.locked", DELETED, (X, 3_000, -90));
    assert_eq!(from_elsewhere.chosen(), "a goes, a.locked gets a.locked#1");
    let mut new = Case::new().is("a", shared(X, 9, file("again", -90)));
    new.0.new.insert(path("a"));
    assert_eq!(new.chosen(), "a goes", "the disk tells");
    let decided = Case::new().is("a", record(X, 3_000, file("mine", -9))).kept(
        "a",
        VersionReason::Resolved,
        (X, 3_000, -90),
    );
    assert_eq!(decided.chosen(), "a: Decided");
    let mut expired = Case::new().is("a", record(X, 9, file("new", 9)));
    expired.0.kept_since_ms = SINCE_MS + 10;
    assert_eq!(expired.chosen(), "a: NotKept", "what it replaced may have been there");
}

#[test]
fn what_is_not_in_the_tree_yet_does_not_come_and_what_is_in_conflict_waits() {
    let held = |record: FileRecord| {
        let mut case = Case::new().is("a", record);
        let entry = case.0.entries.get_mut(&path("a")).unwrap();
        let record = shared(BOB, -90_000, file("good", -90_000));
        entry.disk = Some(OnDisk { record, stat: Stat::default(), local: false });
        case
    };
    assert_eq!(held(shared(X, 9, file("bad", 9))).chosen(), "a stays here");
    assert_eq!(held(shared(X, 9, gone(None))).chosen(), "a stays here");
    let half = held(shared(X, 9_000, file("worse", 9))).kept("a", OVERWRITTEN, (X, 2_000, -9));
    assert_eq!(half.chosen(), "a: Syncing");
    let mut conflict = Case::new().is("a", record(X, 9, file("x's", 9)));
    let entry = conflict.0.entries.get_mut(&path("a")).unwrap();
    let record = record(BOB, 9, file("bob's", 9));
    entry.heads.insert(Head { record, holders: HolderSet::only(Slot::ME) });
    assert_eq!(conflict.chosen(), "a: Conflict");
}
