//! Block lists, and where a block stands in them.
//!
//! A list lies in parts of 112 blocks, four to a page, so that looking up one
//! block of a long list reads one part. Blocks are found by six bytes of their
//! hash; the list itself tells whether the hash is really the one.

use std::collections::BTreeMap;

use driftless_core::{Block, BlockHash, BlockList, ContentId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::IndexError;
use crate::key;

/// Blocks in one part.
const PART_BLOCKS: usize = 112;

/// A part's number is its list's, times this, plus its position.
const PARTS_PER_LIST: i64 = 1 << 16;

/// A block in a part: its hash, and its length less one in three bytes.
const BLOCK_BYTES: usize = 35;

/// How many lists with a block are looked at, to find one that is in the tree.
const CANDIDATES: i64 = 32;

const _: () = assert!(
    driftless_core::block::MAX_BLOCKS <= PART_BLOCKS * PARTS_PER_LIST as usize
        && driftless_core::block::MAX_BLOCK_BYTES <= 1 << 24
);

/// Stores the list of `content`, unless it is there.
pub(crate) fn put(
    connection: &Connection,
    content: ContentId,
    list: &BlockList,
) -> Result<(), IndexError> {
    if list.content_id() != content {
        return Err(IndexError::Misuse("a block list does not make its content"));
    }
    if list.blocks().len() < 2 || number_of(connection, content)?.is_some() {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO lists (content) VALUES (?)")?
        .execute([content.as_bytes()])?;
    let number = connection.last_insert_rowid();
    let mut insert =
        connection.prepare_cached("INSERT INTO list_parts (id, blocks) VALUES (?, ?)")?;
    let mut offset = 0;
    let mut part = Vec::with_capacity(8 + PART_BLOCKS * BLOCK_BYTES);
    for (position, blocks) in list.blocks().chunks(PART_BLOCKS).enumerate() {
        encode_part(&mut offset, blocks, &mut part);
        insert.execute(params![number * PARTS_PER_LIST + position as i64, part])?;
    }
    // In order of the key, each page of the table is visited once.
    let mut places = places(list);
    places.dedup_by_key(|place| place.0);
    let mut insert = connection
        .prepare_cached("INSERT INTO blocks (prefix, list, position) VALUES (?, ?, ?)")?;
    for (prefix, position) in places {
        insert.execute(params![prefix, number, position])?;
    }
    Ok(())
}

/// The list of `content`, checked against it.
pub(crate) fn get(
    connection: &Connection,
    content: ContentId,
) -> Result<Option<BlockList>, IndexError> {
    let Some(number) = number_of(connection, content)? else { return Ok(None) };
    let list = load(connection, number)?;
    if list.content_id() == content {
        Ok(Some(list))
    } else {
        Err(IndexError::corrupt("a block list does not make its content"))
    }
}

/// Where a block stands: in a content of the tree, if it is found in one.
pub(crate) fn find(
    connection: &Connection,
    hash: BlockHash,
) -> Result<Option<(ContentId, u64)>, IndexError> {
    let sql = "SELECT list, position FROM blocks WHERE prefix = ? ORDER BY list LIMIT ?";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![key::of_hash(hash.prefix()), CANDIDATES])?;
    let mut first = None;
    while let Some(row) = rows.next()? {
        let (number, position): (i64, u32) = (row.get(0)?, row.get(1)?);
        let Some(offset) = offset_of(connection, number, position as usize, hash)? else {
            continue;
        };
        let content = content_of(connection, number)?;
        if is_in_tree(connection, content)? {
            return Ok(Some((content, offset)));
        }
        first = first.or(Some((content, offset)));
    }
    Ok(first)
}

/// All lists, by content.
pub(crate) fn all(connection: &Connection) -> Result<BTreeMap<ContentId, i64>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT content, id FROM lists")?;
    let rows =
        statement.query_map([], |row| Ok((ContentId::from_bytes(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Forgets a list.
pub(crate) fn remove(connection: &Connection, number: i64) -> Result<(), IndexError> {
    let list = load(connection, number)?;
    let mut delete =
        connection.prepare_cached("DELETE FROM blocks WHERE prefix = ? AND list = ?")?;
    for (prefix, _) in places(&list) {
        delete.execute([prefix, number])?;
    }
    connection
        .prepare_cached("DELETE FROM list_parts WHERE id >= ? AND id < ?")?
        .execute([number * PARTS_PER_LIST, (number + 1) * PARTS_PER_LIST])?;
    connection.prepare_cached("DELETE FROM lists WHERE id = ?")?.execute([number])?;
    Ok(())
}

/// Each block's key and its position, in order of the key, then the position.
fn places(list: &BlockList) -> Vec<(i64, u32)> {
    let numbered = (0_u32..).zip(list.blocks());
    let mut places: Vec<_> =
        numbered.map(|(position, block)| (key::of_hash(block.hash.prefix()), position)).collect();
    places.sort_unstable();
    places
}

fn number_of(connection: &Connection, content: ContentId) -> Result<Option<i64>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT id FROM lists WHERE content = ?")?;
    Ok(statement.query_row([content.as_bytes()], |row| row.get(0)).optional()?)
}

fn content_of(connection: &Connection, number: i64) -> Result<ContentId, IndexError> {
    let mut statement = connection.prepare_cached("SELECT content FROM lists WHERE id = ?")?;
    Ok(ContentId::from_bytes(statement.query_row([number], |row| row.get(0))?))
}

fn is_in_tree(connection: &Connection, content: ContentId) -> Result<bool, IndexError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM entries INDEXED BY entries_content WHERE content = ?)";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([key::of_hash(content.prefix())], |row| row.get(0))?)
}

fn load(connection: &Connection, number: i64) -> Result<BlockList, IndexError> {
    let sql = "SELECT blocks FROM list_parts WHERE id >= ? AND id < ? ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([number * PARTS_PER_LIST, (number + 1) * PARTS_PER_LIST])?;
    let mut blocks = Vec::new();
    while let Some(row) = rows.next()? {
        let (_, part) = decode_part(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
        blocks.extend(part);
    }
    BlockList::new(blocks).map_err(|_| IndexError::corrupt("a block list is none"))
}

/// The block's offset in bytes, if it is the one at that position.
fn offset_of(
    connection: &Connection,
    number: i64,
    position: usize,
    hash: BlockHash,
) -> Result<Option<u64>, IndexError> {
    let mut statement = connection.prepare_cached("SELECT blocks FROM list_parts WHERE id = ?")?;
    let part = number * PARTS_PER_LIST + (position / PART_BLOCKS) as i64;
    let mut rows = statement.query([part])?;
    let row = rows.next()?.ok_or_else(|| IndexError::corrupt("a block list has a gap"))?;
    let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
    let (mut offset, blocks) = decode_part(bytes)?;
    for (index, block) in blocks.enumerate() {
        if index == position % PART_BLOCKS {
            return Ok((block.hash == hash).then_some(offset));
        }
        offset += u64::from(block.len);
    }
    Err(IndexError::corrupt("a block list is too short"))
}

/// Writes one part to `part`: where it begins in bytes, then its blocks.
pub(crate) fn encode_part(offset: &mut u64, blocks: &[Block], part: &mut Vec<u8>) {
    part.clear();
    part.extend_from_slice(&offset.to_be_bytes());
    for block in blocks {
        part.extend_from_slice(block.hash.as_bytes());
        part.extend_from_slice(&(block.len - 1).to_be_bytes()[1..]);
        *offset += u64::from(block.len);
    }
}

/// Where a part begins in bytes, and its blocks.
pub(crate) fn decode_part(part: &[u8]) -> Result<(u64, impl Iterator<Item = Block>), IndexError> {
    let damaged = || IndexError::corrupt("a part of a block list is damaged");
    let (offset, blocks) = part.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (blocks, []) = blocks.as_chunks::<BLOCK_BYTES>() else { return Err(damaged()) };
    let offset = u64::from_be_bytes(*offset);
    if offset > driftless_core::record::MAX_FILE_BYTES {
        return Err(damaged());
    }
    let blocks = blocks.iter().map(|bytes| {
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[..32]);
        let len = u32::from_be_bytes([0, bytes[32], bytes[33], bytes[34]]) + 1;
        Block { hash: BlockHash::from_bytes(hash), len }
    });
    Ok((offset, blocks))
}
