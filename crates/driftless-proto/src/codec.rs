//! Messages to bounded protobuf frames and back.
//!
//! Decoding is the edge at which foreign bytes become core's types: every path,
//! count, length and hash is checked here, and nothing behind it checks again.

mod unfold;

use driftless_core::block::MAX_BLOCK_BYTES;
use driftless_core::heads::MAX_HEADS;
use driftless_core::path::ParsePathError;
use driftless_core::policy::MAX_ROUNDS;
use driftless_core::record::{MAX_FILE_BYTES, MAX_TARGET_BYTES, MODE_MASK};
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::version::VersionError;
use driftless_core::{
    Author, BlockHash, Content, ContentId, DeviceId, Epoch, FileRecord, FolderId, Level, MovedFrom,
    RelPath, Sequence, VersionVector,
};
use prost::Message as _;

use crate::message::{
    BlockRange, FileBlocks, FolderState, Hello, IndexUpdate, Message, PathUpdate, Received,
    Request, RequestBody, Seen,
};
use crate::wire;

/// The largest frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// The most folders that one device shares with another.
pub const MAX_FOLDERS: usize = 1024;

/// The most paths of one index update.
pub const MAX_UPDATE_PATHS: usize = 4096;

/// The most blocks that one request asks for.
pub const MAX_REQUEST_BLOCKS: usize = 4096;

