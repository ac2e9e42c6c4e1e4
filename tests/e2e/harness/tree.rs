//! A directory tree as any program sees it, and how two of them differ.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// How many differences are shown.
const SHOWN: usize = 25;

/// Everything below a directory but driftless's own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<PathBuf, Item>);

#[derive(Clone, PartialEq, Eq)]
enum Item {
    File { hash: blake3::Hash, size: u64, mode: u32, mtime_ns: i128 },
    Directory { mode: u32 },
    Link(PathBuf),
    Special,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { hash, size, mode, mtime_ns } => {
                let hash = &hash.to_hex()[..8];
                write!(f, "file {mode:o} {size} bytes {hash} mtime {mtime_ns}")
            }
            Self::Directory { mode } => write!(f, "directory {mode:o}"),
            Self::Link(target) => write!(f, "link to {}", target.display()),
            Self::Special => f.write_str("special file"),
        }
    }
}

impl Tree {
    /// Reads a tree. What vanishes meanwhile is left out.
    pub(crate) fn of(root: &Path) -> Self {
        let mut items = BTreeMap::new();
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = fs::read_dir(root.join(&directory)) else { continue };
            for entry in entries {
                let path = directory.join(entry.unwrap().file_name());
                if path == Path::new(".driftless") {
                    continue;
                }
                let Ok(item) = Item::at(&root.join(&path)) else { continue };
                if matches!(item, Item::Directory { .. }) {
                    directories.push(path.clone());
                }
                items.insert(path, item);
            }
        }
        Self(items)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where the two differ, for people; empty where they do not.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let paths = self.0.keys().chain(other.0.keys().filter(|path| !self.0.contains_key(*path)));
        let side = |tree: &Self, path: &PathBuf| {
            tree.0.get(path).map_or_else(|| "nothing".to_owned(), Item::to_string)
        };
        paths
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .map(|path| format!("{path:?}: {} | {}", side(self, path), side(other, path)))
            .collect()
    }
}

impl Item {
    fn at(path: &Path) -> std::io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let mode = metadata.permissions().mode() & 0o777;
        Ok(if metadata.is_dir() {
            Self::Directory { mode }
        } else if metadata.is_symlink() {
            Self::Link(fs::read_link(path)?)
        } else if metadata.is_file() {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(File::open(path)?)?;
            let mtime_ns =
                i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            Self::File { hash: hasher.finalize(), size: metadata.len(), mode, mtime_ns }
        } else {
            Self::Special
        })
    }
}

/// Fails with what differs, if anything does.
#[track_caller]
pub(crate) fn assert_same(one: &Path, other: &Path) {
    let differences = Tree::of(one).differences(&Tree::of(other));
    let shown = differences[..differences.len().min(SHOWN)].join("\n");
    let (one, other) = (one.display(), other.display());
    assert!(
        differences.is_empty(),
        "{} differences between {one} and {other}:\n{shown}",
        differences.len()
    );
}

/// The bytes that a file takes up on its disk.
pub(crate) fn bytes_on_disk(path: &Path) -> u64 {
    fs::symlink_metadata(path).unwrap().blocks() * 512
}
