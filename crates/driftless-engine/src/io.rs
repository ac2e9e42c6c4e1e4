//! Everything that goes into an engine and comes out of it.

use driftless_core::plan::Reason;
use driftless_core::version::VersionVector;
use driftless_core::{
    BlockList, Content, ContentId, DeviceId, Epoch, FileRecord, Level, Outcome, Problem, RelPath,
    ScanBatch, Sequence, Stat, Step,
};
use driftless_proto::{FolderState, IndexUpdate};

/// Something was observed, arrived or finished.
#[derive(Clone, Debug)]
pub enum Input {
    /// The folder's life begins: what the store of heads holds.
    Started {
        /// Contents in the store of heads.
        stored: Vec<ContentId>,
    },
    /// These devices share the folder (this one not counted).
    Members(Vec<DeviceId>),
    /// A device that shares the folder is connected.
    Connected {
        /// Which one.
        device: DeviceId,
        /// What it said of the folder.
        state: FolderState,
        /// A random epoch, used if this index turns out to have been rolled back.
        spare: Epoch,
    },
    /// How far the clock of a device is ahead of this one's, in milliseconds.
    Clock {
        /// Which device.
        device: DeviceId,
        /// Negative where it is behind.
        ahead_ms: i64,
    },
    /// The device is gone.
    Disconnected(DeviceId),
    /// A stretch of a device's index.
    IndexUpdate(DeviceId, IndexUpdate),
    /// The device has durably taken over our index up to here.
    Received {
        /// Which one.
        device: DeviceId,
        /// Of which epoch of ours.
        epoch: Epoch,
        /// Up to where.
        sequence: Sequence,
    },
    /// The last [`Effect::SendIndex`] to this device is on its way.
    IndexSent(DeviceId),
    /// A scan begins. `full` covers the whole tree.
    ScanStarted {
        /// Whether the whole tree will be covered.
        full: bool,
    },
    /// A stretch of the scan.
    Scanned(ScanBatch),
    /// The scan has ended. Only a scan that went through under a verified root
    /// is complete; otherwise nothing counts as deleted.
    ScanFinished {
        /// Whether it went through.
        complete: bool,
    },
    /// The second look at paths that seemed deleted.
    Absences(Vec<(RelPath, Absence)>),
    /// A file was read, or could not be.
    Hashed {
        /// Which one.
        path: RelPath,
        /// What it holds.
        result: Result<Hashed, HashError>,
    },
    /// A known file has been read again, to see whether it still is what it was.
    Scrubbed {
        /// Which one.
        path: RelPath,
        /// What it holds.
        hashed: Hashed,
    },
    /// A content is staged, or could not be.
    Fetched {
        /// Which one.
        content: ContentId,
        /// How it went.
        result: Result<Fetched, FetchError>,
    },
    /// Steps have ended.
    Applied(Vec<(Step, Outcome)>),
    /// A staged content has been put into the store of heads, or could not be.
    Kept {
        /// Which one.
        content: ContentId,
        /// For which path.
        path: RelPath,
        /// How it went.
        result: Result<(), Problem>,
    },
    /// A conflict was decided.
    Resolve(Box<Resolve>),
    /// A person takes back how a conflict was decided.
    Reopen(Box<Reopen>),
    /// A person said yes to the mass change that is held back.
    Confirm,
    /// A person wants this device's state to win everywhere (send-only).
    Override,
    /// A person keeps what the tree has of these paths, though the version that
    /// they are given with, and that is not in the tree yet, would replace it.
    Insist(Vec<(RelPath, VersionVector)>),
    /// A person takes back local changes; empty means all.
    Revert(Vec<RelPath>),
    /// A person takes files that changed without a trace for what they should
    /// be; empty means all.
    Keep(Vec<RelPath>),
    /// The ignore rules changed; a full scan follows.
    RulesChanged,
    /// Time has passed: whatever waited for another try may try.
    Tick,
}

