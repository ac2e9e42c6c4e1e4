//! Undoing what a device did, and how long and how much of the past is kept.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::{
    Device, SOON, Scratch, Tree, check, content, introduce, settle_equal, share, two_devices, until,
};

/// What is kept is counted, and a folder's own bound holds at once and for it alone.
#[test]
fn a_folder_says_where_its_space_goes_and_how_much_of_it_may_be_the_past() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    for round in 0..4 {
        for path in ["a.bin", "sub/b.bin"] {
            fs::create_dir_all(ada.path("notes/sub")).unwrap();
            fs::write(ada.path("notes").join(path), content(&format!("{path} {round}"), 30_000))
                .unwrap();
        }
        settle_equal("notes", &[&ada, &bob]);
    }
    let space = || bob.json(&["history", "space", "notes"])[0].clone();
    let full = space();
    assert_eq!((&full["files_bytes"], &full["history_files"]), (&60_000.into(), &6.into()));
    assert_eq!((&full["history_bytes"], &full["inherits"]), (&180_000.into(), &true.into()));
    assert_eq!(full["by_age"][0]["bytes"], 180_000, "{full}");
    assert_eq!(
        (&full["largest"][0]["name"], &full["largest"][0]["files"]),
        (&"a.bin".into(), &3.into())
    );
    assert!(full["database_bytes"].as_u64().unwrap() > 4096, "{full}");
    let told = bob.ok(&["history", "space"]);
    assert!(
        told.contains("notes\n") && told.contains("kept for 30 days, as in all folders"),
        "{told}"
    );

    let found = |options: &[&str]| {
        let found = bob.json(&[&["history", "search"], options].concat());
        let path = |entry: &Value| entry["path"].as_str().unwrap().to_owned();
        let entries = found["entries"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| (path(entry), entry["displaced_at_ms"].as_u64().unwrap()))
            .collect::<Vec<_>>()
    };
    let within = found(&["--path", "sub"]);
    assert!(within.len() == 3 && within.iter().all(|(path, _)| path == "sub/b.bin"), "{within:?}");
    let (newest, oldest) = (within[0].1, within[2].1);
    let [before, first, after] =
        [oldest, oldest + 1, newest + 1000].map(|time_ms| time_ms.to_string());
    assert_eq!(found(&["b.bin", "--since", &first, "--until", &after]), within);
    assert_eq!(found(&["b.bin", "--since", &after]), []);
    assert_eq!(found(&["b.bin", "--until", &before]), []);

    bob.ok(&["folder", "set", "notes", "--history-days", "7", "--history-size", "70kB"]);
    let thinned = until(SOON, "the oldest versions go", || {
        let found = space();
        check(found["history_files"] == 2, || found.to_string()).map(|()| found)
    });
    let retention = &thinned["retention"];
    assert_eq!((&retention["days"], &retention["max_bytes"]), (&7.into(), &70_000.into()));
    assert_eq!(thinned["inherits"], false);
    assert_eq!(ada.json(&["history", "space"])[0]["inherits"], true, "it is bob's alone");
    bob.ok(&["folder", "set", "notes", "--history", "inherit"]);
    assert_eq!((&space()["inherits"], &space()["retention"]["days"]), (&true.into(), &30.into()));
}

/// The time, as `undo --since` takes it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().to_string()
}

/// Fills a folder with what a person has in one.
fn furnish(root: &Path) {
    for directory in ["letters/2025", "photos", "empty"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for number in 0..24 {
        let place = ["", "letters/", "letters/2025/", "photos/"][number % 4];
        let bytes = content(&format!("file {number}"), 200 + 3_000 * number);
        fs::write(root.join(format!("{place}file {number}.txt")), bytes).unwrap();
    }
    fs::write(root.join("photos/large.raw"), content("large", 3 << 20)).unwrap();
    fs::write(root.join("nothing yet"), "").unwrap();
    fs::set_permissions(root.join("letters/file 1.txt"), Permissions::from_mode(0o640)).unwrap();
    symlink("letters/file 1.txt", root.join("newest")).unwrap();
    symlink("photos", root.join("pictures")).unwrap();
}

/// Everything but driftless's own, in path order.
fn files_below(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut directories) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            match entry.file_name() == ".driftless" {
                true => {}
                false if kind.is_dir() => directories.push(entry.path()),
                false if kind.is_file() => files.push(entry.path()),
                false => {}
            }
        }
    }
    files.sort();
    files
}

fn locked(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    path.with_file_name(format!("{name}.locked"))
}

