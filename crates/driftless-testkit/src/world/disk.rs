//! A simulated disk: a tree, what driftless keeps beside it, and what of both
//! a power cut leaves.
//!
//! Durability is that of a journal: a sync makes all that happened before it
//! durable, and a power cut goes back to the last sync.

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use driftless_core::record::MODE_MASK;
use driftless_core::{Block, BlockHash, BlockList, Content, ContentId, Level, RelPath, Stat};

const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_SYMLINK: u32 = 0o120_000;

/// A content of more bytes than this has several blocks.
const SINGLE_BYTES: usize = 24;
const BLOCK_BYTES: usize = 10;

/// The bytes of a file and how they are named.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Blob {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content: ContentId,
    pub(crate) blocks: BlockList,
}

impl Blob {
    pub(crate) fn new(bytes: &[u8]) -> Rc<Self> {
        let width = if bytes.len() <= SINGLE_BYTES { SINGLE_BYTES } else { BLOCK_BYTES };
        let blocks = bytes
            .chunks(width)
            .map(|bytes| Block { hash: BlockHash::of(bytes), len: bytes.len() as u32 })
            .collect();
        let blocks = BlockList::new(blocks).expect("simulated files are small");
        Rc::new(Self { bytes: bytes.to_vec(), content: blocks.content_id(), blocks })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// What stands at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    File(Rc<Blob>),
    Symlink(Box<str>),
    Directory,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) mode: u16,
    pub(crate) mtime_ns: i64,
    pub(crate) ctime_ns: i64,
    pub(crate) inode: u64,
}

