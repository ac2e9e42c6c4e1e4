//! Files of many blocks, and whatever is copied from this device.
//!
//! The devices that have the file take turns: each asks for the next stretch
//! of missing blocks whenever it has room, so that a quick one does more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use driftless_core::{Block, BlockHash, BlockList, ContentId, DeviceId, Index, RelPath};
use driftless_engine::{FetchError, Fetched};
use driftless_fs::staging::LocalBlock;
use driftless_fs::{LocalPlace, LocalSource, StageError, StagedFile};
use driftless_proto::codec::encode_request;
use driftless_proto::{BlockRange, FileBlocks, Request, RequestBody};
use tokio::task::JoinSet;

use super::answer::Answer;
use super::list;
use super::refine::{Base, refine};
use super::underway::Tally;
use super::{Context, FetchJob, fetch_error, place_of};

/// A request asks for about this much, in bytes, and at most this many blocks.
const STRETCH_BYTES: u64 = 4 << 20;
const STRETCH_BLOCKS: usize = 1024;

/// How many missing blocks are looked for in other files: about 100 ms of work.
const LOOKED_UP: usize = 8192;

/// How many requests to one device are under way for one file.
const REQUESTS_AT_ONCE: usize = 3;

/// Stages a content from this device's files and from other devices.
pub(super) async fn fetch(context: &Context, job: FetchJob) -> Result<Fetched, FetchError> {
    let known = context.known_list(job.content, job.size_bytes, job.is_here()).await;
    let is_known = known.is_some();
    let list = match known {
        Some(list) => list,
        None => list::ask(context, &job).await.ok_or(FetchError::NotAvailable)?,
    };
    let (file, base) = begin(context, &job, list.clone()).await?;
    if !file.missing().is_empty() {
        let received = match has_room(context, &file) {
            true => complete(context, &job, &file, base.as_ref()).await,
            false => Err(fetch_error(&job.path, &StageError::DiskFull)),
        };
        if let Err(error) = received {
            if let (FetchError::Local(_), Some(file)) = (&error, Arc::into_inner(file)) {
                // What cannot be completed should not keep the disk full.
                let _ = tokio::task::spawn_blocking(move || file.discard()).await;
            }
            return Err(error);
        }
    }
    let path = job.path.clone();
    let sealed = tokio::task::spawn_blocking(move || match Arc::into_inner(file) {
        Some(file) => file.finish().map_err(|error| fetch_error(&path, &error)),
        None => Err(FetchError::NotAvailable),
    });
    sealed.await.map_err(|_| FetchError::NotAvailable)??;
    let is_news = !is_known && list.blocks().len() > 1;
    Ok(Fetched { blocks: is_news.then_some(list) })
}

/// Gets what is missing: what an older version has most of first.
async fn complete(
    context: &Context,
    job: &FetchJob,
    file: &Arc<StagedFile>,
    base: Option<&Base>,
) -> Result<(), FetchError> {
    // Where most is new, the rest is hardly an edit.
    let base = base.filter(|_| file.missing_bytes() <= file.blocks().size_bytes() / 2);
    if let Some(base) = base {
        refine(context, job, file, base).await.map_err(|error| fetch_error(&job.path, &error))?;
    }
    match file.missing() {
        missing if missing.is_empty() => Ok(()),
        missing => receive(context, job, file, stretches(file.blocks(), &missing)).await,
    }
}

/// Whether the disk has room for the missing blocks.
fn has_room(context: &Context, file: &StagedFile) -> bool {
    context.root.free_space().is_ok_and(|free| {
        // Cheap first: how large the file is in all.
        file.blocks().size_bytes() <= free || file.missing_bytes() <= free
    })
}

