//! What the tests stand on: devices, the places they live in, and looking at them.

mod device;
mod lan;
mod mount;
mod random;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) use device::{Call, Device, append_to};
pub(crate) use lan::Lan;
pub(crate) use mount::Mount;
pub(crate) use random::{Random, content, seed};
pub(crate) use tree::{Tree, assert_same, bytes_on_disk};

/// How long anything may take that should happen soon, on a machine that is busy.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Between two looks at something that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// A directory on a real disk; removed with its last clone, unless the test failed.
#[derive(Clone)]
pub(crate) struct Scratch(Arc<Kept>);

struct Kept(Option<TempDir>);

impl Scratch {
    pub(crate) fn new() -> Self {
        let within = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dir = tempfile::Builder::new().prefix("e2e-").tempdir_in(within).unwrap();
        Self(Arc::new(Kept(Some(dir))))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.0.as_ref().expect("taken only when dropped").path()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(dir) = self.0.take().filter(|_| std::thread::panicking()) {
            eprintln!("everything is kept in {}", dir.keep().display());
        }
    }
}

/// Looks again and again until `look` gives something. What it says when it
/// does not is what the test fails with once `limit` has passed.
pub(crate) fn until<T>(limit: Duration, what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    until_every(LOOK_AGAIN, limit, what, look)
}

/// [`until`] with the time between two looks.
pub(crate) fn until_every<T>(
    pause: Duration,
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) if Instant::now() >= deadline => {
                panic!("not within {limit:?}: {what}\nthe last look found: {seen}")
            }
            Err(_) => std::thread::sleep(pause),
        }
    }
}

/// Says what was found instead, unless `holds`.
pub(crate) fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Two running devices that share the folder `notes`.
pub(crate) fn two_devices(scratch: &Scratch) -> (Device, Device) {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    ada.start();
    bob.start();
    settle("notes", &[&ada, &bob]);
    (ada, bob)
}

/// Two devices on a network that found each other by mDNS, were paired by a
/// code, and share `notes`.
pub(crate) fn neighbours(scratch: &Scratch, lan: &Lan) -> (Device, Device) {
    let [mut ada, mut bob] = [("ada", 1), ("bob", 2)]
        .map(|(name, number)| Device::on_lan(scratch, name, lan.namespace(number)));
    ada.start();
    bob.start();
    let shown = ada.show_code();
    bob.ok(&["pair", &shown.code]);
    assert_eq!(shown.finish().code, Some(0));
    share("notes", &[&ada, &bob]);
    settle("notes", &[&ada, &bob]);
    (ada, bob)
}

/// Makes two devices known to each other, with their addresses.
pub(crate) fn introduce(one: &Device, other: &Device) {
    for (here, there) in [(one, other), (other, one)] {
        let named = ["device", "add", there.id(), "--name", there.name()];
        here.ok(&[&named[..], &["--address", there.address()]].concat());
    }
}

/// Adds a folder on all of these devices, each sharing it with the others.
pub(crate) fn share(folder: &str, devices: &[&Device]) {
    for here in devices {
        let others = devices.iter().filter(|device| device.id() != here.id());
        here.add_folder(folder, &others.map(|device| device.name()).collect::<Vec<_>>(), &[]);
    }
}

/// Waits until all that any of the devices has is on all of them. They are
/// given in an order in which each is connected to the next.
pub(crate) fn settle(folder: &str, devices: &[&Device]) {
    for pair in devices.windows(2) {
        connected(pair[0], pair[1]);
    }
    // Counted in copies, as a device that is not connected at this moment counts, too.
    for device in devices.iter().chain(devices.iter().rev().skip(1)) {
        let others = device.folder(folder)["devices"].as_array().unwrap().len();
        let copies = (others + 1).to_string();
        device.ok(&["wait", folder, "--copies", &copies, "--timeout", "180"]);
    }
}

/// Waits until both devices say that they are connected.
pub(crate) fn connected(one: &Device, other: &Device) {
    for (here, there) in [(one, other), (other, one)] {
        let what = format!("{} is connected to {}", here.name(), there.name());
        until(SOON, &what, || check(here.is_connected_to(there), || here.status().to_string()));
    }
}

/// Settles and finds the folder the same on all devices, and up to date.
pub(crate) fn settle_equal(folder: &str, devices: &[&Device]) {
    settle(folder, devices);
    for pair in devices.windows(2) {
        assert_same(&pair[0].path(folder), &pair[1].path(folder));
    }
    for device in devices {
        device.reaches(folder, "up-to-date");
    }
}
