//! The folder's disk worker: a thread that carries out, in order, what changes
//! the tree, and reports how it went.

use std::thread::JoinHandle;

use driftless_core::plan::Reason;
use driftless_core::{ContentId, DeviceId, RelPath, Stat, Step};
use driftless_engine::{Absence, Input};
use driftless_fs::history::Label;
use driftless_fs::{Ignore, Root};
use tokio::sync::mpsc;

use super::Message;
use crate::clock::now_ms;
use crate::trouble;

/// More than the engine ever has in flight. A channel of tokio's takes memory for what is in it, where others
/// take it for all that could be: 9 MiB for each folder.
const QUEUE: usize = 65_536;

/// Something to be done to the disk.
#[derive(Debug)]
pub(super) enum Job {
    Apply(Vec<Step>),
    ConfirmAbsent(Vec<RelPath>),
    Discard(ContentId),
    Keep {
        content: ContentId,
        path: RelPath,
    },
    /// `twin` is the tree's file at the path, if it holds the same.
    Release {
        content: ContentId,
        path: RelPath,
        by: DeviceId,
        reason: Reason,
        twin: Option<Stat>,
    },
}

/// The thread and its queue.
#[derive(Debug)]
pub(super) struct DiskWorker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl DiskWorker {
    pub(super) fn start(root: Root, inbox: mpsc::Sender<Message>) -> std::io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || {
            let mut rules = Ignore::new(&root);
            while let Some(job) = queue.blocking_recv() {
                let inputs = carry_out(&root, &mut rules, job);
                let is_lost = root.verify().is_err();
                if !inputs.is_empty() && inbox.blocking_send(Message::Inputs(inputs)).is_err() {
                    return;
                }
                // A look at a folder whose disk went away stops it.
                if is_lost && inbox.blocking_send(Message::Scan(None)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    pub(super) fn push(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The queue only closes with its thread, which ends with this handle.
            let _ = jobs.blocking_send(job);
        }
    }

    /// Lets the worker finish its queue; what it reports is to be drained by
    /// the caller before [`DiskWorker::join`].
    pub(super) fn stop(&mut self) {
        self.jobs = None;
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub(super) fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the disk worker panicked");
        }
    }
}

fn carry_out(root: &Root, rules: &mut Ignore, job: Job) -> Vec<Input> {
    match job {
        Job::Apply(steps) => vec![Input::Applied(driftless_fs::apply(root, steps, rules))],
        Job::ConfirmAbsent(paths) => {
            let looked = driftless_fs::confirm_absent(root, paths, rules);
            vec![Input::Absences(
                looked.into_iter().map(|(path, absence)| (path, absence_of(absence))).collect(),
            )]
        }
        Job::Discard(content) => {
            if let Err(error) = driftless_fs::staging::discard(root, content) {
                tracing::warn!(%error, "something unwanted stays in the staging area");
            }
            Vec::new()
        }
        Job::Keep { content, path } => {
            let result = driftless_fs::heads::keep(root, &content)
                .map_err(|error| trouble::problem(&path, &error));
            vec![Input::Kept { content, path, result }]
        }
        Job::Release { content, path, by, reason, twin } => {
            let label = Label {
                path: &path,
                reason: reason.into(),
                device_short: &by.short(),
                now_ms: now_ms(),
            };
            let twin = twin.map(|stat| (&path, stat));
            if let Err(error) = driftless_fs::heads::release(root, &content, &label, twin) {
                tracing::warn!(%error, "a decided version stays in the store of heads");
            }
            Vec::new()
        }
    }
}

fn absence_of(absence: driftless_fs::Absence) -> Absence {
    match absence {
        driftless_fs::Absence::Absent => Absence::Absent,
        driftless_fs::Absence::Ignored => Absence::Ignored,
        driftless_fs::Absence::Present => Absence::Present,
        driftless_fs::Absence::Unknown => Absence::Unknown,
    }
}
