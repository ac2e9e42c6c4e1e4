//! Disks that are full, cannot be written, go away or are others.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{
    Device, Mount, SOON, Scratch, Tree, check, introduce, settle_equal, share, two_devices, until,
};

/// Ada on a real disk; Bob's folder on a file system of 6 MiB.
fn devices(scratch: &Scratch) -> Option<(Device, Device, Mount)> {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    let mount = Mount::new(&bob.path("notes"), 6)?;
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    fs::write(ada.path("notes").join("edited"), "as it was").unwrap();
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    Some((ada, bob, mount))
}

fn fill(path: &Path, bytes: usize) {
    let mut content = vec![0; bytes];
    let name = path.as_os_str().as_encoded_bytes();
    blake3::Hasher::new().update(name).finalize_xof().fill(&mut content);
    fs::write(path, content).unwrap();
}

/// D1: what does not fit waits, what is there stays whole, and space lets it go on.
#[test]
fn d1_a_full_disk_makes_the_folder_wait_and_freed_space_lets_it_go_on() {
    let scratch = Scratch::new();
    let Some((ada, bob, mount)) = devices(&scratch) else { return };
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fill(&here.join("1 fits"), 2 << 20);
    settle_equal("notes", &[&ada, &bob]);
    fill(&here.join("2 does not"), 5 << 20);
    fill(&here.join("3 nor small ones"), 3 << 20);
    let problem = bob.has_problem("notes", "disk-full");
    assert!(problem["message"].as_str().unwrap().contains("full"), "{problem}");
    let folder = bob.folder("notes");
    assert_ne!(folder["state"], "up-to-date", "{folder}");
    for name in ["2 does not", "3 nor small ones"] {
        let size = fs::metadata(there.join(name)).map(|metadata| metadata.len());
        let whole = fs::metadata(here.join(name)).unwrap().len();
        assert!(size.as_ref().is_err() || size.as_ref().is_ok_and(|size| *size == whole), "{name}");
    }
    let first = fs::read(there.join("1 fits")).unwrap();
    assert_eq!(first, fs::read(here.join("1 fits")).unwrap());

    // Ada makes room: one of the large files goes, and the others fit.
    fs::remove_file(here.join("2 does not")).unwrap();
    bob.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(bob.folder("notes")["problems"], serde_json::json!([]));
    drop(bob);
    drop(mount);
}

/// D4: a file system that turns read-only is a state, not a deletion or an error without end.
#[test]
fn d4_a_disk_that_turns_read_only_is_reported_and_goes_on_when_it_can_be_written() {
    let scratch = Scratch::new();
    let Some((ada, bob, mount)) = devices(&scratch) else { return };
    mount.set_read_only(true);
    fs::write(ada.path("notes").join("edited"), "edited by ada").unwrap();
    fs::write(ada.path("notes").join("new"), "new").unwrap();
    bob.has_problem("notes", "read-only");
    assert_eq!(fs::read(bob.path("notes").join("edited")).unwrap(), b"as it was");
    assert_eq!(fs::read(ada.path("notes").join("edited")).unwrap(), b"edited by ada");
    mount.set_read_only(false);
    bob.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    drop(bob);
    drop(mount);
}

