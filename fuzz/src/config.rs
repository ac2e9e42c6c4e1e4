//! The configuration, and the program's own changes to it.

use std::sync::OnceLock;

use driftless_daemon::config::{Config, ConfigError};
use driftless_daemon::fuzzing::{read_config, write_config};
use driftless_daemon::home::Home;

fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let place = std::env::temp_dir().join("driftless-fuzz-home");
        Home::resolve(Some(place)).expect("the temporary directory can be used")
    })
}

/// Any text as a configuration.
pub(crate) fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match read_config(home(), text) {
        Ok(config) => is_kept_by_changes(&config),
        Err(ConfigError::Invalid { line, column, reason, .. }) => {
            assert!((1..=text.split('\n').count()).contains(&line) && column >= 1);
            assert!(column <= text.chars().count() + 1);
            assert!(!reason.is_empty() && !reason.contains('\n'), "{reason:?}");
        }
        Err(error) => panic!("{error}"),
    }
}

fn is_kept_by_changes(before: &Config) {
    reads_back(before);
    let mut config = before.clone();
    config.set_name("another").expect("a name can be set");
    assert_eq!(config.this_device().name, "another");
    for device in before.devices() {
        config.rename_device(&device.id, "renamed").expect("a device can be renamed");
        config.set_device_paused(&device.id, !device.paused).expect("a device can be paused");
        let changed = config.device(&device.id).expect("it is still there");
        assert_eq!((changed.name.as_str(), changed.paused), ("renamed", !device.paused));
        assert_eq!(changed.addresses, device.addresses);
    }
    for folder in before.folders() {
        config.set_folder_label(&folder.id, "renamed").expect("a folder can be renamed");
        config.set_folder_paused(&folder.id, !folder.paused).expect("a folder can be paused");
        config.unshare(&folder.id, &folder.devices).expect("sharing can end");
        let changed = config.folder(&folder.id).expect("it is still there");
        assert_eq!((changed.label.as_str(), changed.paused), ("renamed", !folder.paused));
        assert!(changed.devices.is_empty());
        config.share(&folder.id, &folder.devices).expect("sharing can begin");
        let changed = config.folder(&folder.id).expect("it is still there");
        assert_eq!(changed.devices, folder.devices);
        assert_eq!((&changed.path, changed.mode), (&folder.path, folder.mode));
    }
    reads_back(&config);
    for device in before.devices() {
        config.remove_device(&device.id).expect("a device can be removed");
    }
    for folder in before.folders() {
        config.remove_folder(&folder.id).expect("a folder can be removed");
    }
    assert!(config.devices().is_empty() && config.folders().is_empty());
    reads_back(&config);
    assert_eq!(config.settings().limits, before.settings().limits);
    for device in before.devices() {
        config.add_device(device).expect("a device can be added");
    }
    for folder in before.folders() {
        config.add_folder(folder).expect("a folder can be added");
    }
    assert_eq!((config.devices(), config.folders()), (before.devices(), before.folders()));
}

fn reads_back(config: &Config) {
    let again = read_config(home(), &write_config(config)).expect("it reads back");
    assert_eq!(again.settings(), config.settings());
}
