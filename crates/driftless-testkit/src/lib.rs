//! What tests of driftless share. No product code depends on it.
//!
//! - [`MemIndex`]: the index in memory, deterministic, with crashes on demand.
//! - [`conformance`]: the one suite that every implementation of
//!   [`driftless_core::Index`] passes, and arbitrary entries for other tests.
//! - [`World`]: several devices on simulated disks, clocks and a network.

pub mod conformance;
pub mod mem_index;
pub mod world;

pub use mem_index::{MemIndex, MemIndexError};
pub use world::{
    Ailment, Failure, Story, World, WorldIndex, length_of, run_random, run_random_on, settle,
};
