//! Real devices over real QUIC on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clones;
mod connections;
mod device;
mod discovery;
mod floods;
mod lossy;
mod outsider;
mod pairing;
mod requests;
mod trust;
