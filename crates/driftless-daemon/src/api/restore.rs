//! `history.restore`: putting a displaced version back.
//!
//! In the folder, that is an edit like a person's own: the version is put in
//! place under a precondition, so that what is there goes to history, and the
//! scan that follows makes it known. Outside, it is a plain copy that replaces
//! nothing.

use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use driftless_control::api::{HistoryRestore, Restored};
use driftless_control::{ApiError, ErrorCode};
use driftless_core::{
    Content, DeviceId, Entry, Index, Outcome as StepOutcome, Precondition, RelPath, Step,
};
use driftless_fs::history::{Version, open_version};
use driftless_fs::{Ignore, Scope};

use super::failure::{because, failed, not_found, refused, usage};
use super::history::parse_path;
use super::past::Past;
use super::place;
use super::{Outcome, ask, blocking, find_folder};
use crate::config::FolderConfig;
use crate::hub::Hub;

/// How often a path that was not as believed is looked at again.
const TRIES: u32 = 3;

/// How long such a look may take.
const LOOK: Duration = Duration::from_secs(10);

pub(super) async fn restore(hub: &Hub, request: &HistoryRestore) -> Outcome<Restored> {
    let folder = find_folder(hub, &request.folder)?;
    let path = parse_path(&request.path)?;
    let past = Past::of(hub, &folder).await?;
    let listed = past.versions(Some(path.clone())).await?;
    let version = listed
        .into_iter()
        .find(|version| version.id == request.version && version.path == path)
        .ok_or_else(|| {
            not_found(format!("{path} has no version {:?}", request.version))
                .with_hint(format!("driftless history list {} lists them", folder.id))
        })?;
    match request.to.as_deref() {
        None => put_back(hub, &folder, (past, version), path).await,
        Some(to) if Path::new(to).is_absolute() => match below(&folder, to)? {
            Some(target) => put_back(hub, &folder, (past, version), target).await,
            None => {
                let to = to.to_owned();
                blocking(move || copy_out(&past, &version, Path::new(&to))).await
            }
        },
        Some(to) => put_back(hub, &folder, (past, version), parse_path(to)?).await,
    }
}

/// The path below the folder's root that an absolute path means, if it does.
fn below(folder: &FolderConfig, to: &str) -> Outcome<Option<RelPath>> {
    match Path::new(to).strip_prefix(&folder.path) {
        Err(_) => Ok(None),
        Ok(relative) => parse_path(&relative.to_string_lossy()).map(Some),
    }
}

/// Copies a version to where nothing is.
fn copy_out(past: &Past, version: &Version, to: &Path) -> Outcome<Restored> {
    let unwritten = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            ApiError::new(ErrorCode::AlreadyExists, format!("{} exists", to.display()))
                .with_hint("choose a path at which nothing is")
        }
        _ => because(&format!("{} cannot be written", to.display()), &error),
    };
    match &version.target {
        Some(target) => symlink(&**target, to).map_err(unwritten)?,
        None => {
            let (mut from, mode) = open(past, version)?;
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create_new(true).mode(0o600).open(to).map_err(unwritten)?;
            let copied = std::io::copy(&mut from, &mut file).and_then(|_| {
                file.set_permissions(std::fs::Permissions::from_mode(mode.into()))?;
                file.sync_all()
            });
            if let Err(error) = copied {
                // Made here a moment ago; half a copy is of no use.
                let _ = std::fs::remove_file(to);
                return Err(unwritten(error));
            }
        }
    }
    Ok(Restored { path: to.display().to_string() })
}

/// What a version holds, and its permission bits.
fn open(past: &Past, version: &Version) -> Outcome<(Box<dyn Read>, u16)> {
    if let Some(text) = past.text(version)? {
        return Ok((Box::new(std::io::Cursor::new(text)), version.mode));
    }
    let file = open_version(&past.root, &version.id)
        .map_err(|error| because("the version cannot be read", &error))?;
    Ok((Box::new(file), version.mode))
}

/// Puts a version in place in the tree.
async fn put_back(
    hub: &Hub,
    folder: &FolderConfig,
    (past, version): (Past, Version),
    target: RelPath,
) -> Outcome<Restored> {
    for _ in 0..TRIES {
        let at = target.clone();
        let known = ask(hub, folder, move |asked| {
            let index = asked.engine.index();
            let mut chain = vec![(at.clone(), index.get(&at)?.unwrap_or_default())];
            while let Some(parent) = chain[chain.len() - 1].0.parent() {
                let entry = index.get(&parent)?.unwrap_or_default();
                chain.push((parent, entry));
            }
            chain.reverse();
            Ok(chain)
        })
        .await?;
        check_place(&known)?;
        let (own, past, version) = (hub.device, past.clone(), version.clone());
        let outcome = blocking(move || carry_out(&past, &version, &known, own)).await?;
        // From the outermost directory that may have been made.
        let top = target.components().next().unwrap_or_default();
        let scope = Scope { path: RelPath::parse(top).ok(), recursive: true };
        place::look_at(hub, folder, Some(vec![scope])).await?;
        match outcome {
            StepOutcome::Applied(_) => return Ok(Restored { path: target.to_string() }),
            StepOutcome::Blocked(problem) => {
                return Err(failed(format!("{target} cannot be put back: {}", problem.message)));
            }
            StepOutcome::Ignored => {
                let message = format!("an ignore rule covers {target}");
                return Err(refused(message).with_hint("put it elsewhere with --to"));
            }
            StepOutcome::Stale | StepOutcome::NotStaged | StepOutcome::NoParent => {
                place::has_looked(hub, folder, LOOK).await?;
            }
        }
    }
    Err(failed(format!("{target} is being changed just now")).with_hint("try again in a moment"))
}

/// Refuses a place where something else than a file belongs.
fn check_place(chain: &[(RelPath, Entry)]) -> Outcome<()> {
    let Some(((target, entry), parents)) = chain.split_last() else { return Ok(()) };
    let is_directory = |entry: &Entry| {
        entry.present().map(|disk| matches!(disk.record.content, Content::Directory { .. }))
    };
    if is_directory(entry) == Some(true) {
        return Err(refused(format!("{target} is a directory")).with_hint("name a file with --to"));
    }
    match parents.iter().find(|(_, entry)| is_directory(entry) == Some(false)) {
        Some((parent, _)) => Err(usage(format!("{parent} is no directory"))),
        None => Ok(()),
    }
}

/// Stages the version and carries out what brings it to the end of `chain`.
fn carry_out(
    past: &Past,
    version: &Version,
    chain: &[(RelPath, Entry)],
    own: DeviceId,
) -> Outcome<StepOutcome> {
    let ready = past.stage(version)?;
    let Some(((target, entry), parents)) = chain.split_last() else {
        return Ok(StepOutcome::Stale);
    };
    let missing = parents.iter().filter(|(_, entry)| entry.present().is_none());
    let mut steps: Vec<Step> =
        missing.map(|(path, _)| place::directory(path.clone(), own)).collect();
    steps.push(ready.step(target.clone(), Precondition::of(entry), own));
    let root = &past.root;
    let outcomes = driftless_fs::apply(root, steps, &Ignore::new(root));
    let bad = |outcome: &StepOutcome| !matches!(outcome, StepOutcome::Applied(_));
    let last = outcomes.last().map_or(StepOutcome::Stale, |(_, outcome)| outcome.clone());
    let first_bad = outcomes.into_iter().map(|(_, outcome)| outcome).find(bad);
    // A directory that is there after all is no obstacle once the file is in it.
    Ok(if bad(&last) { first_bad.unwrap_or(last) } else { last })
}
