//! A home that was copied to a second computer: two programs that believe that
//! they are one device.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::harness::{Device, Scratch, check, introduce, settle_equal, share, two_devices, until};

/// How long a device may be kept away, and then take to be dialled again.
const BACK_AGAIN: Duration = Duration::from_secs(120);

const FILES: usize = 20;

fn write(device: &Device, path: &str, text: &str) {
    fs::write(device.path("notes").join(path), text).unwrap();
}

fn read(device: &Device, path: &str) -> String {
    fs::read_to_string(device.path("notes").join(path)).unwrap_or_else(|error| error.to_string())
}

/// Every content of a file of the device that a person can reach: in the folder,
/// as a side of a conflict, or in history.
fn reachable(device: &Device) -> BTreeSet<String> {
    fn walk(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&device.path("notes"), &mut found);
    found
}

/// A device in the middle and one that is copied, in sync, on one computer each.
fn scene(scratch: &Scratch) -> (Device, Device) {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    ada.on_machine("one");
    bob.on_machine("two");
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    for number in 0..FILES {
        write(&ada, &number.to_string(), &format!("file {number}"));
    }
    ada.start();
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    (ada, bob)
}

/// The middle learns that another device exists, and shares the folder with it.
fn accept(bob: &Device, copy: &Device) {
    let named = ["device", "add", copy.id(), "--name", copy.name()];
    bob.ok(&[&named[..], &["--address", copy.address()]].concat());
    bob.ok(&["folder", "share", "notes", copy.name()]);
}

/// P11, I9, I10: a copy on another computer is another device before it says
/// anything; what both did since is on both.
#[test]
fn p11_a_home_that_was_copied_to_another_computer_is_a_new_device_there() {
    let scratch = Scratch::new();
    let (mut ada, bob) = scene(&scratch);
    let mut copy = ada.copied("copy");
    copy.on_machine("three");
    write(&ada, "1", "edited by ada after the copy");
    write(&copy, "2", "edited in the copy");
    write(&copy, "new", "made in the copy");
    fs::remove_file(copy.path("notes").join("3")).unwrap();
    copy.try_start().unwrap();
    copy.look_up_id();
    assert_ne!(copy.id(), ada.id());
    let said = copy.says("new-identity");
    assert!(said.contains("copied from another computer") && said.contains(copy.id()), "{said}");
    let doctor = copy.run(&["doctor"]);
    assert!(doctor.stdout.contains("copied from another computer"), "{doctor:?}");
    settle_equal("notes", &[&ada, &bob]);
    assert!(!copy.is_connected_to(&bob), "a stranger, until somebody says otherwise");
    assert!(!bob.path("notes").join("new").exists());

    accept(&bob, &copy);
    settle_equal("notes", &[&ada, &bob, &copy]);
    for device in [&ada, &bob, &copy] {
        assert_eq!(device.conflicts("notes").len(), 2, "what differs is kept twice");
        let found = reachable(device);
        for text in ["edited by ada after the copy", "edited in the copy", "file 1", "file 2"] {
            assert!(found.contains(text), "{}: {text}: {found:?}", device.name());
        }
        assert_eq!(read(device, "new"), "made in the copy");
        assert_eq!(read(device, "3"), "file 3", "nobody saw that a person deleted it");
        assert_eq!(read(device, "4"), "file 4");
        assert!(!device.logged().contains("rolled back"), "{}", device.name());
        assert!(!device.logged().contains("two computers use"), "{}", device.name());
    }
    until(BACK_AGAIN, "nobody needs to be told any more", || {
        let problems = copy.status()["problems"].clone();
        check(problems == serde_json::json!([]), || problems.to_string())
    });

    // Who it is stays so, and so does who it was copied from.
    for device in [&mut copy, &mut ada] {
        device.stop();
        device.start();
    }
    write(&copy, "later", "from the copy");
    write(&ada, "later too", "from ada");
    settle_equal("notes", &[&ada, &bob, &copy]);
}

/// P11, I1, I9: whole disks that were copied look like one computer. Who meets
/// both notices; nothing is lost meanwhile, and a new key for one mends it.
#[test]
fn p11_two_computers_that_are_one_device_are_told_and_told_apart_by_a_new_key() {
    let scratch = Scratch::new();
    let (mut ada, bob) = scene(&scratch);
    ada.stop();
    let mut copy = ada.copied("copy");
    write(&ada, "1", "edited by ada");
    write(&copy, "2", "edited in the copy");
    for (device, text) in [(&ada, "both: ada"), (&copy, "both: copy")] {
        write(device, "0", text);
        write(device, &format!("only {}", device.name()), text);
    }
    ada.start();
    copy.start();
    let said = bob.says("cloned-device");
    assert!(said.contains("two computers use the identity of ada"), "{said}");
    for device in [&ada, &copy] {
        let said = device.says("identity-in-use");
        assert!(said.contains("another computer uses this device's identity, says bob"), "{said}");
        let doctor = device.run(&["doctor"]);
        assert!(doctor.code == Some(1) && doctor.stdout.contains("rekey"), "{doctor:?}");
    }
    write(&ada, "while told", "ada");
    write(&copy, "while told", "copy");

    copy.run(&["device", "rekey"]).failed(2);
    let printed = copy.ok(&["device", "rekey", "--yes"]);
    copy.look_up_id();
    assert_eq!(printed.lines().last().unwrap(), copy.id());
    assert_ne!(copy.id(), ada.id());
    assert_eq!(copy.status()["device"]["addresses"][0], copy.address(), "where it was before");
    let said = copy.says("new-identity");
    assert!(said.contains(copy.id()), "{said}");
    accept(&bob, &copy);
    until(BACK_AGAIN, "ada is let in again", || {
        check(ada.is_connected_to(&bob), || bob.status().to_string())
    });
    settle_equal("notes", &[&ada, &bob, &copy]);
    let texts = ["edited by ada", "edited in the copy", "both: ada", "both: copy", "ada", "copy"];
    let everywhere: Vec<_> = [&ada, &bob, &copy].map(reachable).into_iter().collect();
    for text in texts {
        assert!(everywhere.iter().any(|found| found.contains(text)), "{text} is lost");
    }
    // What a new device has edited since nobody knows when concurs with what was there.
    let conflicts = ada.conflicts("notes");
    for path in ["1", "2", "0", "while told"] {
        let shown = read(&ada, path);
        let is_open = conflicts.iter().any(|(conflict, _)| conflict == path);
        assert!(is_open || texts.contains(&shown.as_str()), "{path} went back to {shown:?}");
    }
}

/// P11: a key is drawn while nothing runs, too, and the next start takes it up.
#[test]
fn a_new_key_is_drawn_without_a_daemon_and_taken_up_by_the_next_one() {
    let scratch = Scratch::new();
    let (mut ada, bob) = two_devices(&scratch);
    ada.stop();
    let printed = ada.ok(&["device", "rekey", "--yes"]);
    let before = ada.id().to_owned();
    ada.try_start().unwrap();
    ada.look_up_id();
    assert_eq!(printed.lines().last().unwrap(), ada.id());
    assert_ne!(ada.id(), before);
    ada.stop();
    ada.start();
    assert!(!ada.is_connected_to(&bob));
}
