//! Folders that a person gives up.

use std::fs;

use crate::harness::{SOON, Scratch, check, settle_equal, two_devices, until};

/// I1: history goes only when a person says so, and a conflict's contents not even then.
#[test]
fn i1_a_folder_that_is_removed_keeps_its_history_unless_told_and_its_conflicts_in_any_case() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fs::write(here.join("kept.txt"), "first").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    fs::write(here.join("kept.txt"), "second").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    bob.stop();
    fs::write(here.join("torn.txt"), "ada's").unwrap();
    fs::write(there.join("torn.txt"), "bob's").unwrap();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    until(SOON, "both sides are on both devices", || {
        let heads = |place: &std::path::Path| fs::read_dir(place.join(".driftless/heads")).unwrap();
        let held = [&here, &there].map(|place| heads(place).count());
        check(held == [1, 1], || format!("{held:?}"))
    });

    let refused = bob.run(&["folder", "remove", "notes", "--forget-history"]);
    assert!(refused.failed(1).contains("driftless conflict list notes"), "{refused:?}");
    assert_eq!(bob.reaches("notes", "up-to-date")["conflicts"], 1, "it goes on as before");

    ada.ok(&["folder", "remove", "notes"]);
    assert!(here.join(".driftless/folder").exists(), "not told to forget");

    let (_, conflict) = bob.conflicts("notes").remove(0);
    bob.ok(&["conflict", "resolve", &conflict, "--keep", "bob"]);
    until(SOON, "the conflict's contents have gone to history", || {
        let held = fs::read_dir(there.join(".driftless/heads")).unwrap().count();
        check(held == 0, || held.to_string())
    });
    bob.ok(&["folder", "remove", "notes", "--forget-history"]);
    let mut left: Vec<_> =
        fs::read_dir(&there).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["kept.txt", "torn.txt"]);
    assert_eq!(fs::read(there.join("torn.txt")).unwrap(), b"bob's");
}