/// Rewrites each file and gives it another name, as ransomware does. Of each
/// three one is renamed after a while, one before it is written to, and one is
/// written anew and then deleted.
fn lock(device: &Device, other: &Device) {
    let root = device.path("notes");
    let files = files_below(&root);
    let rewrite = |path: &Path, from: &Path| {
        let bytes: Vec<u8> = fs::read(from).unwrap().iter().map(|byte| !byte).collect();
        // Writing nothing to an empty file only changes its time, which nobody keeps.
        if path != from || !bytes.is_empty() {
            fs::write(path, bytes).unwrap();
        }
    };
    for (number, path) in files.iter().enumerate() {
        match number % 3 {
            0 => rewrite(path, path),
            1 => fs::rename(path, locked(path)).unwrap(),
            _ => {
                rewrite(&locked(path), path);
                fs::remove_file(path).unwrap();
            }
        }
    }
    settle_equal("notes", &[device, other]);
    for (number, path) in files.iter().enumerate() {
        match number % 3 {
            0 => fs::rename(path, locked(path)).unwrap(),
            _ if number % 2 == 0 => rewrite(&locked(path), &locked(path)),
            _ => {}
        }
    }
    fs::remove_file(root.join("newest")).unwrap();
    fs::remove_file(root.join("pictures")).unwrap();
    symlink("/nowhere", root.join("pictures")).unwrap();
    for directory in ["", "letters/", "how to pay/"] {
        fs::create_dir_all(root.join(directory)).unwrap();
        fs::write(root.join(directory).join("READ ME.txt"), "pay").unwrap();
    }
    settle_equal("notes", &[device, other]);
}

fn undo(by: &Device, of: &Device, since: &str) -> Value {
    by.json(&["undo", of.name(), "--since", since, "--yes"])
}

fn assert_tree(device: &Device, expected: &Tree) {
    let found = Tree::of(&device.path("notes"));
    let differences = expected.differences(&found);
    assert!(differences.is_empty(), "{}:\n{}", device.name(), differences.join("\n"));
}

/// H17, I1: the other device takes back all that ransomware did, and can take that back in turn.
#[test]
fn what_ransomware_did_on_one_device_is_undone_on_another_and_that_undone_again() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    furnish(&ada.path("notes"));
    settle_equal("notes", &[&ada, &bob]);
    let before = Tree::of(&bob.path("notes"));
    let since = now();
    lock(&ada, &bob);
    let broken = Tree::of(&bob.path("notes"));
    assert!(broken.differences(&before).len() > 50);

    let told = bob.ok(&["undo", "ada", "--since", &since]);
    assert!(told.contains("nothing is changed yet"), "{told}");
    let plan = bob.json(&["undo", "ada", "--since", &since]);
    assert_eq!(plan["leaves"], 0, "{plan}");
    assert_eq!(plan["restores"], 28, "{plan}");
    assert!(Tree::of(&bob.path("notes")) == broken, "a preview changes nothing");
    let done = undo(&bob, &ada, &since);
    assert_eq!((&done["leaves"], &done["left"]), (&0.into(), &Value::Array(Vec::new())), "{done}");
    assert_eq!(done["restored"], plan["restores"], "{done}");
    assert_eq!(done["removed"], plan["removes"], "{done}");
    assert_tree(&bob, &before);
    settle_equal("notes", &[&ada, &bob]);
    assert_tree(&ada, &before);
    let again = undo(&bob, &ada, &since);
    assert_eq!((&again["restored"], &again["removed"]), (&0.into(), &0.into()), "{again}");

    let began = done["began_ms"].as_u64().unwrap().to_string();
    let back = undo(&bob, &bob, &began);
    assert_eq!(back["leaves"], 0, "{back}");
    assert_tree(&bob, &broken);
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(bob.conflicts("notes"), []);
}

/// H13, H17: what the brake still holds does not come at all, and who sent it gets back what it replaced.
#[test]
fn what_waits_for_a_yes_is_undone_before_it_comes() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    furnish(&ada.path("notes"));
    settle_equal("notes", &[&ada, &bob]);
    bob.stop();
    bob.configure_folders("mass_change = { at_least = 3, percent = 5 }");
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    let before = Tree::of(&bob.path("notes"));
    let since = now();
    for (number, path) in files_below(&ada.path("notes")).iter().enumerate() {
        match number % 2 {
            0 => fs::write(path, content(&format!("bad {number}"), 900)).unwrap(),
            _ => fs::remove_file(path).unwrap(),
        }
    }
    until(SOON, "bob holds it back", || {
        let waiting = bob.run(&["wait", "notes", "--timeout", "1"]);
        check(waiting.stderr.contains("wait for a yes"), || format!("{waiting:?}"))
    });
    ada.ok(&["folder", "rescan", "notes"]);
    until(SOON, "bob knows of all of it", || {
        let plan = bob.json(&["undo", "ada", "--since", &since]);
        check(plan["restores"] == 26, || format!("{} of {plan}", plan["restores"]))
    });
    let done = undo(&bob, &ada, &since);
    assert_eq!((&done["restored"], &done["leaves"]), (&26.into(), &0.into()), "{done}");
    settle_equal("notes", &[&ada, &bob]);
    assert_tree(&ada, &before);
    assert_eq!(ada.conflicts("notes"), []);
}

