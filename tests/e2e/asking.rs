//! Devices that were told of another by its link or ID, and ask to be let in.

use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Device, SOON, Scratch, check, connected, settle_equal, until};

/// Two running devices that do not know each other.
fn strangers(scratch: &Scratch) -> (Device, Device) {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    ada.start();
    bob.start();
    (ada, bob)
}

fn requests(device: &Device) -> Vec<Value> {
    device.json(&["device", "requests"]).as_array().unwrap().clone()
}

/// Waits until one device asks `device` to be let in.
fn asked(device: &Device) -> Value {
    until(SOON, "it is asked", || {
        requests(device).into_iter().next().ok_or_else(|| device.status().to_string())
    })
}

#[test]
fn a_link_tells_one_device_of_another_which_lets_it_in_by_one_yes() {
    let scratch = Scratch::new();
    let (ada, bob) = strangers(&scratch);
    let link = ada.ok(&["id", "--link"]).trim().to_owned();
    let expected = format!("driftless://device/{}?name=ada&address={}", ada.id(), ada.address());
    assert_eq!(link, expected);
    let drawn = ada.ok(&["id", "--qr"]);
    assert!(drawn.contains('▀') && drawn.trim_end().ends_with(&link), "{drawn}");

    bob.ok(&["device", "add", &link]);
    assert_eq!(bob.json(&["device", "list"])[0]["name"], "ada");
    let request = asked(&ada);
    assert_eq!((&request["id"], &request["name"]), (&bob.id().into(), &"bob".into()));
    assert_eq!(request["address"], bob.address());
    assert_eq!(ada.status()["requests"], 1);
    let events = ada.ok(&["events", "--since", "oldest"]);
    assert_eq!(events.matches("pair-requested").count(), 1, "{events}");
    assert_eq!(ada.json(&["device", "list"]), json!([]), "nobody is let in by asking");

    let yes = Instant::now();
    let by_name = ada.run(&["device", "accept", "bob"]);
    assert!(by_name.failed(1).contains(&bob.id()[..7]), "a name proves nothing: {by_name:?}");
    ada.ok(&["device", "accept", &bob.id()[..7]]);
    connected(&ada, &bob);
    assert!(yes.elapsed().as_secs() < 5, "it connects at once, not when the other dials again");
    assert_eq!(requests(&ada), Vec::<Value>::new());
    for (device, other) in [(&ada, "bob"), (&bob, "ada")] {
        device.add_folder("notes", &[other], &[]);
    }
    fs::write(bob.path("notes").join("hello"), "it is me").unwrap();
    settle_equal("notes", &[&ada, &bob]);
}

#[test]
fn links_are_given_and_taken_while_no_daemon_runs() {
    let scratch = Scratch::new();
    let (ada, mut bob) = (Device::new(&scratch, "ada"), Device::new(&scratch, "bob"));
    let link = ada.ok(&["id", "--link"]).trim().to_owned();
    assert_eq!(link, format!("driftless://device/{}?name=ada", ada.id()));
    bob.ok(&["device", "add", &format!("{link}&address=127.0.0.1:9"), "--name", "desk"]);
    bob.start();
    let known = bob.json(&["device", "list"]);
    assert_eq!((&known[0]["id"], &known[0]["name"]), (&ada.id().into(), &"desk".into()));
    assert_eq!(known[0]["addresses"], json!(["127.0.0.1:9"]));
    let damaged = bob.run(&["device", "add", &link.replace("device/", "device/A")]);
    assert!(damaged.failed(2).contains("is no link to a device"), "{damaged:?}");
    let own = bob.ok(&["id", "--link"]);
    assert!(bob.run(&["device", "add", own.trim()]).failed(1).contains("own ID"));
}

/// H16: who was turned away, or removed, is not heard again, also not after a
/// restart; adding the device, or requests that are off, end that either way.
#[test]
fn h16_a_device_that_was_turned_away_or_removed_is_not_heard_again_until_it_is_added() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = strangers(&scratch);
    let mut eve = Device::new(&scratch, "eve");
    eve.start();
    bob.ok(&["device", "add", ada.id(), "--address", ada.address()]);
    asked(&ada);
    ada.ok(&["device", "decline", bob.id()]);
    ada.stop();
    ada.start();
    // Somebody else is heard after bob dialled again, so that bob would have been, too.
    bob.stop();
    bob.start();
    let alone = [eve.id().to_owned()];
    let only_eve_is_heard = |device: &Device| {
        until(SOON, "eve is heard, and nobody else", || {
            let asking = requests(device);
            let ids: Vec<_> = asking.iter().filter_map(|one| one["id"].as_str()).collect();
            assert!(ids.iter().all(|id| alone.iter().any(|eve| eve == id)), "{ids:?}");
            check(ids.len() == 1, || device.status().to_string())
        });
    };
    eve.ok(&["device", "add", ada.id(), "--address", ada.address()]);
    only_eve_is_heard(&ada);

    ada.ok(&["device", "add", bob.id(), "--name", "bob"]);
    connected(&ada, &bob);
    ada.ok(&["device", "remove", "bob"]);
    ada.stop();
    ada.start();
    bob.stop();
    bob.start();
    eve.stop();
    eve.start();
    only_eve_is_heard(&ada);

    ada.ok(&["settings", "set", "requests", "off"]);
    assert_eq!(requests(&ada), Vec::<Value>::new());
    assert!(!ada.is_connected_to(&bob) && !ada.is_connected_to(&eve));
}
