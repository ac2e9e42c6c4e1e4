//! Which of the versions in conflict a person means.

use std::collections::BTreeSet;

use driftless_control::{ApiError, ErrorCode};
use driftless_core::{DeviceId, Entry, FileRecord};
use driftless_engine::Choice;

use super::super::conflicts::version_word;
use super::super::failure::not_found;
use super::Outcome;
use crate::hub::Hub;

/// The version of the device that a person means, among those that made one.
pub(super) fn made_by(
    hub: &Hub,
    entry: &Entry,
    makers: &[DeviceId],
    query: &str,
) -> Outcome<Choice> {
    let distinct: BTreeSet<DeviceId> = makers.iter().copied().collect();
    let named: Vec<_> = distinct.into_iter().map(|device| (device, hub.name_of(&device))).collect();
    let device = choose(&named, query)?;
    let mut heads: Vec<&FileRecord> = Vec::new();
    for (head, maker) in entry.heads.iter().zip(makers) {
        let is_same = |known: &&FileRecord| known.content.is_same_data(&head.record.content);
        if *maker == device && !heads.iter().any(is_same) {
            heads.push(&head.record);
        }
    }
    match heads.as_slice() {
        [head] => Ok(Choice::Head(Box::new((*head).clone()))),
        _ => {
            let message = format!("{query:?} made several versions of it: {}", words_of(&heads));
            Err(ApiError::new(ErrorCode::Ambiguous, message).with_hint("name the version to keep"))
        }
    }
}

/// The head that has this word for its version.
pub(super) fn version_of(entry: &Entry, version: &str) -> Outcome<Choice> {
    let heads: Vec<&FileRecord> = entry.heads.iter().map(|head| &head.record).collect();
    match heads.iter().find(|head| version_word(head) == version) {
        Some(head) => Ok(Choice::Head(Box::new((*head).clone()))),
        None => {
            let message =
                format!("there is no version {version:?} of it; there is {}", words_of(&heads));
            Err(not_found(message))
        }
    }
}

/// Versions as a person can name them.
fn words_of(heads: &[&FileRecord]) -> String {
    let word = |head: &&FileRecord| match head.content.is_tombstone() {
        true => format!("{} (deleted)", version_word(head)),
        false => format!("{} ({} bytes)", version_word(head), head.content.size_bytes()),
    };
    heads.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Whether a device is the one that is meant.
type Fits<'a> = dyn Fn(&(DeviceId, String)) -> bool + 'a;

/// By ID, else by name, else by the beginning of an ID.
fn choose(devices: &[(DeviceId, String)], query: &str) -> Outcome<DeviceId> {
    let id: Option<DeviceId> = query.parse().ok();
    let prefix = letters(query);
    let tests: [&Fits<'_>; 3] =
        [&|(device, _)| Some(*device) == id, &|(_, name)| name == query, &|(device, _)| {
            !prefix.is_empty() && letters(&device.to_string()).starts_with(&prefix)
        }];
    for test in tests {
        let fits: Vec<_> = devices.iter().filter(|device| test(device)).collect();
        match fits.as_slice() {
            [] => {}
            [(device, _)] => return Ok(*device),
            _ => {
                let message = format!("{query:?} fits several of the devices that made a version");
                return Err(ApiError::new(ErrorCode::Ambiguous, message).with_hint("use the ID"));
            }
        }
    }
    let names: Vec<String> =
        devices.iter().map(|(device, name)| format!("{name} ({})", device.short())).collect();
    let message = format!("{query:?} made no version of it; there is {}", names.join(", "));
    Err(not_found(message))
}

fn letters(id: &str) -> String {
    id.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::{DeviceId, ErrorCode, choose};

    #[test]
    fn a_version_is_chosen_by_the_device_that_made_it() {
        let [a, b, c] = [1, 2, 3].map(|n| DeviceId::from_bytes([n; 32]));
        let devices = [(a, "desk".to_owned()), (b, "laptop".to_owned()), (c, "laptop".to_owned())];
        assert_eq!(choose(&devices, "desk").unwrap(), a);
        assert_eq!(choose(&devices, &b.to_string().to_lowercase()).unwrap(), b);
        assert_eq!(choose(&devices, &c.short()).unwrap(), c);
        assert_eq!(choose(&devices, "laptop").unwrap_err().code, ErrorCode::Ambiguous);
        let unknown = choose(&devices, "phone").unwrap_err();
        assert_eq!(unknown.code, ErrorCode::NotFound);
        assert!(unknown.message.contains("desk ("), "{}", unknown.message);
    }
}
