//! Where the block boundaries of a large file fall: FastCDC (Xia et al., 2020)
//! as the `fastcdc` crate's `v2020` computes it, normalised at its level 1,
//! with the sizes of a [`Level`].
//!
//! Boundaries are format: devices that disagree on them would share no blocks.
//! Golden vectors in this module's tests hold them still.

use std::os::fd::OwnedFd;

use crossbeam_channel::{Receiver, Sender, bounded};
use driftless_core::{Block, BlockHash, Level};
use fastcdc::v2020::FastCDC;
use rustix::fs::SeekFrom;

use super::{HashError, read_exact_at, segments};
use crate::passing::Cache;

/// The largest read window, in bytes: two of them are the memory that reading takes.
const WINDOW_MAX_BYTES: usize = 32 << 20;

/// What the hashing thread is handed, in file order.
enum Work {
    /// A window and where its blocks end.
    Window { bytes: Vec<u8>, ends: Vec<usize> },
    /// So many blocks of zeros out of a hole.
    Hole { block: Block, count: usize },
}

/// The blocks of an open file of `size_bytes`, read front to back.
///
/// Holes are not read where they span whole blocks (F5); a file without any is
/// read in segments on all cores.
pub fn blocks(fd: &OwnedFd, size_bytes: u64, level: Level) -> Result<Vec<Block>, HashError> {
    if let Some(len) =
        segments::segment_bytes(size_bytes, level).filter(|_| is_dense(fd, size_bytes))
    {
        return segments::blocks(fd, size_bytes, level, len);
    }
    in_order(fd, size_bytes, level)
}

/// Whether the file has no holes.
fn is_dense(fd: &OwnedFd, size_bytes: u64) -> bool {
    rustix::fs::seek(fd, SeekFrom::Hole(0)).map_or(true, |hole| hole >= size_bytes)
}

/// Front to back, with a thread for the boundaries and one for the hashes.
fn in_order(fd: &OwnedFd, size_bytes: u64, level: Level) -> Result<Vec<Block>, HashError> {
    let (to_hash, work) = bounded::<Work>(1);
    let (to_reuse, reuse) = bounded::<Vec<u8>>(2);
    std::thread::scope(|scope| {
        let hashing = scope.spawn(move || hash_all(&work, &to_reuse));
        let mut cutter =
            Cutter { fd, size_bytes, level, at: 0, tail: Vec::new(), to_hash, reuse, spare: 2 };
        let cut = cutter.run();
        drop(cutter);
        let blocks = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        cut.map(|()| blocks)
    })
}

fn hash_all(work: &Receiver<Work>, to_reuse: &Sender<Vec<u8>>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for work in work {
        match work {
            Work::Hole { block, count } => blocks.extend(std::iter::repeat_n(block, count)),
            Work::Window { bytes, ends } => {
                let mut start = 0;
                for end in ends {
                    let bytes = &bytes[start..end];
                    blocks.push(Block { hash: BlockHash::of(bytes), len: bytes.len() as u32 });
                    start = end;
                }
                // The reader may be gone already.
                let _ = to_reuse.send(bytes);
            }
        }
    }
    blocks
}

struct Cutter<'a> {
    fd: &'a OwnedFd,
    size_bytes: u64,
    level: Level,
    /// Where the next block begins.
    at: u64,
    /// What was read from there already.
    tail: Vec<u8>,
    to_hash: Sender<Work>,
    reuse: Receiver<Vec<u8>>,
    /// Windows that may still be allocated.
    spare: u8,
}

