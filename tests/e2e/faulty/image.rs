//! What a disk holds: inodes, and directories of names.
//!
//! Decides nothing about what lasts; [`super::journal`] does.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{FileAttr, FileType, INodeNo};

pub(super) const ROOT: u64 = 1;

const PAGE: usize = 4096;

type Page = Arc<[u8; PAGE]>;

/// A file's bytes, in pages; those that are not there are zeros.
#[derive(Clone, Default)]
pub(super) struct Bytes {
    pub(super) size: u64,
    pages: BTreeMap<u64, Page>,
    /// Pages that were given to the file since it was last synced.
    fresh: BTreeSet<u64>,
}

impl Bytes {
    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = self.size.min(offset.saturating_add(len as u64));
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(offset)).unwrap()];
        let mut at = offset;
        while at < end {
            let (number, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let count = (PAGE - within).min((end - at) as usize);
            if let Some(page) = self.pages.get(&number) {
                let start = (at - offset) as usize;
                bytes[start..start + count].copy_from_slice(&page[within..within + count]);
            }
            at += count as u64;
        }
        bytes
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (number, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
            let count = (PAGE - within).min(bytes.len() - done);
            let fresh = &mut self.fresh;
            let page = self.pages.entry(number).or_insert_with(|| {
                fresh.insert(number);
                Arc::new([0; PAGE])
            });
            Arc::make_mut(page)[within..within + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
        self.size = self.size.max(offset + bytes.len() as u64);
    }

    pub(super) fn resize(&mut self, size: u64) {
        if size < self.size {
            self.pages.retain(|&number, _| number * (PAGE as u64) < size);
            let (last, within) = (size / PAGE as u64, (size % PAGE as u64) as usize);
            if let Some(page) = self.pages.get_mut(&last) {
                Arc::make_mut(page)[within..].fill(0);
            }
        }
        self.size = size;
    }

    pub(super) fn synced(&mut self) {
        self.fresh.clear();
    }

    /// As after a power cut that came before any new page was written: those
    /// are zeros. Pages that were there before are as before, or as now where
    /// `is_written` says so.
    pub(super) fn zeroed(&self, before: &Self, mut is_written: impl FnMut() -> bool) -> Self {
        let mut left = self.clone();
        left.pages.retain(|number, _| !self.fresh.contains(number));
        for (number, page) in &mut left.pages {
            if let Some(old) = before.pages.get(number)
                && !is_written()
            {
                *page = Arc::clone(old);
            }
        }
        left.fresh.clear();
        left
    }

    /// As after a power cut that came when so many of its new bytes were written.
    pub(super) fn torn(&self, bytes: u64) -> Self {
        let mut left = self.clone();
        left.resize(self.size.min(self.first_new() + bytes));
        left.fresh.clear();
        left
    }

    /// How many bytes there are from the first that was given to the file since
    /// it was last synced.
    pub(super) fn new_bytes(&self) -> u64 {
        self.size - self.first_new()
    }

    fn first_new(&self) -> u64 {
        let first = self.fresh.first().map_or(self.size, |first| first * PAGE as u64);
        first.min(self.size)
    }

    fn blocks(&self) -> u64 {
        self.pages.len() as u64 * (PAGE as u64 / 512)
    }
}

/// Everything of a file but its names.
#[derive(Clone)]
pub(super) struct Inode {
    pub(super) kind: FileType,
    pub(super) mode: u16,
    pub(super) mtime: SystemTime,
    pub(super) ctime: SystemTime,
    pub(super) bytes: Bytes,
    pub(super) target: PathBuf,
    pub(super) attributes: BTreeMap<OsString, Vec<u8>>,
    pub(super) links: u32,
}

impl Inode {
    pub(super) fn new(kind: FileType, mode: u16) -> Self {
        let now = SystemTime::now();
        Self {
            kind,
            mode: mode & 0o7777,
            mtime: now,
            ctime: now,
            bytes: Bytes::default(),
            target: PathBuf::new(),
            attributes: BTreeMap::new(),
            links: 0,
        }
    }

    pub(super) fn touch(&mut self) {
        self.mtime = SystemTime::now();
        self.ctime = self.mtime;
    }

    pub(super) fn attr(&self, number: u64) -> FileAttr {
        let size = match self.kind {
            FileType::Symlink => self.target.as_os_str().len() as u64,
            _ => self.bytes.size,
        };
        FileAttr {
            ino: INodeNo(number),
            size,
            blocks: self.bytes.blocks(),
            atime: self.mtime,
            mtime: self.mtime,
            ctime: self.ctime,
            crtime: self.ctime,
            kind: self.kind,
            perm: self.mode,
            nlink: self.links,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: PAGE as u32,
            flags: 0,
        }
    }
}

/// All that a disk holds.
#[derive(Clone, Default)]
pub(super) struct Image {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) names: BTreeMap<u64, BTreeMap<OsString, u64>>,
}

impl Image {
    /// A disk with an empty root.
    pub(super) fn new() -> Self {
        let mut image = Self::default();
        image.inodes.insert(ROOT, Inode { links: 2, ..Inode::new(FileType::Directory, 0o755) });
        image.names.insert(ROOT, BTreeMap::new());
        image
    }

    /// Gives a name to an inode, or takes it from whatever has it.
    pub(super) fn set_name(&mut self, directory: u64, name: &OsStr, inode: Option<u64>) {
        let names = self.names.entry(directory).or_default();
        match inode {
            Some(inode) => names.insert(name.to_owned(), inode),
            None => names.remove(name),
        };
    }

    pub(super) fn is_directory(&self, inode: u64) -> bool {
        self.inodes.get(&inode).is_some_and(|inode| inode.kind == FileType::Directory)
    }

    /// The names that lead to a file.
    pub(super) fn path_of(&self, inode: u64) -> Option<PathBuf> {
        if inode == ROOT {
            return Some(PathBuf::new());
        }
        let (directory, name) = self.names.iter().find_map(|(directory, names)| {
            let (name, _) = names.iter().find(|(_, found)| **found == inode)?;
            Some((*directory, name))
        })?;
        Some(self.path_of(directory)?.join(name))
    }

    /// Lets go of all that no name leads to, and counts the names of the rest.
    pub(super) fn collect(&mut self) {
        let mut links: BTreeMap<u64, u32> = BTreeMap::from([(ROOT, 2)]);
        let mut directories = vec![ROOT];
        while let Some(directory) = directories.pop() {
            for &inode in self.names.get(&directory).into_iter().flat_map(BTreeMap::values) {
                if self.is_directory(inode) {
                    links.insert(inode, 2);
                    directories.push(inode);
                } else {
                    *links.entry(inode).or_default() += 1;
                }
            }
        }
        self.inodes.retain(|number, _| links.contains_key(number));
        self.names.retain(|number, _| links.contains_key(number));
        for (number, inode) in &mut self.inodes {
            inode.links = links[number];
        }
    }
}
