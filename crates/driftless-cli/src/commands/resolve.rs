//! `conflict resolve`: choosing for one conflict, several or all, and what a choice would do.
//!
//! Several are settled side by side, because each waits for its tree to follow. One that cannot be
//! settled stops none of the others.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use driftless_control::api::{
    Conflict, ConflictForesee, ConflictResolve, EntryKind, Foreseen, ForeseenFile, Resolution,
    Resolved,
};
use driftless_control::{CallError, Client};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::args;
use crate::failure::{Exit, Failure};
use crate::format::{safe, size};
use crate::session::{Session, absolute};

/// How many conflicts are settled at once.
const AT_ONCE: usize = 16;

/// The largest text that is read from standard input, in bytes.
const TEXT_BYTES: u64 = 1 << 20;

/// A conflict that is to be settled, and its versions where they were looked at.
type Wanted = (String, Option<Vec<String>>);

/// What became of one of several conflicts.
#[derive(Debug, Serialize)]
struct Course {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<Resolved>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) async fn run(session: &Session, resolve: args::Resolve) -> Result<(), Failure> {
    let is_several = resolve.all || resolve.ids.len() > 1;
    if is_several && resolve.keep.is_none() {
        let message = "a file or version is kept of one conflict at a time; name one";
        return Err(Failure::new(Exit::Usage, message));
    }
    let resolution = read_resolution(&resolve)?;
    let client = session.connect().await?;
    let wanted: Vec<Wanted> = match resolve.all {
        true => {
            let all = super::conflict::all(&client, resolve.folder.as_deref()).await?;
            all.into_iter()
                .map(|conflict| (conflict.id.clone(), Some(versions(&conflict))))
                .collect()
        }
        false => resolve.ids.into_iter().map(|id| (id, None)).collect(),
    };
    if resolve.dry_run {
        return foresee(session, &client, (wanted, resolution)).await;
    }
    match wanted.as_slice() {
        [(id, _)] if !is_several => {
            let request = ConflictResolve { id: id.clone(), resolution, seen: None };
            session.output.print(&client.call(request).await?, settled)
        }
        _ => settle(session, client, (wanted, resolution)).await,
    }
}

fn versions(conflict: &Conflict) -> Vec<String> {
    conflict.heads.iter().map(|head| head.version.clone()).collect()
}

