//! Both sides changed the same: what is shown, what is kept, what settles it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{
    Device, SOON, Scratch, check, introduce, settle, settle_equal, two_devices, until,
};

fn write(device: &Device, path: &str, text: &str) {
    fs::write(device.path("notes").join(path), text).unwrap();
}

fn read(device: &Device, path: &str) -> String {
    fs::read_to_string(device.path("notes").join(path)).unwrap_or_else(|error| error.to_string())
}

fn head(conflict: &Value, shown: bool) -> &Value {
    let heads = conflict["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 2, "{conflict}");
    heads.iter().find(|head| head["shown"] == shown).unwrap()
}

fn settled(devices: [&Device; 2], path: &str) {
    for device in devices {
        until(SOON, &format!("{path} is settled on {}", device.name()), || {
            let open = device.conflicts("notes");
            check(!open.iter().any(|(open, _)| open == path), || format!("{open:?}"))
        });
    }
    settle_equal("notes", &devices);
}

/// C1, C2, C13, C6, C14: two devices changed the same paths while apart.
#[test]
fn c1_what_both_changed_while_apart_is_shown_alike_kept_on_both_and_settled_once() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    let both = ["device.txt", "both.txt", "with.txt"];
    for path in both.iter().chain(&["edited here.txt", "edited there.txt"]) {
        write(&ada, path, "as it was");
    }
    settle_equal("notes", &[&ada, &bob]);

    bob.stop();
    let here = ada.path("notes");
    let there = bob.path("notes");
    for path in both {
        write(&ada, path, &format!("ada's {path}"));
        write(&bob, path, &format!("bob's {path}, which is longer"));
    }
    write(&ada, "edited here.txt", "ada edits what bob deletes");
    fs::remove_file(there.join("edited here.txt")).unwrap();
    write(&bob, "edited there.txt", "bob edits what ada deletes");
    fs::remove_file(here.join("edited there.txt")).unwrap();
    write(&ada, "same.txt", "the same words");
    write(&bob, "same.txt", "the same words");
    write(&ada, "place", "a file");
    fs::create_dir(there.join("place")).unwrap();
    write(&bob, "place/inside", "a directory");
    write(&ada, "made.txt", "made by ada");
    write(&bob, "made.txt", "made by bob before his first look");
    ada.ok(&["wait", "notes", "--timeout", "60"]);
    bob.start();
    settle_equal("notes", &[&ada, &bob]);

    let mut open = ada.conflicts("notes");
    let paths: Vec<_> = open.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["both.txt", "device.txt", "made.txt", "place", "with.txt"]);
    assert_eq!(open, bob.conflicts("notes"), "the same conflicts under the same names");
    assert_eq!(read(&bob, "edited here.txt"), "ada edits what bob deletes");
    assert_eq!(read(&ada, "edited there.txt"), "bob edits what ada deletes");
    assert_eq!(read(&ada, "place/inside"), "a directory");
    assert_eq!(ada.folder("notes")["conflicts"], 5);

    // The version that is not shown is on both devices, under a name that can be opened.
    for device in [&ada, &bob] {
        for (path, id) in &open {
            let conflict = device.json(&["conflict", "show", id]);
            let aside = head(&conflict, false);
            assert_eq!(aside["content_here"], true, "{conflict}");
            let file = Path::new(aside["content_path"].as_str().unwrap());
            let file = device.path("notes").join(file);
            let text = fs::read_to_string(&file).unwrap();
            let by = aside["device_name"].as_str().unwrap();
            let expected = match path.as_str() {
                "place" => "a file".to_owned(),
                "made.txt" if by == "ada" => "made by ada".to_owned(),
                "made.txt" => "made by bob before his first look".to_owned(),
                path if by == "ada" => format!("ada's {path}"),
                path => format!("bob's {path}, which is longer"),
            };
            assert_eq!(text, expected, "{path} on {}", device.name());
        }
    }

    // The device whose version is not shown is chosen, on the other device.
    open.retain(|(path, _)| path == "device.txt" || path == "both.txt" || path == "with.txt");
    let id = |path: &str| open.iter().find(|(open, _)| open == path).unwrap().1.clone();
    let conflict = ada.json(&["conflict", "show", &id("device.txt")]);
    let chosen = head(&conflict, false)["device_name"].as_str().unwrap().to_owned();
    let lost = head(&conflict, true).clone();
    let text = |by: &str, path: &str| match by {
        "ada" => format!("ada's {path}"),
        _ => format!("bob's {path}, which is longer"),
    };
    bob.ok(&["conflict", "resolve", &id("device.txt"), "--keep", &chosen]);
    settled([&ada, &bob], "device.txt");
    assert_eq!(read(&ada, "device.txt"), text(&chosen, "device.txt"));
    for device in [&ada, &bob] {
        let kept = device.history("notes", "device.txt");
        let size = lost["size"].as_u64().unwrap();
        assert!(kept.iter().any(|(_, kept)| *kept == size), "{}: {kept:?}", device.name());
    }
    let kept = ada.history("notes", "device.txt");
    let (version, _) = kept.iter().find(|(_, size)| *size == lost["size"]).unwrap();
    ada.ok(&["history", "restore", "notes", "device.txt", "--version", version]);
    settle_equal("notes", &[&ada, &bob]);
    let lost_by = lost["device_name"].as_str().unwrap();
    assert_eq!(read(&bob, "device.txt"), text(lost_by, "device.txt"), "it is back");

    ada.ok(&["conflict", "resolve", &id("both.txt"), "--keep", "both"]);
    settled([&ada, &bob], "both.txt");
    let names: Vec<String> = fs::read_dir(&there)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("both"))
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let mut texts: Vec<_> = names.iter().map(|name| read(&bob, name)).collect();
    texts.sort();
    assert_eq!(texts, [text("ada", "both.txt"), text("bob", "both.txt")]);

    let merged = scratch.join("merged.txt");
    fs::write(&merged, "what both meant").unwrap();
    let merged = merged.to_str().unwrap();
    ada.ok(&["conflict", "resolve", &id("with.txt"), "--with", merged]);
    settled([&ada, &bob], "with.txt");
    assert_eq!(read(&bob, "with.txt"), "what both meant");
    assert_eq!(bob.conflicts("notes").len(), 2, "the others wait for a person");
}

