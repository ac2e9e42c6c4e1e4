//! `folder.explain`: why a path is as it is, and what mends it.
//!
//! Gathers what the configuration, the folder's thread and the disk know of the
//! path; [`say`] turns that into one cause, the one that a person has to deal
//! with first.

mod say;

use std::path::Path;

use driftless_control::api::{Explanation, FileState, FolderExplain};
use driftless_core::{Content, DeviceId, Index, Problem, RelPath, Slot};
use driftless_fs::{Ignore, Kind, Root};

use self::say::{Device, Facts, say};
use super::files::{Seen, see};
use super::history::parse_path;
use super::listing::content;
use super::{Outcome, ask, blocking, find_folder};
use crate::config::FolderConfig;
use crate::folder::{Asked, Phase, View};
use crate::hub::Hub;

/// What the folder's thread knows of the path.
struct Answer {
    root: Root,
    seen: Seen,
    problem: Option<Problem>,
    problem_below: Option<Problem>,
    /// Devices other than this one that hold the shown version.
    holders: Vec<DeviceId>,
    is_held_here: bool,
}

pub(super) async fn explain(hub: &Hub, request: &FolderExplain) -> Outcome<Explanation> {
    let folder = find_folder(hub, &request.folder)?;
    let path = path_in(&folder, &request.path)?;
    let view = hub.folder(&folder.id).map(|(_, view)| view.borrow().clone());
    if let Some(resting) = resting(&folder, &path, view.as_ref()) {
        return Ok(resting);
    }
    let at = path.clone();
    let answer = ask(hub, &folder, move |asked| answer(asked, &at)).await?;
    let (root, at) = (answer.root, path.clone());
    let is_known_directory = matches!(content(&answer.seen.entry), Some(Content::Directory { .. }));
    let looked_up = blocking(move || {
        let kind = driftless_fs::kind_at(&root, &at);
        let is_dir = kind.map_or(is_known_directory, |kind| kind == Kind::Directory);
        Ok((kind, Ignore::new(&root).rule_for(&at, is_dir)))
    });
    let (kind, rule) = looked_up.await?;
    let members = folder.devices.iter().filter(|id| **id != hub.device);
    let maker = answer.seen.entry.shown().map(|shown| hub.name_of(&shown.device));
    let mut said = say(&Facts {
        seen: &answer.seen,
        rule,
        problem: answer.problem,
        problem_below: answer.problem_below,
        kind,
        is_scanning: view.is_none_or(|view| view.scanning),
        holders: answer.holders.iter().map(|id| device(hub, id)).collect(),
        members: members.map(|id| device(hub, id)).collect(),
        maker,
        mode: folder.mode,
        folder: &folder.id,
        path: &path,
    });
    if answer.is_held_here && said.state != FileState::LeftOut {
        said.holders.insert(0, hub.device.to_string());
    }
    Ok(said)
}

/// The path below the folder's root that a person means.
fn path_in(folder: &FolderConfig, text: &str) -> Outcome<RelPath> {
    match Path::new(text).strip_prefix(&folder.path) {
        Ok(below) if Path::new(text).is_absolute() => parse_path(&below.to_string_lossy()),
        _ => parse_path(text),
    }
}

fn answer(asked: &Asked<'_>, path: &RelPath) -> Result<Answer, driftless_store::IndexError> {
    let seen = see(asked, path)?;
    let engine = &asked.engine;
    let held = seen.entry.heads.shown().map(|head| head.holders).unwrap_or_default();
    let devices = engine.index().devices().into_iter();
    Ok(Answer {
        root: asked.root.clone(),
        problem: engine.problem_of(path.as_str()).cloned(),
        problem_below: engine.problem_below(path.as_str()).cloned(),
        holders: devices.filter(|(slot, _)| held.contains(*slot)).map(|(_, id)| id).collect(),
        is_held_here: held.contains(Slot::ME),
        seen,
    })
}

fn device(hub: &Hub, id: &DeviceId) -> Device {
    let settings = hub.settings();
    Device {
        id: id.to_string(),
        name: hub.name_of(id),
        is_connected: hub.links.get(*id).is_some(),
        is_paused: settings.devices.iter().any(|known| known.id == *id && known.paused),
    }
}

/// What there is to say of every path of a folder that does not run.
fn resting(folder: &FolderConfig, path: &RelPath, view: Option<&View>) -> Option<Explanation> {
    let label = &folder.label;
    let (cause, message, hint) = match view.map(|view| &view.phase) {
        _ if folder.paused => {
            let hint = format!("go on with it: driftless folder resume {}", folder.id);
            ("paused", format!("the folder {label} is paused"), Some(hint))
        }
        Some(Phase::Stopped(reason)) => {
            ("stopped", format!("the folder {label} has stopped: {reason}"), None)
        }
        Some(Phase::Opening) | None => {
            let hint = "try again in a moment".to_owned();
            ("opening", format!("the folder {label} is being opened"), Some(hint))
        }
        Some(Phase::Open(_)) => return None,
    };
    Some(Explanation {
        path: path.to_string(),
        state: FileState::Waiting,
        cause: cause.to_owned(),
        message,
        hint,
        holders: Vec::new(),
        rule: None,
        rule_file: None,
        rule_line: None,
    })
}
