//! What all workloads need: the program, a disk, networks, sizes, and somewhere to write figures down.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::network::Network;
use super::report::{Figures, Report};
use super::subject::{Pair, Subject};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// How much of everything.
pub(super) struct Sizes {
    /// One file, in bytes.
    pub(super) large_bytes: u64,
    /// Small files.
    pub(super) small_files: u64,
    /// Files of a source tree.
    pub(super) source_files: u64,
    /// The file that is edited, in bytes.
    pub(super) edited_bytes: u64,
    /// Files in the directory that is renamed, of 100 KiB each.
    pub(super) renamed_files: u64,
    /// Saves whose way is timed.
    pub(super) saves: usize,
    /// Files that are there when it starts, and while it has nothing to do.
    pub(super) resting_files: u64,
    /// How long it has nothing to do.
    pub(super) idle: Duration,
    /// Numbers of files.
    pub(super) grown: Vec<u64>,
    /// Sizes of sparse files in bytes.
    pub(super) sparse: Vec<u64>,
    /// Numbers of folders.
    pub(super) folders: Vec<u64>,
    /// Numbers of devices.
    pub(super) devices: Vec<usize>,
    /// What the devices of a swarm want, in bytes.
    pub(super) swarm_bytes: u64,
}

impl Sizes {
    /// As the targets say.
    pub(super) fn whole() -> Self {
        Self {
            large_bytes: 2 * GIB,
            small_files: 20_000,
            source_files: 5_000,
            edited_bytes: GIB,
            renamed_files: 5_000,
            saves: 50,
            resting_files: 100_000,
            idle: Duration::from_secs(60),
            grown: vec![10_000, 30_000, 100_000],
            sparse: vec![GIB, 10 * GIB, 100 * GIB],
            folders: vec![1, 10, 50, 200],
            devices: vec![2, 4, 7, 10],
            swarm_bytes: 64 * MIB,
        }
    }

    /// As [`Sizes::whole`], and up to a million files.
    pub(super) fn full() -> Self {
        Self { grown: vec![10_000, 30_000, 100_000, 300_000, 1_000_000], ..Self::whole() }
    }

    /// So little that all of it ends in a minute or two.
    pub(super) fn quick() -> Self {
        Self {
            large_bytes: 64 * MIB,
            small_files: 1_000,
            source_files: 500,
            edited_bytes: 64 * MIB,
            renamed_files: 200,
            saves: 20,
            resting_files: 5_000,
            idle: Duration::from_secs(5),
            grown: vec![500, 1_500, 5_000],
            sparse: vec![GIB / 10, GIB, 10 * GIB],
            folders: vec![1, 4, 16],
            devices: vec![2, 3, 5],
            swarm_bytes: 16 * MIB,
        }
    }
}

/// What a small file of most workloads has at least and at most, in bytes.
pub(super) const SMALL_BYTES: std::ops::Range<u64> = KIB..8 * KIB;

/// Where workloads happen.
pub(super) struct Lab {
    pub(super) program: PathBuf,
    /// Where directories for devices are made.
    pub(super) place: PathBuf,
    pub(super) sizes: Sizes,
    pub(super) report: Report,
}

impl Lab {
    /// A directory that is gone when dropped.
    pub(super) fn scratch(&self) -> anyhow::Result<TempDir> {
        Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(&self.place)?)
    }

    /// Two devices that share an empty folder, and where they live.
    pub(super) fn pair(&self) -> anyhow::Result<(Pair, TempDir)> {
        let (network, place) = (Rc::new(Network::new(2)?), self.scratch()?);
        Ok((Pair::new(&self.program, &network, place.path())?, place))
    }
}

/// Carries something out and counts time, processor time and bytes on the wire.
pub(super) fn measured(
    subject: &mut dyn Subject,
    action: impl FnOnce(&mut dyn Subject) -> anyhow::Result<()>,
) -> anyhow::Result<Figures> {
    // What was written before is no part of it.
    rustix::fs::sync();
    let (traffic, cpu_s, begun) = (subject.traffic()?, subject.cpu_s()?, Instant::now());
    action(subject)?;
    let wall_s = begun.elapsed().as_secs_f64();
    let cpu_s = subject.cpu_s()? - cpu_s;
    let wire_bytes = subject.traffic()?.bytes - traffic.bytes;
    let figures = [("wall_s", wall_s), ("cpu_s", cpu_s), ("wire_bytes", wire_bytes as f64)];
    Ok(figures.into_iter().collect())
}
