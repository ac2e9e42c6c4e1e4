//! Messages in core's types.

use driftless_core::{BlockHash, ContentId, Epoch, FileRecord, FolderId, RelPath, Sequence};

/// The version of the protocol that this program speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// Anything that travels in a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// Who is there.
    Hello(Hello),
    /// All folders that the sender shares with the receiver.
    Folders(Vec<FolderState>),
    /// An index update has become durable.
    Received(Received),
    /// A stretch of the sender's index.
    IndexUpdate(IndexUpdate),
}

/// Who is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The protocol's version.
    pub version: u32,
    /// The device's name, at most 64 bytes, without control characters.
    pub device_name: String,
    /// The program's name and version, for people.
    pub program: String,
    /// What its clock says, in milliseconds since 1970; 0 where it does not say.
    pub clock_ms: u64,
}

/// How far the sender has heard the receiver's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// In which epoch.
    pub epoch: Epoch,
    /// Up to where.
    pub sequence: Sequence,
    /// Behind where it is to be sent; before `sequence` where all is wanted again.
    pub wanted_after: Sequence,
}

/// One shared folder, as its sender sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderState {
    /// The folder.
    pub id: FolderId,
    /// What its people call it, at most 256 bytes.
    pub label: String,
    /// The epoch of the sender's index.
    pub epoch: Epoch,
    /// The last sequence that the sender assigned.
    pub sequence: Sequence,
    /// What the sender has of the receiver's index.
    pub seen: Option<Seen>,
    /// What the receiver has acknowledged of the sender's index, in this epoch:
    /// if it remembers less, its own was rolled back.
    pub acknowledged: Sequence,
}

/// The sender has durably taken over the receiver's index up to here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// The folder.
    pub folder: FolderId,
    /// The epoch of the receiver's index.
    pub epoch: Epoch,
    /// Up to where.
    pub sequence: Sequence,
}

/// A stretch of the sender's index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IndexUpdate {
    /// The folder.
    pub folder: FolderId,
    /// The epoch of the sender's index.
    pub epoch: Epoch,
    /// The stretch begins behind this sequence.
    pub after: Sequence,
    /// The stretch ends with this sequence.
    pub upto: Sequence,
    /// Another update follows at once.
    pub more: bool,
    /// What the sender announces, ascending by sequence.
    pub paths: Vec<PathUpdate>,
}

/// The records of one path that the sender durably holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathUpdate {
    /// The path.
    pub path: RelPath,
    /// Replaces what the sender said of the path before.
    pub held: Vec<FileRecord>,
}

/// The header of a request stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The folder.
    pub folder: FolderId,
    /// What is asked for.
    pub body: RequestBody,
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestBody {
    /// The block list of a file's content.
    BlockList {
        /// A path whose head has the content.
        path: RelPath,
        /// The content.
        content: ContentId,
    },
    /// The groups of the block list of a file's content, or the blocks of some.
    ListGroups {
        /// A path whose head has the content.
        path: RelPath,
        /// The content.
        content: ContentId,
        /// Of which groups the blocks are wanted; the groups themselves if of none.
        groups: Vec<u32>,
    },
    /// Blocks of files.
    Blocks(Vec<FileBlocks>),
    /// What blocks of a file consist of, so that only what differs from an older
    /// version need be asked for.
    Outlines(FileBlocks),
}

/// Blocks of one file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileBlocks {
    /// A path whose head has the content.
    pub path: RelPath,
    /// The content.
    pub content: ContentId,
    /// The blocks, in the order in which they are wanted.
    pub blocks: Vec<BlockRange>,
}

/// One block at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockRange {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u32,
    /// Its hash.
    pub hash: BlockHash,
}
