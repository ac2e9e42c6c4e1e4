//! A small piece of work that has one of everything, each in one step of the
//! file system, so that every path is at any moment as before or as after.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::harness::content;

/// The work of one round: paths below a directory of its own.
pub(super) struct Work {
    directory: String,
    items: Vec<Item>,
}

struct Item {
    path: &'static str,
    before: Thing,
    after: Thing,
}

#[derive(PartialEq, Eq, Clone)]
enum Thing {
    Nothing,
    File { bytes: Vec<u8>, mode: u32 },
    Link(String),
    Directory,
    Other,
}

use Thing::{Directory, Nothing};

impl Work {
    pub(super) fn new(round: usize) -> Self {
        let file = |what: &str, size, mode| {
            let bytes = if size == 0 { vec![] } else { content(&format!("{round}: {what}"), size) };
            Thing::File { bytes, mode }
        };
        let small = |what| file(what, 3_000, 0o644);
        let link = |to: &str| Thing::Link(to.to_owned());
        let item = |path, before, after| Item { path, before, after };
        let items = vec![
            item("new", Nothing, small("new")),
            item("empty", Nothing, file("", 0, 0o644)),
            item("overwritten", small("old"), small("newer")),
            item("read-only", file("old r/o", 3_000, 0o444), file("newer r/o", 3_000, 0o444)),
            item("deleted", small("deleted"), Nothing),
            item("old name", small("renamed"), Nothing),
            item("new name", Nothing, small("renamed")),
            item("mode", file("mode", 3_000, 0o644), file("mode", 3_000, 0o755)),
            item("blocks", file("blocks", 300_000, 0o644), file("more", 400_000, 0o644)),
            item("link", link("here"), link("there")),
            item("new link", Nothing, link("anywhere")),
            item("to file", Directory, small("instead of a directory")),
            item("to file/child", small("child"), Nothing),
            item("to directory", small("replaced by a directory"), Directory),
            item("to directory/child", Nothing, small("in the new directory")),
            item("new directory", Nothing, Directory),
            item("new directory/child", Nothing, small("in another new directory")),
        ];
        Self { directory: format!("round {round}"), items }
    }

    fn root(&self, root: &Path) -> PathBuf {
        root.join(&self.directory)
    }

    /// Makes everything as it is before.
    pub(super) fn prepare(&self, root: &Path) {
        let root = self.root(root);
        fs::create_dir(&root).unwrap();
        self.items.iter().for_each(|item| item.before.make(&root.join(item.path)));
    }

    /// Does it all; `aside` is a directory on the same disk, for what is not finished.
    pub(super) fn perform(&self, root: &Path, aside: &Path) {
        let (root, aside) = (self.root(root), self.root(aside));
        fs::create_dir_all(&aside).unwrap();
        self.items.iter().for_each(|item| item.after.make(&aside.join(item.path)));
        fs::rename(root.join("old name"), root.join("new name")).unwrap();
        fs::set_permissions(root.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        let done = ["old name", "new name", "mode"];
        for item in &self.items {
            let (at, made) = (root.join(item.path), aside.join(item.path));
            if done.contains(&item.path) || Thing::at(&at) == item.after {
                continue;
            }
            match (&item.before, &item.after) {
                (_, Nothing) => fs::remove_file(&at).unwrap(),
                (Nothing, _) => fs::rename(&made, &at).unwrap(),
                _ => renameat_with(CWD, &made, CWD, &at, RenameFlags::EXCHANGE).unwrap(),
            }
        }
        self.is_after(root.parent().unwrap()).unwrap();
        fs::remove_dir_all(&aside).unwrap();
    }

    /// Whether every path is as after.
    pub(super) fn is_after(&self, root: &Path) -> Result<(), String> {
        self.look(root, |item, found| *found == item.after)
    }

    /// Whether every path is as before or as after, whole (I2).
    pub(super) fn is_before_or_after(&self, root: &Path) -> Result<(), String> {
        self.look(root, |item, found| *found == item.before || *found == item.after)?;
        let names = ["old name", "new name"].map(|name| Thing::at(&self.root(root).join(name)));
        if names == [Nothing, Nothing] {
            return Err("the renamed file has neither name".to_owned());
        }
        Ok(())
    }

    fn look(&self, root: &Path, is_right: impl Fn(&Item, &Thing) -> bool) -> Result<(), String> {
        for item in &self.items {
            let found = Thing::at(&self.root(root).join(item.path));
            if !is_right(item, &found) {
                return Err(format!("{}/{}: {}", self.directory, item.path, found.describe()));
            }
        }
        Ok(())
    }

    /// Whether everything that was replaced or deleted is in a device's history (I1, P13).
    pub(super) fn is_kept(&self, root: &Path) -> Result<(), String> {
        let mut kept = HashSet::new();
        let mut directories = vec![root.join(".driftless/history")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match Thing::at(&path) {
                    Directory => directories.push(path),
                    Thing::File { bytes, .. } => drop(kept.insert(bytes)),
                    _ => {}
                }
            }
        }
        let live: Vec<_> = self.items.iter().filter_map(|item| item.after.bytes()).collect();
        let displaced = self.items.iter().filter_map(|item| Some((item, item.before.bytes()?)));
        for (item, bytes) in displaced {
            if !live.contains(&bytes) && !kept.contains(bytes) {
                return Err(format!("the old {}/{} is nowhere", self.directory, item.path));
            }
        }
        Ok(())
    }
}

impl Thing {
    fn make(&self, at: &Path) {
        match self {
            Self::Nothing | Self::Other => {}
            Self::File { bytes, mode } => {
                fs::write(at, bytes).unwrap();
                fs::set_permissions(at, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Self::Link(target) => symlink(target, at).unwrap(),
            Self::Directory => fs::create_dir(at).unwrap(),
        }
    }

    fn at(path: &Path) -> Self {
        let Ok(metadata) = fs::symlink_metadata(path) else { return Self::Nothing };
        if metadata.is_dir() {
            Self::Directory
        } else if metadata.is_symlink() {
            Self::Link(fs::read_link(path).unwrap().to_str().unwrap().to_owned())
        } else if let Ok(bytes) = fs::read(path) {
            Self::File { bytes, mode: metadata.permissions().mode() & 0o777 }
        } else {
            Self::Other
        }
    }

    fn bytes(&self) -> Option<&Vec<u8>> {
        match self {
            Self::File { bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::File { bytes, mode } => {
                let title = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
                format!("{:?}, {} bytes, {mode:o}", String::from_utf8_lossy(title), bytes.len())
            }
            Self::Link(target) => format!("a link to {target}"),
            Self::Directory => "a directory".to_owned(),
            Self::Other => "unreadable".to_owned(),
        }
    }
}
