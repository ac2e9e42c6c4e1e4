//! Blocks of which an older version has most of the bytes: only what differs
//! is fetched.
//!
//! A missing block that lies between two which this device has is likely to be
//! what the older version has between the same two, edited. The device that has
//! it says what the block consists of (its outline), and of that only the pieces
//! are asked for which the older version does not have. What comes of it is the
//! block that was asked for, or nothing: it is verified like any other.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use driftless_core::block::Verified;
use driftless_core::{Block, BlockHash, BlockList, DeviceId};
use driftless_fs::{LocalPlace, StageError, StagedFile, pieces};
use driftless_proto::codec::encode_request;
use driftless_proto::{BlockRange, FileBlocks, Request, RequestBody};

use super::answer::Answer;
use super::conduct::Offence;
use super::underway::Tally;
use super::{Context, FetchJob};

/// How many bytes of blocks are put together at once.
const BATCH_BYTES: u64 = 8 << 20;

/// The most blocks among them, and the most pieces that are asked for.
const BATCH_BLOCKS: usize = 256;
const BATCH_PIECES: usize = 4096;

/// The most pieces of a block: it is cut in parts of a 32nd on average, and of
/// a 128th at the least.
const MOST_PIECES: u16 = 513;

/// At least this part of what blocks have must be in the older version, or the
/// rest is fetched block by block.
const WORTH_IT: u64 = 4;

/// An older version of what is fetched.
pub(super) struct Base {
    pub(super) place: LocalPlace,
    pub(super) blocks: BlockList,
}

/// A missing block, and where its like may be in the older version.
#[derive(Clone, Copy)]
struct Edited {
    index: usize,
    range: BlockRange,
    from: u64,
    to: u64,
}

/// What a piece of a block is made from.
#[derive(Clone, Copy)]
enum Part {
    /// These bytes of what the older version has there.
    Known(usize, usize),
    /// What comes from the other device.
    Wanted(usize),
}

/// Stages missing blocks that are edits of what `base` has. What it does not
/// manage stays missing.
pub(super) async fn refine(
    context: &Context,
    job: &FetchJob,
    file: &Arc<StagedFile>,
    base: &Base,
) -> Result<(), StageError> {
    let Some(&device) = context.asked(&job.sources).first() else { return Ok(()) };
    let mut edited: VecDeque<_> = edited(file, base).into();
    if edited.is_empty() {
        return Ok(());
    }
    let size = file.blocks().size_bytes();
    let wanted: u64 = edited.iter().map(|edited| u64::from(edited.range.len)).sum();
    let load = (vec![job.path.clone()], size, size.saturating_sub(wanted));
    let ticket = context.receiving(vec![device], load);
    let from = From { context, job, device, tally: &ticket.tally };
    while !edited.is_empty() {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = edited.pop_front() {
            bytes += u64::from(next.range.len);
            batch.push(next);
            if bytes >= BATCH_BYTES || batch.len() == BATCH_BLOCKS {
                break;
            }
        }
        match from.batch(file, base, batch).await {
            Some((blocks, saved)) => {
                let file = Arc::clone(file);
                let written = tokio::task::spawn_blocking(move || {
                    blocks.iter().try_for_each(|(index, block)| file.write_verified(*index, block))
                });
                written.await.map_err(|_| StageError::Incomplete(edited.len()))??;
                if saved < bytes / WORTH_IT {
                    break;
                }
            }
            None => break,
        }
    }
    Ok(())
}

