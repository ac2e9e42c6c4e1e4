//! The local socket: where it is, who may open it. All that differs between platforms is here.
//!
//! On Unix it is a stream socket in the home, mode 0600, and each end checks that the other runs as the same
//! user; root is another user too, because a command run as root would leave files that the owner cannot change.
//! Where the path is too long for a socket address, both ends derive a short one from it. A port to Windows
//! would use a named pipe with a security descriptor for the user, and no fallback path.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// The longest path used as it is. `sun_path` holds 108 bytes on Linux and 104 on macOS.
const LONGEST_PATH: usize = 100;
const BACKLOG: u32 = 64;

pub(crate) type ReadHalf = OwnedReadHalf;
pub(crate) type WriteHalf = OwnedWriteHalf;

/// Why the socket could not be opened for clients.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A daemon answers on it already.
    #[error("another daemon already serves {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else has its name.
    #[error("{} is in the way: it is no socket", path.display())]
    NotASocket {
        /// What is in the way.
        path: PathBuf,
    },
    /// Others could replace it.
    #[error("{} can be changed by other users", path.display())]
    UnsafeDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on {}", path.display())]
    Io {
        /// The socket or its directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why the daemon could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// None runs for this home.
    #[error("no daemon listens on {}", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
    },
    /// The one that runs belongs to someone else.
    #[error("the daemon on {} runs as user {uid}", path.display())]
    OtherUser {
        /// The socket.
        path: PathBuf,
        /// The daemon's user.
        uid: u32,
    },
    /// This user may not open it.
    #[error("{} belongs to another user", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot connect to {}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A socket that clients can connect to. Dropping it removes the socket file.
#[derive(Debug)]
pub(crate) struct Listener {
    inner: UnixListener,
    path: PathBuf,
    file: (u64, u64),
    owner: u32,
}

/// A connection whose other end is the same user.
#[derive(Debug)]
pub(crate) struct Stream(UnixStream);

impl Stream {
    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        self.0.into_split()
    }
}

impl Listener {
    /// Opens the socket. A file left by a daemon that is gone is replaced, any other is left alone.
    pub(crate) fn bind(path: &Path) -> Result<Self, BindError> {
        let owner = own_uid();
        let path = listening_path(path, owner)?;
        let failed = |source| BindError::Io { path: path.clone(), source };
        remove_stale(&path)?;
        let socket = UnixSocket::new_stream().map_err(failed)?;
        socket.bind(&path).map_err(failed)?;
        // Nobody can connect before `listen`, so there is no moment at which others could.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let metadata = fs::symlink_metadata(&path).map_err(failed)?;
        let inner = socket.listen(BACKLOG).map_err(failed)?;
        Ok(Self { inner, file: (metadata.dev(), metadata.ino()), path, owner })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for a client of the same user; others are hung up on without a byte read or written.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        loop {
            let (stream, _) = self.inner.accept().await?;
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == self.owner => return Ok(Stream(stream)),
                Ok(peer) => {
                    tracing::warn!(uid = peer.uid(), "refused a control connection of another user")
                }
                Err(error) => {
                    tracing::warn!(%error, "refused a control connection of an unknown user")
                }
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let ours =
            fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.file);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "could not remove the control socket");
        }
    }
}

/// Connects to the daemon whose socket has this path.
pub(crate) async fn connect(path: &Path) -> Result<Stream, ConnectError> {
    let owner = own_uid();
    for candidate in candidates(path, owner).map_err(|source| connect_error(path, source))? {
        match UnixStream::connect(&candidate).await {
            Ok(stream) => {
                let peer = stream.peer_cred().map_err(|source| connect_error(path, source))?;
                if peer.uid() != owner {
                    return Err(ConnectError::OtherUser { path: candidate, uid: peer.uid() });
                }
                return Ok(Stream(stream));
            }
            Err(error) if nobody_answers(&error) => {}
            Err(source) => return Err(connect_error(&candidate, source)),
        }
    }
    Err(ConnectError::NoDaemon { path: path.to_owned() })
}

fn connect_error(path: &Path, source: io::Error) -> ConnectError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ConnectError::NoDaemon { path },
        io::ErrorKind::PermissionDenied => ConnectError::Denied { path },
        _ => ConnectError::Io { path, source },
    }
}

fn nobody_answers(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Where the socket may be, best first. More than one only where the path is too long for an address.
///
/// The directory is resolved first, so that every spelling of a home leads to the same places. No environment
/// variable is asked, because the daemon's and the client's may differ.
fn candidates(path: &Path, owner: u32) -> io::Result<Vec<PathBuf>> {
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path =
        fs::canonicalize(directory)?.join(path.file_name().unwrap_or(OsStr::new("control.sock")));
    if path.as_os_str().len() <= LONGEST_PATH {
        return Ok(vec![path]);
    }
    let hash = blake3::hash(path.as_os_str().as_bytes()).to_hex();
    let name = format!("driftless-{}.sock", &hash.as_str()[..32]);
    let runtime = [
        PathBuf::from(format!("/run/user/{owner}")),
        PathBuf::from(format!("/tmp/driftless-{owner}")),
    ];
    Ok(runtime.iter().map(|directory| directory.join(&name)).collect())
}

/// The first candidate in a directory that only this user can change.
fn listening_path(path: &Path, owner: u32) -> Result<PathBuf, BindError> {
    let failed = |source| BindError::Io { path: path.to_owned(), source };
    let candidates = candidates(path, owner).map_err(failed)?;
    let shortened = candidates.len() > 1;
    let mut refusal = BindError::UnsafeDirectory { path: path.to_owned() };
    for candidate in candidates {
        let directory = candidate.parent().unwrap_or(Path::new("/")).to_owned();
        if shortened && directory.starts_with("/tmp") {
            match fs::DirBuilder::new().mode(0o700).create(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(error));
                }
                _ => {}
            }
        }
        match fs::symlink_metadata(&directory) {
            Ok(found) if found.is_dir() && found.uid() == owner && found.mode() & 0o022 == 0 => {
                return Ok(candidate);
            }
            Ok(_) => refusal = BindError::UnsafeDirectory { path: directory },
            Err(_) if shortened => {}
            Err(source) => return Err(BindError::Io { path: directory, source }),
        }
    }
    Err(refusal)
}

/// Removes a socket on which nobody answers.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(BindError::InUse { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::candidates;

    #[test]
    fn a_long_path_becomes_the_same_short_one_however_it_is_spelt() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("l".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let short = directory.path().join("s");
        symlink(&long, &short).unwrap();
        let places = candidates(&long.join("control.sock"), 7).unwrap();
        assert_eq!(places, candidates(&short.join("control.sock"), 7).unwrap());
        assert_eq!(places.len(), 2);
        assert!(places[0].starts_with("/run/user/7") && places[1].starts_with("/tmp/driftless-7"));
        assert!(places.iter().all(|place| place.as_os_str().len() <= 100));
        let plain = candidates(&directory.path().join("control.sock"), 7).unwrap();
        assert_eq!(plain, [directory.path().canonicalize().unwrap().join("control.sock")]);
        assert!(candidates(Path::new("/nowhere/at/all/control.sock"), 7).is_err());
    }
}
