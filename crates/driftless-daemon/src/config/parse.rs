//! From the text of a configuration to its [`Settings`], or to the first flaw.
//!
//! All of the rules stand here: what each key may hold, and how devices and
//! folders must fit together. Reads no file but asks the file system where
//! the symlinks on folder paths lead, so that one folder inside another is
//! noticed under any spelling.

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use driftless_core::brake::Brake;
use driftless_core::{DeviceId, FolderId};
use toml_edit::Document;

use super::policies::{Policies, PolicyRule, read_policy};
use super::section::{Flaw, Placed, Section, line_of};
use super::settings::{
    DeviceConfig, FolderConfig, FolderMode, History, Hours, Limits, MAX_DEVICES_PER_FOLDER,
    Settings, ThisDevice, name_problem, scrub_every,
};

const FILE_KEYS: &[&str] = &[
    "name",
    "listen",
    "discovery",
    "requests",
    "check_machine",
    "device",
    "folder",
    "limits",
    "history",
];
const DEVICE_KEYS: &[&str] = &["id", "name", "addresses", "paused"];
const FOLDER_KEYS: &[&str] = &[
    "id",
    "label",
    "path",
    "mode",
    "devices",
    "paused",
    "history",
    "conflicts",
    "conflict_rules",
    "mass_change",
    "rescan_s",
    "scrub_days",
];
const HISTORY_KEYS: &[&str] = &["enabled", "days", "max_bytes"];
const POLICY_RULE_KEYS: &[&str] = &["pattern", "policy"];
const MASS_CHANGE_KEYS: &[&str] = &["at_least", "percent", "at_most"];
const LIMIT_KEYS: &[&str] = &["send_bytes_per_s", "receive_bytes_per_s", "hours"];
const YEAR_S: u32 = 366 * 24 * 3600;

/// Reads and checks `text`, the configuration of the home at `home`.
pub(super) fn parse(text: &str, home: &Path) -> Result<Settings, Flaw> {
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Flaw::new(at, error.message().lines().collect::<Vec<_>>().join(" "))
    })?;
    let file = Section::open(document.as_table(), "the file", 0, FILE_KEYS)?;
    let device = this_device(&file)?;
    let devices = devices(text, &file)?;
    let history = history(&file, "[history]", History::default())?;
    let folders = folders(text, &file, &devices, history, home)?;
    let limits = match file.table("limits", "[limits]", LIMIT_KEYS)? {
        None => Limits::default(),
        Some(limits) => Limits {
            send_bytes_per_s: limits.size("send_bytes_per_s")?,
            receive_bytes_per_s: limits.size("receive_bytes_per_s")?,
            hours: hours(&limits)?,
        },
    };
    Ok(Settings { device, devices, folders, limits, history })
}

fn this_device(file: &Section<'_>) -> Result<ThisDevice, Flaw> {
    let name = checked_name("name", file.required_text("name")?)?;
    let mut listen: Vec<SocketAddr> = Vec::new();
    for Placed { value, at } in file.texts("listen")? {
        let address = value.parse().map_err(|_| {
            Flaw::new(at, format!("listen address {value:?} is not IP:PORT, such as 0.0.0.0:22100"))
        })?;
        if listen.contains(&address) {
            return Err(Flaw::new(at, format!("listen address {value:?} is listed twice")));
        }
        listen.push(address);
    }
    let discovery = file.flag("discovery", true)?;
    let requests = file.flag("requests", true)?;
    let check_machine = file.flag("check_machine", true)?;
    Ok(ThisDevice { name, listen, discovery, requests, check_machine })
}

fn devices(text: &str, file: &Section<'_>) -> Result<Vec<DeviceConfig>, Flaw> {
    let mut seen: Vec<Placed<DeviceId>> = Vec::new();
    let mut devices = Vec::new();
    for section in file.tables("device", "[[device]]", DEVICE_KEYS)? {
        let id = device_id(section.required_text("id")?)?;
        if let Some(first) = seen.iter().find(|other| other.value == id.value) {
            let line = line_of(text, first.at);
            let reason = format!("device {} is listed before, on line {line}", id.value.short());
            return Err(Flaw::new(id.at, reason));
        }
        seen.push(id);
        let name = match section.text("name")? {
            Some(name) => checked_name("name", name)?,
            None => id.value.short(),
        };
        let mut addresses = Vec::new();
        for Placed { value, at } in section.texts("addresses")? {
            if !is_host_and_port(value) {
                let reason = format!("address {value:?} is not HOST:PORT");
                return Err(Flaw::new(at, reason));
            }
            addresses.push(value.to_owned());
        }
        let paused = section.flag("paused", false)?;
        devices.push(DeviceConfig { id: id.value, name, addresses, paused });
    }
    Ok(devices)
}

