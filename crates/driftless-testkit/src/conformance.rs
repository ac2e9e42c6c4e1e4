//! The suite that every implementation of [`Index`] passes.
//!
//! Plain cases for what is easily got wrong, then random transactions whose
//! every answer is compared with a model. The random part is seeded alike on
//! every run, so that a failure repeats and shrinks.

mod model;
mod strategy;

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::{
    Author, Block, BlockHash, BlockList, Cursor, DeviceId, Entry, Epoch, Index, InstanceId,
    RelPath, Sequence, Slot,
};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use model::Model;
use strategy::path;
pub use strategy::{entry, record};

/// The device whose index `make` makes.
pub const DEVICE: DeviceId = DeviceId::from_bytes([0; 32]);

/// The folder root of the index that `make` makes.
pub const INSTANCE: InstanceId = InstanceId([7; 16]);

/// The epoch of the index that `make` makes.
pub const EPOCH: Epoch = Epoch(1);

/// Checks an implementation. `make` makes an empty index of [`DEVICE`] and
/// [`INSTANCE`] in [`EPOCH`].
///
/// # Panics
///
/// On any answer that is not as [`Index`] says.
pub fn check<I: Index>(make: impl Fn() -> I) {
    an_index_is_born_empty(&mut make());
    writes_need_a_transaction(&mut make());
    sequences_ascend_and_name_one_state(&mut make());
    a_rollback_takes_everything_back(&mut make());
    an_epoch_numbers_anew_in_path_order(&mut make());
    slots_run_out(&mut make());
    block_lists_are_what_their_content_says(&mut make());
    random_transactions_answer_like_the_model(make);
}

fn an_index_is_born_empty(index: &mut impl Index) {
    let identity = index.identity();
    assert_eq!(identity.instance, INSTANCE);
    assert_eq!(identity.author, Author::of(&DEVICE, EPOCH));
    fresh_model().assert_agrees(index);
}

fn writes_need_a_transaction(index: &mut impl Index) {
    let a = path("a");
    assert!(index.put(&a, &Entry::default(), true).is_err());
    assert!(index.remove(&a).is_err());
    assert!(index.begin_epoch(Epoch(2), Author(2)).is_err());
    assert!(index.put_block_list(strategy::list(0).content_id(), &strategy::list(0)).is_err());
    assert!(index.collect_block_lists().is_err());
    assert!(index.slot(&strategy::device(1)).is_err());
    assert!(index.set_cursor(Slot::ME, Cursor::default()).is_err());
    assert!(index.clear_holder(Slot::ME).is_err());
    assert!(index.commit().is_err());
    assert!(index.rollback().is_err());
    fresh_model().assert_agrees(index);
    index.begin().expect("begin");
    assert!(index.begin().is_err(), "a transaction does not nest");
}

/// I9
fn sequences_ascend_and_name_one_state(index: &mut impl Index) {
    let with = |sequence| Entry { sequence: Sequence(sequence), ..Entry::default() };
    index.begin().expect("begin");
    for (text, expected) in [("b", 1), ("a", 2), ("b", 3)] {
        let sequence = index.put(&path(text), &Entry::default(), true).expect("put");
        assert_eq!(sequence, Sequence(expected));
    }
    index.commit().expect("commit");
    assert_eq!(announced(index, 0), [("a".into(), 2), ("b".into(), 3)]);
    for (sequence, reason) in [(2, "another path's"), (4, "never assigned")] {
        index.begin().expect("begin");
        assert!(index.put(&path("b"), &with(sequence), false).is_err(), "{reason}");
        index.rollback().expect("rollback");
    }
    assert_eq!(announced(index, 2), [("b".into(), 3)]);
    index.begin().expect("begin");
    assert_eq!(index.put(&path("b"), &with(3), false).expect("its own"), Sequence(3));
    index.commit().expect("commit");
    assert_eq!(index.last_sequence(), Sequence(3));
}

fn a_rollback_takes_everything_back(index: &mut impl Index) {
    let model = fresh_model();
    let mut scratch = model.clone();
    index.begin().expect("begin");
    let other = strategy::device(1);
    assert_eq!(index.slot(&other).expect("slot"), Slot::new(1));
    scratch.devices.push(other);
    for number in 0..strategy::LISTS {
        scratch.write(index, &strategy::Write::PutList(number));
    }
    let write = strategy::Write::Put(path("a"), Box::default(), strategy::Announce::Next);
    scratch.write(index, &write);
    scratch.write(index, &strategy::Write::SetCursor(1, 2, 3));
    scratch.write(index, &strategy::Write::BeginEpoch(9));
    scratch.assert_agrees(index);
    index.rollback().expect("rollback");
    model.assert_agrees(index);
}

