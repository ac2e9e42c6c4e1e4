//! The changes that the program makes to the devices and folders of its configuration.
//!
//! Each edits a copy of the file's syntax tree, which is then read back by
//! the rules for any file: a change that they refuse leaves nothing behind.

use std::path::PathBuf;

use driftless_core::brake::Brake;
use driftless_core::{DeviceId, FolderId, Policy};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::policies::{Policies, policy_word};
use super::section::NO_BOUND;
use super::settings::{
    DEFAULT_RESCAN, DEFAULT_SCRUB_DAYS, DeviceConfig, FolderConfig, FolderMode, History,
    sanitize_name, scrub_every,
};
use super::{Config, ConfigError, Kind, LookupError, parse};

/// Why a change to the configuration was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It would break a rule.
    #[error("{0}")]
    Refused(String),
    /// What it is about was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The file could not be loaded or saved.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl DeviceConfig {
    /// A device that is looked for by discovery alone.
    ///
    /// Without a usable name it is called by the beginning of its ID.
    pub fn new(id: DeviceId, name: Option<&str>) -> Self {
        let name = name.and_then(sanitize_name).unwrap_or_else(|| id.short());
        Self { id, name, addresses: Vec::new(), paused: false }
    }
}

impl FolderConfig {
    /// A folder that is shared with nobody yet, called after the last part of its path.
    pub fn new(id: FolderId, path: PathBuf) -> Self {
        let label = path.file_name().and_then(|name| sanitize_name(&name.to_string_lossy()));
        Self {
            label: label.unwrap_or_else(|| id.to_string()),
            id,
            path,
            mode: FolderMode::default(),
            devices: Vec::new(),
            paused: false,
            history: History::default(),
            own_history: false,
            policies: Policies::default(),
            mass_change: Some(Brake::default()),
            rescan: Some(DEFAULT_RESCAN),
            scrub: scrub_every(DEFAULT_SCRUB_DAYS),
        }
    }
}

impl Config {
    pub(super) fn change(&mut self, apply: impl FnOnce(&mut DocumentMut)) -> Result<(), EditError> {
        let mut document = self.document.clone();
        apply(&mut document);
        let settings = parse::parse(&document.to_string(), self.home.path())
            .map_err(|flaw| EditError::Refused(flaw.reason))?;
        self.document = document;
        self.settings = settings;
        Ok(())
    }

    /// Lists a device, which may then connect.
    ///
    /// # Errors
    ///
    /// When it is listed already, or its name or an address is refused.
    pub fn add_device(&mut self, device: &DeviceConfig) -> Result<(), EditError> {
        if let Some(known) = self.device(&device.id) {
            let reason =
                format!("device {} is listed already, as {:?}", device.id.short(), known.name);
            return Err(EditError::Refused(reason));
        }
        self.change(|document| push(document, "device", device_table(device)))
    }

    /// Forgets a device and shares no folder with it any more.
    ///
    /// # Errors
    ///
    /// When it is not listed.
    pub fn remove_device(&mut self, id: &DeviceId) -> Result<(), EditError> {
        let index = self.device_index(id)?;
        self.change(|document| {
            if let Some(devices) = tables(document, "device") {
                devices.remove(index);
            }
            for folder in tables(document, "folder").into_iter().flat_map(ArrayOfTables::iter_mut) {
                retain_members(folder, |member| member != id);
            }
        })
    }

    /// Calls a device something else.
    ///
    /// # Errors
    ///
    /// When it is not listed, or the name is empty, too long or unprintable.
    pub fn rename_device(&mut self, id: &DeviceId, name: &str) -> Result<(), EditError> {
        self.put_in_device(id, "name", name.into())
    }

    /// Replaces the addresses, `HOST:PORT`, at which a device is looked for.
    ///
    /// # Errors
    ///
    /// When it is not listed, or an address is malformed.
    pub fn set_device_addresses(
        &mut self,
        id: &DeviceId,
        addresses: &[String],
    ) -> Result<(), EditError> {
        self.put_in_device(id, "addresses", Value::Array(addresses.iter().collect()))
    }

    /// Keeps a device away, or lets it connect again.
    ///
    /// # Errors
    ///
    /// When it is not listed.
    pub fn set_device_paused(&mut self, id: &DeviceId, paused: bool) -> Result<(), EditError> {
        self.put_in_device(id, "paused", paused.into())
    }

    /// Lists a folder, which is then synced.
    ///
    /// # Errors
    ///
    /// When the ID is in use, the path is relative, not UTF-8, inside another
    /// folder or around one, or a device that it names is not listed.
    pub fn add_folder(&mut self, folder: &FolderConfig) -> Result<(), EditError> {
        if let Some(known) = self.folder(&folder.id) {
            let place = known.path.display();
            let reason = format!("folder ID {} is in use already, for {place}", folder.id);
            return Err(EditError::Refused(reason));
        }
        let Some(path) = folder.path.to_str() else {
            let place = folder.path.display();
            let reason = format!("path {place} is not UTF-8, which the configuration needs");
            return Err(EditError::Refused(reason));
        };
        self.change(|document| push(document, "folder", folder_table(folder, path)))
    }

