//! What lies in a directory of the tree and is not synced.
//!
//! The index does not know of it: what a rule covers is not looked at, and what
//! cannot be synced is a problem. So whoever looks into a folder is told from
//! the disk. Nothing here decides about anything.

use driftless_core::path::PRIVATE_DIR;
use driftless_core::{ProblemCode, RelPath};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::ignore::{Chain, IGNORE_FILE, Ignore};
use crate::listing::Listing;
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

/// Something in a directory that is not synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Its name, made printable where it is no UTF-8.
    pub name: Box<str>,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Whether it is a symlink.
    pub is_symlink: bool,
    /// Its size in bytes; 0 of what is no file.
    pub size_bytes: u64,
    /// Its modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Why it cannot be synced; `None` where a rule leaves it out.
    pub trouble: Option<ProblemCode>,
}

/// Lists what is in `directory` (`None` is the root) and not synced, in byte order.
///
/// # Errors
///
/// The directory is not there or cannot be listed.
pub fn beside(
    root: &Root,
    directory: Option<&RelPath>,
    rules: &Ignore,
) -> std::io::Result<Vec<Beside>> {
    let fd = root.open_dir(directory)?;
    let listing = Listing::of(&fd)?;
    let chain = rules.chain_of(directory).ok();
    let mut found = Vec::new();
    for index in 0..listing.len() {
        let name = listing.name(index);
        let shown = name.to_string_lossy();
        if directory.is_none() && shown == PRIVATE_DIR {
            continue;
        }
        let stat = || {
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            statat(&fd, name, flags).map(|raw| stat_of(&raw))
        };
        let kind = match listing.kind(index) {
            FileType::Unknown => match stat() {
                Ok(stat) => kind_of(&stat),
                Err(Errno::NOENT) => continue,
                Err(_) => FileType::Unknown,
            },
            kind => kind,
        };
        let text = name.to_str().ok();
        let trouble = match text {
            None => Some(ProblemCode::NameNotUtf8),
            Some(text) if is_left_out(directory, text, kind, chain.as_ref()) => None,
            Some(_) if is_special(kind) => Some(ProblemCode::SpecialFile),
            Some(_) => continue,
        };
        let Ok(stat) = stat() else { continue };
        found.push(Beside {
            name: shown.into(),
            is_directory: kind == FileType::Directory,
            is_symlink: kind == FileType::Symlink,
            size_bytes: if kind == FileType::RegularFile { stat.size_bytes } else { 0 },
            mtime_ns: stat.mtime_ns,
            trouble,
        });
    }
    Ok(found)
}

/// What kind of thing is at a path of the tree, whether it is synced or not;
/// `None` where nothing is, or nothing can be seen.
pub fn kind_at(root: &Root, path: &RelPath) -> Option<Kind> {
    let stat = root.lstat(path).ok()?;
    Some(match kind_of(&stat) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Symlink,
        _ => Kind::Special,
    })
}

/// What kind of thing is at a path of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// A fifo, socket or device.
    Special,
}

fn is_special(kind: FileType) -> bool {
    !matches!(
        kind,
        FileType::Directory | FileType::RegularFile | FileType::Symlink | FileType::Unknown
    )
}

/// `chain` is `None` where the directory itself is left out, and so is all in it.
fn is_left_out(
    directory: Option<&RelPath>,
    name: &str,
    kind: FileType,
    chain: Option<&Chain>,
) -> bool {
    let Ok(path) = RelPath::child_of(directory, name) else { return false };
    let is_dir = kind == FileType::Directory;
    chain.is_none_or(|chain| chain.is_ignored(path.as_str(), is_dir))
        && (name != IGNORE_FILE || chain.is_none())
}