/// C3, C5, C16: changes that do not contradict each other.
#[test]
fn c3_renames_deletions_and_modes_made_while_apart_are_combined() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fs::create_dir(here.join("letters")).unwrap();
    for path in ["old name", "tool", "gone", "letters/one"] {
        write(&ada, path, "as it was");
    }
    settle_equal("notes", &[&ada, &bob]);

    bob.stop();
    fs::rename(here.join("old name"), here.join("new name")).unwrap();
    fs::set_permissions(here.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(here.join("gone")).unwrap();
    fs::remove_dir_all(here.join("letters")).unwrap();
    ada.ok(&["wait", "notes", "--timeout", "60"]);
    write(&bob, "old name", "bob edits under the old name");
    write(&bob, "tool", "bob edits the tool");
    fs::remove_file(there.join("gone")).unwrap();
    write(&bob, "letters/two", "bob writes into it");
    bob.start();
    settle_equal("notes", &[&ada, &bob]);

    assert_eq!(read(&ada, "new name"), "bob edits under the old name");
    assert!(!here.join("old name").exists());
    assert_eq!(read(&ada, "letters/two"), "bob writes into it");
    assert!(!here.join("letters/one").exists() && !here.join("gone").exists());
    let mode = fs::metadata(there.join("tool")).unwrap().permissions().mode() & 0o777;
    assert_eq!((read(&ada, "tool").as_str(), mode), ("bob edits the tool", 0o755));
    assert_eq!(ada.conflicts("notes"), []);
}

/// C18, N1: three devices in a line, the outer of which never meet.
#[test]
fn c18_devices_that_never_meet_converge_through_the_one_between_them() {
    let scratch = Scratch::new();
    let [mut ada, mut bob, mut cleo] =
        ["ada", "bob", "cleo"].map(|name| Device::new(&scratch, name));
    introduce(&ada, &bob);
    introduce(&bob, &cleo);
    ada.add_folder("notes", &["bob"], &[]);
    bob.add_folder("notes", &["ada", "cleo"], &[]);
    cleo.add_folder("notes", &["bob"], &[]);
    for number in 0..100 {
        write(&ada, &format!("ada {number}"), "from one end");
        write(&cleo, &format!("cleo {number}"), "from the other");
    }
    ada.start();
    bob.start();
    cleo.start();
    let all = [&ada, &bob, &cleo];
    settle_equal("notes", &all);
    assert_eq!(read(&cleo, "ada 99"), "from one end");

    write(&ada, "cleo 1", "ada edits what is cleo's");
    fs::remove_file(cleo.path("notes").join("ada 2")).unwrap();
    fs::rename(cleo.path("notes").join("ada 3"), cleo.path("notes").join("renamed")).unwrap();
    settle_equal("notes", &all);
    assert_eq!(read(&cleo, "cleo 1"), "ada edits what is cleo's");
    assert!(
        !ada.path("notes").join("ada 2").exists() && ada.path("notes").join("renamed").exists()
    );

    // All three at once, while the middle is away: one is shown, two are kept.
    bob.stop();
    write(&ada, "all.txt", "ada");
    write(&cleo, "all.txt", "cleo writes");
    write(&bob, "all.txt", "bob in the middle writes");
    ada.ok(&["wait", "notes", "--timeout", "60"]);
    cleo.ok(&["wait", "notes", "--timeout", "60"]);
    bob.start();
    let all = [&ada, &bob, &cleo];
    settle("notes", &all);
    settle_equal("notes", &all);
    let open = ada.conflicts("notes");
    assert_eq!(open.len(), 1, "{open:?}");
    for device in all {
        assert_eq!(device.conflicts("notes"), open, "on {}", device.name());
        let conflict = device.json(&["conflict", "show", &open[0].1]);
        let heads = conflict["heads"].as_array().unwrap();
        assert_eq!(heads.len(), 3, "{conflict}");
        assert!(heads.iter().all(|head| head["content_here"] == true), "{conflict}");
    }
    // Cleo has never met Ada, whose ID the conflict tells.
    cleo.ok(&["conflict", "resolve", &open[0].1, "--keep", ada.id()]);
    until(SOON, "ada hears that it is settled", || {
        let open = ada.conflicts("notes");
        check(open.is_empty(), || format!("{open:?}"))
    });
    settle_equal("notes", &all);
    assert_eq!(read(&bob, "all.txt"), "ada");
}