    /// Forgets a folder; its files stay where they are.
    ///
    /// # Errors
    ///
    /// When it is not listed.
    pub fn remove_folder(&mut self, id: &FolderId) -> Result<(), EditError> {
        let index = self.folder_index(id)?;
        self.change(|document| {
            if let Some(folders) = tables(document, "folder") {
                folders.remove(index);
            }
        })
    }

    /// Lets a folder rest, or go on.
    ///
    /// # Errors
    ///
    /// When it is not listed.
    pub fn set_folder_paused(&mut self, id: &FolderId, paused: bool) -> Result<(), EditError> {
        self.put_in_folder(id, "paused", paused.into())
    }

    /// Calls a folder something else on this device.
    ///
    /// # Errors
    ///
    /// When it is not listed, or the label is empty, too long or unprintable.
    pub fn set_folder_label(&mut self, id: &FolderId, label: &str) -> Result<(), EditError> {
        self.put_in_folder(id, "label", label.into())
    }

    /// Changes which way a folder's changes go.
    ///
    /// # Errors
    ///
    /// When it is not listed.
    pub fn set_folder_mode(&mut self, id: &FolderId, mode: FolderMode) -> Result<(), EditError> {
        self.put_in_folder(id, "mode", mode.as_str().into())
    }

    /// Says how long displaced files of a folder are kept; `None` is the general setting.
    ///
    /// # Errors
    ///
    /// When it is not listed, the days are out of bounds, or the size is 0.
    pub fn set_folder_history(
        &mut self,
        id: &FolderId,
        history: Option<&History>,
    ) -> Result<(), EditError> {
        let index = self.folder_index(id)?;
        self.change(|document| {
            let Some(folder) = table_at(document, "folder", index) else { return };
            match history {
                Some(history) => put(folder, "history", history_value(history)),
                None => drop(folder.remove("history")),
            }
        })
    }

    /// Says what settles the conflicts of a folder.
    ///
    /// # Errors
    ///
    /// When it is not listed, or a pattern is none.
    pub fn set_folder_policies(
        &mut self,
        id: &FolderId,
        policies: &Policies,
    ) -> Result<(), EditError> {
        let index = self.folder_index(id)?;
        self.change(|document| {
            let Some(folder) = table_at(document, "folder", index) else { return };
            put_policies(folder, policies);
        })
    }

    /// Shares a folder with further devices; one that has it already is no error.
    ///
    /// # Errors
    ///
    /// When the folder or a device is not listed, or there would be too many.
    pub fn share(&mut self, id: &FolderId, devices: &[DeviceId]) -> Result<(), EditError> {
        let index = self.folder_index(id)?;
        let mut wanted = self.settings.folders[index].devices.clone();
        let before = wanted.len();
        for device in devices {
            self.device_index(device)?;
            if !wanted.contains(device) {
                wanted.push(*device);
            }
        }
        self.change(|document| {
            let Some(folder) = table_at(document, "folder", index) else { return };
            let members =
                folder.entry("devices").or_insert_with(|| Item::Value(Array::new().into()));
            if let Some(members) = members.as_array_mut() {
                members.extend(wanted[before..].iter().map(DeviceId::to_string));
            }
        })
    }

    /// Shares a folder with these devices no more; one that never had it is no error.
    ///
    /// # Errors
    ///
    /// When the folder is not listed.
    pub fn unshare(&mut self, id: &FolderId, devices: &[DeviceId]) -> Result<(), EditError> {
        let index = self.folder_index(id)?;
        self.change(|document| {
            if let Some(folder) = table_at(document, "folder", index) {
                retain_members(folder, |member| !devices.contains(member));
            }
        })
    }

    fn put_in_device(&mut self, id: &DeviceId, key: &str, value: Value) -> Result<(), EditError> {
        let index = self.device_index(id)?;
        self.change(|document| {
            if let Some(device) = table_at(document, "device", index) {
                put(device, key, value);
            }
        })
    }

    fn put_in_folder(&mut self, id: &FolderId, key: &str, value: Value) -> Result<(), EditError> {
        let index = self.folder_index(id)?;
        self.change(|document| {
            if let Some(folder) = table_at(document, "folder", index) {
                put(folder, key, value);
            }
        })
    }

    /// Where the device stands, in the settings and in the file alike.
    fn device_index(&self, id: &DeviceId) -> Result<usize, LookupError> {
        let found = self.devices().iter().position(|device| device.id == *id);
        found.ok_or_else(|| LookupError::NotFound {
            kind: Kind::Device,
            query: id.to_string(),
            choices: self.devices().iter().map(|device| device.name.clone()).collect(),
        })
    }

