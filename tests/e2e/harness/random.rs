//! Chance that can be had again, and bytes that tell what they are.

use std::time::SystemTime;

/// Numbers that only look random (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Some number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    /// Brings `items` into some order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

/// Where chance begins: at `DRIFTLESS_SEED`, or somewhere; says where.
pub(crate) fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let given = std::env::var("DRIFTLESS_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or(u64::from(now.subsec_nanos()) | 1);
    println!("DRIFTLESS_SEED={seed}");
    seed
}

/// Bytes that begin with a line that says which they are, and do not repeat.
pub(crate) fn content(title: &str, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(title.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes[..title.len()].copy_from_slice(title.as_bytes());
    bytes[title.len()] = b'\n';
    bytes
}