fn device_id(text: Placed<&str>) -> Result<Placed<DeviceId>, Flaw> {
    match text.value.parse() {
        Ok(value) => Ok(Placed { value, at: text.at }),
        Err(error) => Err(Flaw::new(text.at, format!("{:?}: {error}", text.value))),
    }
}

fn checked_name(key: &str, name: Placed<&str>) -> Result<String, Flaw> {
    match name_problem(name.value) {
        Some(problem) => Err(Flaw::new(name.at, format!("{key} {:?} {problem}", name.value))),
        None => Ok(name.value.to_owned()),
    }
}

fn is_host_and_port(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.port() != 0;
    }
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host_fits = !host.is_empty() && host.len() <= 253 && host.chars().all(plain);
    host_fits && port.parse::<u16>().is_ok_and(|port| port != 0)
}

/// A folder's path as it was read, and where it leads once symlinks are followed.
struct Root {
    id: FolderId,
    label: String,
    resolved: PathBuf,
}

fn folders(
    text: &str,
    file: &Section<'_>,
    devices: &[DeviceConfig],
    history: History,
    home: &Path,
) -> Result<Vec<FolderConfig>, Flaw> {
    let home = resolve(home);
    let mut roots: Vec<Placed<Root>> = Vec::new();
    let mut folders = Vec::new();
    for section in file.tables("folder", "[[folder]]", FOLDER_KEYS)? {
        let id_text = section.required_text("id")?;
        let id = FolderId::parse(id_text.value)
            .map_err(|error| Flaw::new(id_text.at, format!("{:?}: {error}", id_text.value)))?;
        if let Some(first) = roots.iter().find(|root| root.value.id == id) {
            let reason =
                format!("folder ID {id} is used before, on line {}", line_of(text, first.at));
            return Err(Flaw::new(id_text.at, reason));
        }
        let path = section.required_text("path")?;
        let mut folder = folder(&section, id, folder_path(path)?, devices)?;
        folder.history = self::history(&section, "history", history)?;
        folder.own_history = section.has("history");
        let root = Root {
            id: folder.id.clone(),
            label: folder.label.clone(),
            resolved: resolve(&folder.path),
        };
        check_root(&root, &roots, &home).map_err(|reason| Flaw::new(path.at, reason))?;
        roots.push(Placed { value: root, at: id_text.at });
        folders.push(folder);
    }
    Ok(folders)
}

fn folder(
    section: &Section<'_>,
    id: FolderId,
    path: PathBuf,
    devices: &[DeviceConfig],
) -> Result<FolderConfig, Flaw> {
    let mut folder = FolderConfig::new(id, path);
    if let Some(label) = section.text("label")? {
        folder.label = checked_name("label", label)?;
    }
    if let Some(Placed { value, at }) = section.text("mode")? {
        folder.mode = FolderMode::parse(value).ok_or_else(|| {
            let known = FolderMode::ALL.map(FolderMode::as_str).join(", ");
            Flaw::new(at, format!("mode {value:?} is not one of {known}"))
        })?;
    }
    folder.devices = members(section, devices)?;
    folder.paused = section.flag("paused", false)?;
    folder.policies = policies(section)?;
    folder.mass_change = mass_change(section)?;
    if let Some(seconds) = section.number("rescan_s", 0..=YEAR_S)? {
        folder.rescan = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
    }
    if let Some(days) = section.number("scrub_days", 0..=YEAR_S / 86_400)? {
        folder.scrub = scrub_every(days);
    }
    Ok(folder)
}

fn members(section: &Section<'_>, devices: &[DeviceConfig]) -> Result<Vec<DeviceId>, Flaw> {
    let mut members = Vec::new();
    for text in section.texts("devices")? {
        let Placed { value: id, at } = device_id(text)?;
        if !devices.iter().any(|device| device.id == id) {
            let reason = format!("device {} is in no [[device]] of this file", id.short());
            return Err(Flaw::new(at, reason));
        }
        if members.contains(&id) {
            return Err(Flaw::new(at, format!("device {} is listed twice", id.short())));
        }
        if members.len() == MAX_DEVICES_PER_FOLDER {
            let reason =
                format!("a folder is shared with at most {MAX_DEVICES_PER_FOLDER} devices");
            return Err(Flaw::new(at, reason));
        }
        members.push(id);
    }
    Ok(members)
}

