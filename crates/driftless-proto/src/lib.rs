//! What devices say to each other, and the state of saying it; no input or output.
//!
//! [`message`] has the messages as the rest of the program knows them, in core's
//! types; [`codec`] turns them into bounded protobuf frames and back, refusing
//! whatever is out of bounds before it is kept; [`session`] is the sans-IO state
//! of one connection. `proto/driftless.proto` is the wire format and its
//! documentation.

pub mod codec;
pub mod message;
pub mod session;

#[allow(
    missing_docs,
    clippy::all,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/driftless.v1.rs"));
}

pub use codec::{DecodeError, MAX_FRAME_BYTES};
pub use message::{
    BlockRange, FileBlocks, FolderState, Hello, IndexUpdate, Message, PathUpdate, Received,
    Request, RequestBody, Seen,
};
pub use session::{Channel, Session, SessionError};
