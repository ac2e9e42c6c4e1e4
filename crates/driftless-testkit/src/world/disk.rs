//! A simulated disk: a tree, and what driftless keeps beside it.
//!
//! - `apply`: the steps of plans; `journal`: what a power cut leaves.

mod apply;
mod journal;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub(crate) use journal::Shelf;

use driftless_core::record::MODE_MASK;
use driftless_core::sabotage::{Sabotage, is};
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
#[derive(Default, Debug)]
pub(crate) struct Image {
    pub(crate) tree: BTreeMap<RelPath, Node>,
    pub(crate) staging: BTreeMap<ContentId, Rc<Blob>>,
    pub(crate) heads: BTreeMap<ContentId, Rc<Blob>>,
    pub(crate) history: BTreeMap<ContentId, Rc<Blob>>,
    /// What a power cut caught on its way out of the tree.
    pub(crate) limbo: BTreeMap<ContentId, Rc<Blob>>,
}

/// What is wrong with a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ailment {
    /// There is no room for anything more.
    Full,
    /// Nothing can be changed.
    ReadOnly,
    /// Reads and syncs fail now and then.
    Failing,
    /// The root is not there, or another disk's is.
    Gone,
}

/// A disk, and what of it is durable.
#[derive(Default, Debug)]
pub(crate) struct Disk {
    pub(crate) now: Image,
    journal: journal::Journal,
    /// What is in limbo, and where it belongs.
    on_its_way: Vec<(ContentId, Shelf)>,
    /// The whole of a file that is being written in place.
    half_written: Option<(RelPath, Rc<Blob>)>,
    /// In how many places a person can get at each content.
    copies: BTreeMap<ContentId, u32>,
    /// Contents that were here and were seen to be no more; for the oracle to take.
    pub(crate) gone: Vec<ContentId>,
    /// Contents that were durable here once.
    ever_durable: BTreeSet<ContentId>,
    pub(crate) ailment: Option<Ailment>,
    /// What an ignore rule covers, with all below it.
    pub(crate) ignored: Option<RelPath>,
    /// Counts operations; no two changes of an inode have one time.
    operations: i64,
    /// The device's clock, in nanoseconds since 1970.
    pub(crate) clock_ns: i64,
}

impl Disk {
    /// A new disk in the place of this one.
    pub(crate) fn emptied(&self) -> Self {
        Self { operations: self.operations, clock_ns: self.clock_ns, ..Self::default() }
    }

    /// Whether `content` was durable here once.
    pub(crate) fn was_durable(&self, content: ContentId) -> bool {
        self.ever_durable.contains(&content)
    }

    /// Every content that a person can still get at.
    pub(crate) fn contents(&self) -> impl Iterator<Item = ContentId> {
        self.copies.keys().copied()
    }

    pub(crate) fn get(&self, path: &RelPath) -> Option<&Node> {
        self.now.tree.get(path)
    }

    pub(crate) fn blob_at(&self, path: &RelPath) -> Option<&Rc<Blob>> {
        self.get(path).and_then(Node::blob)
    }

    pub(crate) fn is_ignored(&self, path: &RelPath) -> bool {
        self.ignored.as_ref().is_some_and(|ignored| path.is_within(ignored))
    }

    pub(crate) fn has_parent(&self, path: &RelPath) -> bool {
        path.parent().is_none_or(|parent| self.get(&parent).is_some_and(Node::is_directory))
    }

    pub(crate) fn below(&self, path: &RelPath) -> Vec<RelPath> {
        let inside = self.now.tree.range(path.clone()..).map(|(inside, _)| inside);
        inside.skip_while(|p| *p == path).take_while(|p| p.is_within(path)).cloned().collect()
    }

    fn is_empty_directory(&self, path: &RelPath) -> bool {
        let mut inside = self.now.tree.range(path.clone()..).map(|(inside, _)| inside);
        inside.find(|inside| *inside != path).is_none_or(|next| !next.is_within(path))
    }

    /// Begins the next operation; all changes until the one after happen at once.
    fn stamp(&mut self) -> i64 {
        self.operations += 1;
        self.clock_ns + self.operations
    }

    /// Puts a node at a path, under an existing directory; returns its inode.
    fn place(&mut self, path: &RelPath, kind: Kind, mode: u16, mtime_ns: Option<i64>) -> u64 {
        let ctime_ns = self.stamp();
        let inode = self.operations as u64;
        let mtime_ns = mtime_ns.unwrap_or(ctime_ns);
        self.set_node(path, Some(Node { kind, mode, mtime_ns, ctime_ns, inode }));
        self.touch_parent(path);
        inode
    }

