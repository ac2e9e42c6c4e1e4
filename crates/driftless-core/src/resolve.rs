//! Conflicts that settle themselves, because nothing in them differs for a person.

use crate::entry::Entry;
use crate::record::Content;
use crate::sabotage::{Sabotage, is};

/// What a path should hold when its concurrent heads combine without loss.
///
/// A changed mode and changed bytes of one file combine: the bytes of the one
/// with the mode of the other. `None` when there is nothing to combine, or a
/// person has to choose. Every device combines the same, so that the records
/// that two devices make of it are no conflict.
pub fn combine(entry: &Entry) -> Option<Content> {
    if entry.heads.len() < 2 {
        return None;
    }
    let live: Vec<_> = entry
        .heads
        .iter()
        .map(|head| &head.record)
        .filter(|record| !record.content.is_tombstone())
        .collect();
    let edits: Vec<_> = live.iter().filter(|record| !record.is_metadata_edit()).collect();
    let touches: Vec<_> = live.iter().filter(|record| record.is_metadata_edit()).collect();
    let (edit, touch) = match (edits.as_slice(), touches.as_slice()) {
        ([edit], [touch, ..]) => (edit, touch),
        _ => return None,
    };
    // Each touch must have been made on what the edit was made on.
    if touches.iter().any(|touch| edit.previous.is_none() || touch.previous != edit.previous)
        && !is(Sabotage::CombineUnrelated)
    {
        return None;
    }
    match (&edit.content, &touch.content) {
        (
            Content::File { content, size_bytes, level, mtime_ns, .. },
            Content::File { mode, .. },
        ) => Some(Content::File {
            content: *content,
            size_bytes: *size_bytes,
            level: *level,
            mode: *mode,
            mtime_ns: *mtime_ns,
        }),
        _ => None,
    }
}
