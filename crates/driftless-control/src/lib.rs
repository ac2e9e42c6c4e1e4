//! The one way in: what front ends may ask of a running daemon, and how they ask it.
//!
//! The desktop app, the command line and the tests all speak this: length-prefixed JSON over a socket that
//! only its owner can open. This crate decides the shapes ([`api`]), the closed list of methods ([`method`]),
//! the framing ([`frame`]) and who may connect (`socket`); it holds the two ends ([`Server`], [`Client`]) and
//! the replay of events ([`EventLog`]). It does not decide what any method does: the daemon passes a handler.
//!
//! Identifiers are strings here, because a front end only ever hands back what it was given. The daemon parses
//! them once, where a request enters.

pub mod api;
pub mod client;
pub mod event_log;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod method;
pub mod server;
mod socket;
pub mod typescript;
pub mod words;

pub use api::ApiError;
pub use api::ErrorCode;
pub use client::{CallError, Client, EventStream};
pub use event_log::{EventLog, Subscription};
pub use method::{METHODS, Method, Request};
pub use server::{Reply, RequestContext, Server};
pub use socket::{BindError, ConnectError};
