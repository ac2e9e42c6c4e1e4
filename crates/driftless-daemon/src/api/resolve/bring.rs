//! What a person brings to decide a conflict with: a file, a text, a version
//! from history. It is staged here; the engine has it kept, durably, before
//! anything is written ([`Choice::With`]).

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::record::MODE_MASK;
use driftless_core::{Block, BlockHash, BlockList, ContentId, Level, RelPath};
use driftless_engine::Choice;
use driftless_fs::history::{Version, restore_to_staging};
use driftless_fs::{Root, StageError, StagedFile};

use super::super::failure::{because, failed, not_found, refused, usage};
use super::super::past::Past;
use super::Outcome;
use crate::clock::now_ms;

/// The largest text that is taken, in bytes.
pub(super) const TEXT_BYTES: usize = 1 << 20;

/// The permissions of what has none to go by.
const MODE: u16 = 0o644;

fn untaken(error: &dyn std::error::Error) -> driftless_control::ApiError {
    because("the file cannot be taken into the folder", error)
}

/// Stages a text, with the permissions that the path has.
pub(super) fn text(root: &Root, text: &str, mode: Option<u16>) -> Outcome<Choice> {
    let size_bytes = text.len() as u64;
    let level = Level::for_size(size_bytes, None);
    let blocks = driftless_fs::stage_bytes(root, text.as_bytes())
        .map_err(|error| because("the text cannot be taken into the folder", &error))?;
    let content = blocks.content_id();
    let mtime_ns = i64::try_from(now_ms()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let mode = mode.unwrap_or(MODE);
    Ok(Choice::With { content, size_bytes, level, blocks, mode, mtime_ns })
}

/// Stages a copy of a version from history, as it was.
pub(super) fn version(past: &Past, version: &Version) -> Outcome<Choice> {
    let unread = |error| because("the version cannot be read", &error);
    if let Some(text) = past.text(version)? {
        let blocks = driftless_fs::stage_bytes(&past.root, &text).map_err(unread)?;
        let (content, size_bytes) = (blocks.content_id(), blocks.size_bytes());
        let level = Level::for_size(size_bytes, None);
        let (mode, mtime_ns) = (version.mode, version.mtime_ns);
        return Ok(Choice::With { content, size_bytes, level, blocks, mode, mtime_ns });
    }
    let hashed = restore_to_staging(&past.root, &version.id).map_err(unread)?;
    Ok(Choice::With {
        content: hashed.content,
        size_bytes: hashed.stat.size_bytes,
        level: hashed.level,
        blocks: hashed.blocks,
        mode: u16::try_from(hashed.stat.mode & u32::from(MODE_MASK)).unwrap_or(MODE),
        mtime_ns: hashed.stat.mtime_ns,
    })
}

/// The version of a path that history calls `id`. Blocks.
pub(in crate::api) fn find_version(past: &Past, path: &RelPath, id: &str) -> Outcome<Version> {
    let found = past.version(path, id)?.ok_or_else(|| {
        not_found(format!("{path} has no version {id:?} in history"))
            .with_hint("`driftless history list` names them")
    })?;
    match found.target {
        Some(_) => Err(refused(format!("that version of {path} is a link, and no file"))),
        None => Ok(found),
    }
}

/// How large the file at `path` is. Blocks.
pub(in crate::api) fn size_of(path: &Path) -> Outcome<u64> {
    if !path.is_absolute() {
        return Err(usage(format!("{} is not an absolute path", path.display())));
    }
    let found = std::fs::metadata(path)
        .map_err(|error| because(&format!("{} cannot be read", path.display()), &error))?;
    match found.is_file() {
        true => Ok(found.len()),
        false => Err(usage(format!("{} is no file", path.display()))),
    }
}

/// Stages a file from elsewhere.
pub(in crate::api) fn file(root: &Root, path: &Path, mode: Option<u16>) -> Outcome<Choice> {
    let unreadable =
        |error: std::io::Error| because(&format!("{} cannot be read", path.display()), &error);
    let size_bytes = size_of(path)?;
    let named = std::fs::metadata(path).map_err(unreadable)?;
    let file = File::open(path).map_err(unreadable)?;
    let level = Level::for_size(size_bytes, None);
    let (content, blocks) = if size_bytes <= SINGLE_BLOCK_BYTES {
        let bytes = read_small(&file).map_err(unreadable)?;
        let content = ContentId::from_bytes(*BlockHash::of(&bytes).as_bytes());
        driftless_fs::staging::stage_small(root, &content, &bytes)
            .map_err(|error| untaken(&error))?;
        (content, BlockList::single(content, size_bytes).unwrap_or_default())
    } else {
        stage_large(root, &file, path, size_bytes, level)?
    };
    let after = file.metadata().map_err(unreadable)?;
    let stamp = |of: &std::fs::Metadata| (of.len(), of.mtime(), of.mtime_nsec(), of.ino());
    if stamp(&after) != stamp(&named) {
        return Err(failed(format!("{} changed while it was read", path.display()))
            .with_hint("close the program that writes it and try again"));
    }
    let own_mode = u16::try_from(after.permissions().mode() & u32::from(MODE_MASK));
    let mtime_ns = after.mtime().saturating_mul(1_000_000_000).saturating_add(after.mtime_nsec());
    let mode = mode.unwrap_or(own_mode.unwrap_or(MODE));
    Ok(Choice::With { content, size_bytes, level, blocks, mode, mtime_ns })
}

/// Reads a file that is one block, and no more of one that grew meanwhile.
fn read_small(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(SINGLE_BLOCK_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the file twice, once for its blocks and once for their bytes: it may
/// be far larger than memory.
fn stage_large(
    root: &Root,
    file: &File,
    path: &Path,
    size_bytes: u64,
    level: Level,
) -> Outcome<(ContentId, BlockList)> {
    let unread = |error: &dyn std::error::Error| {
        because(&format!("{} cannot be read", path.display()), error)
    };
    let unstaged = |error: StageError| untaken(&error);
    let descriptor: OwnedFd = file.try_clone().map_err(|error| unread(&error))?.into();
    let blocks: Vec<Block> = driftless_fs::hash::blocks::blocks(&descriptor, size_bytes, level)
        .map_err(|error| unread(&error))?;
    let list = BlockList::new(blocks).map_err(|error| unread(&error))?;
    let content = list.content_id();
    let staged = StagedFile::begin(root, content, list.clone()).map_err(unstaged)?;
    let places: Vec<_> = list.with_offsets().collect();
    let mut bytes = Vec::new();
    for index in staged.missing() {
        let (offset, block) = places[index];
        bytes.resize(block.len as usize, 0);
        file.read_exact_at(&mut bytes, offset).map_err(|error| unread(&error))?;
        staged.write_block(index, &bytes).map_err(unstaged)?;
    }
    staged.finish().map_err(unstaged)?;
    Ok((content, list))
}
