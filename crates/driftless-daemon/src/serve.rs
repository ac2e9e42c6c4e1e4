//! Answers the block requests of connected devices.
//!
//! A block is served only out of a content that the folder's index has at the
//! path asked for, in a folder that is shared with the asker, and only after
//! its hash was verified; everything else gets the same refusal, so that
//! asking tells nothing.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use driftless_control::api::Direction;
use driftless_core::block::{MAX_BLOCKS, group_hash};
use driftless_core::{Block, BlockList, Content, ContentId, DeviceId, Index, RelPath};
use driftless_engine::LocalSource;
use driftless_fs::{BlockReader, Root, Source};
use driftless_net::{Connection, Request};
use driftless_proto::codec::decode_request;
use driftless_proto::{FileBlocks, RequestBody};
use driftless_store::SqliteIndex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::folder::Shared;
use crate::hub::Hub;
use crate::transfer::Load;

/// The one refusal: no such folder, path or content for this device.
pub(crate) const REFUSED: u32 = 1;

/// How many requests of one device are answered at once.
const AT_ONCE: usize = 16;

/// How many of them are for blocks above [`BIG`], or for block lists, of which
/// a few take up more memory than all the others.
const BIG_AT_ONCE: usize = 2;

/// A block of more bytes than this is big.
const BIG: u32 = 1 << 20;

/// How much is read ahead of the network, in bytes, if more than one piece.
const READ_AHEAD: usize = 2 << 20;

/// No list, and no part of one, takes up more, in bytes.
const MOST_LIST_BYTES: usize = 36 * MAX_BLOCKS;

/// Pieces are about this large, in bytes, or as large as a block.
const PIECE: usize = 256 << 10;

/// Where a limit is set, so many bytes go out at once, so that the device does
/// not take a slow answer for none.
const SLICE: usize = 16 << 10;

/// Answers the requests of a connection until it ends.
pub(crate) async fn requests(hub: Arc<Hub>, connection: Connection) {
    let mut answers = JoinSet::new();
    let big = Arc::new(Semaphore::new(BIG_AT_ONCE));
    while let Some(request) = connection.accept_request().await {
        while answers.len() >= AT_ONCE {
            answers.join_next().await;
        }
        let (hub, device, big) = (Arc::clone(&hub), connection.device(), Arc::clone(&big));
        answers.spawn(async move {
            let Ok(wanted) = decode_request(request.header()) else {
                return request.refuse(REFUSED);
            };
            let Some(folder) = hub.folder_with(&wanted.folder, device) else {
                return request.refuse(REFUSED);
            };
            let largest = largest_block(&wanted.body);
            let _turn = match largest.is_none_or(|len| len > BIG) {
                true => big.acquire().await.ok(),
                false => None,
            };
            match wanted.body {
                RequestBody::BlockList { path, content } => {
                    block_list(&folder, path, content, request).await
                }
                RequestBody::ListGroups { path, content, groups } => {
                    list_groups(&folder, (path, content), groups, request).await
                }
                RequestBody::Outlines(file) => outlines(&hub, &folder, file, request).await,
                RequestBody::Blocks(files) => {
                    let ahead = READ_AHEAD / (PIECE + largest.unwrap_or(0) as usize);
                    blocks(&hub, (device, &folder), files, ahead.max(1), request).await
                }
            }
        });
    }
}

/// The length of the largest block that is asked for; nothing for a list.
fn largest_block(body: &RequestBody) -> Option<u32> {
    match body {
        RequestBody::BlockList { .. } | RequestBody::ListGroups { .. } => None,
        RequestBody::Outlines(file) => {
            Some(file.blocks.iter().map(|block| block.len).max().unwrap_or(0))
        }
        RequestBody::Blocks(files) => {
            let lengths = files.iter().flat_map(|file| &file.blocks).map(|block| block.len);
            Some(lengths.max().unwrap_or(0))
        }
    }
}

async fn block_list(folder: &Shared, path: RelPath, content: ContentId, mut request: Request) {
    let Some(list) = find_list(folder, path, content).await else {
        return request.refuse(REFUSED);
    };
    let mut bytes = count_bytes(list.blocks().len());
    put_blocks(list.blocks(), &mut bytes);
    if request.write(bytes.into()).await.is_ok() {
        request.finish();
    }
}

/// Says which groups a list has, or the blocks of some.
async fn list_groups(
    folder: &Shared,
    (path, content): (RelPath, ContentId),
    wanted: Vec<u32>,
    mut request: Request,
) {
    let Some(list) = find_list(folder, path, content).await else {
        return request.refuse(REFUSED);
    };
    let groups = list.groups();
    let mut bytes = Vec::new();
    if wanted.is_empty() {
        bytes = count_bytes(groups.len());
        for group in groups {
            bytes.extend(group_hash(group).as_bytes());
            bytes.extend(count_bytes(group.len()));
        }
    } else {
        for number in wanted {
            let Some(group) = groups.get(number as usize) else { return request.refuse(REFUSED) };
            put_blocks(group, &mut bytes);
            if bytes.len() > MOST_LIST_BYTES {
                return request.refuse(REFUSED);
            }
        }
    }
    if request.write(bytes.into()).await.is_ok() {
        request.finish();
    }
}

async fn find_list(folder: &Shared, path: RelPath, content: ContentId) -> Option<BlockList> {
    let list = folder.ask(move |asked| {
        asked.engine.locate(&path, content).ok().flatten()?;
        list_of(asked.engine.index(), &path, content)
    });
    list.await.flatten()
}

