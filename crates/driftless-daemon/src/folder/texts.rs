//! Keeping the small texts of a folder: a thread of its own reads from the tree
//! what the engine says that it holds, and writes it to a database.
//!
//! Never on the way of a sync: whoever has something to tell leaves it in a
//! bounded queue. A lone save is read at once; in a storm everything waits until
//! the folder is quiet, and what does not fit is found later by going through
//! the index, page by page. The database's trouble stops nothing: one that is
//! damaged is set aside, one that cannot be used is passed over.
//!
//! Decides what is read and when. What is found in the database, and what it
//! lets go of, is [`driftless_store::TextsDb`]'s.

mod keeper;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use driftless_engine::{Holding, Replaced, Settled};
use driftless_store::{IndexError, OpenError, TEXTS_BYTES, TextsDb};

pub(super) use self::keeper::Keeper;
use crate::clock::now_ms;
use crate::trouble::with_causes;

/// So many waiting jobs make a storm.
const STORM: usize = 64;

/// How long nothing may have come before a folder is quiet.
const QUIET: Duration = Duration::from_secs(1);

/// How long work waits for a quiet that does not come, as where a log grows.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most versions that wait to be read.
const MOST_HELD: usize = 4096;

/// The most of what was replaced that waits to be noted.
const MOST_WAITING: usize = 32_768;

/// How many jobs are taken at once.
const BATCH: usize = 64;

/// Something to be kept, or known of what is.
#[derive(Debug)]
pub(super) enum Job {
    /// The tree holds a version.
    Holds(Box<Holding>),
    /// A change of this device replaced a version.
    Replaced(Box<Replaced>, u64),
    /// A conflict is over.
    Settled(driftless_core::RelPath, Box<Settled>),
}

/// The small texts of one folder.
#[derive(Debug)]
pub(crate) struct Texts {
    path: PathBuf,
    database: Mutex<Database>,
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Database {
    db: Option<TextsDb>,
    /// It could not be opened, which was said.
    failed: bool,
    /// The folder is closed: it is not to be opened again.
    closed: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// How many of them are to be read.
    held: usize,
    /// When the last one came.
    last: Option<Instant>,
    /// Since when there has been something to do.
    since: Option<Instant>,
    storm: bool,
    /// The index is to be gone through, from its beginning.
    walk: bool,
    /// Counts how often a keeper began or was asked to end.
    turns: u64,
}

/// What is to be done next.
enum Next {
    /// These, of a folder that is quiet or not.
    Jobs(Vec<Job>, bool),
    /// A page of the index.
    Page,
    /// Nothing any more.
    End,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Texts {
    /// The texts in the database at `path`, which is opened when it is needed.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, database: Mutex::default(), waiting: Mutex::default(), wake: Condvar::new() }
    }

    /// Leaves something to be done. Never waits for it.
    pub(super) fn push(&self, job: Job) {
        let mut waiting = lock(&self.waiting);
        let now = Instant::now();
        waiting.last = Some(now);
        waiting.since.get_or_insert(now);
        let is_held = matches!(job, Job::Holds(_));
        if waiting.jobs.len() < MOST_WAITING {
            waiting.jobs.push_back(job);
            waiting.held += usize::from(is_held);
        } else {
            waiting.walk = true;
        }
        if waiting.held > MOST_HELD {
            // All of it is still in the tree, and in the index.
            waiting.jobs.retain(|job| !matches!(job, Job::Holds(_)));
            waiting.held = 0;
            waiting.walk = true;
        }
        waiting.storm |= waiting.jobs.len() >= STORM;
        self.wake.notify_one();
    }

    /// Asks the database; `None` if it cannot be used. Blocks.
    pub(crate) fn with<T>(
        &self,
        ask: impl FnOnce(&mut TextsDb) -> Result<T, IndexError>,
    ) -> Option<T> {
        let mut database = lock(&self.database);
        if database.db.is_none() && !database.closed {
            match self.open() {
                Ok(db) => {
                    database.db = Some(db);
                    database.failed = false;
                }
                Err(error) if !std::mem::replace(&mut database.failed, true) => {
                    let error = with_causes(&error);
                    tracing::warn!(error, "small texts are not kept");
                }
                Err(_) => {}
            }
        }
        match ask(database.db.as_mut()?) {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::warn!(%error, "the database of small texts failed");
                database.db = None;
                if matches!(error, IndexError::Corrupt(_)) {
                    self.set_aside();
                }
                None
            }
        }
    }

