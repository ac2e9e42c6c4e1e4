//! Power cuts at any moment, where database and folder share a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::faulty::{Faulty, Folding};
use crate::harness::{
    Device, Random, Scratch, check, content, introduce, seed, settle_equal, share, until,
};

/// How often the power goes.
const CUTS: usize = 40;

/// How many changes the disk makes at the most from one cut to the next.
const CHANGES: u64 = 1_500;

/// How many files the first pull is of, and how often it is cut short.
const FIRST_PULL: usize = 400;
const FIRST_CUTS: usize = 12;

/// How long it waits for them.
const PATIENCE: Duration = Duration::from_millis(1_000);

type Digest = [u8; 32];

/// Ada on a real disk; Bob, home and folder, on one that loses power.
fn devices(scratch: &Scratch) -> Option<(Device, Device, Faulty)> {
    let disk = Faulty::new(&scratch.join("bob"), Folding::Exact)?;
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    for device in [&ada, &bob] {
        // What a busy person changes in a minute here is much of this folder.
        device.configure_folders("mass_change = \"off\"");
        for name in ["ada", "bob"] {
            fs::create_dir_all(device.path("notes").join(name)).unwrap();
        }
    }
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    disk.sync();
    Some((ada, bob, disk))
}

/// P4, I3: directories and symlinks that were told to another device are there
/// after a power cut, though nobody but driftless has synced them.
#[test]
fn p4_directories_and_links_that_were_told_survive_a_power_cut() {
    let mut random = Random::new(seed());
    let scratch = Scratch::new();
    let Some((ada, mut bob, mut disk)) = devices(&scratch) else { return };
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fs::create_dir_all(there.join("new/deeper/deepest")).unwrap();
    fs::write(there.join("new/deeper/file"), "at home").unwrap();
    std::os::unix::fs::symlink("new/deeper/file", there.join("link")).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    disk.cut();
    bob.kill();
    disk.restore(&mut random);
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    assert!(here.join("new/deeper/deepest").is_dir());
    assert_eq!(fs::read(here.join("new/deeper/file")).unwrap(), b"at home");
    assert_eq!(fs::read_link(here.join("link")).unwrap(), Path::new("new/deeper/file"));
    drop(bob);
    drop(disk);
}

/// P6, P1, P2, I4: however often the power goes while a folder is pulled for the first
/// time, what is not there yet is never taken for deleted.
#[test]
fn p6_power_cuts_during_the_first_pull_delete_nothing() {
    let mut random = Random::new(seed());
    let scratch = Scratch::new();
    let Some(mut disk) = Faulty::new(&scratch.join("bob"), Folding::Exact) else { return };
    let (mut ada, mut bob) = (Device::new(&scratch, "ada"), Device::new(&scratch, "bob"));
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    disk.sync();
    for number in 0..FIRST_PULL {
        let directory = ada.path("notes").join(format!("directory {}", number % 20));
        fs::create_dir_all(&directory).unwrap();
        let name = format!("file {number}");
        fs::write(directory.join(&name), content(&name, 6_000)).unwrap();
    }
    let before = files_below(&ada.path("notes"));
    ada.start();
    for _ in 0..FIRST_CUTS {
        disk.cut_after(1 + random.below(CHANGES));
        let _ = bob.try_start();
        wait_for_cut(&disk);
        disk.cut();
        if bob.is_running() {
            bob.kill();
        }
        disk.restore(&mut random);
        for (path, digest) in files_below(&bob.path("notes")) {
            if !path.starts_with(".driftless") {
                assert_eq!(before.get(&path), Some(&digest), "{}", path.display());
            }
        }
    }
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    let after = files_below(&ada.path("notes"));
    assert!(before.iter().all(|(path, digest)| after.get(path) == Some(digest)));
    assert_eq!(ada.conflicts("notes"), []);
    drop(bob);
    drop(disk);
}

