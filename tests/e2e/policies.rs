//! Conflicts that settle themselves, as a person's policies say (C21).

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Device, SOON, Scratch, check, settle, settle_equal, two_devices, until};

const TEXT: &str = "title\n\none\ntwo\nthree\nfour\nfive\n";

fn write(device: &Device, path: &str, text: &str) {
    fs::write(device.path("notes").join(path), text).unwrap();
}

fn read(device: &Device, path: &str) -> String {
    fs::read_to_string(device.path("notes").join(path)).unwrap_or_else(|error| error.to_string())
}

/// Waits until the text that a version is merged from is kept on both.
fn kept(devices: [&Device; 2]) {
    for device in devices {
        until(SOON, "the text is kept for merging", || {
            let space = device.json(&["history", "space", "notes"]);
            check(space[0]["texts_bytes"].as_u64() > Some(0), || space.to_string())
        });
    }
}

/// Has both change the same files while apart, ada first, and at least so long before.
fn part_and_change(
    (ada, bob): (&Device, &mut Device),
    changes: &[(&str, &str, &str)],
    ahead: Duration,
) {
    bob.stop();
    for (path, text, _) in changes {
        write(ada, path, text);
    }
    ada.ok(&["wait", "notes", "--timeout", "60"]);
    let begun = Instant::now();
    until(SOON, "clocks can tell the two apart", || {
        check(begun.elapsed() >= ahead, || "too soon".to_owned())
    });
    for (path, _, text) in changes {
        write(bob, path, text);
    }
    bob.start();
}

fn has_open(device: &Device, expected: &[&str]) {
    until(SOON, &format!("{expected:?} are open on {}", device.name()), || {
        let open = device.conflicts("notes");
        let paths: Vec<_> = open.iter().map(|(path, _)| path.as_str()).collect();
        check(paths == expected, || format!("{paths:?}"))
    });
}

fn outcome_of<'a>(outcomes: &'a Value, path: &str) -> &'a Value {
    let all = outcomes.as_array().unwrap();
    all.iter().find(|one| one["path"] == path).unwrap_or_else(|| panic!("{path}: {outcomes}"))
}

/// C21: texts merge by themselves where the changes do not touch; the rest is asked about.
#[test]
fn c21_texts_merge_where_changes_do_not_touch_and_both_sides_stay_in_history() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    for device in [&ada, &bob] {
        device.ok(&["policy", "set", "notes", "merge", "--for", "*.md"]);
    }
    for path in ["apart.md", "touching.md", "other.txt"] {
        write(&ada, path, TEXT);
    }
    settle_equal("notes", &[&ada, &bob]);
    kept([&ada, &bob]);
    let (first, last) = (TEXT.replace("one", "ada's"), TEXT.replace("five", "bob's"));
    let changes = [
        ("apart.md", first.as_str(), last.as_str()),
        ("touching.md", &first, &TEXT.replace("one", "bob's")),
        ("other.txt", &first, &last),
    ];
    part_and_change((&ada, &mut bob), &changes, Duration::ZERO);
    let merged = TEXT.replace("one", "ada's").replace("five", "bob's");
    for device in [&ada, &bob] {
        has_open(device, &["other.txt", "touching.md"]);
        until(SOON, "the merge is in the tree", || {
            let text = read(device, "apart.md");
            check(text == merged, || text)
        });
    }
    settle_equal("notes", &[&ada, &bob]);
    // Whoever wants to take it back can.
    let kept: Vec<_> = [&ada, &bob].iter().flat_map(|it| it.history("notes", "apart.md")).collect();
    assert!(!kept.is_empty(), "the versions that were merged are in history");
    let simulated = ada.json(&["policy", "simulate", "notes", "merge"]);
    assert_eq!(outcome_of(&simulated, "other.txt")["verdict"]["does"], "merge", "{simulated}");
    let asks = outcome_of(&simulated, "touching.md");
    assert_eq!(asks["verdict"]["why"], "the changes touch each other");
    assert_eq!(ada.conflicts("notes").len(), 2, "a simulation changes nothing");
}

