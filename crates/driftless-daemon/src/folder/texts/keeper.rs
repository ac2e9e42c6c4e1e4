//! The thread that reads what is to be kept.

use std::sync::Arc;
use std::thread::JoinHandle;

use driftless_core::{Content, FileRecord, Index, RelPath};
use driftless_engine::{Holding, SMALL_FILE_BYTES, holdings};
use driftless_fs::{LocalPlace, Root, SmallFile};
use driftless_store::{Known, Replacement};
use tokio::sync::{mpsc, oneshot};

use super::{Job, Next, Texts, lock};
use crate::clock::now_ms;
use crate::folder::{Asked, Message};

/// How many entries of the index are looked at in one go.
const PAGE: usize = 256;

/// How many files are read between two looks at whether the folder closes.
const FEW: usize = 16;

/// How many bytes are held before they are written.
const BATCH_BYTES: usize = 4 << 20;

/// How much the thread gives way to all others.
const NICE: i32 = 5;

/// The thread, for as long as its folder is open.
#[derive(Debug)]
pub(in crate::folder) struct Keeper {
    texts: Arc<Texts>,
    thread: Option<JoinHandle<()>>,
    stopped: bool,
}

/// When a content was used last.
#[derive(Clone, Copy)]
enum Used {
    /// Just now.
    Now,
    /// When its file was last modified: a storm brings old files, too.
    WhenModified,
}

/// What a keeper reads from, and how far it got in the index.
struct Reading {
    texts: Arc<Texts>,
    turn: u64,
    root: Root,
    inbox: mpsc::Sender<Message>,
    /// The index is being gone through.
    walking: bool,
    after: Option<RelPath>,
}

impl Keeper {
    /// Starts to keep what is in the tree of `root`.
    pub(in crate::folder) fn start(
        texts: Arc<Texts>,
        root: Root,
        inbox: mpsc::Sender<Message>,
    ) -> std::io::Result<Self> {
        let turn = texts.begin_turn();
        let mut reading =
            Reading { texts: Arc::clone(&texts), turn, root, inbox, walking: false, after: None };
        let thread = std::thread::Builder::new().name("texts".into()).spawn(move || {
            let own = rustix::thread::gettid();
            let _ = rustix::process::setpriority_process(Some(own), NICE);
            let complete = reading.texts.with(|db| db.is_complete());
            reading.walking = complete == Some(false);
            reading.run();
        })?;
        Ok(Self { texts, thread: Some(thread), stopped: false })
    }

    /// Asks the thread to end. What it still sends is to be drained by the caller
    /// before [`Keeper::join`].
    pub(in crate::folder) fn stop(&mut self) {
        if !std::mem::replace(&mut self.stopped, true) {
            self.texts.begin_turn();
        }
    }

    pub(in crate::folder) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub(in crate::folder) fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps small texts panicked");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Reading {
    fn run(mut self) {
        loop {
            match self.texts.next(self.turn, self.walking) {
                Next::End => return,
                Next::Jobs(jobs, is_storm) => {
                    self.take(jobs, if is_storm { Used::WhenModified } else { Used::Now });
                }
                Next::Page if self.page().is_none() => return,
                Next::Page => {}
            }
        }
    }

    /// Does what waits, in order.
    fn take(&self, jobs: Vec<Job>, used: Used) {
        let (mut read, mut bytes) = (Vec::new(), 0);
        for job in jobs {
            match job {
                Job::Holds(holding) => {
                    if let Some(text) = self.read_if_wanted(&holding, used) {
                        bytes += text.len();
                        read.push((holding, text));
                    }
                    if bytes < BATCH_BYTES {
                        continue;
                    }
                }
                Job::Replaced(replaced, at_ms) => {
                    self.keep(std::mem::take(&mut read), used);
                    let how = match replaced.deleted {
                        true => Replacement::Removed,
                        false => Replacement::Edited,
                    };
                    let what = (&replaced.path, &replaced.record.version);
                    self.texts.with(|db| db.note_replaced(what, how, at_ms, replaced.shared));
                }
                Job::Settled(path, settled) => {
                    let sides: Vec<&FileRecord> = settled.sides.iter().collect();
                    self.texts.with(|db| db.remember_base(&path, &sides));
                }
            }
            self.keep(std::mem::take(&mut read), used);
            bytes = 0;
        }
        self.keep(read, used);
    }