/// The missing blocks of which `base` may have the like.
fn edited(file: &StagedFile, base: &Base) -> Vec<Edited> {
    let missing = file.missing();
    let all: Vec<(u64, Block)> = file.blocks().with_offsets().collect();
    let known: BTreeMap<BlockHash, u64> =
        base.blocks.with_offsets().map(|(offset, block)| (block.hash, offset)).collect();
    let size = base.blocks.size_bytes();
    let place_of = |index: usize| known.get(&all[index].1.hash).copied();
    let mut found = Vec::new();
    let mut rest = missing.as_slice();
    while let Some((&first, _)) = rest.split_first() {
        // A run of missing blocks, and what the older version has in its place.
        let count = rest.iter().zip(first..).take_while(|(index, next)| **index == *next).count();
        let (run, after) = rest.split_at(count);
        rest = after;
        let before = first.checked_sub(1);
        let from = before.map_or(Some(0), |at| Some(place_of(at)? + u64::from(all[at].1.len)));
        let next = first + count;
        let to = if next < all.len() { place_of(next) } else { Some(size) };
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) if from < to => (from, to),
            // On one side only: as much as the run is long.
            (Some(from), _) if from < size => (from, size),
            _ => continue,
        };
        let mut at = from;
        for &index in run {
            let (offset, Block { hash, len }) = all[index];
            // An insertion or deletion before it may have shifted it.
            let slack = u64::from(len);
            let start = at.saturating_sub(slack).max(from);
            let end = (at + 2 * slack).min(to);
            if start < end {
                let range = BlockRange { offset, len, hash };
                found.push(Edited { index, range, from: start, to: end });
            }
            at += slack;
        }
    }
    found
}

/// The device that is asked for what differs.
struct From<'a> {
    context: &'a Context,
    job: &'a FetchJob,
    device: DeviceId,
    tally: &'a Tally,
}

impl From<'_> {
    /// Puts blocks together; returns them, and how many bytes the older version
    /// had. `None` if the other device has no part in it.
    async fn batch(
        &self,
        file: &StagedFile,
        base: &Base,
        batch: Vec<Edited>,
    ) -> Option<(Vec<(usize, Verified)>, u64)> {
        let ranges = batch.iter().map(|edited| edited.range).collect();
        let outlines = self.outlines(ranges).await?;
        let (place, root) = (base.place.clone(), self.context.root.clone());
        let size = file.blocks().size_bytes();
        let planned =
            tokio::task::spawn_blocking(move || plan(&root, &place, size, batch, outlines));
        let plans = planned.await.ok().flatten()?;
        let wanted: Vec<_> = plans.iter().flat_map(|plan| plan.wanted.iter().copied()).collect();
        let saved = plans.iter().map(|plan| plan.saved).sum();
        let mut fetched = VecDeque::with_capacity(wanted.len());
        for ranges in wanted.chunks(BATCH_PIECES) {
            fetched.extend(self.fetch(ranges.to_vec()).await?);
        }
        let mut blocks = Vec::with_capacity(plans.len());
        for plan in plans {
            let came: Vec<_> = fetched.drain(..plan.wanted.len()).collect();
            let mut bytes = Vec::with_capacity(plan.range.len as usize);
            for part in &plan.parts {
                bytes.extend_from_slice(match *part {
                    Part::Known(start, end) => &plan.known[start..end],
                    Part::Wanted(number) => came[number].bytes(),
                });
            }
            match Verified::new(bytes, plan.range.hash) {
                Ok(block) => blocks.push((plan.index, block)),
                Err(_) => {
                    // Every piece is what it was said to be; the block is not.
                    let conduct = &self.context.hub.conduct;
                    conduct.strike(self.device, Offence::WrongBytes, std::time::Instant::now());
                    return None;
                }
            }
        }
        Some((blocks, saved))
    }

    fn request(&self, blocks: Vec<BlockRange>, outlines: bool) -> Bytes {
        let (path, content) = (self.job.path.clone(), self.job.content);
        let file = FileBlocks { path, content, blocks };
        let body =
            if outlines { RequestBody::Outlines(file) } else { RequestBody::Blocks(vec![file]) };
        let request = Request { folder: self.context.folder.id.clone(), body };
        Bytes::from(encode_request(&request))
    }

    async fn ask(&self, request: Bytes) -> Option<Answer<'_>> {
        let link = self.context.hub.links.get(self.device)?;
        let response = link.connection.request(request).await.ok()?;
        Some(Answer::new(self.context, self.device, response).counted_by(self.tally))
    }

    /// What the blocks consist of.
    async fn outlines(&self, ranges: Vec<BlockRange>) -> Option<Vec<Vec<Block>>> {
        let lengths: Vec<_> = ranges.iter().map(|range| range.len).collect();
        let mut answer = self.ask(self.request(ranges, true)).await?;
        let mut outlines = Vec::with_capacity(lengths.len());
        for len in lengths {
            let mut status = [0];
            answer.read_exact(&mut status).await.ok()?;
            if status != [0] {
                return None;
            }
            let mut count = [0; 2];
            answer.read_exact(&mut count).await.ok()?;
            let count = u16::from_be_bytes(count);
            if count > MOST_PIECES {
                answer.offence(Offence::WrongBytes);
                return None;
            }
            let mut outline = Vec::with_capacity(count.into());
            let mut bytes = [0; 36];
            for _ in 0..count {
                answer.read_exact(&mut bytes).await.ok()?;
                let (hash, piece) = bytes.split_at(32);
                let hash = BlockHash::from_bytes(hash.try_into().ok()?);
                outline.push(Block { hash, len: u32::from_be_bytes(piece.try_into().ok()?) });
            }
            let total: u64 = outline.iter().map(|piece| u64::from(piece.len)).sum();
            if total != u64::from(len) || outline.iter().any(|piece| piece.len == 0) {
                answer.offence(Offence::WrongBytes);
                return None;
            }
            outlines.push(outline);
        }
        Some(outlines)
    }

    async fn fetch(&self, ranges: Vec<BlockRange>) -> Option<Vec<Verified>> {
        let mut answer = self.ask(self.request(ranges.clone(), false)).await?;
        let mut fetched = Vec::with_capacity(ranges.len());
        for range in &ranges {
            fetched.push(answer.block(range.len.into(), &range.hash).await.ok()??);
        }
        let bytes = ranges.iter().map(|range| u64::from(range.len)).sum();
        self.context.folder.count_received(bytes);
        Some(fetched)
    }
}

