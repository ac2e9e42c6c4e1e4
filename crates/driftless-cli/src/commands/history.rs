//! `history`: what sync or a resolution displaced, and putting it back.

use driftless_control::api::{
    FoundVersion, HistoryEntry, HistoryFound, HistoryList, HistoryReason, HistoryRestore,
    HistorySearch, Restored,
};

use crate::args::History;
use crate::failure::Failure;
use crate::format::{ago, now_ms, safe, size};
use crate::output::columns;
use crate::session::{Session, folder_word};

pub(super) async fn run(session: &Session, command: History) -> Result<(), Failure> {
    match command {
        History::List { folder, path } => list(session, &folder, path).await,
        History::Search { text, folder, device, number } => {
            let folder = folder.as_deref().map(folder_word).transpose()?;
            let request = HistorySearch { text: Some(text), folder, device, ..Default::default() };
            search(session, request, number as usize).await
        }
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

/// Searches, asking for one page after another until there are as many as wanted.
async fn search(session: &Session, request: HistorySearch, number: usize) -> Result<(), Failure> {
    let client = session.connect().await?;
    let mut found = HistoryFound::default();
    let mut after = None;
    loop {
        let left = u32::try_from(number - found.entries.len()).ok();
        let page = client.call(HistorySearch { after, limit: left, ..request.clone() }).await?;
        found.entries.extend(page.entries);
        found.cut_short |= page.cut_short;
        after = page.next;
        if after.is_none() || found.entries.len() >= number {
            found.next = after;
            return session.output.print(&found, describe_found);
        }
    }
}

fn describe_found(found: &HistoryFound) -> String {
    let rows: Vec<_> = found.entries.iter().map(found_row).collect();
    let more = match found.cut_short {
        true => "there is more history than was looked through; name a --folder\n",
        false => "",
    };
    format!("{}{more}", columns(&rows, ""))
}

fn found_row(found: &FoundVersion) -> Vec<String> {
    let mut row = row(&found.entry);
    row.insert(0, safe(&found.folder_label).into_owned());
    row
}

fn row(entry: &HistoryEntry) -> Vec<String> {
    let reason = match entry.reason {
        HistoryReason::Overwritten => "overwritten",
        HistoryReason::Deleted => "deleted",
        HistoryReason::Conflict => "lost a conflict",
        HistoryReason::Reverted => "reverted",
        HistoryReason::Edited => "edited",
        HistoryReason::Removed => "deleted",
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
