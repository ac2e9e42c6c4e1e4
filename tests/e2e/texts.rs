//! What small texts held before: the base of a conflict, and what local changes replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use driftless_control::Client;
use driftless_control::api::{ContentPreview, PreviewView};
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

/// Asks the daemon itself, as the desktop app does.
fn show(device: &Device, request: ContentPreview) -> PreviewView {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::connect(&device.home().join("control.sock")).await.unwrap();
        client.call(request).await.unwrap()
    })
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
    let id = id_of(&bob, "both.txt");
    let base = show(&bob, ContentPreview::Conflict { id: id.clone(), version: None });
    assert_eq!(base, PreviewView::Text { text: BASE.to_owned(), cut_short: false });
    let conflict = bob.json(&["conflict", "show", &id]);
    for head in conflict["heads"].as_array().unwrap() {
        let version = head["version"].as_str().map(str::to_owned);
        let five = if head["device_name"] == "ada" { "FIVE" } else { "5" };
        let text = BASE.replace("five", five);
        let shown = show(&bob, ContentPreview::Conflict { id: id.clone(), version });
        assert_eq!(shown, PreviewView::Text { text, cut_short: false });
    }
    let (folder, path) = ("notes".to_owned(), "apart.txt".to_owned());
    let shown = show(&bob, ContentPreview::Current { folder, path });
    let text = fs::read_to_string(bob.path("notes/apart.txt")).unwrap();
    assert_eq!(shown, PreviewView::Text { text, cut_short: false });
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

    // What ada's own saves replaced is among what may be chosen.
    let list = ada.json(&["history", "list", "notes", "apart.txt"]);
    let entries = list.as_array().unwrap();
    let gone = entries.iter().find(|entry| entry["reason"] == "edited" && entry["size"] == 5);
    let version = gone.unwrap()["version"].as_str().unwrap();
    ada.ok(&["conflict", "resolve", &id_of(&ada, "apart.txt"), "--history", version]);
    until(SOON, "bob has it", || {
        let text = fs::read_to_string(bob.path("notes/apart.txt")).unwrap_or_default();
        check(text == "gone\n", || text)
    });
}

