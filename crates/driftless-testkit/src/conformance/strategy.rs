//! Arbitrary entries and operations, small in range so that they collide.

use driftless_core::policy::MAX_ROUNDS;
use driftless_core::{
    Author, Block, BlockHash, BlockList, Content, ContentId, DeviceId, Entry, FileRecord, Head,
    Heads, HolderSet, Level, MovedFrom, OnDisk, RelPath, Sequence, Stat, VersionVector,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// The paths that operations choose from: neighbours of a slash in byte order,
/// prefixes that are no parents, and names beyond ASCII.
const PATHS: [&str; 14] = [
    "a",
    "a/b",
    "a/b/c",
    "a/b-c",
    "a/z",
    "a/\u{1}",
    "a\u{1}x",
    "a b",
    "a-b",
    "a.txt",
    "ab",
    "b",
    "b/ä",
    "\u{10ffff}",
];

/// All paths that operations choose from, in order.
pub(super) fn all_paths() -> Vec<RelPath> {
    let mut paths: Vec<_> = PATHS.iter().map(|text| path(text)).collect();
    paths.sort();
    paths
}

/// A path that is known to be one.
pub(super) fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("the suite's paths are plain")
}

/// The device of a number.
pub(super) fn device(number: u8) -> DeviceId {
    DeviceId::from_bytes([number; 32])
}

/// The contents that operations choose from; each has a block list of two
/// blocks or more, and neighbours share a block.
pub(super) fn list(number: u8) -> BlockList {
    let block = |n: u8| Block { hash: BlockHash::of(&[n]), len: 1000 + u32::from(n) };
    BlockList::new(vec![block(number), block(number + 1), block(number)])
        .expect("the suite's lists are within bounds")
}

/// How many different [`list`]s operations use.
pub(super) const LISTS: u8 = 4;

fn content() -> impl Strategy<Value = Content> {
    let file = (0..LISTS, 0..3_u16, -1..2_i64, 0..2_u8).prop_map(|(number, mode, mtime, level)| {
        let list = list(number);
        Content::File {
            content: list.content_id(),
            size_bytes: list.size_bytes(),
            level: Level::new(level).unwrap_or_default(),
            mode: 0o600 + mode,
            mtime_ns: mtime * 1_700_000_000_123_456_789,
        }
    });
    let empty = Just(Content::File {
        content: ContentId::from_bytes(*BlockHash::of(&[]).as_bytes()),
        size_bytes: 0,
        level: Level::default(),
        mode: 0o644,
        mtime_ns: 0,
    });
    prop_oneof![
        4 => file,
        1 => empty,
        2 => option::of(any_path()).prop_map(|moved_to| Content::Tombstone { moved_to }),
        1 => "[a-z/.ü]{0,9}".prop_map(|target| Content::Symlink { target: target.into() }),
        1 => (0..0o1000_u16).prop_map(|mode| Content::Directory { mode }),
    ]
}

fn version() -> impl Strategy<Value = VersionVector> {
    btree_map(0_u64..4, prop_oneof![1_u64..4, Just(1 << 48)], 1..4).prop_map(|counters| {
        let counters = counters.into_iter().map(|(a, count)| (Author(a << 60), count)).collect();
        VersionVector::from_counters(counters).expect("a map's keys ascend")
    })
}

/// An arbitrary record.
pub fn record() -> impl Strategy<Value = FileRecord> {
    let previous = option::of(prop_oneof![
        (0..LISTS).prop_map(|number| list(number).content_id()),
        any::<[u8; 32]>().prop_map(ContentId::from_bytes),
    ]);
    let changed_ms = prop_oneof![Just(0), any::<u64>(), Just(1_790_000_000_000)];
    let moved_from = option::weighted(0.2, (any_path(), version()));
    (version(), content(), previous, 0..4_u8, changed_ms, moved_from, 0..=MAX_ROUNDS).prop_map(
        |(version, content, previous, number, changed_ms, moved_from, policy_rounds)| FileRecord {
            version,
            content,
            previous,
            device: device(number),
            changed_ms,
            moved_from: moved_from.map(|(path, version)| MovedFrom { path, version }),
            policy_rounds,
        },
    )
}

