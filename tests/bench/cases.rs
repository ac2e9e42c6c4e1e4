//! What the guard and the micro-benchmarks have in common: the hot paths, each with the same inputs every time.
//!
//! No case draws chance, starts a thread or waits. Preparing is not counted; giving back what was prepared is.

mod decide;
mod frames;
mod index;
mod sync;

use std::any::Any;

use driftless_core::{
    Author, BlockHash, Content, ContentId, DeviceId, Entry, FileRecord, Head, HolderSet, Level,
    OnDisk, RelPath, Stat, VersionVector,
};

/// How many paths most cases are about.
pub(crate) const PATHS: u64 = 1000;

/// Something that can be carried out once. What it gives is dropped after the count has ended.
pub(crate) type Work = Box<dyn FnOnce() -> Box<dyn Any>>;

/// One hot path.
pub(crate) struct Case {
    /// What people and `instructions.toml` call it.
    pub(crate) name: &'static str,
    /// How many paths it is about.
    pub(crate) paths: u64,
    /// Makes its inputs.
    pub(crate) prepare: fn() -> Work,
}

const fn case(name: &'static str, prepare: fn() -> Work) -> Case {
    Case { name, paths: PATHS, prepare }
}

/// All of them.
pub(crate) const ALL: &[Case] = &[
    case("heads-insert", decide::insert),
    case("heads-join", decide::join),
    case("diff", decide::diff_all),
    case("plan", decide::plan_all),
    case("encode", frames::encode_update),
    case("decode", frames::decode_update),
    case("index-commit", index::commit),
    case("index-get", index::get),
    case("index-range", index::range),
    case("rescan", sync::rescan),
    case("sync-many", sync::many),
    Case { name: "sync-one", paths: 1, prepare: sync::one },
];

fn work<T: 'static>(work: impl FnOnce() -> T + 'static) -> Work {
    Box::new(move || Box::new(work()))
}

/// This device, and another.
const DEVICES: [DeviceId; 2] = [DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32])];

/// The n-th path, in path order: a hundred to a directory.
fn path(number: u64) -> RelPath {
    let text = format!("sources/part-{:04}/file-{number:06}.txt", number / 100);
    RelPath::parse(&text).expect("it is plain")
}

fn stat(number: u64) -> Stat {
    let time = 1_780_000_000_000_000_000 + number as i64 * 7_654_321;
    Stat {
        size_bytes: 1024 + number % 4096,
        mtime_ns: time,
        ctime_ns: time,
        inode: 10_000_000 + number,
        mode: 0o100_644,
    }
}

fn content_id(number: u64) -> ContentId {
    ContentId::from_bytes(*BlockHash::of(&number.to_be_bytes()).as_bytes())
}

fn content(number: u64) -> Content {
    let Stat { size_bytes, mtime_ns, .. } = stat(number);
    let level = Level::default();
    Content::File { content: content_id(number), size_bytes, level, mode: 0o644, mtime_ns }
}

/// A version of the n-th path: its content, and how often the two authors wrote it.
fn record(content: Content, writes: [u64; 2]) -> FileRecord {
    let counters = [Author(1), Author(2)].into_iter().zip(writes).filter(|it| it.1 > 0).collect();
    FileRecord {
        version: VersionVector::from_counters(counters).expect("counters are in order"),
        content,
        previous: None,
        device: DEVICES[usize::from(writes[1] > writes[0])],
        changed_ms: 1_790_000_000_000,
        moved_from: None,
        policy_rounds: 0,
    }
}

fn head(record: FileRecord, holders: u64) -> Head {
    Head { record, holders: HolderSet::from_bits(holders) }
}

/// What is known of the n-th path where both devices have it.
fn settled(number: u64) -> Entry {
    let record = record(content(number), [number + 1, 0]);
    let disk = Some(OnDisk { record: record.clone(), stat: stat(number), local: false });
    let heads = driftless_core::Heads::from_heads([head(record, 3)]);
    Entry { heads, disk, ..Entry::default() }
}
