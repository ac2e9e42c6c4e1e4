//! What a device that lies can make of an engine.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use driftless_core::diff::Writer;
use driftless_core::version::{MAX_AUTHORS, MAX_COUNTER};
use driftless_core::{
    Author, Content, DeviceId, Entry, Epoch, FileRecord, FolderId, Head, Heads, HolderSet, Index,
    InstanceId, OnDisk, RelPath, Sequence, Stat, VersionVector,
};
use driftless_engine::{Config, Effect, Engine, Input, Mode};
use driftless_proto::{FolderState, IndexUpdate, PathUpdate, Seen};
use driftless_testkit::MemIndex;

const EVE: DeviceId = DeviceId::from_bytes([0xee; 32]);

fn folder() -> FolderId {
    FolderId::parse("f").unwrap()
}

/// An engine that has looked at an empty tree and is connected to Eve.
fn engine() -> Engine<MemIndex> {
    let device = DeviceId::from_bytes([1; 32]);
    let index = MemIndex::new(device, InstanceId([1; 16]), Epoch(1));
    let config = Config { folder: folder(), device, mode: Mode::SendReceive, brake: None };
    let mut engine = Engine::new(index, config);
    let state = FolderState {
        id: folder(),
        label: String::new(),
        epoch: Epoch(9),
        sequence: Sequence(0),
        seen: None,
        acknowledged: Sequence(0),
    };
    let inputs = vec![
        Input::Started { stored: Vec::new() },
        Input::Members(vec![EVE]),
        Input::Connected { device: EVE, state, spare: Epoch(2) },
    ];
    engine.handle(inputs, 0).unwrap();
    engine
}

fn record(version: Vec<(Author, u64)>, mode: u16) -> FileRecord {
    let version = VersionVector::from_counters(version).unwrap();
    let content = Content::Directory { mode };
    let device = EVE;
    let (previous, changed_ms, moved_from, policy_rounds) = (None, 0, None, 0);
    FileRecord { version, content, previous, device, changed_ms, moved_from, policy_rounds }
}

/// An update of these many directories, whose names begin with `prefix`.
fn update(prefix: &str, after: u64, count: u64) -> Input {
    let record = record(vec![(Author(7), 1)], 0o755);
    let path = |number| RelPath::parse(&format!("{prefix}{number}")).unwrap();
    Input::IndexUpdate(
        EVE,
        IndexUpdate {
            folder: folder(),
            epoch: Epoch(9),
            after: Sequence(after),
            upto: Sequence(after + count),
            more: false,
            paths: (0..count)
                .map(|number| PathUpdate { path: path(number), held: vec![record.clone()] })
                .collect(),
        },
    )
}

fn is_cut(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Disconnect { device: EVE, .. }))
}

/// H5, I14: a folder takes no more paths from devices than it may have, and
/// what it knows already can still change.
#[test]
fn h5_more_paths_than_a_folder_may_have_are_refused() {
    let mut engine = engine();
    engine.limit_heads(1000);
    assert!(!is_cut(&engine.handle(vec![update("a", 0, 900)], 0).unwrap()));
    assert!(!is_cut(&engine.handle(vec![update("a", 900, 900)], 0).unwrap()), "the same again");
    assert!(is_cut(&engine.handle(vec![update("b", 1800, 900)], 0).unwrap()));
    assert_eq!(engine.index().totals().heads, 1000);
}

/// H8: whoever claims that this device has edited a path more often than it can
/// have, or that more devices have than a version may name, does not keep it
/// from editing and choosing.
#[test]
fn h8_claims_under_foreign_names_keep_nobody_from_editing() {
    let own = Author(0x5eed);
    let writer = Writer {
        device: DeviceId::from_bytes([1; 32]),
        author: own,
        now_ms: 0,
        last_sequence: Sequence(41),
    };
    let mut branches: Vec<_> = own.branches().map(|author| (author, MAX_COUNTER)).collect();
    branches.sort_unstable();
    let mut every: Vec<_> = (0..MAX_AUTHORS as u64).map(|n| (own.branch(n), MAX_COUNTER)).collect();
    every.sort_unstable();
    let strangers = (1..=MAX_AUTHORS as u64).map(|n| (Author(n), 1)).collect();
    for poison in [vec![(own, 42)], branches, every, strangers] {
        let record = record(poison, 0o755);
        let head = Head { record: record.clone(), holders: HolderSet::default() };
        let disk = OnDisk { record: record.clone(), stat: Stat::default(), local: false };
        let heads = Heads::from_heads([head]);
        let entry = Entry { heads, disk: Some(disk), ..Entry::default() };
        let content = Content::Directory { mode: 0o700 };
        for edit in [writer.edit(&entry, content.clone(), None), writer.choose(&entry, content)] {
            let version = edit.unwrap().version;
            assert!(!record.version.includes(&version), "the edit counts");
            assert!(version.counters().len() <= MAX_AUTHORS, "and can be told");
            let counted = version.counters().iter().any(|&(_, count)| count == 42);
            assert!(counted, "no count is used twice: {version:?}");
        }
    }
}

/// H7, I14: a device that again and again claims to have seen more than this
/// one ever said makes it begin anew a few times, and is then cut off.
#[test]
fn h7_claims_that_the_index_was_rolled_back_are_believed_a_few_times_only() {
    let mut engine = engine();
    let mut restarts = 0;
    for spare in 100..200 {
        let epoch = engine.index().identity().epoch;
        let seen = Seen { epoch, sequence: Sequence(1 << 40), wanted_after: Sequence(0) };
        let state = FolderState {
            id: folder(),
            label: String::new(),
            epoch: Epoch(9),
            sequence: Sequence(0),
            seen: Some(seen),
            acknowledged: Sequence(0),
        };
        let claim = Input::Connected { device: EVE, state, spare: Epoch(spare) };
        let effects = engine.handle(vec![claim], 0).unwrap();
        if is_cut(&effects) {
            break;
        }
        restarts += 1;
    }
    assert!((1..20).contains(&restarts), "{restarts} times");
}
