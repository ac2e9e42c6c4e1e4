//! How paths and hashes become keys of the database.

use std::cmp::Ordering;

use driftless_core::RelPath;

use crate::error::IndexError;

/// Sorts before every path's key.
pub(crate) const BEFORE_ALL: &[u8] = &[];

/// Sorts after every path's key: no UTF-8 contains this byte.
pub(crate) const AFTER_ALL: &[u8] = &[0xff];

/// A path as bytes whose order is the order of paths: the slash, which ends a
/// component, becomes NUL, which no path contains.
pub(crate) fn of_path(path: &RelPath) -> Vec<u8> {
    let mut key = path.as_str().as_bytes().to_vec();
    for byte in &mut key {
        if *byte == b'/' {
            *byte = 0;
        }
    }
    key
}

/// How a path stands to the one that a key was made of.
pub(crate) fn compare(path: &RelPath, key: &[u8]) -> Ordering {
    let path = path.as_str().as_bytes();
    let is_alike = |(a, b): &(&u8, &u8)| a == b || **a == b'/' && **b == 0;
    let alike = path.iter().zip(key).take_while(is_alike).count();
    let byte = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    path.get(alike).map(byte).cmp(&key.get(alike).copied())
}

/// The path that a key was made of.
pub(crate) fn to_path(key: &[u8]) -> Result<RelPath, IndexError> {
    let bytes = key.iter().map(|&byte| if byte == 0 { b'/' } else { byte }).collect();
    let text = String::from_utf8(bytes).map_err(|_| IndexError::corrupt("a path is no text"))?;
    RelPath::parse(&text).map_err(|_| IndexError::corrupt("a path is none"))
}

/// The first key above a path and all that lies below it.
pub(crate) fn above_tree(path: &RelPath) -> Vec<u8> {
    let mut key = of_path(path);
    key.push(1);
    key
}

/// The first key that a path after `after` may have: no path's key ends in NUL.
pub(crate) fn just_above(after: Option<&RelPath>) -> Vec<u8> {
    after.map_or_else(Vec::new, |path| {
        let mut key = of_path(path);
        key.push(0);
        key
    })
}

/// From which key on, and up to below which, the paths are that come after
/// `after` and, where `within` is given, are it or lie below it.
pub(crate) fn bounds(within: Option<&RelPath>, after: Option<&RelPath>) -> (Vec<u8>, Vec<u8>) {
    let first = match (within, after) {
        (Some(within), Some(after)) if after < within => of_path(within),
        (Some(within), None) => of_path(within),
        (_, after) => just_above(after),
    };
    (first, within.map_or_else(|| AFTER_ALL.to_vec(), above_tree))
}

/// A hash's first six bytes: a compact index key, which SQLite stores in as
/// many bytes. Never an identity.
pub(crate) fn of_hash(prefix: u64) -> i64 {
    (prefix >> 16) as i64
}
