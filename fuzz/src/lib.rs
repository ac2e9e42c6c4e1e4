//! What every decoder is held to: the bodies of the fuzz targets.
//!
//! A body takes any bytes and panics if the decoder breaks a promise: it must
//! not panic, must not take memory out of proportion, must give what obeys the
//! rules of its type, and must read back what was written of it. The same
//! functions are run by libFuzzer (`cargo xtask fuzz`), on the seeds of
//! [`seeds`], and on every file of the corpus by the ordinary test
//! `tests/corpus`.

mod config;
mod control;
mod ignore;
mod index;
mod names;
mod network;
pub mod seeds;
mod wire;

/// A body, by the name of its target.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("frame", wire::frame),
    ("packed", wire::packed),
    ("session", wire::session),
    ("request", wire::request),
    ("entry", index::entry),
    ("rows", index::rows),
    ("config", config::config),
    ("ignore", ignore::ignore),
    ("control", control::control),
    ("pairing", network::pairing),
    ("announcement", network::announcement),
    ("identifiers", names::identifiers),
    ("files", names::files),
];

/// Runs the body of a target.
///
/// # Panics
///
/// When the decoder breaks a promise, or there is no such target.
pub fn run(target: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    found.expect("the target is in the list").1(bytes);
}

/// Runs a decoder and panics if it ever held more than `allowed` bytes at once.
fn within<T>(allowed: usize, decode: impl FnOnce() -> T) -> T {
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(decode())).bytes_max;
    assert!(held <= allowed as u64, "{held} bytes were held, where {allowed} are allowed");
    result.expect("it ran")
}

/// The text up to the first line break, and the rest.
fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}
