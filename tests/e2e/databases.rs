//! Databases that are lost, damaged or older than the files.

use std::fs;
use std::path::Path;

use crate::harness::{Device, Scratch, Tree, settle_equal, two_devices};

fn write(device: &Device, path: &str, text: &str) {
    fs::write(device.path("notes").join(path), text).unwrap();
}

fn read(device: &Device, path: &str) -> String {
    fs::read_to_string(device.path("notes").join(path)).unwrap_or_else(|error| error.to_string())
}

/// Two devices in sync, the first of which is stopped.
fn one_stopped(scratch: &Scratch) -> (Device, Device) {
    let (mut ada, bob) = two_devices(scratch);
    for number in 0..50 {
        write(&bob, &format!("{number}"), &format!("file {number}"));
    }
    settle_equal("notes", &[&ada, &bob]);
    ada.stop();
    (ada, bob)
}

fn copy_all(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// P7, P8, I8: without ancestry what is equal is no conflict, and what differs is one.
#[test]
fn p8_a_lost_or_damaged_database_is_made_anew_from_the_files() {
    let scratch = Scratch::new();
    let (mut ada, bob) = one_stopped(&scratch);
    let index = ada.home().join("index");
    fs::remove_dir_all(&index).unwrap();
    write(&ada, "1", "edited while the database was lost");
    fs::remove_file(ada.path("notes").join("2")).unwrap();
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    let open = ada.conflicts("notes");
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((open[0].0.as_str(), &bob.conflicts("notes")), ("1", &open));
    assert_eq!(read(&ada, "2"), "file 2", "nobody said that it was deleted");
    ada.ok(&["conflict", "resolve", &open[0].1, "--keep", "ada"]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(read(&bob, "1"), "edited while the database was lost");

    ada.stop();
    for entry in fs::read_dir(&index).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "db") {
            fs::write(path, "this is no database".repeat(5000)).unwrap();
        }
    }
    write(&bob, "3", "edited by bob meanwhile");
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(read(&ada, "3"), "edited by bob meanwhile");
    assert!(
        ada.conflicts("notes").len() <= 1,
        "at most what differed: {:?}",
        ada.conflicts("notes")
    );
}

/// P9, I9, I10: a restored backup of the database takes nothing back.
#[test]
fn p9_a_database_from_a_backup_takes_nothing_back() {
    let scratch = Scratch::new();
    let (mut ada, bob) = one_stopped(&scratch);
    let (index, backup) = (ada.home().join("index"), scratch.join("backup"));
    copy_all(&index, &backup);
    ada.start();
    write(&ada, "4", "edited after the backup");
    write(&ada, "new", "made after the backup");
    fs::remove_file(ada.path("notes").join("5")).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    ada.stop();
    copy_all(&backup, &index);
    write(&bob, "6", "edited by bob meanwhile");
    write(&ada, "7", "edited by ada meanwhile");
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    for (path, text) in [
        ("4", "edited after the backup"),
        ("new", "made after the backup"),
        ("6", "edited by bob meanwhile"),
        ("7", "edited by ada meanwhile"),
    ] {
        assert_eq!(read(&ada, path), text);
    }
    assert!(!bob.path("notes").join("5").exists(), "a deletion is not taken back either");
    assert_eq!(ada.conflicts("notes"), []);
}

/// P10, I4: a database without the files that it knows deletes nothing elsewhere.
#[test]
fn p10_a_database_without_its_files_stops_the_folder() {
    let scratch = Scratch::new();
    let (mut ada, bob) = one_stopped(&scratch);
    let before = Tree::of(&bob.path("notes"));
    fs::remove_dir_all(ada.path("notes")).unwrap();
    fs::create_dir(ada.path("notes")).unwrap();
    ada.start();
    ada.reaches("notes", "stopped");
    bob.ok(&["wait", "notes", "--timeout", "60"]);
    assert!(before.differences(&Tree::of(&bob.path("notes"))).is_empty());
}