/// The most bytes that one request asks for.
pub const MAX_REQUEST_BYTES: u64 = 64 << 20;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf of the expected message.
    #[error("it is malformed")]
    Malformed(#[from] prost::DecodeError),
    /// A field that must be there is not.
    #[error("it lacks {0}")]
    Missing(&'static str),
    /// A field is longer, larger or more numerous than allowed, or a hash has another length.
    #[error("{0} is out of bounds")]
    Bounds(&'static str),
    /// A path that leads out of the folder or is no path.
    #[error("a path is refused")]
    Path(#[from] ParsePathError),
    /// A version vector that is none.
    #[error("a version is refused")]
    Version(#[from] VersionError),
}

/// Encodes a message. It fits a frame as long as its parts keep to the bounds
/// above and an index update was filled with [`path_update_bytes`] in mind.
pub fn encode(message: &Message) -> Vec<u8> {
    use wire::frame::Body;
    let body = match message {
        Message::IndexUpdate(update) => Body::Update(update_to_wire(update)),
        Message::Hello(hello) => Body::Hello(wire::Hello {
            version: hello.version,
            device_name: hello.device_name.clone(),
            program: hello.program.clone(),
            clock_ms: hello.clock_ms,
        }),
        Message::Folders(folders) => {
            Body::Folders(wire::Folders { folders: folders.iter().map(folder_to_wire).collect() })
        }
        Message::Received(received) => Body::Received(wire::Received {
            folder: received.folder.to_string(),
            epoch: received.epoch.0,
            sequence: received.sequence.0,
        }),
    };
    wire::Frame { body: Some(body) }.encode_to_vec()
}

/// How many bytes a path takes up in an index update, at most.
pub fn path_update_bytes(update: &PathUpdate) -> usize {
    path_to_wire(update).encoded_len() + 8
}

/// Reads a frame.
pub fn decode(frame: &[u8]) -> Result<Message, DecodeError> {
    use wire::frame::Body;
    check(frame.len() <= MAX_FRAME_BYTES, "the frame")?;
    unfold::check(frame, &unfold::FRAME)?;
    Ok(match wire::Frame::decode(frame)?.body.ok_or(DecodeError::Missing("a body"))? {
        Body::Update(update) => Message::IndexUpdate(update_from_wire(update)?),
        Body::Hello(hello) => {
            check(hello.device_name.len() <= 64 && hello.program.len() <= 64, "a name")?;
            let plain = |text: String| text.chars().filter(|c| !c.is_control()).collect();
            Message::Hello(Hello {
                version: hello.version,
                device_name: plain(hello.device_name),
                program: plain(hello.program),
                clock_ms: hello.clock_ms,
            })
        }
        Body::Folders(folders) => {
            check(folders.folders.len() <= MAX_FOLDERS, "the number of folders")?;
            Message::Folders(
                folders.folders.into_iter().map(folder_from_wire).collect::<Result<_, _>>()?,
            )
        }
        Body::Received(received) => Message::Received(Received {
            folder: folder_id(&received.folder)?,
            epoch: Epoch(received.epoch),
            sequence: Sequence(received.sequence),
        }),
    })
}

fn update_from_wire(update: wire::IndexUpdate) -> Result<IndexUpdate, DecodeError> {
    check(update.paths.len() <= MAX_UPDATE_PATHS, "the number of paths")?;
    check(update.after <= update.upto, "a sequence")?;
    Ok(IndexUpdate {
        folder: folder_id(&update.folder)?,
        epoch: Epoch(update.epoch),
        after: Sequence(update.after),
        upto: Sequence(update.upto),
        more: update.more,
        paths: update.paths.into_iter().map(path_from_wire).collect::<Result<_, _>>()?,
    })
}

/// Encodes the header of a request.
pub fn encode_request(request: &Request) -> Vec<u8> {
    use wire::request::Body;
    let body = match &request.body {
        RequestBody::BlockList { path, content } => Body::BlockList(wire::BlockListRequest {
            path: path.to_string(),
            content: content.as_bytes().to_vec(),
        }),
        RequestBody::Blocks(files) => {
            Body::Blocks(wire::BlocksRequest { files: files.iter().map(blocks_to_wire).collect() })
        }
        RequestBody::Outlines(file) => Body::Outlines(blocks_to_wire(file)),
        RequestBody::ListGroups { path, content, groups } => {
            Body::ListGroups(wire::ListGroupsRequest {
                path: path.to_string(),
                content: content.as_bytes().to_vec(),
                groups: groups.clone(),
            })
        }
    };
    wire::Request { folder: request.folder.to_string(), body: Some(body) }.encode_to_vec()
}

/// Reads the header of a request.
pub fn decode_request(frame: &[u8]) -> Result<Request, DecodeError> {
    use wire::request::Body;
    check(frame.len() <= MAX_FRAME_BYTES, "the frame")?;
    unfold::check(frame, &unfold::REQUEST)?;
    let request = wire::Request::decode(frame)?;
    let body = match request.body.ok_or(DecodeError::Missing("a body"))? {
        Body::BlockList(wanted) => RequestBody::BlockList {
            path: RelPath::parse(&wanted.path)?,
            content: ContentId::from_bytes(hash(&wanted.content, "a content ID")?),
        },
        Body::Blocks(wanted) => {
            let count: usize = wanted.files.iter().map(|file| file.blocks.len().max(1)).sum();
            check(count <= MAX_REQUEST_BLOCKS, "the number of blocks")?;
            let files: Vec<_> =
                wanted.files.into_iter().map(blocks_from_wire).collect::<Result<_, _>>()?;
            check_bytes(&files)?;
            RequestBody::Blocks(files)
        }
        Body::ListGroups(wanted) => {
            check(wanted.groups.len() <= MAX_REQUEST_BLOCKS, "the number of groups")?;
            RequestBody::ListGroups {
                path: RelPath::parse(&wanted.path)?,
                content: ContentId::from_bytes(hash(&wanted.content, "a content ID")?),
                groups: wanted.groups,
            }
        }
        Body::Outlines(wanted) => {
            check(wanted.blocks.len() <= MAX_REQUEST_BLOCKS, "the number of blocks")?;
            let file = blocks_from_wire(wanted)?;
            check_bytes(std::slice::from_ref(&file))?;
            RequestBody::Outlines(file)
        }
    };
    Ok(Request { folder: folder_id(&request.folder)?, body })
}

fn check_bytes(files: &[FileBlocks]) -> Result<(), DecodeError> {
    let blocks = files.iter().flat_map(|file| &file.blocks);
    let bytes: u64 = blocks.map(|block| u64::from(block.len)).sum();
    check(bytes <= MAX_REQUEST_BYTES, "the bytes asked for")
}

fn check(within: bool, what: &'static str) -> Result<(), DecodeError> {
    if within { Ok(()) } else { Err(DecodeError::Bounds(what)) }
}

fn hash(bytes: &[u8], what: &'static str) -> Result<[u8; 32], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::Bounds(what))
}

fn folder_id(text: &str) -> Result<FolderId, DecodeError> {
    FolderId::parse(text).map_err(|_| DecodeError::Bounds("a folder ID"))
}

fn folder_to_wire(folder: &FolderState) -> wire::FolderState {
    wire::FolderState {
        id: folder.id.to_string(),
        label: folder.label.clone(),
        epoch: folder.epoch.0,
        sequence: folder.sequence.0,
        has_cursor: folder.seen.is_some(),
        seen_epoch: folder.seen.map_or(0, |seen| seen.epoch.0),
        seen_sequence: folder.seen.map_or(0, |seen| seen.sequence.0),
        wanted_after: folder.seen.map_or(0, |seen| seen.wanted_after.0),
        acknowledged: folder.acknowledged.0,
    }
}

fn folder_from_wire(folder: wire::FolderState) -> Result<FolderState, DecodeError> {
    check(folder.label.len() <= 256, "a label")?;
    check(folder.wanted_after <= folder.seen_sequence, "a sequence")?;
    let seen = Seen {
        epoch: Epoch(folder.seen_epoch),
        sequence: Sequence(folder.seen_sequence),
        wanted_after: Sequence(folder.wanted_after),
    };
    Ok(FolderState {
        id: folder_id(&folder.id)?,
        label: folder.label.chars().filter(|c| !c.is_control()).collect(),
        epoch: Epoch(folder.epoch),
        sequence: Sequence(folder.sequence),
        seen: folder.has_cursor.then_some(seen),
        acknowledged: Sequence(folder.acknowledged),
    })
}

fn update_to_wire(update: &IndexUpdate) -> wire::IndexUpdate {
    wire::IndexUpdate {
        folder: update.folder.to_string(),
        epoch: update.epoch.0,
        after: update.after.0,
        upto: update.upto.0,
        more: update.more,
        paths: update.paths.iter().map(path_to_wire).collect(),
    }
}

fn path_to_wire(update: &PathUpdate) -> wire::PathUpdate {
    wire::PathUpdate {
        path: update.path.to_string(),
        held: update.held.iter().map(record_to_wire).collect(),
    }
}

fn path_from_wire(update: wire::PathUpdate) -> Result<PathUpdate, DecodeError> {
    check(update.held.len() <= MAX_HEADS, "the number of records")?;
    Ok(PathUpdate {
        path: RelPath::parse(&update.path)?,
        held: update.held.into_iter().map(record_from_wire).collect::<Result<_, _>>()?,
    })
}

fn version_to_wire(version: &VersionVector) -> Vec<wire::Counter> {
    version
        .counters()
        .iter()
        .map(|&(author, count)| wire::Counter { author: author.0, count })
        .collect()
}

fn version_from_wire(counters: Vec<wire::Counter>) -> Result<VersionVector, DecodeError> {
    let counters =
        counters.into_iter().map(|counter| (Author(counter.author), counter.count)).collect();
    let version = VersionVector::from_counters(counters)?;
    check(!version.is_empty(), "a version")?;
    Ok(version)
}

fn record_to_wire(record: &FileRecord) -> wire::Record {
    use wire::record::Content as Wire;
    let content = match &record.content {
        Content::Tombstone { moved_to } => Wire::Tombstone(wire::Tombstone {
            moved_to: moved_to.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
        Content::Symlink { target } => Wire::Symlink(wire::Symlink { target: target.to_string() }),
        Content::Directory { mode } => Wire::Directory(wire::Directory { mode: u32::from(*mode) }),
        Content::File { content, size_bytes, level, mode, mtime_ns } => Wire::File(wire::File {
            content: content.as_bytes().to_vec(),
            size: *size_bytes,
            level: u32::from(level.number()),
            mode: u32::from(*mode),
            mtime_ns: *mtime_ns,
        }),
    };
    wire::Record {
        version: version_to_wire(&record.version),
        content: Some(content),
        previous: record.previous.map(|content| content.as_bytes().to_vec()).unwrap_or_default(),
        device: record.device.as_bytes().to_vec(),
        changed_ms: record.changed_ms,
        moved_from: record.moved_from.as_ref().map(|from| wire::MovedFrom {
            path: from.path.to_string(),
            version: version_to_wire(&from.version),
        }),
        policy_rounds: u32::from(record.policy_rounds),
    }
}

fn record_from_wire(record: wire::Record) -> Result<FileRecord, DecodeError> {
    let previous = match record.previous.as_slice() {
        [] => None,
        bytes => Some(ContentId::from_bytes(hash(bytes, "a content ID")?)),
    };
    let moved_from = match record.moved_from {
        None => None,
        Some(_) if is(Sabotage::DropOriginOnWire) => None,
        Some(from) => Some(MovedFrom {
            path: RelPath::parse(&from.path)?,
            version: version_from_wire(from.version)?,
        }),
    };
    Ok(FileRecord {
        version: version_from_wire(record.version)?,
        content: content_from_wire(record.content.ok_or(DecodeError::Missing("a content"))?)?,
        previous,
        device: DeviceId::from_bytes(hash(&record.device, "a device ID")?),
        changed_ms: record.changed_ms,
        moved_from,
        // What a later version may count beyond it means no more.
        policy_rounds: u8::try_from(record.policy_rounds).unwrap_or(u8::MAX).min(MAX_ROUNDS),
    })
}

fn content_from_wire(content: wire::record::Content) -> Result<Content, DecodeError> {
    use wire::record::Content as Wire;
    let mode = |bits: u32| {
        u16::try_from(bits)
            .ok()
            .filter(|bits| bits & !MODE_MASK == 0)
            .ok_or(DecodeError::Bounds("a mode"))
    };
    Ok(match content {
        Wire::Tombstone(tombstone) => {
            let to = tombstone.moved_to;
            Content::Tombstone {
                moved_to: if to.is_empty() { None } else { Some(RelPath::parse(&to)?) },
            }
        }
        Wire::Symlink(symlink) => {
            let target = symlink.target;
            check(
                !target.is_empty() && target.len() <= MAX_TARGET_BYTES && !target.contains('\0'),
                "a link's target",
            )?;
            Content::Symlink { target: target.into() }
        }
        Wire::Directory(directory) => Content::Directory { mode: mode(directory.mode)? },
        Wire::File(file) => {
            check(file.size <= MAX_FILE_BYTES, "a file's size")?;
            let level = u8::try_from(file.level).ok().and_then(Level::new);
            Content::File {
                content: ContentId::from_bytes(hash(&file.content, "a content ID")?),
                size_bytes: file.size,
                level: level.ok_or(DecodeError::Bounds("a level"))?,
                mode: mode(file.mode)?,
                mtime_ns: file.mtime_ns,
            }
        }
    })
}

fn blocks_to_wire(file: &FileBlocks) -> wire::FileBlocks {
    let range = |block: &BlockRange| wire::BlockRange {
        offset: block.offset,
        len: block.len,
        hash: block.hash.as_bytes().to_vec(),
    };
    wire::FileBlocks {
        path: file.path.to_string(),
        content: file.content.as_bytes().to_vec(),
        blocks: file.blocks.iter().map(range).collect(),
    }
}

fn blocks_from_wire(file: wire::FileBlocks) -> Result<FileBlocks, DecodeError> {
    let range = |block: wire::BlockRange| {
        check(block.len > 0 && block.len <= MAX_BLOCK_BYTES, "a block's length")?;
        check(block.offset <= MAX_FILE_BYTES, "a block's offset")?;
        let hash = BlockHash::from_bytes(hash(&block.hash, "a block's hash")?);
        Ok(BlockRange { offset: block.offset, len: block.len, hash })
    };
    Ok(FileBlocks {
        path: RelPath::parse(&file.path)?,
        content: ContentId::from_bytes(hash(&file.content, "a content ID")?),
        blocks: file.blocks.into_iter().map(range).collect::<Result<_, DecodeError>>()?,
    })
}

#[cfg(test)]
mod tests;
