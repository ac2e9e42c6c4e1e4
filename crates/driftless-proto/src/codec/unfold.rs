//! What a message would unfold into, found out before it does.
//!
//! An empty message takes two bytes on the wire and a hundred times that as a
//! value, so that a frame of 1 MiB could become 100 MiB before anyone counted
//! its parts. This walks the encoding, keeps nothing, and counts them first.
//! What they say is checked by `codec`, once they are values.

use super::DecodeError;

/// A kind of message: which of its fields are messages in turn.
#[derive(Debug)]
pub(super) struct Kind(&'static [Part]);

/// A field that holds messages.
#[derive(Debug)]
struct Part {
    tag: u64,
    kind: Kind,
    /// The most of them in one message.
    most: usize,
    /// The fewest bytes of a valid one.
    min_bytes: usize,
    name: &'static str,
}

const fn one(tag: u64, kind: Kind) -> Part {
    Part { tag, kind, most: 1, min_bytes: 0, name: "a field that is there twice" }
}

const LEAF: Kind = Kind(&[]);

const COUNTERS: Part = Part {
    tag: 1,
    kind: LEAF,
    most: driftless_core::version::MAX_AUTHORS,
    min_bytes: 2,
    name: "a version",
};

const MOVED_FROM: Kind = Kind(&[Part { tag: 2, ..COUNTERS }]);

/// A record has a device of 32 bytes, a counter and a content.
const RECORDS: Part = Part {
    tag: 2,
    kind: Kind(&[COUNTERS, one(9, MOVED_FROM)]),
    most: driftless_core::heads::MAX_HEADS,
    min_bytes: 40,
    name: "the number of records",
};

const PATHS: Part = Part {
    tag: 6,
    kind: Kind(&[RECORDS]),
    most: super::MAX_UPDATE_PATHS,
    min_bytes: 3,
    name: "the number of paths",
};

const FOLDERS: Part = Part {
    tag: 1,
    kind: LEAF,
    most: super::MAX_FOLDERS,
    min_bytes: 3,
    name: "the number of folders",
};

/// `wire::Frame`.
pub(super) const FRAME: Kind =
    Kind(&[one(1, LEAF), one(2, Kind(&[FOLDERS])), one(3, LEAF), one(4, Kind(&[PATHS]))]);

/// A block has a hash of 32 bytes and a length.
const BLOCKS: Part = Part {
    tag: 3,
    kind: LEAF,
    most: super::MAX_REQUEST_BLOCKS,
    min_bytes: 36,
    name: "the number of blocks",
};

/// A file has a content of 32 bytes and a path.
const FILES: Part = Part {
    tag: 1,
    kind: Kind(&[BLOCKS]),
    most: super::MAX_REQUEST_BLOCKS,
    min_bytes: 37,
    name: "the number of files",
};

/// `wire::Request`.
pub(super) const REQUEST: Kind =
    Kind(&[one(2, LEAF), one(3, Kind(&[FILES])), one(4, Kind(&[BLOCKS])), one(5, LEAF)]);

/// Checks that `message` has no more parts than its kind may have, and none
/// that are too short to be valid.
pub(super) fn check(message: &[u8], kind: &Kind) -> Result<(), DecodeError> {
    let mut counts = [0_usize; 8];
    let mut rest = message;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let body = match key & 7 {
            0 => {
                varint(&mut rest)?;
                continue;
            }
            1 => {
                take(&mut rest, 8)?;
                continue;
            }
            5 => {
                take(&mut rest, 4)?;
                continue;
            }
            2 => {
                let length = varint(&mut rest)?;
                take(&mut rest, length)?
            }
            _ => return Err(DecodeError::Bounds("a field's type")),
        };
        let Some((count, part)) =
            counts.iter_mut().zip(kind.0).find(|(_, part)| part.tag == key >> 3)
        else {
            continue;
        };
        *count += 1;
        if *count > part.most || body.len() < part.min_bytes {
            return Err(DecodeError::Bounds(part.name));
        }
        check(body, &part.kind)?;
    }
    Ok(())
}

fn take<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], DecodeError> {
    let taken = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
    let (taken, after) = taken.ok_or(DecodeError::Bounds("a field's length"))?;
    *rest = after;
    Ok(taken)
}

fn varint(rest: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0;
    for place in 0..10 {
        let Some((&byte, after)) = rest.split_first() else { break };
        *rest = after;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DecodeError::Bounds("a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that holds bytes.
    fn field(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut length = body.len();
        let mut bytes = vec![tag << 3 | 2];
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn h3_a_frame_of_many_empty_parts_is_refused_before_it_unfolds() {
        let times = |part: Vec<u8>, count: usize| part.repeat(count);
        let record = || field(2, &[]);
        let path = || field(6, &field(1, b"p"));
        for (what, frame) in [
            ("folders", field(2, &times(field(1, &[]), 400_000))),
            ("paths", field(4, &times(field(6, &[]), 400_000))),
            ("records", field(4, &field(6, &times(record(), 400_000)))),
            ("records of paths", field(4, &times(field(6, &times(record(), 60)), 4000))),
            ("updates", times(field(4, &times(path(), 2)), 2)),
            ("a length", vec![4 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            ("a group", vec![3 << 3 | 3]),
        ] {
            assert!(check(&frame, &FRAME).is_err(), "{what}");
            assert!(super::super::decode(&frame).is_err(), "{what}");
        }
        let request = field(3, &times(field(1, &[]), 400_000));
        assert!(check(&request, &REQUEST).is_err());
        assert!(check(&field(4, &times(path(), 4096)), &FRAME).is_ok());
    }

    #[test]
    fn h3_unknown_fields_are_passed_over() {
        assert!(check(&field(15, &field(1, &[]).repeat(2)), &FRAME).is_ok());
        assert!(check(&[8 << 3, 1, 9 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0], &FRAME).is_ok());
    }
}