    fn touch_parent(&mut self, path: &RelPath) {
        let now = self.clock_ns + self.operations;
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
        let old = self.blob_at(path).map(|old| old.content);
        let destroyed = old.filter(|old| *old != blob.content).into_iter().collect();
        let inode = match self.get(path).filter(|_| old.is_some() && in_place).cloned() {
            Some(mut node) => {
                let now = self.stamp();
                node.kind = Kind::File(blob);
                (node.mtime_ns, node.ctime_ns) = (now, now);
                let inode = node.inode;
                self.set_node(path, Some(node));
                inode
            }
            None => {
                let mode = self.get(path).map_or(0o644, |node| node.mode);
                self.place(path, Kind::File(blob), mode, None)
            }
        };
        self.note_unsynced(inode, false);
        Some(destroyed)
    }

    /// Lets the bytes of a file change of themselves, durably and without a
    /// trace in its `stat`. Returns what was there, `None` if it is no file of
    /// the same size.
    pub(crate) fn rot(&mut self, path: &RelPath, blob: Rc<Blob>) -> Option<ContentId> {
        let old = self.blob_at(path).filter(|old| old.bytes.len() == blob.bytes.len())?.content;
        let rotten = Node { kind: Kind::File(blob), ..self.get(path)?.clone() };
        self.sync();
        self.set_node(path, Some(rotten));
        self.sync();
        Some(old)
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

    /// Removes a path with all below it, the innermost first; returns the
    /// contents that went.
    pub(crate) fn remove_tree(&mut self, path: &RelPath) -> Vec<ContentId> {
        let mut gone = vec![path.clone()];
        gone.append(&mut self.below(path));
        let mut contents = Vec::new();
        for path in gone.iter().rev() {
            self.stamp();
            let node = self.set_node(path, None);
            contents.extend(node.as_ref().and_then(Node::blob).map(|blob| blob.content));
        }
        self.touch_parent(path);
        contents
    }

    /// Renames as `rename(2)` does; returns what it overwrote, `None` if refused.
    pub(crate) fn rename(&mut self, from: &RelPath, to: &RelPath) -> Option<Vec<ContentId>> {
        let is_directory = self.get(from)?.is_directory();
        if to.is_within(from) || !self.has_parent(to) {
            return None;
        }
        if let Some(target) = self.get(to)
            && (is_directory || target.is_directory())
            && !(is_directory && target.is_directory() && self.is_empty_directory(to))
        {
            return None;
        }
        let inside = self.below(from);
        let ctime_ns = self.stamp();
        let mut node = self.set_node(from, None)?;
        node.ctime_ns = ctime_ns;
        let overwritten = self.set_node(to, Some(node));
        for old in inside {
            let new = format!("{}{}", to.as_str(), &old.as_str()[from.as_str().len()..]);
            if let Ok(new) = RelPath::parse(&new) {
                let node = self.set_node(&old, None);
                self.set_node(&new, node);
            }
        }
        self.touch_parent(from);
        self.touch_parent(to);
        Some(
            overwritten
                .as_ref()
                .and_then(Node::blob)
                .map(|blob| blob.content)
                .into_iter()
                .collect(),
        )
    }

    /// Changes mode, time, or both of a file or directory.
    pub(crate) fn set(&mut self, path: &RelPath, mode: Option<u16>, mtime_ns: Option<i64>) {
        let Some(mut node) = self.get(path).cloned() else { return };
        if matches!(node.kind, Kind::Symlink(_)) {
            return;
        }
        node.ctime_ns = self.stamp();
        node.mode = mode.unwrap_or(node.mode);
        node.mtime_ns = mtime_ns.unwrap_or(node.mtime_ns);
        self.set_node(path, Some(node));
    }

    /// What a start does about what a crash left on its way (P14): a displaced
    /// file goes to history; what is staged is of no use without its engine.
    pub(crate) fn recover(&mut self) {
        self.on_its_way.clear();
        self.half_written = None;
        let limbo: Vec<_> = self.now.limbo.keys().copied().collect();
        for content in limbo {
            self.stamp();
            let blob = self.shelve(Shelf::Limbo, content, None);
            if !is(Sabotage::ClearStaging) {
                self.shelve(Shelf::History, content, blob);
            }
        }
        self.now.staging.clear();
        self.sync();
    }
}
