//! What the database holds.

use driftless_core::block::MAX_BLOCK_BYTES;
use driftless_core::record::MAX_FILE_BYTES;
use driftless_store::fuzzing::{
    read_entry, read_key, read_part, read_totals, write_entry, write_key, write_part, write_totals,
};

use super::names::obeys;
use super::within;

/// P7: any bytes as an entry.
pub(crate) fn entry(bytes: &[u8]) {
    let Some(entry) = within(64 * bytes.len() + (64 << 10), || read_entry(bytes)) else { return };
    for head in entry.heads.iter() {
        head.record.moved_from.iter().for_each(|from| obeys(&from.path));
    }
    let written = write_entry(&entry);
    assert!(written.len() <= bytes.len(), "what was read grows when written");
    assert_eq!(read_entry(&written), Some(entry));
}

/// P7: any bytes as a part of a block list, as sums, and as two keys of paths.
pub(crate) fn rows(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => {
            if let Some((offset, blocks)) = read_part(bytes) {
                assert!(offset <= MAX_FILE_BYTES);
                assert!(blocks.iter().all(|block| (1..=MAX_BLOCK_BYTES).contains(&block.len)));
                assert_eq!(write_part(offset, &blocks), bytes);
            }
        }
        1 => {
            if let Some(totals) = read_totals(bytes) {
                assert_eq!(write_totals(&totals), bytes);
            }
        }
        _ => {
            let (one, other) = bytes.split_at(bytes.len() / 2);
            let (Some(one), Some(other)) = (read_key(one), read_key(other)) else { return };
            for path in [&one, &other] {
                obeys(path);
                assert_eq!(read_key(&write_key(path)).as_ref(), Some(path));
            }
            assert_eq!(write_key(&one).cmp(&write_key(&other)), one.cmp(&other));
        }
    }
}
