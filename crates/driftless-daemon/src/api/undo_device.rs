//! `undo.preview`, `undo.apply`: undoing everything that a device changed since a
//! time, for the day on which a script ran on it that should not have.
//!
//! What each path held before is chosen from the index and history ([`choice`]);
//! putting it back is an edit of this device like any other ([`carry`]), so that
//! what it replaces goes to history, every device gets it, and undoing what this
//! device did since takes it back. Nothing is remembered of an undo that is
//! under way: one that was cut off is asked for again, and finds what is left.

mod carry;
mod choice;
mod look;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use driftless_control::api::{UndoAction, UndoApply, UndoPlan, UndoPreview, UndoResult, UndoStep};
use driftless_core::{DeviceId, RelPath};
use driftless_engine::Input;
use driftless_fs::Scope;

use self::carry::{BATCH, End, Job, carry_out, jobs};
use self::choice::{Action, Past, Why, choose};
use self::look::{Look, look};
use super::failure::{refused, usage};
use super::{Outcome, blocking, conflicts, find_folder, page_size, place, running};
use crate::clock::now_ms;
use crate::config::{FolderConfig, FolderMode};
use crate::hub::Hub;

/// How often what was not as believed is looked at again.
const TRIES: u32 = 3;

/// How long taking in what was changed may take before going on.
const LOOK: Duration = Duration::from_secs(60);

/// With more directories than this, all of the folder is looked at instead.
const MAX_SCOPES: usize = 64;

pub(super) async fn preview(hub: &Hub, request: &UndoPreview) -> Outcome<UndoPlan> {
    let asked = Asked::parse(hub, &request.device, request.since_ms, request.folder.as_deref())?;
    let limit = page_size(request.limit);
    let mut plan = UndoPlan { device_name: hub.name_of(&asked.device), ..UndoPlan::default() };
    for folder in &asked.folders {
        let look = look(hub, folder, (asked.device, request.since_ms)).await?;
        for (path, action) in choose_in(folder, &look.past) {
            let action = view(hub, folder, &look.past, (&path, &action));
            match &action {
                UndoAction::Restore { size, .. } => {
                    plan.restores += 1;
                    plan.bytes = plan.bytes.saturating_add(*size);
                }
                UndoAction::Remove { .. } => plan.removes += 1,
                UndoAction::Leave { .. } => plan.leaves += 1,
            }
            if plan.steps.len() < limit {
                plan.steps.push(step(folder, &path, action));
            }
        }
    }
    Ok(plan)
}

pub(super) async fn apply(hub: &Hub, request: &UndoApply) -> Outcome<UndoResult> {
    let asked = Asked::parse(hub, &request.device, request.since_ms, request.folder.as_deref())?;
    let mut result = UndoResult { began_ms: now_ms(), ..UndoResult::default() };
    for folder in &asked.folders {
        let done = Undo { hub, folder, device: asked.device, since_ms: request.since_ms };
        let left = done.run(&mut result).await?;
        result.leaves += left.len() as u64;
        let room = page_size(None).saturating_sub(result.left.len());
        let steps =
            left.into_iter().map(|(path, why)| step(folder, &path, UndoAction::Leave { why }));
        result.left.extend(steps.take(room));
    }
    Ok(result)
}

/// What is asked for.
struct Asked {
    device: DeviceId,
    folders: Vec<FolderConfig>,
}

impl Asked {
    fn parse(hub: &Hub, device: &str, since_ms: u64, folder: Option<&str>) -> Outcome<Self> {
        let settings = hub.settings();
        let is_own = device == settings.device.name || device == hub.device.to_string();
        let device = if is_own { hub.device } else { settings.find_device(device)?.id };
        if since_ms > now_ms() {
            return Err(usage("that time is yet to come"));
        }
        let folders = match folder {
            Some(folder) => {
                let folder = find_folder(hub, folder)?;
                if folder.mode == FolderMode::ReceiveOnly {
                    let message = format!("folder {} only receives here", folder.label);
                    return Err(refused(message).with_hint("undo it on a device that sends"));
                }
                running(hub, &folder)?;
                vec![folder]
            }
            None => conflicts::open_folders(hub),
        };
        Ok(Self { device, folders })
    }
}

