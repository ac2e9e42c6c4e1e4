//! The second look before a deletion is announced.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use driftless_core::RelPath;
use rustix::fs::FileType;
use rustix::io::{Errno, Result};

use crate::beneath::lstat;
use crate::folding::is_exact;
use crate::ignore::{Chain, Ignore};
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

/// What a second look at a path that seemed to be gone says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// It is gone: the directory that held it was opened and has no such
    /// name, or is gone in the same sense.
    Absent,
    /// An ignore rule covers it; whether it is there does not matter.
    Ignored,
    /// It is there.
    Present,
    /// It could not be looked at.
    Unknown,
}

/// Looks again at paths that a scan did not find. Nothing is
/// [`Absence::Absent`] unless the root was verified before and after.
pub fn confirm_absent(root: &Root, paths: Vec<RelPath>, rules: &Ignore) -> Vec<(RelPath, Absence)> {
    let is_verified = root.verify().is_ok();
    let mut look = Look { root, rules, parents: HashMap::new() };
    let mut seen: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let absence = if is_verified { look.at(&path) } else { Absence::Unknown };
            (path, absence)
        })
        .collect();
    if root.verify().is_err() {
        seen.iter_mut().for_each(|(_, absence)| *absence = Absence::Unknown);
    }
    seen
}

struct Look<'a> {
    root: &'a Root,
    rules: &'a Ignore,
    parents: HashMap<Option<RelPath>, Parent>,
}

#[derive(Clone)]
enum Parent {
    Open(Arc<OwnedFd>, Chain),
    Ignored,
    Gone,
    Unknown,
}

impl Look<'_> {
    fn at(&mut self, path: &RelPath) -> Absence {
        let (fd, chain) = match self.parent(path.parent()) {
            Parent::Open(fd, chain) => (fd, chain),
            Parent::Ignored => return Absence::Ignored,
            Parent::Gone => return Absence::Absent,
            Parent::Unknown => return Absence::Unknown,
        };
        match lstat(&fd, path.name()) {
            Ok(raw) => {
                let is_dir = kind_of(&stat_of(&raw)) == FileType::Directory;
                if chain.is_ignored(path.as_str(), is_dir) {
                    return Absence::Ignored;
                }
                match self.is_twin(&fd, path.name()) {
                    Ok(true) => Absence::Absent,
                    Ok(false) => Absence::Present,
                    Err(_) => Absence::Unknown,
                }
            }
            Err(Errno::NOENT) if chain.may_ignore(path.as_str()) => Absence::Ignored,
            Err(Errno::NOENT) => Absence::Absent,
            Err(_) => Absence::Unknown,
        }
    }

    /// Whether what answers to `name` is really called otherwise.
    fn is_twin(&self, fd: &OwnedFd, name: &str) -> Result<bool> {
        Ok(!is_exact(self.root, fd, name)?)
    }

    fn parent(&mut self, dir: Option<RelPath>) -> Parent {
        if let Some(parent) = self.parents.get(&dir) {
            return parent.clone();
        }
        let parent = match self.root.open_dir(dir.as_ref()) {
            Ok(fd) => match self.rules.chain_of(dir.as_ref()) {
                Ok(chain) => Parent::Open(fd, chain),
                Err(_) => Parent::Ignored,
            },
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => match &dir {
                Some(path) => self.missing(path),
                None => Parent::Unknown,
            },
            Err(_) => Parent::Unknown,
        };
        self.parents.insert(dir, parent.clone());
        parent
    }

    /// What a directory is that could not be opened because it, or one that
    /// leads to it, is absent or no directory.
    fn missing(&mut self, path: &RelPath) -> Parent {
        match self.at(path) {
            Absence::Absent => Parent::Gone,
            Absence::Ignored => Parent::Ignored,
            Absence::Unknown => Parent::Unknown,
            Absence::Present => match self.root.lstat(path) {
                Ok(stat) if kind_of(&stat) != FileType::Directory => Parent::Gone,
                _ => Parent::Unknown,
            },
        }
    }
}
