//! A folder's root: the descriptor that all access starts from, and the marker
//! that tells it from an empty mount point or a stranger's directory.
//!
//! Decides whether a directory is the folder that the index was made from. It
//! never makes a missing root: only [`Root::create`], which a person asked
//! for, makes anything.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use driftless_core::path::PRIVATE_DIR;
use driftless_core::{FolderId, InstanceId, RelPath, Stat};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::beneath::{DIRECTORY, FILE, lstat, open_beneath};
use crate::stat::stat_of;

pub(crate) const MARKER: &str = "folder";
const MARKER_NEW: &str = "folder.new";
const MARKER_MAX_BYTES: usize = 4096;
const PRIVATE_MODE: Mode = Mode::RWXU;
pub(crate) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A folder's root, held open. Clones share it.
#[derive(Clone, Debug)]
pub struct Root(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    folder: FolderId,
    instance: InstanceId,
    fd: Arc<OwnedFd>,
    identity: (u64, u64),
    private: OwnedFd,
    staging: OwnedFd,
    heads: OwnedFd,
    history: OwnedFd,
    folds_names: OnceLock<bool>,
    swapping: OnceLock<bool>,
    next_name: AtomicU64,
}

/// What a root's marker file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Marker {
    /// The folder.
    pub folder: FolderId,
    /// This copy of it.
    pub instance: InstanceId,
}

/// Why a directory cannot be used as a folder's root.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// There is nothing at the path.
    #[error("the folder's directory is not there")]
    Missing,
    /// The path leads to something else than a directory.
    #[error("the folder's path does not lead to a directory")]
    NotADirectory,
    /// The directory has no marker: it is empty, unmounted or not a folder.
    #[error("the directory is not marked as a driftless folder")]
    MarkerMissing,
    /// The marker is of another folder.
    #[error("the directory belongs to another driftless folder, {found}")]
    WrongFolder {
        /// The folder that the marker names.
        found: FolderId,
    },
    /// The marker is of another copy of this folder.
    #[error("the directory is another copy of this folder, {found}")]
    WrongInstance {
        /// The copy that the marker names.
        found: InstanceId,
    },
    /// The path leads to another directory than the one that is held open.
    #[error("the folder's directory was replaced")]
    Replaced,
    /// The directory or its marker cannot be read.
    #[error("the folder's directory cannot be used")]
    Unreadable(#[source] io::Error),
}

impl From<Errno> for RootError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::Missing,
            Errno::NOTDIR | Errno::LOOP => Self::NotADirectory,
            errno => Self::Unreadable(errno.into()),
        }
    }
}