/// H17: another device's later work is not undone along with it.
#[test]
fn what_a_third_device_changed_since_is_left_and_said() {
    let scratch = Scratch::new();
    let [mut ada, mut bob, mut cleo] =
        ["ada", "bob", "cleo"].map(|name| Device::new(&scratch, name));
    for (one, other) in [(&ada, &bob), (&bob, &cleo), (&ada, &cleo)] {
        introduce(one, other);
    }
    share("notes", &[&ada, &bob, &cleo]);
    [&mut ada, &mut bob, &mut cleo].into_iter().for_each(Device::start);
    let all = [&ada, &bob, &cleo];
    furnish(&ada.path("notes"));
    settle_equal("notes", &all);
    let before = Tree::of(&bob.path("notes"));
    let since = now();
    let bad = |path: &str| fs::write(ada.path("notes").join(path), "bad").unwrap();
    ["file 0.txt", "file 4.txt", "photos/file 3.txt"].into_iter().for_each(bad);
    settle_equal("notes", &all);
    fs::write(cleo.path("notes/file 4.txt"), "cleo's later work").unwrap();
    settle_equal("notes", &all);

    let done = undo(&bob, &ada, &since);
    assert_eq!((&done["restored"], &done["removed"]), (&2.into(), &0.into()), "{done}");
    let left = done["left"].as_array().unwrap().iter();
    let left: Vec<_> = left.map(|step| (&step["path"], &step["action"]["why"])).collect();
    assert_eq!(left, [(&"file 4.txt".into(), &"cleo changed it since".into())]);
    settle_equal("notes", &all);
    let differences = before.differences(&Tree::of(&ada.path("notes")));
    assert_eq!(differences.len(), 1, "{differences:?}");

    // The device itself has kept nothing of what it overwrote.
    let own = ada.json(&["undo", "ada", "--since", &since]);
    assert_eq!((&own["restores"], &own["removes"]), (&0.into(), &0.into()), "{own}");
}

/// H17, P1, P13: a kill in the middle loses nothing, and asking again does the rest.
#[test]
fn an_undo_that_was_killed_is_completed_by_asking_again() {
    const FILES: usize = 600;
    let scratch = Scratch::new();
    let (mut ada, mut bob) = two_devices(&scratch);
    for device in [&mut ada, &mut bob] {
        device.stop();
        device.configure_folders("mass_change = \"off\"");
        device.start();
    }
    let path = |device: &Device, number: usize| {
        device.path("notes").join(format!("{}/file {number}", number % 7))
    };
    for number in 0..FILES {
        let path = path(&ada, number);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content(&format!("good {number}"), 9_000)).unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    let before = Tree::of(&bob.path("notes"));
    let since = now();
    for number in 0..FILES {
        match number % 3 {
            0 => fs::remove_file(path(&ada, number)).unwrap(),
            1 => fs::rename(path(&ada, number), locked(&path(&ada, number))).unwrap(),
            _ => fs::write(path(&ada, number), content(&format!("bad {number}"), 9_000)).unwrap(),
        }
    }
    settle_equal("notes", &[&ada, &bob]);

    let mut asked = Command::new(env!("CARGO_BIN_EXE_driftless"))
        .arg("--home")
        .arg(bob.home())
        .args(["undo", "ada", "--since", &since, "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deleted = path(&bob, 0);
    let last = path(&bob, FILES - 3);
    until(SOON, "some of it is back", || {
        let is_back = deleted.exists() || !locked(&path(&bob, 1)).exists();
        check(is_back, || "nothing is".to_owned())
    });
    bob.kill();
    asked.wait().unwrap();
    println!("the last was back: {}", last.exists());
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    let done = undo(&bob, &ada, &since);
    assert_eq!(done["leaves"], 0, "{done}");
    assert_tree(&bob, &before);
    settle_equal("notes", &[&ada, &bob]);
    assert_tree(&ada, &before);
    for number in (0..FILES).filter(|number| number % 3 == 2) {
        let relative = format!("{}/file {number}", number % 7);
        let kept = bob.path("notes/.driftless/history").join(format!("{}", number % 7));
        let bad = content(&format!("bad {number}"), 9_000);
        // What a kill left on its way there is told apart by its content alone.
        let recovered = fs::read_dir(bob.path("notes/.driftless/history")).unwrap();
        let names = fs::read_dir(kept).unwrap().chain(recovered).map(|entry| entry.unwrap().path());
        let mut versions = names.filter(|name| {
            let name = name.file_name().unwrap().to_str().unwrap();
            name.starts_with(&format!("file {number}~")) || name.starts_with("recovered ")
        });
        assert!(versions.any(|version| fs::read(version).unwrap() == bad), "{relative}");
    }
}