/// Opens the staged file and fills it with what this device has. Returns the
/// older version, too, if it has one.
async fn begin(
    context: &Context,
    job: &FetchJob,
    list: BlockList,
) -> Result<(Arc<StagedFile>, Option<Base>), FetchError> {
    let mut sources = Vec::new();
    let mut base = None;
    for source in &job.local {
        let (place, content, size) = place_of(source);
        let blocks = if content == job.content {
            Some(list.clone())
        } else {
            context.known_list(content, size.unwrap_or(u64::MAX), true).await
        };
        if let Some(blocks) = blocks {
            sources.push(LocalSource::whole(place.clone(), &blocks));
            base = Some(Base { place, blocks });
        }
    }
    let (root, content, path) = (context.root.clone(), job.content, job.path.clone());
    let began = tokio::task::spawn_blocking(move || {
        let file = StagedFile::begin(&root, content, list)?;
        file.copy_local(&sources)?;
        Ok(Arc::new(file))
    });
    let began = began.await.map_err(|_| FetchError::NotAvailable)?;
    let file = began.map_err(|error: StageError| fetch_error(&path, &error))?;
    let others = other_files(context, &file).await;
    if others.is_empty() {
        return Ok((file, base));
    }
    let copying = Arc::clone(&file);
    let copied = tokio::task::spawn_blocking(move || copying.copy_local(&others).map(drop));
    let copied = copied.await.map_err(|_| FetchError::NotAvailable)?;
    copied.map_err(|error| fetch_error(&path, &error))?;
    Ok((file, base))
}

/// Files of the tree that have some of the blocks that are still missing.
async fn other_files(context: &Context, file: &StagedFile) -> Vec<LocalSource> {
    let missing: Vec<BlockHash> = file
        .missing()
        .into_iter()
        .take(LOOKED_UP)
        .filter_map(|index| file.blocks().blocks().get(index))
        .map(|block| block.hash)
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let found = context.folder.ask(move |asked| {
        let index = asked.engine.index();
        let mut by_content: BTreeMap<ContentId, Vec<LocalBlock>> = BTreeMap::new();
        for hash in missing {
            if let Ok(Some((content, offset_bytes))) = index.find_block(hash) {
                by_content.entry(content).or_default().push(LocalBlock { hash, offset_bytes });
            }
        }
        by_content
            .into_iter()
            .filter_map(|(content, blocks)| {
                let path = index.paths_with(content, 1).ok()?.pop()?;
                let stat = index.get(&path).ok()??.present()?.stat;
                Some(LocalSource { place: LocalPlace::Path(path, stat), blocks })
            })
            .collect()
    });
    found.await.unwrap_or_default()
}

/// A stretch of blocks to be asked for in one request.
type Stretch = Vec<(usize, BlockRange)>;

fn stretches(list: &BlockList, missing: &[usize]) -> VecDeque<Stretch> {
    let offsets: Vec<(u64, Block)> = list.with_offsets().collect();
    let mut all = VecDeque::new();
    let (mut stretch, mut bytes) = (Stretch::new(), 0);
    for &index in missing {
        let Some(&(offset, Block { hash, len })) = offsets.get(index) else { continue };
        if !stretch.is_empty()
            && (bytes + u64::from(len) > STRETCH_BYTES || stretch.len() >= STRETCH_BLOCKS)
        {
            all.push_back(std::mem::take(&mut stretch));
            bytes = 0;
        }
        bytes += u64::from(len);
        stretch.push((index, BlockRange { offset, len, hash }));
    }
    if !stretch.is_empty() {
        all.push_back(stretch);
    }
    all
}

