//! The vocabulary of driftless and its decisions, free of input and output.
//!
//! One word per concept, used everywhere in the project:
//!
//! - *device*: one installation, named by a [`DeviceId`] (the hash of its key).
//! - *folder*: a tree that several devices keep the same, named by a [`FolderId`].
//! - *path*: a [`RelPath`] below a folder's root.
//! - *block*: a content-defined piece of a file, named by its [`BlockHash`];
//!   a file's content is a [`BlockList`], named by a [`ContentId`].
//! - *record*: a [`FileRecord`], one version of what a path holds.
//! - *head*: a record that no other known record of its path supersedes; the
//!   set of them is [`Heads`], and more than one of different content is a conflict.
//! - *entry*: everything that this device knows of one path ([`Entry`]).
//! - *step*: one change to the disk that a *plan* asks for ([`Step`]).
//!
//! Nothing here reads a clock, a disk or randomness: equal inputs give equal
//! results on every device. The [`Index`] port is the one trait; SQLite and
//! memory implement it.

pub mod block;
pub mod brake;
pub mod compare;
pub mod diff;
pub mod entry;
pub mod heads;
pub mod id;
pub mod index;
pub mod path;
pub mod plan;
pub mod policy;
pub mod record;
pub mod resolve;
pub mod sabotage;
pub mod scan;
pub mod totals;
pub mod version;

pub use block::{Block, BlockList, Level};
pub use compare::{Difference, Stretch};
pub use diff::{Change, Observed};
pub use entry::{Entry, OnDisk, Stat};
pub use heads::{Head, Heads, HolderSet, Slot};
pub use id::{Author, BlockHash, ContentId, DeviceId, Epoch, FolderId, InstanceId, Sequence};
pub use index::{Cursor, Index, IndexIdentity};
pub use path::RelPath;
pub use plan::{Displaced, Plan, Precondition, Step};
pub use policy::{Clocks, Policy};
pub use record::{Content, FileRecord, MovedFrom};
pub use scan::{Outcome, Problem, ProblemCode, ScanBatch};
pub use totals::Totals;
pub use version::VersionVector;
