//! File systems that take names for the same, as those of Windows and macOS do.

use std::fs;

use crate::faulty::{Faulty, Folding};
use crate::harness::{Device, SOON, Scratch, check, introduce, settle, settle_equal, share, until};

/// Ada on a disk where names are exact; Bob's folder where they fold.
fn devices(scratch: &Scratch, folding: Folding) -> Option<(Device, Device, Faulty)> {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    let disk = Faulty::new(&bob.path("notes"), folding)?;
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    Some((ada, bob, disk))
}

fn write(device: &Device, name: &str, text: &str) {
    let path = device.path("notes").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The names in a directory, as they were given.
fn names(device: &Device, below: &str) -> Vec<String> {
    let entries = fs::read_dir(device.path("notes").join(below)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != ".driftless").collect();
    names.sort();
    names
}

fn becomes(device: &Device, name: &str, text: &str) {
    until(SOON, &format!("{name} on {} is {text:?}", device.name()), || {
        let found = fs::read_to_string(device.path("notes").join(name));
        check(found.as_ref().is_ok_and(|found| found == text), || format!("{found:?}"))
    });
}

/// Waits until a device says that it holds this path back; looks at its whole folder
/// anew, and finds that it still does.
fn holds_back(device: &mut Device, path: &str) {
    for round in 0..2 {
        until(SOON, &format!("{path} is held back, round {round}"), || {
            let folder = device.folder("notes");
            let mut problems = folder["problems"].as_array().unwrap().iter();
            let is_told = problems.any(|one| one["code"] == "name-twin" && one["path"] == path);
            check(is_told && folder["state"] != "up-to-date", || folder.to_string())
        });
        if round == 0 {
            device.stop();
            device.start();
        }
    }
}

fn history(device: &Device) -> Vec<String> {
    let list = device.json(&["history", "list", "notes"]);
    let versions = list.as_array().unwrap().iter();
    versions.map(|version| version["path"].as_str().unwrap().to_owned()).collect()
}

/// Two files whose names one of the devices takes for the same.
fn second_of_two_is_held_back(folding: Folding, first: &str, second: &str) {
    let scratch = Scratch::new();
    let Some((mut ada, mut bob, disk)) = devices(&scratch, folding) else { return };
    write(&ada, first, "one");
    settle_equal("notes", &[&ada, &bob]);
    write(&ada, second, "two");
    holds_back(&mut bob, second);
    assert_eq!(names(&bob, ""), [first]);
    becomes(&bob, first, "one");

    // The first is edited on both sides, the second on the one that has it.
    write(&ada, first, "one by ada");
    becomes(&bob, first, "one by ada");
    fs::write(bob.path("notes").join(first), "one by bob").unwrap();
    becomes(&ada, first, "one by bob");
    write(&ada, second, "two by ada");
    holds_back(&mut bob, second);
    ada.stop();
    ada.start();
    holds_back(&mut bob, second);
    becomes(&bob, first, "one by bob");
    becomes(&ada, first, "one by bob");
    becomes(&ada, second, "two by ada");

    // Once the first has gone, the second has the name.
    fs::remove_file(ada.path("notes").join(first)).unwrap();
    bob.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    becomes(&bob, second, "two by ada");
    assert_eq!(names(&bob, ""), [second]);
    assert_eq!(bob.folder("notes")["problems"], serde_json::json!([]));
    drop(bob);
    drop(disk);
}

/// C9, I11, I16: the second is held back and reported, neither is mangled or deleted.
#[test]
fn c9_of_two_names_that_differ_in_case_the_second_is_held_back() {
    second_of_two_is_held_back(Folding::Case, "Test", "test");
}

/// C10, I11: as with case, where only the normal form counts, too.
#[test]
fn c10_of_two_names_in_different_normal_forms_the_second_is_held_back() {
    second_of_two_is_held_back(Folding::Form, "caf\u{e9}", "cafe\u{301}");
    second_of_two_is_held_back(Folding::CaseAndForm, "cafe\u{301}", "caf\u{e9}");
}

/// C9, I16: what is in the second of two directories is held back with it, and never
/// mixed with what is in the first.
#[test]
fn c9_directories_that_differ_in_case_are_never_mixed() {
    let scratch = Scratch::new();
    let Some((ada, mut bob, disk)) = devices(&scratch, Folding::Case) else { return };
    write(&ada, "Music/song", "one");
    settle_equal("notes", &[&ada, &bob]);
    write(&ada, "music/song", "two");
    write(&ada, "music/other", "three");
    holds_back(&mut bob, "music");
    assert_eq!(
        (names(&bob, ""), names(&bob, "Music")),
        (vec!["Music".into()], vec!["song".into()])
    );
    write(&ada, "Music/song", "one by ada");
    becomes(&bob, "Music/song", "one by ada");
    fs::remove_file(ada.path("notes").join("music/other")).unwrap();
    holds_back(&mut bob, "music");
    becomes(&ada, "Music/song", "one by ada");
    becomes(&ada, "music/song", "two");

    fs::remove_dir_all(ada.path("notes").join("Music")).unwrap();
    bob.reaches("notes", "up-to-date");
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(names(&bob, ""), ["music"]);
    becomes(&bob, "music/song", "two");
    drop(bob);
    drop(disk);
}

/// Renames by way of another name, as these systems' own programs do it on Linux.
fn rename(device: &Device, from: &str, to: &str) {
    let root = device.path("notes");
    let between = root.join(".driftless/renaming");
    fs::rename(root.join(from), &between).unwrap();
    fs::rename(between, root.join(to)).unwrap();
}

/// C8: a rename that changes nothing but case is a rename on both kinds of disk: the
/// file is there all the time, and nothing goes to history.
#[test]
fn c8_a_rename_that_changes_only_case_is_a_rename() {
    for folding in [Folding::Case, Folding::CaseAndForm] {
        let scratch = Scratch::new();
        let Some((ada, mut bob, disk)) = devices(&scratch, folding) else { return };
        write(&ada, "in/Letter", "dear bob");
        write(&ada, "in/other", "something else");
        settle_equal("notes", &[&ada, &bob]);
        let root = ada.path("notes");
        fs::rename(root.join("in/Letter"), root.join("in/LETTER")).unwrap();
        settle_equal("notes", &[&ada, &bob]);
        rename(&bob, "in/LETTER", "in/letter");
        settle_equal("notes", &[&ada, &bob]);
        for device in [&ada, &bob] {
            assert_eq!(names(device, "in"), ["letter", "other"], "{}", device.name());
            assert_eq!(history(device), Vec::<String>::new(), "{}", device.name());
        }
        // Neither is it undone by the next look at everything.
        bob.stop();
        bob.start();
        settle("notes", &[&ada, &bob]);
        assert_eq!(names(&ada, "in"), ["letter", "other"]);
        drop(bob);
        drop(disk);
    }
}

/// C8: directories, too, can change case, and keep what is in them.
#[test]
fn c8_a_directory_that_changes_only_case_keeps_what_is_in_it() {
    let scratch = Scratch::new();
    let Some((ada, mut bob, disk)) = devices(&scratch, Folding::Case) else { return };
    write(&ada, "Docs/letter", "dear bob");
    write(&ada, "Docs/deep/er", "dearest bob");
    settle_equal("notes", &[&ada, &bob]);
    let root = ada.path("notes");
    fs::rename(root.join("Docs"), root.join("DOCS")).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(names(&bob, ""), ["DOCS"]);
    rename(&bob, "DOCS", "docs");
    settle_equal("notes", &[&ada, &bob]);
    bob.stop();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    for device in [&ada, &bob] {
        assert_eq!(names(device, ""), ["docs"]);
        becomes(device, "docs/letter", "dear bob");
        becomes(device, "docs/deep/er", "dearest bob");
    }
    drop(bob);
    drop(disk);
}
