//! What happened, remembered across restarts, for people.
//!
//! Never on the way of a sync: whoever has something to tell leaves it in
//! memory, and a thread of its own writes it down at most once a second. What a
//! storm tells alike within a short while is one bundle. A crash takes what was
//! not written; a database that is damaged or cannot be written is set aside or
//! passed over, and stops nothing.

mod bundle;
mod decision;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use driftless_control::api::EventBody;
use driftless_store::{ActivityDb, Decision, Happened, IndexError, OpenError};

use self::bundle::Bundle;
pub(crate) use self::bundle::Told;
pub(crate) use self::decision::Decided;
use crate::clock::now_ms;

/// At least so long lies between two writes.
const PAUSE: Duration = Duration::from_secs(1);

/// The most bundles and decisions that wait to be written; the oldest go first.
const MOST_WAITING: usize = 1024;

/// What is remembered of what happened.
#[derive(Debug)]
pub(crate) struct Activity {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Locked before `waiting`, where both are.
    database: Mutex<Option<Open>>,
    /// It could not be written last time, which was said.
    is_failing: AtomicBool,
}

#[derive(Debug)]
struct Open {
    db: ActivityDb,
    next_id: u64,
}

/// What is still to be written, and what may still grow.
#[derive(Debug, Default)]
struct Waiting {
    bundles: Vec<Bundle>,
    /// By the conflict's ID.
    decisions: Vec<(String, Decided)>,
    is_news: bool,
    closing: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Activity {
    /// Starts the thread that writes to the database at `path`.
    pub(crate) fn start(path: PathBuf) -> std::io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            path,
            waiting: Mutex::default(),
            wake: Condvar::new(),
            database: Mutex::default(),
            is_failing: AtomicBool::new(false),
        });
        let writer = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("activity".into()).spawn(move || writer.run())?;
        Ok(Arc::new(Self { shared, thread: Mutex::new(Some(thread)) }))
    }

    /// Remembers something, if people will want to know of it later.
    pub(crate) fn record(&self, at_ms: u64, body: &EventBody) {
        if !bundle::is_remembered(body) {
            return;
        }
        let mut waiting = lock(&self.shared.waiting);
        // Those that may still grow are the last ones.
        let grown = waiting.bundles.iter_mut().rev().any(|bundle| bundle.takes(at_ms, body));
        if !grown {
            if waiting.bundles.len() == MOST_WAITING {
                waiting.bundles.remove(0);
            }
            waiting.bundles.push(Bundle::new(at_ms, body));
        }
        waiting.is_news = true;
        self.shared.wake.notify_one();
    }

    /// Remembers how a conflict was decided, so that it can be taken back.
    pub(crate) fn decided(&self, conflict: String, decided: Decided) {
        let mut waiting = lock(&self.shared.waiting);
        if waiting.decisions.len() == MOST_WAITING {
            waiting.decisions.remove(0);
        }
        waiting.decisions.push((conflict, decided));
        waiting.is_news = true;
        self.shared.wake.notify_one();
    }

    /// How a conflict was decided last, if that is remembered. Blocks.
    pub(crate) fn decision(&self, conflict: &str) -> Option<Decided> {
        let body = self.shared.read(|db| db.decision(conflict)).flatten()?;
        serde_json::from_str(&body).ok()
    }

    /// Up to `limit` of what happened, in `folder` or anywhere, newest first, from
    /// before the number `before` on. Blocks.
    pub(crate) fn list(
        &self,
        folder: Option<&str>,
        before: Option<u64>,
        limit: usize,
    ) -> Vec<(u64, Told)> {
        let found = self.shared.read(|db| db.happened(folder, before, limit)).unwrap_or_default();
        // What a newer version wrote, and this one does not know, is passed over.
        let told =
            |happened: Happened| Some((happened.id, serde_json::from_str(&happened.body).ok()?));
        found.into_iter().filter_map(told).collect()
    }

    /// Writes down what is left and closes the database. Blocks.
    pub(crate) fn close(&self) {
        lock(&self.shared.waiting).closing = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that remembers what happened panicked");
        }
        drop(lock(&self.shared.database).take());
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let waiting = lock(&self.waiting);
            let idle = |waiting: &mut Waiting| !waiting.is_news && !waiting.closing;
            let waiting =
                self.wake.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
            drop(waiting);
            self.read(|_| Ok(()));
            let waiting = lock(&self.waiting);
            let (waiting, _) = self
                .wake
                .wait_timeout_while(waiting, PAUSE, |waiting| !waiting.closing)
                .unwrap_or_else(PoisonError::into_inner);
            if waiting.closing && !waiting.is_news {
                return;
            }
        }
    }

    /// Writes down what waits, then reads.
    fn read<T>(&self, look: impl FnOnce(&ActivityDb) -> Result<T, IndexError>) -> Option<T> {
        let mut database = lock(&self.database);
        if database.is_none() {
            *database = self.open();
        }
        let open = database.as_mut();
        let (rows, decisions) = lock(&self.waiting).take(open.as_ref().map(|open| open.next_id));
        let open = open?;
        open.next_id = rows.iter().map(|row| row.id + 1).fold(open.next_id, u64::max);
        let written = match rows.is_empty() && decisions.is_empty() {
            true => Ok(()),
            false => write(&mut open.db, &rows, decisions),
        };
        match written.and_then(|()| look(&open.db)) {
            Ok(found) => {
                self.is_failing.store(false, Ordering::Relaxed);
                Some(found)
            }
            Err(error) => {
                self.fails(&error);
                *database = None;
                lock(&self.waiting).renumber();
                if let IndexError::Corrupt(_) = error {
                    self.put_aside();
                }
                None
            }
        }
    }

    fn open(&self) -> Option<Open> {
        let mut opened = ActivityDb::open(&self.path);
        if opened.as_ref().is_err_and(OpenError::is_corrupt) {
            tracing::warn!("the database of what happened is damaged; beginning anew");
            self.put_aside();
            opened = ActivityDb::open(&self.path);
        }
        let opened = opened.and_then(|db| {
            let next_id = db.last_id()? + 1;
            Ok(Open { db, next_id })
        });
        opened.inspect_err(|error| self.fails(error)).ok()
    }

    /// Says once, until it works again, that nothing is remembered.
    fn fails(&self, error: &dyn std::fmt::Display) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "what happened cannot be written down or read");
        }
    }

    /// Sets the database aside, in the place of one that was before.
    fn put_aside(&self) {
        let suffix = "damaged";
        let aside = self.path.with_extension(format!("db.{suffix}"));
        for part in ["", "-wal", "-shm"] {
            let mut name = aside.clone().into_os_string();
            name.push(part);
            // There is none, or it will be found to be in the way.
            let _ = std::fs::remove_file(name);
        }
        if let Err(error) = driftless_store::quarantine(&self.path, suffix) {
            tracing::warn!(%error, "the damaged database of what happened is in the way");
        }
    }
}