/// The block list of a content that this device holds at `path`. One that the
/// index does not remember has a single block, however large.
fn list_of(index: &SqliteIndex, path: &RelPath, content: ContentId) -> Option<BlockList> {
    if let Some(list) = index.block_list(content).ok()? {
        return Some(list);
    }
    let entry = index.get(path).ok()??;
    let disk = entry.present().map(|disk| &disk.record.content);
    let heads = entry.heads.iter().map(|head| &head.record.content);
    let (_, size) =
        heads.chain(disk).filter_map(Content::file).find(|(held, _)| *held == content)?;
    BlockList::single(content, size)
}

fn count_bytes(count: usize) -> Vec<u8> {
    u32::try_from(count).unwrap_or(0).to_be_bytes().to_vec()
}

fn put_blocks(blocks: &[Block], bytes: &mut Vec<u8>) {
    for block in blocks {
        bytes.extend(block.hash.as_bytes());
        bytes.extend(block.len.to_be_bytes());
    }
}

async fn blocks(
    hub: &Hub,
    (device, folder): (DeviceId, &Shared),
    files: Vec<FileBlocks>,
    ahead: usize,
    mut request: Request,
) {
    let wanted: Vec<_> = files.iter().map(|file| (file.path.clone(), file.content)).collect();
    let located = folder.ask(move |asked| {
        let sources: Vec<_> = wanted
            .iter()
            .map(|(path, content)| asked.engine.locate(path, *content).ok().flatten())
            .collect();
        (asked.root.clone(), sources)
    });
    let Some((root, sources)) = located.await else { return request.refuse(REFUSED) };
    let ticket = hub.underway.begin(load(device, folder, &files, &sources), Instant::now());
    let (pieces, mut queue) = mpsc::channel::<Bytes>(ahead);
    let reading = tokio::task::spawn_blocking(move || read(&root, files, sources, &pieces));
    while let Some(mut piece) = queue.recv().await {
        while !piece.is_empty() {
            let most = if hub.sending.bytes_per_s().is_some() { SLICE } else { piece.len() };
            let slice = piece.split_to(most.min(piece.len()));
            hub.sending.pass(slice.len()).await;
            ticket.tally.add(slice.len());
            if request.write(slice).await.is_err() {
                return;
            }
        }
    }
    if reading.await.is_ok() {
        request.finish();
    }
}

/// Says what blocks of a file consist of.
async fn outlines(hub: &Hub, folder: &Shared, file: FileBlocks, mut request: Request) {
    let located = folder.ask({
        let (path, content) = (file.path.clone(), file.content);
        move |asked| (asked.root.clone(), asked.engine.locate(&path, content).ok().flatten())
    });
    let Some((root, Some(source))) = located.await else { return request.refuse(REFUSED) };
    let outlined = tokio::task::spawn_blocking(move || {
        let reader = BlockReader::open(&root, source_of(source)).ok();
        let mut answer = Vec::new();
        let mut bytes = Vec::new();
        for block in file.blocks {
            bytes.clear();
            let read = reader
                .as_ref()
                .map(|reader| reader.read((block.offset, block.len), &block.hash, &mut bytes));
            if !matches!(read, Some(Ok(()))) {
                answer.push(1);
                continue;
            }
            let pieces = driftless_fs::pieces(&bytes, block.len);
            answer.push(0);
            answer.extend(u16::try_from(pieces.len()).unwrap_or(u16::MAX).to_be_bytes());
            for piece in pieces {
                answer.extend(piece.hash.as_bytes());
                answer.extend(piece.len.to_be_bytes());
            }
        }
        answer
    });
    let Ok(answer) = outlined.await else { return request.refuse(REFUSED) };
    hub.sending.pass(answer.len()).await;
    if request.write(answer.into()).await.is_ok() {
        request.finish();
    }
}

fn source_of(source: LocalSource) -> Source {
    match source {
        LocalSource::Path { path, stat, .. } => Source::Path(path, stat),
        LocalSource::Stored(content) => Source::Head(content),
    }
}

/// What goes out in answer to a request: stretches of one file, or small ones whole.
fn load(
    device: DeviceId,
    folder: &Shared,
    files: &[FileBlocks],
    sources: &[Option<LocalSource>],
) -> Load {
    let size_of = |(file, source): (&FileBlocks, &Option<LocalSource>)| {
        let known = match source {
            Some(LocalSource::Path { stat, .. }) if files.len() == 1 => stat.size_bytes,
            _ => 0,
        };
        let ends = file.blocks.iter().map(|block| block.offset + u64::from(block.len));
        ends.max().unwrap_or(0).max(known)
    };
    Load {
        folder: folder.id.clone(),
        direction: Direction::Sending,
        devices: vec![device],
        paths: files.iter().map(|file| file.path.clone()).collect(),
        bytes: files.iter().zip(sources).map(size_of).sum(),
        done_bytes: 0,
    }
}

/// Reads, verifies and frames the blocks, in the order asked for.
fn read(
    root: &Root,
    files: Vec<FileBlocks>,
    sources: Vec<Option<LocalSource>>,
    pieces: &mpsc::Sender<Bytes>,
) {
    let mut piece = Vec::with_capacity(2 * PIECE);
    for (file, source) in files.into_iter().zip(sources) {
        let reader = source.and_then(|source| BlockReader::open(root, source_of(source)).ok());
        for block in file.blocks {
            let status = piece.len();
            piece.push(0);
            let is_there = reader.as_ref().is_some_and(|reader| {
                let range = (block.offset, block.len);
                reader.read(range, &block.hash, &mut piece).is_ok()
            });
            if !is_there {
                piece[status] = 1;
            }
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(2 * PIECE));
                if pieces.blocking_send(full.into()).is_err() {
                    return;
                }
            }
        }
    }
    if !piece.is_empty() {
        let _ = pieces.blocking_send(piece.into());
    }
}
