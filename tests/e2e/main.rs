//! Whole devices against the guarantees: real daemons, real files, real QUIC.
//!
//! Every test drives the `driftless` program as a person or a script would and
//! looks at folders as any other program sees them. Devices talk over loopback
//! addresses of their own, or, where the system lets us, over mDNS and an
//! Ethernet link between network namespaces. Such tests, and those that need a
//! disk of their own, pass over what only root may do and say so.
//!
//! `DRIFTLESS_LOG` reaches the daemons; what they logged is shown when a test
//! fails, and everything that it made is then kept.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

mod activity;
mod asking;
mod beginning;
mod brakes;
mod choosing;
mod clones;
mod conflicts;
mod crashes;
mod damage;
mod databases;
mod disks;
mod failing;
mod faulty;
mod files;
mod folding;
mod harness;
mod hostile;
mod latency;
mod leaving;
mod modes;
mod oddities;
mod pairing;
mod policies;
mod power;
mod scrub;
mod settings;
mod stress;
mod syscalls;
mod texts;
mod undo;
mod undoing;
mod volume;
