//! Names that people, devices and file systems give: paths, IDs, file names.

use std::path::{Component, Path};

use driftless_core::{ContentId, DeviceId, FolderId, InstanceId, RelPath};
use driftless_daemon::device_link::DeviceLink;
use driftless_fs::fuzzing::{read_marker, read_version_name, write_marker};
use driftless_fs::history::Label;

/// The day after which times are shown as that day, in milliseconds since 1970.
const LAST_DAY_MS: u64 = 2_932_896 * 24 * 60 * 60 * 1000;

/// H1: holds a path to the rules of `RelPath`, spelt out once more.
pub(crate) fn obeys(path: &RelPath) {
    let text = path.as_str();
    assert!(!text.is_empty() && text.len() <= 4096 && !text.contains('\0'), "{path:?}");
    for name in text.split('/') {
        assert!(!matches!(name, "" | "." | "..") && name.len() <= 255, "{path:?}");
    }
    assert!(text != ".driftless" && !text.starts_with(".driftless/"), "{path:?}");
    let plain = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
    assert!(plain && Path::new("/root").join(text).starts_with("/root"), "{path:?}");
    assert_eq!(path.components().count(), path.depth());
    if let Some(parent) = path.parent() {
        assert!(path.is_within(&parent) && !parent.is_within(path) && parent < *path);
        assert_eq!(RelPath::child_of(Some(&parent), path.name()).as_ref(), Ok(path));
    }
}

/// Any text as each kind of identifier.
pub(crate) fn identifiers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = RelPath::parse(text) {
        assert_eq!(path.as_str(), text);
        obeys(&path);
    }
    if let Ok(device) = text.parse::<DeviceId>() {
        assert_eq!(device.to_string().parse(), Ok(device));
        assert!(
            text.to_uppercase().contains(&device.short()[..1]) || text.contains(['0', '1', '8'])
        );
    }
    if let Ok(link) = text.parse::<DeviceLink>() {
        assert_eq!(link.to_string().parse(), Ok(link));
    }
    if let Ok(folder) = FolderId::parse(text) {
        assert_eq!(folder.as_str(), text);
        assert!(RelPath::parse(text).is_ok(), "a folder's ID names a file: {text:?}");
    }
    if let Ok(content) = text.parse::<ContentId>() {
        assert_eq!(content.to_string(), text.to_lowercase());
    }
    if let Ok(instance) = text.parse::<InstanceId>() {
        assert_eq!(instance.to_string(), text.to_lowercase());
    }
}

/// Any bytes as the name of a file in history, as the name of a file that goes
/// there, and as a marker.
pub(crate) fn files(bytes: &[u8]) {
    if let Some(marker) = read_marker(bytes) {
        let written = write_marker(&marker);
        assert_eq!(read_marker(written.as_bytes()), Some(marker));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(path) = RelPath::parse(text) else { return };
    if let Some(found) = read_version_name(path.name()) {
        assert!(!found.original.is_empty() && found.original.len() < path.name().len());
        assert_eq!(found.device_short.len(), 7);
        if let (Ok(path), true) =
            (RelPath::parse(&found.original), found.displaced_ms < LAST_DAY_MS)
        {
            let device_short = found.device_short.as_str();
            let (reason, now_ms) = (found.reason, found.displaced_ms);
            let again = Label { path: &path, reason, device_short, now_ms };
            assert_eq!(read_version_name(&again.file_name(0)), Some(found.clone()));
        }
    }
    for attempt in [0, 1, 999_998] {
        let reason = driftless_fs::history::VersionReason::Deleted;
        let now_ms = 86_400_000 * bytes.len() as u64;
        let label = Label { path: &path, reason, device_short: "ABC2345", now_ms };
        let name = label.file_name(attempt);
        assert!(name.len() <= 255 && !name.contains('/'), "{name:?}");
        let found = read_version_name(&name).expect("a version's name reads back");
        assert_eq!((found.displaced_ms, found.reason), (now_ms, reason));
        if !name.contains('#') || path.name().contains('#') {
            let shortened = path.name().len() > 200;
            assert!(found.original == path.name() || shortened, "{found:?} of {path:?}");
        }
    }
}
