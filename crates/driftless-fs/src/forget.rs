//! Taking away what this program keeps in a folder's root, and nothing else.
//!
//! For a folder that a person gives up and that nobody has open any more. History
//! and staging go; contents of open conflicts never do, as they may be nowhere
//! else. No link is followed and no mount crossed.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use driftless_core::FolderId;
use driftless_core::path::PRIVATE_DIR;
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::{Errno, Result};

use crate::beneath::{DIRECTORY, open_beneath};
use crate::listing::Listing;
use crate::root::{MARKER, RootError, open_marked};

/// Why the private directory was left, or not wholly removed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The directory is not this folder.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Open conflicts keep contents there.
    #[error("open conflicts keep {count} files in .driftless/heads")]
    HeadsHeld {
        /// How many.
        count: usize,
    },
    /// Something in it cannot be read or removed.
    #[error("the directory .driftless cannot be removed")]
    Io(#[source] std::io::Error),
}

impl From<Errno> for ForgetError {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

/// Whether [`forget`] would do it. Changes nothing.
///
/// # Errors
///
/// Those that `forget` would give before it removes anything.
pub fn may_forget(path: &Path, folder: &FolderId) -> std::result::Result<(), ForgetError> {
    opened(path, folder).map(drop)
}

/// Removes `.driftless` from the root of `folder` at `path`. The folder must be closed.
///
/// The marker goes last, so that what is left after a crash still says whose it is.
///
/// # Errors
///
/// See [`ForgetError`]; only with `Io` may part of it be gone.
pub fn forget(path: &Path, folder: &FolderId) -> std::result::Result<(), ForgetError> {
    let (root, private) = opened(path, folder)?;
    let listing = Listing::of(&private)?;
    let names = (0..listing.len()).map(|index| listing.name(index));
    for name in names.filter(|name| name.to_bytes() != MARKER.as_bytes()) {
        remove(&private, name)?;
    }
    unlinkat(&private, MARKER, AtFlags::empty())?;
    unlinkat(&root, PRIVATE_DIR, AtFlags::REMOVEDIR)?;
    rustix::fs::fsync(&root)?;
    Ok(())
}

/// The root and its private directory, which holds no conflict's contents.
fn opened(path: &Path, folder: &FolderId) -> std::result::Result<(OwnedFd, OwnedFd), ForgetError> {
    let root = open_marked(path, folder)?;
    let private = open_beneath(root.as_fd(), PRIVATE_DIR, DIRECTORY)?;
    let count = match open_beneath(private.as_fd(), "heads", DIRECTORY) {
        Ok(heads) => Listing::of(&heads)?.len(),
        Err(Errno::NOENT) => 0,
        Err(errno) => return Err(errno.into()),
    };
    match count {
        0 => Ok((root, private)),
        count => Err(ForgetError::HeadsHeld { count }),
    }
}

/// Removes one name, and all below it where it is a directory.
fn remove(parent: &OwnedFd, name: &std::ffi::CStr) -> Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        result => return result,
    }
    let path = name.to_str().map_err(|_| Errno::ILSEQ)?;
    let directory = open_beneath(parent.as_fd(), path, DIRECTORY)?;
    let listing = Listing::of(&directory)?;
    for index in 0..listing.len() {
        remove(&directory, listing.name(index))?;
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use driftless_core::InstanceId;

    use super::*;
    use crate::root::Root;

    fn folder() -> (tempfile::TempDir, FolderId) {
        let directory = tempfile::tempdir().unwrap();
        let id = FolderId::parse("photos").unwrap();
        Root::create(directory.path(), &id, InstanceId([7; 16])).unwrap();
        fs::create_dir_all(directory.path().join(".driftless/history/a/b")).unwrap();
        fs::write(directory.path().join(".driftless/history/a/b/old"), "old").unwrap();
        fs::write(directory.path().join("mine"), "mine").unwrap();
        (directory, id)
    }

    #[test]
    fn what_the_program_kept_goes_and_no_link_in_it_leads_to_more() {
        let (directory, id) = folder();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "precious").unwrap();
        let link = directory.path().join(".driftless/history/a/link");
        std::os::unix::fs::symlink(outside.path(), link).unwrap();
        may_forget(directory.path(), &id).unwrap();
        forget(directory.path(), &id).unwrap();
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().flatten().collect();
        assert_eq!(left.iter().map(fs::DirEntry::file_name).collect::<Vec<_>>(), ["mine"]);
        assert!(outside.path().join("precious").exists());
        let again = forget(directory.path(), &id);
        assert!(matches!(again, Err(ForgetError::Root(RootError::MarkerMissing))), "{again:?}");
    }

    #[test]
    fn contents_of_conflicts_and_other_folders_are_left_alone() {
        let (directory, id) = folder();
        fs::write(directory.path().join(".driftless/heads/x"), "theirs").unwrap();
        let held = forget(directory.path(), &id);
        assert!(matches!(held, Err(ForgetError::HeadsHeld { count: 1 })), "{held:?}");
        let other = forget(directory.path(), &FolderId::parse("music").unwrap());
        let wrong = matches!(other, Err(ForgetError::Root(RootError::WrongFolder { .. })));
        assert!(wrong, "{other:?}");
        assert!(directory.path().join(".driftless/history/a/b/old").exists());
    }
}
