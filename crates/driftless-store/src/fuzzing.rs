//! This crate's private decoders, for fuzz targets; no part of its interface.

use driftless_core::{Block, DeviceId, Entry, RelPath, Sequence, Totals};

use crate::names::Names;
use crate::{codec, key, lists, state};

/// The devices that [`read_entry`] and [`write_entry`] know by a number.
fn names() -> Names {
    let mut names = Names::default();
    for byte in 1..=2 {
        names.add(&DeviceId::from_bytes([byte; 32]));
    }
    names
}

/// Reads an entry's blob.
pub fn read_entry(bytes: &[u8]) -> Option<Entry> {
    codec::decode(bytes, &names(), Sequence(0)).ok()
}

/// Writes an entry's blob.
pub fn write_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(entry, &names(), &mut bytes);
    bytes
}

/// Reads a part of a block list: where it begins in bytes, and its blocks.
pub fn read_part(bytes: &[u8]) -> Option<(u64, Vec<Block>)> {
    lists::decode_part(bytes).ok().map(|(offset, blocks)| (offset, blocks.collect()))
}

/// Writes a part of a block list.
pub fn write_part(mut offset: u64, blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::new();
    lists::encode_part(&mut offset, blocks, &mut bytes);
    bytes
}

/// Reads a folder's sums.
pub fn read_totals(bytes: &[u8]) -> Option<Totals> {
    state::totals_from_bytes(bytes)
}

/// Writes a folder's sums.
pub fn write_totals(totals: &Totals) -> Vec<u8> {
    state::totals_to_bytes(totals)
}

/// Reads a path from its key.
pub fn read_key(bytes: &[u8]) -> Option<RelPath> {
    key::to_path(bytes).ok()
}

/// Writes a path's key.
pub fn write_key(path: &RelPath) -> Vec<u8> {
    key::of_path(path)
}
