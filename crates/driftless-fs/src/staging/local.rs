//! Filling a staged file from what this device already has.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use driftless_core::{BlockHash, BlockList, ContentId, Level, RelPath, Stat};
use rustix::fs::FileType;
use rustix::io::Errno;

use super::{StageError, StagedFile};
use crate::beneath::{FILE, open_beneath};
use crate::hash::{hash_at_level, read_exact_at};
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

/// From this size on, in bytes, a file is put together by several threads, and
/// by how many at most: more than a disk has use for.
const LARGE_COPY_BYTES: u64 = 16 << 20;
const COPYING_THREADS: usize = 4;

/// A file on this device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LocalPlace {
    /// In the tree, as it was when its blocks were known.
    Path(RelPath, Stat),
    /// In the store of heads.
    Head(ContentId),
    /// In history, by its id.
    History(String),
}

/// A block somewhere in a local file. Its length follows from its hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalBlock {
    /// The hash of its bytes.
    pub hash: BlockHash,
    /// Where it begins, in bytes.
    pub offset_bytes: u64,
}

/// A local file and those of its blocks that may be of use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalSource {
    /// Where it is.
    pub place: LocalPlace,
    /// Its blocks, in any order. Believed only once their bytes are verified.
    pub blocks: Vec<LocalBlock>,
}

impl LocalSource {
    /// A file of which all blocks are known.
    pub fn whole(place: LocalPlace, blocks: &BlockList) -> Self {
        let blocks = blocks
            .with_offsets()
            .map(|(offset_bytes, block)| LocalBlock { hash: block.hash, offset_bytes })
            .collect();
        Self { place, blocks }
    }
}

/// Opens a local file; `SourceChanged` if it is not as believed.
pub(crate) fn open_place(root: &Root, place: &LocalPlace) -> Result<OwnedFd, StageError> {
    let fd = match place {
        LocalPlace::Path(path, stat) => {
            let fd = root.open_file(path).map_err(changed)?;
            if stat_of(&rustix::fs::fstat(&fd)?) != *stat {
                return Err(StageError::SourceChanged);
            }
            fd
        }
        LocalPlace::Head(content) => {
            open_beneath(root.heads(), &content.to_string(), FILE).map_err(changed)?
        }
        LocalPlace::History(id) => {
            RelPath::parse(id).map_err(|_| StageError::SourceChanged)?;
            open_beneath(root.history(), id, FILE).map_err(changed)?
        }
    };
    Ok(fd)
}

/// Stages a copy of a local file if it holds just this content when it is read
/// at this level. Returns its blocks then; the file stays.
pub fn stage_copy(
    root: &Root,
    place: &LocalPlace,
    content: ContentId,
    level: Level,
) -> Result<Option<BlockList>, StageError> {
    let fd = match open_place(root, place) {
        Err(StageError::SourceChanged) => return Ok(None),
        fd => fd?,
    };
    let stat = stat_of(&rustix::fs::fstat(&fd)?);
    if kind_of(&stat) != FileType::RegularFile {
        return Ok(None);
    }
    let hashed = hash_at_level(&fd, &stat, level)?;
    if hashed.content != content {
        return Ok(None);
    }
    if !super::staged(root, &content) {
        let staged = StagedFile::begin(root, content, hashed.blocks.clone())?;
        staged.copy_local(&[LocalSource::whole(place.clone(), &hashed.blocks)])?;
        staged.finish()?;
    }
    Ok(Some(hashed.blocks))
}

fn changed(errno: Errno) -> StageError {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO => StageError::SourceChanged,
        errno => errno.into(),
    }
}

impl StagedFile {
    /// Takes over blocks that local files have, and returns how many bytes
    /// that saved.
    ///
    /// Every block is verified on its way. A source that changed, or cannot be
    /// read, is passed over; only trouble with the staged file is an error.
    pub fn copy_local(&self, sources: &[LocalSource]) -> Result<u64, StageError> {
        let mut reused = 0;
        for source in sources {
            if self.lock().missing == 0 {
                break;
            }
            let Ok(fd) = open_place(&self.root, &source.place) else { continue };
            if self.is_mostly(source) {
                self.clone_from_file(&fd)?;
            }
            reused += self.copy_from(&fd, source)?;
        }
        Ok(reused)
    }

    /// Takes over blocks of one file; on all cores if there is much to read.
    fn copy_from(&self, fd: &OwnedFd, source: &LocalSource) -> Result<u64, StageError> {
        let next = AtomicUsize::new(0);
        let take_turns = || {
            let mut reused = 0;
            let mut bytes = Vec::new();
            while let Some(local) = source.blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.copy_block(fd, local, &mut bytes) {
                    Ok(saved) => reused += saved,
                    Err(error) => {
                        next.store(source.blocks.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            Ok(reused)
        };
        if self.blocks.size_bytes() < LARGE_COPY_BYTES {
            return take_turns();
        }
        let cores = available_parallelism().map_or(1, usize::from).min(COPYING_THREADS);
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..cores).map(|_| scope.spawn(take_turns)).collect();
            others.into_iter().fold(take_turns(), |reused, other| {
                let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Ok(reused? + other?)
            })
        })
    }

    /// Takes over one block, where it is missing and still there. Returns how
    /// many bytes that saved.
    fn copy_block(
        &self,
        fd: &OwnedFd,
        local: &LocalBlock,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, StageError> {
        let places = self.places_of(&local.hash);
        let missing = places.iter().filter(|&&place| !self.is_present(place as usize));
        let (Some(&first), count) = (places.first(), missing.count() as u64) else { return Ok(0) };
        if count == 0 {
            return Ok(0);
        }
        let len = self.blocks.blocks()[first as usize].len;
        bytes.resize(len as usize, 0);
        if read_exact_at(fd, bytes, local.offset_bytes, self.cache).is_err() {
            return Ok(0);
        }
        match self.write_block(first as usize, bytes) {
            Ok(()) => Ok(count * u64::from(len)),
            Err(StageError::Mismatch) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Whether more than half of the bytes are at the same place in `source`.
    fn is_mostly(&self, source: &LocalSource) -> bool {
        let same: u64 = source
            .blocks
            .iter()
            .flat_map(|local| self.places_of(&local.hash).iter().map(move |&place| (local, place)))
            .filter(|(local, place)| self.offsets[*place as usize] == local.offset_bytes)
            .map(|(_, place)| u64::from(self.blocks.blocks()[place as usize].len))
            .sum();
        same > self.blocks.size_bytes() / 2
    }

    /// Shares the whole of a local file's storage where the file system can,
    /// and then finds out which blocks that gave.
    fn clone_from_file(&self, source: &OwnedFd) -> Result<(), StageError> {
        {
            let mut state = self.lock();
            // Cloning replaces the whole file, so nothing may be there yet.
            if !state.is_clean || state.missing < state.present.len() {
                return Ok(());
            }
            if rustix::fs::ioctl_ficlone(&self.fd, source).is_err() {
                return Ok(());
            }
            state.is_clean = false;
        }
        rustix::fs::ftruncate(&self.fd, self.blocks.size_bytes())?;
        self.verify_present()
    }
}
