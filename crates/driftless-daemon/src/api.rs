//! Answers what front ends ask over the control socket.
//!
//! One function for each method, in the file of its subject; this file only
//! tells the methods apart and holds what they have in common. Parameters are
//! parsed here and nowhere further in. What a request means for a folder is
//! the engine's to decide: handlers ask it, hand it inputs, or change the
//! configuration and have the hub bring everything in line with it.

mod activity;
mod conflicts;
mod devices;
mod doctor;
mod events;
mod explain;
mod failure;
mod files;
mod folders;
mod foresee;
mod history;
mod listing;
mod pairing;
mod past;
mod place;
mod policies;
mod preview;
mod resolve;
mod restore;
mod rules;
mod search;
mod settings;
mod space;
mod status;
pub(crate) mod texts;
mod undo;
mod undo_device;
mod wait;

use std::sync::Arc;

use driftless_control::api::{Done, Shutdown};
use driftless_control::{ApiError, ErrorCode, Reply, Request, RequestContext};
use driftless_store::IndexError;
use tokio::sync::watch;

use crate::config::{Config, FolderConfig};
use crate::folder::{Asked, Phase, Shared, View};
use crate::hub::Hub;
use crate::run::Course;

pub(crate) use listing::{Looks, forget_sums};
pub(crate) use pairing::Pairing;
pub(crate) use policies::run as run_policies;

/// What a handler comes to.
type Outcome<T> = Result<T, ApiError>;

/// The most items of one page, and how many there are when nothing is asked for.
const PAGE: u32 = 1000;

/// Answers one request.
pub(crate) async fn handle(
    hub: Arc<Hub>,
    course: watch::Sender<Course>,
    request: Request,
    context: RequestContext,
) -> Result<Reply, ApiError> {
    tracing::debug!(method = request.name(), connection = context.connection, "asked");
    // Boxed, because the future of every method is part of this one's size.
    Box::pin(answer(&hub, &course, request)).await
}

async fn answer(
    hub: &Arc<Hub>,
    course: &watch::Sender<Course>,
    request: Request,
) -> Outcome<Reply> {
    match request {
        Request::StatusQuery(q) => Reply::to(&q, status::status(hub, &q)?),
        Request::Wait(q) => Reply::to(&q, wait::wait(hub, &q).await?),
        Request::Doctor(q) => Reply::to(&q, doctor::examine(hub).await?),
        Request::Shutdown(q) => Reply::to(&q, shut_down(&q, course)),
        Request::Subscribe(q) => events::subscribe(hub, &q),
        Request::DeviceList(q) => Reply::to(&q, devices::list(hub)),
        Request::DeviceAdd(q) => Reply::to(&q, devices::add(hub, q.clone()).await?),
        Request::DeviceRemove(q) => Reply::to(&q, devices::remove(hub, &q.device).await?),
        Request::DeviceRename(q) => Reply::to(&q, devices::rename(hub, &q.device, &q.name).await?),
        Request::DevicePause(q) => Reply::to(&q, devices::pause(hub, &q.device, true).await?),
        Request::DeviceResume(q) => Reply::to(&q, devices::pause(hub, &q.device, false).await?),
        Request::DeviceRekey(q) => Reply::to(&q, devices::rekey(hub, course).await?),
        Request::PairOpen(q) => Reply::to(&q, pairing::open(hub)?),
        Request::PairWait(q) => Reply::to(&q, pairing::wait(hub).await?),
        Request::PairClose(q) => Reply::to(&q, pairing::close(hub)),
        Request::PairEnter(q) => Reply::to(&q, pairing::enter(hub, &q).await?),
        Request::PairNearby(q) => Reply::to(&q, pairing::nearby(hub)),
        Request::PairLink(q) => Reply::to(&q, pairing::link(hub)),
        Request::PairRequests(q) => Reply::to(&q, pairing::requests(hub)),
        Request::PairAnswer(q) => Reply::to(&q, pairing::answer(hub, &q).await?),
        Request::FolderAdd(q) => Reply::to(&q, folders::add(hub, q.clone()).await?),
        Request::FolderShare(q) => Reply::to(&q, folders::share(hub, &q).await?),
        Request::FolderUnshare(q) => Reply::to(&q, folders::unshare(hub, &q).await?),
        Request::FolderOffers(q) => Reply::to(&q, folders::offers(hub)),
        Request::FolderAccept(q) => Reply::to(&q, folders::accept(hub, &q).await?),
        Request::FolderDecline(q) => Reply::to(&q, folders::decline(hub, &q)?),
        Request::FolderList(q) => Reply::to(&q, folders::list(hub)),
        Request::FolderPause(q) => Reply::to(&q, folders::pause(hub, &q.folder, true).await?),
        Request::FolderResume(q) => Reply::to(&q, folders::pause(hub, &q.folder, false).await?),
        Request::FolderRescan(q) => Reply::to(&q, folders::rescan(hub, &q.folder).await?),
        Request::FolderRemove(q) => Reply::to(&q, folders::remove(hub, &q).await?),
        Request::FolderConfirm(q) => Reply::to(&q, folders::confirm(hub, &q.folder).await?),
        Request::FolderOverride(q) => Reply::to(&q, folders::override_others(hub, &q).await?),
        Request::FolderChanges(q) => Reply::to(&q, folders::changes(hub, &q.folder).await?),
        Request::FolderRevert(q) => Reply::to(&q, folders::revert(hub, &q).await?),
        Request::FolderKeep(q) => Reply::to(&q, folders::keep(hub, &q).await?),
        Request::FolderScrub(q) => Reply::to(&q, folders::scrub(hub, &q.folder).await?),
        Request::FolderBrowse(q) => Reply::to(&q, files::browse(hub, &q).await?),
        Request::FolderExplain(q) => Reply::to(&q, explain::explain(hub, &q).await?),
        Request::FolderPresets(q) => Reply::to(&q, rules::presets(&q).await?),
        Request::FolderPreview(q) => Reply::to(&q, rules::preview(hub, &q).await?),
        Request::FolderRules(q) => Reply::to(&q, rules::rules(hub, &q.folder).await?),
        Request::FolderSet(q) => Reply::to(&q, rules::set(hub, &q).await?),
        Request::ConflictList(q) => Reply::to(&q, conflicts::list(hub, &q).await?),
        Request::ConflictShow(q) => Reply::to(&q, conflicts::show(hub, &q.id).await?),
        Request::ConflictResolve(q) => Reply::to(&q, resolve::resolve(hub, &q).await?),
        Request::ConflictForesee(q) => Reply::to(&q, foresee::foresee(hub, &q).await?),
        Request::ConflictUndo(q) => Reply::to(&q, undo::undo(hub, &q).await?),
        Request::ContentPreview(q) => Reply::to(&q, preview::preview(hub, &q).await?),
        Request::ConflictTexts(q) => Reply::to(&q, texts::texts(hub, &q).await?),
        Request::PolicyList(q) => Reply::to(&q, policies::list(hub, &q)?),
        Request::PolicySet(q) => Reply::to(&q, policies::set(hub, &q).await?),
        Request::PolicySimulate(q) => Reply::to(&q, policies::simulate(hub, &q).await?),
        Request::HistorySearch(q) => Reply::to(&q, search::search(hub, &q).await?),
        Request::TransferList(q) => Reply::to(&q, activity::transfers(hub, &q)?),
        Request::ActivityList(q) => Reply::to(&q, activity::list(hub, &q).await?),
        Request::HistoryList(q) => Reply::to(&q, history::list(hub, &q).await?),
        Request::HistorySpace(q) => Reply::to(&q, space::space(hub, &q).await?),
        Request::UndoPreview(q) => Reply::to(&q, undo_device::preview(hub, &q).await?),
        Request::UndoApply(q) => Reply::to(&q, undo_device::apply(hub, &q).await?),
        Request::HistoryRestore(q) => Reply::to(&q, restore::restore(hub, &q).await?),
        Request::SettingsGet(q) => Reply::to(&q, settings::get(hub)),
        Request::SettingsSet(q) => Reply::to(&q, settings::set(hub, q.clone()).await?),
    }
}

