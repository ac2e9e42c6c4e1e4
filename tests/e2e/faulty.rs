//! A disk that loses power, fails, and takes names for the same, when told to.
//!
//! A file system in memory behind FUSE: programs cannot tell it from another.
//! It keeps beside what it holds what would outlast a power cut ([`journal`]).

mod disk;
mod image;
mod journal;
mod names;
mod serve;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use fuser::{BackgroundSession, Config, MountOption};

pub(crate) use names::Folding;

use self::disk::Disk;
use self::serve::{Served, hold};
use crate::harness::Random;

/// A mounted disk; unmounted when dropped.
pub(crate) struct Faulty {
    path: PathBuf,
    disk: Arc<Mutex<Option<Disk>>>,
    session: Option<BackgroundSession>,
}

impl Faulty {
    /// Mounts an empty disk at `path`, which is made; `None`, and says so,
    /// where this process may not.
    pub(crate) fn new(path: &Path, folding: Folding) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let may = rustix::process::geteuid().is_root() && Path::new("/dev/fuse").exists();
        let mounted = may.then(|| Self::mount(path, Disk::new(folding)));
        let Some(Ok(mounted)) = mounted else {
            eprintln!("passed over: mounting a file system of our own needs root and FUSE");
            return None;
        };
        Some(mounted)
    }

    fn mount(path: &Path, disk: Disk) -> std::io::Result<Self> {
        let disk = Arc::new(Mutex::new(Some(disk)));
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName("driftless-e2e".to_owned()), MountOption::DefaultPermissions];
        let session = fuser::spawn_mount(Served::new(Arc::clone(&disk)), path, &config)?;
        Ok(Self { path: path.to_owned(), disk, session: Some(session) })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(hold(&self.disk).as_mut().expect("taken only when it is mounted anew"))
    }

    /// Has the power go after so many more changes of any kind: from then on
    /// the disk answers nothing but errors.
    pub(crate) fn cut_after(&self, changes: u64) {
        self.with(|disk| disk.cut_before = Some(disk.changes + changes));
    }

    /// Makes everything outlast a power cut.
    pub(crate) fn sync(&self) {
        self.with(Disk::sync);
    }

    /// Has the power go now.
    pub(crate) fn cut(&self) {
        self.with(|disk| disk.is_cut = true);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.with(|disk| disk.is_cut)
    }

    /// Gives the power back: what the disk holds now is what outlasted the cut.
    pub(crate) fn restore(&mut self, random: &mut Random) {
        self.unmount();
        let disk = hold(&self.disk).take().expect("taken only here");
        *self = Self::mount(&self.path.clone(), disk.after_cut(random)).unwrap();
    }

    /// Makes the file whose path ends with this unreadable.
    pub(crate) fn make_unreadable(&self, path: Option<&str>) {
        self.with(|disk| disk.trouble.unreadable = path.map(str::to_owned));
    }

    /// Makes the next syncs of files right below a directory fail.
    pub(crate) fn fail_syncs(&self, below: &str, times: u64) {
        self.with(|disk| disk.trouble.failing_syncs = Some((below.to_owned(), times)));
    }

    /// How many syncs have failed.
    pub(crate) fn failed_syncs(&self) -> u64 {
        self.with(|disk| disk.failed_syncs)
    }

    /// Leaves room for so many bytes; `None` for plenty.
    pub(crate) fn set_room(&self, bytes: Option<u64>) {
        self.with(|disk| disk.trouble.room = bytes);
    }

    pub(crate) fn set_read_only(&self, is_read_only: bool) {
        self.with(|disk| disk.trouble.is_read_only = is_read_only);
    }

    /// Keeps everybody out of the directory whose path ends with this.
    pub(crate) fn close_directory(&self, path: Option<&str>) {
        self.with(|disk| disk.trouble.closed = path.map(str::to_owned));
    }

    fn unmount(&mut self) {
        // Lazily: what still runs in it must not keep it. Its thread ends by
        // itself once nobody holds it open any more.
        if self.session.is_some() {
            let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        }
        drop(self.session.take());
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.unmount();
    }
}