/// Waits until the power has gone, or the disk rests.
fn wait_for_cut(disk: &Faulty) {
    let deadline = Instant::now() + PATIENCE;
    until(2 * PATIENCE, "the power goes", || {
        check(disk.is_cut() || Instant::now() >= deadline, String::new)
    });
}

/// One of a person's documents.
struct Document {
    path: PathBuf,
    digest: Digest,
    /// Whether it was made to outlast a power cut, in this state.
    is_saved: bool,
    /// What the path holds until a careful save is through.
    before: Option<Digest>,
}

/// One person at one device, who touches nothing of the other's.
struct Person {
    root: PathBuf,
    name: &'static str,
    documents: BTreeMap<u64, Document>,
    counter: u64,
    /// All that they ever wrote.
    written: BTreeSet<Digest>,
}

impl Person {
    fn new(device: &Device, name: &'static str) -> Self {
        let root = device.path("notes").join(name);
        let (documents, written) = (BTreeMap::new(), BTreeSet::new());
        Self { root, name, documents, counter: 0, written }
    }

    /// Does one thing: saves with care or without, renames or deletes. An
    /// error is the power's.
    fn act(&mut self, random: &mut Random) -> io::Result<()> {
        self.counter += 1;
        let nth = random.below(self.documents.len().max(1) as u64) as usize;
        let known = self.documents.keys().nth(nth).copied();
        match (random.below(12), known) {
            (0, Some(id)) => self.delete(id),
            (1 | 2, Some(id)) => self.rename(id),
            (what, known) => {
                let id = known.filter(|_| what < 7).unwrap_or(self.counter);
                let size = if what == 11 { 400_000 } else { 9_000 };
                let bytes = content(&format!("{}'s write {}", self.name, self.counter), size);
                self.written.insert(digest_of(&bytes));
                self.write(id, bytes, what % 2 == 0)
            }
        }
    }

    fn write(&mut self, id: u64, content: Vec<u8>, with_care: bool) -> io::Result<()> {
        let known = self.documents.get(&id);
        let path = known.map(|document| document.path.clone());
        let path = path.unwrap_or_else(|| self.root.join(format!("document {id}")));
        let before = known.filter(|known| with_care && known.is_saved).map(|known| known.digest);
        let digest = digest_of(&content);
        let document = Document { path: path.clone(), digest, is_saved: false, before };
        self.documents.insert(id, document);
        if !with_care {
            return fs::write(path, content);
        }
        let beside = path.with_extension("tmp");
        let mut file = File::create(&beside)?;
        file.write_all(&content)?;
        file.sync_all()?;
        fs::rename(beside, path)?;
        self.sync_names()?;
        self.saved(id);
        Ok(())
    }

    fn saved(&mut self, id: u64) {
        if let Some(document) = self.documents.get_mut(&id) {
            document.is_saved = true;
        }
    }

    /// Renames a document. Its content outlasts a cut as before, under one of the names.
    fn rename(&mut self, id: u64) -> io::Result<()> {
        let to = self.root.join(format!("renamed {}", self.counter));
        let Some(document) = self.documents.get_mut(&id) else { return Ok(()) };
        let from = std::mem::replace(&mut document.path, to.clone());
        fs::rename(from, to)
    }