/// What is to be done in a folder. What this device does in one that only
/// receives would not be passed on, so there nothing is.
fn choose_in(folder: &FolderConfig, past: &Past) -> BTreeMap<RelPath, Action> {
    let mut actions = choose(past);
    if folder.mode == FolderMode::ReceiveOnly {
        actions.values_mut().for_each(|action| *action = Action::Leave(Why::OnlyReceives));
    }
    actions
}

fn step(folder: &FolderConfig, path: &RelPath, action: UndoAction) -> UndoStep {
    UndoStep {
        folder: folder.id.to_string(),
        folder_label: folder.label.clone(),
        path: path.to_string(),
        action,
    }
}

/// An action in the control API's words.
fn view(
    hub: &Hub,
    folder: &FolderConfig,
    past: &Past,
    (path, action): (&RelPath, &Action),
) -> UndoAction {
    let size_at = |path: &RelPath| {
        let disk = past.entries.get(path).and_then(|entry| entry.present());
        disk.map_or(0, |disk| disk.record.content.size_bytes())
    };
    let changed_ms = |path: &RelPath| {
        let shown = past.entries.get(path).and_then(|entry| entry.shown());
        shown.map_or(past.since_ms, |shown| shown.changed_ms)
    };
    match action {
        Action::Restore(version) => {
            UndoAction::Restore { size: version.size_bytes, displaced_at_ms: version.displaced_ms }
        }
        Action::MoveBack(from) => {
            UndoAction::Restore { size: size_at(from), displaced_at_ms: changed_ms(from) }
        }
        Action::Insist(_) => {
            UndoAction::Restore { size: size_at(path), displaced_at_ms: changed_ms(path) }
        }
        Action::Remove => UndoAction::Remove { size: size_at(path) },
        Action::Leave(why) => UndoAction::Leave { why: sentence(hub, folder, why) },
    }
}

/// Why a path stays as it is, for people.
fn sentence(hub: &Hub, folder: &FolderConfig, why: &Why) -> String {
    match why {
        Why::ChangedBy(device) if *device == hub.device => {
            "it was changed on this device since".to_owned()
        }
        Why::ChangedBy(device) => format!("{} changed it since", hub.name_of(device)),
        Why::ChangedByShort(short) => {
            let known = folder.devices.iter().chain([&hub.device]);
            let device = known.into_iter().find(|device| device.short() == *short);
            let name = device.map_or_else(|| short.clone(), |device| hub.name_of(device));
            format!("{name} changed it since")
        }
        Why::Conflict => "there is a conflict about it, which comes first".to_owned(),
        Why::Decided => {
            "a conflict about it was decided, which `driftless conflict undo` takes back".to_owned()
        }
        Why::Syncing => "it is being synced just now; try again in a moment".to_owned(),
        Why::Local => "it was changed here in a way that is not passed on".to_owned(),
        Why::Ignored => "an ignore rule covers it".to_owned(),
        Why::SameContent => "its content is the same as before".to_owned(),
        Why::NotKept => {
            "what it held before is not kept on this device; undo it on another one".to_owned()
        }
        Why::Taken(from) => format!("it was renamed from {from}, where something else is now"),
        Why::OnlyReceives => {
            "the folder only receives here; undo it on a device that sends".to_owned()
        }
    }
}

/// An undo of what one device did in one folder.
struct Undo<'a> {
    hub: &'a Hub,
    folder: &'a FolderConfig,
    device: DeviceId,
    since_ms: u64,
}

