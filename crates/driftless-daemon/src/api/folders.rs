//! `folder.*`: what is synced, with whom, in which direction.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use driftless_control::api::{
    ChangeAction, Confirmed, Done, FolderAccept, FolderAdd, FolderDecline, FolderKeep,
    FolderOverride, FolderRemove, FolderRevert, FolderShare, FolderUnshare, FolderView,
    LocalChange, OfferView, Reverted, Scrubbed,
};
use driftless_control::{ApiError, ErrorCode};
use driftless_core::index::Flag;
use driftless_core::{DeviceId, Entry, FolderId, Index, RelPath};
use driftless_engine::Input;
use driftless_fs::forget::{self, ForgetError};
use tokio::time::timeout;

use super::failure::{because, failed, not_found, refused};
use super::{Outcome, ask, blocking, edit, find_folder, running};
use crate::config::{FolderConfig, FolderMode, provision, sanitize_name};
use crate::folder::scrub::{self, Pace};
use crate::folder::{Message, Phase};
use crate::hub::Hub;
use crate::trouble::with_causes;
use crate::views;

/// How long a new folder may take to open before that is left to itself.
const OPENING: Duration = Duration::from_secs(10);

/// The most local changes that are listed.
const MAX_CHANGES: usize = 20_000;

/// The most corrupt files that are listed.
const MAX_CORRUPT: usize = 1000;

/// How many entries are looked at in one go.
const PAGE: usize = 1024;

pub(super) fn list(hub: &Hub) -> Vec<FolderView> {
    let settings = hub.settings();
    settings.folders.iter().map(|folder| provision::folder_view(&settings, folder)).collect()
}

pub(super) fn view(hub: &Hub, id: &FolderId) -> Outcome<FolderView> {
    let settings = hub.settings();
    let folder = settings.find_folder(id.as_str())?;
    Ok(provision::folder_view(&settings, folder))
}

/// Adds a folder and sees it opened. One that cannot be opened is not kept.
pub(super) async fn add(hub: &Arc<Hub>, request: FolderAdd) -> Outcome<FolderView> {
    let home = hub.home.clone();
    let existed = Path::new(&request.path).exists();
    let folder = blocking(move || Ok(provision::add_folder(&home, &request)?)).await?;
    let had_database = hub.home.database(&folder.id).exists();
    hub.reload().await?;
    if let Some(reason) = refusal(hub, &folder).await {
        let id = folder.id.clone();
        edit(hub, move |config| Ok(config.remove_folder(&id)?)).await?;
        if !had_database {
            remove_database(hub, &folder.id).await?;
        }
        if !existed {
            // Only goes if nothing was put into it.
            let _ = std::fs::remove_dir(&folder.path);
        }
        return Err(failed(format!("cannot sync {}: {reason}", folder.path.display())));
    }
    view(hub, &folder.id)
}

/// Why a new folder was not opened, if that is known in time.
async fn refusal(hub: &Hub, folder: &FolderConfig) -> Option<String> {
    let Some((_, mut view)) = hub.folder(&folder.id) else {
        return Some("it cannot be started; look at the log".to_owned());
    };
    let opened = view.wait_for(|view| view.phase != Phase::Opening);
    let phase = timeout(OPENING, opened).await.ok()?.ok()?.phase.clone();
    match phase {
        Phase::Stopped(reason) => Some(reason),
        Phase::Opening | Phase::Open(_) => None,
    }
}

pub(super) async fn share(hub: &Arc<Hub>, request: &FolderShare) -> Outcome<FolderView> {
    let (id, devices) = members(hub, &request.folder, &request.devices)?;
    let folder = id.clone();
    edit(hub, move |config| Ok(config.share(&folder, &devices)?)).await?;
    view(hub, &id)
}

pub(super) async fn unshare(hub: &Arc<Hub>, request: &FolderUnshare) -> Outcome<FolderView> {
    let (id, devices) = members(hub, &request.folder, &request.devices)?;
    let folder = id.clone();
    edit(hub, move |config| Ok(config.unshare(&folder, &devices)?)).await?;
    view(hub, &id)
}

fn members(hub: &Hub, folder: &str, devices: &[String]) -> Outcome<(FolderId, Vec<DeviceId>)> {
    let settings = hub.settings();
    let id = settings.find_folder(folder)?.id.clone();
    let devices = devices.iter().map(|query| Ok(settings.find_device(query)?.id));
    Ok((id, devices.collect::<Outcome<_>>()?))
}

pub(super) fn offers(hub: &Hub) -> Vec<OfferView> {
    let offers = hub.offers().into_iter();
    offers.map(|(id, device, offer)| views::offer_of(hub, &id, device, &offer)).collect()
}

