//! `conflict.texts`, and what the sides of a conflict hold and were made from.
//!
//! Contents come from where they lie on this device: the tree, the store of
//! heads, or the small texts that are kept. Nothing is asked of other devices.

use std::sync::Arc;

use driftless_control::api::{
    ConflictBase, ConflictTexts, ConflictTextsReply, RegionKind, TextRegion,
};
use driftless_core::{Content, Entry, FileRecord, RelPath};
use driftless_engine::{LocalSource, SMALL_FILE_BYTES};
use driftless_fs::{LocalPlace, Root, SmallFile};
use driftless_merge::{Kind, Merge, is_text};
use driftless_store::KeptVersion;

use super::conflicts::{find, version_word};
use super::failure::not_found;
use super::{Outcome, ask, blocking, running};
use crate::config::FolderConfig;
use crate::folder::texts::Texts;
use crate::hub::Hub;

/// A path in a folder.
pub(crate) type Spot<'a> = (&'a FolderConfig, &'a RelPath);

/// A content of which the bytes were asked for.
pub(crate) enum Bytes {
    /// These.
    Here(Vec<u8>),
    /// They are more than was allowed.
    TooLarge,
    /// They are not on this device, or not any more.
    NotHere,
    /// It is no file.
    NoFile,
}

pub(super) async fn texts(hub: &Arc<Hub>, request: &ConflictTexts) -> Outcome<ConflictTextsReply> {
    let (folder, path, entry) = find(hub, &request.id).await?;
    let spot = (&folder, &path);
    let (ours, theirs) = compared(&entry, request.versions.as_ref())?;
    let mut reply = ConflictTextsReply {
        versions: (version_word(&ours), version_word(&theirs)),
        ..ConflictTextsReply::default()
    };
    let mut texts = Vec::with_capacity(2);
    for side in [&ours, &theirs] {
        match text(bytes_of(hub, spot, &side.content, SMALL_FILE_BYTES).await?) {
            Ok(text) => texts.push(text),
            Err(why) => {
                reply.not_text = Some(why.to_owned());
                return Ok(reply);
            }
        }
    }
    let sides = vec![with_same_data(&entry, &ours), with_same_data(&entry, &theirs)];
    let base = ancestor_of(hub, spot, sides).await?.map(|(_, base)| base);
    let base = base.and_then(|base| String::from_utf8(base).ok());
    blocking(move || {
        (reply.theirs, reply.ours) =
            (texts.pop().unwrap_or_default(), texts.pop().unwrap_or_default());
        let (ours, theirs) = (reply.ours.as_bytes(), reply.theirs.as_bytes());
        let merge = match &base {
            Some(base) => Merge::new(base.as_bytes(), ours, theirs),
            None => Merge::without_base(ours, theirs),
        };
        reply.regions = merge.regions().iter().map(region).collect();
        reply.merged = merge.text().and_then(|text| String::from_utf8(text).ok());
        reply.base = base;
        Ok(reply)
    })
    .await
}

/// The version that all sides of the conflict in `entry` were made from, and
/// what it held, if that is known here.
pub(crate) async fn ancestor(
    hub: &Hub,
    spot: Spot<'_>,
    entry: &Entry,
) -> Outcome<Option<(KeptVersion, Vec<u8>)>> {
    let live = || entry.heads.iter().filter(|head| !head.record.content.is_tombstone()).take(1);
    let sides = live().chain(entry.heads.losers()).map(|head| with_same_data(entry, &head.record));
    ancestor_of(hub, spot, sides.collect()).await
}

/// As [`ancestor`], as far as people are told of it.
pub(super) async fn base(
    hub: &Hub,
    spot: Spot<'_>,
    entry: &Entry,
) -> Outcome<Option<ConflictBase>> {
    let found = ancestor(hub, spot, entry).await?;
    Ok(found.map(|(kept, _)| ConflictBase {
        size: kept.size_bytes,
        mtime_ms: u64::try_from(kept.mtime_ns / 1_000_000).unwrap_or(0),
        device_name: hub.name_of(&kept.device),
    }))
}

