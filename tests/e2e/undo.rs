//! Taking back how a conflict was decided.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Device, SOON, Scratch, check, content, settle_equal, two_devices, until};

const PATHS: [&str; 3] = ["both.txt", "large.bin", "with.txt"];

fn text(by: &str, path: &str) -> Vec<u8> {
    match (by, path) {
        (_, "large.bin") => content(&format!("{by}'s large.bin"), 3 << 20),
        _ => format!("{by}'s {path}").into_bytes(),
    }
}

/// Two devices that changed the same files while apart.
fn in_conflict(scratch: &Scratch) -> (Device, Device) {
    let (ada, mut bob) = two_devices(scratch);
    bob.stop();
    for path in PATHS {
        for device in [&ada, &bob] {
            fs::write(device.path("notes").join(path), text(device.name(), path)).unwrap();
        }
    }
    ada.ok(&["wait", "notes", "--timeout", "60"]);
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    (ada, bob)
}

fn opens(device: &Device, paths: &[&str]) {
    until(SOON, &format!("{paths:?} are in conflict on {}", device.name()), || {
        let open = device.conflicts("notes");
        let open: Vec<_> = open.iter().map(|(path, _)| path.as_str()).collect();
        check(open == paths, || format!("{open:?}"))
    });
}

/// Who made which version of a path, and what is in it, the shown one first.
fn versions(device: &Device, id: &str) -> Vec<(String, Vec<u8>)> {
    let conflict = device.json(&["conflict", "show", id]);
    let version = |head: &Value| {
        assert_eq!(head["content_here"], true, "{conflict}");
        let place = Path::new(head["content_path"].as_str().unwrap());
        let bytes = fs::read(device.path("notes").join(place)).unwrap();
        (head["device_name"].as_str().unwrap().to_owned(), bytes)
    };
    conflict["heads"].as_array().unwrap().iter().map(version).collect()
}

