//! Blocks and block lists: what a file's content is made of.
//!
//! Where the boundaries fall is decided by the disk adapter (FastCDC); here is
//! which level of block size a file gets, and how a list is named.

use crate::id::{BlockHash, ContentId};

/// A file of at most this many bytes is one block.
pub const SINGLE_BLOCK_BYTES: u64 = 128 << 10;

/// The largest block of any level, in bytes: four times the largest average.
pub const MAX_BLOCK_BYTES: u32 = 16 << 20;

/// The most blocks that a list may have: 2^20 of 4 MiB on average cover 4 TiB,
/// and a list takes up no more than 36 MiB.
pub const MAX_BLOCKS: usize = 1 << 20;

/// The most blocks that a group of a list has.
pub const GROUP_BLOCKS: usize = 512;

/// A class of block sizes: the average is 64 KiB times two to this power.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Level(u8);

impl Level {
    /// The highest level, with blocks of 4 MiB on average.
    pub const MAX: Self = Self(6);

    /// Checks a level's number; `None` above [`Level::MAX`].
    pub fn new(number: u8) -> Option<Self> {
        (number <= Self::MAX.0).then_some(Self(number))
    }

    /// The level's number, 0 to 6.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The average block size in bytes, a power of two.
    pub fn average_bytes(self) -> u32 {
        (64 << 10) << self.0
    }

    /// The smallest block size in bytes (the last block may be smaller).
    pub fn min_bytes(self) -> u32 {
        self.average_bytes() / 4
    }

    /// The largest block size in bytes.
    pub fn max_bytes(self) -> u32 {
        self.average_bytes() * 4
    }

    /// The level for a file of `size_bytes` whose previous version had `previous`.
    ///
    /// Aims at no more than about 16,384 blocks. A file keeps its level until
    /// that is off by more than a factor of two, so that growth does not move
    /// every boundary.
    pub fn for_size(size_bytes: u64, previous: Option<Self>) -> Self {
        let mut ideal = Self(0);
        while ideal < Self::MAX && size_bytes > u64::from(ideal.average_bytes()) << 14 {
            ideal.0 += 1;
        }
        match previous {
            Some(previous) if previous.0.abs_diff(ideal.0) <= 1 => previous,
            _ => ideal,
        }
    }
}

/// One block of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Block {
    /// The hash of its bytes.
    pub hash: BlockHash,
    /// Its length in bytes, 1 to [`MAX_BLOCK_BYTES`].
    pub len: u32,
}

/// The bytes of a block, found to have its hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    bytes: Vec<u8>,
    hash: BlockHash,
}

impl Verified {
    /// Checks that `bytes` have the hash; gives them back if not.
    ///
    /// # Errors
    ///
    /// They have another.
    pub fn new(bytes: Vec<u8>, hash: BlockHash) -> Result<Self, Vec<u8>> {
        if BlockHash::of(&bytes) == hash { Ok(Self { bytes, hash }) } else { Err(bytes) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their hash.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }
}

/// The blocks that make up a file, in order. Empty for an empty file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BlockList(Vec<Block>);

/// Why blocks make no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockListError {
    /// A block of 0 bytes or above [`MAX_BLOCK_BYTES`].
    #[error("a block's length is out of bounds")]
    Length,
    /// More than [`MAX_BLOCKS`] blocks.
    #[error("a block list is too long")]
    TooMany,
}

impl BlockList {
    /// Checks blocks as they come from a device, the database or the chunker.
    pub fn new(blocks: Vec<Block>) -> Result<Self, BlockListError> {
        if blocks.len() > MAX_BLOCKS {
            return Err(BlockListError::TooMany);
        }
        if blocks.iter().any(|block| block.len == 0 || block.len > MAX_BLOCK_BYTES) {
            return Err(BlockListError::Length);
        }
        Ok(Self(blocks))
    }

    /// The list of a file that is one block; empty if `size_bytes` is 0.
    ///
    /// `None` above [`MAX_BLOCK_BYTES`].
    pub fn single(content: ContentId, size_bytes: u64) -> Option<Self> {
        let len = u32::try_from(size_bytes).ok().filter(|&len| len <= MAX_BLOCK_BYTES)?;
        let block = Block { hash: BlockHash::from_bytes(*content.as_bytes()), len };
        Some(Self(if len == 0 { Vec::new() } else { vec![block] }))
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.0
    }

