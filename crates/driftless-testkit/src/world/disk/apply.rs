//! Carrying out steps as the disk adapter promises to: compare, then act.

use std::rc::Rc;

use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    ContentId, Displaced, Outcome, Precondition, Problem, ProblemCode, RelPath, Stat, Step,
};

use super::{Blob, Disk, Kind, Node, Shelf};

/// Whether what stands at a path is what a plan believed. Of a directory only
/// kind and mode count, because its times change with what it holds.
fn is_as_believed(node: &Node, believed: &Stat) -> bool {
    let stat = node.stat();
    if node.is_directory() { stat.mode == believed.mode } else { stat == *believed }
}

fn is_believed(node: &Node, precondition: &Precondition) -> bool {
    is(Sabotage::DropPrecondition)
        || matches!(precondition, Precondition::Unchanged(stat) if is_as_believed(node, stat))
}

fn blocked(path: &RelPath, code: ProblemCode) -> Outcome {
    let message = "the simulated disk refuses".to_owned();
    Outcome::Blocked(Problem { path: path.to_string(), code, message })
}

impl Disk {
    /// Carries out one step; durable with the next sync.
    pub(crate) fn apply(&mut self, step: &Step) -> Outcome {
        if self.is_ignored(step.path()) {
            return Outcome::Ignored;
        }
        match step {
            Step::Directory { path, mode, precondition, displaced } => {
                if let (Some(node), Precondition::Unchanged(stat)) = (self.get(path), precondition)
                    && node.is_directory()
                {
                    if !is_as_believed(node, stat) {
                        return Outcome::Stale;
                    }
                    self.set(path, Some(*mode), None);
                    return self.applied(path);
                }
                self.swap_in(path, precondition, displaced, |disk| {
                    disk.place(path, Kind::Directory, *mode, None);
                })
            }
            Step::Install { path, content, mode, mtime_ns, precondition, displaced, .. } => {
                let Some(blob) = self.now.staging.get(content).cloned() else {
                    return Outcome::NotStaged;
                };
                self.swap_in(path, precondition, displaced, |disk| {
                    let blob = disk.written_at_once(path, blob);
                    let inode = disk.place(path, Kind::File(blob), *mode, Some(*mtime_ns));
                    if is(Sabotage::SkipSyncOfStaged) {
                        disk.note_unsynced(inode, true);
                    }
                    disk.shelve(Shelf::Staging, *content, None);
                })
            }
            Step::Symlink { path, target, precondition, displaced } => {
                self.swap_in(path, precondition, displaced, |disk| {
                    disk.place(path, Kind::Symlink(target.clone()), 0o777, None);
                })
            }
            Step::Touch { path, mode, mtime_ns, precondition } => {
                match self.check(path, precondition) {
                    Some(refusal) => refusal,
                    None => {
                        self.set(path, Some(*mode), Some(*mtime_ns));
                        self.applied(path)
                    }
                }
            }
            Step::Move { from, from_stat, to, mode, mtime_ns } => {
                if !self.has_parent(to) {
                    return Outcome::NoParent;
                }
                let is_known = self.get(from).is_some_and(|node| is_as_believed(node, from_stat));
                if !is_known || (self.get(to).is_some() && !is(Sabotage::MoveOverwrites)) {
                    return Outcome::Stale;
                }
                self.rename(from, to);
                self.set(to, Some(*mode), Some(*mtime_ns));
                self.applied(to)
            }
            Step::Remove { path, precondition, displaced } => {
                if self.get(path).is_none() && *precondition == Precondition::Absent {
                    return Outcome::Applied(None);
                }
                match self.check(path, precondition) {
                    Some(Outcome::NoParent) => Outcome::Stale,
                    Some(refusal) => refusal,
                    None => {
                        self.displace(path, displaced);
                        Outcome::Applied(None)
                    }
                }
            }
        }
    }

    fn swap_in(
        &mut self,
        path: &RelPath,
        precondition: &Precondition,
        displaced: &Displaced,
        place: impl FnOnce(&mut Self),
    ) -> Outcome {
        if let Some(refusal) = self.check(path, precondition) {
            return refusal;
        }
        let there = self.blob_at(path).cloned();
        place(self);
        // The exchange has put what was there under a name of driftless's own.
        self.put_by(there, displaced);
        self.applied(path)
    }

