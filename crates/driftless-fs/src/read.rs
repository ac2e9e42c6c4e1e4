//! Reading blocks in order to serve them: nothing leaves unverified (F2, I13).

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use driftless_core::block::MAX_BLOCK_BYTES;
use driftless_core::{BlockHash, ContentId, RelPath, Stat};
use rustix::fs::FileType;

use crate::root::Root;
use crate::staging::{LocalPlace, StageError, open_place};
use crate::stat::{kind_of, stat_of};

/// Where content is served from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A file of the tree, as it was when it was hashed.
    Path(RelPath, Stat),
    /// The store of heads.
    Head(ContentId),
}

/// Why a block cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not what it was, or is gone.
    #[error("the file changed")]
    Changed,
    /// The length is not that of any block.
    #[error("a block cannot have {0} bytes")]
    Length(u32),
    /// The bytes are not those that the hash names, although the file seems unchanged.
    #[error("the bytes do not match their hash")]
    Mismatch,
    /// The disk refused.
    #[error("the file cannot be read")]
    Io(#[source] std::io::Error),
}

/// An open file whose blocks are served.
#[derive(Debug)]
pub struct BlockReader {
    file: File,
    stat: Stat,
}

impl BlockReader {
    /// Opens the file, which must still be as believed.
    pub fn open(root: &Root, source: Source) -> Result<Self, ReadError> {
        let place = match source {
            Source::Path(path, stat) => LocalPlace::Path(path, stat),
            Source::Head(content) => LocalPlace::Head(content),
        };
        let fd = open_place(root, &place).map_err(|error| match error {
            StageError::Io(error) => ReadError::Io(error),
            _ => ReadError::Changed,
        })?;
        let raw = rustix::fs::fstat(&fd).map_err(|errno| ReadError::Io(errno.into()))?;
        let stat = stat_of(&raw);
        match kind_of(&stat) {
            FileType::RegularFile => Ok(Self { file: fd.into(), stat }),
            _ => Err(ReadError::Changed),
        }
    }

    /// Reads `len` bytes at `offset`, at most [`MAX_BLOCK_BYTES`], checks that
    /// they are the block `expected`, and appends them to `bytes`, which is as
    /// it was after an error.
    ///
    /// # Errors
    ///
    /// The block is not there, or cannot be read.
    pub fn read(
        &self,
        (offset, len): (u64, u32),
        expected: &BlockHash,
        bytes: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let before = bytes.len();
        let read = self.append(offset, len, bytes).and_then(|()| {
            match BlockHash::of(&bytes[before..]) == *expected {
                true => Ok(()),
                false => Err(self.why_not()),
            }
        });
        if read.is_err() {
            bytes.truncate(before);
        }
        read
    }

    fn append(&self, offset: u64, len: u32, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
        if len == 0 || len > MAX_BLOCK_BYTES {
            return Err(ReadError::Length(len));
        }
        if offset.checked_add(len.into()).is_none_or(|end| end > self.stat.size_bytes) {
            return Err(ReadError::Mismatch);
        }
        let end = bytes.len() + len as usize;
        bytes.reserve(len as usize);
        // Into the room that is there: it need not be cleared before.
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset)).map_err(ReadError::Io)?;
        file.take(len.into()).read_to_end(bytes).map_err(ReadError::Io)?;
        if bytes.len() == end { Ok(()) } else { Err(ReadError::Changed) }
    }

    /// Why what was read is not what was expected.
    fn why_not(&self) -> ReadError {
        // Head files never change, so that a mismatch there is the disk's doing.
        let now = rustix::fs::fstat(&self.file).map(|raw| stat_of(&raw));
        if now.is_ok_and(|now| now == self.stat) { ReadError::Mismatch } else { ReadError::Changed }
    }
}
