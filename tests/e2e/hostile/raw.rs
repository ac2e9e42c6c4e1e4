//! Fields of protobuf by hand, for what the library refuses to encode.

/// A varint.
pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field that holds bytes: text, or a message.
pub(crate) fn field(tag: u64, body: &[u8]) -> Vec<u8> {
    [varint(tag << 3 | 2), varint(body.len() as u64), body.to_vec()].concat()
}

/// A field that holds a number.
pub(crate) fn number(tag: u64, value: u64) -> Vec<u8> {
    [varint(tag << 3), varint(value)].concat()
}

/// A field that holds a number in eight bytes.
pub(crate) fn fixed(tag: u64, value: u64) -> Vec<u8> {
    [varint(tag << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

/// One count of a version.
pub(crate) fn counter(author: u64, count: u64) -> Vec<u8> {
    field(1, &[fixed(1, author), number(2, count)].concat())
}

/// A file as a record's content.
pub(crate) fn file(hash: &[u8], size: u64, level: u64, mode: u64) -> Vec<u8> {
    field(4, &[field(1, hash), number(2, size), number(3, level), number(4, mode)].concat())
}

/// A record of this content that one edit made.
pub(crate) fn record(content: &[u8]) -> Vec<u8> {
    record_of(&counter(7, 1), content)
}

/// A record of this version and content.
pub(crate) fn record_of(version: &[u8], content: &[u8]) -> Vec<u8> {
    field(2, &[version, content, &field(7, &[9; 32])].concat())
}

/// A path, and what is held there.
pub(crate) fn path(path: &[u8], records: &[u8]) -> Vec<u8> {
    field(6, &[field(1, path), records.to_vec()].concat())
}

/// A frame with an index update of the folder `notes`.
pub(crate) fn update(epoch: u64, after: u64, upto: u64, paths: &[u8]) -> Vec<u8> {
    let head = [field(1, b"notes"), fixed(2, epoch), number(3, after), number(4, upto)].concat();
    field(4, &[head, paths.to_vec()].concat())
}
