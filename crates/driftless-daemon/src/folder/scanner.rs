//! Which parts of the tree are to be scanned, and scanning them one after the other.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use driftless_core::{RelPath, ScanBatch};
use driftless_engine::Input;
use driftless_fs::{Ignore, Root, RootError, Scope};
use tokio::sync::mpsc;

use super::Message;

/// From how many scopes on a full scan is no more work.
const MANY_SCOPES: usize = 10_000;

/// How many batches of a scan wait to be taken up at the most: what is found
/// faster than it is compared takes up no more memory than that.
const MOST_WAITING: usize = 4;

/// Holds a scan back while the engine has enough to read, or to compare.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// How many batches were let through and not yet taken up.
    waiting: usize,
    /// Nobody takes up any more; nothing is held back.
    ended: bool,
}

impl Gate {
    /// Opens or closes the gate.
    pub(super) fn set_closed(&self, closed: bool) {
        self.change(|state| state.closed = closed);
    }

    /// Notes that so many batches were taken up.
    pub(super) fn taken(&self, batches: usize) {
        if batches > 0 {
            self.change(|state| state.waiting = state.waiting.saturating_sub(batches));
        }
    }

    fn end(&self) {
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn pass(&self) {
        let is_held =
            |state: &mut State| !state.ended && (state.closed || state.waiting >= MOST_WAITING);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.changed.wait_while(state, is_held);
        passed.unwrap_or_else(PoisonError::into_inner).waiting += 1;
    }
}

/// What is to be scanned, and the scan that runs.
#[derive(Debug)]
pub(super) struct Scanner {
    root: Root,
    inbox: mpsc::Sender<Message>,
    gate: Arc<Gate>,
    stop: Arc<AtomicBool>,
    rules: Arc<Mutex<Ignore>>,
    full_due: bool,
    due: BTreeSet<(Option<RelPath>, bool)>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    full: bool,
    thread: JoinHandle<()>,
}

impl Scanner {
    pub(super) fn new(root: Root, inbox: mpsc::Sender<Message>, gate: Arc<Gate>) -> Self {
        let rules = Arc::new(Mutex::new(Ignore::new(&root)));
        let stop = Arc::default();
        Self {
            root,
            inbox,
            gate,
            stop,
            rules,
            full_due: false,
            due: BTreeSet::new(),
            running: None,
        }
    }

    /// Notes that these, or everything, should be scanned.
    pub(super) fn request(&mut self, scopes: Option<Vec<Scope>>) {
        match scopes {
            Some(scopes) if self.due.len() + scopes.len() <= MANY_SCOPES => {
                self.due.extend(scopes.into_iter().map(|scope| (scope.path, scope.recursive)));
            }
            _ => self.full_due = true,
        }
    }

    /// Whether a scan runs or is due.
    pub(super) fn is_busy(&self) -> bool {
        self.running.is_some() || self.full_due || !self.due.is_empty()
    }

    /// Whether the scan that has just ended covered everything.
    pub(super) fn ended(&mut self) -> bool {
        let Some(running) = self.running.take() else { return false };
        if running.thread.join().is_err() {
            tracing::error!("a scan panicked");
        }
        running.full
    }

    /// Starts what is due, unless a scan runs. Returns whether one began that is full.
    pub(super) fn start_due(&mut self) -> Option<bool> {
        if self.running.is_some() || (!self.full_due && self.due.is_empty()) {
            return None;
        }
        let full = std::mem::take(&mut self.full_due);
        let due = std::mem::take(&mut self.due);
        let scopes: Vec<Scope> = if full {
            vec![Scope { path: None, recursive: true }]
        } else {
            due.into_iter().map(|(path, recursive)| Scope { path, recursive }).collect()
        };
        let (root, inbox, rules) = (self.root.clone(), self.inbox.clone(), Arc::clone(&self.rules));
        let (gate, stop) = (Arc::clone(&self.gate), Arc::clone(&self.stop));
        let scan = move || {
            let rules = rules.lock().unwrap_or_else(PoisonError::into_inner);
            let mut emit = |batch: ScanBatch| {
                gate.pass();
                let _ = inbox.blocking_send(Message::Inputs(vec![Input::Scanned(batch)]));
            };
            let result: Result<(), RootError> =
                driftless_fs::scan(&root, &scopes, &rules, &stop, &mut emit);
            let _ = inbox.blocking_send(Message::ScanEnded(result));
        };
        match std::thread::Builder::new().name("scan".into()).spawn(scan) {
            Ok(thread) => {
                self.running = Some(Running { full, thread });
                Some(full)
            }
            Err(error) => {
                tracing::warn!(%error, "could not start a scan");
                self.full_due = true;
                None
            }
        }
    }

    /// Whether the ignore rules differ from those of the scan before.
    pub(super) fn rules_changed(&self) -> bool {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).changed()
    }

    /// Asks the running scan to end early. What it still sends is to be drained
    /// by the caller before [`Scanner::join`].
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.gate.end();
    }

    /// Whether a scan's thread is still at work.
    pub(super) fn is_running(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.thread.is_finished())
    }

    /// Waits for the running scan.
    pub(super) fn join(&mut self) {
        self.ended();
    }
}