impl Root {
    /// Makes the directory at `path` this copy of `folder` and opens it.
    ///
    /// Makes the directory where it is absent, and leaves what it holds alone.
    /// A directory with the same marker is simply opened; one with another
    /// marker is refused with [`RootError::WrongFolder`] or
    /// [`RootError::WrongInstance`].
    pub fn create(path: &Path, folder: &FolderId, instance: InstanceId) -> Result<Self, RootError> {
        std::fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RootError::NotADirectory,
            _ => RootError::Unreadable(error),
        })?;
        let fd = open_root(path)?;
        if read_marker_in(&fd)?.is_none() {
            make_dir(&fd, PRIVATE_DIR)?;
            let private = open_beneath(fd.as_fd(), PRIVATE_DIR, DIRECTORY)?;
            for name in ["staging", "heads", "history"] {
                make_dir(&private, name)?;
            }
            write_marker(&private, folder, instance)?;
            rustix::fs::fsync(&fd)?;
        }
        Self::open(path, folder, instance)
    }

    /// Opens a root whose marker says that it is this copy of `folder`.
    ///
    /// Makes nothing but private directories that are missing beside the marker.
    pub fn open(path: &Path, folder: &FolderId, instance: InstanceId) -> Result<Self, RootError> {
        let fd = open_root(path)?;
        let marker = read_marker_in(&fd)?.ok_or(RootError::MarkerMissing)?;
        check_marker(&marker, folder, instance)?;
        let private = open_beneath(fd.as_fd(), PRIVATE_DIR, DIRECTORY)?;
        let open = |name| -> Result<OwnedFd, RootError> {
            match open_beneath(private.as_fd(), name, DIRECTORY) {
                Err(Errno::NOENT) => {
                    make_dir(&private, name)?;
                    Ok(open_beneath(private.as_fd(), name, DIRECTORY)?)
                }
                result => Ok(result?),
            }
        };
        let (staging, heads, history) = (open("staging")?, open("heads")?, open("history")?);
        let stat = rustix::fs::fstat(&fd)?;
        let path = std::path::absolute(path).map_err(RootError::Unreadable)?;
        Ok(Self(Arc::new(Inner {
            path,
            folder: folder.clone(),
            instance,
            fd: Arc::new(fd),
            identity: (stat.st_dev, stat.st_ino),
            private,
            staging,
            heads,
            history,
            folds_names: OnceLock::new(),
            swapping: OnceLock::new(),
            next_name: AtomicU64::new(0),
        })))
    }

    /// Reads the marker of the directory at `path`; `None` if it has none.
    pub fn read_marker(path: &Path) -> Result<Option<Marker>, RootError> {
        read_marker_in(&open_root(path)?)
    }

    /// Checks that the path still leads to the directory that is held open,
    /// and that its marker is still this folder's. Costs a few microseconds.
    pub fn verify(&self) -> Result<(), RootError> {
        let stat = rustix::fs::statat(CWD, &self.0.path, AtFlags::empty())?;
        if (stat.st_dev, stat.st_ino) != self.0.identity {
            return Err(RootError::Replaced);
        }
        let marker = read_marker_in(&self.0.fd)?.ok_or(RootError::MarkerMissing)?;
        check_marker(&marker, &self.0.folder, self.0.instance)
    }

    /// The absolute path as configured.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The folder.
    pub fn folder(&self) -> &FolderId {
        &self.0.folder
    }

    /// The bytes that may still be written to the file system.
    pub fn free_space(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&*self.0.fd)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Whether the file system takes some names for the same.
    ///
    /// Found out once, by making a file in the private directory; as long as
    /// that fails, names are taken to be exact.
    pub fn folds_names(&self) -> bool {
        if let Some(folds) = self.0.folds_names.get() {
            return *folds;
        }
        let probed = crate::folding::probe(&self.0.private, self.unique());
        probed.is_ok_and(|folds| *self.0.folds_names.get_or_init(|| folds))
    }

    /// Whether two names can be exchanged in one step, found out once.
    ///
    /// As long as the question cannot be asked, the answer is yes: the exchange
    /// itself then fails with the true cause.
    pub(crate) fn can_swap(&self) -> bool {
        if let Some(can) = self.0.swapping.get() {
            return *can;
        }
        let (one, two) = (format!("{}.probe", self.unique()), format!("{}.probe", self.unique()));
        let staging = &self.0.staging;
        let rename = |flags| rustix::fs::renameat_with(staging, &one, staging, &two, flags);
        let made = make_dir(staging, &one).and_then(|()| make_dir(staging, &two));
        let can = made.map(|()| {
            rename(RenameFlags::EXCHANGE).is_ok()
                && rename(RenameFlags::NOREPLACE) == Err(Errno::EXIST)
        });
        for name in [&one, &two] {
            let _ = rustix::fs::unlinkat(staging, name, AtFlags::REMOVEDIR);
        }
        can.map_or(true, |can| *self.0.swapping.get_or_init(|| can))
    }

    /// Makes this root behave as on a file system without atomic swaps.
    #[cfg(test)]
    pub(crate) fn pretend_no_swap(&self) {
        self.0.swapping.set(false).unwrap();
    }

    /// A number that no other name made by this process has.
    pub(crate) fn unique(&self) -> u64 {
        self.0.next_name.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }

    pub(crate) fn device(&self) -> u64 {
        self.0.identity.0
    }

    pub(crate) fn staging(&self) -> BorrowedFd<'_> {
        self.0.staging.as_fd()
    }

    pub(crate) fn heads(&self) -> BorrowedFd<'_> {
        self.0.heads.as_fd()
    }

    pub(crate) fn history(&self) -> BorrowedFd<'_> {
        self.0.history.as_fd()
    }

    /// Opens a directory; `None` is the root itself. One that only a twin's
    /// name leads to is not there.
    pub(crate) fn open_dir(&self, path: Option<&RelPath>) -> rustix::io::Result<Arc<OwnedFd>> {
        match path {
            None => Ok(self.0.fd.clone()),
            Some(path) if self.folds_names() => {
                crate::folding::open_exact(self.fd(), path.as_str()).map(Arc::new)
            }
            Some(path) => open_beneath(self.fd(), path.as_str(), DIRECTORY).map(Arc::new),
        }
    }

    /// Opens a file of the tree for reading, leaving its access time alone where allowed.
    pub(crate) fn open_file(&self, path: &RelPath) -> rustix::io::Result<OwnedFd> {
        match open_beneath(self.fd(), path.as_str(), FILE | OFlags::NOATIME) {
            Err(Errno::PERM) => open_beneath(self.fd(), path.as_str(), FILE),
            result => result,
        }
    }

    /// `lstat` of a path of the tree.
    pub(crate) fn lstat(&self, path: &RelPath) -> rustix::io::Result<Stat> {
        let dir = self.open_dir(path.parent().as_ref())?;
        lstat(&dir, path.name()).map(|raw| stat_of(&raw))
    }
}

