//! The file system itself: names and bytes in memory, and the switches.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::SystemTime;

use fuser::{Errno, FileAttr, FileType, RenameFlags};

use super::image::{Image, Inode};
use super::journal::Journal;
use super::names::Folding;
use crate::harness::Random;

/// What a disk has been told to fail at.
#[derive(Default)]
pub(super) struct Trouble {
    /// Files whose bytes cannot be read, by what their path ends with.
    pub(super) unreadable: Option<String>,
    /// How many more syncs of files below this directory fail.
    pub(super) failing_syncs: Option<(String, u64)>,
    /// How many more bytes can be written.
    pub(super) room: Option<u64>,
    pub(super) is_read_only: bool,
    /// A directory that may not be looked into, by what its path ends with.
    pub(super) closed: Option<String>,
}

/// A disk in memory.
pub(super) struct Disk {
    live: Image,
    journal: Journal,
    folding: Folding,
    next_inode: u64,
    listings: BTreeMap<u64, Vec<(OsString, u64, FileType)>>,
    next_listing: u64,
    pub(super) trouble: Trouble,
    pub(super) failed_syncs: u64,
    /// How many changes there have been.
    pub(super) changes: u64,
    /// The power goes before the change of this number.
    pub(super) cut_before: Option<u64>,
    pub(super) is_cut: bool,
}

type Done<T> = Result<T, Errno>;

/// What [`Disk::set`] changes of a file.
#[derive(Default)]
pub(super) struct Setting {
    pub(super) mode: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<SystemTime>,
}

impl Disk {
    pub(super) fn new(folding: Folding) -> Self {
        Self::of(Image::new(), folding)
    }

    fn of(live: Image, folding: Folding) -> Self {
        let next_inode = live.inodes.keys().next_back().map_or(2, |last| last + 1);
        let journal = Journal::of(&live);
        Self {
            live,
            journal,
            folding,
            next_inode,
            listings: BTreeMap::new(),
            next_listing: 1,
            trouble: Trouble::default(),
            failed_syncs: 0,
            changes: 0,
            cut_before: None,
            is_cut: false,
        }
    }

    /// Makes everything last.
    pub(super) fn sync(&mut self) {
        self.live.inodes.values_mut().for_each(|inode| inode.bytes.synced());
        self.journal = Journal::of(&self.live);
    }

    /// The disk as it is once the power is back.
    pub(super) fn after_cut(self, random: &mut Random) -> Self {
        Self::of(self.journal.after_cut(&self.live, random), self.folding)
    }

    /// Counts a change that is about to be made.
    fn change(&mut self) -> Done<()> {
        self.is_cut |= self.cut_before.is_some_and(|end| self.changes >= end);
        if self.is_cut {
            return Err(Errno::EIO);
        }
        if self.trouble.is_read_only {
            return Err(Errno::EROFS);
        }
        self.changes += 1;
        Ok(())
    }

    fn inode(&self, number: u64) -> Done<&Inode> {
        self.live.inodes.get(&number).ok_or(Errno::ENOENT)
    }

    fn inode_mut(&mut self, number: u64) -> Done<&mut Inode> {
        self.live.inodes.get_mut(&number).ok_or(Errno::ENOENT)
    }

    /// The name as it was given, and what has it.
    fn find(&self, directory: u64, name: &OsStr) -> Done<Option<(OsString, u64)>> {
        let names = self.live.names.get(&directory).ok_or(Errno::ENOTDIR)?;
        if self.folding == Folding::Exact {
            return Ok(names.get(name).map(|&inode| (name.to_owned(), inode)));
        }
        let key = self.folding.key(name);
        let found = names.iter().find(|(given, _)| self.folding.key(given) == key);
        Ok(found.map(|(given, &inode)| (given.clone(), inode)))
    }

    fn is_closed(&self, directory: u64) -> bool {
        self.is_named(directory, self.trouble.closed.as_deref())
    }

    fn is_named(&self, number: u64, ending: Option<&str>) -> bool {
        ending.is_some_and(|ending| {
            self.live.path_of(number).is_some_and(|path| path.ends_with(ending))
        })
    }

