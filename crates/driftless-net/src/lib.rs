//! Connects devices: identity, discovery, and QUIC connections between them.
//!
//! This crate moves opaque frames and byte streams between devices that prove
//! their keys to each other; it knows neither messages nor folders. The ways in:
//!
//! - [`Identity`] is this device's key, and [`Net`] runs everything with it.
//! - [`Net::set_devices`] says who may connect; the crate finds and keeps
//!   connected each of them, and reports [`NetEvent::Connected`].
//! - [`Connection`] carries frames on two [`Channel`]s, and [`Request`]s, each
//!   with a [`Response`] of its own stream.
//! - [`Net::open_pairing`] and [`Net::pair_with_code`] introduce two devices;
//!   [`Net::requests`] are those that ask by themselves.
//!
//! What holds throughout:
//!
//! - Every connection is TLS 1.3 with proof of an Ed25519 key from both ends; a
//!   stranger is turned away inside the handshake and does not even see the
//!   certificate unless it knows this device's ID.
//! - There is at most one connection per device, and both ends agree which.
//! - Everything that another device can make this one hold is bounded: frames,
//!   queues, streams, handshakes, announcements.
//! - mDNS suggests addresses and proves nothing.

mod certificate;
mod congestion;
mod connection;
mod dial;
mod discovery;
mod exchange;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod greeting;
mod identity;
mod interfaces;
mod lobby;
mod net;
mod pairing;
mod recognition;
mod registry;
mod request;
mod runs;
mod tls;
mod transport;
mod watch;

pub use connection::{Channel, CloseReason, Connection, ConnectionStats, SendError};
pub use discovery::Nearby;
pub use frame::MAX_FRAME_BYTES;
pub use identity::{Identity, IdentityError};
pub use lobby::PairRequest;
pub use net::{Net, NetConfig, NetEvent, StartError};
pub use pairing::{PairError, PairedDevice, PairingFailure};
pub use registry::AllowedDevice;
pub use request::{AnswerError, Request, RequestError, Response, ResponseError};
pub use transport::DEFAULT_PORT;