fn names(device: &Device) -> Vec<String> {
    let list = fs::read_dir(device.path("notes")).unwrap();
    let mut names: Vec<_> =
        list.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// C20, I1: with each way of deciding.
#[test]
fn a_decision_is_taken_back_on_any_device_after_a_restart_and_loses_nothing() {
    let scratch = Scratch::new();
    let (mut ada, bob) = in_conflict(&scratch);
    let ids: BTreeMap<String, String> = ada.conflicts("notes").into_iter().collect();
    let before: Vec<_> = PATHS.iter().map(|path| versions(&ada, &ids[*path])).collect();
    for (versions, path) in before.iter().zip(PATHS) {
        assert!(versions.iter().all(|(by, bytes)| *bytes == text(by, path)), "{path}");
    }
    let loser = before[1][1].0.clone();
    let merged = scratch.join("merged");
    fs::write(&merged, "what both meant").unwrap();
    ada.ok(&["conflict", "resolve", &ids["both.txt"], "--keep", "both"]);
    ada.ok(&["conflict", "resolve", &ids["large.bin"], "--keep", &loser]);
    ada.ok(&["conflict", "resolve", &ids["with.txt"], "--with", merged.to_str().unwrap()]);
    opens(&bob, &[]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(names(&bob).len(), 4);
    assert_eq!(fs::read(bob.path("notes/large.bin")).unwrap(), text(&loser, "large.bin"));

    ada.stop();
    ada.start();
    ada.ok(&["conflict", "undo", &ids["both.txt"], &ids["with.txt"]]);
    opens(&bob, &["both.txt", "with.txt"]);
    bob.ok(&["conflict", "undo", &ids["large.bin"]]);
    for device in [&ada, &bob] {
        opens(device, &PATHS);
    }
    settle_equal("notes", &[&ada, &bob]);
    for device in [&ada, &bob] {
        assert_eq!(names(device), PATHS, "the copy is gone from {}", device.name());
        let after: Vec<_> = PATHS.iter().map(|path| versions(device, &ids[*path])).collect();
        assert!(after == before, "{}: the same versions, the same shown", device.name());
        let kept = device.history("notes", "with.txt");
        assert!(kept.iter().any(|(_, size)| *size == 15), "{}: {kept:?}", device.name());
    }
    let open = ada.run(&["conflict", "undo", &ids["with.txt"]]);
    assert!(open.failed(1).contains("is open"), "{open:?}");

    // What is open again is decided like any other, and that taken back in turn.
    for (path, kept) in PATHS.iter().zip(&before) {
        bob.ok(&["conflict", "resolve", &ids[*path], "--keep", &kept[1].0]);
    }
    opens(&ada, &[]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read(ada.path("notes/with.txt")).unwrap(), before[2][1].1);
    bob.ok(&["conflict", "undo", &ids["with.txt"]]);
    opens(&ada, &["with.txt"]);
    settle_equal("notes", &[&ada, &bob]);
    assert!(versions(&ada, &ids["with.txt"]) == before[2]);
}

#[test]
fn what_changed_since_stays_and_what_is_gone_is_said() {
    let scratch = Scratch::new();
    let (ada, bob) = in_conflict(&scratch);
    let ids: BTreeMap<String, String> = ada.conflicts("notes").into_iter().collect();
    for path in PATHS {
        ada.ok(&["conflict", "resolve", &ids[path], "--keep", "ada"]);
    }
    settle_equal("notes", &[&ada, &bob]);
    opens(&bob, &[]);
    fs::write(bob.path("notes/with.txt"), "bob goes on").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let changed = ada.run(&["conflict", "undo", &ids["with.txt"]]);
    assert!(changed.failed(1).contains("with.txt was changed since"), "{changed:?}");
    assert_eq!(fs::read(ada.path("notes/with.txt")).unwrap(), b"bob goes on");

    let history = ada.path("notes/.driftless/history");
    for entry in fs::read_dir(&history).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let gone = ada.run(&["conflict", "undo", &ids["both.txt"], &ids["large.bin"]]);
    assert!(gone.failed(1).contains("bob's version of both.txt is not in history"), "{gone:?}");
    let unknown = ada.run(&["conflict", "undo", "000000000000"]);
    assert!(unknown.failed(1).contains("is not remembered"), "{unknown:?}");
    // The other device still has it.
    bob.ok(&["conflict", "undo", &ids["both.txt"]]);
    opens(&ada, &["both.txt"]);
}

#[test]
fn two_versions_of_one_device_are_told_apart_by_name() {
    let scratch = Scratch::new();
    let (ada, bob) = in_conflict(&scratch);
    let ids: BTreeMap<String, String> = ada.conflicts("notes").into_iter().collect();
    let id = &ids["with.txt"];
    // Whoever edits what is shown, the version that is not shown is now ada's alone or both are.
    let shown = versions(&ada, id)[0].0.clone();
    let other = if shown == "ada" { &bob } else { &ada };
    fs::write(other.path("notes/with.txt"), "edited by the other one").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    opens(&bob, &PATHS);
    let conflict = bob.json(&["conflict", "show", id]);
    let heads = conflict["heads"].as_array().unwrap();
    assert!(heads.iter().all(|head| head["device_name"] == other.name()), "{conflict}");
    let refused = bob.run(&["conflict", "resolve", id, "--keep", other.name()]);
    let refused = refused.failed(1);
    let word = |place: usize| heads[place]["version"].as_str().unwrap();
    assert!(refused.contains(word(0)) && refused.contains(word(1)), "{refused}");
    let wrong = bob.run(&["conflict", "resolve", id, "--keep", "0123456789abcdef"]);
    assert!(wrong.failed(1).contains(word(0)), "{wrong:?}");
    bob.ok(&["conflict", "resolve", id, "--keep", word(1)]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read(ada.path("notes/with.txt")).unwrap(), text(other.name(), "with.txt"));
}
