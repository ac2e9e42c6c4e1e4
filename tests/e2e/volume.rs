//! A tree of many real files, changed on both sides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Device, SOON, Scratch, Tree, check, introduce, settle_equal, share, until};
use crate::hostile::scene::memory_kib;

/// How many files there should be at least.
const FILES: usize = 10_000;

/// A directory of sources with more than this in it makes the test slow, in bytes.
const LARGE: u64 = 6 << 20;

/// Where real files are found: documentation, and the sources that this program is built from.
fn sources() -> Vec<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let registries = cargo.map(|cargo| cargo.join("registry/src")).unwrap_or_default();
    let mut packages: Vec<PathBuf> = list(&registries).iter().flat_map(|dir| list(dir)).collect();
    packages.insert(0, PathBuf::from("/usr/share/doc"));
    packages
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn extent(directory: &Path) -> (usize, u64) {
    list(directory).iter().fold((0, 0), |(files, bytes), path| {
        let metadata = fs::symlink_metadata(path).unwrap();
        let (more, size) = if metadata.is_dir() { extent(path) } else { (1, metadata.len()) };
        (files + more, bytes + size)
    })
}

/// Copies real trees until there are enough files.
fn fill(to: &Path) {
    let mut files = 0;
    for source in sources() {
        let (more, bytes) = extent(&source);
        let is_documentation = source.starts_with("/usr");
        if files >= FILES || more == 0 || (bytes > LARGE && !is_documentation) {
            continue;
        }
        let copied = Command::new("cp").arg("-a").args([&source, to]).status().unwrap();
        assert!(copied.success(), "cannot copy {}", source.display());
        files += more;
    }
    // A machine that has neither still gets its files.
    for number in files..FILES {
        let directory = to.join(format!("made/{}", number / 100));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{number}.txt")), format!("file {number}\n")).unwrap();
    }
}

/// The n-th of some directories that hold files, in path order.
fn directories(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for path in list(&directory) {
            let is_own = path.ends_with(".driftless");
            if !is_own && fs::symlink_metadata(&path).unwrap().is_dir() {
                open.push(path.clone());
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut files = list(directory);
    files.retain(|path| fs::symlink_metadata(path).unwrap().is_file());
    files
}

/// Edits, renames, deletes and adds in every `of`-th directory, beginning with
/// the one numbered `from`, so that two devices do not touch the same.
fn change(root: &Path, from: usize, of: usize, mark: &str) {
    let mine: Vec<PathBuf> = directories(root).into_iter().skip(from).step_by(of).collect();
    for (number, directory) in mine.iter().enumerate() {
        let files = files_in(directory);
        match (number % 4, files.first()) {
            (0, Some(file)) => fs::write(file, format!("{mark} rewrote this\n")).unwrap(),
            (1, Some(file)) => {
                fs::rename(file, directory.join(format!("{mark} moved it"))).unwrap()
            }
            (2, Some(file)) => fs::remove_file(file).unwrap(),
            _ => fs::write(directory.join(format!("{mark} was here")), mark).unwrap(),
        }
    }
}

/// I6, C11, C12: a real tree both ways, and everything that people do to one.
#[test]
fn i6_ten_thousand_real_files_end_the_same_on_both_sides_and_stay_silent_over_a_restart() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = (Device::new(&scratch, "ada"), Device::new(&scratch, "bob"));
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fill(&here);
    fs::create_dir(there.join("from bob")).unwrap();
    for number in 0..500 {
        fs::write(there.join(format!("from bob/{number}")), format!("bob {number}")).unwrap();
    }
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    assert!(Tree::of(&there).len() >= FILES + 500);

    // Both sides at once: the first quarter of all directories is Ada's, and so on.
    change(&here, 0, 8, "ada");
    change(&there, 4, 8, "bob");
    settle_equal("notes", &[&ada, &bob]);

    // Whole directories: one moves, one goes, two files change places.
    fs::rename(there.join("from bob"), there.join("moved by bob")).unwrap();
    let is_leaf = |dir: &PathBuf| files_in(dir).len() > 2 && !dir.ends_with("from bob");
    let leaf = directories(&here).into_iter().rev().find(is_leaf).unwrap();
    let [one, other] = [0, 1].map(|n| files_in(&leaf)[n].clone());
    let aside = leaf.join("aside");
    fs::rename(&one, &aside).unwrap();
    fs::rename(&other, &one).unwrap();
    fs::rename(&aside, &other).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    assert!(here.join("moved by bob/499").is_file() && !here.join("from bob").exists());
    assert_eq!(ada.conflicts("notes"), []);

    let before = Tree::of(&here);
    let sequence = |device: &Device| device.folder("notes")["bytes"].clone();
    let bytes = sequence(&ada);
    ada.stop();
    bob.stop();
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    assert!(before.differences(&Tree::of(&here)).is_empty());
    assert_eq!(sequence(&ada), bytes);
    for device in [&ada, &bob] {
        let events = device.ok(&["events"]);
        let synced = events.lines().filter(|line| line.contains("item-synced"));
        assert_eq!(synced.count(), 0, "a restart has nothing to do on {}", device.name());
    }
}

/// The most that one more folder of a few files may take, in KiB.
const FOLDER_KIB: u64 = 4096;

/// I14: queues have bounds, and take memory for what is in them, not for what could be.
#[test]
fn i14_a_small_folder_takes_little_memory() {
    let scratch = Scratch::new();
    let mut ada = Device::new(&scratch, "ada");
    let memory_with = |ada: &mut Device, folders: std::ops::Range<usize>| {
        let all = folders.end;
        for folder in folders {
            let folder = format!("folder-{folder}");
            ada.add_folder(&folder, &[], &[]);
            fs::write(ada.path(&folder).join("a"), &folder).unwrap();
        }
        ada.start();
        until(SOON, "all folders are up to date", || {
            let status = ada.status();
            let folders = status["folders"].as_array().unwrap().iter();
            let done = folders.filter(|it| it["state"] == "up-to-date" && it["files"] == 1).count();
            check(done == all, || status.to_string())
        });
        let memory = memory_kib(ada, "VmRSS");
        ada.stop();
        memory
    };
    let one = memory_with(&mut ada, 0..1);
    let nine = memory_with(&mut ada, 1..9);
    let each = nine.saturating_sub(one) / 8;
    assert!(each < FOLDER_KIB, "each folder takes {each} KiB more");
}
