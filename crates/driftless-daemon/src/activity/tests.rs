use driftless_control::api::{EventBody, ItemAction};

use super::{Activity, Told};

fn synced(path: &str, device: &str) -> EventBody {
    EventBody::ItemSynced {
        folder: "f".into(),
        path: path.into(),
        action: ItemAction::Created,
        device: Some(device.into()),
    }
}

fn told(activity: &Activity) -> Vec<String> {
    let word = |(_, told): (u64, Told)| format!("{} {}", told.count, told.paths.join(" "));
    activity.list(None, None, 100).into_iter().map(word).collect()
}

#[test]
fn a_storm_is_one_entry_per_device_and_outlives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("activity.db");
    let activity = Activity::start(path.clone()).unwrap();
    let now_ms = crate::clock::now_ms();
    for number in 0..10_000 {
        activity.record(now_ms, &synced(&format!("{number}"), "A"));
        if number % 100 == 0 {
            activity.record(now_ms, &synced("the same", "B"));
        }
    }
    activity.record(now_ms, &EventBody::ConfigChanged);
    let [other, storm] = told(&activity).try_into().unwrap();
    assert_eq!(other, "1 the same");
    assert!(storm.starts_with("10000 0 1 2 ") && storm.ends_with(" 99"), "{storm}");
    activity.record(now_ms + 1, &synced("one more", "A"));
    assert!(told(&activity)[1].starts_with("10001 "), "it goes on growing once it is written");
    activity.record(now_ms + 60_000, &synced("later", "A"));
    activity.close();

    let activity = Activity::start(path).unwrap();
    let all = told(&activity);
    assert_eq!(all.len(), 3, "{all:?}");
    assert_eq!(all[0], "1 later");
    let page = activity.list(Some("f"), None, 1);
    let older = activity.list(Some("f"), Some(page[0].0), 1);
    assert!(older[0].0 < page[0].0 && activity.list(Some("g"), None, 1).is_empty());
    activity.close();
}

#[test]
fn a_damaged_database_is_set_aside_and_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("activity.db");
    for _ in 0..2 {
        std::fs::write(&path, vec![7; 8192]).unwrap();
        let activity = Activity::start(path.clone()).unwrap();
        activity.record(1, &synced("a", "A"));
        assert_eq!(told(&activity), ["1 a"]);
        activity.close();
        let aside = std::fs::read(directory.path().join("activity.db.damaged")).unwrap();
        assert_eq!(aside, vec![7; 8192]);
    }
    // Where nothing can be written, nothing is remembered.
    let activity = Activity::start(directory.path().join("activity.db.damaged/x/y")).unwrap();
    activity.record(1, &synced("a", "A"));
    assert!(told(&activity).is_empty());
    activity.close();
}
