//! `history`: what sync or a resolution displaced, and putting it back.

use driftless_control::api::{HistoryEntry, HistoryList, HistoryReason, HistoryRestore, Restored};

use crate::args::History;
use crate::failure::Failure;
use crate::format::{ago, now_ms, safe, size};
use crate::output::columns;
use crate::session::{Session, folder_word};

pub(super) async fn run(session: &Session, command: History) -> Result<(), Failure> {
    match command {
        History::List { folder, path } => list(session, &folder, path).await,
        History::Restore { folder, path, version, to } => {
            let folder = folder_word(&folder)?;
            let request = HistoryRestore {
                folder,
                path: below(&path),
                version,
                to: to.as_deref().map(below),
            };
            let restored = session.call(request).await?;
            session.output.print(&restored, |Restored { path }| format!("put back {}", safe(path)))
        }
    }
}

/// A path below a folder as a shell completes it, without what means nothing.
fn below(path: &str) -> String {
    path.trim_start_matches("./").trim_end_matches('/').to_owned()
}

async fn list(session: &Session, folder: &str, path: Option<String>) -> Result<(), Failure> {
    let folder = folder_word(folder)?;
    let path = path.as_deref().map(below).filter(|path| !path.is_empty());
    let client = session.connect().await?;
    let mut entries: Vec<HistoryEntry> = Vec::new();
    let mut after = None;
    loop {
        let request =
            HistoryList { folder: folder.clone(), path: path.clone(), after, limit: None };
        let page = client.call(request).await?;
        entries.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return session.output.print(&entries, |entries| {
                columns(&entries.iter().map(row).collect::<Vec<_>>(), "")
            });
        }
    }
}

fn row(entry: &HistoryEntry) -> Vec<String> {
    let reason = match entry.reason {
        HistoryReason::Overwritten => "overwritten",
        HistoryReason::Deleted => "deleted",
        HistoryReason::Conflict => "lost a conflict",
        HistoryReason::Reverted => "reverted",
    };
    let by = match &entry.device_name {
        Some(name) => format!("{reason} by {}", safe(name)),
        None => reason.to_owned(),
    };
    let when = ago(now_ms(), entry.displaced_at_ms);
    vec![
        safe(&entry.version).into_owned(),
        when,
        by,
        size(entry.size),
        safe(&entry.path).into_owned(),
    ]
}
