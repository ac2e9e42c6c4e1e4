//! Reading files: one pool of threads for all folders.

use std::thread::JoinHandle;

use driftless_core::{Level, Problem, ProblemCode, RelPath, Stat};
use driftless_engine::{HashError, Hashed, Input};
use driftless_fs::Root;
use tokio::sync::mpsc;

use crate::folder::Message;
use crate::trouble;

/// More than all folders together ever have in flight.
const QUEUE: usize = 1 << 17;

/// A file to be read.
#[derive(Debug)]
pub(crate) struct HashJob {
    pub(crate) root: Root,
    pub(crate) inbox: mpsc::Sender<Message>,
    pub(crate) path: RelPath,
    pub(crate) stat: Stat,
    pub(crate) previous: Option<Level>,
}

/// The threads and their queue.
#[derive(Debug)]
pub(crate) struct HashPool {
    jobs: crossbeam_channel::Sender<HashJob>,
    _threads: Vec<JoinHandle<()>>,
}

impl HashPool {
    /// Starts a thread per core.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (jobs, queue) = crossbeam_channel::bounded::<HashJob>(QUEUE);
        let count = std::thread::available_parallelism().map_or(2, usize::from);
        let start = |_| {
            let queue = queue.clone();
            std::thread::Builder::new().name("hash".into()).spawn(move || {
                for job in queue {
                    let result = hash(&job);
                    let input = Input::Hashed { path: job.path, result };
                    // A folder that has closed does not care any more.
                    let _ = job.inbox.blocking_send(Message::Inputs(vec![input]));
                }
            })
        };
        let threads = (0..count).map(start).collect::<Result<_, _>>()?;
        Ok(Self { jobs, _threads: threads })
    }

    /// Has a file read; its folder hears of it.
    pub(crate) fn push(&self, job: HashJob) {
        // The queue lives as long as the pool.
        let _ = self.jobs.send(job);
    }
}

fn hash(job: &HashJob) -> Result<Hashed, HashError> {
    match driftless_fs::hash_file(&job.root, &job.path, job.stat, job.previous) {
        Ok(hashed) => Ok(Hashed {
            stat: hashed.stat,
            content: hashed.content,
            level: hashed.level,
            blocks: hashed.blocks,
        }),
        Err(driftless_fs::HashError::Unstable) => Err(HashError::Unstable),
        Err(driftless_fs::HashError::Vanished) => Err(HashError::Vanished),
        Err(driftless_fs::HashError::TooLarge(size)) => {
            let message = format!("{size} bytes are more than driftless syncs");
            Err(HashError::Unreadable(Problem {
                path: job.path.to_string(),
                code: ProblemCode::Unreadable,
                message,
            }))
        }
        Err(driftless_fs::HashError::Unreadable(error)) => {
            Err(HashError::Unreadable(trouble::problem(&job.path, &error)))
        }
    }
}
