//! The shell around the engine: the only crate that knows every adapter.

pub mod config;
pub mod home;
pub mod logging;
