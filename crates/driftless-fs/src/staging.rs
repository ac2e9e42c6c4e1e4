//! Content on its way into the tree, below `.driftless/staging`.
//!
//! A file grows as `<content>.part`, block by block, each verified before it is
//! written (H4), and is sealed by renaming it to `<content>` once all blocks
//! are there. Nothing is made durable here: that is done for a whole group of
//! files when they are applied. What a crash leaves is sorted out by
//! [`recover`].

use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use driftless_core::block::Verified;
use driftless_core::{Block, BlockHash, BlockList, ContentId, Level};
use rustix::fs::{Advice, AtFlags, FallocateFlags, FileType, OFlags, RenameFlags, SeekFrom};
use rustix::io::Errno;

use crate::beneath::lstat;
use crate::hash::HashError;
use crate::passing::{Cache, write_all_at};
use crate::root::{FILE_MODE, Root};
use crate::stat::{kind_of, stat_of};

mod local;
mod recover;

pub(crate) use local::open_place;
pub use local::{LocalBlock, LocalPlace, LocalSource, stage_copy};
pub use recover::{Recovered, discard, recover};

/// After so many bytes the disk is asked to begin writing them.
const WRITTEN_OUT_BYTES: u64 = 16 << 20;

/// Why content could not be staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The bytes are not those that the hash names.
    #[error("the bytes do not match their hash")]
    Mismatch,
    /// The block list is not of the named content or size, or has no such block.
    #[error("the block list does not fit the content")]
    WrongList,
    /// Not all blocks are there yet.
    #[error("{0} blocks are missing")]
    Incomplete(usize),
    /// A file to copy from is not as expected any more.
    #[error("the local file changed")]
    SourceChanged,
    /// The disk or quota is full.
    #[error("the disk or quota is full")]
    DiskFull,
    /// The disk refused.
    #[error("the staging area cannot be used")]
    Io(#[source] std::io::Error),
}

impl From<Errno> for StageError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOSPC | Errno::DQUOT => Self::DiskFull,
            errno => Self::Io(errno.into()),
        }
    }
}

impl From<HashError> for StageError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Unreadable(error) => Self::Io(error),
            HashError::TooLarge(_) => Self::WrongList,
            HashError::Unstable | HashError::Vanished => Self::SourceChanged,
        }
    }
}

/// A file that is being put together. May be written to from several threads.
#[derive(Debug)]
pub struct StagedFile {
    root: Root,
    content: ContentId,
    fd: OwnedFd,
    cache: Cache,
    blocks: BlockList,
    offsets: Vec<u64>,
    /// Indices of blocks, ordered by the blocks' hashes.
    by_hash: Vec<u32>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    present: Vec<bool>,
    missing: usize,
    /// What is not written is a hole, so that zeros need no writing.
    is_clean: bool,
    /// The range that was written since the disk was last asked to begin, and
    /// how many bytes of it.
    unwritten: Option<(u64, u64)>,
    unwritten_bytes: u64,
}

/// Whether sealed content is staged, ready to be applied.
pub fn staged(root: &Root, content: &ContentId) -> bool {
    lstat(root.staging(), &content.to_string())
        .is_ok_and(|raw| kind_of(&stat_of(&raw)) == FileType::RegularFile)
}

/// Stages content that is one block, in one go.
pub fn stage_small(root: &Root, content: &ContentId, bytes: &[u8]) -> Result<(), StageError> {
    if BlockHash::of(bytes).as_bytes() != content.as_bytes() {
        return Err(StageError::Mismatch);
    }
    put_small(root, content, bytes)
}

/// As [`stage_small`], of bytes that were verified before.
pub fn stage_verified(root: &Root, block: &Verified) -> Result<(), StageError> {
    put_small(root, &ContentId::from_bytes(*block.hash().as_bytes()), block.bytes())
}

fn put_small(root: &Root, content: &ContentId, bytes: &[u8]) -> Result<(), StageError> {
    if staged(root, content) {
        return Ok(());
    }
    let part = copy_name(root, content);
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
    let fd = open_staging(root, &part, flags)?;
    let sealed = write_all_at(&fd, bytes, 0, Cache::Keep).and_then(|()| seal(root, &part, content));
    if sealed.is_err() {
        let _ = rustix::fs::unlinkat(root.staging(), &part, AtFlags::empty());
    }
    Ok(sealed?)
}