/// A conflict is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolve {
    /// Where.
    pub path: RelPath,
    /// How.
    pub choice: Choice,
    /// The versions of all heads that were chosen among: nothing happens if
    /// there are others by now. `None` where it does not matter.
    pub seen: Option<Vec<VersionVector>>,
    /// Whether a policy decided, and not a person.
    pub by_policy: bool,
}

/// How a conflict is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Choice {
    /// The shown head and all with its data, whoever made them.
    Shown,
    /// The head that this device made.
    Device(DeviceId),
    /// Just this head.
    Head(Box<FileRecord>),
    /// All: the shown one stays, the others get names of their own.
    Both,
    /// A content that is staged. It goes to the store of heads, in the order of
    /// all that is done to the disk, before anything is written.
    With {
        /// The content.
        content: ContentId,
        /// Its size in bytes.
        size_bytes: u64,
        /// The block sizes used.
        level: Level,
        /// Its blocks.
        blocks: BlockList,
        /// Permission bits.
        mode: u16,
        /// The modification time in nanoseconds since 1970.
        mtime_ns: i64,
    },
}

/// What it takes to open a settled conflict again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reopen {
    /// Where.
    pub path: RelPath,
    /// What the path came to hold. If it holds anything else, it was changed
    /// since, and stays as it is.
    pub settled: Content,
    /// The versions that there were, the shown one first.
    pub sides: Vec<Side>,
    /// The names that losing versions were given. Those that still hold nothing
    /// but what they were given are deleted.
    pub beside: Vec<RelPath>,
}

/// A version that was one side of a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Side {
    /// What it holds. A file's content has been staged.
    pub content: Content,
    /// The blocks of a file.
    pub blocks: BlockList,
}

/// How a conflict came to be over, as far as it can be opened again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settled {
    /// What differed before, the shown version first.
    pub sides: Vec<FileRecord>,
    /// The version that superseded all of it.
    pub by: FileRecord,
}

/// What a second look at a path found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// Its directory was opened under a verified root and the name is not there.
    Absent,
    /// Not there, or there, but covered by an ignore rule.
    Ignored,
    /// It is there after all.
    Present,
    /// It could not be told.
    Unknown,
}

/// A file that was read whole and did not change meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hashed {
    /// As it was before and after reading.
    pub stat: Stat,
    /// Names the content.
    pub content: ContentId,
    /// The block sizes used.
    pub level: Level,
    /// Its blocks.
    pub blocks: BlockList,
}

/// Why a file could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HashError {
    /// It changed while it was read.
    Unstable,
    /// It is gone, or no regular file any more.
    Vanished,
    /// It may not be read, or the disk failed.
    Unreadable(Problem),
}

/// A content that is staged and verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// Its block list, where it has two blocks or more and was not known.
    pub blocks: Option<BlockList>,
}

/// Why a content could not be staged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FetchError {
    /// No source had it (any more).
    NotAvailable,
    /// This device's disk is in the way.
    Local(Problem),
}

/// A place on this device where blocks of a wanted content may be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LocalSource {
    /// A file in the tree, as it was observed.
    Path {
        /// Where.
        path: RelPath,
        /// As it was observed.
        stat: Stat,
        /// What it held then.
        content: ContentId,
    },
    /// The store of heads.
    Stored(ContentId),
}

