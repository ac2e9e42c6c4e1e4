//! `activity` and `transfers`: what happened lately, and what is on its way.

use driftless_control::api::{
    Activity, ActivityList, Direction, EventBody, ItemAction, Transfer, TransferList,
};

use crate::failure::Failure;
use crate::format::{ago, now_ms, plural, rate, safe, size};
use crate::output::columns;
use crate::session::{Session, folder_word};

/// Lists the newest of what happened, newest first.
pub(super) async fn list(
    session: &Session,
    folder: Option<String>,
    number: u32,
) -> Result<(), Failure> {
    let folder = folder.as_deref().map(folder_word).transpose()?;
    let client = session.connect().await?;
    let mut entries: Vec<Activity> = Vec::new();
    let mut after = None;
    loop {
        let left = number.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        let request = ActivityList { folder: folder.clone(), after, limit: Some(left.max(1)) };
        let page = client.call(request).await?;
        entries.extend(page.entries);
        entries.truncate(number as usize);
        after = page.next.filter(|_| entries.len() < number as usize);
        if after.is_none() {
            return session.output.print(&entries, |entries| {
                columns(&entries.iter().map(row).collect::<Vec<_>>(), "")
            });
        }
    }
}

fn row(entry: &Activity) -> Vec<String> {
    let (what, about) = describe(entry);
    let by = entry.device_name.as_ref().map(|name| format!(" by {}", safe(name)));
    let place = match (&entry.folder_label, entry.count, entry.paths.first()) {
        (Some(label), 1, Some(path)) => format!("{}: {}", safe(label), safe(path)),
        (Some(label), count, _) if count > 1 => {
            format!("{}: {}", safe(label), plural(count, "file"))
        }
        (Some(label), ..) => safe(label).into_owned(),
        (None, _, Some(path)) => safe(path).into_owned(),
        (None, ..) => String::new(),
    };
    let place = [place, about].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>();
    vec![ago(now_ms(), entry.at_ms), format!("{what}{}", by.unwrap_or_default()), place.join(" · ")]
}

/// What happened, and what else there is to say of it.
fn describe(entry: &Activity) -> (&'static str, String) {
    let id = |id: &str| match entry.count {
        1 => format!("conflict {}", safe(id)),
        _ => String::new(),
    };
    match &entry.body {
        EventBody::ItemSynced { action, .. } => {
            let what = match action {
                ItemAction::Created => "added",
                ItemAction::Changed => "changed",
                ItemAction::Metadata => "permissions changed",
                ItemAction::Renamed => "renamed",
                ItemAction::Deleted => "deleted",
            };
            (what, String::new())
        }
        EventBody::ConflictOpened { id: name, .. } => ("conflict", id(name)),
        EventBody::ConflictResolved { id: name, .. } => ("conflict settled", id(name)),
        EventBody::StaleEdit { device_name, deleted, .. } => {
            let what = match deleted {
                true => "deleted before a newer version arrived",
                false => "edited before a newer version arrived",
            };
            (what, format!("from {}", safe(device_name)))
        }
        EventBody::ProblemOpened { problem, .. } => {
            ("problem", safe(&problem.message).into_owned())
        }
        EventBody::ProblemCleared { .. } => ("problem solved", String::new()),
        EventBody::Offer { offer } => ("folder offered", safe(&offer.label).into_owned()),
        EventBody::Paired { name, .. } => ("paired", safe(name).into_owned()),
        EventBody::FolderState { reason, .. } => {
            ("folder stopped", safe(reason.as_deref().unwrap_or_default()).into_owned())
        }
        // The rest is told to those who listen, and not remembered.
        _ => ("changed", String::new()),
    }
}

/// Lists what is on its way.
pub(super) async fn transfers(session: &Session, folder: Option<String>) -> Result<(), Failure> {
    let folder = folder.as_deref().map(folder_word).transpose()?;
    let transfers = session.call(TransferList { folder }).await?;
    session.output.print(&transfers, |transfers| {
        columns(&transfers.iter().map(transfer_row).collect::<Vec<_>>(), "")
    })
}

fn transfer_row(transfer: &Transfer) -> Vec<String> {
    let names: Vec<_> = transfer.devices.iter().map(|name| safe(name)).collect();
    let way = match transfer.direction {
        Direction::Receiving => format!("from {}", names.join(", ")),
        Direction::Sending => format!("to {}", names.join(", ")),
    };
    let percent = transfer.done_bytes.saturating_mul(100) / transfer.bytes.max(1);
    let more = match transfer.files {
        0 | 1 => String::new(),
        files => format!(" and {}", plural(files - 1, "more file")),
    };
    vec![
        way,
        format!("{percent} %"),
        size(transfer.bytes),
        rate(transfer.rate_bytes_per_s),
        format!("{}: {}{more}", safe(&transfer.folder), safe(&transfer.path)),
    ]
}

#[cfg(test)]
mod tests {
    use driftless_control::api::{Activity, Direction, EventBody, ItemAction, Transfer};

    use super::{row, transfer_row};

    #[test]
    fn a_storm_reads_as_one_line_and_a_lone_change_names_its_path() {
        let synced = |count: u64, by: Option<&str>| Activity {
            id: 1,
            since_ms: 0,
            at_ms: u64::MAX,
            count,
            paths: vec!["a/b.txt".into(), "c".into()],
            body: EventBody::ItemSynced {
                folder: "f".into(),
                path: "c".into(),
                action: ItemAction::Created,
                device: by.map(str::to_owned),
            },
            folder_label: Some("Notes".into()),
            device_name: by.map(str::to_owned),
        };
        assert_eq!(
            row(&synced(214, Some("desk"))),
            ["just now", "added by desk", "Notes: 214 files"]
        );
        assert_eq!(row(&synced(1, None)), ["just now", "added", "Notes: a/b.txt"]);
    }

    #[test]
    fn a_transfer_says_where_to_how_far_and_how_fast() {
        let transfer = Transfer {
            folder: "notes".into(),
            path: "film.mp4".into(),
            files: 1,
            direction: Direction::Sending,
            devices: vec!["desk".into()],
            bytes: 4 << 20,
            done_bytes: 1 << 20,
            rate_bytes_per_s: 2048,
        };
        assert_eq!(
            transfer_row(&transfer),
            ["to desk", "25 %", "4.0 MiB", "2.0 KiB/s", "notes: film.mp4"]
        );
        let small = Transfer { files: 3, bytes: 0, ..transfer };
        assert!(transfer_row(&small)[4].ends_with(" and 2 more files"));
    }
}
