//! What is measured: driftless on two devices, or another program that is installed.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::device::{Device, until};
use super::network::{Network, Traffic};

/// The folder that is synced.
pub(super) const FOLDER: &str = "bench";

/// Something that brings a tree to another place and keeps it the same there.
pub(super) trait Subject {
    /// What to call it.
    fn name(&self) -> &'static str;
    /// The tree that is changed.
    fn here(&self) -> PathBuf;
    /// The tree that follows.
    fn there(&self) -> PathBuf;
    /// Gets ready to bring what is there for the first time; not measured.
    fn prepare(&mut self) -> anyhow::Result<()>;
    /// Brings it there, and returns when it is.
    fn bring(&mut self) -> anyhow::Result<()>;
    /// Brings a change there. `has_arrived` says whether it is.
    fn follow(&mut self, has_arrived: &mut dyn FnMut() -> bool) -> anyhow::Result<()>;
    /// Processor time of both sides so far, in seconds.
    fn cpu_s(&self) -> anyhow::Result<f64>;
    /// What both sides have sent so far.
    fn traffic(&self) -> anyhow::Result<Traffic>;
}

/// Driftless on two devices.
pub(super) struct Pair {
    pub(super) one: Device,
    pub(super) other: Device,
    network: Rc<Network>,
}

impl Pair {
    /// Two devices that share an empty folder and do not run yet.
    pub(super) fn new(program: &Path, network: &Rc<Network>, place: &Path) -> anyhow::Result<Self> {
        let one = Device::new(program, network, place, 0)?;
        let other = Device::new(program, network, place, 1)?;
        for (device, other) in [(&one, &other), (&other, &one)] {
            device.knows(other)?;
            device.adds(FOLDER, &[other])?;
        }
        Ok(Self { one, other, network: Rc::clone(network) })
    }

    /// Waits until both say that they are the same.
    pub(super) fn until_synced(&self) -> anyhow::Result<()> {
        until("both devices are the same", || {
            let is_one = self.one.is_synced(1)? && self.other.is_synced(1)?;
            Ok(is_one && self.files(&self.one)? == self.files(&self.other)?)
        })?;
        Ok(())
    }

    fn files(&self, device: &Device) -> anyhow::Result<Vec<(u64, u64)>> {
        let folders = device.status()?.folders;
        Ok(folders.iter().map(|folder| (folder.files, folder.bytes)).collect())
    }

    /// Starts both, and waits until both are the same.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.other.start()?;
        self.one.start()?;
        self.until_synced()
    }

    /// Ends both.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        self.one.stop()?;
        self.other.stop()
    }
}

impl Subject for Pair {
    fn name(&self) -> &'static str {
        "driftless"
    }

    fn here(&self) -> PathBuf {
        self.one.folder(FOLDER)
    }

    fn there(&self) -> PathBuf {
        self.other.folder(FOLDER)
    }

    fn prepare(&mut self) -> anyhow::Result<()> {
        self.other.start()
    }

    fn bring(&mut self) -> anyhow::Result<()> {
        self.one.start()?;
        self.until_synced()
    }

    fn follow(&mut self, has_arrived: &mut dyn FnMut() -> bool) -> anyhow::Result<()> {
        until("the change arrives", || Ok(has_arrived()))?;
        Ok(())
    }

    fn cpu_s(&self) -> anyhow::Result<f64> {
        // Before its start a daemon has used nothing.
        let used = |device: &Device| device.usage().map_or(0.0, |usage| usage.cpu_s);
        Ok(used(&self.one) + used(&self.other))
    }

    fn traffic(&self) -> anyhow::Result<Traffic> {
        self.network.traffic()
    }
}
