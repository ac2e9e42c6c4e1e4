//! What of a disk is durable, and what a power cut leaves.
//!
//! A sync makes all that happened before it durable. Names are journalled: a
//! power cut leaves them as they were after one of the changes since the last
//! sync. The bytes of a file are not: of those written since, it may leave
//! zeros, a part, or none, under the stat that the file had.

use std::collections::BTreeSet;
use std::rc::Rc;

use driftless_core::{ContentId, RelPath};

use super::{Blob, Disk, Kind, Node};
use crate::world::random::Random;

/// Where driftless keeps contents beside the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shelf {
    Staging,
    Heads,
    History,
    /// Displaced, on the way into history or the store of heads.
    Limbo,
}

#[derive(Debug)]
enum Undo {
    Node(RelPath, Option<Node>),
    Shelved(Shelf, ContentId, Option<Rc<Blob>>),
}

/// One change of a name since the last sync. Those with equal numbers happen at once.
#[derive(Debug)]
struct Change {
    number: i64,
    undo: Undo,
    /// The content that can be got at here before, and after.
    before: Option<ContentId>,
    after: Option<ContentId>,
}

/// A file whose bytes are not durable.
#[derive(Clone, Copy, Debug)]
struct Unsynced {
    inode: u64,
    /// What was written.
    content: ContentId,
    /// The change by which it came under its name, or under its new stat.
    number: i64,
    /// It was driftless who wrote them.
    is_ours: bool,
}

/// The changes since the last sync.
#[derive(Default, Debug)]
pub(super) struct Journal {
    changes: Vec<Change>,
    unsynced: Vec<Unsynced>,
}

/// What a power cut took.
#[derive(Default, Debug)]
pub(crate) struct Loss {
    /// Contents that were on this disk, and are no more.
    pub(crate) contents: BTreeSet<ContentId>,
    /// Paths that are another thing than before.
    pub(crate) paths: Vec<RelPath>,
    /// Contents of which a save that was never synced left less than all.
    pub(crate) torn: BTreeSet<ContentId>,
    /// A file that driftless put in place before its bytes were durable.
    pub(crate) broken: Option<RelPath>,
}

impl Disk {
    /// Makes all that happened durable.
    pub(crate) fn sync(&mut self) {
        for change in self.journal.changes.drain(..) {
            self.ever_durable.extend(change.after);
        }
        self.journal.unsynced.clear();
    }

    /// Changes what stands at a path, at once with all since the last
    /// [`Disk::stamp`].
    pub(super) fn set_node(&mut self, path: &RelPath, node: Option<Node>) -> Option<Node> {
        let after = node.as_ref().and_then(Node::blob).map(|blob| blob.content);
        let old = match node {
            Some(node) => self.now.tree.insert(path.clone(), node),
            None => self.now.tree.remove(path),
        };
        let before = old.as_ref().and_then(Node::blob).map(|blob| blob.content);
        self.count(before, after);
        let (number, undo) = (self.operations, Undo::Node(path.clone(), old.clone()));
        self.journal.changes.push(Change { number, undo, before, after });
        old
    }

    /// Puts a content on a shelf, or takes it away.
    pub(crate) fn shelve(
        &mut self,
        shelf: Shelf,
        content: ContentId,
        blob: Option<Rc<Blob>>,
    ) -> Option<Rc<Blob>> {
        let is_put = blob.is_some();
        let old = self.put_on_shelf(shelf, content, blob);
        let can_be_got = |there: bool| (there && shelf != Shelf::Staging).then_some(content);
        let (before, after) = (can_be_got(old.is_some()), can_be_got(is_put));
        self.count(before, after);
        let (number, undo) = (self.operations, Undo::Shelved(shelf, content, old.clone()));
        self.journal.changes.push(Change { number, undo, before, after });
        old
    }

    fn put_on_shelf(
        &mut self,
        shelf: Shelf,
        content: ContentId,
        blob: Option<Rc<Blob>>,
    ) -> Option<Rc<Blob>> {
        let shelf = match shelf {
            Shelf::Staging => &mut self.now.staging,
            Shelf::Heads => &mut self.now.heads,
            Shelf::History => &mut self.now.history,
            Shelf::Limbo => &mut self.now.limbo,
        };
        match blob {
            Some(blob) => shelf.insert(content, blob),
            None => shelf.remove(&content),
        }
    }

