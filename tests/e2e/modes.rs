//! Folders that only send or only receive.

use std::fs;

use serde_json::Value;

use crate::harness::{Device, SOON, Scratch, check, connected, introduce, settle_equal, until};

fn read(device: &Device, folder: &str, path: &str) -> String {
    fs::read_to_string(device.path(folder).join(path)).unwrap_or_else(|error| error.to_string())
}

/// Two running devices; the first has the folder in `mode`, the second both ways.
fn devices(scratch: &Scratch, folder: &str, mode: &str) -> (Device, Device) {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    introduce(&ada, &bob);
    ada.add_folder(folder, &["bob"], &["--mode", mode]);
    bob.add_folder(folder, &["ada"], &[]);
    let author = if mode == "receive-only" { &bob } else { &ada };
    for path in ["edited", "deleted"] {
        fs::write(author.path(folder).join(path), "as it was").unwrap();
    }
    ada.start();
    bob.start();
    connected(&ada, &bob);
    settle_equal(folder, &[&ada, &bob]);
    (ada, bob)
}

#[test]
fn a_folder_that_only_sends_shows_what_others_changed_and_can_win_over_it() {
    let scratch = Scratch::new();
    let (ada, bob) = devices(&scratch, "out", "send-only");
    fs::write(bob.path("out").join("edited"), "bob wrote this").unwrap();
    fs::remove_file(bob.path("out").join("deleted")).unwrap();
    fs::write(bob.path("out").join("added"), "bob added this").unwrap();
    until(SOON, "ada sees three changes", || {
        let folder = ada.folder("out");
        check(folder["need_files"] == 3, || folder.to_string())
    });
    let folder = ada.reaches("out", "syncing");
    assert!(folder["reason"].as_str().unwrap().contains("only sends"), "{folder}");
    assert_eq!(read(&ada, "out", "edited"), "as it was");
    assert!(ada.path("out").join("deleted").exists() && !ada.path("out").join("added").exists());
    fs::write(ada.path("out").join("own"), "still sends").unwrap();
    until(SOON, "bob has it", || {
        check(read(&bob, "out", "own") == "still sends", || bob.folder("out").to_string())
    });

    ada.ok(&["folder", "override", "out"]);
    settle_equal("out", &[&ada, &bob]);
    assert_eq!(read(&bob, "out", "edited"), "as it was");
    assert!(!bob.path("out").join("added").exists());
    // What bob himself replaced is kept, too, as a small text.
    let kept = bob.history("out", "edited");
    let written = kept.iter().filter(|(version, _)| !version.starts_with("kept:"));
    let [(version, _)] = written.collect::<Vec<_>>()[..] else {
        panic!("what bob wrote is kept: {kept:?}");
    };
    bob.ok(&["history", "restore", "out", "edited", "--version", version, "--to", "mine"]);
    assert_eq!(read(&bob, "out", "mine"), "bob wrote this");
}

#[test]
fn a_folder_that_only_receives_keeps_its_changes_to_itself_and_can_undo_them() {
    let scratch = Scratch::new();
    let (ada, bob) = devices(&scratch, "in", "receive-only");
    fs::write(ada.path("in").join("edited"), "ada wrote this").unwrap();
    fs::remove_file(ada.path("in").join("deleted")).unwrap();
    fs::write(ada.path("in").join("added"), "ada added this").unwrap();
    let mut actions = until(SOON, "three changes are listed", || {
        let changes = ada.json(&["folder", "changes", "in"]);
        let list = changes.as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let listed = list.iter().map(|change| (text(&change["path"]), text(&change["action"])));
        check(list.len() == 3, || changes.to_string())?;
        Ok(listed.collect::<Vec<_>>())
    });
    actions.sort();
    let expected = [("added", "added"), ("deleted", "deleted"), ("edited", "changed")];
    assert_eq!(actions, expected.map(|(path, action)| (path.to_owned(), action.to_owned())));
    assert_eq!(ada.folder("in")["local_changes"], 3);
    fs::write(bob.path("in").join("news"), "from bob").unwrap();
    until(SOON, "ada receives", || {
        check(read(&ada, "in", "news") == "from bob", || ada.folder("in").to_string())
    });
    // All that Ada tells, Bob has; and her own changes are not among it.
    ada.ok(&["wait", "in", "--timeout", "60"]);
    assert_eq!(read(&bob, "in", "edited"), "as it was");
    assert!(bob.path("in").join("deleted").exists() && !bob.path("in").join("added").exists());

    let reverted = ada.json(&["folder", "revert", "in"]);
    assert_eq!(reverted["files"], 3, "{reverted}");
    settle_equal("in", &[&ada, &bob]);
    assert_eq!(read(&ada, "in", "edited"), "as it was");
    let kept = ada.history("in", "edited");
    assert!(kept.iter().any(|(_, size)| *size == "ada wrote this".len() as u64), "{kept:?}");
    assert_eq!(ada.history("in", "added").len(), 1);
}
