//! A small file system of its own, in memory.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs; unmounted when dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts an empty file system of so many MiB at `path`, which is made;
    /// `None`, and says so, where this process may not.
    pub(crate) fn new(path: &Path, size_mib: u32) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let options = format!("size={size_mib}m,mode=0755");
        let allowed = rustix::process::geteuid().is_root()
            && mount(&["-t", "tmpfs", "-o", &options, "driftless-e2e"], path);
        if !allowed {
            eprintln!("passed over: mounting needs root");
            return None;
        }
        Some(Self(path.to_owned()))
    }

    /// Mounts it anew, read-only or not.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        let option = if read_only { "remount,ro" } else { "remount,rw" };
        assert!(mount(&["-o", option], &self.0), "cannot mount {} anew", self.0.display());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: what still runs in it must not keep it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    Command::new("mount").args(arguments).arg(path).status().is_ok_and(|status| status.success())
}