fn hours(limits: &Section<'_>) -> Result<Option<Hours>, Flaw> {
    let Some(Placed { value, at }) = limits.text("hours")? else { return Ok(None) };
    let reason = || format!("hours {value:?} are no part of a day, such as \"08:00-18:00\"");
    Hours::parse(value).map(Some).ok_or_else(|| Flaw::new(at, reason()))
}

/// What a table says of history; what it does not say is as in `default`.
fn history(place: &Section<'_>, title: &'static str, default: History) -> Result<History, Flaw> {
    let Some(section) = place.table("history", title, HISTORY_KEYS)? else {
        return Ok(default);
    };
    Ok(History {
        enabled: section.flag("enabled", default.enabled)?,
        days: section.number("days", 1..=36_500)?.unwrap_or(default.days),
        max_bytes: section.bound("max_bytes")?.unwrap_or(default.max_bytes),
    })
}

/// What settles the folder's conflicts.
fn policies(folder: &Section<'_>) -> Result<Policies, Flaw> {
    let read = |word: Placed<&str>| {
        let policy = read_policy(word.value).map_err(|reason| Flaw::new(word.at, reason))?;
        Ok::<_, Flaw>(policy)
    };
    let otherwise = folder.text("conflicts")?.map(read).transpose()?.unwrap_or_default();
    let mut rules = Vec::new();
    let mut at = folder.at;
    for section in folder.inline_tables("conflict_rules", POLICY_RULE_KEYS)? {
        at = section.at;
        let pattern = section.required_text("pattern")?.value.to_owned();
        rules.push(PolicyRule { pattern, policy: read(section.required_text("policy")?)? });
    }
    let policies = Policies { rules, otherwise };
    policies.check().map_err(|reason| Flaw::new(at, reason))?;
    Ok(policies)
}

fn mass_change(folder: &Section<'_>) -> Result<Option<Brake>, Flaw> {
    let key = "mass_change";
    if let Ok(Some(Placed { value, at })) = folder.text(key) {
        let reason =
            format!("{key} {value:?} is neither \"off\" nor {{ at_least, percent, at_most }}");
        return if value == "off" { Ok(None) } else { Err(Flaw::new(at, reason)) };
    }
    let default = Brake::default();
    let Some(section) = folder.table(key, key, MASS_CHANGE_KEYS)? else {
        return Ok(Some(default));
    };
    Ok(Some(Brake {
        at_least: section.number("at_least", 1..=u32::MAX)?.map_or(default.at_least, u64::from),
        percent: section.number("percent", 0..=100)?.map_or(default.percent, u64::from),
        at_most: section.number("at_most", 1..=u32::MAX)?.map_or(default.at_most, u64::from),
    }))
}

fn folder_path(text: Placed<&str>) -> Result<PathBuf, Flaw> {
    let path = PathBuf::from(text.value);
    let problem = if text.value.contains('\0') {
        "contains a NUL"
    } else if text.value.starts_with('~') {
        "is not absolute; write the home directory in full"
    } else if !path.is_absolute() {
        "is not absolute"
    } else if path.components().any(|part| part == Component::ParentDir) {
        "contains \"..\""
    } else if path.parent().is_none() {
        "is the whole file system"
    } else {
        // Collecting drops doubled and trailing slashes.
        return Ok(path.components().collect());
    };
    Err(Flaw::new(text.at, format!("path {:?} {problem}", text.value)))
}

fn check_root(root: &Root, others: &[Placed<Root>], home: &Path) -> Result<(), String> {
    if home.starts_with(&root.resolved) {
        return Err(format!(
            "folder {:?} would contain driftless's own home, {}",
            root.label,
            home.display()
        ));
    }
    for Placed { value: other, .. } in others {
        let (inner, outer) = match &root.resolved {
            path if *path == other.resolved => {
                let reason =
                    format!("folders {:?} and {:?} are one place", other.label, root.label);
                return Err(reason);
            }
            path if path.starts_with(&other.resolved) => (root, other),
            path if other.resolved.starts_with(path) => (other, root),
            _ => continue,
        };
        return Err(format!("folder {:?} is inside folder {:?}", inner.label, outer.label));
    }
    Ok(())
}

/// Follows the symlinks of as much of `path` as exists.
pub(super) fn resolve(path: &Path) -> PathBuf {
    for ancestor in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (ancestor.canonicalize(), path.strip_prefix(ancestor)) {
            return real.join(rest).components().collect();
        }
    }
    path.to_owned()
}