impl Node {
    pub(crate) fn stat(&self) -> Stat {
        let (kind, size_bytes) = match &self.kind {
            Kind::File(blob) => (TYPE_FILE, blob.bytes.len() as u64),
            Kind::Symlink(target) => (TYPE_SYMLINK, target.len() as u64),
            Kind::Directory => (TYPE_DIRECTORY, 0),
        };
        Stat {
            size_bytes,
            mtime_ns: self.mtime_ns,
            ctime_ns: self.ctime_ns,
            inode: self.inode,
            mode: kind | u32::from(self.mode),
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    pub(crate) fn blob(&self) -> Option<&Rc<Blob>> {
        match &self.kind {
            Kind::File(blob) => Some(blob),
            _ => None,
        }
    }

    /// What a person sees of it, in the terms of a record.
    pub(crate) fn content(&self) -> Content {
        match &self.kind {
            Kind::File(blob) => Content::File {
                content: blob.content,
                size_bytes: blob.bytes.len() as u64,
                level: Level::default(),
                mode: self.mode & MODE_MASK,
                mtime_ns: self.mtime_ns,
            },
            Kind::Symlink(target) => Content::Symlink { target: target.clone() },
            Kind::Directory => Content::Directory { mode: self.mode & MODE_MASK },
        }
    }
}

/// All that is on the disk.
#[derive(Clone, Default, Debug)]
pub(crate) struct Image {
    pub(crate) tree: BTreeMap<RelPath, Node>,
    pub(crate) staging: BTreeMap<ContentId, Rc<Blob>>,
    pub(crate) heads: BTreeMap<ContentId, Rc<Blob>>,
    pub(crate) history: BTreeMap<ContentId, Rc<Blob>>,
}

impl Image {
    /// Every content that a person can still get at.
    pub(crate) fn reachable(&self) -> BTreeSet<ContentId> {
        let tree = self.tree.values().filter_map(Node::blob).map(|blob| blob.content);
        tree.chain(self.heads.keys().copied()).chain(self.history.keys().copied()).collect()
    }
}

/// A disk and the image that a power cut goes back to.
#[derive(Default, Debug)]
pub(crate) struct Disk {
    pub(crate) now: Image,
    durable: Image,
    /// Counts operations; no two changes of an inode have one time.
    operations: i64,
    /// The device's clock, in nanoseconds since 1970.
    pub(crate) clock_ns: i64,
}

impl Disk {
    pub(crate) fn sync(&mut self) {
        self.durable = self.now.clone();
    }

    /// Goes back to the last sync; returns the contents that this lost.
    pub(crate) fn cut_power(&mut self) -> BTreeSet<ContentId> {
        let before = self.now.reachable();
        self.now = self.durable.clone();
        &before - &self.now.reachable()
    }

    pub(crate) fn get(&self, path: &RelPath) -> Option<&Node> {
        self.now.tree.get(path)
    }

    pub(crate) fn blob_at(&self, path: &RelPath) -> Option<&Rc<Blob>> {
        self.get(path).and_then(Node::blob)
    }

    pub(crate) fn has_parent(&self, path: &RelPath) -> bool {
        path.parent().is_none_or(|parent| self.get(&parent).is_some_and(Node::is_directory))
    }

    pub(crate) fn below(&self, path: &RelPath) -> Vec<RelPath> {
        let inside = self.now.tree.range(path.clone()..).map(|(inside, _)| inside);
        inside.skip_while(|p| *p == path).take_while(|p| p.is_within(path)).cloned().collect()
    }

    fn stamp(&mut self) -> i64 {
        self.operations += 1;
        self.clock_ns + self.operations
    }

    /// Puts a node at a path, under an existing directory.
    fn place(&mut self, path: &RelPath, kind: Kind, mode: u16, mtime_ns: Option<i64>) {
        let ctime_ns = self.stamp();
        let inode = self.operations as u64;
        let mtime_ns = mtime_ns.unwrap_or(ctime_ns);
        self.now.tree.insert(path.clone(), Node { kind, mode, mtime_ns, ctime_ns, inode });
        self.touch_parent(path);
    }

    fn touch_parent(&mut self, path: &RelPath) {
        let now = self.stamp();
        let parent = path.parent().and_then(|parent| self.now.tree.get_mut(&parent));
        if let Some(parent) = parent {
            (parent.mtime_ns, parent.ctime_ns) = (now, now);
        }
    }

    /// Creates or overwrites a file, in place or by a new inode as careful
    /// editors do. Returns what was destroyed, `None` if it could not be done.
    pub(crate) fn write(
        &mut self,
        path: &RelPath,
        bytes: &[u8],
        in_place: bool,
    ) -> Option<Vec<ContentId>> {
        if !self.has_parent(path) || self.get(path).is_some_and(Node::is_directory) {
            return None;
        }
        let blob = Blob::new(bytes);
        let old = self.blob_at(path).cloned();
        let destroyed = old.iter().map(|old| old.content).filter(|old| *old != blob.content);
        let destroyed = destroyed.collect();
        let now = self.stamp();
        match self.now.tree.get_mut(path).filter(|_| old.is_some()) {
            Some(node) if in_place => {
                node.kind = Kind::File(blob);
                (node.mtime_ns, node.ctime_ns) = (now, now);
            }
            known => {
                let mode = known.map_or(0o644, |node| node.mode);
                self.place(path, Kind::File(blob), mode, None);
            }
        }
        Some(destroyed)
    }

    pub(crate) fn make_directory(&mut self, path: &RelPath, mode: u16) -> bool {
        let can = self.has_parent(path) && self.get(path).is_none();
        if can {
            self.place(path, Kind::Directory, mode, None);
        }
        can
    }

    pub(crate) fn make_symlink(&mut self, path: &RelPath, target: &str) -> bool {
        let can = self.has_parent(path) && self.get(path).is_none();
        if can {
            self.place(path, Kind::Symlink(target.into()), 0o777, None);
        }
        can
    }

    /// Removes a path with all below it; returns the contents that went.
    pub(crate) fn remove_tree(&mut self, path: &RelPath) -> Vec<ContentId> {
        let mut gone = self.below(path);
        gone.push(path.clone());
        self.touch_parent(path);
        let nodes = gone.iter().filter_map(|path| self.now.tree.remove(path));
        nodes.filter_map(|node| node.blob().map(|blob| blob.content)).collect()
    }

    /// Renames as `rename(2)` does; returns what it overwrote, `None` if refused.
    pub(crate) fn rename(&mut self, from: &RelPath, to: &RelPath) -> Option<Vec<ContentId>> {
        let is_directory = self.get(from)?.is_directory();
        if to.is_within(from) || !self.has_parent(to) {
            return None;
        }
        if let Some(target) = self.get(to)
            && (is_directory || target.is_directory())
            && !(is_directory && target.is_directory() && self.below(to).is_empty())
        {
            return None;
        }
        let overwritten = if self.get(to).is_some() { self.remove_tree(to) } else { Vec::new() };
        let inside = self.below(from);
        let mut node = self.now.tree.remove(from)?;
        node.ctime_ns = self.stamp();
        self.now.tree.insert(to.clone(), node);
        for old in inside {
            let new = format!("{}{}", to.as_str(), &old.as_str()[from.as_str().len()..]);
            if let (Some(node), Ok(new)) = (self.now.tree.remove(&old), RelPath::parse(&new)) {
                self.now.tree.insert(new, node);
            }
        }
        self.touch_parent(from);
        self.touch_parent(to);
        Some(overwritten)
    }

    /// Changes mode, time, or both of a file or directory.
    pub(crate) fn set(&mut self, path: &RelPath, mode: Option<u16>, mtime_ns: Option<i64>) {
        let now = self.stamp();
        if let Some(node) = self.now.tree.get_mut(path)
            && !matches!(node.kind, Kind::Symlink(_))
        {
            node.mode = mode.unwrap_or(node.mode);
            node.mtime_ns = mtime_ns.unwrap_or(node.mtime_ns);
            node.ctime_ns = now;
        }
    }
}
