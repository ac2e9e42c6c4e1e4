//! What tests of driftless share. No product code depends on it.
//!
//! - [`MemIndex`]: the index in memory, deterministic, with crashes on demand.
//! - [`conformance`]: the one suite that every implementation of
//!   [`driftless_core::Index`] passes, and arbitrary entries for other tests.

pub mod conformance;
pub mod mem_index;

pub use mem_index::{MemIndex, MemIndexError};