fn stat() -> impl Strategy<Value = Stat> {
    let odd = (any::<u64>(), any::<i64>(), any::<i64>(), any::<u64>(), any::<u32>());
    let usual = (0..9_u64, Just(1_700_000_000_123_456_789), 0..9_i64, 0..9_u64, Just(0o100_644));
    let usual = usual.prop_map(|(size, mtime, later, inode, mode): (_, i64, _, _, _)| {
        (size, mtime, mtime + later, inode, mode)
    });
    prop_oneof![odd, usual].prop_map(|(size_bytes, mtime_ns, ctime_ns, inode, mode)| Stat {
        size_bytes,
        mtime_ns,
        ctime_ns,
        inode,
        mode,
    })
}

/// An arbitrary entry with sequence 0: none to five heads, the tree holding
/// one of them, something else, or nothing.
pub fn entry() -> impl Strategy<Value = Entry> {
    let holders = prop_oneof![0..16_u64, any::<u64>()];
    let heads = vec((record(), holders), 0..6);
    let disk =
        option::of((any::<bool>(), record(), stat(), any::<bool>(), proptest::bool::weighted(0.1)));
    let landing = option::weighted(0.1, record());
    let flags = (proptest::bool::weighted(0.1), proptest::bool::weighted(0.1));
    (heads, disk, landing, flags).prop_map(|(heads, disk, landing, (suspect, ignored))| {
        let heads = Heads::from_heads(
            heads
                .into_iter()
                .map(|(record, bits)| Head { record, holders: HolderSet::from_bits(bits) }),
        );
        let disk = disk.map(|(is_head, other, mut stat, is_same_stat, local)| {
            let head = heads.iter().last().filter(|_| is_head);
            let record = head.map_or(other, |head| head.record.clone());
            if let Content::File { size_bytes, mtime_ns, .. } = record.content
                && is_same_stat
            {
                (stat.size_bytes, stat.mtime_ns) = (size_bytes, mtime_ns);
            }
            OnDisk { record, stat, local }
        });
        Entry { heads, disk, landing, suspect, ignored, sequence: Sequence(0) }
    })
}

/// One write to an index.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Put(RelPath, Box<Entry>, Announce),
    Remove(RelPath),
    BeginEpoch(u64),
    PutList(u8),
    CollectLists,
    Slot(u8),
    SetCursor(u8, u64, u64),
    ClearHolder(u8),
}

/// What becomes of the sequence in a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announce {
    Next,
    Keep,
    Nothing,
}

/// Writes that belong together, and whether they are committed.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) writes: Vec<Write>,
    pub(super) commit: bool,
}

/// Paths that operations and queries choose from.
pub(super) fn any_path() -> impl Strategy<Value = RelPath> {
    (0..PATHS.len()).prop_map(|index| path(PATHS[index]))
}

fn write() -> impl Strategy<Value = Write> {
    let announce = prop_oneof![Just(Announce::Next), Just(Announce::Keep), Just(Announce::Nothing)];
    prop_oneof![
        12 => (any_path(), entry(), announce).prop_map(|(p, e, a)| Write::Put(p, Box::new(e), a)),
        2 => any_path().prop_map(Write::Remove),
        1 => any::<u64>().prop_map(Write::BeginEpoch),
        2 => (0..LISTS).prop_map(Write::PutList),
        1 => Just(Write::CollectLists),
        1 => (0..6_u8).prop_map(Write::Slot),
        1 => (0..5_u8, any::<u64>(), any::<u64>()).prop_map(|(s, a, b)| Write::SetCursor(s, a, b)),
        1 => (0..5_u8).prop_map(Write::ClearHolder),
    ]
}

/// Transactions, three of four of them committed.
pub(super) fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let transaction = (vec(write(), 0..12), proptest::bool::weighted(0.75));
    vec(transaction.prop_map(|(writes, commit)| Transaction { writes, commit }), 1..6)
}