/// The folder that is offered under an ID or a label, what it is called, and who offers it.
fn offered(hub: &Hub, query: &str) -> Outcome<(FolderId, String, Vec<DeviceId>)> {
    let offers = hub.offers();
    let by_id = offers.iter().any(|(id, ..)| id.as_str() == query);
    let fits: Vec<_> = offers
        .into_iter()
        .filter(|(id, _, offer)| if by_id { id.as_str() == query } else { offer.label == query })
        .collect();
    let Some((id, _, offer)) = fits.first() else {
        let message = format!("no folder is offered as {query:?}");
        return Err(not_found(message).with_hint("`driftless folder offers` lists what is"));
    };
    if fits.iter().any(|(other, ..)| other != id) {
        let message = format!("several folders are offered as {query:?}");
        return Err(ApiError::new(ErrorCode::Ambiguous, message).with_hint("use the ID"));
    }
    let devices = fits.iter().map(|(_, device, _)| *device).collect();
    Ok((id.clone(), offer.label.clone(), devices))
}

pub(super) async fn accept(hub: &Arc<Hub>, request: &FolderAccept) -> Outcome<FolderView> {
    let (id, label, devices) = offered(hub, &request.folder)?;
    let add_request = FolderAdd {
        path: request.path.clone(),
        id: Some(id.to_string()),
        label: sanitize_name(&label),
        mode: request.mode,
        share: devices.iter().map(ToString::to_string).collect(),
        rules: None,
    };
    add(hub, add_request).await
}

pub(super) fn decline(hub: &Hub, request: &FolderDecline) -> Outcome<Done> {
    let (id, ..) = offered(hub, &request.folder)?;
    hub.decline(&id);
    Ok(Done {})
}

pub(super) async fn pause(hub: &Arc<Hub>, query: &str, paused: bool) -> Outcome<FolderView> {
    let id = find_folder(hub, query)?.id;
    let folder = id.clone();
    edit(hub, move |config| Ok(config.set_folder_paused(&folder, paused)?)).await?;
    view(hub, &id)
}

pub(super) async fn rescan(hub: &Hub, query: &str) -> Outcome<Done> {
    let (shared, _) = running(hub, &find_folder(hub, query)?)?;
    let _ = shared.inbox.send(Message::Scan(None)).await;
    Ok(Done {})
}

/// Forgets a folder. All that lies in its directory stays, history included.
pub(super) async fn remove(hub: &Arc<Hub>, request: &FolderRemove) -> Outcome<Done> {
    let folder = find_folder(hub, &request.folder)?;
    let (id, path) = (folder.id.clone(), folder.path.clone());
    if request.forget_history {
        // An open folder has taken out of staging what a crash may have left there.
        ask(hub, &folder, |_| Ok(())).await?;
        let (id, path) = (id.clone(), path.clone());
        blocking(move || {
            forget::may_forget(&path, &id).map_err(|error| unforgotten(&folder, &error))
        })
        .await?;
    }
    let removed = id.clone();
    edit(hub, move |config| Ok(config.remove_folder(&removed)?)).await?;
    remove_database(hub, &id).await?;
    if request.forget_history {
        let what = format!("the folder is removed, but {}/.driftless is left", path.display());
        blocking(move || forget::forget(&path, &id).map_err(|error| because(&what, &error)))
            .await?;
    }
    Ok(Done {})
}

/// Why a folder is not removed together with its history.
fn unforgotten(folder: &FolderConfig, error: &ForgetError) -> ApiError {
    let label = &folder.label;
    let message = format!("the history of {label} cannot be removed: {}", with_causes(error));
    let hint = match error {
        ForgetError::HeadsHeld { .. } => {
            format!("settle what `driftless conflict list {label}` lists")
        }
        ForgetError::Root(_) | ForgetError::Io(_) => {
            "remove the folder without its history".to_owned()
        }
    };
    refused(message).with_hint(hint)
}

