//! The indexes that a world may run on: in memory, or SQLite's.

use std::fmt;

use driftless_core::{DeviceId, Epoch, Index, InstanceId, RelPath};

use crate::MemIndex;

/// An index that simulated devices can use: what happens to its file in life.
pub trait WorldIndex: Index + fmt::Debug + Sized {
    /// An empty index of `device`.
    fn create(device: DeviceId, instance: InstanceId, epoch: Epoch) -> Self;

    /// A copy of what is committed, as a backup has it.
    #[must_use]
    fn copied(&self) -> Self;

    /// The index as the next process finds it.
    #[must_use]
    fn after_crash(self) -> Self;

    /// The paths that were written since this was last asked, if that is known.
    fn take_written(&self) -> Vec<RelPath> {
        Vec::new()
    }

    /// Lets the write after `writes` more fail, once; or none.
    fn fail_after(&self, _writes: Option<u32>) {}
}

impl WorldIndex for MemIndex {
    fn create(device: DeviceId, instance: InstanceId, epoch: Epoch) -> Self {
        Self::new(device, instance, epoch)
    }

    fn copied(&self) -> Self {
        self.clone()
    }

    fn after_crash(mut self) -> Self {
        self.reopen_as_after_crash();
        self
    }

    fn take_written(&self) -> Vec<RelPath> {
        self.take_written()
    }

    fn fail_after(&self, writes: Option<u32>) {
        self.fail_after(writes);
    }
}
