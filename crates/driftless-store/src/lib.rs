//! What a device remembers of a folder, in one SQLite database per folder.
//!
//! [`SqliteIndex`] implements core's [`driftless_core::Index`]. This crate
//! decides how entries, block lists and sums lie in the database, what is
//! checked when one is opened, and how its failures are told apart. It does
//! not decide what to do about a database that is damaged or someone else's:
//! the caller stops, or has it set aside with [`quarantine`] and begins anew.
//!
//! [`ActivityDb`] and [`TextsDb`] are apart from all that: what happened, for
//! people to read, and what small texts held before.
//!
//! One process, one connection, one thread at a time: the database is locked
//! exclusively for as long as it is open. A commit is on disk when it returns
//! (`synchronous=FULL`).

mod activity;
mod below;
mod codec;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod key;
mod lists;
mod names;
mod open;
mod place;
mod schema;
mod state;
mod texts;

pub use activity::{ActivityDb, Decision, Happened};
pub use below::{Below, is_only_here, size_bytes};
pub use error::{IndexError, OpenError};
pub use index::{Children, MAX_META_KEY_BYTES, MAX_META_VALUE_BYTES, Position, SqliteIndex};
pub use open::{OpenMode, Opened, Owner};
pub use place::quarantine;
pub use texts::{KeptVersion, Known, ReplacedText, Replacement, TEXTS_BYTES, TextsDb};
