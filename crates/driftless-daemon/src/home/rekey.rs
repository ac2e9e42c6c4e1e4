//! Making a home another device: a new key, and indexes that begin anew.
//!
//! What a copied index remembers of itself is also remembered, and gone on with,
//! by the home that it was copied from: its sequences and counters would name two
//! states. And a copy of a home need not be of the same moment as the copies of
//! its folders. So nothing of the indexes is taken over: they are set aside and
//! made anew from the files, under an ancestry that nobody knows. What is equal
//! elsewhere is no conflict, and what differs is kept twice (P8, P11).
//!
//! A new key that waits beside the old one is the intent, and is durable before
//! anything else changes. Whatever interrupts the rest, the next start finishes
//! it before it opens or announces anything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use driftless_core::DeviceId;
use driftless_net::{Identity, IdentityError};

use super::{Home, MachineId};
use crate::clock::now_ms;

/// Why a home became another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Because {
    /// It was found on another computer.
    Copied,
    /// A person asked for it.
    Asked,
}

impl Because {
    const fn word(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Asked => "asked",
        }
    }
}

/// Why a home did not become another device.
#[derive(Debug, thiserror::Error)]
pub enum RekeyError {
    /// The new key could not be made, or the old one not read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A file of the home could not be read, written or set aside. What is missing
    /// is made up for at the next start.
    #[error("cannot give the home another identity: {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> RekeyError + '_ {
    |source| RekeyError::Io { path: path.to_owned(), source }
}

impl Home {
    fn next_key_file(&self) -> PathBuf {
        self.path().join("device.pem.next")
    }

    fn renewed_file(&self) -> PathBuf {
        self.path().join("renewed")
    }

    /// Draws the key that the home has from the next start of its daemon on, and
    /// returns the device that it is then. Asked again before that, it is the same.
    ///
    /// # Errors
    ///
    /// The key cannot be drawn or written; nothing has changed then.
    pub fn renew_identity(&self) -> Result<DeviceId, RekeyError> {
        Ok(Identity::load_or_create(&self.next_key_file())?.device_id())
    }

    /// The home's identity once everything that waits for a start is done: a home
    /// that was copied here, or is to have another key, becomes another device.
    /// Call under the home's lock, before an index is opened.
    ///
    /// With `check` off, a home that was moved stays who it is.
    ///
    /// # Errors
    ///
    /// See [`RekeyError`]. What was begun is finished by the next call.
    pub(crate) fn settle_identity(
        &self,
        machine: Option<&MachineId>,
        check: bool,
    ) -> Result<Identity, RekeyError> {
        let key = |file: PathBuf| file.exists().then(|| Identity::load(&file)).transpose();
        let (old, next) = (key(self.key_file())?, key(self.next_key_file())?);
        let [old, next] = [old, next].map(|key| key.map(|identity| identity.device_id()));
        let mut because = Because::Asked;
        if check && self.was_copied(&[old, next], machine)? {
            because = Because::Copied;
            if next.is_some() {
                // Drawn where the home was copied from, and in use there.
                let path = self.next_key_file();
                fs::remove_file(&path).map_err(failed(&path))?;
            }
            let device = self.renew_identity()?;
            tracing::warn!(
                device = %device.short(),
                "this home was copied from another computer; it becomes a new device"
            );
        }
        if self.next_key_file().exists() {
            self.finish(old, because, machine)?;
        }
        let identity = self.identity()?;
        if let Some(machine) = machine {
            let note = self.machine_file();
            self.settle_on(&identity.device_id(), machine).map_err(failed(&note))?;
        }
        Ok(identity)
    }

