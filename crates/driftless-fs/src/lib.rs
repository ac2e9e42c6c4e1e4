//! The disk adapter: the one crate that touches what lies below a folder root.
//!
//! It watches, scans, hashes, stages, applies and keeps what it displaced. It
//! decides nothing about versions: the plan is made elsewhere, and every step
//! of it carries what it believed of its victim, which is checked here.
//!
//! Three rules hold throughout:
//!
//! - Everything below a root is reached from the root's descriptor, without
//!   following symlinks or crossing mounts ([`Root`]).
//! - No byte of a person's is thrown away: what a change displaces is renamed
//!   into [`history`] or [`heads`], on the same file system. Only [`history::expire`]
//!   deletes, and [`forget`] when a person says so, and a cleared staging area deletes what is proved to be driftless's own.
//! - Nothing temporary is ever named outside the private directory.
//!
//! Linux is what this crate is written for: it needs `openat2` (or falls back
//! to opening component by component), `renameat2` (or falls back to links,
//! see [`apply`]) and inotify. All calls block; there is no async here.

pub mod apply;
mod beneath;
mod beside;
mod born;
mod durable;
mod folding;
pub mod forget;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod heads;
pub mod history;
pub mod ignore;
mod listing;
mod passing;
mod patterns;
mod problem;
pub mod read;
pub mod root;
pub mod scan;
pub mod small;
pub mod space;
pub mod staging;
mod stat;
pub mod survey;
pub mod watch;

pub use apply::apply;
pub use beside::{Beside, Kind, beside, kind_at};
pub use born::born_ms;
pub use durable::{make_durable, sync_all, syncs_at_once};
pub use hash::blocks::pieces;
pub use hash::{HashError, Hashed, hash_file};
pub use ignore::Ignore;
pub use patterns::{MAX_PATTERN_BYTES, PatternError, Patterns};
pub use read::{BlockReader, ReadError, Source};
pub use root::{Marker, Root, RootError};
pub use scan::{Absence, Scope, confirm_absent, scan};
pub use small::{SmallFile, stage_bytes};
pub use staging::{LocalPlace, LocalSource, StageError, StagedFile};
pub use watch::{WatchEvent, Watcher};
