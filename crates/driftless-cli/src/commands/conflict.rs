//! `conflict`: files that were changed on several devices at once, and choosing among the versions.

use driftless_control::Client;
use driftless_control::api::{
    Conflict, ConflictBase, ConflictHead, ConflictList, ConflictShow, ConflictUndo, EntryKind,
    Undone,
};

use crate::args;
use crate::failure::Failure;
use crate::format::{ago, now_ms, safe, size};
use crate::output::columns;
use crate::session::{Session, folder_word};

pub(super) async fn run(session: &Session, command: args::Conflict) -> Result<(), Failure> {
    match command {
        args::Conflict::List { folder } => list(session, folder).await,
        args::Conflict::Show { id } => {
            let conflict = session.call(ConflictShow { id }).await?;
            session.output.print(&conflict, describe)
        }
        args::Conflict::Resolve(resolve) => super::resolve::run(session, resolve).await,
        args::Conflict::Diff { id, versions } => super::diff::run(session, id, versions).await,
        args::Conflict::Undo { ids } => {
            let undone = session.call(ConflictUndo { ids }).await?;
            session.output.print(&undone, |Undone { paths }| {
                paths.iter().map(|path| format!("open again: {}\n", safe(path))).collect()
            })
        }
    }
}

async fn list(session: &Session, folder: Option<String>) -> Result<(), Failure> {
    let conflicts = all(&session.connect().await?, folder.as_deref()).await?;
    session
        .output
        .print(&conflicts, |conflicts| columns(&conflicts.iter().map(row).collect::<Vec<_>>(), ""))
}

/// All open conflicts, of this folder or of any, asked for page by page.
pub(super) async fn all(client: &Client, folder: Option<&str>) -> Result<Vec<Conflict>, Failure> {
    let folder = folder.map(folder_word).transpose()?;
    let mut conflicts: Vec<Conflict> = Vec::new();
    let mut after = None;
    loop {
        let page = client.call(ConflictList { folder: folder.clone(), after, limit: None }).await?;
        conflicts.extend(page.conflicts);
        after = page.next;
        if after.is_none() {
            return Ok(conflicts);
        }
    }
}

fn row(conflict: &Conflict) -> Vec<String> {
    let devices =
        conflict.heads.iter().map(|head| safe(&head.device_name)).collect::<Vec<_>>().join(", ");
    let place = format!("{}: {}", safe(&conflict.folder_label), safe(&conflict.path));
    vec![safe(&conflict.id).into_owned(), place, devices]
}

fn describe(conflict: &Conflict) -> String {
    let rows: Vec<_> = conflict.heads.iter().map(head_row).collect();
    let place = format!("{}: {}", safe(&conflict.folder_label), safe(&conflict.path));
    let id = safe(&conflict.id);
    let base = conflict.base.as_ref().map_or_else(String::new, |base| {
        let ConflictBase { size: bytes, mtime_ms, device_name } = base;
        let when = ago(now_ms(), *mtime_ms);
        format!("  made from what {} left {when}, {}\n", safe(device_name), size(*bytes))
    });
    format!(
        "{place}\n\n{}{base}\nTo settle it: driftless conflict resolve {id} --keep DEVICE or VERSION, --keep both, --with FILE, or --history V\n",
        columns(&rows, "  ")
    )
}

fn head_row(head: &ConflictHead) -> Vec<String> {
    let what = match (head.deleted, head.kind) {
        (true, _) => "deleted".to_owned(),
        (false, EntryKind::File) => size(head.size),
        (false, EntryKind::Directory) => "directory".to_owned(),
        (false, EntryKind::Symlink) => "link".to_owned(),
    };
    let place = match (head.shown, head.deleted, head.content_here, &head.content_path) {
        (true, ..) => "in the folder".to_owned(),
        (_, true, ..) => String::new(),
        (_, _, true, Some(path)) => safe(path).into_owned(),
        (_, _, true, None) => "kept aside".to_owned(),
        (_, _, false, _) => "not here yet".to_owned(),
    };
    vec![
        safe(&head.device_name).into_owned(),
        safe(&head.version).into_owned(),
        what,
        ago(now_ms(), head.mtime_ms),
        place,
    ]
}
