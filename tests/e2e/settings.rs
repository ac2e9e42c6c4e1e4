//! Settings that take effect while the daemon runs.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{
    Device, Lan, SOON, Scratch, check, connected, content, neighbours, settle, two_devices, until,
};

const LIMIT: f64 = (4 << 20) as f64;
const SLOW: f64 = (512 << 10) as f64;
const FILE: usize = 256 << 10;

/// Puts files that neither repeat nor compress into a folder, `count` of them.
fn fill(device: &Device, name: &str, count: usize) {
    let mut bytes = vec![0; FILE];
    let mut noise = blake3::Hasher::new().update(name.as_bytes()).finalize_xof();
    let place = device.path("notes").join(name);
    fs::create_dir(&place).unwrap();
    for number in 0..count {
        noise.fill(&mut bytes);
        fs::write(place.join(number.to_string()), &bytes).unwrap();
    }
}

/// How many of them have come to a device.
fn came(device: &Device, name: &str) -> usize {
    fs::read_dir(device.path("notes").join(name)).map_or(0, Iterator::count)
}

fn wait_for(device: &Device, name: &str, count: usize) -> Instant {
    until(SOON, &format!("{count} of {name} have come"), || {
        let came = came(device, name);
        check(came >= count, || format!("{came}"))
    });
    Instant::now()
}

/// Measures at which rate files come, in bytes a second, from when a few have come.
fn measure(from: &Device, to: &Device, name: &str) -> f64 {
    fill(from, name, 96);
    let began = wait_for(to, name, 8);
    let first = came(to, name);
    let ended = wait_for(to, name, 88);
    let bytes = (came(to, name) - first) * FILE;
    bytes as f64 / (ended - began).as_secs_f64()
}

fn is_near(rate: f64, limit: f64) {
    let share = rate / limit;
    println!("{share:.3} of the limit");
    assert!((0.8..=1.2).contains(&share), "{share:.2} of the limit");
}

/// The hours that begin `from` and end `to` minutes from now.
fn hours(from: i64, to: i64) -> String {
    let clock = Command::new("date").arg("+%H %M").output().unwrap();
    let clock = String::from_utf8(clock.stdout).unwrap();
    let (hour, minute) = clock.trim().split_once(' ').unwrap();
    let now = hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap();
    let at = |offset: i64| (now + offset).rem_euclid(24 * 60);
    let text = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{}-{}", text(at(from)), text(at(to)))
}

#[test]
fn limits_hold_at_once_in_their_hours_and_are_lifted_at_once() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    settle("notes", &[&ada, &bob]);
    ada.ok(&["settings", "set", "send-limit", "4 MiB"]);
    is_near(measure(&ada, &bob, "sent"), LIMIT);

    bob.ok(&["settings", "set", "receive-limit", "4 MiB/s"]);
    ada.ok(&["settings", "set", "send-limit", "none"]);
    is_near(measure(&ada, &bob, "received"), LIMIT);

    // In the middle of it: outside their hours limits hold nobody.
    fill(&ada, "later", 200);
    wait_for(&bob, "later", 8);
    bob.ok(&["settings", "set", "limit-hours", &hours(120, 180)]);
    let lifted = Instant::now();
    wait_for(&bob, "later", 200);
    let took = lifted.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?} for what takes 12 s at the limit");
    bob.ok(&["settings", "set", "limit-hours", &hours(-120, 120)]);
    is_near(measure(&ada, &bob, "again"), LIMIT);
}

/// What a limit is for: a slow line, which nothing fills from behind it.
#[test]
fn a_receiving_limit_holds_on_the_wire() {
    let Some(lan) = Lan::new(2) else { return };
    let scratch = Scratch::new();
    let (ada, mut bob) = neighbours(&scratch, &lan);
    bob.ok(&["settings", "set", "receive-limit", "512 KiB"]);
    bob.stop();
    bob.start();
    settle("notes", &[&ada, &bob]);
    let before = lan.received_bytes(2);
    fs::write(ada.path("notes").join("film"), content("film", 64 << 20)).unwrap();
    let came = |bytes: u64| {
        until(SOON, &format!("{bytes} bytes have come"), || {
            let came = lan.received_bytes(2) - before;
            check(came >= bytes, || format!("{came}")).map(|()| (came, Instant::now()))
        })
    };
    // Past the second's worth that may come ahead.
    let (first, began) = came(640 << 10);
    let (last, ended) = came(4 << 20);
    is_near((last - first) as f64 / (ended - began).as_secs_f64(), SLOW);
}

#[test]
fn settings_are_written_down_taken_up_and_told() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = (Device::new(&scratch, "ada"), Device::new(&scratch, "bob"));
    ada.start();
    bob.start();
    ada.ok(&["settings", "set", "name", "Ada's desk"]);
    ada.ok(&["settings", "set", "history-days", "9"]);
    ada.ok(&["settings", "set", "history-size", "2 GiB"]);
    let told = ada.json(&["settings", "set", "discovery", "on"]);
    assert_eq!(told["needs_restart"], json!(["discovery"]), "it runs with --no-discovery");
    ada.run(&["settings", "set", "history-days", "0"]).failed(1);
    ada.run(&["settings", "set", "send-limit", "fast"]).failed(2);
    let expected = json!({
        "name": "Ada's desk", "discovery": true, "requests": true,
        "send_bytes_per_s": null, "receive_bytes_per_s": null, "limit_hours": null,
        "history": {"enabled": true, "days": 9, "max_bytes": 2_u64 << 30},
        "needs_restart": ["discovery"],
    });
    assert_eq!(ada.json(&["settings"]), expected);
    assert_eq!(ada.status()["device"]["name"], "Ada's desk");
    // What others hear it called: by a link, and when it asks.
    assert!(ada.ok(&["id", "--link"]).contains("name=Ada%27s%20desk&"));
    ada.ok(&["device", "add", bob.id(), "--address", bob.address()]);
    until(SOON, "bob hears the new name", || {
        let requests = bob.json(&["device", "requests"]);
        check(requests[0]["name"] == "Ada's desk", || requests.to_string())
    });
    ada.stop();
    ada.start();
    assert_eq!(ada.json(&["settings"]), expected);
}

#[test]
fn discovery_begins_while_the_daemon_runs() {
    let Some(lan) = Lan::new(2) else { return };
    let scratch = Scratch::new();
    let [mut ada, mut bob] = [("ada", 1), ("bob", 2)]
        .map(|(name, number)| Device::on_lan(&scratch, name, lan.namespace(number)));
    ada.ok(&["init"]);
    let file = ada.home().join("config.toml");
    let config =
        fs::read_to_string(&file).unwrap().replace("discovery = true", "discovery = false");
    fs::write(&file, config).unwrap();
    ada.ok(&["device", "add", bob.id(), "--name", "bob"]);
    bob.ok(&["device", "add", ada.id(), "--name", "ada"]);
    ada.start();
    bob.start();
    assert_eq!(ada.json(&["settings", "set", "discovery", "on"])["discovery"], true);
    connected(&ada, &bob);
}