/// Fetches the missing stretches from all sources at once. What one of them
/// leaves undone, the others take on.
async fn receive(
    context: &Context,
    job: &FetchJob,
    file: &Arc<StagedFile>,
    stretches: VecDeque<Stretch>,
) -> Result<(), FetchError> {
    let mut sources = context.asked(&job.sources);
    let size = file.blocks().size_bytes();
    let load = (vec![job.path.clone()], size, size.saturating_sub(missing_bytes(&stretches)));
    let ticket = context.receiving(sources.clone(), load);
    let work = Arc::new(Mutex::new(stretches));
    while !sources.is_empty() && !lock(&work).is_empty() {
        let mut workers = JoinSet::new();
        for &device in &sources {
            for _ in 0..REQUESTS_AT_ONCE {
                let (context, file, work) = (context.clone(), Arc::clone(file), Arc::clone(&work));
                let (path, content) = (job.path.clone(), job.content);
                let tally = Arc::clone(&ticket.tally);
                workers.spawn(async move {
                    let from = Source { context: &context, device, tally: &tally };
                    let done = work_off(&from, &file, (&path, content), &work).await;
                    done.map_err(|error| fetch_error(&path, &error))
                });
            }
        }
        while let Some(ended) = workers.join_next().await {
            match ended.unwrap_or(Err(FetchError::NotAvailable)) {
                Ok(None) => {}
                Ok(Some(failed)) => sources.retain(|source| *source != failed),
                Err(error) => {
                    workers.shutdown().await;
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

fn lock(work: &Mutex<VecDeque<Stretch>>) -> MutexGuard<'_, VecDeque<Stretch>> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many bytes the stretches have.
fn missing_bytes(stretches: &VecDeque<Stretch>) -> u64 {
    stretches.iter().flatten().map(|(_, range)| u64::from(range.len)).sum()
}

/// A device that is asked for stretches of a file, and where that is counted.
struct Source<'a> {
    context: &'a Context,
    device: DeviceId,
    tally: &'a Tally,
}

/// Fetches one stretch after the other until none is left, or the device fails
/// at one, which is then left to others. Returns the device if it failed.
async fn work_off(
    from: &Source<'_>,
    file: &Arc<StagedFile>,
    (path, content): (&RelPath, ContentId),
    work: &Mutex<VecDeque<Stretch>>,
) -> Result<Option<DeviceId>, StageError> {
    loop {
        let next = lock(work).pop_front();
        let Some(stretch) = next else { return Ok(None) };
        let blocks = stretch.iter().map(|(_, range)| *range).collect();
        let wanted = FileBlocks { path: path.clone(), content, blocks };
        match receive_stretch(from, file, wanted, &stretch).await {
            Ok(()) => {}
            Err(StageError::Incomplete(_) | StageError::Mismatch) => {
                // This device has it no more, or is gone, or lies.
                lock(work).push_front(stretch);
                return Ok(Some(from.device));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Fetches, verifies and writes one stretch, or as much of it as comes.
async fn receive_stretch(
    from: &Source<'_>,
    file: &Arc<StagedFile>,
    wanted: FileBlocks,
    stretch: &Stretch,
) -> Result<(), StageError> {
    let Source { context, device, tally } = *from;
    let gone = || StageError::Incomplete(stretch.len());
    let link = context.hub.links.get(device).ok_or_else(gone)?;
    let request =
        Request { folder: context.folder.id.clone(), body: RequestBody::Blocks(vec![wanted]) };
    let response =
        link.connection.request(Bytes::from(encode_request(&request))).await.map_err(|_| gone())?;
    let mut answer = Answer::new(context, device, response).counted_by(tally);
    let mut blocks = Vec::with_capacity(stretch.len());
    let mut bytes = 0;
    for (index, range) in stretch {
        let Ok(Some(block)) = answer.block(u64::from(range.len), &range.hash).await else { break };
        bytes += block.bytes().len() as u64;
        blocks.push((*index, block));
    }
    context.folder.count_received(bytes);
    let is_whole = blocks.len() == stretch.len();
    let file = Arc::clone(file);
    let written = tokio::task::spawn_blocking(move || {
        blocks.into_iter().try_for_each(|(index, block)| file.write_verified(index, &block))
    });
    written.await.map_err(|_| gone())??;
    if is_whole { Ok(()) } else { Err(gone()) }
}
