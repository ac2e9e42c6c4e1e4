//! The index in SQLite, on real files.

mod conformance;
mod opening;
mod scratch;
