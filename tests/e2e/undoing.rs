//! Undoing what a device did, and how long and how much of the past is kept.

use std::fs;

use serde_json::Value;

use crate::harness::{SOON, Scratch, check, content, settle_equal, two_devices, until};

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
    assert_eq!(found(&["--since", &after]), []);
    assert_eq!(found(&["--until", &before]), []);

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
