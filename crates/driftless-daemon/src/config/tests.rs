//! Configurations as people write them, right and wrong.

use std::fs;
use std::time::Duration;

use driftless_core::brake::Brake;
use driftless_core::{DeviceId, FolderId};

use super::*;

fn device_id(number: u8) -> DeviceId {
    DeviceId::from_public_key(&[number; 32])
}

fn folder_id(text: &str) -> FolderId {
    FolderId::parse(text).unwrap()
}

fn new_home() -> (tempfile::TempDir, Home) {
    let directory = tempfile::tempdir().unwrap();
    let home = Home::resolve(Some(directory.path().join("home"))).unwrap();
    (directory, home)
}

/// What is said of a file that holds `text`, without the path before its name.
///
/// `ONE`, `TWO` and `HOME` stand for two device IDs and the home's path.
fn refusal(text: &str) -> String {
    let (_directory, home) = new_home();
    fs::write(home.config_file(), fill_in(text, &home)).unwrap();
    let message = match Config::load(&home) {
        Ok(_) => return "accepted".to_owned(),
        Err(error) => error.to_string(),
    };
    let directory = format!("{}/", home.path().display());
    message.replacen(&directory, "", 1).replace(&*home.path().to_string_lossy(), "HOME")
}

fn fill_in(text: &str, home: &Home) -> String {
    text.replace("ONE", &device_id(1).to_string())
        .replace("TWO", &device_id(2).to_string())
        .replace("HOME", &home.path().to_string_lossy())
}

#[test]
fn a_flaw_is_named_with_its_line_column_and_reason() {
    let short = device_id(1).short();
    let listed = format!("config.toml:5:6: device {short} is listed before, on line 3");
    let unlisted = format!("config.toml:5:12: device {short} is in no [[device]] of this file");
    let wrong_digit = device_id(1).to_string().replacen(&short[..1], "?", 1);
    let typo = format!("name = \"a\"\n[[device]]\nid = \"{wrong_digit}\"");
    let typo_said = format!("config.toml:3:6: {wrong_digit:?}: a device ID cannot contain '?'");
    let cases = [
        ("", "config.toml:1:1: the file has no name"),
        ("name = ", "config.toml:1:8: string values must be quoted, expected literal string"),
        ("name = 3", "config.toml:1:8: name must be a text in quotes, not a number"),
        ("name = \" \"", "config.toml:1:8: name \" \" is empty"),
        (
            "name = \"a\"\nlisten = [\"[::]:1\", \"here\"]",
            "config.toml:2:21: listen address \"here\" is not IP:PORT, such as 0.0.0.0:22100",
        ),
        (
            "name = \"a\"\ndiscovry = true",
            "config.toml:2:1: unknown key \"discovry\" in the file; did you mean \"discovery\"?",
        ),
        (
            "name = \"a\"\n[[device]]\nid = \"ONE\"\nwhatever = 1",
            "config.toml:4:1: unknown key \"whatever\" in [[device]]; it may have id, name, addresses, paused",
        ),
        (
            "name = \"a\"\n[device]\nid = \"ONE\"",
            "config.toml:2:1: each device needs a heading [[device]] of its own",
        ),
        ("name = \"a\"\n\n[[device]]\n", "config.toml:3:1: [[device]] has no id"),
        (&typo, &typo_said),
        ("name = \"a\"\n[[device]]\nid = \"ONE\"\n[[device]]\nid = \"ONE\"", &listed),
        (
            "name = \"a\"\n[[device]]\nid = \"ONE\"\naddresses = [\"host\"]",
            "config.toml:4:14: address \"host\" is not HOST:PORT",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f\"\nmode = \"send-recieve\"",
            "config.toml:5:8: mode \"send-recieve\" is not one of send-receive, send-only, receive-only",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"f\"",
            "config.toml:4:8: path \"f\" is not absolute",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"~/f\"",
            "config.toml:4:8: path \"~/f\" is not absolute; write the home directory in full",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f/../g\"",
            "config.toml:4:8: path \"/f/../g\" contains \"..\"",
        ),
        ("name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f\"\ndevices = [\"ONE\"]", &unlisted),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f\"\n[[folder]]\nid = \"f\"\npath = \"/g\"",
            "config.toml:6:6: folder ID f is used before, on line 3",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f\"\n[[folder]]\nid = \"g\"\npath = \"/f/b/c\"",
            "config.toml:7:8: folder \"c\" is inside folder \"f\"",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f/b\"\n[[folder]]\nid = \"g\"\npath = \"/f\"",
            "config.toml:7:8: folder \"b\" is inside folder \"f\"",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\nlabel = \"Mine\"\npath = \"HOME\"",
            "config.toml:5:8: folder \"Mine\" would contain driftless's own home, HOME",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f\"\nhistory = { days = 0 }",
            "config.toml:5:20: days is 0, not within 1 to 36500",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f\"\nhistory.max_bytes = \"much\"",
            "config.toml:5:21: max_bytes is not a size such as \"10 GiB\"",
        ),
        (
            "name = \"a\"\n[[folder]]\nid = \"f\"\npath = \"/f\"\nmass_change = \"on\"",
            "config.toml:5:15: mass_change \"on\" is neither \"off\" nor { at_least, percent, at_most }",
        ),
        (
            "name = \"ä\"\n[limits]\nsend_bytes_per_s = true",
            "config.toml:3:20: send_bytes_per_s must be a size such as \"10 GiB\", not true or false",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(text), expected, "of this file:\n{text}");
    }
}