/// I9, I10
fn an_epoch_numbers_anew_in_path_order(index: &mut impl Index) {
    let other = strategy::device(1);
    index.begin().expect("begin");
    let slot = index.slot(&other).expect("slot").expect("one is free");
    let mine = held_here();
    for text in ["c", "b", "a"] {
        index.put(&path(text), &mine, true).expect("put");
    }
    index.put(&path("b"), &Entry::default(), true).expect("put what holds nothing");
    let heard = Cursor {
        epoch: Some(Epoch(5)),
        heard: Sequence(7),
        received: Sequence(6),
        sent: Sequence(5),
        acknowledged: Sequence(4),
    };
    index.set_cursor(slot, heard).expect("set a cursor");
    index.begin_epoch(Epoch(2), Author(22)).expect("begin an epoch");
    index.commit().expect("commit");
    assert_eq!(index.identity().epoch, Epoch(2));
    assert_eq!(index.identity().author, Author(22));
    assert_eq!(announced(index, 0), [("a".into(), 1), ("c".into(), 2)]);
    assert_eq!(index.last_sequence(), Sequence(2));
    let expected = Cursor { sent: Sequence(0), acknowledged: Sequence(0), ..heard };
    assert_eq!(index.cursor(slot).expect("cursor"), expected, "nobody has heard of this epoch");
}

fn slots_run_out(index: &mut impl Index) {
    index.begin().expect("begin");
    assert_eq!(index.slot(&DEVICE).expect("slot"), Some(Slot::ME));
    for number in 1..64 {
        let slot = index.slot(&strategy::device(number)).expect("slot");
        assert_eq!(slot, Slot::new(usize::from(number)));
    }
    assert_eq!(index.slot(&strategy::device(64)).expect("no slot"), None);
    assert_eq!(index.slot(&strategy::device(63)).expect("slot"), Slot::new(63));
    index.commit().expect("commit");
    assert_eq!(index.devices().len(), 63);
}

/// H4
fn block_lists_are_what_their_content_says(index: &mut impl Index) {
    let block = |n: u32| Block { hash: BlockHash::of(&n.to_be_bytes()), len: n + 1 };
    let long = BlockList::new((0..1000).map(block).collect()).expect("within bounds");
    let single = BlockList::new(vec![block(5000)]).expect("within bounds");
    index.begin().expect("begin");
    index.put_block_list(long.content_id(), &long).expect("put a long list");
    index.put_block_list(long.content_id(), &long).expect("put it again");
    index.put_block_list(single.content_id(), &single).expect("put what needs no list");
    index.commit().expect("commit");
    assert_eq!(index.block_list(single.content_id()).expect("a block list"), None);
    assert_eq!(index.block_list(long.content_id()).expect("a block list").as_ref(), Some(&long));
    for (offset, block) in long.with_offsets() {
        let found = index.find_block(block.hash).expect("find a block");
        assert_eq!(found, Some((long.content_id(), offset)));
    }
    assert_eq!(index.find_block(BlockHash::of(b"other")).expect("find a block"), None);
    index.begin().expect("begin");
    assert!(index.put_block_list(single.content_id(), &long).is_err(), "not its list");
    index.rollback().expect("rollback");
    index.begin().expect("begin");
    assert_eq!(index.collect_block_lists().expect("collect"), 1);
    index.commit().expect("commit");
    assert_eq!(index.find_block(block(7).hash).expect("find a block"), None);
}

/// I9, I15
fn random_transactions_answer_like_the_model<I: Index>(make: impl Fn() -> I) {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&strategy::transactions(), |transactions| {
        let mut index = make();
        let mut model = fresh_model();
        for transaction in &transactions {
            let before = model.clone();
            index.begin().expect("begin");
            for write in &transaction.writes {
                model.write(&mut index, write);
            }
            model.assert_agrees(&index);
            if transaction.commit {
                index.commit().expect("commit");
            } else {
                index.rollback().expect("rollback");
                model = before;
            }
            model.assert_agrees(&index);
        }
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

fn fresh_model() -> Model {
    Model {
        epoch: EPOCH,
        author: Author::of(&DEVICE, EPOCH),
        last: 0,
        entries: BTreeMap::new(),
        lists: BTreeSet::new(),
        devices: vec![DEVICE],
        cursors: BTreeMap::new(),
    }
}

/// An entry with something to announce.
fn held_here() -> Entry {
    let mut entry = Entry::default();
    let writer = driftless_core::diff::Writer {
        device: DEVICE,
        author: Author(1),
        now_ms: 0,
        last_sequence: Sequence(0),
    };
    let content = driftless_core::Content::Directory { mode: 0o755 };
    entry.write(writer.edit(&entry, content, None).expect("a first edit"));
    entry
}

fn announced(index: &impl Index, after: u64) -> Vec<(String, u64)> {
    let entries: Vec<(RelPath, Entry)> =
        index.announced_after(Sequence(after), usize::MAX).expect("announced");
    entries.into_iter().map(|(path, entry)| (path.to_string(), entry.sequence.0)).collect()
}