    fn count(&mut self, before: Option<ContentId>, after: Option<ContentId>) {
        if before == after {
            return;
        }
        if let Some(after) = after {
            *self.copies.entry(after).or_default() += 1;
        }
        if let Some(before) = before {
            let copies = self.copies.entry(before).or_default();
            *copies = copies.saturating_sub(1);
            if *copies == 0 {
                self.copies.remove(&before);
                self.gone.push(before);
            }
        }
    }

    /// Whether a person can get at `content`, in the tree or beside it.
    pub(crate) fn has(&self, content: ContentId) -> bool {
        self.copies.contains_key(&content)
    }

    /// Whether a person could get at `content` if the power went now, whatever
    /// the disk made of what it was not told to sync.
    pub(crate) fn has_durably(&self, content: ContentId) -> bool {
        let mut copies = i64::from(self.copies.get(&content).copied().unwrap_or_default());
        for change in &self.journal.changes {
            copies -= i64::from(change.after == Some(content));
            copies += i64::from(change.before == Some(content));
        }
        copies > 0
    }

    /// Notes that the bytes of an inode were written and not synced.
    pub(super) fn note_unsynced(&mut self, inode: u64, is_ours: bool) {
        let written = self.now.tree.values().find(|node| node.inode == inode);
        if let Some(content) = written.and_then(Node::blob).map(|blob| blob.content) {
            let number = self.operations;
            self.journal.unsynced.push(Unsynced { inode, content, number, is_ours });
        }
    }

    /// Whether the bytes of a file are durable.
    pub(super) fn is_synced(&self, node: &Node) -> bool {
        !self.journal.unsynced.iter().any(|unsynced| unsynced.inode == node.inode)
    }

    /// Goes back to what a power cut leaves.
    pub(crate) fn cut_power(&mut self, random: &mut Random) -> Loss {
        let before: BTreeSet<ContentId> = self.copies.keys().copied().collect();
        let mut loss = Loss::default();
        let mut changes = std::mem::take(&mut self.journal.changes);
        let kept = if random.chance(50) { 0 } else { random.index(changes.len() + 1) };
        // What happened at once is kept or lost at once.
        let number = kept.checked_sub(1).and_then(|last| changes.get(last)).map(|it| it.number);
        while changes.last().is_some_and(|last| number.is_none_or(|number| last.number > number)) {
            let Some(change) = changes.pop() else { break };
            self.count(change.after, change.before);
            match change.undo {
                Undo::Node(path, node) => {
                    drop(match node {
                        Some(node) => self.now.tree.insert(path.clone(), node),
                        None => self.now.tree.remove(&path),
                    });
                    loss.paths.push(path);
                }
                Undo::Shelved(shelf, content, blob) => {
                    self.put_on_shelf(shelf, content, blob);
                }
            }
        }
        // Where the stat of before a write is back, so are the bytes, even if
        // they are the same: whoever truncates a file gives it a new stat.
        let is_left = |unsynced: &Unsynced| number.is_some_and(|last| unsynced.number <= last);
        for unsynced in std::mem::take(&mut self.journal.unsynced).into_iter().filter(is_left) {
            self.tear(unsynced, random, &mut loss);
        }
        self.ever_durable.extend(self.copies.keys().copied());
        loss.contents = before.into_iter().filter(|content| !self.has(*content)).collect();
        loss
    }

    /// Some of the bytes of a file never reached the platter.
    fn tear(&mut self, unsynced: Unsynced, random: &mut Random, loss: &mut Loss) {
        let Unsynced { inode, content, is_ours, .. } = unsynced;
        // Not where something else was written since.
        let is_written = |blob: &Rc<Blob>| blob.content == content;
        let is_it = |node: &Node| node.inode == inode && node.blob().is_some_and(is_written);
        let Some(path) =
            self.now.tree.iter().find(|(_, node)| is_it(node)).map(|(path, _)| path.clone())
        else {
            return;
        };
        let Some(mut node) = self.get(&path).cloned() else { return };
        let Some(blob) = node.blob().filter(|blob| !blob.bytes.is_empty()) else { return };
        let bytes = match random.below(4) {
            0 => return,
            1 => vec![0; blob.bytes.len()],
            2 => blob.bytes[..random.index(blob.bytes.len())].to_vec(),
            _ => Vec::new(),
        };
        node.kind = Kind::File(Blob::new(&bytes));
        self.set_node(&path, Some(node));
        loss.torn.insert(content);
        if is_ours {
            loss.broken.get_or_insert(path.clone());
        }
        loss.paths.push(path);
        self.journal.changes.clear();
    }
}
