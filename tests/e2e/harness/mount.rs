//! A small file system of its own: in memory, or of a kind of one's choice in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{SOON, check, until};

/// A mounted file system; unmounted when dropped.
pub(crate) struct Mount {
    path: PathBuf,
    /// The file that holds it, unless it is in memory.
    image: Option<PathBuf>,
}

impl Mount {
    /// Mounts an empty file system of so many MiB at `path`, which is made;
    /// `None`, and says so, where this process may not.
    pub(crate) fn new(path: &Path, size_mib: u32) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let options = format!("size={size_mib}m,mode=0755");
        let allowed = rustix::process::geteuid().is_root()
            && mount(&["-t", "tmpfs", "-o", &options, "driftless-e2e"], path);
        Self { path: path.to_owned(), image: None }.if_allowed(allowed)
    }

    /// As [`Mount::new`], of a kind that lives on a disk, such as `ext4`.
    pub(crate) fn of_kind(kind: &str, path: &Path, size_mib: u32) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let image = path.with_extension("image");
        File::create(&image).unwrap().set_len(u64::from(size_mib) << 20).unwrap();
        let made = Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image).output();
        let made = made.is_ok_and(|output| output.status.success());
        let disk = Self { path: path.to_owned(), image: Some(image) };
        let allowed = made && rustix::process::geteuid().is_root() && disk.try_mount();
        disk.if_allowed(allowed)
    }

    fn if_allowed(self, allowed: bool) -> Option<Self> {
        if !allowed {
            eprintln!("passed over: mounting needs root, and programs that make file systems");
            return None;
        }
        Some(self)
    }

    fn try_mount(&self) -> bool {
        let image = self.image.as_ref().expect("it is in a file").to_str().unwrap();
        mount(&["-o", "loop", image], &self.path)
    }

    /// Takes it away from its path, as if it were unplugged, whoever uses it.
    pub(crate) fn unmount(&self) {
        let done = Command::new("umount").arg("-l").arg(&self.path).status().unwrap();
        assert!(done.success(), "cannot unmount {}", self.path.display());
    }

    /// Waits until nobody has anything of it open any more; then all that was
    /// written is in its image.
    pub(crate) fn is_at_rest(&self) {
        let image = self.image.as_ref().expect("it is in a file");
        until(SOON, "everyone lets go of the disk", || {
            let users = Command::new("losetup").arg("-j").arg(image).output().unwrap().stdout;
            check(users.is_empty(), || String::from_utf8_lossy(&users).into_owned())
        });
    }

    /// Brings it back once it [is at rest](Mount::is_at_rest).
    pub(crate) fn mount_again(&self) {
        self.is_at_rest();
        assert!(self.try_mount(), "cannot mount {} again", self.path.display());
    }

    /// Mounts it anew, read-only or not.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        let option = if read_only { "remount,ro" } else { "remount,rw" };
        // Refused while a file is open for writing.
        until(SOON, &format!("{option} {}", self.path.display()), || {
            check(mount(&["-o", option], &self.path), || "it is busy".to_owned())
        });
    }

    /// The bytes that can still be written, everything so far being written.
    pub(crate) fn free_bytes(&self) -> u64 {
        rustix::fs::syncfs(File::open(&self.path).unwrap()).unwrap();
        let found = rustix::fs::statvfs(&self.path).unwrap();
        found.f_bavail * found.f_frsize
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: what still runs in it must not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}
