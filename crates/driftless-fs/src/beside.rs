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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;

    use driftless_core::{FolderId, InstanceId};

    use super::*;

    #[test]
    fn what_is_not_synced_is_listed_with_the_rule_that_leaves_it_out() {
        let tree = tempfile::tempdir().unwrap();
        let folder = FolderId::parse("f").unwrap();
        let root = Root::create(tree.path(), &folder, InstanceId([1; 16])).unwrap();
        let at = |path: &str| tree.path().join(path);
        fs::create_dir_all(at("out/deep")).unwrap();
        fs::create_dir(at("src")).unwrap();
        fs::write(at(IGNORE_FILE), "# what is made\n*.o\nout/\n*.o\n").unwrap();
        fs::write(at("src").join(IGNORE_FILE), "!kept.o\n/only-here\n").unwrap();
        for file in ["src/a.o", "src/kept.o", "src/main.c", "src/only-here", "out/deep/x"] {
            fs::write(at(file), "12345").unwrap();
        }
        let strange = std::ffi::OsStr::from_bytes(b"\xff");
        fs::write(at("src").join(strange), "").unwrap();
        std::os::unix::net::UnixListener::bind(at("src/socket")).unwrap();

        let path = |text: &str| RelPath::parse(text).unwrap();
        let rules = Ignore::new(&root);
        let listed = |directory: Option<&str>| {
            let directory = directory.map(path);
            let found = beside(&root, directory.as_ref(), &rules).unwrap().into_iter();
            found.map(|one| (one.name.into_string(), one.trouble)).collect::<Vec<_>>()
        };
        let left_out = |name: &str| (name.to_owned(), None);
        assert_eq!(listed(None), [left_out("out")]);
        let special = ("socket".to_owned(), Some(ProblemCode::SpecialFile));
        let strange = ("\u{fffd}".to_owned(), Some(ProblemCode::NameNotUtf8));
        let expected = [left_out("a.o"), left_out("only-here"), special, strange];
        assert_eq!(listed(Some("src")), expected);
        assert_eq!(listed(Some("out/deep")), [left_out("x")]);
        assert!(beside(&root, Some(&path("none")), &rules).is_err());

        let rule = |text: &str| {
            let rule = rules.rule_for(&path(text), false)?;
            Some((rule.file, rule.text?, rule.line?, rule.covers.to_string()))
        };
        let said = |file: &str, text: &str, line, covers: &str| {
            Some((file.to_owned(), text.to_owned(), line, covers.to_owned()))
        };
        assert_eq!(rule("src/a.o"), said(IGNORE_FILE, "*.o", 4, "src/a.o"));
        assert_eq!(rule("out/deep/x"), said(IGNORE_FILE, "out/", 3, "out"));
        let inner = "src/.driftlessignore";
        assert_eq!(rule("src/only-here"), said(inner, "/only-here", 2, "src/only-here"));
        for synced in ["src/kept.o", "src/main.c", inner, "only-here"] {
            assert_eq!(rules.rule_for(&path(synced), false), None, "{synced}");
        }
    }
}
