//! Finding and hashing the blocks of a large file on all cores.
//!
//! Where a block ends depends on where it begins and on nothing before. So the
//! file is cut in segments, each as if a block began where it does, and the
//! seams are cut once more: from the last true boundary before one, until a
//! boundary is met that the segment after it has, too. From there on they agree.
//! The outcome is that of cutting from front to back, whatever the bytes are.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use crossbeam_channel::{Receiver, Sender, bounded};
use driftless_core::{Block, BlockHash, Level};
use fastcdc::v2020::FastCDC;

use super::blocks::cut_all;
use super::{HashError, read_exact_at};
use crate::passing::Cache;

/// A segment has about so many blocks, so that seams are a small part of it.
const SEGMENT_BLOCKS: usize = 64;

/// The largest segment, in bytes.
const SEGMENT_MAX_BYTES: usize = 32 << 20;

/// A segment is at least so many times as long as the longest block, or the
/// file is not read in segments at all.
const LEAST_BLOCKS: usize = 4;

/// The most threads that work on one file.
const MOST_THREADS: usize = 4;

/// A stretch of the file to be read, and a buffer for it.
struct Task {
    number: usize,
    offset: u64,
    bytes: Vec<u8>,
    len: usize,
}

/// A stretch of the file, and its blocks if one began with it. What follows
/// the last of them depends on what comes after.
struct Segment {
    number: usize,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    blocks: Vec<Block>,
}

/// How long segments of a file of `size_bytes` are; `None` where there is
/// nothing to be gained.
pub(super) fn segment_bytes(size_bytes: u64, level: Level) -> Option<usize> {
    let len = (SEGMENT_BLOCKS * level.average_bytes() as usize).min(SEGMENT_MAX_BYTES);
    let is_worth_it = len >= LEAST_BLOCKS * level.max_bytes() as usize
        && size_bytes >= 2 * len as u64
        && threads() > 1;
    is_worth_it.then_some(len)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS)
}

/// The blocks of an open file of `size_bytes`, read in segments of `len` bytes.
pub(super) fn blocks(
    fd: &OwnedFd,
    size_bytes: u64,
    level: Level,
    len: usize,
) -> Result<Vec<Block>, HashError> {
    let threads = threads();
    let (to_read, tasks) = bounded::<Task>(threads);
    // With room for all that is under way, so that nobody waits after an error.
    let (to_join, segments) = bounded::<Result<Segment, HashError>>(2 * threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (tasks, to_join) = (tasks.clone(), to_join.clone());
            scope.spawn(move || work(fd, level, &tasks, &to_join));
        }
        drop((tasks, to_join));
        join(size_bytes, level, len, (to_read, &segments))
    })
}

fn work(
    fd: &OwnedFd,
    level: Level,
    tasks: &Receiver<Task>,
    to_join: &Sender<Result<Segment, HashError>>,
) {
    for task in tasks {
        // Nobody waits for it after an error.
        if to_join.send(segment(fd, level, task)).is_err() {
            return;
        }
    }
}

fn segment(fd: &OwnedFd, level: Level, task: Task) -> Result<Segment, HashError> {
    let Task { number, offset, mut bytes, len } = task;
    bytes.resize(len, 0);
    read_exact_at(fd, &mut bytes, offset, Cache::Keep)?;
    let ends = cut_all(&bytes, level, level.max_bytes() as usize, false);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let blocks = starts.zip(&ends).map(|(start, &end)| block(&bytes[start..end])).collect();
    Ok(Segment { number, bytes, ends, blocks })
}

fn block(bytes: &[u8]) -> Block {
    Block { hash: BlockHash::of(bytes), len: bytes.len() as u32 }
}

/// Hands out tasks, and joins the segments in file order.
fn join(
    size_bytes: u64,
    level: Level,
    len: usize,
    (to_read, segments): (Sender<Task>, &Receiver<Result<Segment, HashError>>),
) -> Result<Vec<Block>, HashError> {
    let count = usize::try_from(size_bytes.div_ceil(len as u64)).unwrap_or(usize::MAX);
    let task = |number: usize, bytes: Vec<u8>| {
        let offset = number as u64 * len as u64;
        let rest = size_bytes - offset;
        Task { number, offset, bytes, len: usize::try_from(rest).map_or(len, |rest| rest.min(len)) }
    };
    let mut given = 0;
    let mut give = |bytes: Vec<u8>| {
        if given < count {
            // The threads live for as long as there may be tasks.
            let _ = to_read.send(task(given, bytes));
            given += 1;
        }
    };
    for _ in 0..=threads() {
        give(Vec::with_capacity(len));
    }
    let mut seam = Seam { level, blocks: Vec::new(), tail: Vec::new() };
    let mut early: BTreeMap<usize, Segment> = BTreeMap::new();
    for number in 0..count {
        while !early.contains_key(&number) {
            let Ok(segment) = segments.recv() else { return Err(HashError::Unstable) };
            let segment = segment?;
            early.insert(segment.number, segment);
        }
        if let Some(segment) = early.remove(&number) {
            seam.append(&segment);
            give(segment.bytes);
        }
    }
    Ok(seam.finish())
}

/// What is known for certain: all blocks up to a boundary, and what was read
/// behind it.
struct Seam {
    level: Level,
    blocks: Vec<Block>,
    tail: Vec<u8>,
}

impl Seam {
    fn append(&mut self, segment: &Segment) {
        let max = self.level.max_bytes() as usize;
        let before = self.tail.len();
        let mut taken = 0;
        // Where the next block begins, counted from the tail's first byte.
        let mut start = 0_usize;
        let agreed = loop {
            if let Some(at) = start.checked_sub(before)
                && let Some(first) = boundary(&segment.ends, at)
            {
                break Some((at, first));
            }
            if self.tail.len() - start < max {
                if taken == segment.bytes.len() {
                    break None;
                }
                let more = (2 * max).min(segment.bytes.len() - taken);
                self.tail.extend_from_slice(&segment.bytes[taken..taken + more]);
                taken += more;
                continue;
            }
            let end = self.cut(start);
            self.blocks.push(block(&self.tail[start..end]));
            start = end;
        };
        match agreed {
            Some((at, first)) => {
                self.blocks.extend_from_slice(&segment.blocks[first..]);
                let end = segment.ends.last().copied().unwrap_or(0).max(at);
                self.tail.clear();
                self.tail.extend_from_slice(&segment.bytes[end..]);
            }
            None => drop(self.tail.drain(..start)),
        }
    }

    fn cut(&self, start: usize) -> usize {
        let (min, average) = (self.level.min_bytes() as usize, self.level.average_bytes() as usize);
        let cutter = FastCDC::new(&self.tail, min, average, self.level.max_bytes() as usize);
        cutter.cut(start, self.tail.len() - start).1
    }

    fn finish(mut self) -> Vec<Block> {
        let max = self.level.max_bytes() as usize;
        let mut start = 0_usize;
        for end in cut_all(&self.tail, self.level, max, true) {
            self.blocks.push(block(&self.tail[start..end]));
            start = end;
        }
        self.blocks
    }
}

/// The first block of a segment with boundaries at `ends` that begins at `at`,
/// if one does.
fn boundary(ends: &[usize], at: usize) -> Option<usize> {
    if at == 0 {
        return Some(0);
    }
    ends.binary_search(&at).ok().map(|index| index + 1)
}
