//! Real devices over real QUIC on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod device;
mod discovery;
mod floods;
mod outsider;
mod pairing;
mod trust;