/// The versions of a path that history has: names and reasons, newest first.
fn past(device: &Device, path: &str) -> Vec<(String, String)> {
    let list = device.json(&["history", "list", "notes", path]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = list.as_array().unwrap().iter();
    entries.map(|entry| (text(&entry["version"]), text(&entry["reason"]))).collect()
}

/// Waits until history has versions of a path that went for these reasons, newest first.
fn has_past(device: &Device, path: &str, reasons: &[&str]) -> Vec<String> {
    until(SOON, &format!("{path} was {reasons:?} on {}", device.name()), || {
        let past = past(device, path);
        let found: Vec<_> = past.iter().map(|(_, reason)| reason.as_str()).collect();
        check(found == reasons, || format!("{found:?}"))?;
        Ok(past.into_iter().map(|(version, _)| version).collect())
    })
}

/// I1: also what a person replaced or deleted on this very device, if it was a text.
#[test]
fn a_local_edit_and_a_local_deletion_of_a_text_can_be_taken_back() {
    let scratch = Scratch::new();
    let (mut ada, bob) = two_devices(&scratch);
    let (edited, removed) = (ada.path("notes/edited.txt"), ada.path("notes/in/removed.txt"));
    fs::create_dir(ada.path("notes/in")).unwrap();
    let long = format!("{BASE}{}", "a line like many\n".repeat(20_000));
    fs::write(&edited, "first\n").unwrap();
    fs::write(&removed, &long).unwrap();
    fs::set_permissions(&removed, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(ada.path("notes/binary"), b"a\0b").unwrap();
    settle_equal("notes", &[&ada, &bob]);

    fs::write(&edited, "second\n").unwrap();
    fs::remove_file(&removed).unwrap();
    fs::remove_file(ada.path("notes/binary")).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    has_past(&ada, "edited.txt", &["edited"]);
    ada.stop();
    ada.start();
    let first = has_past(&ada, "edited.txt", &["edited"]).remove(0);
    let gone = has_past(&ada, "in/removed.txt", &["removed"]).remove(0);
    assert_eq!(past(&ada, "binary"), [], "it is no text, and in bob's history");
    let found = ada.json(&["history", "search", "removed.txt"]);
    assert_eq!(
        (&found["entries"][0]["version"], found["entries"].as_array().unwrap().len()),
        (&Value::from(&*gone), 1)
    );
    assert_eq!(found["entries"][0]["device_name"], "ada");
    assert_eq!(ada.ok(&["history", "show", "notes", "edited.txt", "--version", &first]), "first\n");
    let copy = scratch.join("copy");
    let to = copy.to_str().unwrap();
    ada.ok(&["history", "show", "notes", "in/removed.txt", "--version", &gone, "--output", to]);
    assert_eq!(fs::read_to_string(&copy).unwrap(), long);

    ada.ok(&["history", "restore", "notes", "edited.txt", "--version", &first]);
    ada.ok(&["history", "restore", "notes", "in/removed.txt", "--version", &gone]);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read_to_string(bob.path("notes/edited.txt")).unwrap(), "first\n");
    assert_eq!(fs::read_to_string(bob.path("notes/in/removed.txt")).unwrap(), long);
    assert_eq!(removed.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    has_past(&ada, "edited.txt", &["overwritten", "edited"]);
}

/// P7: it is begun anew, and what the tree has is read again.
#[test]
fn a_damaged_database_of_texts_is_set_aside_and_filled_again() {
    let scratch = Scratch::new();
    let (mut ada, bob) = two_devices(&scratch);
    write(&ada, "a.txt", "first\n");
    settle_equal("notes", &[&ada, &bob]);
    ada.stop();
    let texts = ada.home().join("index/notes.texts.db");
    fs::write(&texts, "no database").unwrap();
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    assert!(ada.home().join("index/notes.texts.db.damaged").exists());
    assert_eq!(texts.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // It is read once the folder is quiet, and nothing says when that was.
    let mut number = 0;
    until(SOON, "an edit is restorable again", || {
        number += 1;
        write(&ada, "a.txt", &format!("{number}\n"));
        ada.ok(&["folder", "rescan", "notes"]);
        ada.ok(&["wait", "notes", "--timeout", "60"]);
        check(!past(&ada, "a.txt").is_empty(), || "nothing".to_owned())
    });
}

/// What a preview of the only version of a path in history says.
fn preview(device: &Device, path: &str) -> Value {
    let version = has_past(device, path, &["deleted"]).remove(0);
    device.json(&["history", "show", "notes", path, "--version", &version])
}

/// H3: images are decoded within bounds, in a process of their own.
#[test]
fn previews_show_texts_and_images_and_survive_what_is_neither() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let files: [(&str, Vec<u8>); 5] = [
        ("text.txt", "grün\n".into()),
        ("dot.png", png(3, 2)),
        ("bomb.png", png(60_000, 60_000)),
        ("broken.png", png(3, 2)[..40].to_vec()),
        ("binary", b"a\0b".to_vec()),
    ];
    for (name, bytes) in &files {
        fs::write(ada.path("notes").join(name), bytes).unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    for (name, _) in &files {
        fs::remove_file(ada.path("notes").join(name)).unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    let text = preview(&bob, "text.txt");
    assert_eq!((&text["kind"], &text["text"]), (&"text".into(), &"grün\n".into()));
    let dot = preview(&bob, "dot.png");
    assert_eq!(
        (&dot["kind"], &dot["width"], &dot["height"]),
        (&"image".into(), &3.into(), &2.into())
    );
    assert!(dot["png"].as_str().unwrap().starts_with("iVBORw0KGgo"), "{dot}");
    for (name, why) in [
        ("bomb.png", "the image is too large to be shown"),
        ("broken.png", "the image is damaged, or of a kind that is not shown"),
        ("binary", "it is neither a text nor an image that could be shown"),
    ] {
        let shown = preview(&bob, name);
        assert_eq!((&shown["kind"], &shown["why"]), (&"none".into(), &why.into()));
    }
}

/// A PNG file of one grey that says to be of this size, and has two rows of three pixels.
fn png(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    // Stored, not packed; each row begins with its filter.
    let rows = [0, 9, 9, 9, 0, 9, 9, 9];
    let sum = rows.iter().fold((1_u32, 0_u32), |(a, b), row| (a + row, b + a + row));
    let rows = rows.map(|row| row as u8);
    let sum = (sum.1 << 16 | sum.0).to_be_bytes();
    let data = [&[0x78, 1, 1, 8, 0, 0xf7, 0xff][..], &rows, &sum].concat();
    let chunk = |name: &[u8], data: &[u8]| {
        let body = [name, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body).to_be_bytes()].concat()
    };
    let parts = [chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", b"")];
    [&b"\x89PNG\r\n\x1a\n"[..], &parts.concat()].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| crc >> 1 ^ 0xedb8_8320 & (crc & 1).wrapping_neg();
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