impl Undo<'_> {
    /// Does all that can be done and counts it in `result`. Returns what stays as it is, and why.
    async fn run(&self, result: &mut UndoResult) -> Outcome<Vec<(RelPath, String)>> {
        let mut left = Vec::new();
        let mut insisted = 0;
        for attempt in 1..=TRIES {
            let look = look(self.hub, self.folder, (self.device, self.since_ms)).await?;
            let actions = choose_in(self.folder, &look.past);
            let insists: Vec<_> = actions
                .iter()
                .filter_map(|(path, action)| match action {
                    Action::Insist(version) => Some((path.clone(), version.clone())),
                    _ => None,
                })
                .collect();
            // What was insisted on before is not asked for again once it is so.
            result.restored -= (insists.len() as u64).min(insisted);
            left = actions
                .iter()
                .filter_map(|(path, action)| match action {
                    Action::Leave(why) => {
                        Some((path.clone(), sentence(self.hub, self.folder, why)))
                    }
                    _ => None,
                })
                .collect();
            let is_last = attempt == TRIES;
            if is_last {
                let syncing = sentence(self.hub, self.folder, &Why::Syncing);
                left.extend(insists.iter().map(|(path, _)| (path.clone(), syncing.clone())));
            } else {
                insisted = insists.len() as u64;
                result.restored += insisted;
                let (shared, _) = running(self.hub, self.folder)?;
                shared.inputs(vec![Input::Insist(insists)]).await;
            }
            let stale = self.change(look, &actions, result, &mut left).await?;
            if is_last {
                let changing = "it is being changed just now; try again in a moment";
                left.extend(stale.into_iter().map(|path| (path, changing.to_owned())));
            } else if stale.is_empty() && insisted == 0 {
                break;
            }
        }
        left.sort();
        Ok(left)
    }

    /// Changes the tree as chosen. Returns the paths that were not as they had been looked at.
    async fn change(
        &self,
        look: Look,
        actions: &BTreeMap<RelPath, Action>,
        result: &mut UndoResult,
        left: &mut Vec<(RelPath, String)>,
    ) -> Outcome<Vec<RelPath>> {
        let mut jobs = jobs(&look, actions);
        let (kept, own) = (look.kept, self.hub.device);
        let mut directories = look.directories;
        let (mut stale, mut touched) = (Vec::new(), BTreeSet::new());
        // What was to be copied elsewhere and was not.
        let mut needed: BTreeSet<RelPath> = BTreeSet::new();
        while !jobs.is_empty() {
            // Whether they could be copied has to be known before any source is deleted.
            let copies = jobs.iter().take_while(|job| job.source().is_some()).count();
            let whole = if copies > 0 { copies } else { jobs.len() };
            let rest = jobs.split_off(whole.min(BATCH));
            let mut batch = std::mem::replace(&mut jobs, rest);
            batch.retain(|job| !needed.contains(job.path()));
            let (kept, mut known) = (kept.clone(), std::mem::take(&mut directories));
            let (batch, ends, known) = blocking(move || {
                let ends = carry_out(&kept, &batch, &mut known, own);
                Ok((batch, ends, known))
            })
            .await?;
            directories = known;
            for (job, end) in batch.iter().zip(ends) {
                let path = job.path().clone();
                let is_copied = matches!(end, End::Done);
                needed.extend(job.source().filter(|_| !is_copied).cloned());
                touched.extend(path.components().next().and_then(|top| RelPath::parse(top).ok()));
                match end {
                    End::Done => count(job, result),
                    // Somebody uses it.
                    End::Stale if matches!(job, Job::RemoveDirectory(..)) => {}
                    End::Stale => stale.push(path),
                    End::Failed(why) => left.push((path, why)),
                }
            }
        }
        if !touched.is_empty() {
            let scope = |path| Scope { path: Some(path), recursive: true };
            let few = touched.len() <= MAX_SCOPES;
            let scopes = few.then(|| touched.into_iter().map(scope).collect());
            place::look_at(self.hub, self.folder, scopes).await?;
        }
        place::has_looked(self.hub, self.folder, LOOK).await?;
        Ok(stale)
    }
}

/// Counts what is done.
fn count(job: &Job, result: &mut UndoResult) {
    match job {
        Job::CopyBack { .. } | Job::Restore { .. } => result.restored += 1,
        Job::Remove(..) | Job::RemoveDirectory(..) => result.removed += 1,
    }
}