impl StagedFile {
    /// Begins or resumes staging `content`, which `blocks` make up.
    ///
    /// What an earlier attempt left is hashed again, and only blocks that
    /// verify count as present (P1, N1). One content is to be staged by one
    /// `StagedFile` at a time.
    pub fn begin(root: &Root, content: ContentId, blocks: BlockList) -> Result<Self, StageError> {
        if blocks.content_id() != content {
            return Err(StageError::WrongList);
        }
        let part = part_name(&content);
        let fresh = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
        let (fd, is_clean) = match open_staging(root, &part, fresh) {
            Err(Errno::EXIST) => (open_staging(root, &part, OFlags::RDWR)?, false),
            fd => (fd?, true),
        };
        let size = blocks.size_bytes();
        rustix::fs::ftruncate(&fd, size)?;
        let count = blocks.blocks().len();
        let mut by_hash: Vec<u32> = (0..count as u32).collect();
        by_hash.sort_unstable_by_key(|&index| (blocks.blocks()[index as usize].hash, index));
        let offsets = blocks.with_offsets().map(|(offset, _)| offset).collect();
        let present = vec![false; count];
        let state =
            State { present, missing: count, is_clean, unwritten: None, unwritten_bytes: 0 };
        let file = Self {
            root: root.clone(),
            content,
            fd,
            cache: Cache::passing(size),
            blocks,
            offsets,
            by_hash,
            state: Mutex::new(state),
        };
        if !is_clean {
            file.verify_present()?;
        }
        Ok(file)
    }

