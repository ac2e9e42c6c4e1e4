//! Files that writers on both devices edit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::Place;
use crate::harness::content;

/// How many files are edited on both sides.
const FILES: u64 = 8;

/// Something that a writer did to a shared file.
pub(super) struct Edit {
    /// What it wrote and how large that is; nothing where it deleted the file.
    wrote: Option<(String, usize)>,
    /// What it knows that this replaced.
    saw: Option<String>,
    path: String,
}

/// Reads a file, and saves another in its place: over it, or within it.
pub(super) fn edit(mut place: Place) -> Vec<Edit> {
    let mut edits = Vec::new();
    while place.goes_on(25) {
        let name = format!("page {}", place.random.below(FILES));
        let path = place.join(&name);
        let bytes = place.content();
        let wrote = Some((title_of(&bytes).unwrap_or_default(), bytes.len()));
        let (wrote, saw) = match place.random.below(10) {
            0 => match fs::read(&path) {
                Ok(seen) if fs::remove_file(&path).is_ok() => (None, whole(&seen)),
                _ => continue,
            },
            1..4 => match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(mut file) => {
                    let mut seen = Vec::new();
                    file.read_to_end(&mut seen).unwrap();
                    file.rewind().unwrap();
                    file.write_all(&bytes).unwrap();
                    file.set_len(bytes.len() as u64).unwrap();
                    (wrote, whole(&seen))
                }
                Err(_) => continue,
            },
            _ => {
                let beside = place.aside.join(&name);
                fs::write(&beside, &bytes).unwrap();
                let seen = fs::read(&path).ok().and_then(|seen| whole(&seen));
                fs::rename(&beside, &path).unwrap();
                (wrote, seen)
            }
        };
        edits.push(Edit { wrote, saw, path: name });
    }
    edits
}

fn title_of(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    String::from_utf8(line.to_vec()).ok().filter(|title| title.len() < 100)
}

/// The title of bytes that are exactly what was once written.
fn whole(bytes: &[u8]) -> Option<String> {
    let title = title_of(bytes).filter(|title| title.len() < bytes.len())?;
    (content(&title, bytes.len()) == bytes).then_some(title)
}

/// What was written, never replaced by someone who had seen it, and is nowhere.
pub(super) fn lost(edits: &[Edit], roots: &[PathBuf]) -> Vec<String> {
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for root in roots {
        for place in ["shared", ".driftless"] {
            gather(&root.join(place), &mut found);
        }
    }
    let replaced: BTreeSet<&String> = edits.iter().filter_map(|edit| edit.saw.as_ref()).collect();
    let is_lost = |edit: &&Edit| {
        edit.wrote.as_ref().is_some_and(|(title, size)| {
            let is_somewhere = found.get(title).is_some_and(|sizes| sizes.contains(size));
            !is_somewhere && !replaced.contains(title)
        })
    };
    let say =
        |edit: &Edit| format!("lost at {}: {:?}, which saw {:?}", edit.path, edit.wrote, edit.saw);
    edits.iter().filter(is_lost).map(say).collect()
}

/// Notes every whole content below a directory.
fn gather(dir: &Path, found: &mut BTreeMap<String, Vec<usize>>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            gather(&path, found);
        } else if let Ok(bytes) = fs::read(&path)
            && let Some(title) = whole(&bytes)
        {
            found.entry(title).or_default().push(bytes.len());
        }
    }
}
