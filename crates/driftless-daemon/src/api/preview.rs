//! `content.preview`: what a content looks like, within bounds.
//!
//! Texts are read here, images are decoded elsewhere ([`crate::thumbnail`]).
//! Decides which of the two a content is, by how it begins, and says why it is
//! neither.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::sync::Arc;

use data_encoding::BASE64;
use driftless_control::api::{ContentPreview, PreviewView};
use driftless_core::FileRecord;
use driftless_fs::StageError;
use driftless_fs::history::open_version;

use super::conflicts::{find, version_word};
use super::failure::{because, not_found};
use super::history::parse_path;
use super::past::Past;
use super::{Outcome, ask, blocking, find_folder, texts};
use crate::hub::Hub;
use crate::thumbnail;

/// How much of a text is shown, in bytes.
const TEXT_BYTES: usize = 1 << 20;

/// A content whose bytes can be read.
enum Source {
    File(File),
    Text(Vec<u8>),
    /// There is nothing to be shown; why.
    Nothing(String),
}

/// How a file looks by its beginning.
enum Look {
    Image(File),
    Shown(PreviewView),
}

pub(super) async fn preview(hub: &Arc<Hub>, request: &ContentPreview) -> Outcome<PreviewView> {
    let source = match request {
        ContentPreview::History { folder, path, version } => {
            of_history(hub, (folder, path), version).await?
        }
        ContentPreview::Conflict { id, version } => {
            of_conflict(hub, id, version.as_deref()).await?
        }
        ContentPreview::Current { folder, path } => of_tree(hub, folder, path).await?,
    };
    let look = match source {
        Source::Nothing(why) => return Ok(PreviewView::None { why }),
        Source::Text(bytes) => Look::Shown(text_of(bytes)),
        Source::File(file) => blocking(move || look_at(file)).await?,
    };
    let image = match look {
        Look::Shown(view) => return Ok(view),
        Look::Image(file) => thumbnail::of(file).await,
    };
    Ok(match image {
        Ok(image) => {
            let (width, height) = (image.width, image.height);
            PreviewView::Image { png: BASE64.encode(&image.png), width, height }
        }
        Err(error) => PreviewView::None { why: error.to_string() },
    })
}

async fn of_history(
    hub: &Arc<Hub>,
    (folder, path): (&str, &str),
    version: &str,
) -> Outcome<Source> {
    let folder = find_folder(hub, folder)?;
    let path = parse_path(path)?;
    let past = Past::of(hub, &folder).await?;
    let listed = past.versions(Some(path.clone())).await?;
    let found = listed.into_iter().find(|known| known.id == version && known.path == path);
    let found = found.ok_or_else(|| not_found(format!("{path} has no version {version:?}")))?;
    blocking(move || {
        if let Some(target) = &found.target {
            return Ok(Source::Nothing(format!("it is a link to {target}")));
        }
        if let Some(text) = past.text(&found)? {
            return Ok(Source::Text(text));
        }
        let file = open_version(&past.root, &found.id);
        file.map(Source::File).map_err(|error| because("the version cannot be read", &error))
    })
    .await
}

async fn of_conflict(hub: &Arc<Hub>, id: &str, version: Option<&str>) -> Outcome<Source> {
    let (folder, path, entry) = find(hub, id).await?;
    let spot = (&folder, &path);
    let Some(version) = version else {
        let base = texts::ancestor(hub, spot, &entry).await?;
        let unknown = || Source::Nothing("what all were made from is not known here".to_owned());
        return Ok(base.map_or_else(unknown, |(_, text)| Source::Text(text)));
    };
    let mut records = entry.heads.iter().map(|head| &head.record);
    let record: &FileRecord = records
        .find(|record| version_word(record) == version)
        .ok_or_else(|| not_found(format!("the conflict has no version {version:?}")))?;
    if record.content.file().is_none() {
        return Ok(Source::Nothing("it is no file".to_owned()));
    }
    let (root, place) = texts::locate(hub, spot, &record.content).await?;
    let Some(place) = place else {
        return Ok(Source::Nothing("it is not on this device yet".to_owned()));
    };
    blocking(move || opened(driftless_fs::small::open(&root, &place))).await
}

async fn of_tree(hub: &Arc<Hub>, folder: &str, path: &str) -> Outcome<Source> {
    let folder = find_folder(hub, folder)?;
    let path = parse_path(path)?;
    let root = ask(hub, &folder, |asked| Ok(asked.root.clone())).await?;
    blocking(move || opened(driftless_fs::small::open_path(&root, &path))).await
}

fn opened(file: Result<File, StageError>) -> Outcome<Source> {
    match file {
        Ok(file) => Ok(Source::File(file)),
        Err(StageError::SourceChanged) => {
            Ok(Source::Nothing("there is no file, or it is being changed".to_owned()))
        }
        Err(error) => Err(because("the file cannot be read", &error)),
    }
}

/// Reads the beginning of a file. An image is left as it was opened.
fn look_at(mut file: File) -> Outcome<Look> {
    let unread = |error: std::io::Error| because("the file cannot be read", &error);
    let mut bytes = Vec::new();
    // One more tells whether there is more.
    file.by_ref().take(TEXT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unread)?;
    if thumbnail::is_image(&bytes) {
        file.rewind().map_err(unread)?;
        return Ok(Look::Image(file));
    }
    Ok(Look::Shown(text_of(bytes)))
}

/// The text that bytes begin with, if they are one.
fn text_of(mut bytes: Vec<u8>) -> PreviewView {
    let cut_short = bytes.len() > TEXT_BYTES;
    bytes.truncate(TEXT_BYTES);
    if let Err(error) = std::str::from_utf8(&bytes)
        && cut_short
        && error.error_len().is_none()
    {
        // The cut went through a character.
        bytes.truncate(error.valid_up_to());
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => PreviewView::Text { text, cut_short },
        _ => PreviewView::None {
            why: "it is neither a text nor an image that could be shown".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_bytes_are_none() {
        let long = format!("{}ü and more", "a".repeat(TEXT_BYTES - 1));
        let shown = PreviewView::Text { text: "a".repeat(TEXT_BYTES - 1), cut_short: true };
        assert_eq!(text_of(long.into_bytes()), shown);
        let short = PreviewView::Text { text: "ü".to_owned(), cut_short: false };
        assert_eq!(text_of("ü".as_bytes().to_vec()), short);
        for bytes in [&b"a\0b"[..], b"\xff\xfe", &"ü".as_bytes()[..1]] {
            assert!(matches!(text_of(bytes.to_vec()), PreviewView::None { .. }), "{bytes:?}");
        }
    }
}
