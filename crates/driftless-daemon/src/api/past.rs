//! All that history has of a folder: files that were displaced, and small texts
//! that a change made on this device replaced.
//!
//! Both are told of as [`Version`]s. A text's is called `kept:` and its number,
//! which no file in history can be; the number has always as many digits, so
//! that what was replaced at one moment is in one order everywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use driftless_core::RelPath;
use driftless_fs::Root;
use driftless_fs::history::{Version, VersionReason};
use driftless_fs::small::stage_bytes;
use driftless_store::{ReplacedText, Replacement};

use super::failure::{because, not_found};
use super::place::Ready;
use super::texts::kept_texts;
use super::{Outcome, ask, blocking, history};
use crate::config::FolderConfig;
use crate::folder::texts::Texts;
use crate::hub::Hub;

/// How a text's version begins.
const KEPT: &str = "kept:";

/// What was put aside at the same moment is one change: history counts seconds,
/// and what a restored version displaces is noticed a little later as an edit.
const SAME_MOMENT_MS: u64 = 5_000;

/// Where the past of an open folder is.
#[derive(Clone)]
pub(super) struct Past {
    pub(super) root: Root,
    texts: Option<Arc<Texts>>,
    device_short: String,
}

impl Past {
    /// The past of a folder, which has to be open.
    pub(super) async fn of(hub: &Hub, folder: &FolderConfig) -> Outcome<Self> {
        let root = ask(hub, folder, |asked| Ok(asked.root.clone())).await?;
        let texts = folder.history.enabled.then(|| kept_texts(hub, folder)).transpose()?;
        Ok(Self { root, texts, device_short: hub.device.short() })
    }

    /// The versions of a path and of what was below it, in no order.
    pub(super) async fn versions(&self, within: Option<RelPath>) -> Outcome<Vec<Version>> {
        let mut versions = history::versions(self.root.clone(), within.clone()).await?;
        let past = self.clone();
        let fits = move |version: &Version| {
            within.as_ref().is_none_or(|within| version.path.is_within(within))
        };
        let texts = blocking(move || Ok(past.texts(usize::MAX, fits))).await?;
        add(&mut versions, texts);
        Ok(versions)
    }

    /// The version of a path that history calls `id`. Blocks.
    pub(super) fn version(&self, path: &RelPath, id: &str) -> Outcome<Option<Version>> {
        let fits = |version: &Version| version.id == id && version.path == *path;
        if id.starts_with(KEPT) {
            return Ok(self.texts(1, fits).pop());
        }
        let listed = driftless_fs::history::list(&self.root, Some(path))
            .map_err(|error| because("history cannot be listed", &error))?;
        Ok(listed.into_iter().find(fits))
    }

    /// The newest replaced texts that fit, at most `limit`. Blocks.
    pub(super) fn texts(&self, limit: usize, fits: impl Fn(&Version) -> bool) -> Vec<Version> {
        let version = |text: &ReplacedText| version_of(text, &self.device_short);
        let Some(texts) = &self.texts else { return Vec::new() };
        let found = texts.with(|db| db.replaced(limit, |text| fits(&version(text))));
        found.unwrap_or_default().iter().map(version).collect()
    }

    /// What a version that is a text holds; `None` of any other. Blocks.
    pub(super) fn text(&self, version: &Version) -> Outcome<Option<Vec<u8>>> {
        let Some(number) = version.id.strip_prefix(KEPT) else { return Ok(None) };
        let number = number.parse().ok();
        let found = self.texts.as_ref().zip(number).and_then(|(texts, number)| {
            texts.with(|db| match db.replaced_text(number)? {
                Some(text) if text.kept.path == version.path => db.content(text.kept.content),
                _ => Ok(None),
            })
        });
        let gone =
            || not_found(format!("{} has no version {:?} any more", version.path, version.id));
        found.flatten().ok_or_else(gone).map(Some)
    }

    /// Makes a copy of a version ready to be put in place. Blocks.
    pub(super) fn stage(&self, version: &Version) -> Outcome<Ready> {
        let unread = |error| because("the version cannot be read", &error);
        let Some(text) = self.text(version)? else {
            return Ready::stage(&self.root, version).map_err(unread);
        };
        let content = stage_bytes(&self.root, &text).map_err(unread)?.content_id();
        let (mode, mtime_ns) = (version.mode, version.mtime_ns);
        Ok(Ready::File { content, size_bytes: text.len() as u64, mode, mtime_ns })
    }
}

/// Adds replaced texts to displaced files, but those that a file is of already.
pub(super) fn add(versions: &mut Vec<Version>, texts: Vec<Version>) {
    let moment = |version: &Version| version.displaced_ms / SAME_MOMENT_MS;
    let known: BTreeSet<(RelPath, u64, u64)> = versions
        .iter()
        .map(|version| (version.path.clone(), version.size_bytes, moment(version)))
        .collect();
    let is_known = |text: &Version| {
        (moment(text).saturating_sub(1)..=moment(text))
            .any(|moment| known.contains(&(text.path.clone(), text.size_bytes, moment)))
    };
    versions.extend(texts.into_iter().filter(|text| !is_known(text)));
}

fn version_of(text: &ReplacedText, device_short: &str) -> Version {
    Version {
        id: format!("{KEPT}{:012}", text.number),
        path: text.kept.path.clone(),
        size_bytes: text.kept.size_bytes,
        mtime_ns: text.kept.mtime_ns,
        ctime_ns: i64::try_from(text.replaced_ms).unwrap_or(0).saturating_mul(1_000_000),
        mode: text.kept.mode,
        displaced_ms: text.replaced_ms,
        reason: match text.how {
            Replacement::Edited => VersionReason::Edited,
            Replacement::Removed => VersionReason::Removed,
        },
        device_short: device_short.to_owned(),
        target: None,
    }
}