impl Cutter<'_> {
    fn run(&mut self) -> Result<(), HashError> {
        let max = self.level.max_bytes() as usize;
        let window = (16 * self.level.average_bytes() as usize).min(WINDOW_MAX_BYTES);
        let mut zeros = None;
        while self.at < self.size_bytes {
            if self.skip_hole(&mut zeros)? {
                continue;
            }
            let mut bytes = self.window(window);
            let len = usize::try_from(self.size_bytes - self.at).map_or(window, |l| l.min(window));
            let held = self.tail.len();
            bytes.clear();
            bytes.append(&mut self.tail);
            bytes.resize(len, 0);
            read_exact_at(self.fd, &mut bytes[held..], self.at + held as u64, Cache::Keep)?;
            let is_last = self.at + len as u64 == self.size_bytes;
            let ends = cut_all(&bytes, self.level, max, is_last);
            let cut = ends.last().copied().unwrap_or(0);
            self.tail.extend_from_slice(&bytes[cut..]);
            self.at += cut as u64;
            // The other thread lives for as long as this sender.
            let _ = self.to_hash.send(Work::Window { bytes, ends });
        }
        Ok(())
    }

    fn window(&mut self, len: usize) -> Vec<u8> {
        if let Ok(bytes) = self.reuse.try_recv() {
            return bytes;
        }
        if self.spare > 0 {
            self.spare -= 1;
            return Vec::with_capacity(len);
        }
        self.reuse.recv().unwrap_or_default()
    }

    /// Passes over whole blocks of zeros where the next block begins in a hole.
    fn skip_hole(&mut self, zeros: &mut Option<Block>) -> Result<bool, HashError> {
        let max = u64::from(self.level.max_bytes());
        let data = match rustix::fs::seek(self.fd, SeekFrom::Data(self.at)) {
            Ok(data) => data,
            Err(rustix::io::Errno::NXIO) => self.size_bytes,
            Err(_) => return Ok(false),
        };
        // A boundary is found by looking at no more than the largest block.
        if data.saturating_sub(self.at) < max {
            return Ok(false);
        }
        let block = *zeros.get_or_insert_with(|| zero_block(self.level));
        let mut count = 0;
        while data.min(self.size_bytes) - self.at >= max {
            self.at += u64::from(block.len);
            count += 1;
        }
        self.tail.clear();
        let _ = self.to_hash.send(Work::Hole { block, count });
        Ok(count > 0)
    }
}

/// The block that a run of zeros begins with.
fn zero_block(level: Level) -> Block {
    let zeros = vec![0; level.max_bytes() as usize];
    let len = cut_all(&zeros, level, zeros.len(), false).first().copied().unwrap_or(zeros.len());
    Block { hash: BlockHash::of(&zeros[..len]), len: len as u32 }
}

/// The parts of a block, for finding out how much of it an older version has.
///
/// FastCDC with an average of a 32nd of the block's length, rounded up to a power
/// of two, between 2 KiB and 128 KiB: the length alone says how, so that `len`
/// bytes of a block and any bytes that may hold most of the same are divided alike.
pub fn pieces(bytes: &[u8], len: u32) -> Vec<Block> {
    let average = (len.next_power_of_two() as usize / 32).clamp(2 << 10, 128 << 10);
    let cutter = FastCDC::new(bytes, average / 4, average, 4 * average);
    let mut start = 0;
    let mut pieces = Vec::with_capacity(bytes.len() / average + 2);
    while start < bytes.len() {
        let (_, end) = cutter.cut(start, bytes.len() - start);
        let piece = &bytes[start..end];
        pieces.push(Block { hash: BlockHash::of(piece), len: piece.len() as u32 });
        start = end;
    }
    pieces
}

/// Where the blocks of a file that is `bytes` end.
pub(crate) fn boundaries(bytes: &[u8], level: Level) -> Vec<usize> {
    cut_all(bytes, level, level.max_bytes() as usize, true)
}