    fn open(&self) -> Result<TextsDb, OpenError> {
        match TextsDb::open(&self.path, TEXTS_BYTES) {
            Err(error) if error.is_corrupt() => {
                tracing::warn!("the database of small texts is damaged; beginning anew");
                self.set_aside();
                TextsDb::open(&self.path, TEXTS_BYTES)
            }
            opened => opened,
        }
    }

    /// Sets the database aside, in the place of one that was before.
    fn set_aside(&self) {
        let suffix = "damaged";
        let mut aside = self.path.clone().into_os_string();
        aside.push(format!(".{suffix}"));
        for part in ["", "-wal", "-shm"] {
            let mut path = aside.clone();
            path.push(part);
            let _ = std::fs::remove_file(path);
        }
        if let Err(error) = driftless_store::quarantine(&self.path, suffix) {
            tracing::warn!(%error, "the damaged database of small texts is in the way");
        }
    }

    /// Forgets what was replaced longer than `max_age_ms` ago.
    pub(super) fn expire(&self, max_age_ms: u64) {
        let before_ms = now_ms().saturating_sub(max_age_ms);
        self.with(|db| db.together(|db| db.expire(before_ms)));
    }

    /// Closes the database for good.
    pub(super) fn end(&self) {
        let is_unread = {
            let waiting = lock(&self.waiting);
            waiting.held > 0 || waiting.walk
        };
        let mut database = lock(&self.database);
        if let Some(db) = database.db.take().filter(|_| is_unread) {
            // What was not read in time is found by going through the index.
            if let Err(error) = db.set_complete(false) {
                tracing::debug!(%error, "what is left to read is not noted");
            }
        }
        database.closed = true;
    }

    /// Begins another keeper's turn, or nobody's: the one before ends.
    fn begin_turn(&self) -> u64 {
        let mut waiting = lock(&self.waiting);
        waiting.turns += 1;
        self.wake.notify_all();
        waiting.turns
    }

    /// Whether this turn has ended.
    fn is_over(&self, turn: u64) -> bool {
        lock(&self.waiting).turns != turn
    }

    /// Waits for something to do in this turn; `has_page` says whether a page of
    /// the index is left to go to.
    fn next(&self, turn: u64, has_page: bool) -> Next {
        let mut waiting = lock(&self.waiting);
        loop {
            if waiting.turns != turn {
                // Few jobs are done at once, so that a save right before the end is kept.
                let has_few = !waiting.jobs.is_empty() && !waiting.storm;
                return if has_few { waiting.take() } else { Next::End };
            }
            let is_due = !waiting.jobs.is_empty() || waiting.walk || has_page;
            let left = |since: Option<Instant>, time: Duration| {
                since.map_or(Duration::ZERO, |since| time.saturating_sub(since.elapsed()))
            };
            let rest = left(waiting.last, QUIET).min(left(waiting.since, PATIENCE));
            let is_hasty = !waiting.jobs.is_empty() && !waiting.storm;
            waiting = match (is_due, is_hasty || rest.is_zero()) {
                (false, _) => {
                    waiting.since = None;
                    self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner)
                }
                (true, false) => {
                    let waited = self.wake.wait_timeout(waiting, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                (true, true) => return waiting.take(),
            };
        }
    }
}

impl Waiting {
    fn take(&mut self) -> Next {
        if self.jobs.is_empty() {
            return Next::Page;
        }
        let count = self.jobs.len().min(BATCH);
        let jobs: Vec<_> = self.jobs.drain(..count).collect();
        self.held -= jobs.iter().filter(|job| matches!(job, Job::Holds(_))).count();
        let is_storm = self.storm;
        self.storm &= !self.jobs.is_empty();
        Next::Jobs(jobs, is_storm)
    }
}
