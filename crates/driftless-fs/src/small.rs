//! Reading small files whole, to compare and to keep what they hold, and
//! staging what was kept.
//!
//! What is read is known to be the content that was asked for, wherever it
//! lies: bytes that do not have its name are not handed out.

use std::fs::File;
use std::os::fd::OwnedFd;

use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::{Block, BlockHash, BlockList, ContentId, Level, RelPath};
use rustix::fs::FileType;

use crate::hash::blocks::boundaries;
use crate::hash::{HashError, read_exact_at};
use crate::passing::Cache;
use crate::root::Root;
use crate::staging::{LocalPlace, StageError, StagedFile, open_place, staged};
use crate::stat::{kind_of, stat_of};

/// How much is looked at to tell what cannot be text.
const FIRST_BYTES: usize = 8 << 10;

/// A small file that was found to be as believed, and is not read yet.
#[derive(Debug)]
pub struct SmallFile {
    fd: OwnedFd,
    size: usize,
}

/// Opens a file of this folder; [`StageError::SourceChanged`] if it is not as
/// believed, or no regular file.
pub fn open(root: &Root, place: &LocalPlace) -> Result<File, StageError> {
    regular(open_place(root, place)?)
}

/// Opens what the tree has at `path` now; [`StageError::SourceChanged`] if that
/// is no regular file.
pub fn open_path(root: &Root, path: &RelPath) -> Result<File, StageError> {
    regular(root.open_file(path).map_err(HashError::from)?)
}

fn regular(fd: OwnedFd) -> Result<File, StageError> {
    match kind_of(&stat_of(&rustix::fs::fstat(&fd)?)) {
        FileType::RegularFile => Ok(File::from(fd)),
        _ => Err(StageError::SourceChanged),
    }
}

impl SmallFile {
    /// Opens a file of at most `max_bytes`; `None` if it is larger.
    pub fn open(
        root: &Root,
        place: &LocalPlace,
        max_bytes: u64,
    ) -> Result<Option<Self>, StageError> {
        let fd = OwnedFd::from(open(root, place)?);
        let size_bytes = stat_of(&rustix::fs::fstat(&fd)?).size_bytes;
        let size = usize::try_from(size_bytes).ok().filter(|_| size_bytes <= max_bytes);
        Ok(size.map(|size| Self { fd, size }))
    }

    /// Whether it begins as text may: without a NUL.
    pub fn begins_like_text(&self) -> Result<bool, StageError> {
        let mut first = vec![0; self.size.min(FIRST_BYTES)];
        read_exact_at(&self.fd, &mut first, 0, Cache::Keep)?;
        Ok(!first.contains(&0))
    }

    /// Reads all of it; [`StageError::Mismatch`] if that is not `content`, in
    /// blocks of `level`.
    pub fn read(&self, content: ContentId, level: Level) -> Result<Vec<u8>, StageError> {
        let mut bytes = vec![0; self.size];
        read_exact_at(&self.fd, &mut bytes, 0, Cache::Keep)?;
        if content_of(&bytes, level) == Some(content) {
            Ok(bytes)
        } else {
            Err(StageError::Mismatch)
        }
    }
}

/// Stages bytes as content in blocks of the level that a file of their size
/// gets, so that they can be applied. Returns those blocks.
pub fn stage_bytes(root: &Root, bytes: &[u8]) -> Result<BlockList, StageError> {
    let level = Level::for_size(bytes.len() as u64, None);
    let blocks = blocks_of(bytes, level).ok_or(StageError::WrongList)?;
    let content = blocks.content_id();
    if staged(root, &content) {
        return Ok(blocks);
    }
    let file = StagedFile::begin(root, content, blocks.clone())?;
    let missing = file.missing();
    for (index, (offset, block)) in blocks.with_offsets().enumerate() {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let piece = bytes.get(start..start.saturating_add(block.len as usize));
        if missing.contains(&index) {
            file.write_block(index, piece.ok_or(StageError::WrongList)?)?;
        }
    }
    file.finish()?;
    Ok(blocks)
}

/// The name of the content that is `bytes`, in blocks of `level`.
fn content_of(bytes: &[u8], level: Level) -> Option<ContentId> {
    Some(blocks_of(bytes, level)?.content_id())
}

fn blocks_of(bytes: &[u8], level: Level) -> Option<BlockList> {
    let ends = match bytes.len() as u64 {
        0 => Vec::new(),
        1..=SINGLE_BLOCK_BYTES => vec![bytes.len()],
        _ => boundaries(bytes, level),
    };
    let mut start = 0;
    let block = |end| {
        let bytes = &bytes[start..end];
        start = end;
        Block { hash: BlockHash::of(bytes), len: bytes.len() as u32 }
    };
    BlockList::new(ends.into_iter().map(block).collect()).ok()
}

#[cfg(test)]
mod tests {
    use driftless_core::{FolderId, InstanceId};

    use super::*;
    use crate::hash::hash_file;

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_read_has_the_name_that_hashing_gave_it_and_nothing_else_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let folder = FolderId::parse("f").unwrap();
        let root = Root::create(directory.path(), &folder, InstanceId([1; 16])).unwrap();
        let path = RelPath::parse("file").unwrap();
        for len in [0, 1, 131_072, 131_073, 700_000, 1 << 20] {
            let bytes = noise(len);
            std::fs::write(directory.path().join("file"), &bytes).unwrap();
            let stat = root.lstat(&path).unwrap();
            let hashed = hash_file(&root, &path, stat, None).unwrap();
            let place = LocalPlace::Path(path.clone(), hashed.stat);
            let file = SmallFile::open(&root, &place, 1 << 20).unwrap().unwrap();
            assert_eq!(file.read(hashed.content, hashed.level).unwrap(), bytes, "{len}");
            if hashed.level == Level::for_size(len as u64, None) {
                assert_eq!(stage_bytes(&root, &bytes).unwrap(), hashed.blocks);
                assert!(staged(&root, &hashed.content), "{len}");
            }
            let other = ContentId::from_bytes([7; 32]);
            assert!(matches!(file.read(other, hashed.level), Err(StageError::Mismatch)));
            let tight = SmallFile::open(&root, &place, 100_000).unwrap();
            assert_eq!(tight.is_some(), len <= 100_000);
        }
        let stale = LocalPlace::Path(path.clone(), root.lstat(&path).unwrap());
        std::fs::write(directory.path().join("file"), "now text").unwrap();
        let gone = SmallFile::open(&root, &stale, 1 << 20);
        assert!(matches!(gone, Err(StageError::SourceChanged)));
        let now = LocalPlace::Path(path.clone(), root.lstat(&path).unwrap());
        assert!(SmallFile::open(&root, &now, 9).unwrap().unwrap().begins_like_text().unwrap());
    }
}