/// C21: the newest version by clocks that were compared, and one device's.
#[test]
fn c21_the_newest_or_one_devices_version_stays_and_taking_that_back_asks() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    for path in ["new/a.txt", "ours/b.txt"] {
        fs::create_dir_all(ada.path("notes").join(path).parent().unwrap()).unwrap();
        write(&ada, path, "as it was");
    }
    settle_equal("notes", &[&ada, &bob]);
    let changes = [("new/a.txt", "ada's", "bob's"), ("ours/b.txt", "ada's", "bob's")];
    part_and_change((&ada, &mut bob), &changes, Duration::from_secs(3));
    settle("notes", &[&ada, &bob]);
    has_open(&ada, &["new/a.txt", "ours/b.txt"]);
    let open = ada.conflicts("notes");
    // Set once they are open, and on one device only.
    ada.ok(&["policy", "set", "notes", "newest", "--for", "/new/**"]);
    ada.ok(&["policy", "set", "notes", "device:ada"]);
    for device in [&ada, &bob] {
        has_open(device, &[]);
    }
    settle_equal("notes", &[&ada, &bob]);
    let texts = [read(&bob, "new/a.txt"), read(&bob, "ours/b.txt")];
    assert_eq!(texts, ["bob's", "ada's"]);
    let lost = bob.history("notes", "ours/b.txt");
    assert!(!lost.is_empty(), "the version that lost is in history");

    let ids: Vec<_> = open.iter().map(|(_, id)| id.as_str()).collect();
    bob.ok(&["conflict", "undo", ids[0], ids[1]]);
    settle("notes", &[&ada, &bob]);
    for device in [&ada, &bob] {
        has_open(device, &["new/a.txt", "ours/b.txt"]);
    }
    let simulated = ada.json(&["policy", "simulate"]);
    assert_eq!(outcome_of(&simulated, "new/a.txt")["verdict"]["does"], "ask", "{simulated}");
    bob.ok(&["conflict", "resolve", ids[0], "--keep", "ada"]);
    settle("notes", &[&ada, &bob]);
    has_open(&ada, &["ours/b.txt"]);
}

/// C21: a program puts versions together; one that fails leaves them to a person.
#[test]
fn c21_a_program_of_ones_own_merges_what_no_line_merge_can() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    let program = scratch.join("merge.sh");
    let script = "#!/bin/sh\nset -e\nsort -u \"$1\" \"$2\" > \"$3\"\n";
    fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    let command = format!("command:{} {{ours}} {{theirs}} {{merged}}", program.display());
    ada.ok(&["policy", "set", "notes", &command, "--for", "*.list"]);
    ada.ok(&["policy", "set", "notes", "command:/bin/false {merged}", "--for", "*.bin"]);
    let refused = ada.run(&["policy", "set", "notes", "command:sort {ours}"]);
    assert!(refused.failed(2).contains("full path"), "{refused:?}");
    let changes = [("words.list", "b\na\n", "c\na\n"), ("x.bin", "1", "2")];
    part_and_change((&ada, &mut bob), &changes, Duration::ZERO);
    for device in [&ada, &bob] {
        has_open(device, &["x.bin"]);
        until(SOON, "the lists are one", || {
            let text = read(device, "words.list");
            check(text == "a\nb\nc\n", || text)
        });
    }
    let policies = ada.json(&["policy", "list", "notes"]);
    assert_eq!(policies[0]["rules"][0]["pattern"], "*.list", "{policies}");
    ada.ok(&["policy", "remove", "notes", "*.bin"]);
    let gone = ada.run(&["policy", "remove", "notes", "*.bin"]);
    assert!(gone.failed(1).contains("no rule"), "{gone:?}");
}
