//! What is on its way, what happened, and finding what was displaced.

use std::fs;

use serde_json::Value;

use crate::harness::{
    Device, SOON, Scratch, check, content, settle_equal, share, two_devices, until,
};

fn entries(device: &Device) -> Vec<Value> {
    device.json(&["activity", "notes"]).as_array().unwrap().clone()
}

/// How many entries there are of files that were added by a device, and of how many files.
fn added(device: &Device, by: Option<&Device>) -> (usize, u64) {
    let entries = entries(device);
    let by = by.map(|by| Value::from(by.id())).unwrap_or_default();
    let alike = entries.iter().map(|entry| (&entry["body"], &entry["count"]));
    let alike: Vec<_> = alike
        .filter(|(body, _)| {
            body["type"] == "item-synced" && body["action"] == "created" && body["device"] == by
        })
        .map(|(_, count)| count.as_u64().unwrap())
        .collect();
    (alike.len(), alike.iter().sum())
}

#[test]
fn what_happened_outlives_restarts_and_crashes_and_a_storm_is_one_entry() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    for number in 0..300 {
        fs::write(ada.path("notes").join(format!("{number}.txt")), "one of many").unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    let (lines, files) = added(&bob, Some(&ada));
    assert!(files == 300 && lines <= 5, "{files} files are {lines} entries");
    assert_eq!(added(&ada, None).1, 300, "those that did it see it as their own");
    let entry = entries(&bob).pop().unwrap();
    assert_eq!((&entry["folder_label"], &entry["device_name"]), (&"notes".into(), &"ada".into()));

    bob.kill();
    bob.start();
    assert_eq!(added(&bob, Some(&ada)).1, 300);
    fs::write(bob.path("notes").join("own.txt"), "by bob").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    bob.stop();
    let database = bob.home().join("activity.db");
    assert!(database.exists());
    bob.start();
    assert_eq!((added(&bob, Some(&ada)).1, added(&bob, None).1), (300, 1));

    // Damage to it stops nothing, and costs no more than what it was.
    bob.stop();
    fs::write(&database, content("no database", 40_000)).unwrap();
    bob.start();
    fs::write(ada.path("notes").join("later.txt"), "by ada").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(added(&bob, Some(&ada)), (1, 1));
}

#[test]
fn what_is_on_its_way_is_listed_on_both_ends_while_it_is() {
    let scratch = Scratch::new();
    let (mut ada, bob) = two_devices(&scratch);
    assert_eq!(bob.json(&["transfers"]), Value::from(Vec::<Value>::new()));
    ada.stop();
    let config = ada.home().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[limits]\nsend_bytes_per_s = \"1 MiB\"\n")).unwrap();
    ada.start();
    let size = 5 << 20;
    fs::write(ada.path("notes").join("film"), content("a film", size)).unwrap();
    for (device, way, other) in [(&bob, "receiving", &ada), (&ada, "sending", &bob)] {
        until(SOON, &format!("{} is {way} it", device.name()), || {
            let list = device.json(&["transfers", "notes"]);
            let all = list.as_array().unwrap().iter();
            let mut film = all.filter(|transfer| transfer["path"] == "film");
            let Some(film) = film.next() else { return Err(list.to_string()) };
            assert_eq!((&film["direction"], &film["bytes"]), (&way.into(), &size.into()));
            assert_eq!(film["devices"], Value::from(vec![other.name()]));
            let done = film["done_bytes"].as_u64().unwrap();
            let rate = film["rate_bytes_per_s"].as_u64().unwrap();
            check(done > 0 && done < size as u64 && rate > 0, || film.to_string())
        });
    }
    settle_equal("notes", &[&ada, &bob]);
    for device in [&ada, &bob] {
        until(SOON, &format!("nothing is on its way on {}", device.name()), || {
            let list = device.json(&["transfers"]);
            check(list == Value::from(Vec::<Value>::new()), || list.to_string())
        });
    }
}

#[test]
fn what_was_displaced_is_found_in_all_folders_page_by_page() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    share("photos", &[&ada, &bob]);
    for number in 0..4 {
        fs::create_dir_all(ada.path("notes").join("2026")).unwrap();
        fs::write(ada.path("notes").join(format!("2026/Report {number}.txt")), "words").unwrap();
        fs::write(ada.path("photos").join(format!("report {number}.jpg")), "light").unwrap();
    }
    fs::write(ada.path("photos").join("sea.jpg"), "water").unwrap();
    for folder in ["notes", "photos"] {
        settle_equal(folder, &[&ada, &bob]);
    }
    fs::remove_dir_all(ada.path("notes").join("2026")).unwrap();
    for name in ["report 0.jpg", "report 1.jpg", "sea.jpg"] {
        fs::write(ada.path("photos").join(name), "another light").unwrap();
    }
    for folder in ["notes", "photos"] {
        settle_equal(folder, &[&ada, &bob]);
    }
    let search = |options: &[&str]| {
        let found = bob.json(&[&["history", "search"], options].concat());
        let word = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().unwrap().to_owned();
            format!(
                "{}/{} {} by {}",
                text("folder"),
                text("path"),
                text("reason"),
                text("device_name")
            )
        };
        let mut words: Vec<_> = found["entries"].as_array().unwrap().iter().map(word).collect();
        words.sort();
        (words, found["next"].clone())
    };
    let (all, next) = search(&["REPORT"]);
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!(all[0], "notes/2026/Report 0.txt deleted by ada");
    assert_eq!(all[5], "photos/report 1.jpg overwritten by ada");
    assert_eq!(next, Value::Null);
    assert_eq!(search(&["report", "--folder", "photos"]).0.len(), 2);
    assert_eq!(search(&["", "--device", "ada"]).0.len(), 7);
    assert_eq!(search(&["", "--device", "bob"]).0.len(), 0);
    assert_eq!(search(&["2026"]).0.len(), 4, "directories count, too");
    let (some, next) = search(&["report", "--number", "4"]);
    assert!(some.len() == 4 && next.is_string(), "{some:?} {next}");
}
