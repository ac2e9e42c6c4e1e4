//! Block lists from other devices: of a list of which an older version is known,
//! only the groups that differ.
//!
//! Whatever comes is the list only if the content has its name.

use std::collections::BTreeMap;

use bytes::Bytes;
use driftless_core::block::{GROUP_BLOCKS, MAX_BLOCKS, group_hash};
use driftless_core::{Block, BlockHash, BlockList, DeviceId};
use driftless_proto::codec::{MAX_REQUEST_BLOCKS, encode_request};
use driftless_proto::{Request, RequestBody};

use super::answer::Answer;
use super::conduct::Offence;
use super::{Context, FetchJob, place_of};

/// Lists below this are sent whole.
const SHORT: usize = 256;

/// The content's block list, from the first device that has it.
pub(super) async fn ask(context: &Context, job: &FetchJob) -> Option<BlockList> {
    let older = older(context, job).await;
    for device in context.asked(&job.sources) {
        let from = From { context, job, device };
        if !older.is_empty()
            && let Some(list) = from.groups(&older).await
        {
            return Some(list);
        }
        if let Some(list) = from.whole().await {
            return Some(list);
        }
    }
    None
}

/// Lists of what this device has of the file.
async fn older(context: &Context, job: &FetchJob) -> Vec<BlockList> {
    let mut lists = Vec::new();
    for source in &job.local {
        let (_, content, size) = place_of(source);
        let known = context.known_list(content, size.unwrap_or(u64::MAX), true).await;
        lists.extend(known.filter(|list| list.blocks().len() >= SHORT));
    }
    lists
}

struct From<'a> {
    context: &'a Context,
    job: &'a FetchJob,
    device: DeviceId,
}

impl From<'_> {
    async fn answer(&self, body: RequestBody) -> Option<Answer<'_>> {
        let link = self.context.hub.links.get(self.device)?;
        let request = Request { folder: self.context.folder.id.clone(), body };
        let request = Bytes::from(encode_request(&request));
        let response = link.connection.request(request).await.ok()?;
        Some(Answer::new(self.context, self.device, response))
    }

    /// Every block but the last has at least the smallest level's minimum.
    fn most(&self) -> usize {
        let least = u64::from(driftless_core::Level::default().min_bytes());
        usize::try_from(self.job.size_bytes / least + 1)
            .map_or(MAX_BLOCKS, |most| most.min(MAX_BLOCKS))
    }

    fn check(&self, list: Option<BlockList>, answer: &Answer<'_>) -> Option<BlockList> {
        let is_right = |list: &BlockList| {
            list.content_id() == self.job.content && list.size_bytes() == self.job.size_bytes
        };
        let list = list.filter(is_right);
        if list.is_none() {
            answer.offence(Offence::WrongBytes);
        }
        list
    }

    async fn whole(&self) -> Option<BlockList> {
        let (path, content) = (self.job.path.clone(), self.job.content);
        let mut answer = self.answer(RequestBody::BlockList { path, content }).await?;
        let count = read_count(&mut answer).await?;
        let list = if count > self.most() {
            None
        } else {
            let mut blocks = Vec::with_capacity(count.min(1 << 16));
            read_blocks(&mut answer, count, &mut blocks).await?;
            BlockList::new(blocks).ok()
        };
        self.check(list, &answer)
    }

    /// The list, put together of groups that `older` lists have and others that come.
    async fn groups(&self, older: &[BlockList]) -> Option<BlockList> {
        let known: BTreeMap<BlockHash, &[Block]> = older
            .iter()
            .flat_map(BlockList::groups)
            .map(|group| (group_hash(group), group))
            .collect();
        let (path, content) = (self.job.path.clone(), self.job.content);
        let ask = |groups| RequestBody::ListGroups { path: path.clone(), content, groups };
        let mut answer = self.answer(ask(Vec::new())).await?;
        let count = read_count(&mut answer).await?;
        let mut groups = Vec::with_capacity(count.min(1 << 12));
        let mut wanted = Vec::new();
        let mut blocks = 0;
        for number in 0..count {
            let mut hash = [0; 32];
            answer.read_exact(&mut hash).await.ok()?;
            let len = read_count(&mut answer).await?;
            blocks += len;
            if len == 0 || len > GROUP_BLOCKS || blocks > self.most() {
                answer.offence(Offence::WrongBytes);
                return None;
            }
            let group = known.get(&BlockHash::from_bytes(hash)).copied();
            if group.is_none() {
                wanted.push(u32::try_from(number).ok()?);
            }
            groups.push((group, len));
        }
        if wanted.len() > MAX_REQUEST_BLOCKS || wanted.len() > count / 2 + 1 {
            return None;
        }
        if !wanted.is_empty() {
            answer = self.answer(ask(wanted)).await?;
        }
        let mut list = Vec::with_capacity(blocks);
        for (group, len) in groups {
            match group {
                Some(group) => list.extend_from_slice(group),
                None => read_blocks(&mut answer, len, &mut list).await?,
            }
        }
        self.check(BlockList::new(list).ok(), &answer)
    }
}

async fn read_count(answer: &mut Answer<'_>) -> Option<usize> {
    let mut count = [0; 4];
    answer.read_exact(&mut count).await.ok()?;
    Some(usize::try_from(u32::from_be_bytes(count)).unwrap_or(usize::MAX))
}

async fn read_blocks(answer: &mut Answer<'_>, count: usize, to: &mut Vec<Block>) -> Option<()> {
    let mut bytes = [0; 36];
    for _ in 0..count {
        answer.read_exact(&mut bytes).await.ok()?;
        let (hash, len) = bytes.split_at(32);
        let hash = BlockHash::from_bytes(hash.try_into().ok()?);
        to.push(Block { hash, len: u32::from_be_bytes(len.try_into().ok()?) });
    }
    Some(())
}