    /// The file's size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.0.iter().map(|block| u64::from(block.len)).sum()
    }

    /// The blocks with the offset of each in bytes.
    pub fn with_offsets(&self) -> impl Iterator<Item = (u64, Block)> + '_ {
        self.0.iter().scan(0_u64, |offset, block| {
            let at = *offset;
            *offset += u64::from(block.len);
            Some((at, *block))
        })
    }

    /// The list in groups that most often outlast an edit: where one ends is
    /// decided by the hash of its last block, 64 blocks on average, 512 at most.
    pub fn groups(&self) -> Vec<&[Block]> {
        let mut groups = Vec::with_capacity(self.0.len() / 64 + 1);
        let mut rest = self.0.as_slice();
        while !rest.is_empty() {
            let ends = |block: &Block| block.hash.as_bytes()[0] & 63 == 0;
            let most = rest.len().min(GROUP_BLOCKS);
            let len = rest[..most].iter().position(ends).map_or(most, |at| at + 1);
            let (group, after) = rest.split_at(len);
            groups.push(group);
            rest = after;
        }
        groups
    }

    /// Names the content.
    pub fn content_id(&self) -> ContentId {
        match self.0.as_slice() {
            [] => ContentId::from_bytes(*BlockHash::of(&[]).as_bytes()),
            [block] => ContentId::from_bytes(*block.hash.as_bytes()),
            blocks => {
                let hasher = blake3::Hasher::new_derive_key("driftless 2026 block list");
                ContentId::from_bytes(hash_of(hasher, blocks))
            }
        }
    }
}

/// Names a group of a block list.
pub fn group_hash(blocks: &[Block]) -> BlockHash {
    let hasher = blake3::Hasher::new_derive_key("driftless 2026 block list group");
    BlockHash::from_bytes(hash_of(hasher, blocks))
}

fn hash_of(mut hasher: blake3::Hasher, blocks: &[Block]) -> [u8; 32] {
    for block in blocks {
        hasher.update(block.hash.as_bytes());
        hasher.update(&block.len.to_be_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_grows_with_the_file_and_stays_while_close() {
        const GIB: u64 = 1 << 30;
        assert_eq!(Level::for_size(GIB, None), Level(0));
        assert_eq!(Level::for_size(GIB + 1, None), Level(1));
        assert_eq!(Level::for_size(100 * GIB, None), Level::MAX);
        assert_eq!(
            Level::for_size(GIB + 1, Some(Level(0))),
            Level(0),
            "within a factor of two it stays"
        );
        assert_eq!(Level::for_size(5 * GIB, Some(Level(0))), Level(3), "beyond it moves");
        assert!(Level::MAX.max_bytes() <= MAX_BLOCK_BYTES);
    }

    #[test]
    fn a_list_of_one_block_is_named_by_it_and_longer_ones_differ() {
        let block = Block { hash: BlockHash::of(b"one"), len: 3 };
        let single = BlockList::new(vec![block]).unwrap();
        assert_eq!(single.content_id().as_bytes(), block.hash.as_bytes());
        assert_eq!(BlockList::single(single.content_id(), 3), Some(single.clone()));
        let double = BlockList::new(vec![block, block]).unwrap();
        assert_ne!(double.content_id(), single.content_id());
        let empty = BlockList::default();
        assert_eq!(BlockList::single(empty.content_id(), 0), Some(empty));
    }

    #[test]
    fn an_edit_changes_a_group_or_two_and_groups_make_up_the_list() {
        let block = |n: u32| Block { hash: BlockHash::of(&n.to_be_bytes()), len: 1 + n };
        let mut blocks: Vec<_> = (0..20_000).map(block).collect();
        let list = BlockList::new(blocks.clone()).unwrap();
        assert_eq!(list.groups().concat(), blocks);
        assert!(list.groups().iter().all(|group| group.len() <= GROUP_BLOCKS));
        let before: Vec<_> = list.groups().into_iter().map(group_hash).collect();
        blocks.insert(7_000, block(99_999));
        let edited = BlockList::new(blocks).unwrap();
        let fresh =
            edited.groups().into_iter().map(group_hash).filter(|hash| !before.contains(hash));
        assert!((1..=3).contains(&fresh.count()));
        assert_eq!(BlockList::default().groups().len(), 0);
        let same = BlockList::new(vec![block(3); 2_000]).unwrap();
        assert_eq!(same.groups().concat(), same.blocks());
    }

    /// H3
    #[test]
    fn absurd_lists_are_refused() {
        let block = |len| Block { hash: BlockHash::of(b""), len };
        assert_eq!(BlockList::new(vec![block(0)]), Err(BlockListError::Length));
        assert_eq!(BlockList::new(vec![block(MAX_BLOCK_BYTES + 1)]), Err(BlockListError::Length));
    }
}