fn shut_down(_request: &Shutdown, course: &watch::Sender<Course>) -> Done {
    course.send_replace(Course::End);
    Done {}
}

/// The folder that a person calls `query`.
fn find_folder(hub: &Hub, query: &str) -> Outcome<FolderConfig> {
    Ok(hub.settings().find_folder(query)?.clone())
}

/// Changes the configuration and brings everything in line with it.
async fn edit<T: Send + 'static>(
    hub: &Arc<Hub>,
    change: impl FnOnce(&mut Config) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    let home = hub.home.clone();
    let outcome = blocking(move || Config::edit(&home, change)).await?;
    hub.reload().await?;
    Ok(outcome)
}

/// Does what blocks on a thread made for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(failure::failed(format!("a task of the daemon broke: {error}")))
    })
}

/// The folder's handle and view; refused when it rests or has stopped.
fn running(hub: &Hub, folder: &FolderConfig) -> Outcome<(Arc<Shared>, watch::Receiver<View>)> {
    let Some((shared, view)) = hub.folder(&folder.id) else { return Err(not_open(hub, folder)) };
    if matches!(view.borrow().phase, Phase::Stopped(_)) && view.borrow().status.is_none() {
        return Err(not_open(hub, folder));
    }
    Ok((shared, view))
}

/// Asks an open folder.
async fn ask<T: Send + 'static>(
    hub: &Hub,
    folder: &FolderConfig,
    question: impl FnOnce(&mut Asked<'_>) -> Result<T, IndexError> + Send + 'static,
) -> Outcome<T> {
    let (shared, _) = running(hub, folder)?;
    let question = move |asked: &mut Asked<'_>| {
        let answer = question(asked);
        if let Err(IndexError::Corrupt(what)) = &answer {
            asked.failed = Some(IndexError::Corrupt(what.clone()));
        }
        answer
    };
    match shared.ask(question).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => Err(failure::because("the folder's database failed", &error)),
        None => Err(not_open(hub, folder)),
    }
}

/// Why an open folder is needed and this one is not.
fn not_open(hub: &Hub, folder: &FolderConfig) -> ApiError {
    let label = &folder.label;
    let stopped = hub.folder(&folder.id).and_then(|(_, view)| match &view.borrow().phase {
        Phase::Stopped(reason) => Some(reason.clone()),
        Phase::Opening | Phase::Open(_) => None,
    });
    match stopped {
        Some(reason) => failure::failed(format!("folder {label} has stopped: {reason}")),
        None if folder.paused => {
            ApiError::new(ErrorCode::Refused, format!("folder {label} is paused"))
                .with_hint(format!("driftless folder resume {}", folder.id))
        }
        None => failure::failed(format!("folder {label} is not open"))
            .with_hint("try again in a moment"),
    }
}

/// How many items a page may have.
fn page_size(limit: Option<u32>) -> usize {
    limit.unwrap_or(PAGE).clamp(1, PAGE) as usize
}