    /// The text that is held, if it is one, and nobody has it yet.
    fn read_if_wanted(&self, holding: &Holding, used: Used) -> Option<Vec<u8>> {
        let Holding { path, record, stat } = holding;
        let used_ms = used.at_ms(record);
        match self.texts.with(|db| db.note(path, record, used_ms))? {
            Known::Kept | Known::PassedOver => return None,
            Known::Wanted => {}
        }
        let Content::File { content, level, .. } = record.content else { return None };
        let place = LocalPlace::Path(path.clone(), *stat);
        let file = SmallFile::open(&self.root, &place, SMALL_FILE_BYTES).ok()??;
        if !file.begins_like_text().ok()? {
            return None;
        }
        // What changes while it is read is told of again.
        let bytes = file.read(content, level).ok()?;
        driftless_merge::is_text(&bytes, bytes.len()).then_some(bytes)
    }

    fn keep(&self, read: Vec<(Box<Holding>, Vec<u8>)>, used: Used) {
        if read.is_empty() {
            return;
        }
        self.texts.with(|db| {
            db.together(|db| {
                for (holding, text) in &read {
                    let Holding { path, record, .. } = &**holding;
                    db.keep(path, record, text, used.at_ms(record))?;
                }
                Ok(())
            })
        });
    }

    /// Looks at the next page of the index; `None` once the folder has closed.
    fn page(&mut self) -> Option<()> {
        if std::mem::take(&mut lock(&self.texts.waiting).walk) {
            self.texts.with(|db| db.set_complete(false));
            (self.walking, self.after) = (true, None);
        }
        if !self.walking {
            return Some(());
        }
        let (after, (answer, answered)) = (self.after.take(), oneshot::channel());
        let question = move |asked: &mut Asked<'_>| {
            let _ = answer.send(look(asked, after.as_ref()));
        };
        self.inbox.blocking_send(Message::Ask(Box::new(question))).ok()?;
        let (held, reached) = answered.blocking_recv().ok()??;
        for held in held.chunks(FEW) {
            if self.texts.is_over(self.turn) {
                return None;
            }
            let jobs = held.iter().cloned().map(Job::Holds).collect();
            self.take(jobs, Used::WhenModified);
        }
        self.walking = reached.is_some();
        self.after = reached;
        if !self.walking {
            self.texts.with(|db| db.set_complete(true));
        }
        Some(())
    }
}

impl Used {
    fn at_ms(self, record: &FileRecord) -> u64 {
        let now = now_ms();
        match (self, &record.content) {
            (Self::WhenModified, Content::File { mtime_ns, .. }) => {
                u64::try_from(mtime_ns / 1_000_000).unwrap_or(0).min(now)
            }
            _ => now,
        }
    }
}

type Page = (Vec<Box<Holding>>, Option<RelPath>);

/// What the tree holds after a path, and how far that goes.
fn look(asked: &mut Asked<'_>, after: Option<&RelPath>) -> Option<Page> {
    let page = asked.engine.index().range(None, after, PAGE).ok()?;
    let reached = (page.len() == PAGE).then(|| page.last().map(|(path, _)| path.clone())).flatten();
    let mut held = Vec::new();
    for (path, entry) in &page {
        let Some(stat) = entry.disk.as_ref().map(|disk| disk.stat) else { continue };
        let records = holdings(entry).cloned();
        held.extend(records.map(|record| Box::new(Holding { path: path.clone(), record, stat })));
    }
    Some((held, reached))
}