    /// Where the folder stands, in the settings and in the file alike.
    fn folder_index(&self, id: &FolderId) -> Result<usize, LookupError> {
        let found = self.folders().iter().position(|folder| folder.id == *id);
        found.ok_or_else(|| LookupError::NotFound {
            kind: Kind::Folder,
            query: id.to_string(),
            choices: self.folders().iter().map(|folder| folder.label.clone()).collect(),
        })
    }
}

fn tables<'a>(document: &'a mut DocumentMut, key: &str) -> Option<&'a mut ArrayOfTables> {
    document.get_mut(key)?.as_array_of_tables_mut()
}

fn table_at<'a>(document: &'a mut DocumentMut, key: &str, index: usize) -> Option<&'a mut Table> {
    tables(document, key)?.get_mut(index)
}

fn push(document: &mut DocumentMut, key: &str, table: Table) {
    let list = document.entry(key).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    if let Some(tables) = list.as_array_of_tables_mut() {
        tables.push(table);
    }
}

/// Sets a key, keeping the comments that stand around an old value.
pub(super) fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

fn retain_members(folder: &mut Table, keep: impl Fn(&DeviceId) -> bool) {
    if let Some(members) = folder.get_mut("devices").and_then(Item::as_array_mut) {
        members.retain(|member| {
            member.as_str().and_then(|text| text.parse().ok()).is_none_or(|id| keep(&id))
        });
    }
}

fn device_table(device: &DeviceConfig) -> Table {
    let mut table = Table::new();
    put(&mut table, "id", device.id.to_string().into());
    put(&mut table, "name", device.name.as_str().into());
    if !device.addresses.is_empty() {
        put(&mut table, "addresses", Value::Array(device.addresses.iter().collect()));
    }
    if device.paused {
        put(&mut table, "paused", true.into());
    }
    table
}

fn folder_table(folder: &FolderConfig, path: &str) -> Table {
    let mut table = Table::new();
    put(&mut table, "id", folder.id.as_str().into());
    put(&mut table, "label", folder.label.as_str().into());
    put(&mut table, "path", path.into());
    put(&mut table, "mode", folder.mode.as_str().into());
    let members: Array = folder.devices.iter().map(DeviceId::to_string).collect();
    put(&mut table, "devices", members.into());
    if folder.paused {
        put(&mut table, "paused", true.into());
    }
    if folder.rescan != Some(DEFAULT_RESCAN) {
        let seconds = folder.rescan.map_or(0, |rescan| rescan.as_secs());
        put(&mut table, "rescan_s", i64::try_from(seconds).unwrap_or(i64::MAX).into());
    }
    if folder.scrub != scrub_every(DEFAULT_SCRUB_DAYS) {
        let days = folder.scrub.map_or(0, |every| every.as_secs() / 86_400);
        put(&mut table, "scrub_days", i64::try_from(days).unwrap_or(i64::MAX).into());
    }
    if folder.own_history {
        put(&mut table, "history", history_value(&folder.history));
    }
    put_policies(&mut table, &folder.policies);
    if folder.mass_change != Some(Brake::default()) {
        put(&mut table, "mass_change", mass_change_value(folder.mass_change));
    }
    table
}

fn put_policies(folder: &mut Table, policies: &Policies) {
    match &policies.otherwise {
        Policy::Ask => drop(folder.remove("conflicts")),
        policy => put(folder, "conflicts", policy_word(policy).into()),
    }
    let mut rules = Array::new();
    for rule in &policies.rules {
        let mut table = InlineTable::new();
        table.insert("pattern", rule.pattern.as_str().into());
        table.insert("policy", policy_word(&rule.policy).into());
        rules.push(table);
    }
    match rules.is_empty() {
        true => drop(folder.remove("conflict_rules")),
        false => put(folder, "conflict_rules", rules.into()),
    }
}

fn history_value(history: &History) -> Value {
    let mut table = InlineTable::new();
    table.insert("enabled", history.enabled.into());
    table.insert("days", i64::from(history.days).into());
    // Said in any case, as what is not said is as in the general setting. A size that TOML
    // cannot say is refused as the size 0 is.
    let bound = history.max_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(0));
    table.insert("max_bytes", bound.map_or_else(|| NO_BOUND.into(), Value::from));
    table.into()
}

fn mass_change_value(brake: Option<Brake>) -> Value {
    let Some(Brake { at_least, percent, at_most }) = brake else { return "off".into() };
    let keys = [("at_least", at_least), ("percent", percent), ("at_most", at_most)];
    let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
    Value::InlineTable(keys.into_iter().map(|(key, value)| (key, number(value))).collect())
}