#[test]
fn a_folder_is_shared_with_at_most_64_devices() {
    let ids: Vec<DeviceId> = (0..65).map(device_id).collect();
    let (_directory, home) = new_home();
    let mut config = Config::init(&home, None).unwrap();
    for id in &ids {
        config.add_device(&DeviceConfig::new(*id, None)).unwrap();
    }
    let folder = folder_id("f");
    config.add_folder(&FolderConfig::new(folder.clone(), "/f".into())).unwrap();
    config.share(&folder, &ids[..64]).unwrap();
    let refused = config.share(&folder, &ids[64..]).unwrap_err();
    assert_eq!(refused.to_string(), "a folder is shared with at most 64 devices");
    assert_eq!(config.folder(&folder).unwrap().devices, ids[..64]);
}

#[cfg(unix)]
#[test]
fn a_folder_inside_another_is_noticed_through_a_symlink() {
    let (directory, home) = new_home();
    let outer = directory.path().join("outer");
    fs::create_dir_all(outer.join("inner")).unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(outer.join("inner"), &link).unwrap();
    let mut config = Config::init(&home, None).unwrap();
    config.add_folder(&FolderConfig::new(folder_id("a"), outer)).unwrap();
    let refused = config.add_folder(&FolderConfig::new(folder_id("b"), link)).unwrap_err();
    assert_eq!(refused.to_string(), "folder \"link\" is inside folder \"outer\"");
    assert_eq!(config.folders().len(), 1);
}

#[test]
fn every_key_is_read() {
    let (_directory, home) = new_home();
    let text = fill_in(
        r#"
        name = "desk"
        listen = ["127.0.0.1:0", "[::1]:22100"]
        discovery = false
        requests = false
        [limits]
        send_bytes_per_s = "5 MiB"
        hours = "22:00-06:30"
        [history]
        days = 9
        max_bytes = "2 GiB"
        [[device]]
        id = "ONE"
        name = "laptop"
        addresses = ["laptop.example:22100", "[fe80::1]:1"]
        paused = true
        [[folder]]
        id = "photos"
        path = "/data//photos/"
        mode = "receive-only"
        devices = ["ONE"]
        rescan_s = 0
        scrub_days = 0
        mass_change = { percent = 10 }
        [folder.history]
        days = 7
        max_bytes = "1 GiB"
        "#,
        &home,
    );
    fs::write(home.config_file(), text).unwrap();
    let config = Config::load(&home).unwrap();
    let expected = Settings {
        device: ThisDevice {
            name: "desk".into(),
            listen: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:22100".parse().unwrap()],
            discovery: false,
            requests: false,
            check_machine: true,
        },
        devices: vec![DeviceConfig {
            addresses: vec!["laptop.example:22100".into(), "[fe80::1]:1".into()],
            paused: true,
            ..DeviceConfig::new(device_id(1), Some("laptop"))
        }],
        folders: vec![FolderConfig {
            mode: FolderMode::ReceiveOnly,
            devices: vec![device_id(1)],
            rescan: None,
            scrub: None,
            mass_change: Some(Brake { percent: 10, ..Brake::default() }),
            history: History { enabled: true, days: 7, max_bytes: Some(1 << 30) },
            own_history: true,
            ..FolderConfig::new(folder_id("photos"), "/data/photos".into())
        }],
        limits: Limits {
            send_bytes_per_s: Some(5 << 20),
            receive_bytes_per_s: None,
            hours: Some(Hours { from_min: 22 * 60, to_min: 6 * 60 + 30 }),
        },
        history: History { enabled: true, days: 9, max_bytes: Some(2 << 30) },
    };
    assert_eq!(*config.settings(), expected);
}

