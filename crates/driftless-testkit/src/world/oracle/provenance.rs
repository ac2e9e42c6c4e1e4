//! Where what is on disks came from and went to: nothing goes, comes or
//! changes that no person had a hand in.

use driftless_core::{Content, FileRecord, RelPath};

use super::{World, WorldIndex};
use crate::world::device::id_of;
use crate::world::disk::Node;

impl<I: WorldIndex> World<I> {
    /// Checks what an engine has just written into its index.
    pub(crate) fn check_written(&mut self, device: usize) {
        let mut written = self.devices[device].index().take_written();
        written.sort_unstable();
        written.dedup();
        if self.devices[device].rolled_back_to.is_some() {
            // What it writes now, it writes anew before it says it (I10).
            return;
        }
        for path in written {
            let entry = self.devices[device].index().get(&path).ok().flatten();
            for head in entry.iter().flat_map(|entry| entry.heads.iter()) {
                match self.ledger.name(device, &path, &head.record) {
                    Ok(is_new) if is_new && head.record.device == id_of(device) => {
                        self.check_deletion(device, &path, &head.record);
                        self.check_author(device, &path, &head.record);
                    }
                    Ok(_) => {}
                    Err(what) => return self.fail(what),
                }
            }
        }
    }

    /// I4: nobody deletes what is there and was always there.
    fn check_deletion(&mut self, device: usize, path: &RelPath, record: &FileRecord) {
        let is_plain = matches!(record.content, Content::Tombstone { moved_to: None });
        let is_there = self.devices[device].disk.get(path).is_some();
        if is_plain && is_there && !self.ledger.is_touched_on(device, path) {
            self.fail(format!("I4: device {device} deletes {path}, which is there"));
        }
    }

    /// I1: who writes a version has its content. Nobody else might.
    fn check_author(&mut self, device: usize, path: &RelPath, record: &FileRecord) {
        let Some((content, _)) = record.content.file() else { return };
        if !self.devices[device].disk.has(content) && !self.ledger.excused.contains(&content) {
            self.fail(format!("I1: device {device} writes {path} as what it does not have"));
        }
    }

    /// I1, at every step: what has just gone from a disk is somewhere else.
    pub(crate) fn audit(&mut self, device: usize) {
        let gone = std::mem::take(&mut self.devices[device].disk.gone);
        for content in gone {
            let is_somewhere = || self.devices.iter().any(|it| it.disk.has(content));
            if self.ledger.excused.contains(&content) || is_somewhere() {
                continue;
            }
            if let Some(text) = self.ledger.written.get(&content) {
                self.fail(format!("I1: {text:?} was last on device {device}, and is lost"));
            }
        }
    }

    /// What nobody has changed since all last agreed is as it was: no old
    /// version is back, nothing deleted has risen, nothing has gone.
    pub(super) fn check_untouched(&self) -> Result<(), String> {
        let Some(agreed) = &self.ledger.agreed else { return Ok(()) };
        let tree = &self.devices[0].disk.now.tree;
        for path in agreed.keys().chain(tree.keys()) {
            let now = tree.get(path).map(Node::content);
            // Which side of a conflict is shown may change as a third is heard of.
            let entry = self.devices[0].index().get(path).ok().flatten();
            let is_open = entry.is_some_and(|entry| entry.heads.is_conflict());
            let is_same = agreed.get(path) == now.as_ref();
            if !is_same && !is_open && !self.ledger.is_touched(path) {
                let before = agreed.get(path);
                return Err(format!("I4: nobody touched {path}, which was {before:?}, is {now:?}"));
            }
        }
        Ok(())
    }

    /// Notes what everyone has now.
    pub(super) fn agree(&mut self) {
        let tree = self.devices[0].disk.now.tree.iter();
        let tree = tree.map(|(path, node)| (path.clone(), node.content())).collect();
        self.ledger.agree(tree);
    }
}
