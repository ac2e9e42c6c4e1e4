//! How long the hot paths take: `cargo bench -p driftless-testkit --bench micro`.
//!
//! The cases are those of the guard, which counts their instructions, and reading files, which threads do and which
//! the processor's vector instructions decide. Figures here are this machine's alone.

mod cases;

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use driftless_core::Level;
use driftless_fs::hash::blocks::blocks;

/// Enough that threads are busy, little enough to stay in the page cache, in bytes.
const READ_BYTES: u64 = 256 << 20;

fn paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("paths");
    for case in cases::ALL {
        group.throughput(Throughput::Elements(case.paths));
        group.bench_function(case.name, |bencher| {
            bencher.iter_batched(case.prepare, |work| work(), BatchSize::PerIteration);
        });
    }
}

/// Finding the blocks of a file and hashing them, from the page cache.
fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    group.sample_size(10).throughput(Throughput::Bytes(READ_BYTES));
    let file = noise().unwrap_or_else(|error| panic!("cannot write a file to read: {error}"));
    for number in [0, 2] {
        let level = Level::new(number).expect("there is such a level");
        group.bench_function(format!("blocks-of-{}-KiB", level.average_bytes() >> 10), |bencher| {
            bencher.iter(|| black_box(blocks(&file, READ_BYTES, level)).map(|found| found.len()));
        });
    }
}

/// A file of bytes that do not repeat; gone when closed.
fn noise() -> std::io::Result<OwnedFd> {
    let mut file: File = tempfile::tempfile()?;
    let mut state = 1_u64;
    let mut piece = Vec::with_capacity(1 << 20);
    for _ in 0..READ_BYTES >> 20 {
        piece.clear();
        piece.extend((0..1 << 17).flat_map(|_| random(&mut state).to_le_bytes()));
        file.write_all(&piece)?;
    }
    Ok(file.into())
}

/// The next of a sequence of numbers that only look random (xorshift64*); begins with any but 0.
fn random(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

criterion_group!(benches, paths, reading);
criterion_main!(benches);