    /// Whether none of the devices that the home is, or is about to be, is noted
    /// to live on this computer.
    fn was_copied(
        &self,
        devices: &[Option<DeviceId>],
        machine: Option<&MachineId>,
    ) -> Result<bool, RekeyError> {
        let Some(machine) = machine else { return Ok(false) };
        let mut known = devices.iter().flatten().peekable();
        if known.peek().is_none() {
            return Ok(false);
        }
        for device in known {
            let note = self.machine_file();
            if !self.is_elsewhere(device, machine).map_err(failed(&note))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Every step may be repeated; the last but one ends the old device.
    fn finish(
        &self,
        old: Option<DeviceId>,
        because: Because,
        machine: Option<&MachineId>,
    ) -> Result<(), RekeyError> {
        let new = self.renew_identity()?;
        let note = self.renewed_file();
        if self.renewed().is_none_or(|(known, _)| known != new.to_string()) {
            let text = format!("{new} {}\n", because.word());
            self.write_note(&note, &text).map_err(failed(&note))?;
        }
        let suffix = format!("until-{}", now_ms());
        self.set_indexes_aside(&suffix)?;
        if let Some(machine) = machine {
            self.settle_on(&new, machine).map_err(failed(&self.machine_file()))?;
        }
        let key = self.key_file();
        if old.is_some_and(|old| old != new) {
            let aside = self.path().join(format!("device.pem.{suffix}"));
            fs::rename(&key, &aside).map_err(failed(&aside))?;
            tracing::info!(key = %aside.display(), "the key until now is kept");
        }
        fs::rename(self.next_key_file(), &key).map_err(failed(&key))?;
        let synced = fs::File::open(self.path()).and_then(|directory| directory.sync_all());
        synced.map_err(failed(self.path()))
    }

    fn set_indexes_aside(&self, suffix: &str) -> Result<(), RekeyError> {
        let directory = self.index_dir();
        for entry in fs::read_dir(&directory).map_err(failed(&directory))? {
            let path = entry.map_err(failed(&directory))?.path();
            if path.extension().is_some_and(|extension| extension == "db") {
                driftless_store::quarantine(&path, suffix).map_err(failed(&path))?;
            }
        }
        Ok(())
    }

    /// The ID that the home became, and why, until [`Home::forget_renewal`].
    pub(crate) fn renewed(&self) -> Option<(String, Because)> {
        let text = fs::read_to_string(self.renewed_file()).ok()?;
        let (device, word) = text.trim().split_once(' ')?;
        let because = [Because::Copied, Because::Asked];
        let because = because.into_iter().find(|because| because.word() == word)?;
        Some((device.to_owned(), because))
    }

    /// Nobody needs to be told any more that the home is another device.
    pub(crate) fn forget_renewal(&self) {
        match fs::remove_file(self.renewed_file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "cannot remove a note from the home");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(directory: &tempfile::TempDir, id: &str) -> MachineId {
        let file = directory.path().join(id);
        fs::write(&file, id).unwrap();
        MachineId::read(Some(&file)).unwrap()
    }

    fn scene() -> (tempfile::TempDir, Home, [MachineId; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(directory.path().join("home"))).unwrap();
        let machines = ["here", "there"].map(|id| machine(&directory, id));
        (directory, home, machines)
    }

    fn settled(home: &Home, machine: Option<&MachineId>, check: bool) -> DeviceId {
        home.settle_identity(machine, check).unwrap().device_id()
    }

    /// P11: a home stays a device for as long as it stays on one computer, or
    /// nothing is known of the computer, or a person says that it was moved.
    #[test]
    fn p11_a_home_on_another_computer_is_another_device_unless_it_was_moved() {
        let (_directory, home, [here, there]) = scene();
        let first = settled(&home, Some(&here), true);
        assert_eq!(settled(&home, Some(&here), true), first);
        assert_eq!(settled(&home, None, true), first, "nothing is known of the computer");
        assert_eq!(settled(&home, Some(&there), false), first, "moved");
        assert_eq!(settled(&home, Some(&there), true), first, "it lives there now");
        assert_eq!(home.renewed(), None);

        let second = settled(&home, Some(&here), true);
        assert_ne!(second, first);
        assert_eq!(home.renewed(), Some((second.to_string(), Because::Copied)));
        assert_eq!(settled(&home, Some(&here), true), second);
        home.forget_renewal();
        assert_eq!(home.renewed(), None);
    }

    /// P11: a home that was copied while it got another key has neither of both.
    #[test]
    fn p11_a_key_that_waits_is_not_taken_over_by_a_copy() {
        let (_directory, home, [here, there]) = scene();
        let first = settled(&home, Some(&here), true);
        let next = home.renew_identity().unwrap();
        let third = settled(&home, Some(&there), true);
        assert!(![first, next].contains(&third));
    }

    /// P11, I10: wherever it is interrupted, no index outlives the key that it was
    /// made under, and the old key is kept.
    #[test]
    fn p11_what_was_begun_is_finished_by_the_next_start() {
        let (_directory, home, [here, _]) = scene();
        let first = settled(&home, Some(&here), true);
        let index = home.index_dir().join("notes.db");
        for interrupted in 0..3 {
            let before = home.identity().unwrap().device_id();
            fs::write(&index, "an index").unwrap();
            let next = home.renew_identity().unwrap();
            assert_eq!(home.renew_identity().unwrap(), next);
            assert_eq!(home.identity().unwrap().device_id(), before, "not before the next start");
            if interrupted > 0 {
                home.set_indexes_aside(&format!("interrupted-{interrupted}")).unwrap();
                home.settle_on(&next, &here).unwrap();
            }
            if interrupted > 1 {
                fs::rename(home.key_file(), home.path().join("device.pem.until-then")).unwrap();
            }
            assert_eq!(settled(&home, Some(&here), true), next);
            assert!(!index.exists() && !home.next_key_file().exists());
            assert_eq!(home.renewed().unwrap().0, next.to_string());
        }
        let keys = fs::read_dir(home.path()).unwrap().filter_map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name()?.to_str()?;
            name.starts_with("device.pem.until-").then(|| Identity::load(&path).unwrap())
        });
        let kept: Vec<_> = keys.map(|identity| identity.device_id()).collect();
        assert!(kept.contains(&first), "{kept:?}");
    }
}
