//! Setting devices up, and starting and ending their daemons.

use std::fs;

use crate::harness::{
    Device, SOON, Scratch, check, introduce, settle_equal, share, two_devices, until,
};

/// I17; CLI.md's promises to scripts: what needs no daemon, and the exit codes.
#[test]
fn devices_set_up_by_scripts_before_any_daemon_runs_meet_and_are_in_sync() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = (Device::new(&scratch, "ada"), Device::new(&scratch, "bob"));
    assert_eq!(ada.ok(&["id"]).trim(), ada.id());
    assert_eq!(ada.ok(&["init"]).lines().last(), Some(ada.id()), "init changes nothing");
    let refused = ada.run(&["status"]);
    assert!(refused.failed(69).contains("daemon"), "{refused:?}");

    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    fs::write(ada.path("notes").join("from ada"), "a").unwrap();
    fs::write(bob.path("notes").join("from bob"), "b").unwrap();

    ada.start();
    let outcome = ada.run(&["wait", "notes", "--copies", "2", "--timeout", "1"]);
    assert!(outcome.failed(75).contains("bob"), "it says who is missing: {outcome:?}");
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    ada.ok(&["wait", "notes", "--copies", "2", "--timeout", "60"]);
    let folder = ada.folder("notes");
    assert_eq!((&folder["files"], &folder["need_files"]), (&2.into(), &0.into()), "{folder}");
    assert_eq!(folder["problems"], serde_json::json!([]));
    ada.ok(&["doctor"]);
}

#[test]
fn the_ready_line_tells_the_port_that_the_system_chose() {
    let scratch = Scratch::new();
    let mut ada = Device::new(&scratch, "ada");
    let address = ada.start_on_any_port();
    let port = address.strip_prefix("127.0.0.1:").and_then(|port| port.parse::<u16>().ok());
    assert!(port.is_some_and(|port| port > 0), "{address}");
    assert_eq!(ada.status()["device"]["addresses"], serde_json::json!([address]));
}

#[test]
fn a_home_has_one_daemon_and_a_bad_configuration_has_none() {
    let scratch = Scratch::new();
    let mut ada = Device::new(&scratch, "ada");
    ada.start();
    let second = ["daemon", "--listen", "127.0.0.1:0", "--no-discovery"];
    let refused = ada.run(&second);
    let said = refused.failed(1);
    assert!(said.contains("another") || said.contains("already"), "{said}");
    ada.ok(&["status"]);
    ada.stop();

    let file = ada.home().join("config.toml");
    let config = fs::read_to_string(&file).unwrap();
    let lines = config.lines().count();
    fs::write(&file, format!("{config}\n[[folder]]\nid = \"x\"\npath = \"here\"\n")).unwrap();
    let refused = ada.run(&second);
    let said = refused.failed(1);
    let place = format!("config.toml:{}:", lines + 4);
    assert!(said.contains(&place) && said.contains("absolute"), "{said}");
}

/// P1: an orderly end keeps all there is, and what went on meanwhile is noticed.
#[test]
fn a_daemon_told_to_end_in_the_middle_of_work_ends_soon_and_goes_on_later() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = two_devices(&scratch);
    for number in 0..400_u32 {
        let bytes = number.to_le_bytes().repeat(5_000);
        fs::write(ada.path("notes").join(format!("{number}.bin")), bytes).unwrap();
    }
    until(SOON, "some files have arrived", || {
        let arrived = fs::read_dir(bob.path("notes")).unwrap().count();
        check(arrived > 5, || format!("{arrived} files"))
    });
    bob.stop();
    ada.stop();
    fs::remove_file(ada.path("notes").join("7.bin")).unwrap();
    fs::write(bob.path("notes").join("new"), "made while no daemon ran").unwrap();
    bob.start();
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    assert!(!bob.path("notes").join("7.bin").exists());
}

/// A person's own edit of the configuration counts without a restart.
#[test]
fn a_folder_paused_in_the_configuration_rests_until_it_is_resumed() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    ada.ok(&["folder", "pause", "notes"]);
    ada.reaches("notes", "paused");
    fs::write(bob.path("notes").join("later"), "x").unwrap();
    until(SOON, "bob knows of the file", || {
        let folder = bob.folder("notes");
        check(folder["files"] == 1, || folder.to_string())
    });
    let waited = bob.run(&["wait", "notes", "--timeout", "1"]);
    assert!(waited.failed(75).contains("ada"), "it says who lacks it: {waited:?}");
    assert!(!ada.path("notes").join("later").exists());
    ada.ok(&["folder", "resume", "notes"]);
    until(SOON, "the file comes", || {
        check(ada.path("notes").join("later").exists(), || ada.folder("notes").to_string())
    });
    settle_equal("notes", &[&ada, &bob]);
}

/// A folder that rests while both sides write goes on where both are then, on
/// the connection that was there all the time.
#[test]
fn a_folder_that_was_paused_after_it_synced_goes_on_when_it_is_resumed() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    fs::write(ada.path("notes").join("from-ada"), "1").unwrap();
    fs::write(bob.path("notes").join("from-bob"), "1").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    for round in ["2", "3"] {
        bob.ok(&["folder", "pause", "notes"]);
        bob.reaches("notes", "paused");
        fs::write(ada.path("notes").join("from-ada"), round).unwrap();
        fs::write(bob.path("notes").join("from-bob"), round).unwrap();
        bob.ok(&["folder", "resume", "notes"]);
        settle_equal("notes", &[&ada, &bob]);
        let arrived = fs::read_to_string(bob.path("notes").join("from-ada")).unwrap();
        assert_eq!(arrived, round);
    }
}
