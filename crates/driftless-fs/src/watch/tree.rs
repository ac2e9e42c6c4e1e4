//! Which directories are watched.

use std::os::fd::AsFd;

use driftless_core::RelPath;
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::fs::FileType;

use crate::beneath::lstat;
use crate::ignore::{Chain, IGNORE_FILE, Ignore};
use crate::listing::Listing;
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

pub(super) struct Tree {
    root: Root,
    rules: Ignore,
    watcher: RecommendedWatcher,
    trouble: Option<String>,
    is_full: bool,
}

impl Tree {
    pub(super) fn new(root: &Root, rules: &Ignore, watcher: RecommendedWatcher) -> Self {
        let (root, rules) = (root.clone(), rules.clone());
        Self { root, rules, watcher, trouble: None, is_full: false }
    }

    /// What kept a directory from being watched, told once.
    pub(super) fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Watches what a new name leads to, if that is a directory.
    pub(super) fn add_if_directory(&mut self, path: &RelPath) -> bool {
        let is_dir = self.root.lstat(path).is_ok_and(|stat| kind_of(&stat) == FileType::Directory);
        if is_dir {
            self.add(Some(path));
        }
        is_dir
    }

    /// Watches a directory and all below it that no rule ignores.
    pub(super) fn add(&mut self, dir: Option<&RelPath>) {
        let parent = match dir {
            Some(dir) => match self.rules.chain_of(dir.parent().as_ref()) {
                Ok(chain) if !chain.is_ignored(dir.as_str(), true) => chain,
                _ => return,
            },
            None => Chain::default(),
        };
        let mut dirs = vec![(dir.cloned(), parent)];
        while let Some((dir, parent)) = dirs.pop() {
            // Watched first and listed then: what appears meanwhile is in one of both.
            if !self.watch(dir.as_ref()) {
                continue;
            }
            let Ok(fd) = self.root.open_dir(dir.as_ref()) else { continue };
            let Ok(listing) = Listing::of(&fd) else { continue };
            let lists_rules = listing.contains(IGNORE_FILE);
            let chain = self.rules.enter_open(dir.as_ref(), &parent, fd.as_fd(), lists_rules);
            for index in 0..listing.len() {
                let Ok(name) = listing.name(index).to_str() else { continue };
                let kind = match listing.kind(index) {
                    FileType::Unknown => lstat(&fd, name).map(|raw| kind_of(&stat_of(&raw))),
                    kind => Ok(kind),
                };
                if kind != Ok(FileType::Directory) {
                    continue;
                }
                if let Ok(path) = RelPath::child_of(dir.as_ref(), name)
                    && !chain.is_ignored(path.as_str(), true)
                {
                    dirs.push((Some(path), chain.clone()));
                }
            }
        }
    }

    fn watch(&mut self, dir: Option<&RelPath>) -> bool {
        if self.is_full {
            return false;
        }
        let path = match dir {
            Some(dir) => self.root.path().join(dir.as_str()),
            None => self.root.path().to_owned(),
        };
        let Err(error) = self.watcher.watch(&path, RecursiveMode::NonRecursive) else {
            return true;
        };
        match error.kind {
            // It is gone again, which is an event of its own.
            ErrorKind::PathNotFound => {}
            ErrorKind::MaxFilesWatch => {
                self.is_full = true;
                self.trouble = Some(
                    "the system's limit of watches is reached; raise fs.inotify.max_user_watches \
                     to hear of all changes at once"
                        .to_owned(),
                );
            }
            _ => tracing::debug!(%error, "a directory is not watched"),
        }
        false
    }
}
