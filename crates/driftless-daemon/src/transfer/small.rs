//! Small files: many to a request.

use bytes::Bytes;
use driftless_core::{BlockHash, DeviceId};
use driftless_engine::{FetchError, Fetched, Input};
use driftless_net::{Response, ResponseError};
use driftless_proto::codec::encode_request;
use driftless_proto::{BlockRange, FileBlocks, Request, RequestBody};

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

/// Fetches a bundle from a device and stages what came.
pub(super) async fn fetch(context: &Context, device: DeviceId, mut jobs: Vec<FetchJob>) {
    let received = receive(context, device, &jobs).await;
    let bytes = received.iter().flatten().map(|bytes| bytes.len() as u64).sum();
    context.folder.count_received(bytes);
    let root = context.root.clone();
    let contents: Vec<_> = jobs.iter().map(|job| (job.content, job.path.clone())).collect();
    let staged = tokio::task::spawn_blocking(move || {
        let stage = |((content, path), bytes): (_, Option<Vec<u8>>)| match bytes {
            Some(bytes) => driftless_fs::staging::stage_small(&root, &content, &bytes)
                .map_err(|error| fetch_error(&path, &error)),
            None => Err(FetchError::NotAvailable),
        };
        contents.into_iter().zip(received).map(stage).collect::<Vec<_>>()
    });
    let Ok(staged) = staged.await else { return };
    let mut inputs = Vec::with_capacity(jobs.len());
    for (job, result) in jobs.drain(..).zip(staged) {
        let result = result.map(|()| Fetched { blocks: None });
        inputs.push(Input::Fetched { content: job.content, result });
    }
    context.folder.inputs(inputs).await;
}

/// The files of the bundle, as far as they came; unverified.
async fn receive(context: &Context, device: DeviceId, jobs: &[FetchJob]) -> Vec<Option<Vec<u8>>> {
    let mut received = vec![None; jobs.len()];
    let Some(link) = context.hub.links.get(device) else { return received };
    let file = |job: &FetchJob| FileBlocks {
        path: job.path.clone(),
        content: job.content,
        blocks: vec![BlockRange {
            offset: 0,
            len: u32::try_from(job.size_bytes).unwrap_or(u32::MAX),
            hash: BlockHash::from_bytes(*job.content.as_bytes()),
        }],
    };
    let body = RequestBody::Blocks(jobs.iter().map(file).collect());
    let request = Request { folder: context.folder.id.clone(), body };
    let Ok(mut response) = link.connection.request(Bytes::from(encode_request(&request))).await
    else {
        return received;
    };
    for (job, slot) in jobs.iter().zip(&mut received) {
        match read_block(context, &mut response, job.size_bytes).await {
            Ok(bytes) => *slot = bytes,
            Err(error) => {
                tracing::debug!(device = %device.short(), %error, "a bundle broke off");
                break;
            }
        }
    }
    received
}

/// Reads the answer to one block of `len` bytes; `None` if the device does not have it.
pub(super) async fn read_block(
    context: &Context,
    response: &mut Response,
    len: u64,
) -> Result<Option<Vec<u8>>, ResponseError> {
    let mut status = [0];
    response.read_exact(&mut status).await?;
    if status != [0] {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    context.hub.receiving.pass(bytes.len()).await;
    response.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}