/// The bytes of a content of `spot`: of a version in conflict, or of what the
/// tree holds. At most `max_bytes`, which are held in memory.
pub(crate) async fn bytes_of(
    hub: &Hub,
    (folder, path): Spot<'_>,
    content: &Content,
    max_bytes: u64,
) -> Outcome<Bytes> {
    let Content::File { content: id, size_bytes, level, .. } = *content else {
        return Ok(Bytes::NoFile);
    };
    if size_bytes > max_bytes {
        return Ok(Bytes::TooLarge);
    }
    let (root, place) = locate(hub, (folder, path), content).await?;
    let texts = kept_texts(hub, folder)?;
    blocking(move || {
        let read = |place| SmallFile::open(&root, &place, max_bytes).ok()??.read(id, level).ok();
        let kept = || texts.with(|db| db.content(id)).flatten();
        Ok(place.and_then(read).or_else(kept).map_or(Bytes::NotHere, Bytes::Here))
    })
    .await
}

/// Where a content of `spot` lies on this device, if it does.
pub(super) async fn locate(
    hub: &Hub,
    (folder, path): Spot<'_>,
    content: &Content,
) -> Outcome<(Root, Option<LocalPlace>)> {
    let (path, file) = (path.clone(), content.file());
    ask(hub, folder, move |asked| {
        let found = match file {
            Some((content, _)) => asked.engine.locate(&path, content)?,
            None => None,
        };
        let place = found.map(|found| match found {
            LocalSource::Path { path, stat, .. } => LocalPlace::Path(path, stat),
            LocalSource::Stored(content) => LocalPlace::Head(content),
        });
        Ok((asked.root.clone(), place))
    })
    .await
}

/// The small texts that a folder keeps.
pub(super) fn kept_texts(hub: &Hub, folder: &FolderConfig) -> Outcome<Arc<Texts>> {
    running(hub, folder).map(|(shared, _)| Arc::clone(&shared.texts))
}

async fn ancestor_of(
    hub: &Hub,
    (folder, path): Spot<'_>,
    sides: Vec<FileRecord>,
) -> Outcome<Option<(KeptVersion, Vec<u8>)>> {
    let (texts, path) = (kept_texts(hub, folder)?, path.clone());
    blocking(move || {
        let sides: Vec<_> = sides.iter().collect();
        let found = texts.with(|db| {
            let Some(kept) = db.ancestor(&path, &sides)? else { return Ok(None) };
            let bytes = db.content(kept.content)?;
            Ok(bytes.map(|bytes| (kept, bytes)))
        });
        Ok(found.flatten())
    })
    .await
}

/// The two versions to compare: those that were asked for, or the shown one and
/// the first that differs from it.
fn compared(entry: &Entry, wanted: Option<&(String, String)>) -> Outcome<(FileRecord, FileRecord)> {
    let find = |word: &String| {
        let mut records = entry.heads.iter().map(|head| &head.record);
        let found = records.find(|record| version_word(record) == *word);
        found.cloned().ok_or_else(|| not_found(format!("the conflict has no version {word:?}")))
    };
    match wanted {
        Some((ours, theirs)) => Ok((find(ours)?, find(theirs)?)),
        None => {
            let loser = entry.heads.losers().first().map(|head| head.record.clone());
            let pair = entry.shown().cloned().zip(loser);
            pair.ok_or_else(|| not_found("the conflict has no two versions to compare"))
        }
    }
}

/// `record`, having seen what every head with the same data has seen: whoever
/// edits it has seen all of them.
fn with_same_data(entry: &Entry, record: &FileRecord) -> FileRecord {
    let heads = entry.heads.iter().map(|head| &head.record);
    let same = heads.filter(|other| other.content.is_same_data(&record.content));
    let version = same.fold(record.version.clone(), |seen, other| seen.joined(&other.version));
    FileRecord { version, ..record.clone() }
}

/// The text that bytes are, or why they are none.
fn text(bytes: Bytes) -> Result<String, &'static str> {
    match bytes {
        Bytes::Here(bytes) if is_text(&bytes, bytes.len()) => {
            String::from_utf8(bytes).map_err(|_| "not-text")
        }
        Bytes::Here(_) => Err("not-text"),
        Bytes::TooLarge => Err("too-large"),
        Bytes::NotHere => Err("not-here"),
        Bytes::NoFile => Err("no-file"),
    }
}

fn region(region: &driftless_merge::Region<'_>) -> TextRegion {
    let lines = |text: &[u8]| {
        let count = text.split_inclusive(|byte| *byte == b'\n').count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    TextRegion {
        kind: match region.kind {
            Kind::Unchanged => RegionKind::Unchanged,
            Kind::Ours => RegionKind::Ours,
            Kind::Theirs => RegionKind::Theirs,
            Kind::Alike => RegionKind::Alike,
            Kind::Conflict => RegionKind::Conflict,
        },
        base: lines(region.base),
        ours: lines(region.ours),
        theirs: lines(region.theirs),
    }
}
