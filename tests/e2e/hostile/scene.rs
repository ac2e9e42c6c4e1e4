//! Ada, who is attacked; Bob, who is honest; Eve, who is paired with both.

use std::fs;
use std::path::{Path, PathBuf};

use driftless_core::{
    Author, BlockHash, Content, ContentId, DeviceId, FileRecord, Level, RelPath, VersionVector,
};

use super::evil::Evil;
use crate::harness::{Device, SOON, Scratch, Tree, check, connected, introduce, until};

/// A daemon's memory may grow by so much during an attack, in KiB.
const MAY_GROW_KIB: u64 = 128 << 10;

/// Two honest devices that share `notes` with each other and an evil one.
pub(crate) struct Scene {
    pub(crate) ada: Device,
    pub(crate) bob: Device,
    pub(crate) eve: Evil,
    outside: PathBuf,
    before: Tree,
    idle_kib: u64,
    number: u32,
}

impl Scene {
    /// All of them run; Eve has not connected yet.
    pub(crate) fn new(scratch: &Scratch) -> Self {
        let mut scene = Self::asleep(scratch);
        scene.bob.start();
        scene.wake_ada();
        scene
    }

    /// Ada and Bob do not run yet. Eve's ID is the lowest, so that she is asked first.
    pub(crate) fn asleep(scratch: &Scratch) -> Self {
        let (ada, bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
        let eve = Evil::new(scratch, "eve", Some(bob.id()));
        introduce(&ada, &bob);
        for (here, there) in [(&ada, &bob), (&bob, &ada)] {
            here.ok(&["device", "add", &eve.id(), "--name", "eve"]);
            here.add_folder("notes", &[there.name(), "eve"], &[]);
        }
        fs::write(ada.path("notes").join("kept.txt"), "as it was").unwrap();
        let outside = scratch.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret.txt"), "nobody's business").unwrap();
        let before = Tree::of(&outside);
        Self { ada, bob, eve, outside, before, idle_kib: 0, number: 0 }
    }

    /// Starts Ada, and waits until Bob has what she has.
    pub(crate) fn wake_ada(&mut self) {
        self.ada.start();
        connected(&self.ada, &self.bob);
        self.still_syncs();
        self.begins();
    }

    /// From now on Ada's memory is watched.
    pub(crate) fn begins(&mut self) {
        self.idle_kib = memory_kib(&self.ada, "VmRSS");
    }

    /// A directory that nobody may read or write from the folder.
    pub(crate) fn outside(&self) -> &Path {
        &self.outside
    }

    /// What Bob writes still comes to Ada.
    pub(crate) fn still_syncs(&mut self) {
        self.number += 1;
        let name = format!("honest-{}.txt", self.number);
        fs::write(self.bob.path("notes").join(&name), &name).unwrap();
        until(SOON, "ada has what bob wrote", || {
            let found = fs::read_to_string(self.ada.path("notes").join(&name));
            check(found.is_ok_and(|text| text == name), || self.ada.status().to_string())
        });
    }

    /// Ada lives and did not panic, nothing outside changed, what was hers is
    /// as it was, and she goes on syncing with Bob.
    pub(crate) fn is_unharmed(&mut self) {
        self.is_unharmed_within(MAY_GROW_KIB);
    }

    /// The same, where so much memory is no harm.
    pub(crate) fn is_unharmed_within(&mut self, may_grow_kib: u64) {
        self.still_syncs();
        let log = self.ada.logged();
        assert!(!log.contains("panicked"), "{log}");
        let changed = self.before.differences(&Tree::of(&self.outside));
        assert!(changed.is_empty(), "{changed:?}");
        let kept = fs::read_to_string(self.ada.path("notes").join("kept.txt"));
        assert_eq!(kept.unwrap(), "as it was");
        let grew = self.grew_kib();
        eprintln!("ada's memory grew by {grew} KiB");
        assert!(grew < may_grow_kib, "ada's memory grew by {grew} KiB");
    }

    /// How far Ada's memory has risen at its highest since before the attack, in KiB.
    pub(crate) fn grew_kib(&self) -> u64 {
        assert!(self.idle_kib > 0, "the attack began once she was awake");
        memory_kib(&self.ada, "VmHWM").saturating_sub(self.idle_kib)
    }
}

/// What the kernel says of a daemon's memory, in KiB: `VmRSS` now, `VmHWM` at its highest.
pub(crate) fn memory_kib(device: &Device, key: &str) -> u64 {
    let status = fs::read_to_string(process_of(device).join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// Where the kernel describes a device's daemon.
pub(crate) fn process_of(device: &Device) -> PathBuf {
    let home = device.home().to_str().unwrap().to_owned();
    let is_daemon = |place: &PathBuf| {
        let line = fs::read(place.join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.next().is_some_and(|program| program.ends_with(b"driftless"))
            && words.next() == Some(b"--home".as_slice())
            && words.next() == Some(home.as_bytes())
            && words.next() == Some(b"daemon".as_slice())
    };
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.into_iter().find(is_daemon).expect("its daemon runs")
}

/// A path that is one.
pub(crate) fn path(text: &str) -> RelPath {
    RelPath::parse(text).unwrap()
}

/// What Eve says to have written: the first edit of whatever it is.
pub(crate) fn record(eve: DeviceId, content: Content) -> FileRecord {
    let version = VersionVector::from_counters(vec![(Author(0xe7e), 1)]).unwrap();
    let device = eve;
    let (previous, changed_ms, moved_from, policy_rounds) = (None, 0, None, 0);
    FileRecord { version, content, previous, device, changed_ms, moved_from, policy_rounds }
}

/// A file of one block with these bytes.
pub(crate) fn file_of(bytes: &[u8]) -> Content {
    file(ContentId::from_bytes(*BlockHash::of(bytes).as_bytes()), bytes.len() as u64)
}

/// A file of this content and size.
pub(crate) fn file(content: ContentId, size_bytes: u64) -> Content {
    Content::File { content, size_bytes, level: Level::default(), mode: 0o644, mtime_ns: 1 }
}
