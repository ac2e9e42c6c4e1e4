//! What of a disk would outlast a power cut.
//!
//! A file's bytes and metadata last from the moment that the file is synced, a
//! change of names from the moment that one of its directories is. A change of
//! names is atomic and never outlasts one that it builds on; beyond that,
//! those that were not synced survive as the seed says, in any choice. It is
//! as little as POSIX promises and about as bad as a real file system can be.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use fuser::FileType;

use super::image::{Bytes, Image, Inode, ROOT};
use crate::harness::Random;

/// One atomic change of names.
struct Operation {
    slots: Vec<(u64, OsString, Option<u64>)>,
    /// A directory that is gone with it.
    removed: Option<u64>,
}

/// The names that operations build on or are built on.
#[derive(Default)]
struct Slots {
    names: BTreeSet<(u64, OsString)>,
    /// Whatever is done in these, or gives them a name.
    directories: BTreeSet<u64>,
    /// The removal of these.
    holders: BTreeSet<u64>,
}

impl Slots {
    fn touch(&self, operation: &Operation) -> bool {
        let removes = operation.removed.is_some_and(|removed| self.holders.contains(&removed));
        removes
            || operation.slots.iter().any(|(directory, name, inode)| {
                self.directories.contains(directory)
                    || inode.is_some_and(|inode| self.directories.contains(&inode))
                    || self.names.contains(&(*directory, name.clone()))
            })
    }

    fn add_names(&mut self, operation: &Operation) {
        let names = operation.slots.iter().map(|(directory, name, _)| (*directory, name.clone()));
        self.names.extend(names);
        self.directories.extend(operation.removed);
    }
}

/// What lasts already, and what is on its way there.
pub(super) struct Journal {
    lasting: Image,
    pending: Vec<Operation>,
    /// Files that changed since they were synced.
    dirty: BTreeSet<u64>,
}

impl Journal {
    pub(super) fn of(image: &Image) -> Self {
        Self { lasting: image.clone(), pending: Vec::new(), dirty: BTreeSet::new() }
    }

    pub(super) fn changed(&mut self, inode: u64) {
        self.dirty.insert(inode);
    }

    /// Notes a change of names that has just been made.
    pub(super) fn named(&mut self, slots: &[(u64, &OsStr, Option<u64>)], removed: Option<u64>) {
        let slots = slots.iter().map(|&(dir, name, inode)| (dir, name.to_owned(), inode)).collect();
        self.pending.push(Operation { slots, removed });
    }

    pub(super) fn sync_file(&mut self, number: u64, inode: &mut Inode) {
        inode.bytes.synced();
        self.lasting.inodes.insert(number, inode.clone());
        self.dirty.remove(&number);
    }

    /// The disk failed while it wrote a file out. As Linux has it, the file
    /// then counts as written, and reads as if it were.
    pub(super) fn fail_file(&mut self, number: u64, inode: &Inode) {
        let before = self.lasting.inodes.get(&number).map(|inode| inode.bytes.clone());
        let bytes = inode.bytes.zeroed(&before.unwrap_or_default(), || false);
        self.lasting.inodes.insert(number, Inode { bytes, ..inode.clone() });
        self.dirty.remove(&number);
    }

    pub(super) fn sync_directory(&mut self, directory: u64) {
        let mut needed = Slots::default();
        needed.directories.insert(directory);
        let mut lasts = vec![false; self.pending.len()];
        for (index, operation) in self.pending.iter().enumerate().rev() {
            if needed.touch(operation) {
                lasts[index] = true;
                needed.add_names(operation);
                // Nothing lasts in a directory that does not.
                for (holder, _, _) in &operation.slots {
                    needed.names.extend(self.links_to(*holder, index));
                }
            }
        }
        let mut index = 0..;
        let (now, later) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|_| index.next().is_some_and(|index| lasts[index]));
        self.pending = later;
        self.carry_out(now);
    }

    /// The names that an operation before `end` gave to a directory.
    fn links_to(&self, directory: u64, end: usize) -> Vec<(u64, OsString)> {
        let slots = self.pending[..end].iter().flat_map(|operation| &operation.slots);
        slots
            .filter(|(_, _, inode)| *inode == Some(directory))
            .map(|(holder, name, _)| (*holder, name.clone()))
            .collect()
    }

    fn carry_out(&mut self, operations: Vec<Operation>) {
        for (directory, name, inode) in operations.into_iter().flat_map(|all| all.slots) {
            self.lasting.set_name(directory, &name, inode);
        }
    }

    /// What is left of `live` after a power cut.
    pub(super) fn after_cut(mut self, live: &Image, random: &mut Random) -> Image {
        let survivors = self.surviving(random);
        self.carry_out(survivors);
        let mut left = Image { inodes: BTreeMap::new(), names: self.lasting.names };
        for (&number, inode) in &live.inodes {
            let lasting = self.lasting.inodes.get(&number);
            let inode = match (inode.kind, lasting) {
                (FileType::RegularFile, lasting) if self.dirty.contains(&number) => {
                    left_of(inode, lasting, random)
                }
                (FileType::RegularFile, Some(lasting)) => {
                    // Renames move the time of change, which goes with them.
                    Inode { ctime: inode.ctime, ..lasting.clone() }
                }
                _ => inode.clone(),
            };
            left.inodes.insert(number, inode);
            if left.is_directory(number) {
                left.names.entry(number).or_default();
            }
        }
        debug_assert!(left.inodes.contains_key(&ROOT));
        left.collect();
        left
    }

    /// Those of the pending operations that happen to be on the disk.
    fn surviving(&mut self, random: &mut Random) -> Vec<Operation> {
        let pending = std::mem::take(&mut self.pending);
        let upto = match random.below(3) {
            0 => 0,
            1 => random.below(pending.len() as u64 + 1) as usize,
            _ => pending.len(),
        };
        let is_loose = random.below(2) == 0;
        let mut lost = Slots::default();
        let mut survivors = Vec::new();
        for (index, operation) in pending.into_iter().enumerate() {
            let is_lost = index >= upto || (is_loose && random.below(2) == 0);
            if is_lost || lost.touch(&operation) {
                lost.add_names(&operation);
                // What is in a directory that was not made builds on it, and
                // so does the removal of one that was not emptied.
                lost.directories.extend(operation.slots.iter().filter_map(|slot| slot.2));
                lost.holders.extend(operation.slots.iter().map(|slot| slot.0));
            } else {
                survivors.push(operation);
            }
        }
        survivors
    }
}

/// What is left of a file that was not synced since it changed.
fn left_of(inode: &Inode, lasting: Option<&Inode>, random: &mut Random) -> Inode {
    let nothing = Inode { bytes: Bytes::default(), ..inode.clone() };
    let before = lasting.unwrap_or(&nothing);
    let bytes = match random.below(4) {
        0 => return before.clone(),
        1 => inode.bytes.clone(),
        2 => inode.bytes.zeroed(&before.bytes, || random.below(2) == 0),
        _ => inode.bytes.torn(random.below(inode.bytes.new_bytes() + 1)),
    };
    Inode { bytes, ..inode.clone() }
}