    pub(super) fn lookup(&self, directory: u64, name: &OsStr) -> Done<FileAttr> {
        if name.len() > 255 {
            return Err(Errno::ENAMETOOLONG);
        }
        if self.is_closed(directory) {
            return Err(Errno::EACCES);
        }
        let (_, number) = self.find(directory, name)?.ok_or(Errno::ENOENT)?;
        self.attr(number)
    }

    pub(super) fn attr(&self, number: u64) -> Done<FileAttr> {
        Ok(self.inode(number)?.attr(number))
    }

    pub(super) fn target(&self, number: u64) -> Done<&Path> {
        Ok(&self.inode(number)?.target)
    }

    pub(super) fn set(&mut self, number: u64, setting: &Setting) -> Done<FileAttr> {
        self.change()?;
        self.journal.changed(number);
        let inode = self.inode_mut(number)?;
        if let Some(size) = setting.size {
            inode.bytes.resize(size);
            inode.touch();
        }
        if let Some(mode) = setting.mode {
            inode.mode = (mode & 0o7777) as u16;
        }
        inode.mtime = setting.mtime.unwrap_or(inode.mtime);
        inode.ctime = SystemTime::now();
        self.attr(number)
    }

    /// Makes something new with a name that nothing has.
    pub(super) fn make(&mut self, dir: u64, name: &OsStr, mut inode: Inode) -> Done<FileAttr> {
        self.change()?;
        if self.find(dir, name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        if self.trouble.room == Some(0) {
            return Err(Errno::ENOSPC);
        }
        let number = self.next_inode;
        self.next_inode += 1;
        if inode.kind == FileType::Directory {
            self.live.names.insert(number, BTreeMap::new());
            inode.links = 2;
        } else {
            inode.links = 1;
            self.journal.changed(number);
        }
        self.live.inodes.insert(number, inode);
        self.rename_slots(&[(dir, name, Some(number))], None);
        self.attr(number)
    }

    /// Makes a change of names here and in the journal.
    fn rename_slots(&mut self, slots: &[(u64, &OsStr, Option<u64>)], removed: Option<u64>) {
        self.journal.named(slots, removed);
        for &(directory, name, number) in slots {
            self.live.set_name(directory, name, number);
            if let Some(inode) = self.live.inodes.get_mut(&directory) {
                inode.touch();
            }
            if let Some(inode) = number.and_then(|number| self.live.inodes.get_mut(&number)) {
                inode.ctime = SystemTime::now();
            }
        }
    }

    fn unlinked(&mut self, number: u64) {
        if let Some(inode) = self.live.inodes.get_mut(&number) {
            inode.links = inode.links.saturating_sub(1);
            inode.ctime = SystemTime::now();
        }
    }

    pub(super) fn link(&mut self, number: u64, dir: u64, name: &OsStr) -> Done<FileAttr> {
        self.change()?;
        if self.find(dir, name)?.is_some() {
            return Err(Errno::EEXIST);
        }
        self.inode_mut(number)?.links += 1;
        self.rename_slots(&[(dir, name, Some(number))], None);
        self.attr(number)
    }

    pub(super) fn remove(&mut self, dir: u64, name: &OsStr, is_directory: bool) -> Done<()> {
        self.change()?;
        let (given, number) = self.find(dir, name)?.ok_or(Errno::ENOENT)?;
        match (self.live.is_directory(number), is_directory) {
            (true, false) => return Err(Errno::EISDIR),
            (false, true) => return Err(Errno::ENOTDIR),
            _ => {}
        }
        let removed = self.emptied(number)?;
        self.rename_slots(&[(dir, &given, None)], removed);
        self.unlinked(number);
        Ok(())
    }

    /// The directory that is to go, which has to be empty.
    fn emptied(&self, number: u64) -> Done<Option<u64>> {
        match self.live.names.get(&number) {
            Some(names) if !names.is_empty() => Err(Errno::ENOTEMPTY),
            Some(_) => Ok(Some(number)),
            None => Ok(None),
        }
    }

    pub(super) fn rename(
        &mut self,
        (dir, name): (u64, &OsStr),
        (to_dir, to): (u64, &OsStr),
        flags: RenameFlags,
    ) -> Done<()> {
        self.change()?;
        let (given, number) = self.find(dir, name)?.ok_or(Errno::ENOENT)?;
        let victim = self.find(to_dir, to)?;
        if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            let (to, other) = victim.ok_or(Errno::ENOENT)?;
            self.rename_slots(&[(dir, &given, Some(other)), (to_dir, &to, Some(number))], None);
            return Ok(());
        }
        let Some((old, other)) = victim else {
            self.rename_slots(&[(dir, &given, None), (to_dir, to, Some(number))], None);
            return Ok(());
        };
        if flags.contains(RenameFlags::RENAME_NOREPLACE) {
            return Err(Errno::EEXIST);
        }
        let removed = self.emptied(other)?;
        // The name that is replaced stays as it was given, as on Windows and macOS.
        self.rename_slots(&[(dir, &given, None), (to_dir, &old, Some(number))], removed);
        self.unlinked(other);
        Ok(())
    }

