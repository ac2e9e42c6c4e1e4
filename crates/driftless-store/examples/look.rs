//! Measures looking into a folder of a million files: `cargo run --release -p
//! driftless-store --example look [directory]`.
//!
//! Half of the files are in one directory, the others in 10,000.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use driftless_core::{
    Author, BlockHash, Content, ContentId, DeviceId, Entry, Epoch, FileRecord, FolderId, Head,
    Heads, HolderSet, Index, InstanceId, Level, OnDisk, RelPath, Stat, VersionVector,
};
use driftless_store::{OpenMode, Owner, SqliteIndex};

const FILES: u64 = 1_000_000;
const ROWS: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let path = directory.join(format!("driftless-look-{}.db", std::process::id()));
    let outcome = measure(&path);
    std::fs::remove_file(&path)?;
    outcome
}

fn measure(path: &Path) -> Result<(), Box<dyn Error>> {
    let owner = Owner {
        folder: FolderId::parse("look")?,
        instance: InstanceId([1; 16]),
        device: DeviceId::from_bytes([1; 32]),
    };
    let (mut index, _) = SqliteIndex::open(path, &owner, OpenMode::Create(Epoch(1)))?;
    let directory = Content::Directory { mode: 0o755 };
    index.begin()?;
    for number in 0..10_000 {
        for below in ["", "/in"] {
            let path = RelPath::parse(&format!("many/dir-{number:05}{below}"))?;
            index.put(&path, &entry(directory.clone(), number), true)?;
        }
    }
    for (path, content) in [("many", &directory), ("flat", &directory)] {
        index.put(&RelPath::parse(path)?, &entry(content.clone(), 0), true)?;
    }
    for number in 0..FILES {
        let text = match number % 2 {
            0 => format!("flat/file_{number:07}.bin"),
            _ => format!("many/dir-{:05}/in/file_{number:07}.bin", number / 2 % 10_000),
        };
        index.put(&RelPath::parse(&text)?, &entry(file(number), number), true)?;
    }
    index.commit()?;
    let (flat, many) = (RelPath::parse("flat")?, RelPath::parse("many")?);
    for (what, directory) in [("flat", Some(&flat)), ("many", Some(&many)), ("root", None)] {
        let mut position = None;
        let mut names = 0;
        stretches(&format!("names of {what}"), || {
            let stretch = index.children(directory, position.as_ref(), ROWS)?;
            names += stretch.found.len();
            position = stretch.next;
            Ok(position.is_none())
        })?;
        println!("{names:>12} names");
    }
    stretches("sums of all directories", || index.sum_up(ROWS))?;
    println!("{:>12} bytes below many", index.below(&many).0.bytes);
    let begun = Instant::now();
    for number in 0..1000 {
        index.get(&RelPath::parse(&format!("flat/file_{:07}.bin", 900_000 + number * 2))?)?;
    }
    println!("{:>9.1} ms  a page of 1,000 looked up", ms(begun.elapsed()));
    Ok(())
}

/// Goes on until `stretch` says that all is done; says how long all, one in a hundred and the
/// longest took.
fn stretches(
    what: &str,
    mut stretch: impl FnMut() -> Result<bool, driftless_store::IndexError>,
) -> Result<(), Box<dyn Error>> {
    let mut took = Vec::new();
    loop {
        let begun = Instant::now();
        let is_done = stretch()?;
        took.push(begun.elapsed());
        if is_done {
            break;
        }
    }
    took.sort_unstable();
    let count = took.len();
    let all = ms(took.iter().sum());
    let (half, most, longest) =
        (ms(took[count / 2]), ms(took[count - 1 - count / 100]), ms(took[count - 1]));
    println!(
        "{all:>9.1} ms  {what}, in {count} stretches: half below {half:.2} ms, 99 of 100 below \
         {most:.2} ms, the longest {longest:.2} ms"
    );
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn file(number: u64) -> Content {
    Content::File {
        content: ContentId::from_bytes(*BlockHash::of(&number.to_be_bytes()).as_bytes()),
        size_bytes: number * 37 % 60_000,
        level: Level::default(),
        mode: 0o644,
        mtime_ns: 1_780_000_000_000_000_000 + number as i64 * 7_654_321,
    }
}

fn entry(content: Content, number: u64) -> Entry {
    let size_bytes = content.size_bytes();
    let record = FileRecord {
        version: VersionVector::from_counters(vec![(Author(1), number + 1)]).unwrap_or_default(),
        content,
        previous: None,
        device: DeviceId::from_bytes([1; 32]),
        changed_ms: 1_790_000_000_000 + number,
        moved_from: None,
        policy_rounds: 0,
    };
    let stat = Stat { size_bytes, inode: 10_000_000 + number, mode: 0o100_644, ..Stat::default() };
    let head = Head { record: record.clone(), holders: HolderSet::from_bits(3) };
    let disk = Some(OnDisk { record, stat, local: false });
    Entry { heads: Heads::from_heads([head]), disk, ..Entry::default() }
}
