//! Bytes that change on a disk of themselves, and what is done about it (D9).

use driftless_core::{Level, RelPath};
use driftless_engine::{Hashed, Input};

use super::disk::{Blob, Node};
use super::{World, WorldIndex, path};

impl<I: WorldIndex> World<I> {
    /// Lets a file of a device become `text`, of the same length, with nothing
    /// that shows it. Nothing where there is no such file.
    pub fn rot(&mut self, device: usize, name: &str, text: &str) {
        let blob = Blob::new(text.as_bytes());
        let content = blob.content;
        if let Some(old) = self.devices[device].disk.rot(&path(name), blob) {
            self.note(format_args!("{device}'s disk rots {name} to {text:?}"));
            // Neither the one nor the other is anybody's fault.
            self.destroyed(vec![old]);
            self.ledger.written.insert(content, text.to_owned());
            self.ledger.touch(device, &path(name));
        }
    }

    /// Reads every file of a device again.
    pub fn scrub(&mut self, device: usize) {
        let disk = &self.devices[device].disk;
        let read = |(path, node): (&RelPath, &Node)| {
            let blob = node.blob()?;
            let (stat, level) = (node.stat(), Level::default());
            let hashed = Hashed { stat, content: blob.content, level, blocks: blob.blocks.clone() };
            Some(Input::Scrubbed { path: path.clone(), hashed })
        };
        let read: Vec<Input> = disk.now.tree.iter().filter_map(read).collect();
        self.note(format_args!("{device} reads {} files again", read.len()));
        for input in read {
            self.tell(device, input);
        }
    }

    /// Takes what was found rotten for what it should be.
    pub fn keep_rotten(&mut self, device: usize) {
        self.tell(device, Input::Keep(Vec::new()));
    }
}
