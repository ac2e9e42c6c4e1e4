//! Putting the versions of a file together: texts by a three-way merge, anything
//! by a program that a person named.
//!
//! Versions are taken in one after the other, each against what all were made
//! from. Whatever cannot be put together is left to a person, saying why.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::{Content, FileRecord, Policy, RelPath};
use driftless_engine::Choice;
use driftless_merge::{Merge, is_text};

use super::command::{self, Files};
use crate::api::failure::because;
use crate::api::resolve::bring;
use crate::api::texts::{self, Bytes};
use crate::api::{Outcome, ask, blocking};
use crate::config::FolderConfig;
use crate::hub::Hub;

/// The largest text that is merged, in bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// The largest file that a program is given, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// How long a program may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What versions came to.
pub(super) enum Combined {
    /// This content.
    Bytes(Vec<u8>),
    /// They were not put together; why, as a sentence.
    Not(String),
}

/// What a policy that puts contents together chose.
pub(super) enum Chosen {
    /// This.
    This(Box<Choice>),
    /// Nothing; why, as a sentence.
    Not(String),
}

/// Removes what programs left that were ended with the daemon.
pub(super) fn tidy_up(hub: &Hub) {
    match std::fs::remove_dir_all(workshop(hub)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "what a merging program left cannot be removed");
        }
        _ => {}
    }
}

/// Where programs work.
fn workshop(hub: &Hub) -> PathBuf {
    hub.home.path().join("merging")
}

/// Puts `records`, the shown one first, together as `policy` says.
pub(super) async fn choose(
    hub: &Arc<Hub>,
    spot: (&FolderConfig, &RelPath),
    (policy, records): (&Policy, &[FileRecord]),
) -> Outcome<Chosen> {
    let combined = match policy {
        Policy::Command(words) => run(hub, spot, (words, records)).await?,
        _ => merge(hub, spot, records).await?,
    };
    let bytes = match combined {
        Combined::Bytes(bytes) => bytes,
        Combined::Not(why) => return Ok(Chosen::Not(why)),
    };
    let mode = records.first().and_then(|shown| shown.content.mode());
    let root = ask(hub, spot.0, |asked| Ok(asked.root.clone())).await?;
    let workshop = workshop(hub);
    blocking(move || {
        let unwritten =
            |error: std::io::Error| because("what was merged cannot be written", &error);
        let place = command::room(&workshop).map_err(unwritten)?;
        let file = place.path().join("merged");
        std::fs::write(&file, bytes).map_err(unwritten)?;
        Ok(Chosen::This(Box::new(bring::file(&root, &file, mode)?)))
    })
    .await
}

/// Merges texts.
pub(super) async fn merge(
    hub: &Arc<Hub>,
    spot: (&FolderConfig, &RelPath),
    records: &[FileRecord],
) -> Outcome<Combined> {
    let (base, sides) = match contents(hub, spot, (records, MAX_TEXT_BYTES)).await? {
        Ok(contents) => contents,
        Err(why) => return Ok(Combined::Not(why)),
    };
    let Some(base) = base else {
        return Ok(Combined::Not("what they were made from is not known".to_owned()));
    };
    blocking(move || Ok(merge_texts(&base, &sides))).await
}

fn merge_texts(base: &[u8], sides: &[Vec<u8>]) -> Combined {
    let most = usize::try_from(MAX_TEXT_BYTES).unwrap_or(usize::MAX);
    if !sides.iter().all(|side| is_text(side, most)) {
        return Combined::Not("not all of its versions are texts".to_owned());
    }
    let Some((first, rest)) = sides.split_first() else {
        return Combined::Not("there is nothing to merge".to_owned());
    };
    let mut merged = first.clone();
    for side in rest {
        match Merge::new(base, &merged, side).text() {
            Some(text) => merged = text,
            None => return Combined::Not("the changes touch each other".to_owned()),
        }
    }
    Combined::Bytes(merged)
}

/// Runs a program on versions.
async fn run(
    hub: &Arc<Hub>,
    spot: (&FolderConfig, &RelPath),
    (words, records): (&[String], &[FileRecord]),
) -> Outcome<Combined> {
    let (base, sides) = match contents(hub, spot, (records, MAX_FILE_BYTES)).await? {
        Ok(contents) => contents,
        Err(why) => return Ok(Combined::Not(why)),
    };
    let Some((first, rest)) = sides.split_first() else {
        return Ok(Combined::Not("there is nothing to put together".to_owned()));
    };
    let base = base.unwrap_or_default();
    let mut merged = first.clone();
    for side in rest {
        let files = Files { name: spot.1.name(), base: &base, ours: &merged, theirs: side };
        match command::run(&workshop(hub), words, &files, TIME_LIMIT).await {
            Ok(bytes) => merged = bytes,
            Err(error) => return Ok(Combined::Not(error.to_string())),
        }
    }
    Ok(Combined::Bytes(merged))
}

type Contents = (Option<Vec<u8>>, Vec<Vec<u8>>);

/// What `records` hold, each at most `max_bytes`, and what they were made from;
/// or why not.
async fn contents(
    hub: &Arc<Hub>,
    (folder, path): (&FolderConfig, &RelPath),
    (records, max_bytes): (&[FileRecord], u64),
) -> Outcome<Result<Contents, String>> {
    let mut sides = Vec::with_capacity(records.len());
    for record in records {
        let content: &Content = &record.content;
        match texts::bytes_of(hub, (folder, path), content, max_bytes).await? {
            Bytes::Here(bytes) => sides.push(bytes),
            Bytes::TooLarge => return Ok(Err("a version of it is too large".to_owned())),
            Bytes::NotHere => return Ok(Err("a version of it cannot be read here".to_owned())),
            Bytes::NoFile => return Ok(Err("a version of it is no file".to_owned())),
        }
    }
    let at = path.clone();
    let entry =
        ask(hub, folder, move |asked| driftless_core::Index::get(asked.engine.index(), &at));
    let entry = entry.await?.unwrap_or_default();
    let base = texts::ancestor(hub, (folder, path), &entry).await?.map(|(_, base)| base);
    Ok(Ok((base, sides)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(sides: &[&str]) -> Result<String, String> {
        let sides: Vec<_> = sides.iter().map(|side| side.as_bytes().to_vec()).collect();
        match merge_texts(b"a\nb\nc\nd\ne\n", &sides) {
            Combined::Bytes(bytes) => Ok(String::from_utf8(bytes).unwrap()),
            Combined::Not(why) => Err(why),
        }
    }

    #[test]
    fn what_does_not_touch_is_merged_in_any_order() {
        let sides = ["A\nb\nc\nd\ne\n", "a\nb\nC\nd\ne\n", "a\nb\nc\nd\nE\n"];
        let all = Ok("A\nb\nC\nd\nE\n".to_owned());
        assert_eq!(merged(&sides), all);
        assert_eq!(merged(&[sides[2], sides[0], sides[1]]), all);
        assert!(merged(&[sides[0], "AA\nb\nc\nd\ne\n"]).is_err());
        assert!(merged(&[sides[0], "a\0\n"]).is_err());
    }
}
