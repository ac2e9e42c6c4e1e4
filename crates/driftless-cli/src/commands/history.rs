//! `history`: what sync or a resolution displaced, and putting it back.

use driftless_control::api::{
    FolderSpace, FoundVersion, HistoryEntry, HistoryFound, HistoryList, HistoryReason,
    HistoryRestore, HistorySearch, HistorySettings, HistorySpace, Restored, SpacePart,
};

use crate::args::History;
use crate::failure::Failure;
use crate::format::{ago, now_ms, plural, safe, size};
use crate::output::columns;
use crate::session::{Session, folder_word};

pub(super) async fn run(session: &Session, command: History) -> Result<(), Failure> {
    match command {
        History::List { folder, path } => list(session, &folder, path).await,
        History::Search { text, folder, device, path, since, until, number } => {
            let folder = folder.as_deref().map(folder_word).transpose()?;
            let path = path.as_deref().map(below).filter(|path| !path.is_empty());
            let (since_ms, until_ms) = (since, until);
            let request = HistorySearch {
                text,
                folder,
                device,
                path,
                since_ms,
                until_ms,
                ..Default::default()
            };
            search(session, request, number as usize).await
        }
        History::Space { folder } => {
            let folder = folder.as_deref().map(folder_word).transpose()?;
            let folders = session.call(HistorySpace { folder }).await?;
            session.output.print(&folders, |folders| {
                folders.iter().map(space_text).collect::<Vec<_>>().join("\n")
            })
        }
        History::Show { folder, path, version, output } => {
            let what = (folder_word(&folder)?, below(&path), version);
            super::preview::of_history(session, what, output).await
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

/// What one folder takes, as a table.
fn space_text(space: &FolderSpace) -> String {
    let row = |name: &str, bytes: u64, more: String| vec![name.to_owned(), size(bytes), more];
    let versions = |files| if files > 0 { plural(files, "version") } else { String::new() };
    let since = space.oldest_ms.map_or_else(String::new, |oldest| {
        format!("{}, the oldest {}; ", versions(space.history_files), ago(now_ms(), oldest))
    });
    let kept = retention_text(&space.retention, space.inherits);
    let mut rows = vec![
        row("files", space.files_bytes, String::new()),
        row("history", space.history_bytes, format!("{since}{kept}")),
    ];
    for SpacePart { name, files, bytes } in space.by_age.iter().filter(|part| part.files > 0) {
        let age = match name.as_str() {
            "day" => "  last day",
            "week" => "  last week",
            "month" => "  last 30 days",
            _ => "  older",
        };
        rows.push(row(age, *bytes, versions(*files)));
    }
    let rest = [
        ("conflicts", space.conflicts_bytes),
        ("being received", space.staging_bytes),
        ("texts for merging", space.texts_bytes),
        ("database", space.database_bytes),
    ];
    rows.extend(rest.map(|(name, bytes)| row(name, bytes, String::new())));
    let mut text = format!("{}\n{}", safe(&space.folder_label), columns(&rows, "  "));
    if !space.largest.is_empty() {
        let largest: Vec<_> = space
            .largest
            .iter()
            .map(|part| vec![size(part.bytes), versions(part.files), safe(&part.name).into_owned()])
            .collect();
        text.push_str(&format!("  the most history is of\n{}", columns(&largest, "    ")));
    }
    text
}

fn retention_text(retention: &HistorySettings, inherits: bool) -> String {
    let HistorySettings { enabled, days, max_bytes } = *retention;
    let whose = if inherits { ", as in all folders" } else { "" };
    let bound = max_bytes.map_or_else(String::new, |bytes| format!(", up to {}", size(bytes)));
    match enabled {
        true => format!("kept for {}{bound}{whose}", plural(days.into(), "day")),
        false => format!("off{whose}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_s_space_is_a_table() {
        let part = |name: &str, files, bytes| SpacePart { name: name.to_owned(), files, bytes };
        let space = FolderSpace {
            folder: "photos".into(),
            folder_label: "Photos".into(),
            files_bytes: 3 << 30,
            history_files: 3,
            history_bytes: 5 << 20,
            oldest_ms: Some(0),
            conflicts_bytes: 0,
            staging_bytes: 0,
            texts_bytes: 77,
            database_bytes: 4096,
            retention: HistorySettings { enabled: true, days: 7, max_bytes: Some(1 << 30) },
            inherits: false,
            largest: vec![part("a\u{1b}b", 2, 4 << 20)],
            by_age: vec![part("day", 0, 0), part("older", 3, 5 << 20)],
        };
        let text = space_text(&space);
        assert!(text.starts_with("Photos\n  files"), "{text}");
        assert!(text.contains("kept for 7 days, up to 1.0 GiB\n"), "{text}");
        assert!(text.contains("older") && !text.contains("last day"), "{text}");
        assert!(text.contains("4.0 MiB  2 versions  a\\u{1b}b"), "{text}");
    }
}
