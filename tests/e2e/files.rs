//! What a folder holds, why a file is or is not here, and what a folder leaves out.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Device, SOON, Scratch, check, content, settle, two_devices, until};

/// Name, kind, size and state of all in a directory of `notes`.
fn browsed(device: &Device, path: &str) -> Vec<(String, String, u64, String)> {
    let page = device.json(&["folder", "browse", "notes", path, "--json"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = page["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let size = entry["size"].as_u64().unwrap();
            (text(&entry["name"]), text(&entry["kind"]), size, text(&entry["state"]))
        })
        .collect()
}

fn states(device: &Device, path: &str) -> Vec<(String, String)> {
    let all = browsed(device, path).into_iter();
    all.map(|(name, _, _, state)| (name, state)).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

fn explained(device: &Device, path: &str) -> Value {
    device.json(&["folder", "explain", "notes", path, "--json"])
}

fn becomes(device: &Device, path: &str, expected: &[(&str, &str)]) {
    until(SOON, "the directory is listed as it should be", || {
        let states = states(device, path);
        check(states == pairs(expected), || format!("{states:?}"))
    });
}

#[test]
fn a_folder_tells_what_it_holds_and_why_each_file_is_or_is_not_here() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    let here = ada.path("notes");
    fs::create_dir_all(here.join("src/deep")).unwrap();
    fs::write(here.join("src/deep/x"), content("x", 500)).unwrap();
    fs::write(here.join("src/main.c"), content("c", 1000)).unwrap();
    fs::write(here.join("src-notes"), content("n", 10)).unwrap();
    ada.ok(&["folder", "set", "notes", "--leave-out", "build-outputs"]);
    settle("notes", &[&ada, &bob]);
    fs::write(here.join("src/main.o"), content("o", 70)).unwrap();
    std::os::unix::net::UnixListener::bind(here.join("src/socket")).unwrap();

    let entry = |name: &str, kind: &str, size, state: &str| {
        (name.to_owned(), kind.to_owned(), size, state.to_owned())
    };
    becomes(
        &ada,
        "",
        &[("src", "problem"), (".driftlessignore", "up-to-date"), ("src-notes", "up-to-date")],
    );
    assert_eq!(browsed(&ada, "")[0], entry("src", "directory", 1500, "problem"));
    let inside = [
        entry("deep", "directory", 500, "up-to-date"),
        entry("main.c", "file", 1000, "up-to-date"),
        entry("main.o", "file", 70, "left-out"),
        entry("socket", "file", 0, "problem"),
    ];
    assert_eq!(browsed(&ada, "src"), inside);
    let page =
        ada.json(&["folder", "browse", "notes", "src", "--offset", "1", "--limit", "2", "--json"]);
    assert_eq!((&page["total"], &page["entries"][1]["name"]), (&json!(4), &json!("main.o")));
    ada.run(&["folder", "browse", "notes", "src/main.c"]).failed(1);
    ada.run(&["folder", "browse", "notes", "absent"]).failed(1);

    let left_out = explained(&ada, here.join("src/main.o").to_str().unwrap());
    assert_eq!((&left_out["cause"], &left_out["rule"]), (&json!("rule"), &json!("*.o")));
    let rules = fs::read_to_string(here.join(".driftlessignore")).unwrap();
    let line = usize::try_from(left_out["rule_line"].as_u64().unwrap()).unwrap();
    assert_eq!(rules.lines().nth(line - 1), Some("*.o"));
    assert_eq!(explained(&ada, "src/socket")["cause"], "special-file");
    let settled = explained(&ada, "src/main.c");
    assert_eq!((&settled["cause"], &settled["state"]), (&json!("settled"), &json!("up-to-date")));
    assert_eq!(settled["holders"], json!([ada.id(), bob.id()]));
    assert_eq!(explained(&ada, "never/was")["cause"], "unknown");

    bob.stop();
    fs::write(here.join("src/deep/new"), "n").unwrap();
    fs::remove_file(here.join("src/main.c")).unwrap();
    becomes(&ada, "src/deep", &[("new", "only-here"), ("x", "up-to-date")]);
    becomes(&ada, "src", &[("deep", "only-here"), ("main.o", "left-out"), ("socket", "problem")]);
    let alone = explained(&ada, "src/deep/new");
    assert_eq!(alone["cause"], "device-offline", "{alone}");
    assert!(alone["message"].as_str().unwrap().contains("bob"), "{alone}");
    assert_eq!(explained(&ada, "src/main.c")["cause"], "deleted");
    ada.ok(&["folder", "pause", "notes"]);
    assert_eq!(explained(&ada, "src/deep/new")["cause"], "paused");
}

#[test]
fn what_is_known_and_not_here_is_listed_and_says_whom_it_waits_for() {
    let scratch = Scratch::new();
    let (mut ada, bob) = two_devices(&scratch);
    settle("notes", &[&ada, &bob]);
    bob.ok(&["folder", "set", "notes", "--mode", "send-only", "--label", "Letters"]);
    assert_eq!(bob.folder("notes")["label"], "Letters");
    fs::create_dir(ada.path("notes").join("dir")).unwrap();
    fs::write(ada.path("notes").join("dir/file"), content("f", 300)).unwrap();
    becomes(&bob, "", &[("dir", "waiting")]);
    becomes(&bob, "dir", &[("file", "waiting")]);
    assert_eq!(browsed(&bob, "")[0].2, 300);
    assert_eq!(explained(&bob, "dir/file")["cause"], "send-only");
    let fetched = explained(&bob, "dir/file")["holders"].clone();
    assert_eq!(fetched, json!([ada.id()]));
    ada.stop();
    bob.ok(&["folder", "set", "notes", "--mode", "send-receive"]);
    until(SOON, "the folder is open again", || {
        let cause = explained(&bob, "dir/file")["cause"].clone();
        check(cause == "device-offline", || cause.to_string())
    });
    let waits = explained(&bob, "dir/file");
    assert_eq!(waits["message"], "only ada has it, and it is offline");
}

#[test]
fn a_folder_leaves_out_from_the_beginning_what_it_is_told_to() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let place = scratch.join("ada/project");
    fs::create_dir_all(place.join("node_modules/dep")).unwrap();
    fs::write(place.join("node_modules/dep/index.js"), content("dep", 400)).unwrap();
    fs::write(place.join("package.json"), "{}").unwrap();
    fs::write(place.join(".driftlessignore"), "*.iso\n").unwrap();
    fs::write(place.join("disk.iso"), content("iso", 90)).unwrap();
    let place = place.to_str().unwrap();
    let presets = ada.json(&["folder", "presets", place, "--json"]);
    let suggested = presets.as_array().unwrap().iter().filter(|one| one["suggested"] == true);
    assert!(suggested.map(|one| &one["id"]).any(|id| id == "build-outputs"), "{presets}");
    let told = ada.json(&["folder", "preview", place, "--leave-out", "build-outputs", "--json"]);
    assert_eq!((&told["files"], &told["left_out_files"]), (&json!(2), &json!(2)), "{told}");
    assert_eq!((&told["left_out_bytes"], &told["at_least"]), (&json!(490), &json!(false)));

    ada.run(&["folder", "add", place, "--leave-out", "nonsense"]).failed(2);
    let add = ["folder", "add", place, "--id", "project", "--share", "bob"];
    ada.ok(&[&add[..], &["--leave-out", "build-outputs"]].concat());
    bob.ok(&[
        "folder",
        "add",
        scratch.join("bob/project").to_str().unwrap(),
        "--id",
        "project",
        "--share",
        "ada",
    ]);
    settle("project", &[&ada, &bob]);
    let there = scratch.join("bob/project");
    assert!(there.join("package.json").exists() && !there.join("node_modules").exists());
    assert!(!there.join("disk.iso").exists());
    let rules = bob.json(&["folder", "rules", "project", "--json"]);
    assert_eq!(
        (&rules["presets"], &rules["written"]),
        (&json!(["build-outputs"]), &json!(["*.iso"]))
    );
    let warned = ada.json(&["folder", "preview", place, "--json"]);
    assert_eq!(warned["warnings"][0], json!({"type": "inside-folder", "label": "project"}));

    ada.ok(&["folder", "set", "project", "--take-in", "build-outputs"]);
    until(SOON, "what was left out is synced", || {
        check(there.join("node_modules/dep/index.js").exists(), || "not yet".to_owned())
    });
    assert_eq!(fs::read_to_string(there.join(".driftlessignore")).unwrap(), "*.iso\n");
}
