//! Staging the contents that the engine asks for.
//!
//! What this device already has is copied first. Small files travel many to a
//! request; large ones block by block from every device that has them. Every
//! block is verified before it is written, and a transfer that breaks off goes
//! on where it stopped.

mod large;
mod small;

use std::collections::BTreeMap;
use std::sync::Arc;

use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::{BlockList, ContentId, DeviceId, RelPath};
use driftless_engine::{FetchError, Fetched, Input, LocalSource};
use driftless_fs::{LocalPlace, Root, StageError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::folder::Shared;
use crate::hub::Hub;
use crate::trouble;

/// More than the engine ever has in flight.
const QUEUE: usize = 8192;

/// How many requests for small files are under way at once.
const BUNDLES_AT_ONCE: usize = 8;

/// How many large files are under way at once.
const LARGE_AT_ONCE: usize = 3;

/// A content to be staged.
#[derive(Debug)]
pub(crate) struct FetchJob {
    pub(crate) content: ContentId,
    pub(crate) size_bytes: u64,
    /// A path that has it on the devices named.
    pub(crate) path: RelPath,
    pub(crate) sources: Vec<DeviceId>,
    pub(crate) local: Vec<LocalSource>,
}

impl FetchJob {
    fn is_here(&self) -> bool {
        self.local.iter().any(|source| match source {
            LocalSource::Path { content, .. } | LocalSource::Stored(content) => {
                *content == self.content
            }
        })
    }
}

/// What every transfer of a folder needs.
#[derive(Clone)]
struct Context {
    hub: Arc<Hub>,
    folder: Arc<Shared>,
    root: Root,
}

impl Context {
    async fn report(&self, content: ContentId, result: Result<Fetched, FetchError>) {
        self.folder.inputs(vec![Input::Fetched { content, result }]).await;
    }

    /// The block list of a content that this device knows. One that it has
    /// but whose list the index does not remember has a single block.
    async fn known_list(
        &self,
        content: ContentId,
        size_bytes: u64,
        is_here: bool,
    ) -> Option<BlockList> {
        if size_bytes <= SINGLE_BLOCK_BYTES {
            return BlockList::single(content, size_bytes);
        }
        let asked = self.folder.ask(move |asked| {
            use driftless_core::Index;
            asked.engine.index().block_list(content).ok().flatten()
        });
        let single = || BlockList::single(content, size_bytes).filter(|_| is_here);
        asked.await.flatten().or_else(single)
    }
}

/// Starts a folder's transfers; they end when the queue is dropped.
pub(crate) fn start(
    runtime: &tokio::runtime::Handle,
    hub: Arc<Hub>,
    folder: Arc<Shared>,
    root: Root,
) -> mpsc::Sender<FetchJob> {
    let (jobs, queue) = mpsc::channel(QUEUE);
    drop(runtime.spawn(run(Context { hub, folder, root }, queue)));
    jobs
}

async fn run(context: Context, mut queue: mpsc::Receiver<FetchJob>) {
    let bundles = Arc::new(Semaphore::new(BUNDLES_AT_ONCE));
    let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
    let mut tasks = JoinSet::new();
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, QUEUE).await > 0 {
        let mut small: BTreeMap<DeviceId, Vec<FetchJob>> = BTreeMap::new();
        for job in batch.drain(..) {
            let source = job.sources.first().copied().filter(|_| !job.is_here());
            match source {
                Some(source) if job.size_bytes <= SINGLE_BLOCK_BYTES && job.size_bytes > 0 => {
                    small.entry(source).or_default().push(job);
                }
                _ => {
                    let (context, large) = (context.clone(), Arc::clone(&large));
                    tasks.spawn(async move {
                        let Ok(_permit) = large.acquire().await else { return };
                        let content = job.content;
                        let result = large::fetch(&context, job).await;
                        context.report(content, result).await;
                    });
                }
            }
        }
        for (device, jobs) in small {
            for bundle in small::bundles(jobs) {
                let (context, bundles) = (context.clone(), Arc::clone(&bundles));
                tasks.spawn(async move {
                    let Ok(_permit) = bundles.acquire().await else { return };
                    small::fetch(&context, device, bundle).await;
                });
            }
        }
        while tasks.try_join_next().is_some() {}
    }
    // The folder has closed: what is under way has nobody to report to.
    tasks.shutdown().await;
}

/// What a trouble with staging means to the engine.
fn fetch_error(path: &RelPath, error: &StageError) -> FetchError {
    match error {
        StageError::DiskFull => {
            FetchError::Local(trouble::problem(path, &std::io::ErrorKind::StorageFull.into()))
        }
        StageError::Io(source) => FetchError::Local(trouble::problem(path, source)),
        StageError::Mismatch
        | StageError::WrongList
        | StageError::Incomplete(_)
        | StageError::SourceChanged => FetchError::NotAvailable,
    }
}

/// Where the disk adapter finds a local source.
fn place_of(source: &LocalSource) -> (LocalPlace, ContentId, Option<u64>) {
    match source {
        LocalSource::Path { path, stat, content } => {
            (LocalPlace::Path(path.clone(), *stat), *content, Some(stat.size_bytes))
        }
        LocalSource::Stored(content) => (LocalPlace::Head(*content), *content, None),
    }
}
