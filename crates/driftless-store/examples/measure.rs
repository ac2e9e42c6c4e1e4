//! Measures the index on a real disk: `cargo run --release -p driftless-store
//! --example measure [directory]`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use driftless_core::{
    Author, Block, BlockHash, BlockList, Content, ContentId, DeviceId, Entry, Epoch, FileRecord,
    FolderId, Head, Heads, HolderSet, Index, InstanceId, Level, OnDisk, RelPath, Sequence, Stat,
    VersionVector,
};
use driftless_store::{OpenMode, Owner, SqliteIndex};

const ENTRIES: u64 = 100_000;
const LIST_BLOCKS: u64 = 16_384;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let path = directory.join(format!("driftless-measure-{}.db", std::process::id()));
    let outcome = measure(&path);
    std::fs::remove_file(&path)?;
    outcome
}

fn measure(path: &Path) -> Result<(), Box<dyn Error>> {
    let owner = Owner {
        folder: FolderId::parse("measure")?,
        instance: InstanceId([1; 16]),
        device: DeviceId::from_bytes([1; 32]),
    };
    let (mut index, _) = SqliteIndex::open(path, &owner, OpenMode::Create(Epoch(1)))?;
    let mut files = (0..ENTRIES).map(file).collect::<Result<Vec<_>, _>>()?;
    files.sort_by(|a, b| a.0.cmp(&b.0));

    timed("100,000 puts in path order, one transaction", || write(&mut index, &files, 1))?;
    timed("100,000 puts of known paths", || write(&mut index, &files, 1))?;
    timed("100,000 gets in path order", || read(&index, &files, 1))?;
    timed("100,000 gets in scattered order", || read(&index, &files, 61_813))?;
    timed("full scan by range, 1,000 at a time", || scan(&index))?;
    timed("announced after 0, 1,000 at a time", || announced(&index))?;
    timed("another epoch for 100,000 entries", || {
        index.begin()?;
        index.begin_epoch(Epoch(2), Author(2))?;
        index.commit()
    })?;
    timed("1,000 commits of one put each", || {
        for (path, entry) in files.iter().step_by(100) {
            write(&mut index, &[(path.clone(), entry.clone())], 1)?;
        }
        Outcome::Ok(())
    })?;
    index.close()?;
    println!("{:>9.1} bytes per entry", path.metadata()?.len() as f64 / ENTRIES as f64);

    let (mut index, _) = timed("open and close, clean", || {
        SqliteIndex::open(path, &owner, OpenMode::Existing)?
            .0
            .close()
            .map_err(driftless_store::OpenError::from)?;
        SqliteIndex::open(path, &owner, OpenMode::Existing)
    })?;
    for number in 0..64 {
        let list = list(number)?;
        let content = list.content_id();
        let put = |index: &mut SqliteIndex| {
            index.begin()?;
            index.put_block_list(content, &list)?;
            index.commit()
        };
        match number {
            0 => timed("first list of 16,384 blocks", || put(&mut index))?,
            63 => timed("64th list of 16,384 blocks", || put(&mut index))?,
            _ => put(&mut index)?,
        }
    }
    let list = list(31)?;
    timed("16,384 blocks found among a million", || {
        list.blocks().iter().try_for_each(|block| index.find_block(block.hash).map(drop))
    })?;
    timed("a list of 16,384 blocks read", || index.block_list(list.content_id()))?;
    drop(index);
    timed("open after an unclean close", || SqliteIndex::open(path, &owner, OpenMode::Existing))?;
    println!("{:>9.1} MiB in all", path.metadata()?.len() as f64 / f64::from(1 << 20));
    Ok(())
}

fn timed<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let outcome = work();
    println!("{:>9.1} ms  {what}", start.elapsed().as_secs_f64() * 1000.0);
    outcome
}

type Outcome = Result<(), driftless_store::IndexError>;

fn write(index: &mut SqliteIndex, files: &[(RelPath, Entry)], step: usize) -> Outcome {
    index.begin()?;
    for (path, entry) in files.iter().step_by(step) {
        index.put(path, entry, true)?;
    }
    index.commit()
}

fn read(index: &SqliteIndex, files: &[(RelPath, Entry)], stride: usize) -> Outcome {
    for number in 0..files.len() {
        let (path, _) = &files[number * stride % files.len()];
        index.get(path)?;
    }
    Ok(())
}

fn scan(index: &SqliteIndex) -> Outcome {
    let mut after = None;
    loop {
        let page = index.range(None, after.as_ref(), 1000)?;
        match page.into_iter().last() {
            Some((path, _)) => after = Some(path),
            None => return Ok(()),
        }
    }
}

fn announced(index: &SqliteIndex) -> Outcome {
    let mut after = Sequence(0);
    loop {
        match index.announced_after(after, 1000)?.last() {
            Some((_, entry)) => after = entry.sequence,
            None => return Ok(()),
        }
    }
}

/// A file as a scan would find it, edited by one of two devices.
fn file(number: u64) -> Result<(RelPath, Entry), Box<dyn Error>> {
    let text = format!("projects/project-{:03}/src/file_{number:06}.rs", number % 300);
    let mtime_ns = 1_780_000_000_000_000_000 + number as i64 * 7_654_321;
    let size_bytes = number * 37 % 60_000;
    let record = FileRecord {
        version: VersionVector::from_counters(vec![(Author(u64::MAX / (1 + number % 2)), 3)])?,
        content: Content::File {
            content: ContentId::from_bytes(*BlockHash::of(&number.to_be_bytes()).as_bytes()),
            size_bytes,
            level: Level::default(),
            mode: 0o644,
            mtime_ns,
        },
        previous: None,
        device: DeviceId::from_bytes([1 + (number % 2) as u8; 32]),
        changed_ms: 1_790_000_000_000 + number,
        moved_from: None,
        policy_rounds: 0,
    };
    let ctime_ns = mtime_ns + 1_234_567;
    let stat = Stat { size_bytes, mtime_ns, ctime_ns, inode: 10_000_000 + number, mode: 0o100_644 };
    let head = Head { record: record.clone(), holders: HolderSet::from_bits(3) };
    let disk = Some(OnDisk { record, stat, local: false });
    let heads = Heads::from_heads([head]);
    Ok((RelPath::parse(&text)?, Entry { heads, disk, ..Entry::default() }))
}

/// The blocks of a file of 1 GiB.
fn list(number: u64) -> Result<BlockList, Box<dyn Error>> {
    let blocks = (0..LIST_BLOCKS).map(|position| {
        let hash = BlockHash::of(&(number * LIST_BLOCKS + position).to_be_bytes());
        Block { hash, len: 65_536 }
    });
    Ok(BlockList::new(blocks.collect())?)
}