/// Something for the caller to carry out, after the commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Send a stretch of the index, then say [`Input::IndexSent`].
    SendIndex(DeviceId, IndexUpdate),
    /// Tell the device that its index is durable here up to a sequence.
    SendReceived {
        /// Which device.
        device: DeviceId,
        /// Of which epoch of its index.
        epoch: Epoch,
        /// Up to where.
        sequence: Sequence,
    },
    /// Close the connection: the device breaks the rules.
    Disconnect {
        /// Which device.
        device: DeviceId,
        /// Which rule.
        reason: &'static str,
    },
    /// Close all connections and open them again: a new epoch began, or all has
    /// to be said again, and what is in flight was said before.
    Reintroduce {
        /// Why, for the log.
        reason: &'static str,
    },
    /// Read a file and say [`Input::Hashed`].
    Hash {
        /// Where.
        path: RelPath,
        /// As it was observed.
        stat: Stat,
        /// The block sizes of the version before.
        previous: Option<Level>,
        /// It is known to be on the disk as it was observed; otherwise it is to
        /// be synced first ([`crate::Engine::all_synced`]).
        is_durable: bool,
    },
    /// Take a second look and say [`Input::Absences`].
    ConfirmAbsent(Vec<RelPath>),
    /// Scan these paths (and below).
    Rescan(Vec<RelPath>),
    /// Stage a content and say [`Input::Fetched`].
    Fetch {
        /// Which content.
        content: ContentId,
        /// Its size in bytes.
        size_bytes: u64,
        /// A path that has it on the devices named.
        path: RelPath,
        /// Connected devices that durably hold it.
        sources: Vec<DeviceId>,
        /// Where blocks of it may be found here.
        local: Vec<LocalSource>,
    },
    /// Carry out steps in order, durably, then say [`Input::Applied`].
    Apply(Vec<Step>),
    /// Move a staged content to the store of heads and say [`Input::Kept`].
    Keep {
        /// Which content.
        content: ContentId,
        /// For which path.
        path: RelPath,
    },
    /// Take a content out of the store of heads: to history, or away if the
    /// tree holds the same at the path.
    Release {
        /// Which content.
        content: ContentId,
        /// Whose head it was.
        path: RelPath,
        /// Who decided.
        by: DeviceId,
        /// Why.
        reason: Reason,
    },
    /// Throw away what is staged of a content that nobody wants any more.
    Discard(ContentId),
    /// The tree came to hold a small file that is a version which devices may
    /// come to agree on: for whoever keeps old contents.
    Holds(Box<Holding>),
    /// A change made here took such a version out of the tree.
    Replaced(Box<Replaced>),
    /// Tell whoever listens.
    Publish(Event),
}

/// A small file in the tree, and a version that it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Where.
    pub path: RelPath,
    /// The version.
    pub record: FileRecord,
    /// As it was observed.
    pub stat: Stat,
}

/// A version of a small file that a change made here replaced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaced {
    /// Where it was.
    pub path: RelPath,
    /// The version.
    pub record: FileRecord,
    /// The path is gone; otherwise it holds something else.
    pub deleted: bool,
    /// Another device may have it.
    pub shared: bool,
}

/// What happened, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A path was brought to another device's version.
    Synced {
        /// Where.
        path: RelPath,
        /// What was done.
        action: Action,
        /// Whose version it is.
        device: DeviceId,
    },
    /// A path was changed here.
    Changed {
        /// Where.
        path: RelPath,
        /// What was done.
        action: Action,
    },
    /// A person has to choose.
    ConflictOpened(RelPath),
    /// Nobody has to choose any more.
    ConflictResolved {
        /// Where.
        path: RelPath,
        /// What a person's choice settled; nothing where the versions turned out
        /// not to contradict each other.
        settled: Option<Box<Settled>>,
    },
    /// A file is edited or was deleted here, though a newer version of it is
    /// known that is not here yet. Said before the conflict that may come of it.
    StaleEdit {
        /// Where.
        path: RelPath,
        /// Who made the newer version.
        device: DeviceId,
        /// Whether it was deleted here.
        deleted: bool,
    },
    /// Trouble with a path began.
    ProblemOpened(Problem),
    /// It is over.
    ProblemCleared(String),
    /// A mass change waits for a yes.
    HeldBack {
        /// Files that would be deleted.
        deletions: u64,
        /// Files that would be replaced.
        rewrites: u64,
    },
    /// The folder stopped itself.
    Stopped(StopReason),
}

/// What was done to a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It is new.
    Created,
    /// Its content changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It came from another path.
    Moved,
}

/// Why a folder stopped itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopReason {
    /// The root is there but holds nothing any more.
    Emptied,
}
