//! The desktop app in real windows: what a person does with it, and what the desktop sees of it.
//!
//! Every laptop is a display, a session bus, a panel and a home of its own; two of them are joined
//! by an Ethernet link between network namespaces. The window is driven by WebDriver, the tray by
//! the messages that a panel would send. Pictures of what was seen are kept in `target/tmp/app`.
//! Where Xvfb, WebKitWebDriver, a session bus or the right to make namespaces is missing, tests
//! pass and say so, except under `CI`, where they fail.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod harness;
mod merging;
mod shell;
mod story;
