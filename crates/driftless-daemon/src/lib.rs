//! The shell around the engine: the only crate that knows every adapter.
//!
//! [`run`] starts it all, or [`host`] within the desktop app. Each folder runs on a thread of its own (`folder`),
//! each connection as a task (`session`, `serve`); `transfer` stages contents,
//! `hashing` reads files, `api` answers the control socket, and `hub` is what
//! they share. Decisions are made elsewhere; this crate carries them out.

mod activity;
mod api;
mod asking;
mod clock;
mod clones;
pub mod config;
pub mod device_link;
mod folder;
mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod hashing;
pub mod home;
mod hub;
mod links;
pub mod logging;
mod memory;
mod random;
mod rules;
mod run;
mod serve;
mod session;
mod throttle;
pub mod thumbnail;
mod transfer;
mod trouble;
mod views;

pub use run::{RunOptions, host, run};
