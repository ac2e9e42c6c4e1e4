//! The state machine of one folder on one device; no input or output.
//!
//! [`Engine::handle`] takes an [`Input`] (something was observed, arrived or
//! finished), changes the index inside the caller's transaction, and leaves
//! [`Effect`]s, which the caller carries out once the transaction is durable.
//! So nothing is announced, fetched or changed on the grounds of something
//! that a crash could take back, and many inputs share one commit.
//!
//! What to do is decided by core ([`driftless_core::plan`]) from what the index
//! holds; what is in progress is remembered here only so as not to do it
//! twice, and may be forgotten at any time.
//!
//! - [`io`]: inputs, effects and events.
//! - `engine`: the state, dispatch, and the one way to change an entry.
//! - `local`: what scans and hashing report; moves; deletions.
//! - `remote`: connected devices and their indexes.
//! - `work`: planning, fetching, applying.
//! - `choice`: what people decide.
//! - `keeping`: what is told to whoever keeps old contents.

mod choice;
mod engine;
pub mod io;
mod keeping;
mod local;
mod remote;
mod work;

pub use engine::{Config, Engine, Mode, Status};
pub use io::{
    Absence, Action, Choice, Effect, Event, FetchError, Fetched, HashError, Hashed, Holding, Input,
    LocalSource, Reopen, Replaced, Resolve, Settled, Side, StopReason,
};
pub use keeping::{SMALL_FILE_BYTES, holdings};
pub use work::Standing;
