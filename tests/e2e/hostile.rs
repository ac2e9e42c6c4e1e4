//! Devices, neighbours and other users that mean harm.
//!
//! An [`evil::Evil`] is paired with a real daemon and shares a folder with it,
//! and then says whatever a test wants. Whatever it tries, the daemon lives and
//! says why it hung up, no file changes that it has no right to change, memory
//! stays bounded, and an honest device goes on syncing meanwhile.

mod contents;
mod evil;
mod floods;
mod lan;
mod races;
mod raw;
pub(crate) mod scene;
mod secrets;
mod words;