/// Where the blocks in `bytes` end; what follows the last end needs more bytes
/// to be decided, unless the file ends here.
pub(super) fn cut_all(bytes: &[u8], level: Level, max: usize, is_last: bool) -> Vec<usize> {
    let (min, average) = (level.min_bytes() as usize, level.average_bytes() as usize);
    let cutter = FastCDC::new(bytes, min, average, max);
    let mut ends = Vec::with_capacity(bytes.len() / average + 2);
    let mut start = 0;
    while bytes.len() - start >= max || (is_last && start < bytes.len()) {
        let (_, end) = cutter.cut(start, bytes.len() - start);
        ends.push(end);
        start = end;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftless_core::BlockList;

    /// Bytes that are the same on every machine: BLAKE3 in extendable output.
    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
        bytes
    }

    fn file_of(bytes: &[u8]) -> OwnedFd {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.into()
    }

    #[test]
    fn boundaries_are_format() {
        let fd = file_of(&noise(3_000_000));
        let golden = |number| {
            let blocks = blocks(&fd, 3_000_000, Level::new(number).unwrap()).unwrap();
            let lens: Vec<u32> = blocks.iter().map(|block| block.len).take(4).collect();
            let id = BlockList::new(blocks).unwrap().content_id();
            (lens, id.to_string()[..16].to_owned())
        };
        let first = [74_076, 101_526, 32_578, 48_426];
        assert_eq!(golden(0), (first.to_vec(), "e84c9e67b89d4ef3".to_owned()));
        let first = [208_180, 213_625, 161_293, 482_866];
        assert_eq!(golden(2), (first.to_vec(), "c26921609dfec52b".to_owned()));
    }

    #[test]
    fn windows_do_not_move_boundaries() {
        let bytes = noise(5_000_001);
        let level = Level::new(1).unwrap();
        let max = level.max_bytes() as usize;
        let in_one_piece = cut_all(&bytes, level, max, true);
        let mut end = 0;
        let in_windows: Vec<usize> = blocks(&file_of(&bytes), 5_000_001, level)
            .unwrap()
            .iter()
            .map(|block| {
                assert_eq!(block.hash, BlockHash::of(&bytes[end..end + block.len as usize]));
                end += block.len as usize;
                end
            })
            .collect();
        assert_eq!(in_windows, in_one_piece);
    }

    #[test]
    fn segments_do_not_move_boundaries() {
        let level = Level::new(0).unwrap();
        let noise = noise(9_000_000);
        // Bytes that never agree with themselves elsewhere, such that always do, and
        // such that have no boundary at all.
        let mut mixed = noise.clone();
        mixed[1_000_000..3_500_000].fill(7);
        mixed.copy_within(0..3_000_000, 5_000_000);
        let period: Vec<u8> = noise[..100_003].iter().copied().cycle().take(9_000_001).collect();
        for bytes in [noise, mixed, vec![7; 8_500_000], period] {
            let size = bytes.len() as u64;
            let fd = file_of(&bytes);
            let expected = in_order(&fd, size, level).unwrap();
            for len in [1 << 20, (1 << 20) + 1, 4 << 20] {
                let found = segments::blocks(&fd, size, level, len).unwrap();
                assert_eq!(found, expected, "segments of {len}");
            }
        }
    }

    /// F5
    #[test]
    fn a_hole_has_the_blocks_of_the_zeros_that_it_stands_for() {
        use std::os::unix::fs::FileExt;
        let (head, tail) = (noise(700_000), noise(300_000));
        let size = 40_000_000_u64;
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(size).unwrap();
        let mut dense = vec![0; size as usize];
        for (bytes, at) in [(&head, 0), (&tail, 20_000_001), (&tail, size - 300_000)] {
            sparse.write_all_at(bytes, at).unwrap();
            dense[at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        for level in [0, 3] {
            let level = Level::new(level).unwrap();
            let expected = blocks(&file_of(&dense), size, level).unwrap();
            assert_eq!(blocks(&sparse.try_clone().unwrap().into(), size, level).unwrap(), expected);
        }
    }

    /// F5
    #[test]
    fn a_sparse_terabyte_is_hashed_without_reading_it() {
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(1 << 40).unwrap();
        let blocks = blocks(&sparse.into(), 1 << 40, Level::MAX).unwrap();
        assert_eq!(BlockList::new(blocks).unwrap().size_bytes(), 1 << 40);
    }
}
