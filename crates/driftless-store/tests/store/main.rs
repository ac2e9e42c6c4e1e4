//! The index in SQLite, on real files.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod looking;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod scratch;