#[test]
fn changes_keep_the_comments_and_the_order_of_the_file() {
    let (_directory, home) = new_home();
    let before = r#"# mine
discovery = false # at work
name = "desk"

# The old one.
[[device]]
name = "laptop" # grey
id = "ONE"
paused = false # resting

[[folder]] # keep
path = "/data/photos"
id = "photos"
devices = [
    "ONE", # the laptop
]
# The end.
"#;
    fs::write(home.config_file(), fill_in(before, &home)).unwrap();
    let mut config = Config::load(&home).unwrap();
    let photos = folder_id("photos");
    config.set_name("tower").unwrap();
    config.rename_device(&device_id(1), "book").unwrap();
    config.set_device_paused(&device_id(1), true).unwrap();
    config.add_device(&DeviceConfig::new(device_id(2), Some("phone"))).unwrap();
    config.share(&photos, &[device_id(2), device_id(1)]).unwrap();
    config.unshare(&photos, &[device_id(2)]).unwrap();
    config.set_folder_paused(&photos, true).unwrap();
    config.save().unwrap();
    let after = r#"# mine
discovery = false # at work
name = "tower"

# The old one.
[[device]]
name = "book" # grey
id = "ONE"
paused = true # resting

[[device]]
id = "TWO"
name = "phone"

[[folder]] # keep
path = "/data/photos"
id = "photos"
devices = [
    "ONE", # the laptop
]
paused = true
# The end.
"#;
    let written = fs::read_to_string(home.config_file()).unwrap();
    assert_eq!(written, fill_in(after, &home));
    assert_eq!(Config::load(&home).unwrap().settings(), config.settings());
}

#[test]
fn what_is_added_reads_back_and_what_is_removed_is_gone() {
    let (_directory, home) = new_home();
    let folder = FolderConfig {
        mode: FolderMode::SendOnly,
        devices: vec![device_id(1), device_id(2)],
        paused: true,
        history: History { enabled: false, days: 9, max_bytes: Some(77) },
        own_history: true,
        mass_change: None,
        rescan: None,
        scrub: Some(Duration::from_secs(9 * 86_400)),
        ..FolderConfig::new(folder_id("photos"), "/data/my \"photos\"".into())
    };
    let one = DeviceConfig {
        addresses: vec!["10.0.0.1:22100".into()],
        paused: true,
        ..DeviceConfig::new(device_id(1), Some("laptop"))
    };
    let two = DeviceConfig::new(device_id(2), None);
    let mut config = Config::init(&home, Some("desk".into())).unwrap();
    config.add_device(&one).unwrap();
    config.add_device(&two).unwrap();
    config.add_folder(&folder).unwrap();
    config.save().unwrap();
    let mut config = Config::load(&home).unwrap();
    assert_eq!(config.devices(), [one, two.clone()]);
    assert_eq!(config.folders(), std::slice::from_ref(&folder));
    config.remove_device(&device_id(1)).unwrap();
    assert_eq!(config.folders()[0].devices, [device_id(2)]);
    config.remove_folder(&folder.id).unwrap();
    config.save().unwrap();
    let config = Config::load(&home).unwrap();
    assert_eq!((config.devices(), config.folders()), (&[two][..], &[][..]));
}

#[test]
fn init_is_idempotent_and_private() {
    let (_directory, home) = new_home();
    let missing = Config::load(&home).unwrap_err();
    assert!(
        missing.to_string().ends_with("config.toml does not exist; run `driftless init` first")
    );
    let first = Config::init(&home, Some("desk".into())).unwrap();
    let text = fs::read_to_string(home.config_file()).unwrap();
    assert!(text.contains("\n# What other devices call this one.\nname = \"desk\"\n"), "{text}");
    let again = Config::init(&home, Some("other".into())).unwrap();
    assert_eq!(again.settings(), first.settings());
    assert_eq!(fs::read_to_string(home.config_file()).unwrap(), text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = home.config_file().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_save_over_somebody_elses_change_is_refused() {
    let (_directory, home) = new_home();
    let mut mine = Config::init(&home, None).unwrap();
    Config::edit(&home, |theirs| theirs.set_name("theirs")).unwrap();
    mine.set_name("mine").unwrap();
    let refused = mine.save().unwrap_err();
    assert!(matches!(refused, ConfigError::Changed { .. }), "{refused}");
    assert_eq!(Config::load(&home).unwrap().this_device().name, "theirs");
}

#[test]
fn edits_made_at_once_are_all_kept() {
    let (_directory, home) = new_home();
    Config::init(&home, None).unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let home = &home;
            scope.spawn(move || {
                let device = DeviceConfig::new(device_id(number), None);
                Config::edit(home, |config| config.add_device(&device)).unwrap();
            });
        }
    });
    assert_eq!(Config::load(&home).unwrap().devices().len(), 8);
}