    /// Why a path may not be changed, if so.
    fn check(&self, path: &RelPath, precondition: &Precondition) -> Option<Outcome> {
        if !self.has_parent(path) {
            return Some(Outcome::NoParent);
        }
        match (precondition, self.get(path)) {
            (Precondition::Absent, None) => None,
            (_, None) if is(Sabotage::DropPrecondition) => None,
            (precondition, Some(node)) if is_believed(node, precondition) => {
                let is_full = node.is_directory() && !self.is_empty_directory(path);
                let is_full = is_full && !is(Sabotage::RemoveRecursively);
                is_full.then(|| blocked(path, ProblemCode::DirectoryNotEmpty))
            }
            _ => Some(Outcome::Stale),
        }
    }

    /// Takes what is at a path out of the tree. A file lies among what is
    /// staged until it is put away, as after an exchange.
    fn displace(&mut self, path: &RelPath, displaced: &Displaced) {
        let there = self.blob_at(path).cloned();
        self.stamp();
        self.set_node(path, None);
        self.touch_parent(path);
        self.put_by(there, displaced);
    }

    /// Puts a displaced file where it belongs, by a name that a crash leaves it under.
    fn put_by(&mut self, there: Option<Rc<Blob>>, displaced: &Displaced) {
        let Some(blob) = there else { return };
        let content = blob.content;
        self.shelve(Shelf::Limbo, content, Some(blob));
        let shelf = match displaced {
            Displaced::Head(head) if *head == content => Shelf::Heads,
            _ => Shelf::History,
        };
        self.on_its_way.push((content, shelf));
    }

    /// What of a staged file its path has at once: all of it.
    fn written_at_once(&mut self, path: &RelPath, blob: Rc<Blob>) -> Rc<Blob> {
        if !is(Sabotage::InstallInPlace) || blob.bytes.len() < 2 {
            return blob;
        }
        let half = Blob::new(&blob.bytes[..blob.bytes.len() / 2]);
        self.half_written = Some((path.clone(), blob));
        half
    }

    /// Ends the last step: puts away what it displaced.
    pub(crate) fn put_away(&mut self) {
        if let Some((path, blob)) = self.half_written.take()
            && let Some(node) = self.get(&path).cloned()
        {
            self.stamp();
            self.set_node(&path, Some(Node { kind: Kind::File(blob), ..node }));
        }
        for (content, shelf) in std::mem::take(&mut self.on_its_way) {
            self.stamp();
            let blob = self.shelve(Shelf::Limbo, content, None);
            if !is(Sabotage::DiscardDisplaced) {
                self.shelve(shelf, content, blob);
            }
        }
    }

    fn applied(&self, path: &RelPath) -> Outcome {
        Outcome::Applied(self.get(path).map(Node::stat))
    }

    /// Moves a staged content to the store of heads.
    pub(crate) fn keep(&mut self, content: ContentId) -> bool {
        self.stamp();
        match self.shelve(Shelf::Staging, content, None) {
            Some(blob) => {
                self.shelve(Shelf::Heads, content, Some(blob));
                true
            }
            None => self.now.heads.contains_key(&content),
        }
    }

    /// Takes a content out of the store of heads: to history, or away if the
    /// tree holds the same at `path`.
    pub(crate) fn release(&mut self, content: ContentId, path: &RelPath) {
        self.stamp();
        let Some(blob) = self.shelve(Shelf::Heads, content, None) else { return };
        let is_shown = |node: &Node| {
            node.blob().is_some_and(|shown| shown.content == content) && self.is_synced(node)
        };
        if !self.get(path).is_some_and(is_shown) && !is(Sabotage::DiscardReleased) {
            self.shelve(Shelf::History, content, Some(blob));
        }
    }

    /// What this disk can serve of `content` to a device that names `path`.
    pub(crate) fn serve(&self, path: &RelPath, content: ContentId) -> Option<Rc<Blob>> {
        let shown = self.blob_at(path).filter(|blob| blob.content == content);
        shown.or_else(|| self.now.heads.get(&content)).cloned()
    }
}