    pub(super) fn read(&self, number: u64, offset: u64, len: usize) -> Done<Vec<u8>> {
        if self.is_cut || self.is_named(number, self.trouble.unreadable.as_deref()) {
            return Err(Errno::EIO);
        }
        Ok(self.inode(number)?.bytes.read(offset, len))
    }

    pub(super) fn write(&mut self, number: u64, offset: u64, bytes: &[u8]) -> Done<()> {
        self.change()?;
        if let Some(room) = &mut self.trouble.room {
            *room = room.checked_sub(bytes.len() as u64).ok_or(Errno::ENOSPC)?;
        }
        self.journal.changed(number);
        let inode = self.inode_mut(number)?;
        inode.bytes.write(offset, bytes);
        inode.touch();
        Ok(())
    }

    pub(super) fn sync_file(&mut self, number: u64) -> Done<()> {
        self.change()?;
        let fails = self.trouble.failing_syncs.as_ref().is_some_and(|(below, left)| {
            let path = self.live.path_of(number);
            *left > 0 && path.is_some_and(|path| path.parent().is_some_and(|p| p.ends_with(below)))
        });
        let inode = self.live.inodes.get_mut(&number).ok_or(Errno::ENOENT)?;
        if fails {
            self.journal.fail_file(number, inode);
            self.failed_syncs += 1;
            if let Some((_, left)) = &mut self.trouble.failing_syncs {
                *left -= 1;
            }
            return Err(Errno::EIO);
        }
        self.journal.sync_file(number, inode);
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, number: u64) -> Done<()> {
        self.change()?;
        self.journal.sync_directory(number);
        Ok(())
    }

    /// The bytes that can still be written.
    pub(super) fn room(&self) -> u64 {
        self.trouble.room.unwrap_or(1 << 40)
    }

    pub(super) fn list(&mut self, directory: u64) -> Done<u64> {
        if self.is_cut {
            return Err(Errno::EIO);
        }
        if self.is_closed(directory) {
            return Err(Errno::EACCES);
        }
        let names = self.live.names.get(&directory).ok_or(Errno::ENOTDIR)?;
        let own = [".", ".."].map(|name| (name.into(), directory, FileType::Directory));
        let kind = |number: &u64| {
            self.live.inodes.get(number).map_or(FileType::RegularFile, |inode| inode.kind)
        };
        let names = names.iter().map(|(name, number)| (name.clone(), *number, kind(number)));
        let listing = own.into_iter().chain(names).collect();
        let handle = self.next_listing;
        self.next_listing += 1;
        self.listings.insert(handle, listing);
        Ok(handle)
    }

    pub(super) fn listed(&self, handle: u64) -> Done<&[(OsString, u64, FileType)]> {
        self.listings.get(&handle).map(Vec::as_slice).ok_or(Errno::EBADF)
    }

    pub(super) fn close_listing(&mut self, handle: u64) {
        self.listings.remove(&handle);
    }

    pub(super) fn attributes(&self, number: u64) -> Done<&BTreeMap<OsString, Vec<u8>>> {
        Ok(&self.inode(number)?.attributes)
    }

    pub(super) fn set_attribute(&mut self, at: u64, name: &OsStr, to: Option<&[u8]>) -> Done<()> {
        self.change()?;
        self.journal.changed(at);
        let attributes = &mut self.inode_mut(at)?.attributes;
        let before = match to {
            Some(value) => attributes.insert(name.to_owned(), value.to_vec()),
            None => attributes.remove(name),
        };
        if to.is_none() && before.is_none() { Err(Errno::ENODATA) } else { Ok(()) }
    }
}
