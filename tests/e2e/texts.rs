//! What small texts held before: the base of a conflict, and what local changes replaced.

use std::fs;

use serde_json::Value;

use crate::harness::{Device, SOON, Scratch, check, settle_equal, two_devices, until};

const BASE: &str = "one\ntwo\nthree\nfour\nfive\nsix\n";

fn write(device: &Device, path: &str, text: &str) {
    fs::write(device.path("notes").join(path), text).unwrap();
}

/// Saves several times while nobody else is there to hear of it.
fn edit_alone(device: &Device, path: &str, texts: &[&str]) {
    for text in texts {
        write(device, path, text);
        device.ok(&["folder", "rescan", "notes"]);
        device.ok(&["wait", "notes", "--timeout", "60"]);
    }
}

/// The texts of the only conflict, once it is open.
fn compared(device: &Device, path: &str) -> Value {
    let id = until(SOON, &format!("{path} is in conflict on {}", device.name()), || {
        let open = device.conflicts("notes");
        let found = open.iter().find(|(open, _)| open == path).map(|(_, id)| id.clone());
        found.ok_or_else(|| format!("{open:?}"))
    });
    device.json(&["conflict", "diff", &id])
}

fn id_of(device: &Device, path: &str) -> String {
    let open = device.conflicts("notes");
    open.into_iter().find(|(open, _)| open == path).map(|(_, id)| id).unwrap()
}

/// C1, C20: both edited several times while apart; the base outlives a restart,
/// and how the conflict was decided.
#[test]
fn what_a_conflict_was_made_from_is_known_on_both_devices() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = two_devices(&scratch);
    for path in ["both.txt", "apart.txt"] {
        write(&ada, path, BASE);
    }
    settle_equal("notes", &[&ada, &bob]);
    ada.stop();
    edit_alone(&bob, "both.txt", &["1\n", "one\ntwo\nthree\nfour\n5\nsix\n"]);
    edit_alone(&bob, "apart.txt", &["one\ntwo\nthree\nfour\nfive\n6\n"]);
    bob.stop();
    ada.start();
    edit_alone(&ada, "both.txt", &["", "one\ntwo\nthree\nfour\nFIVE\nsix\n"]);
    edit_alone(&ada, "apart.txt", &["gone\n", "ONE\ntwo\nthree\nfour\nfive\nsix\n"]);
    bob.start();
    settle_equal("notes", &[&ada, &bob]);

    for device in [&ada, &bob] {
        let both = compared(device, "both.txt");
        assert_eq!((&both["base"], &both["merged"]), (&BASE.into(), &Value::Null), "{both}");
        let kinds: Vec<_> =
            both["regions"].as_array().unwrap().iter().map(|region| &region["kind"]).collect();
        assert_eq!(kinds, ["unchanged", "conflict", "unchanged"]);
        let apart = compared(device, "apart.txt");
        assert_eq!(apart["base"], BASE, "{apart}");
        assert_eq!(apart["merged"], "ONE\ntwo\nthree\nfour\nfive\n6\n");
        let shown = device.json(&["conflict", "show", &id_of(device, "both.txt")]);
        assert_eq!(shown["base"]["device_name"], "ada");
        assert_eq!(shown["base"]["size"], BASE.len());
    }
    let text = ada.ok(&["conflict", "diff", &id_of(&ada, "both.txt")]);
    assert!(text.contains("@ line 5: both changed, choose") && text.contains("-  five"), "{text}");

    bob.stop();
    bob.start();
    assert_eq!(compared(&bob, "both.txt")["base"], BASE, "after a restart");

    let id = id_of(&ada, "both.txt");
    ada.ok(&["conflict", "resolve", &id, "--keep", "bob"]);
    for device in [&ada, &bob] {
        until(SOON, "it is settled", || {
            let open = device.conflicts("notes");
            check(open.len() == 1, || format!("{open:?}"))
        });
    }
    settle_equal("notes", &[&ada, &bob]);
    bob.ok(&["conflict", "undo", &id]);
    for device in [&ada, &bob] {
        let again = compared(device, "both.txt");
        assert_eq!(again["base"], BASE, "not how it was settled: {again}");
    }
}