fn read_resolution(resolve: &args::Resolve) -> Result<Resolution, Failure> {
    let is_text = |file: &Path| file == Path::new("-");
    match (&resolve.keep, &resolve.with, &resolve.history) {
        (_, Some(file), _) if is_text(file) => Ok(Resolution::Text { text: read_text()? }),
        (_, Some(file), _) if !file.is_file() => {
            let message =
                format!("{} is no file; name one that holds what to keep", file.display());
            Err(Failure::new(Exit::Usage, message))
        }
        (_, Some(file), _) => Ok(Resolution::WithFile { path: absolute(file)? }),
        (_, _, Some(version)) => Ok(Resolution::History { version: version.clone() }),
        (Some(both), ..) if both == "both" => Ok(Resolution::Both),
        (Some(version), ..) if is_version(version) => {
            Ok(Resolution::Version { version: version.clone() })
        }
        (Some(device), ..) => Ok(Resolution::Device { device: device.clone() }),
        (None, None, None) => {
            let message = "nothing was chosen; use --keep, --with or --history";
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

/// Whether this is how `conflict show` names versions, which no device is called by itself.
fn is_version(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The text on standard input, and no more than is taken for one.
fn read_text() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(TEXT_BYTES + 1).read_to_end(&mut bytes);
    let unread = |why: String| Failure::new(Exit::Failed, format!("standard input: {why}"));
    read.map_err(|error| unread(format!("it cannot be read: {error}; check where it comes from")))?;
    if bytes.len() as u64 > TEXT_BYTES {
        let why = "it is larger than a mebibyte; save it, and name the file with --with".to_owned();
        return Err(unread(why));
    }
    String::from_utf8(bytes)
        .map_err(|_| unread("it is no text; save it, and name the file with --with".to_owned()))
}

fn settled(resolved: &Resolved) -> String {
    let beside: String =
        resolved.beside.iter().map(|path| format!("beside it: {}\n", safe(path))).collect();
    format!("settled {}\n{beside}", safe(&resolved.path))
}

/// Settles several side by side; says in the end which are still open, and why.
async fn settle(
    session: &Session,
    client: Client,
    (wanted, resolution): (Vec<Wanted>, Resolution),
) -> Result<(), Failure> {
    let (client, count) = (Arc::new(client), wanted.len());
    let mut waiting: VecDeque<(usize, Wanted)> = wanted.into_iter().enumerate().collect();
    let mut calls = JoinSet::new();
    let mut courses: Vec<Option<Course>> = (0..count).map(|_| None).collect();
    loop {
        while calls.len() < AT_ONCE
            && let Some((place, (id, seen))) = waiting.pop_front()
        {
            let (client, resolution) = (Arc::clone(&client), resolution.clone());
            calls.spawn(async move {
                let request = ConflictResolve { id: id.clone(), resolution, seen };
                (place, id, client.call(request).await)
            });
        }
        let Some(done) = calls.join_next().await else { break };
        let (place, id, done) =
            done.map_err(|error| Failure::new(Exit::Failed, format!("a task broke: {error}")))?;
        let (resolved, error) = match done {
            Ok(resolved) => (Some(resolved), None),
            // Without a daemon there is nobody to ask about the others.
            Err(error @ CallError::Disconnected) => return Err(error.into()),
            Err(error) => (None, Some(Failure::from(error).to_string())),
        };
        courses[place] = Some(Course { id, resolved, error });
    }
    let courses: Vec<Course> = courses.into_iter().flatten().collect();
    session.output.print(&courses, |courses| courses.iter().map(line).collect())?;
    let open = courses.iter().filter(|course| course.error.is_some());
    some_are_open(open.map(|course| course.id.as_str()).collect(), count)
}

fn line(course: &Course) -> String {
    match (&course.resolved, &course.error) {
        (Some(resolved), _) => settled(resolved),
        (None, error) => {
            let why = error.as_deref().unwrap_or_default();
            format!("still open {}: {}\n", safe(&course.id), safe(why))
        }
    }
}

fn some_are_open(open: Vec<&str>, of: usize) -> Result<(), Failure> {
    match open.len() {
        0 => Ok(()),
        count => {
            let message = format!("{count} of {of} cannot be settled so: {}", open.join(", "));
            Err(Failure::new(Exit::Failed, message))
        }
    }
}

async fn foresee(
    session: &Session,
    client: &Client,
    (wanted, resolution): (Vec<Wanted>, Resolution),
) -> Result<(), Failure> {
    let ids: Vec<String> = wanted.into_iter().map(|(id, _)| id).collect();
    let count = ids.len();
    let foreseen = client.call(ConflictForesee { ids, resolution }).await?;
    session.output.print(&foreseen, |foreseen| foreseen.iter().map(describe).collect())?;
    let refused = foreseen.iter().filter(|one| one.refused.is_some());
    some_are_open(refused.map(|one| one.id.as_str()).collect(), count)
}

fn describe(one: &Foreseen) -> String {
    if let Some(why) = &one.refused {
        let what = if one.path.is_empty() { &one.id } else { &one.path };
        return format!("{}: stays in conflict: {}\n", safe(what), safe(why));
    }
    let mut said = format!("{}\n", safe(&one.path));
    for file in &one.holds {
        said.push_str(&format!("  becomes     {}\n", facts(file)));
    }
    for file in &one.to_history {
        said.push_str(&format!("  to history  {}\n", facts(file)));
    }
    let devices: Vec<_> = one.devices.iter().map(|name| safe(name)).collect();
    format!("{said}  on          {}\n", devices.join(", "))
}

fn facts(file: &ForeseenFile) -> String {
    let what = match (file.deleted, file.kind) {
        (true, _) => "nothing, as deleted".to_owned(),
        (false, EntryKind::File) => size(file.size),
        (false, EntryKind::Directory) => "a directory".to_owned(),
        (false, EntryKind::Symlink) => "a link".to_owned(),
    };
    let by = file.device_name.as_ref().map(|name| format!(" by {}", safe(name)));
    format!("{}: {what}{}", safe(&file.path), by.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use driftless_control::api::{EntryKind, Foreseen, ForeseenFile};

    use super::{describe, is_version, some_are_open};

    fn file(path: &str, device: Option<&str>) -> ForeseenFile {
        let device_name = device.map(str::to_owned);
        ForeseenFile {
            path: path.into(),
            kind: EntryKind::File,
            size: 2048,
            device_name,
            deleted: false,
        }
    }

    #[test]
    fn what_is_foreseen_is_told_with_what_goes_and_where() {
        let mut one = Foreseen {
            id: "1".into(),
            path: "a.txt".into(),
            refused: None,
            holds: vec![file("a.txt", Some("ada")), file("a (from B).txt", Some("bob\u{202e}"))],
            to_history: vec![file("a.txt", None)],
            devices: vec!["ada".into(), "bob".into()],
        };
        assert_eq!(
            describe(&one),
            "a.txt\n  becomes     a.txt: 2.0 KiB by ada\n  becomes     a (from B).txt: 2.0 KiB by bob\\u{202e}\n  \
             to history  a.txt: 2.0 KiB\n  on          ada, bob\n"
        );
        one.refused = Some("not here yet".into());
        assert_eq!(describe(&one), "a.txt: stays in conflict: not here yet\n");
    }

    #[test]
    fn those_that_stay_open_are_named() {
        assert!(some_are_open(vec![], 3).is_ok());
        let failure = some_are_open(vec!["a", "b"], 3).unwrap_err();
        assert_eq!(failure.to_string(), "2 of 3 cannot be settled so: a, b");
    }

    #[test]
    fn a_version_is_told_from_a_device_by_its_form() {
        assert!(is_version("0123456789abcdef"));
        assert!(!is_version("0123456789ABCDEF") && !is_version("ada") && !is_version("both"));
    }
}
