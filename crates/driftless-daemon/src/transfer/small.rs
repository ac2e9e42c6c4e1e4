//! Small files: many to a request.

use bytes::Bytes;
use driftless_core::block::Verified;
use driftless_core::{BlockHash, DeviceId};
use driftless_engine::{FetchError, Fetched, Input};
use driftless_proto::codec::encode_request;
use driftless_proto::{BlockRange, FileBlocks, Request, RequestBody};

use super::answer::Answer;
use super::{Context, FetchJob, fetch_error};

/// The most files, and roughly the most bytes, of one request.
const FILES: usize = 256;
const BYTES: u64 = 4 << 20;

/// Splits jobs into requests.
pub(super) fn bundles(jobs: Vec<FetchJob>) -> Vec<Vec<FetchJob>> {
    let mut bundles: Vec<Vec<FetchJob>> = Vec::new();
    let mut bytes = 0;
    for job in jobs {
        let full = bundles.last().is_none_or(|bundle| bundle.len() >= FILES)
            || bytes + job.size_bytes > BYTES;
        if full {
            bundles.push(Vec::new());
            bytes = 0;
        }
        bytes += job.size_bytes;
        if let Some(bundle) = bundles.last_mut() {
            bundle.push(job);
        }
    }
    bundles
}

/// Fetches a bundle from a device and stages what came. Returns the jobs that
/// another device may have better answers to.
pub(super) async fn fetch(
    context: &Context,
    device: DeviceId,
    mut jobs: Vec<FetchJob>,
) -> Vec<FetchJob> {
    let received = receive(context, device, &jobs).await;
    let bytes = received.iter().flatten().map(|block| block.bytes().len() as u64).sum();
    context.folder.count_received(bytes);
    let root = context.root.clone();
    let paths: Vec<_> = jobs.iter().map(|job| job.path.clone()).collect();
    let staged = tokio::task::spawn_blocking(move || {
        let stage = |(path, block): (_, Option<Verified>)| match block {
            Some(block) => driftless_fs::staging::stage_verified(&root, &block)
                .map_err(|error| fetch_error(&path, &error)),
            None => Err(FetchError::NotAvailable),
        };
        paths.into_iter().zip(received).map(stage).collect::<Vec<_>>()
    });
    let Ok(staged) = staged.await else { return Vec::new() };
    let mut inputs = Vec::with_capacity(jobs.len());
    let mut left = Vec::new();
    for (mut job, result) in jobs.drain(..).zip(staged) {
        job.sources.retain(|source| *source != device);
        if matches!(result, Err(FetchError::NotAvailable)) && !job.sources.is_empty() {
            left.push(job);
            continue;
        }
        let result = result.map(|()| Fetched { blocks: None });
        inputs.push(Input::Fetched { content: job.content, result });
    }
    context.folder.inputs(inputs).await;
    left
}

/// The files of the bundle, as far as they came, verified.
async fn receive(context: &Context, device: DeviceId, jobs: &[FetchJob]) -> Vec<Option<Verified>> {
    let mut received = vec![None; jobs.len()];
    // It may have lost its good standing while the bundle waited for its turn.
    let Some(link) = context.hub.links.get(device).filter(|_| context.may_ask(device)) else {
        return received;
    };
    let block = |job: &FetchJob| BlockRange {
        offset: 0,
        len: u32::try_from(job.size_bytes).unwrap_or(u32::MAX),
        hash: BlockHash::from_bytes(*job.content.as_bytes()),
    };
    let file = |job: &FetchJob| FileBlocks {
        path: job.path.clone(),
        content: job.content,
        blocks: vec![block(job)],
    };
    let body = RequestBody::Blocks(jobs.iter().map(file).collect());
    let request = Request { folder: context.folder.id.clone(), body };
    let paths = jobs.iter().map(|job| job.path.clone()).collect();
    let bytes = jobs.iter().map(|job| job.size_bytes).sum();
    let ticket = context.receiving(vec![device], (paths, bytes, 0));
    let Ok(response) = link.connection.request(Bytes::from(encode_request(&request))).await else {
        return received;
    };
    let mut answer = Answer::new(context, device, response).counted_by(&ticket.tally);
    for (place, (job, slot)) in jobs.iter().zip(&mut received).enumerate() {
        ticket.tally.turn_to(place);
        match answer.block(job.size_bytes, &block(job).hash).await {
            Ok(block) => *slot = block,
            Err(error) => {
                tracing::debug!(device = %device.short(), %error, "a bundle broke off");
                break;
            }
        }
    }
    received
}
