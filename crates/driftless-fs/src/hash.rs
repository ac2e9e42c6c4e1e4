//! Reading a file whole: its block list and the name of its content.
//!
//! Decides whether what was read is one state of the file: its `stat` must be
//! the same before and after, at the descriptor and at the path (F1, F4).
//! Boundaries are format; [`blocks`] makes them.

use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftless_core::block::{BlockListError, SINGLE_BLOCK_BYTES};
use driftless_core::{Block, BlockHash, BlockList, ContentId, Level, RelPath, Stat};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::durable::make_durable;
use crate::passing::{Cache, read_at};
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

pub mod blocks;
mod segments;

/// The coarsest step of time stamps on kernels before multigrain ones.
const STAMP_STEP: Duration = Duration::from_millis(11);

/// A file that was read whole and did not change meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hashed {
    /// As it was before and after reading.
    pub stat: Stat,
    /// Names the content.
    pub content: ContentId,
    /// The block sizes used.
    pub level: Level,
    /// The blocks.
    pub blocks: BlockList,
}

/// Why a file has no hash now.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// It is not as expected, or changed while it was read; worth another try later.
    #[error("the file changed")]
    Unstable,
    /// It is gone.
    #[error("the file is gone")]
    Vanished,
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// It is larger than any block list can be.
    #[error("the file is too large")]
    TooLarge(#[from] BlockListError),
}

impl From<Errno> for HashError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::Vanished,
            // A symlink took its place or that of a directory on the way.
            Errno::LOOP | Errno::NXIO => Self::Unstable,
            errno => Self::Unreadable(errno.into()),
        }
    }
}

/// Reads the file at `path`, which is expected to be the one that `expected`
/// says, and whose last version had the level `previous`.
///
/// It may have changed since, as a log does between any two looks; what counts
/// is that it does not change while it is read. It was made durable after it
/// was as `expected`; what has come since is made durable first.
///
/// Needs up to 64 MiB of memory and a second thread for large files.
pub fn hash_file(
    root: &Root,
    path: &RelPath,
    expected: Stat,
    previous: Option<Level>,
) -> Result<Hashed, HashError> {
    if kind_of(&expected) != FileType::RegularFile {
        return Err(HashError::Unstable);
    }
    let fd = root.open_file(path)?;
    let before = stat_of(&rustix::fs::fstat(&fd)?);
    if before.inode != expected.inode {
        return Err(HashError::Unstable);
    }
    // A write in the time of one stamp shows in no stamp.
    let has_waited = outwait_stamp(&before);
    if has_waited || before != expected {
        make_durable(root, &[path]).map_err(HashError::Unreadable)?;
    }
    let expected = before;
    let hashed = hash_open(&fd, &expected, previous)?;
    let after = stat_of(&rustix::fs::fstat(&fd)?);
    if after != expected || root.lstat(path)? != expected {
        return Err(HashError::Unstable);
    }
    Ok(hashed)
}

/// Reads an open file of which `stat` is known.
pub(crate) fn hash_open(
    fd: &OwnedFd,
    stat: &Stat,
    previous: Option<Level>,
) -> Result<Hashed, HashError> {
    let level = Level::for_size(stat.size_bytes, previous);
    hash_at_level(fd, stat, level)
}

/// As [`hash_open`], at a given level.
pub(crate) fn hash_at_level(fd: &OwnedFd, stat: &Stat, level: Level) -> Result<Hashed, HashError> {
    let blocks = if stat.size_bytes <= SINGLE_BLOCK_BYTES {
        single_block(fd, stat.size_bytes as usize)?
    } else {
        blocks::blocks(fd, stat.size_bytes, level)?
    };
    let blocks = BlockList::new(blocks)?;
    Ok(Hashed { stat: *stat, content: blocks.content_id(), level, blocks })
}

fn single_block(fd: &OwnedFd, size: usize) -> Result<Vec<Block>, HashError> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; size];
    read_exact_at(fd, &mut bytes, 0, Cache::Keep)?;
    Ok(vec![Block { hash: BlockHash::of(&bytes), len: size as u32 }])
}

/// Fills `bytes` from `offset`; a file that is shorter has changed.
pub(crate) fn read_exact_at(
    fd: &OwnedFd,
    bytes: &mut [u8],
    offset: u64,
    cache: Cache,
) -> Result<(), HashError> {
    match read_at(fd, bytes, offset, cache) {
        Ok(read) if read == bytes.len() => Ok(()),
        Ok(_) => Err(HashError::Unstable),
        Err(errno) => Err(HashError::Unreadable(errno.into())),
    }
}

/// Waits until a write would get another time stamp than the file now has.
///
/// Before Linux 6.13 stamps move on in steps of up to 10 ms, so that a write
/// right after reading could leave the `stat` as it was. Returns whether it waited.
fn outwait_stamp(stat: &Stat) -> bool {
    static COARSE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let is_coarse = *COARSE.get_or_init(|| {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 13)
    });
    if !is_coarse {
        return false;
    }
    let changed = Duration::from_nanos(u64::try_from(stat.ctime_ns).unwrap_or(0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let age = now.checked_sub(changed).filter(|age| *age < STAMP_STEP);
    if let Some(age) = age {
        std::thread::sleep(STAMP_STEP.saturating_sub(age));
    }
    age.is_some()
}