/// Deletes the index and the texts of a folder that is closed, and what SQLite keeps next to them.
async fn remove_database(hub: &Hub, id: &FolderId) -> Outcome<()> {
    let databases = [hub.home.database(id), hub.home.texts_database(id)];
    blocking(move || {
        // The log goes last: without its database it is harmless.
        let parts = |database| ["", "-wal", "-shm"].map(|suffix| (database, suffix));
        for (database, suffix) in databases.iter().flat_map(parts) {
            let mut path = database.clone().into_os_string();
            path.push(suffix);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(because("the folder's database cannot be deleted", &error));
                }
                _ => {}
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn confirm(hub: &Hub, query: &str) -> Outcome<Confirmed> {
    let folder = find_folder(hub, query)?;
    let (shared, view) = running(hub, &folder)?;
    let status = view.borrow().status.clone();
    let confirmed = match status {
        Some(status) if status.stopped.is_some() => {
            Confirmed { deletions: status.totals.files, rewrites: 0 }
        }
        Some(status) => match status.held_back {
            Some(held) => Confirmed { deletions: held.deletions, rewrites: held.rewrites },
            None => return Err(refused(format!("nothing in {} waits for a yes", folder.label))),
        },
        None => {
            return Err(failed(format!("folder {} is being opened", folder.label))
                .with_hint("try again in a moment"));
        }
    };
    shared.inputs(vec![Input::Confirm]).await;
    // A folder that stopped because it was empty goes on from what it looks like now.
    let _ = shared.inbox.send(Message::Scan(None)).await;
    Ok(confirmed)
}

pub(super) async fn override_others(hub: &Hub, request: &FolderOverride) -> Outcome<Done> {
    let folder = find_folder(hub, &request.folder)?;
    if folder.mode != FolderMode::SendOnly {
        let message =
            format!("{} is {}: it takes over what others change", folder.label, folder.mode);
        return Err(refused(message).with_hint("only a send-only folder can be overridden"));
    }
    let (shared, _) = running(hub, &folder)?;
    shared.inputs(vec![Input::Override]).await;
    Ok(Done {})
}

/// Lists what was changed here, at most the first [`MAX_CHANGES`].
pub(super) async fn changes(hub: &Hub, query: &str) -> Outcome<Vec<LocalChange>> {
    let folder = find_folder(hub, query)?;
    let mut changes: Vec<LocalChange> = Vec::new();
    let mut after: Option<RelPath> = None;
    while changes.len() < MAX_CHANGES {
        let from = after.clone();
        let page = ask(hub, &folder, move |asked| {
            asked.engine.index().flagged(Flag::Local, from.as_ref(), PAGE)
        })
        .await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        changes.extend(page.iter().map(|(path, entry)| change(path, entry)));
    }
    Ok(changes)
}

fn change(path: &RelPath, entry: &Entry) -> LocalChange {
    let is_known = entry.shown().is_some_and(|shown| !shown.content.is_tombstone());
    let (action, size) = match entry.present() {
        None => (ChangeAction::Deleted, 0),
        Some(disk) if is_known => (ChangeAction::Changed, disk.record.content.size_bytes()),
        Some(disk) => (ChangeAction::Added, disk.record.content.size_bytes()),
    };
    LocalChange { path: path.to_string(), action, size }
}

pub(super) async fn revert(hub: &Hub, request: &FolderRevert) -> Outcome<Reverted> {
    let folder = find_folder(hub, &request.folder)?;
    let (shared, _) = running(hub, &folder)?;
    let changed =
        ask(hub, &folder, |asked| Ok(asked.engine.index().totals().local_changes)).await?;
    if changed == 0 && folder.mode != FolderMode::ReceiveOnly {
        let message = format!("{} is {}: what is changed here goes out", folder.label, folder.mode);
        return Err(refused(message).with_hint("only a receive-only folder can be reverted"));
    }
    let paths = paths(&request.paths)?;
    let files = if paths.is_empty() { changed } else { paths.len() as u64 };
    shared.inputs(vec![Input::Revert(paths)]).await;
    Ok(Reverted { files })
}

pub(super) async fn keep(hub: &Hub, request: &FolderKeep) -> Outcome<Done> {
    let folder = find_folder(hub, &request.folder)?;
    let (shared, _) = running(hub, &folder)?;
    shared.inputs(vec![Input::Keep(paths(&request.paths)?)]).await;
    Ok(Done {})
}

fn paths(texts: &[String]) -> Outcome<Vec<RelPath>> {
    let parse = |text: &String| {
        RelPath::parse(text).map_err(|error| refused(format!("{text:?} is no path: {error}")))
    };
    texts.iter().map(parse).collect()
}

/// Reads every file again, and says which changed without a trace.
pub(super) async fn scrub(hub: &Hub, query: &str) -> Outcome<Scrubbed> {
    let folder = find_folder(hub, query)?;
    let (shared, _) = running(hub, &folder)?;
    let Some(done) = scrub::run(&shared, Pace::Full).await else {
        return Err(failed(format!("{} was closed meanwhile", folder.label)));
    };
    let corrupt = ask(hub, &folder, |asked| {
        let local = asked.engine.index().flagged(Flag::Local, None, MAX_CHANGES)?;
        let suspects = local.into_iter().filter(|(_, entry)| entry.suspect);
        Ok(suspects.map(|(path, _)| path.to_string()).take(MAX_CORRUPT).collect())
    });
    Ok(Scrubbed { files: done.files, bytes: done.bytes, corrupt: corrupt.await? })
}