    fn delete(&mut self, id: u64) -> io::Result<()> {
        match self.documents.remove(&id) {
            Some(document) => fs::remove_file(document.path),
            None => Ok(()),
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }

    /// After a cut, forgets documents that had not been made to outlast it and
    /// did not; others have to be there. `elsewhere` is what other devices
    /// had: what they were told of outlasts a cut, too.
    fn look_after_cut(&mut self, elsewhere: &BTreeMap<PathBuf, Digest>) {
        let left = files_below(&self.root);
        let at: BTreeMap<Digest, PathBuf> =
            left.into_iter().map(|(path, digest)| (digest, self.root.join(path))).collect();
        let told: BTreeSet<&Digest> = elsewhere.values().collect();
        self.documents.retain(|id, document| {
            let is_promised = document.is_saved || told.contains(&document.digest);
            let left = [Some(document.digest), document.before]
                .into_iter()
                .flatten()
                .find_map(|digest| Some((digest, at.get(&digest)?)));
            let is_lost = match left {
                Some((digest, _)) => is_promised && digest != document.digest,
                None => is_promised || document.before.is_some(),
            };
            let path = document.path.display();
            assert!(!is_lost, "document {id} is lost (saved: {}): {path}", document.is_saved);
            if let Some((digest, path)) = left {
                let (path, is_saved, before) = (path.clone(), true, None);
                *document = Document { path, digest, is_saved, before };
            }
            left.is_some()
        });
        // What the power left is what this person goes on from.
        rustix::fs::fsync(File::open(&self.root).unwrap()).unwrap();
    }

    fn finds_everything_in(&self, root: &Path) {
        let found = files_below(root);
        for document in self.documents.values() {
            let name = document.path.strip_prefix(&self.root).unwrap();
            assert_eq!(
                found.get(name),
                Some(&document.digest),
                "{} in {}",
                name.display(),
                root.display()
            );
        }
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    blake3::hash(bytes).into()
}

/// The digests of the files below a directory, by path.
fn files_below(root: &Path) -> BTreeMap<PathBuf, Digest> {
    let mut files = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), digest_of(&bytes));
            }
        }
    }
    files
}

/// P4, P5, P6, P7, P13, P14, I1, I2, I3: whatever a power cut leaves, every file
/// that driftless put in place is whole, what was told to the other device or
/// saved with care is there, no zeros take the place of a good copy without it
/// being kept, and in the end both devices hold the same without a conflict.
#[test]
fn p4_forty_power_cuts_lose_nothing_that_was_saved_or_told() {
    let mut random = Random::new(seed());
    let scratch = Scratch::new();
    let Some((ada, mut bob, mut disk)) = devices(&scratch) else { return };
    let mut here = Person::new(&ada, "ada");
    let mut there = Person::new(&bob, "bob");
    let mut kept_by_ada = BTreeSet::new();
    for cut in 0..CUTS {
        disk.cut_after(1 + random.below(CHANGES));
        if !bob.is_running() && bob.try_start().is_err() {
            assert!(disk.is_cut(), "the daemon does not start after cut {cut}");
        }
        let deadline = Instant::now() + PATIENCE;
        while !disk.is_cut() && Instant::now() < deadline {
            here.act(&mut random).unwrap();
            if let Err(error) = there.act(&mut random) {
                assert!(disk.is_cut(), "{error}");
            }
        }
        disk.cut();
        if bob.is_running() {
            bob.kill();
        }
        let on_ada = files_below(&ada.path("notes").join("bob"));
        disk.restore(&mut random);
        println!("cut {cut}");
        for (path, digest) in files_below(&bob.path("notes").join("ada")) {
            // A careless write empties a file before it fills it.
            let is_whole = here.written.contains(&digest) || digest == digest_of(&[]);
            assert!(is_whole, "{} is not whole", path.display());
        }
        there.look_after_cut(&on_ada);
        kept_by_ada.extend(on_ada.into_values());
    }
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    for device in [&ada, &bob] {
        here.finds_everything_in(&device.path("notes").join("ada"));
        there.finds_everything_in(&device.path("notes").join("bob"));
        assert_eq!(device.conflicts("notes"), []);
        for surprise in ["breaks the rules", "rolled back", "damaged", "set aside"] {
            assert!(!device.logged().contains(surprise), "{} logged: {surprise}", device.name());
        }
    }
    let reachable: BTreeSet<_> = files_below(&ada.path("notes")).into_values().collect();
    let lost = kept_by_ada.difference(&reachable).count();
    assert_eq!(lost, 0, "versions that ada had and has no more");
    drop(bob);
    drop(disk);
}