/// Fills a file system to its last byte.
fn fill_up(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for size in [65_536, 512, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// D1, P7: a database that cannot grow stops its folder, and goes on once it can.
#[test]
fn d1_a_home_on_a_full_disk_loses_nothing_and_goes_on_once_there_is_room() {
    let scratch = Scratch::new();
    let Some(mount) = Mount::new(&scratch.join("bob/home"), 6) else { return };
    let (ada, bob) = two_devices(&scratch);
    fs::write(bob.path("notes").join("by bob"), "by bob").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let ballast = bob.home().join("ballast");
    fill_up(&ballast);
    let here = ada.path("notes");
    fs::write(here.join("by bob"), "edited by ada").unwrap();
    for number in 0..400 {
        fs::write(here.join(format!("a file with a rather long name, {number}")), "x").unwrap();
    }
    fs::write(bob.path("notes").join("by bob, later"), "by bob").unwrap();
    until(SOON, "bob says that there is no room", || {
        let found = bob.folder("notes");
        let says = found["reason"].as_str().is_some_and(|reason| reason.contains("no room"));
        check(says && found["state"] == "stopped", || found.to_string())
    });
    assert_eq!(fs::read(bob.path("notes").join("by bob, later")).unwrap(), b"by bob");
    fs::remove_file(ballast).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    for device in [&ada, &bob] {
        assert_eq!(device.conflicts("notes"), []);
        assert!(!device.logged().contains("damaged"), "full is not damaged");
    }
    drop(bob);
    drop(mount);
}

/// D1, P13: what cannot be kept is not replaced or deleted.
#[test]
fn d1_a_disk_too_full_for_history_keeps_files_where_they_are() {
    let scratch = Scratch::new();
    let Some(mount) = Mount::of_kind("ext4", &scratch.join("bob/notes"), 8) else { return };
    let (ada, bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    // Their directories have yet to be made in history.
    for name in ["deleted", "edited"] {
        fs::create_dir_all(here.join(name).join("deep")).unwrap();
        fs::write(here.join(name).join("deep/file"), "as it was").unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    let ballast = there.join(".driftless/history/ballast");
    fill_up(&ballast);
    fs::remove_dir_all(here.join("deleted")).unwrap();
    fs::write(here.join("edited/deep/file"), "edited").unwrap();
    bob.has_problem("notes", "disk-full");
    let waited = ada.run(&["wait", "notes", "--copies", "2", "--timeout", "2"]);
    assert_ne!(waited.code, Some(0), "{waited:?}");
    for name in ["deleted", "edited"] {
        assert_eq!(fs::read(there.join(name).join("deep/file")).unwrap(), b"as it was", "{name}");
    }
    fs::remove_file(ballast).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    for path in ["deleted/deep/file", "edited/deep/file"] {
        assert_eq!(bob.history("notes", path).len(), 1, "{path}");
    }
    drop(bob);
    drop(mount);
}

/// D6, D7, I4: a disk that is unplugged takes no file with it, and nothing is
/// written to where it was, nor to another disk in its place.
#[test]
fn d6_an_unplugged_disk_stops_the_folder_until_it_is_back() {
    let scratch = Scratch::new();
    let Some(disk) = Mount::of_kind("ext4", &scratch.join("bob/notes"), 16) else { return };
    let (ada, mut bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    for number in 0..10 {
        fs::write(here.join(format!("{number}")), format!("file {number}")).unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    let before = Tree::of(&here);
    disk.unmount();
    fs::write(here.join("1"), "edited while it was away").unwrap();
    fs::remove_file(here.join("2")).unwrap();
    bob.reaches("notes", "stopped");
    let is_empty = || fs::read_dir(&there).unwrap().count() == 0;
    // It stays so when it is started like that.
    bob.stop();
    bob.start();
    let stopped = bob.reaches("notes", "stopped");
    assert!(stopped["reason"].as_str().unwrap().contains("connect its disk"), "{stopped}");
    assert!(is_empty(), "something was made where the disk belongs");

    // Another disk, without a marker and with that of another copy.
    let other = scratch.join("other");
    fs::create_dir_all(&other).unwrap();
    {
        let Some(wrong) = Mount::of_kind("ext4", &other, 16) else { return };
        fs::create_dir(other.join(".driftless")).unwrap();
        fs::write(other.join("a stranger's"), "file").unwrap();
        let bind = Bound::new(&other, &there);
        bob.reaches("notes", "stopped");
        fs::copy(here.join(".driftless/folder"), other.join(".driftless/folder")).unwrap();
        until(SOON, "bob sees that it is another copy", || {
            let found = bob.folder("notes");
            let text = found["reason"].as_str().unwrap_or_default();
            check(text.contains("instance") || text.contains("another copy"), || text.to_owned())
        });
        let names: Vec<_> = fs::read_dir(&other).unwrap().flatten().collect();
        assert_eq!(names.len(), 3, "lost+found, .driftless and the file: {names:?}");
        drop(bind);
        drop(wrong);
    }
    let expected = Tree::of(&here);
    assert_eq!(before.differences(&expected).len(), 2, "ada has what she did, no more");
    disk.mount_again();
    settle_equal("notes", &[&ada, &bob]);
    assert!(expected.differences(&Tree::of(&there)).is_empty());
    assert_eq!(bob.conflicts("notes"), []);
    drop(bob);
    drop(disk);
}

/// A directory that is seen in the place of another; no longer once dropped.
struct Bound(PathBuf);

impl Bound {
    fn new(from: &Path, at: &Path) -> Self {
        let done = Command::new("mount").arg("--bind").args([from, at]).status().unwrap();
        assert!(done.success());
        Self(at.to_owned())
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// D6, P8: whatever else is lost, a directory that is not there is not made.
#[test]
fn d6_a_lost_database_makes_no_directory_where_a_disk_belongs() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    fs::write(ada.path("notes").join("kept"), "as it was").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    bob.stop();
    let (there, aside) = (bob.path("notes"), scratch.join("aside"));
    fs::rename(&there, &aside).unwrap();
    fs::remove_dir_all(bob.home().join("index")).unwrap();
    bob.start();
    let stopped = bob.reaches("notes", "stopped");
    assert!(stopped["reason"].as_str().unwrap().contains("connect its disk"), "{stopped}");
    assert!(!there.exists(), "a directory was made where the disk belongs");
    fs::rename(&aside, &there).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(bob.conflicts("notes"), []);
}

/// D8, I4: another directory in the place of a folder's is not the folder.
#[test]
fn d8_a_root_that_is_replaced_while_running_stops_the_folder() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let (here, there, aside) = (ada.path("notes"), bob.path("notes"), scratch.join("aside"));
    fs::write(here.join("kept"), "as it was").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    fs::rename(&there, &aside).unwrap();
    fs::create_dir(&there).unwrap();
    fs::write(there.join("a stranger's"), "file").unwrap();
    fs::write(here.join("kept"), "edited").unwrap();
    bob.reaches("notes", "stopped");
    let names: Vec<_> = fs::read_dir(&there).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(fs::read(here.join("kept")).unwrap(), b"edited");
    assert!(!here.join("a stranger's").exists());
    assert_eq!(fs::read(aside.join("kept")).unwrap(), b"as it was");
    fs::remove_dir_all(&there).unwrap();
    fs::rename(&aside, &there).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(bob.conflicts("notes"), []);
}

/// D4, I2: a file system that fails and turns read-only in the middle of the work.
#[test]
fn d4_a_disk_that_turns_read_only_in_the_middle_leaves_whole_files_and_goes_on() {
    let scratch = Scratch::new();
    let Some(disk) = Mount::of_kind("ext4", &scratch.join("bob/notes"), 64) else { return };
    let (ada, bob) = two_devices(&scratch);
    let (here, there, aside) = (ada.path("notes"), bob.path("notes"), scratch.join("aside"));
    fs::create_dir(&aside).unwrap();
    for round in 0..4 {
        let names: Vec<_> = (0..60).map(|number| format!("{round} {number}")).collect();
        for name in &names {
            // In one go, so that no part of it is ever a version.
            let made = aside.join(name);
            fill(&made, 40_000);
            fs::rename(made, here.join(name)).unwrap();
        }
        // As soon as the first of them are there.
        until(SOON, "some of it has arrived", || {
            let some = names.iter().any(|name| there.join(name).exists());
            check(some, || "nothing yet".to_owned())
        });
        disk.set_read_only(true);
        for name in names.iter().filter(|name| there.join(name).exists()) {
            let [one, other] = [&here, &there].map(|root| fs::read(root.join(name)).unwrap());
            assert!(one == other, "{name} is not whole: {} bytes", other.len());
        }
        disk.set_read_only(false);
        settle_equal("notes", &[&ada, &bob]);
    }
    for device in [&ada, &bob] {
        assert_eq!(device.conflicts("notes"), []);
        assert_eq!(device.folder("notes")["problems"], serde_json::json!([]));
    }
    drop(bob);
    drop(disk);
}

/// I2, F5: on file systems that can share storage, a copy of a file takes up none.
#[test]
fn a_copy_of_what_is_there_shares_its_storage_where_the_file_system_can() {
    const SIZE: usize = 24 << 20;
    for (kind, size_mib) in [("btrfs", 256), ("xfs", 320)] {
        let scratch = Scratch::new();
        let Some(disk) = Mount::of_kind(kind, &scratch.join("bob/notes"), size_mib) else { return };
        let (ada, bob) = two_devices(&scratch);
        let here = ada.path("notes");
        fill(&here.join("one"), SIZE);
        settle_equal("notes", &[&ada, &bob]);
        let before = disk.free_bytes();
        fs::copy(here.join("one"), here.join("other")).unwrap();
        settle_equal("notes", &[&ada, &bob]);
        let taken = before.saturating_sub(disk.free_bytes());
        assert!(taken < SIZE as u64 / 4, "{kind}: the copy takes up {taken} bytes");
        drop(bob);
        drop(disk);
    }
}
