//! What happened in a world, as one hash (I18), and told aloud where someone asks.

use std::fmt;
use std::io::Write as _;

/// How many bytes gather before they are hashed.
const GATHERED_BYTES: usize = 32 << 10;

#[derive(Debug)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    gathered: Vec<u8>,
    /// `DRIFTLESS_SIM_TRACE` is set: everything is told on stderr, too.
    pub(crate) narrates: bool,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            gathered: Vec::with_capacity(GATHERED_BYTES + 4096),
            narrates: std::env::var_os("DRIFTLESS_SIM_TRACE").is_some(),
        }
    }

    pub(crate) fn note(&mut self, now_us: u64, what: fmt::Arguments<'_>) {
        if self.narrates {
            eprintln!("{now_us:>12} {what}");
        }
        self.gathered.extend_from_slice(&now_us.to_le_bytes());
        // Writing to memory does not fail.
        let _ = self.gathered.write_fmt(what);
        self.hash_much();
    }

    /// Takes in bytes that nobody would read.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
        self.hash_much();
    }

    /// For eyes only: more than the hash needs.
    pub(crate) fn tell(&self, now_us: u64, what: impl FnOnce() -> String) {
        if self.narrates {
            eprintln!("{now_us:>12}   {}", what());
        }
    }

    fn hash_much(&mut self) {
        if self.gathered.len() >= GATHERED_BYTES {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hasher = self.hasher.clone();
        hasher.update(&self.gathered);
        *hasher.finalize().as_bytes()
    }
}