fn write(
    db: &mut ActivityDb,
    rows: &[Happened],
    decisions: Vec<(String, Decided)>,
) -> Result<(), IndexError> {
    let mut written = Vec::with_capacity(decisions.len());
    for (conflict, mut decided) in decisions {
        // What is decided may have been brought back from an earlier decision.
        let before = db.decision(&conflict)?;
        if let Some(before) = before.and_then(|body| serde_json::from_str(&body).ok()) {
            decided.inherit(&before);
        }
        let body = serde_json::to_string(&decided).unwrap_or_default();
        written.push(Decision { conflict, body });
    }
    db.write(rows, &written)
}

impl Waiting {
    /// Takes what is to be written, numbered from `next_id` on; throws it away
    /// where it cannot be.
    fn take(&mut self, next_id: Option<u64>) -> (Vec<Happened>, Vec<(String, Decided)>) {
        self.is_news = false;
        let decisions = std::mem::take(&mut self.decisions);
        let Some(mut next_id) = next_id else {
            self.bundles.clear();
            return (Vec::new(), Vec::new());
        };
        let mut rows = Vec::new();
        for bundle in &mut self.bundles {
            rows.extend(bundle.row(&mut next_id));
        }
        let now_ms = now_ms();
        self.bundles.retain(|bundle| bundle.may_grow(now_ms));
        (rows, decisions)
    }

    /// Has what may still grow written again, to another database.
    fn renumber(&mut self) {
        self.bundles.iter_mut().for_each(Bundle::renumber);
    }
}

#[cfg(test)]
mod tests;
