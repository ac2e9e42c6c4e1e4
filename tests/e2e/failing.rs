//! Disks that fail at single files, syncs and moments.

use std::fs;
use std::path::Path;

use crate::faulty::{Faulty, Folding};
use crate::harness::{
    Device, Random, Scratch, check, content, introduce, seed, settle_equal, share, until,
};
use crate::harness::{SOON, Tree};

/// Ada on a real disk; Bob's folder on one that fails.
fn devices(scratch: &Scratch) -> Option<(Device, Device, Faulty)> {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    let disk = Faulty::new(&bob.path("notes"), Folding::Exact)?;
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    fs::create_dir(ada.path("notes").join("in")).unwrap();
    fs::write(ada.path("notes").join("in/kept"), "as it was").unwrap();
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    Some((ada, bob, disk))
}

fn ends_well(ada: &Device, bob: Device, disk: Faulty) {
    settle_equal("notes", &[ada, &bob]);
    for device in [ada, &bob] {
        assert_eq!(device.conflicts("notes"), []);
        assert_eq!(device.folder("notes")["problems"], serde_json::json!([]));
    }
    drop(bob);
    drop(disk);
}

fn staged(bob: &Device) -> usize {
    Tree::of(&bob.path("notes").join(".driftless/staging")).len()
}

/// D3, I3: what a failed sync left is thrown away and pulled again, whether one file
/// comes alone or many come together; none of it is held, or still there once the
/// power has gone.
#[test]
fn d3_a_file_whose_sync_fails_is_pulled_again_and_lasts() {
    let scratch = Scratch::new();
    let Some((ada, mut bob, mut disk)) = devices(&scratch) else { return };
    disk.sync();
    for (round, files) in [1, 20].into_iter().enumerate() {
        disk.fail_syncs("staging", 2);
        let already = disk.failed_syncs();
        for number in 0..files {
            let name = format!("round {round} file {number}");
            fs::write(ada.path("notes").join(&name), content(&name, 300_000)).unwrap();
        }
        until(SOON, "syncs fail", || check(disk.failed_syncs() > already, String::new));
        settle_equal("notes", &[&ada, &bob]);
    }
    disk.cut();
    bob.kill();
    disk.restore(&mut Random::new(seed()));
    crate::harness::assert_same(&ada.path("notes"), &bob.path("notes"));
    bob.start();
    ends_well(&ada, bob, disk);
}

/// D3: a person's save that the disk fails to keep is a problem of that file, and is
/// announced to nobody.
#[test]
fn d3_a_save_that_the_disk_fails_to_keep_is_not_announced() {
    let scratch = Scratch::new();
    let Some((ada, bob, disk)) = devices(&scratch) else { return };
    disk.fail_syncs("in", u64::MAX);
    fs::write(bob.path("notes").join("in/kept"), "edited by bob").unwrap();
    bob.has_problem("notes", "io-error");
    assert_eq!(fs::read(ada.path("notes").join("in/kept")).unwrap(), b"as it was");
    disk.fail_syncs("in", 0);
    fs::write(bob.path("notes").join("in/kept"), "edited by bob again").unwrap();
    bob.reaches("notes", "up-to-date");
    ends_well(&ada, bob, disk);
}

/// D2, I4: a file that cannot be read is a problem of that file, never a deletion, and
/// everything else goes on.
#[test]
fn d2_a_file_that_the_disk_cannot_read_is_a_problem_and_no_deletion() {
    let scratch = Scratch::new();
    let Some((ada, mut bob, disk)) = devices(&scratch) else { return };
    disk.make_unreadable(Some("in/kept"));
    bob.stop();
    // Its time has changed, so that it has to be read.
    let file = fs::File::options().append(true).open(bob.path("notes").join("in/kept")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    bob.start();
    let problem = bob.has_problem("notes", "io-error");
    assert_eq!(problem["path"], "in/kept");
    fs::write(bob.path("notes").join("another"), "by bob").unwrap();
    until(SOON, "the rest goes on", || {
        let there = fs::read(ada.path("notes").join("another"));
        check(there.is_ok_and(|bytes| bytes == b"by bob"), String::new)
    });
    assert_eq!(fs::read(ada.path("notes").join("in/kept")).unwrap(), b"as it was");
    disk.make_unreadable(None);
    bob.reaches("notes", "up-to-date");
    ends_well(&ada, bob, disk);
}

/// D5, D2, I4: what is in a directory that may not be looked into is unknown, not gone.
#[test]
fn d5_a_directory_that_cannot_be_looked_into_keeps_what_is_in_it() {
    let scratch = Scratch::new();
    let Some((ada, mut bob, disk)) = devices(&scratch) else { return };
    bob.stop();
    disk.close_directory(Some("in"));
    bob.start();
    let problem = bob.has_problem("notes", "unreadable");
    assert_eq!(problem["path"], "in");
    fs::write(ada.path("notes").join("in/new"), "by ada").unwrap();
    fs::write(ada.path("notes").join("outside"), "by ada").unwrap();
    until(SOON, "the rest goes on", || {
        check(bob.path("notes").join("outside").exists(), String::new)
    });
    assert_eq!(fs::read(ada.path("notes").join("in/kept")).unwrap(), b"as it was");
    disk.close_directory(None);
    bob.reaches("notes", "up-to-date");
    ends_well(&ada, bob, disk);
}

/// D1: wherever the disk runs full, files are whole or not there, and all goes on once
/// there is room.
#[test]
fn d1_a_disk_that_runs_full_in_the_middle_of_a_file_tears_none() {
    let scratch = Scratch::new();
    let Some((ada, bob, disk)) = devices(&scratch) else { return };
    disk.set_room(Some(700_000));
    let names = ["in/kept", "small", "large"];
    for (name, size) in names.into_iter().zip([90_000, 400_000, 3_000_000]) {
        fs::write(ada.path("notes").join(name), content(name, size)).unwrap();
    }
    bob.has_problem("notes", "disk-full");
    let is_whole = |name: &str, before: Option<&[u8]>| {
        let (here, there) = (ada.path("notes").join(name), bob.path("notes").join(name));
        let found = fs::read(there).ok();
        found.as_deref() == before || found == fs::read(here).ok()
    };
    assert!(is_whole("in/kept", Some(b"as it was")));
    assert!(is_whole("small", None) && is_whole("large", None));
    disk.set_room(None);
    bob.reaches("notes", "up-to-date");
    ends_well(&ada, bob, disk);
}

/// D4: a disk that turns read-only at any moment is a state that ends by itself.
#[test]
fn d4_a_disk_that_turns_read_only_in_the_middle_is_reported_and_goes_on() {
    let scratch = Scratch::new();
    let Some((ada, bob, disk)) = devices(&scratch) else { return };
    let write = |name: &str, by: &Path| {
        fs::write(by.join(name), content(name, 200_000)).unwrap();
    };
    write("before", &ada.path("notes"));
    disk.set_read_only(true);
    write("during", &ada.path("notes"));
    bob.has_problem("notes", "read-only");
    assert_eq!(fs::read(ada.path("notes").join("in/kept")).unwrap(), b"as it was");
    disk.set_read_only(false);
    bob.reaches("notes", "up-to-date");
    assert_eq!(staged(&bob), 0);
    ends_well(&ada, bob, disk);
}
