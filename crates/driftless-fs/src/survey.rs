//! Counts what adding a directory would sync, before it is a folder.
//!
//! A look and nothing else: it opens no file but rule files, follows no symlink,
//! crosses no mount and changes nothing. It ends when its time is up, so that a
//! person who only considers a directory is answered soon.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use driftless_core::RelPath;
use driftless_core::path::PRIVATE_DIR;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};

use crate::beneath::{DIRECTORY, FILE, open_beneath};
use crate::ignore::{Chain, IGNORE_FILE, parse, read_text};
use crate::listing::Listing;
use crate::stat::{kind_of, stat_of};

/// The deepest directory that is looked into; one descriptor is held for each level.
const MAX_DEPTH: usize = 128;

/// What a directory comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Files and symlinks that would be synced.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files and symlinks that rules leave out.
    pub left_out_files: u64,
    /// Their bytes.
    pub left_out_bytes: u64,
    /// Whether time ran out, or something could not be looked at, so that there is more.
    pub at_least: bool,
}

struct Walk {
    survey: Survey,
    until: Instant,
    device: u64,
}

/// Counts what is in `directory`, whose rule file would read `rules`.
///
/// Rule files further down count as they are. Looks until `until`.
///
/// # Errors
///
/// The directory itself cannot be listed.
pub fn survey(directory: &Path, rules: &str, until: Instant) -> std::io::Result<Survey> {
    let fd = openat(CWD, directory, DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let device = rustix::fs::fstat(&fd)?.st_dev;
    let listing = Listing::of(&fd)?;
    let chain = Chain::default().within(None, &parse(IGNORE_FILE, rules, None));
    let mut walk = Walk { survey: Survey::default(), until, device };
    walk.directory(&fd, None, &listing, Some(&chain), 0);
    Ok(walk.survey)
}

impl Walk {
    /// Counts what a listed directory holds; `chain` is `None` where it is left out.
    fn directory(
        &mut self,
        fd: &OwnedFd,
        dir: Option<&RelPath>,
        listing: &Listing,
        chain: Option<&Chain>,
        depth: usize,
    ) {
        for index in 0..listing.len() {
            if Instant::now() >= self.until {
                self.survey.at_least = true;
                return;
            }
            let name = listing.name(index);
            // What has no path is not synced, and not left out by anybody either.
            let Ok(text) = name.to_str() else { continue };
            let Ok(path) = RelPath::child_of(dir, text) else { continue };
            let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
            let Ok(raw) = statat(fd, name, flags) else { continue };
            if raw.st_dev != self.device {
                continue;
            }
            let stat = stat_of(&raw);
            let kind = kind_of(&stat);
            let is_dir = kind == FileType::Directory;
            let chain = chain.filter(|chain| !chain.is_ignored(path.as_str(), is_dir));
            match kind {
                FileType::RegularFile => self.count(stat.size_bytes, chain.is_none()),
                FileType::Symlink => self.count(0, chain.is_none()),
                FileType::Directory => self.enter(fd, text, &path, chain, depth + 1),
                _ => {}
            }
        }
    }

    fn count(&mut self, size_bytes: u64, is_left_out: bool) {
        let survey = &mut self.survey;
        let (files, bytes) = if is_left_out {
            (&mut survey.left_out_files, &mut survey.left_out_bytes)
        } else {
            (&mut survey.files, &mut survey.bytes)
        };
        *files += 1;
        *bytes += size_bytes;
    }

    fn enter(
        &mut self,
        parent: &OwnedFd,
        name: &str,
        path: &RelPath,
        chain: Option<&Chain>,
        depth: usize,
    ) {
        let opened = open_beneath(parent.as_fd(), name, DIRECTORY)
            .and_then(|fd| Listing::of(&fd).map(|listing| (fd, listing)));
        let Ok((fd, listing)) = opened else {
            self.survey.at_least = true;
            return;
        };
        if depth >= MAX_DEPTH {
            self.survey.at_least = true;
            return;
        }
        let chain = chain.map(|chain| {
            if listing.contains(IGNORE_FILE) { with_rules(chain, &fd, path) } else { chain.clone() }
        });
        self.directory(&fd, Some(path), &listing, chain.as_ref(), depth);
    }
}

/// The chain in a directory that has a rule file.
fn with_rules(chain: &Chain, fd: &OwnedFd, dir: &RelPath) -> Chain {
    let text = open_beneath(fd.as_fd(), IGNORE_FILE, FILE).ok().and_then(|file| {
        let stat = stat_of(&rustix::fs::fstat(&file).ok()?);
        read_text(&file, &stat).ok()
    });
    // A file that cannot be read covers all that it might; here that is too
    // little to be worth counting.
    text.map_or_else(
        || chain.clone(),
        |text| chain.within(Some(dir), &parse(dir.as_str(), &text, None)),
    )
}

/// Whether `name` is in `directory`, without following a symlink there.
pub fn has(directory: &Path, name: &str) -> bool {
    name != PRIVATE_DIR && directory.join(name).symlink_metadata().is_ok()
}

/// Bytes that may still be written to the file system that holds `directory`.
///
/// # Errors
///
/// What asking failed with.
pub fn free_bytes(directory: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(directory)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether this process may make files in `directory`.
pub fn is_writable(directory: &Path) -> bool {
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(directory, access).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_would_be_synced_is_counted_apart_from_what_rules_leave_out() {
        let tree = tempfile::tempdir().unwrap();
        let at = |path: &str| tree.path().join(path);
        for directory in [".driftless", "src/deep", "out"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        for file in ["src/a.c", "src/a.o", "src/deep/b.tmp", "out/x.c", ".driftless/folder"] {
            fs::write(at(file), "12345").unwrap();
        }
        fs::write(at("src").join(IGNORE_FILE), "*.tmp").unwrap();
        std::os::unix::fs::symlink("/", at("link")).unwrap();
        let soon = Instant::now() + Duration::from_secs(60);
        let counted = survey(tree.path(), "*.o\nout/\n", soon).unwrap();
        let expected =
            Survey { files: 3, bytes: 10, left_out_files: 3, left_out_bytes: 15, at_least: false };
        assert_eq!(counted, expected);
        let late = survey(tree.path(), "", Instant::now()).unwrap();
        assert_eq!(late, Survey { at_least: true, ..Survey::default() });
        assert!(survey(&at("none"), "", soon).is_err());
    }
}
