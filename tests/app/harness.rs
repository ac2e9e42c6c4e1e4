//! What the tests stand on: laptops, their panels and their windows.

#[path = "../e2e/harness/lan.rs"]
#[expect(dead_code, reason = "not every test of a network unplugs it")]
mod lan;
mod laptop;
mod page;
mod panel;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use lan::Lan;
pub(crate) use laptop::{Laptop, Scratch};
pub(crate) use page::Page;

/// How long anything may take that should happen soon, on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Looks again and again until `look` gives something; fails with what it says instead.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => {
                panic!("not within {SOON:?}: {what}\nthe last look found: {seen}")
            }
            Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Says what was found instead, unless `holds`.
pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Waits until a file has this text.
pub(crate) fn has(path: &Path, text: &str) {
    until(&format!("{} holds {text:?}", path.display()), || {
        let found = fs::read_to_string(path).map_err(|error| error.to_string())?;
        check(found == text, || found)
    });
}

/// Whether this machine can show windows; says what is missing.
pub(crate) fn can_show_windows() -> bool {
    let programs = ["Xvfb", "WebKitWebDriver", "dbus-daemon", "openbox", "wmctrl"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &&str| std::env::split_paths(&path).any(|dir| dir.join(program).exists());
    let missing: Vec<_> = programs.iter().filter(|program| !is_there(program)).collect();
    if missing.is_empty() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "missing: {missing:?}");
    eprintln!("passed over: windows need {missing:?}; `cargo xtask test` installs them");
    false
}
