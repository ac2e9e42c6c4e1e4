//! Staging the contents that the engine asks for.
//!
//! What this device already has is copied first. Small files travel many to a
//! request; large ones block by block from every device that has them. Every
//! block is verified before it is written, and a transfer that breaks off goes
//! on where it stopped.

mod answer;
mod conduct;
mod large;
mod list;
mod refine;
mod small;
mod underway;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use driftless_control::api::Direction;
use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::{BlockList, ContentId, DeviceId, RelPath};
use driftless_engine::{FetchError, Fetched, Input, LocalSource};
use driftless_fs::{LocalPlace, Root, StageError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::folder::Shared;
use crate::hub::Hub;
use crate::trouble;

pub(crate) use self::conduct::Conduct;
pub(crate) use self::underway::{Load, Shown, Ticket, Underway};

/// More than the engine ever has in flight.
const QUEUE: usize = 8192;

/// How many requests for small files to one device are under way at once.
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
    /// Those of `sources` that may be asked.
    fn asked(&self, sources: &[DeviceId]) -> Vec<DeviceId> {
        sources.iter().copied().filter(|device| self.may_ask(*device)).collect()
    }

    fn may_ask(&self, device: DeviceId) -> bool {
        self.hub.conduct.is_asked(device, Instant::now())
    }

    /// Takes note of what begins to come in.
    fn receiving(&self, devices: Vec<DeviceId>, load: (Vec<RelPath>, u64, u64)) -> Ticket {
        let (folder, direction) = (self.folder.id.clone(), Direction::Receiving);
        let (paths, bytes, done_bytes) = load;
        let load = Load { folder, direction, devices, paths, bytes, done_bytes };
        self.hub.underway.begin(load, Instant::now())
    }

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

/// How a task for transfers ends.
enum Ended {
    Large,
    /// A device is done with so many small files; others are to be asked for the rest.
    Bundle {
        device: DeviceId,
        files: usize,
        left: Vec<FetchJob>,
    },
}

/// The transfers of a folder that are under way.
struct Transfers {
    context: Context,
    tasks: JoinSet<Ended>,
    large: Arc<Semaphore>,
    /// For each device its bundles, and how many files it was asked for. Slow
    /// devices hold up nobody else.
    asked: BTreeMap<DeviceId, (Arc<Semaphore>, usize)>,
}

async fn run(context: Context, mut queue: mpsc::Receiver<FetchJob>) {
    let large = Arc::new(Semaphore::new(LARGE_AT_ONCE));
    let (tasks, asked) = (JoinSet::new(), BTreeMap::new());
    let mut transfers = Transfers { context, tasks, large, asked };
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = queue.recv_many(&mut batch, QUEUE) => {
                if count == 0 {
                    break;
                }
                transfers.start(std::mem::take(&mut batch));
            }
            Some(ended) = transfers.tasks.join_next() => {
                if let Ok(Ended::Bundle { device, files, left }) = ended {
                    transfers.done(device, files);
                    transfers.start(left);
                }
            }
        }
    }
    // The folder has closed: what is under way has nobody to report to.
    transfers.tasks.shutdown().await;
}

impl Transfers {
    fn start(&mut self, jobs: Vec<FetchJob>) {
        let mut small: BTreeMap<DeviceId, Vec<FetchJob>> = BTreeMap::new();
        for job in jobs {
            let is_small = job.size_bytes <= SINGLE_BLOCK_BYTES && job.size_bytes > 0;
            let sources = self.context.asked(&job.sources);
            let source = sources.into_iter().filter(|_| is_small && !job.is_here());
            match source.min_by_key(|device| self.files_asked(*device)) {
                Some(source) => {
                    self.entry(source).1 += 1;
                    small.entry(source).or_default().push(job);
                }
                None => self.start_large(job),
            }
        }
        for (device, jobs) in small {
            for bundle in small::bundles(jobs) {
                let (context, files) = (self.context.clone(), bundle.len());
                let bundles = Arc::clone(&self.entry(device).0);
                self.tasks.spawn(async move {
                    let left = match bundles.acquire().await {
                        Ok(_permit) => small::fetch(&context, device, bundle).await,
                        Err(_) => Vec::new(),
                    };
                    Ended::Bundle { device, files, left }
                });
            }
        }
    }

    fn start_large(&mut self, job: FetchJob) {
        let (context, large) = (self.context.clone(), Arc::clone(&self.large));
        self.tasks.spawn(async move {
            if let Ok(_permit) = large.acquire().await {
                let content = job.content;
                let result = large::fetch(&context, job).await;
                context.report(content, result).await;
            }
            Ended::Large
        });
    }

    fn files_asked(&self, device: DeviceId) -> usize {
        self.asked.get(&device).map_or(0, |(_, files)| *files)
    }

    fn entry(&mut self, device: DeviceId) -> &mut (Arc<Semaphore>, usize) {
        let fresh = || (Arc::new(Semaphore::new(BUNDLES_AT_ONCE)), 0);
        self.asked.entry(device).or_insert_with(fresh)
    }

    fn done(&mut self, device: DeviceId, files: usize) {
        let (_, asked) = self.entry(device);
        *asked = asked.saturating_sub(files);
        if *asked == 0 {
            self.asked.remove(&device);
        }
    }
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