/// How a block is put together.
struct Plan {
    index: usize,
    range: BlockRange,
    /// What the older version has in its place.
    known: Vec<u8>,
    parts: Vec<Part>,
    wanted: Vec<BlockRange>,
    saved: u64,
}

fn plan(
    root: &driftless_fs::Root,
    place: &LocalPlace,
    size: u64,
    batch: Vec<Edited>,
    outlines: Vec<Vec<Block>>,
) -> Option<Vec<Plan>> {
    let base = driftless_fs::small::open(root, place).ok()?;
    let mut plans = Vec::with_capacity(batch.len());
    for (edited, outline) in batch.into_iter().zip(outlines) {
        let Edited { index, range, from, to } = edited;
        let mut known = vec![0; usize::try_from(to - from).ok()?];
        base.read_exact_at(&mut known, from).ok()?;
        let mut places = BTreeMap::new();
        let mut start = 0;
        for piece in pieces(&known, range.len) {
            let end = start + piece.len as usize;
            places.insert(piece.hash, (start, end));
            start = end;
        }
        let mut plan =
            Plan { index, range, known, parts: Vec::new(), wanted: Vec::new(), saved: 0 };
        let mut offset = range.offset;
        for Block { hash, len } in outline {
            match places.get(&hash) {
                Some(&(start, end)) if end - start == len as usize => {
                    plan.parts.push(Part::Known(start, end));
                    plan.saved += u64::from(len);
                }
                _ => {
                    plan.parts.push(Part::Wanted(plan.wanted.len()));
                    plan.wanted.push(BlockRange { offset, len, hash });
                }
            }
            offset += u64::from(len);
        }
        debug_assert!(offset <= size);
        plans.push(plan);
    }
    Some(plans)
}