fn open_root(path: &Path) -> Result<OwnedFd, RootError> {
    Ok(rustix::fs::openat(CWD, path, DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens the directory at `path` if its marker is of `folder`, whichever copy.
pub(crate) fn open_marked(path: &Path, folder: &FolderId) -> Result<OwnedFd, RootError> {
    let fd = open_root(path)?;
    let found = read_marker_in(&fd)?.ok_or(RootError::MarkerMissing)?.folder;
    if found == *folder { Ok(fd) } else { Err(RootError::WrongFolder { found }) }
}

fn make_dir(parent: impl AsFd, name: &str) -> Result<(), RootError> {
    match rustix::fs::mkdirat(parent, name, PRIVATE_MODE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(RootError::Unreadable(errno.into())),
    }
}

fn check_marker(marker: &Marker, folder: &FolderId, instance: InstanceId) -> Result<(), RootError> {
    if marker.folder != *folder {
        return Err(RootError::WrongFolder { found: marker.folder.clone() });
    }
    if marker.instance != instance {
        return Err(RootError::WrongInstance { found: marker.instance });
    }
    Ok(())
}

fn read_marker_in(root: &OwnedFd) -> Result<Option<Marker>, RootError> {
    let path = format!("{PRIVATE_DIR}/{MARKER}");
    let fd = match open_beneath(root.as_fd(), &path, FILE) {
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(RootError::Unreadable(errno.into())),
        Ok(fd) => fd,
    };
    let mut text = vec![0; MARKER_MAX_BYTES];
    let len = rustix::io::pread(&fd, &mut text, 0)?;
    let damaged = || {
        let kind = io::ErrorKind::InvalidData;
        RootError::Unreadable(io::Error::new(kind, "the marker file .driftless/folder is damaged"))
    };
    parse_marker(&text[..len]).map(Some).ok_or_else(damaged)
}

/// Reads a marker file; `None` if it is damaged.
pub(crate) fn parse_marker(bytes: &[u8]) -> Option<Marker> {
    let text = String::from_utf8_lossy(bytes);
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
    };
    let folder = FolderId::parse(field("folder")?).ok()?;
    Some(Marker { folder, instance: field("instance")?.parse().ok()? })
}

/// The text of a marker file.
pub(crate) fn marker_text(folder: &FolderId, instance: InstanceId) -> String {
    format!(
        "folder: {folder}\ninstance: {instance}\n\
         This file marks the directory above as a copy of a driftless folder; \
         without it, driftless stops syncing here rather than take missing files for deleted ones.\n"
    )
}

fn write_marker(
    private: &OwnedFd,
    folder: &FolderId,
    instance: InstanceId,
) -> Result<(), RootError> {
    let text = marker_text(folder, instance);
    let flags =
        OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd = rustix::fs::openat(private, MARKER_NEW, flags, FILE_MODE)?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let written = rustix::io::write(&fd, rest)?;
        rest = &rest[written..];
    }
    rustix::fs::fsync(&fd)?;
    rustix::fs::renameat(private, MARKER_NEW, private, MARKER)?;
    rustix::fs::fsync(private)?;
    Ok(())
}
