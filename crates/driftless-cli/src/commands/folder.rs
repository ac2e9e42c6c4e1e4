//! `folder`: what is synced, with whom, in which direction.

use driftless_control::Method;
use driftless_control::api::{
    ChangeAction, Confirmed, FolderAccept, FolderAdd, FolderBrowse, FolderChanges, FolderConfirm,
    FolderDecline, FolderExplain, FolderKeep, FolderList, FolderMode, FolderOffers, FolderOverride,
    FolderPause, FolderRemove, FolderRescan, FolderResume, FolderRevert, FolderScrub, FolderShare,
    FolderUnshare, FolderView, LocalChange, OfferView, Rules, Scrubbed,
};

use super::files;
use crate::args::{self, Folder};
use crate::failure::Failure;
use crate::format::{plural, safe, short_path, size};
use crate::offline;
use crate::output::columns;
use crate::session::{Session, absolute, folder_word};

pub(super) async fn run(session: &Session, command: Folder) -> Result<(), Failure> {
    let output = session.output;
    match command {
        Folder::Add(add) => run_add(session, add).await,
        Folder::Share { folder, devices } => {
            quietly(session, FolderShare { folder: folder_word(&folder)?, devices }).await
        }
        Folder::Unshare { folder, devices } => {
            quietly(session, FolderUnshare { folder: folder_word(&folder)?, devices }).await
        }
        Folder::Offers => {
            let offers = session.call(FolderOffers {}).await?;
            output.print(&offers, |offers| {
                columns(&offers.iter().map(offer_row).collect::<Vec<_>>(), "")
            })
        }
        Folder::Accept { folder, path, mode } => {
            let request = FolderAccept { folder, path: absolute(&path)?, mode: mode.into() };
            output.print(&session.call(request).await?, |view| view.id.clone())
        }
        Folder::Decline { folder } => quietly(session, FolderDecline { folder }).await,
        Folder::List => {
            let folders = session.call(FolderList {}).await?;
            output.print(&folders, |folders| {
                columns(&folders.iter().map(row).collect::<Vec<_>>(), "")
            })
        }
        Folder::Pause { folder } => {
            quietly(session, FolderPause { folder: folder_word(&folder)? }).await
        }
        Folder::Resume { folder } => {
            quietly(session, FolderResume { folder: folder_word(&folder)? }).await
        }
        Folder::Rescan { folder } => {
            quietly(session, FolderRescan { folder: folder_word(&folder)? }).await
        }
        Folder::Remove { folder, forget_history } => {
            let folder = folder_word(&folder)?;
            quietly(session, FolderRemove { folder, forget_history }).await
        }
        Folder::Confirm { folder } => {
            let confirmed = session.call(FolderConfirm { folder: folder_word(&folder)? }).await?;
            output.print(&confirmed, |Confirmed { deletions, rewrites }| {
                format!(
                    "let {} and {} through",
                    plural(*deletions, "deletion"),
                    plural(*rewrites, "rewrite")
                )
            })
        }
        Folder::Override { folder } => {
            quietly(session, FolderOverride { folder: folder_word(&folder)? }).await
        }
        Folder::Changes { folder } => {
            let changes = session.call(FolderChanges { folder: folder_word(&folder)? }).await?;
            output.print(&changes, |changes| {
                columns(&changes.iter().map(change_row).collect::<Vec<_>>(), "")
            })
        }
        Folder::Keep { folder, paths } => {
            quietly(session, FolderKeep { folder: folder_word(&folder)?, paths }).await
        }
        Folder::Scrub { folder } => {
            let scrubbed = session.call(FolderScrub { folder: folder_word(&folder)? }).await?;
            output.print(&scrubbed, scrub_text)
        }
        Folder::Browse { folder, path, offset, limit } => {
            let folder = folder_word(&folder)?;
            files::browse(session, FolderBrowse { folder, path, offset, limit }).await
        }
        Folder::Explain { folder, path } => {
            files::explain(session, FolderExplain { folder: folder_word(&folder)?, path }).await
        }
        Folder::Set(set) => files::set(session, set).await,
        Folder::Rules { folder } => files::rules(session, folder_word(&folder)?).await,
        Folder::Presets { path } => files::presets(session, path.as_deref()).await,
        Folder::Preview { path, leave_out } => files::preview(session, &path, leave_out).await,
        Folder::Revert { folder, paths } => {
            let folder = folder_word(&folder)?;
            let reverted = session.call(FolderRevert { folder, paths }).await?;
            output
                .print(&reverted, |reverted| format!("undid {}", plural(reverted.files, "change")))
        }
    }
}

fn scrub_text(scrubbed: &Scrubbed) -> String {
    let read = format!("read {} ({})", plural(scrubbed.files, "file"), size(scrubbed.bytes));
    if scrubbed.corrupt.is_empty() {
        return format!("{read}; all are what they should be");
    }
    let corrupt: String =
        scrubbed.corrupt.iter().map(|path| format!("\n  {}", safe(path))).collect();
    format!("{read}; corrupt, and not passed on until you revert or keep them:{corrupt}")
}

/// Calls a method whose reply only programs want to read.
async fn quietly<M: Method>(session: &Session, request: M) -> Result<(), Failure> {
    let reply = session.call(request).await?;
    session.output.print(&reply, |_| String::new())
}

/// Adds a folder, through the daemon or for the next one, and prints its ID.
async fn run_add(session: &Session, add: args::FolderAdd) -> Result<(), Failure> {
    let args::FolderAdd { path, id, label, mode, share, leave_out } = add;
    let rules = (!leave_out.is_empty()).then(|| Rules { presets: leave_out, ..Rules::default() });
    let request = FolderAdd { path: absolute(&path)?, id, label, mode: mode.into(), share, rules };
    let view = match session.connect_if_running().await? {
        Some(client) => client.call(request).await?,
        None => offline::add_folder(&session.home, &request)?,
    };
    session.output.print(&view, |view| view.id.clone())
}

fn row(folder: &FolderView) -> Vec<String> {
    let mode = match folder.mode {
        FolderMode::SendReceive => "send-receive",
        FolderMode::SendOnly => "send-only",
        FolderMode::ReceiveOnly => "receive-only",
    };
    let with =
        folder.devices.iter().map(|device| safe(&device.name)).collect::<Vec<_>>().join(", ");
    let paused = if folder.paused { "paused, " } else { "" };
    let with = if with.is_empty() { "not shared".to_owned() } else { format!("with {with}") };
    let path = short_path(&folder.path, user_home().as_deref());
    vec![
        safe(&folder.label).into_owned(),
        safe(&folder.id).into_owned(),
        format!("{paused}{mode}, {with}"),
        path,
    ]
}

/// The user's home directory, which paths are shortened by.
pub(super) fn user_home() -> Option<String> {
    std::env::var("HOME").ok()
}

fn offer_row(offer: &OfferView) -> Vec<String> {
    let extent = match (offer.files, offer.bytes) {
        (Some(files), Some(bytes)) => format!("{}, {}", plural(files, "file"), size(bytes)),
        _ => String::new(),
    };
    let from = format!("from {}", safe(&offer.device_name));
    vec![safe(&offer.label).into_owned(), safe(&offer.id).into_owned(), from, extent]
}

fn change_row(change: &LocalChange) -> Vec<String> {
    let (action, extent) = match change.action {
        ChangeAction::Added => ("added", size(change.size)),
        ChangeAction::Changed => ("changed", size(change.size)),
        ChangeAction::Deleted => ("deleted", String::new()),
    };
    vec![action.to_owned(), extent, safe(&change.path).into_owned()]
}
