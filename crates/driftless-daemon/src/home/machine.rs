//! On which computer a home lives, so that a copy of it elsewhere is noticed (P11).
//!
//! The home keeps a hash of the computer's own ID, keyed with the device's, which
//! tells nobody which computer it is. Decides only whether the home is elsewhere;
//! what follows is in `rekey`. A computer without an ID is never elsewhere, and
//! neither is a container, whose ID is that of an image.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use driftless_core::DeviceId;

use super::{Home, open_private};

/// Where systems keep their computer's ID, in order of preference.
const SOURCES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// What shows that this is a container.
const CONTAINER: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// What stands in for an ID that is yet to be drawn, by systemd's rules.
const UNSET: &str = "uninitialized";

/// The longest ID that is taken for one, in bytes; systemd's have 32 digits.
const MAX_BYTES: usize = 256;

/// The ID of this computer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MachineId(String);

impl MachineId {
    /// Reads the ID from `file`, or from where the system keeps it. `None` where
    /// there is none that would mean this computer.
    pub(crate) fn read(file: Option<&Path>) -> Option<Self> {
        let sources = match file {
            Some(file) => vec![file.to_owned()],
            None if CONTAINER.iter().any(|sign| Path::new(sign).exists()) => Vec::new(),
            None => SOURCES.map(PathBuf::from).to_vec(),
        };
        sources.iter().find_map(|source| {
            let text = fs::read_to_string(source).ok()?;
            let id = text.trim();
            let is_id = !id.is_empty() && id.len() <= MAX_BYTES && id != UNSET;
            is_id.then(|| Self(id.to_owned()))
        })
    }

    /// What the home of `device` keeps of it.
    fn mark(&self, device: &DeviceId) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("driftless 2026 machine of a home");
        hasher.update(device.as_bytes()).update(self.0.as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

impl Home {
    pub(super) fn machine_file(&self) -> PathBuf {
        self.path().join("machine")
    }

    /// Whether the home, as `device`, was on another computer before.
    ///
    /// # Errors
    ///
    /// The home's note cannot be read, so that nobody knows.
    pub(crate) fn is_elsewhere(&self, device: &DeviceId, machine: &MachineId) -> io::Result<bool> {
        match fs::read_to_string(self.machine_file()) {
            Ok(known) => Ok(known.trim() != machine.mark(device)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes durably that the home, as `device`, is on this computer.
    ///
    /// # Errors
    ///
    /// The note cannot be written.
    pub(crate) fn settle_on(&self, device: &DeviceId, machine: &MachineId) -> io::Result<()> {
        let mark = format!("{}\n", machine.mark(device));
        if fs::read_to_string(self.machine_file()).is_ok_and(|known| known == mark) {
            return Ok(());
        }
        self.write_note(&self.machine_file(), &mark)
    }

    /// Replaces a small file as a whole, durably.
    pub(super) fn write_note(&self, file: &Path, text: &str) -> io::Result<()> {
        let fresh = file.with_extension("new");
        let mut open = open_private(&fresh)?;
        open.set_len(0)?;
        open.write_all(text.as_bytes())?;
        open.sync_all()?;
        fs::rename(&fresh, file)?;
        fs::File::open(self.path())?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_without_an_id_is_not_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("machine-id");
        let read = || MachineId::read(Some(&file));
        assert!(read().is_none(), "absent");
        for nothing in ["", "\n", "uninitialized\n", &"x".repeat(300)] {
            fs::write(&file, nothing).unwrap();
            assert!(read().is_none(), "{nothing:?}");
        }
        fs::write(&file, "3d1219c7\n").unwrap();
        assert!(read().unwrap() == MachineId("3d1219c7".to_owned()));
    }

    /// P11: the note is of one device on one computer.
    #[test]
    fn p11_a_home_is_elsewhere_when_the_computer_is_another_than_noted() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(directory.path().join("home"))).unwrap();
        let device = DeviceId::from_bytes([1; 32]);
        let [here, there] = ["here", "there"].map(|id| MachineId(id.to_owned()));
        assert!(!home.is_elsewhere(&device, &here).unwrap(), "nothing was noted yet");
        home.settle_on(&device, &here).unwrap();
        assert!(!home.is_elsewhere(&device, &here).unwrap());
        assert!(home.is_elsewhere(&device, &there).unwrap());
        assert!(home.is_elsewhere(&DeviceId::from_bytes([2; 32]), &here).unwrap());
    }
}