    /// The content that is being staged.
    pub fn content(&self) -> ContentId {
        self.content
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &BlockList {
        &self.blocks
    }

    /// The indices of the blocks that are still missing, in order. A block that
    /// occurs several times is listed once, and fills all its places when written.
    pub fn missing(&self) -> Vec<usize> {
        let state = self.lock();
        let mut indices: Vec<usize> = self
            .by_hash
            .chunk_by(|&a, &b| self.hash_at(a as usize) == self.hash_at(b as usize))
            .filter_map(|same| same.iter().find(|&&index| !state.present[index as usize]))
            .map(|&index| index as usize)
            .collect();
        indices.sort_unstable();
        indices
    }

    /// How many bytes the missing blocks will take up on the disk, wherever they
    /// stand in the file: a list of few different blocks may name a huge file
    /// (H6). Long runs of zeros become holes and take up none.
    pub fn missing_bytes(&self) -> u64 {
        let zeros = zero_blocks();
        let state = self.lock();
        let same =
            self.by_hash.chunk_by(|&a, &b| self.hash_at(a as usize) == self.hash_at(b as usize));
        same.map(|same| {
            let block = self.blocks.blocks()[same[0] as usize];
            let missing = same.iter().filter(|&&index| !state.present[index as usize]).count();
            if zeros.contains(&block) { 0 } else { missing as u64 * u64::from(block.len) }
        })
        .sum()
    }

    /// Writes a block, once its bytes are verified, at every place that it has.
    pub fn write_block(&self, index: usize, bytes: &[u8]) -> Result<(), StageError> {
        let block = *self.blocks.blocks().get(index).ok_or(StageError::WrongList)?;
        if bytes.len() != block.len as usize || BlockHash::of(bytes) != block.hash {
            return Err(StageError::Mismatch);
        }
        self.put_all(&block, bytes)
    }

    /// As [`StagedFile::write_block`], of bytes that were verified before.
    pub fn write_verified(&self, index: usize, verified: &Verified) -> Result<(), StageError> {
        let block = *self.blocks.blocks().get(index).ok_or(StageError::WrongList)?;
        if verified.bytes().len() != block.len as usize || verified.hash() != block.hash {
            return Err(StageError::Mismatch);
        }
        self.put_all(&block, verified.bytes())
    }

    fn put_all(&self, block: &Block, bytes: &[u8]) -> Result<(), StageError> {
        let is_zero = bytes.iter().all(|&byte| byte == 0);
        for &place in self.places_of(&block.hash) {
            self.put(place as usize, bytes, is_zero)?;
        }
        Ok(())
    }

    /// Seals the file: from here on it can be applied.
    pub fn finish(self) -> Result<(), StageError> {
        let missing = self.lock().missing;
        if missing > 0 {
            return Err(StageError::Incomplete(missing));
        }
        let stat = stat_of(&rustix::fs::fstat(&self.fd)?);
        if stat.size_bytes != self.blocks.size_bytes() {
            return Err(StageError::WrongList);
        }
        Ok(seal(&self.root, &part_name(&self.content), &self.content)?)
    }

    /// Throws away what was staged so far.
    pub fn discard(self) -> Result<(), StageError> {
        let part = part_name(&self.content);
        Ok(rustix::fs::unlinkat(self.root.staging(), part, AtFlags::empty())?)
    }

    /// Finds out which blocks an earlier attempt left.
    fn verify_present(&self) -> Result<(), StageError> {
        let mut bytes = Vec::new();
        let mut data = None;
        for (index, (offset, block)) in self.blocks.with_offsets().enumerate() {
            let end = offset + u64::from(block.len);
            // Blocks that lie in a hole were not written, unless they are zeros.
            if data.is_none_or(|data| data < offset) {
                data = match rustix::fs::seek(&self.fd, SeekFrom::Data(offset)) {
                    Ok(data) => Some(data),
                    Err(Errno::NXIO) => Some(u64::MAX),
                    Err(_) => Some(offset),
                };
            }
            if data.is_some_and(|data| data >= end) {
                continue;
            }
            bytes.resize(block.len as usize, 0);
            crate::hash::read_exact_at(&self.fd, &mut bytes, offset, self.cache)?;
            if BlockHash::of(&bytes) == block.hash {
                self.mark(index);
            }
        }
        Ok(())
    }

    fn put(&self, index: usize, bytes: &[u8], is_zero: bool) -> Result<(), StageError> {
        let offset = self.offsets[index];
        let is_clean = {
            let state = self.lock();
            if state.present[index] {
                return Ok(());
            }
            state.is_clean
        };
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let is_hole = is_zero
            && (is_clean
                || rustix::fs::fallocate(&self.fd, punch, offset, bytes.len() as u64).is_ok());
        if !is_hole {
            write_all_at(&self.fd, bytes, offset, self.cache)?;
            self.begin_writing_out(offset, bytes.len());
        }
        self.mark(index);
        Ok(())
    }

    /// Has the disk begin with what was written, now and then, so that making
    /// all of it durable in the end does not begin with gigabytes.
    fn begin_writing_out(&self, offset: u64, len: usize) {
        let (from, to) = {
            let mut state = self.lock();
            let (from, to) = state.unwritten.unwrap_or((offset, offset));
            let (from, to) = (from.min(offset), to.max(offset + len as u64));
            state.unwritten_bytes += len as u64;
            if state.unwritten_bytes < WRITTEN_OUT_BYTES {
                state.unwritten = Some((from, to));
                return;
            }
            state.unwritten = None;
            state.unwritten_bytes = 0;
            (from, to)
        };
        // For the kernel this is the wish to have these pages free again, which
        // begins with writing them. A file system that knows no such wish may wait.
        let len = NonZeroU64::new(to - from);
        let _ = rustix::fs::fadvise(&self.fd, from, len, Advice::DontNeed);
    }

    fn mark(&self, index: usize) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.present[index], true) {
            state.missing -= 1;
        }
    }

    fn is_present(&self, index: usize) -> bool {
        self.lock().present[index]
    }

    fn places_of(&self, hash: &BlockHash) -> &[u32] {
        let start = self.by_hash.partition_point(|&index| self.hash_at(index as usize) < *hash);
        let rest = &self.by_hash[start..];
        &rest[..rest.partition_point(|&index| self.hash_at(index as usize) == *hash)]
    }

    fn hash_at(&self, index: usize) -> BlockHash {
        self.blocks.blocks()[index].hash
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the chunker makes of long runs of zeros, at each level.
fn zero_blocks() -> Vec<Block> {
    let levels = (0..).map_while(Level::new);
    levels
        .map(|level| {
            let zeros = vec![0; level.max_bytes() as usize];
            Block { hash: BlockHash::of(&zeros), len: level.max_bytes() }
        })
        .collect()
}

/// The name under which content grows.
fn part_name(content: &ContentId) -> String {
    format!("{content}.part")
}

/// A name for a further file of the same content.
pub(crate) fn copy_name(root: &Root, content: &ContentId) -> String {
    format!("{content}.{}", root.unique())
}

/// Opens a name of the staging area itself.
pub(crate) fn open_staging(root: &Root, name: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(root.staging(), name, flags, FILE_MODE)
}

/// Gives a complete part its final name. What is sealed already is the same.
fn seal(root: &Root, part: &str, content: &ContentId) -> rustix::io::Result<()> {
    let name = content.to_string();
    let staging = root.staging();
    let sealed = if root.can_swap() {
        rustix::fs::renameat_with(staging, part, staging, &name, RenameFlags::NOREPLACE)
    } else {
        rustix::fs::linkat(staging, part, staging, &name, AtFlags::empty())
            .and_then(|()| rustix::fs::unlinkat(staging, part, AtFlags::empty()))
    };
    match sealed {
        Err(Errno::EXIST) => rustix::fs::unlinkat(staging, part, AtFlags::empty()),
        // File systems without links have nothing better than a look before the rename.
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) if !root.can_swap() => {
            rustix::fs::renameat(staging, part, staging, &name)
        }
        result => result,
    }
}
