//! Reading files again that nothing is known to have changed, to find those
//! that did: a disk that rots says nothing (D9).
//!
//! Decides which files are read and how fast. What a difference means is the
//! engine's to say.

use std::sync::Arc;
use std::time::Duration;

use driftless_core::{Content, Entry, Index, Level, RelPath, Stat};
use driftless_engine::{Hashed, Input};
use driftless_fs::Root;

use super::{Asked, Shared};
use crate::clock::now_ms;

/// Under which names an index remembers when the last one ended, in
/// milliseconds since 1970, and how far the present one is.
const ENDED: &str = "scrub ended";
const REACHED: &str = "scrub reached";

/// How many entries are looked at in one go.
const PAGE: usize = 256;

/// How many bytes the scrub that nobody waits for reads in a second.
const GENTLE_BYTES_PER_S: u64 = 8 << 20;

/// How fast files are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// So that nobody notices; goes on where the last one was cut off.
    Gentle,
    /// As fast as the disk allows: a person waits.
    Full,
}

/// What a scrub has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Scrubbed {
    /// How many files.
    pub(crate) files: u64,
    /// How many bytes.
    pub(crate) bytes: u64,
}

/// A file to be read.
struct Candidate {
    path: RelPath,
    stat: Stat,
    level: Level,
}

/// What is to be read next.
struct Page {
    root: Root,
    candidates: Vec<Candidate>,
    /// Go on after this path; `None` at the end.
    reached: Option<RelPath>,
}

/// Reads every file of the folder whose content is known. `None` when the
/// folder closes meanwhile.
pub(crate) async fn run(shared: &Arc<Shared>, pace: Pace) -> Option<Scrubbed> {
    let mut done = Scrubbed::default();
    let mut after = match pace {
        Pace::Gentle => shared.ask(reached).await?,
        Pace::Full => None,
    };
    loop {
        let from = after.clone();
        let page = shared.ask(move |asked| next_page(asked, from.as_ref())).await??;
        for Candidate { path, stat, level } in page.candidates {
            let (root, name) = (page.root.clone(), path.clone());
            let read = tokio::task::spawn_blocking(move || {
                driftless_fs::hash_file(&root, &name, stat, Some(level))
            });
            // What cannot be read, or changes, is the scan's business.
            if let Ok(Ok(read)) = read.await {
                let driftless_fs::Hashed { stat, content, level, blocks } = read;
                let hashed = Hashed { stat, content, level, blocks };
                shared.inputs(vec![Input::Scrubbed { path, hashed }]).await;
                done.files += 1;
                done.bytes += stat.size_bytes;
            }
            if pace == Pace::Gentle {
                let micros = stat.size_bytes.saturating_mul(1_000_000) / GENTLE_BYTES_PER_S;
                tokio::time::sleep(Duration::from_micros(micros)).await;
            }
        }
        after = page.reached;
        let is_over = after.is_none();
        let note = after.clone();
        if is_over || pace == Pace::Gentle {
            shared.ask(move |asked| remember(asked, note.as_ref())).await?;
        }
        if is_over {
            return Some(done);
        }
    }
}

/// Whether the last scrub is as long ago as `every`. A folder of which none is
/// known has been read when it was added: its time begins now.
pub(super) fn is_due(asked: &mut Asked<'_>, every: Duration) -> bool {
    let now = now_ms();
    let known = asked.engine.index().get_meta(ENDED).ok().flatten();
    let Some(ended) = known.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes) else {
        note_end(asked, now);
        return false;
    };
    // A clock that jumped back must not put it off for years.
    let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
    now.abs_diff(ended) >= every
}

fn reached(asked: &mut Asked<'_>) -> Option<RelPath> {
    let bytes = asked.engine.index().get_meta(REACHED).ok().flatten()?;
    RelPath::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

fn next_page(asked: &mut Asked<'_>, after: Option<&RelPath>) -> Option<Page> {
    let page = asked.engine.index().range(None, after, PAGE).ok()?;
    let reached = (page.len() == PAGE).then(|| page.last().map(|(path, _)| path.clone())).flatten();
    let candidates = page.into_iter().filter_map(|(path, entry)| candidate(path, &entry)).collect();
    Some(Page { root: asked.root.clone(), candidates, reached })
}

fn candidate(path: RelPath, entry: &Entry) -> Option<Candidate> {
    let disk = entry.present().filter(|disk| !disk.local && !entry.ignored)?;
    let Content::File { level, .. } = disk.record.content else { return None };
    Some(Candidate { path, stat: disk.stat, level })
}

fn remember(asked: &mut Asked<'_>, reached: Option<&RelPath>) {
    let text = reached.map_or("", RelPath::as_str);
    if let Err(error) = asked.engine.index_mut().put_meta(REACHED, text.as_bytes()) {
        tracing::warn!(%error, "how far the files were read again cannot be remembered");
    }
    if reached.is_none() {
        note_end(asked, now_ms());
    }
}

fn note_end(asked: &mut Asked<'_>, at_ms: u64) {
    if let Err(error) = asked.engine.index_mut().put_meta(ENDED, &at_ms.to_be_bytes()) {
        tracing::warn!(%error, "when the files were read again cannot be remembered");
    }
}
