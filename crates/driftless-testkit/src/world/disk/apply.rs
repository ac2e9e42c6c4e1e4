//! Carrying out steps as the disk adapter promises to: compare, then act.

use std::rc::Rc;

use driftless_core::{
    ContentId, Displaced, Outcome, Precondition, Problem, ProblemCode, RelPath, Stat, Step,
};

use super::{Blob, Disk, Kind, Node};

/// Whether what stands at a path is what a plan believed. Of a directory only
/// kind and mode count, because its times change with what it holds.
fn is_as_believed(node: &Node, believed: &Stat) -> bool {
    let stat = node.stat();
    if node.is_directory() { stat.mode == believed.mode } else { stat == *believed }
}

fn blocked(path: &RelPath, code: ProblemCode) -> Outcome {
    let message = "the simulated disk refuses".to_owned();
    Outcome::Blocked(Problem { path: path.to_string(), code, message })
}

impl Disk {
    /// Carries out one step; durable with the next sync.
    pub(crate) fn apply(&mut self, step: &Step) -> Outcome {
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
                    disk.now.staging.remove(content);
                    disk.place(path, Kind::File(blob), *mode, Some(*mtime_ns));
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
                if !is_known || self.get(to).is_some() {
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
        self.displace(path, displaced);
        place(self);
        self.applied(path)
    }

    /// Why a path may not be changed, if so.
    fn check(&self, path: &RelPath, precondition: &Precondition) -> Option<Outcome> {
        if !self.has_parent(path) {
            return Some(Outcome::NoParent);
        }
        match (precondition, self.get(path)) {
            (Precondition::Absent, None) => None,
            (Precondition::Unchanged(stat), Some(node)) if is_as_believed(node, stat) => {
                let is_full = node.is_directory() && !self.below(path).is_empty();
                is_full.then(|| blocked(path, ProblemCode::DirectoryNotEmpty))
            }
            _ => Some(Outcome::Stale),
        }
    }

    fn displace(&mut self, path: &RelPath, displaced: &Displaced) {
        let Some(node) = self.now.tree.remove(path) else { return };
        self.touch_parent(path);
        if let Kind::File(blob) = node.kind {
            match displaced {
                Displaced::Head(content) if *content == blob.content => {
                    self.now.heads.insert(*content, blob)
                }
                _ => self.now.history.insert(blob.content, blob),
            };
        }
    }

    fn applied(&self, path: &RelPath) -> Outcome {
        Outcome::Applied(self.get(path).map(Node::stat))
    }

    /// Moves a staged content to the store of heads.
    pub(crate) fn keep(&mut self, content: ContentId) -> bool {
        let staged = self.now.staging.remove(&content);
        staged.map(|blob| self.now.heads.insert(content, blob)).is_some()
            || self.now.heads.contains_key(&content)
    }

    /// Takes a content out of the store of heads: to history, or away if the
    /// tree holds the same at `path`.
    pub(crate) fn release(&mut self, content: ContentId, path: &RelPath) {
        let Some(blob) = self.now.heads.remove(&content) else { return };
        if self.blob_at(path).is_none_or(|shown| shown.content != content) {
            self.now.history.insert(content, blob);
        }
    }

    /// What this disk can serve of `content` to a device that names `path`.
    pub(crate) fn serve(&self, path: &RelPath, content: ContentId) -> Option<Rc<Blob>> {
        let shown = self.blob_at(path).filter(|blob| blob.content == content);
        shown.or_else(|| self.now.heads.get(&content)).cloned()
    }
}
