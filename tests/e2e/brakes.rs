//! A folder that stops, or waits, rather than pass a mishap on.

use std::fs;

use crate::harness::{SOON, Scratch, Tree, check, connected, settle_equal, two_devices, until};

/// D6, D7, D8, I4: a root that is gone, replaced or empty deletes nothing elsewhere.
#[test]
fn d8_a_root_that_is_moved_away_stops_its_folder_until_it_is_back() {
    let scratch = Scratch::new();
    let (mut ada, bob) = two_devices(&scratch);
    let here = ada.path("notes");
    for number in 0..50 {
        fs::write(here.join(format!("{number}")), format!("{number}")).unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    let before = Tree::of(&bob.path("notes"));

    let aside = ada.path("notes on a disk that is not connected");
    fs::rename(&here, &aside).unwrap();
    let stopped = ada.reaches("notes", "stopped");
    let reason = stopped["reason"].as_str().unwrap();
    assert!(reason.contains("director"), "it says why: {reason}");
    // An empty directory in its place, as a mount point is, counts for no more.
    fs::create_dir(&here).unwrap();
    ada.stop();
    ada.start();
    ada.reaches("notes", "stopped");
    assert_eq!(fs::read_dir(&here).unwrap().count(), 0, "nothing is made in it");
    bob.ok(&["wait", "notes", "--timeout", "60"]);
    assert!(before.differences(&Tree::of(&bob.path("notes"))).is_empty());

    fs::remove_dir(&here).unwrap();
    fs::rename(&aside, &here).unwrap();
    fs::write(here.join("new"), "after it is back").unwrap();
    ada.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    assert!(bob.path("notes").join("new").exists());
}

/// D6, I4: without its marker a directory is no folder.
#[test]
fn d6_a_folder_without_its_marker_stops_and_deletes_nothing() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let here = ada.path("notes");
    fs::write(here.join("kept"), "x").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let marker = here.join(".driftless/folder");
    let bytes = fs::read(&marker).unwrap();
    fs::remove_file(&marker).unwrap();
    fs::remove_file(here.join("kept")).unwrap();
    let _ = ada.run(&["folder", "rescan", "notes"]);
    let stopped = ada.reaches("notes", "stopped");
    assert!(stopped["reason"].as_str().unwrap().contains("marked"), "{stopped}");
    bob.ok(&["wait", "notes", "--timeout", "60"]);
    assert!(bob.path("notes").join("kept").exists());

    fs::write(&marker, bytes).unwrap();
    ada.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    assert!(!bob.path("notes").join("kept").exists(), "a deletion under a verified root counts");
}

/// H13: a mass deletion waits for a person on the device that would carry it out.
#[test]
fn h13_a_mass_deletion_waits_for_a_yes_and_history_has_what_went() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fs::write(here.join("stays"), "stays").unwrap();
    fs::create_dir(here.join("photos")).unwrap();
    for number in 0..300 {
        fs::write(here.join(format!("photos/{number:03}")), format!("file {number}")).unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    // All at once, as deleting a directory to the trash does.
    fs::rename(here.join("photos"), scratch.join("trash")).unwrap();
    let problem = bob.has_problem("notes", "mass-change");
    assert!(problem["message"].as_str().unwrap().contains("300"), "{problem}");
    let folder = bob.folder("notes");
    assert_eq!(folder["held_back"]["deletions"], 300, "{folder}");
    assert_eq!(folder["state"], "syncing", "it does not claim to be up to date");
    assert_eq!(fs::read_dir(there.join("photos")).unwrap().count(), 300);
    // Other changes still come through.
    fs::write(here.join("new"), "new").unwrap();
    until(SOON, "a new file arrives", || {
        check(there.join("new").exists(), || bob.folder("notes").to_string())
    });

    let confirmed = bob.json(&["folder", "confirm", "notes"]);
    assert_eq!(confirmed["deletions"], 300, "{confirmed}");
    settle_equal("notes", &[&ada, &bob]);
    assert!(!there.join("photos").exists() && there.join("stays").exists());
    let kept = bob.json(&["history", "list", "notes"]);
    assert_eq!(kept.as_array().unwrap().len(), 300);
    let (version, _) = bob.history("notes", "photos/123").remove(0);
    bob.ok(&["history", "restore", "notes", "photos/123", "--version", &version]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read(here.join("photos/123")).unwrap(), b"file 123");
}

/// D6, I4: a folder that is all of a sudden empty asks before it says so to others.
#[test]
fn d6_a_folder_whose_every_file_is_gone_stops_until_a_person_says_that_it_is_meant() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    for number in 0..200 {
        fs::write(here.join(format!("{number:03}")), format!("file {number}")).unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    ada.stop();
    for number in 0..200 {
        fs::remove_file(here.join(format!("{number:03}"))).unwrap();
    }
    ada.start();
    let stopped = ada.reaches("notes", "stopped");
    assert!(stopped["reason"].as_str().unwrap().contains("confirm"), "{stopped}");
    // Whoever comes while it has stopped hears of it all the same, once it goes on.
    bob.stop();
    bob.start();
    connected(&ada, &bob);
    bob.ok(&["wait", "notes", "--timeout", "60"]);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 201);

    // It is meant; the other device asks for itself.
    ada.ok(&["folder", "confirm", "notes"]);
    bob.has_problem("notes", "mass-change");
    assert_eq!(fs::read_dir(&there).unwrap().count(), 201);
    bob.ok(&["folder", "confirm", "notes"]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(bob.json(&["history", "list", "notes"]).as_array().unwrap().len(), 200);
}