#[test]
fn a_refused_change_leaves_nothing_behind() {
    let (_directory, home) = new_home();
    let mut config = Config::init(&home, None).unwrap();
    let relative = FolderConfig::new(folder_id("f"), "f".into());
    let refused = config.add_folder(&relative).unwrap_err();
    assert_eq!(refused.to_string(), "path \"f\" is not absolute");
    assert!(config.folders().is_empty());
    config.add_device(&DeviceConfig::new(device_id(1), Some("a"))).unwrap();
    assert!(config.rename_device(&device_id(1), "a\x1b[2J").is_err());
    assert_eq!(config.devices()[0].name, "a");
}

#[test]
fn devices_and_folders_are_found_as_people_call_them() {
    let (directory, home) = new_home();
    let mut config = Config::init(&home, None).unwrap();
    for (number, name) in [(1, "laptop"), (2, "laptop"), (3, "phone")] {
        config.add_device(&DeviceConfig::new(device_id(number), Some(name))).unwrap();
    }
    let path = directory.path().join("photos");
    config.add_folder(&FolderConfig::new(folder_id("f-1"), path.clone())).unwrap();

    let full = device_id(1).to_string();
    for query in [full.clone(), full.to_lowercase(), full[..9].to_lowercase()] {
        assert_eq!(config.find_device(&query).unwrap().id, device_id(1), "{query}");
    }
    assert_eq!(config.find_device("phone").unwrap().id, device_id(3));
    let [one, two, three] = [1, 2, 3].map(|number| device_id(number).short());
    assert_eq!(
        config.find_device("laptop").unwrap_err().to_string(),
        format!("\"laptop\" fits several devices: laptop ({one}), laptop ({two}); use the ID")
    );
    assert_eq!(
        config.find_device("desk").unwrap_err().to_string(),
        format!(
            "no device is called \"desk\"; there is laptop ({one}), laptop ({two}), phone ({three})"
        )
    );
    for query in ["f-1", "photos", &format!("{}/", path.display())] {
        assert_eq!(config.find_folder(query).unwrap().id, folder_id("f-1"), "{query}");
    }
    assert!(config.find_folder("").is_err() && config.find_device("").is_err());
}

#[test]
fn names_from_elsewhere_are_made_fit_for_a_line() {
    assert_eq!(sanitize_name(" a\u{1b}b\u{202e} \n"), Some("ab".into()));
    assert_eq!(sanitize_name(&"ä".repeat(40)), Some("ä".repeat(32)));
    assert_eq!(sanitize_name("\t\u{0}"), None);
}

#[test]
fn a_folder_keeps_history_as_it_says_itself_and_else_as_all_do() {
    let (_directory, home) = new_home();
    let text = r#"name = "desk"
history = { days = 9, max_bytes = "2 GiB" }

[[folder]]
id = "photos"
path = "/data/photos"
# Not for long.
history = { days = 3 } # days
"#;
    fs::write(home.config_file(), text).unwrap();
    let mut config = Config::load(&home).unwrap();
    let photos = folder_id("photos");
    let kept = |config: &Config| (config.folders()[0].own_history, config.folders()[0].history);
    let two_gib = Some(2 << 30);
    let general = History { enabled: true, days: 9, max_bytes: two_gib };
    assert_eq!(kept(&config), (true, History { days: 3, ..general }));
    for own in [
        History { enabled: false, days: 4, max_bytes: None },
        History { enabled: true, days: 36_500, max_bytes: Some(1) },
    ] {
        config.set_folder_history(&photos, Some(&own)).unwrap();
        assert_eq!(kept(&config), (true, own));
    }
    let written = config.text();
    assert!(written.contains("# Not for long.\nhistory = { ") && written.contains("} # days"));
    for refused in [
        History { days: 0, ..general },
        History { max_bytes: Some(0), ..general },
        History { max_bytes: Some(u64::MAX), ..general },
    ] {
        let refused = config.set_folder_history(&photos, Some(&refused));
        assert!(matches!(refused, Err(EditError::Refused(_))), "{refused:?}");
    }
    assert_eq!(config.text(), written);
    config.set_folder_history(&photos, None).unwrap();
    assert_eq!(kept(&config), (false, general));
}
