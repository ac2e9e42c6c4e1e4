//! A world in words, for whoever has to find out what went wrong.

use std::fmt::Write as _;

use driftless_core::index::Flag;
use driftless_core::{Entry, FileRecord, HolderSet, RelPath, Slot};

use super::device::number_of;
use super::{World, WorldIndex};

impl<I: WorldIndex> World<I> {
    /// The paths in conflict on a device.
    pub fn conflicts(&self, device: usize) -> Vec<RelPath> {
        let flagged = self.devices[device].index().flagged(Flag::Conflict, None, usize::MAX);
        flagged.unwrap_or_default().into_iter().map(|(path, _)| path).collect()
    }

    fn tell_entry(&self, path: &RelPath, entry: &Entry) -> String {
        let tell = |record: &FileRecord| match record.content.file() {
            Some((content, _)) => format!(
                "{:?} {:?} by {} upon {:?}",
                record.version,
                self.ledger.written.get(&content),
                number_of(&record.device),
                record.previous.map(|previous| self.ledger.written.get(&previous)),
            ),
            None => format!("{:?} {:?}", record.version, record.content),
        };
        let mut text = format!("  {path}{}:\n", if entry.is_needed() { " is needed" } else { "" });
        for head in entry.heads.iter() {
            let holders: Vec<_> = head.holders.iter().map(Slot::number).take(8).collect();
            let _ = writeln!(text, "    {} held by {holders:?}", tell(&head.record));
        }
        if let Some(disk) = &entry.disk {
            let _ = writeln!(text, "    on disk {}", tell(&disk.record));
        }
        text
    }

    /// What a person would ask about next when something does not hold.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::new();
        for number in 0..self.devices.len() {
            let _ = writeln!(text, "device {number} shows {}", self.shows(number));
            if let Some(engine) = &self.devices[number].engine {
                let status = engine.status();
                let _ = writeln!(
                    text,
                    "  needs {}, scanning {}, working {}, held back {:?}, stopped {:?}",
                    status.totals.need_files,
                    status.scanning,
                    status.working,
                    status.held_back,
                    status.stopped
                );
            }
            for (path, entry) in self.entries(number) {
                let all = HolderSet::from_bits((1 << self.devices.len()) - 1);
                let is_lacked = entry.heads.iter().any(|head| !head.holders.includes(all));
                if entry.is_needed() || entry.heads.is_conflict() || is_lacked {
                    text += &self.tell_entry(&path, &entry);
                }
            }
        }
        text
    }
}
