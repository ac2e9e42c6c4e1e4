//! The thread that owns a folder: it opens it, feeds the engine, and carries
//! out what the engine asks for.
//!
//! Inputs that wait together are handled in one transaction, so that a storm
//! costs few commits and a lone edit waits for nobody. The actor never waits
//! for anyone who may be waiting for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use driftless_core::{Index, Problem, ProblemCode};
use driftless_engine::{Config, Effect, Engine, Event, Input, LocalSource, Mode, StopReason};
use driftless_fs::{Ignore, Root, WatchEvent, Watcher};
use driftless_proto::{Message as Said, Received};
use driftless_store::{IndexError, SqliteIndex};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::disk::{DiskWorker, Job};
use super::durability::{self, Durability};
use super::open::{self, Opened};
use super::scanner::{Gate, Scanner};
use super::scrub::{self, Pace};
use super::texts::{Job as Keep, Keeper};
use super::{Asked, Message, Phase, Shared, View, members_of};
use crate::clock::now_ms;
use crate::config::{FolderConfig, FolderMode};
use crate::hashing::HashJob;
use crate::hub::Hub;
use crate::links::Outgoing;
use crate::transfer::{self, FetchJob};
use crate::trouble::with_causes;

/// How many messages are handled in one transaction at the most.
const BATCH: usize = 1024;

/// How long a folder that cannot be opened rests before the next try, in milliseconds.
const REOPEN_MS: u64 = 3_000;

/// How often what failed is tried again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// Without a watcher, or while the disk fails to show everything, changes are
/// looked for this often, in milliseconds.
const BLIND_RESCAN_MS: u64 = 60_000;

/// How many of the watcher's reports wait.
const WATCH_EVENTS: usize = 64;

/// How often history is thinned out, in milliseconds.
const EXPIRE_MS: u64 = 3_600_000;

/// How soon names that the disk failed to keep are looked at again, in milliseconds.
const RESYNC_MS: u64 = 5_000;

/// When it is first asked, after opening, whether files are to be read again,
/// and how often from then on, in milliseconds.
const SCRUB_MS: u64 = 1_800_000;

pub(super) struct Actor {
    hub: Arc<Hub>,
    runtime: tokio::runtime::Handle,
    config: FolderConfig,
    shared: Arc<Shared>,
    view: watch::Sender<View>,
    open: Option<Open>,
    openings: u64,
    retry_at_ms: Option<u64>,
    rescan_at_ms: u64,
    expire_at_ms: u64,
    scrub_at_ms: u64,
}

/// What an open folder consists of.
struct Open {
    engine: Engine<SqliteIndex>,
    root: Root,
    disk: DiskWorker,
    scanner: Scanner,
    gate: Arc<Gate>,
    watcher: Option<Watcher>,
    fetches: mpsc::Sender<FetchJob>,
    rules_touched: bool,
    durability: Durability,
    /// The reading again of all files, while it goes on.
    scrub: JoinSet<()>,
    keeper: Keeper,
}

impl Open {
    /// Whether one of its threads still has something to report.
    fn is_working(&self) -> bool {
        self.scanner.is_running() || !self.disk.is_finished() || !self.keeper.is_finished()
    }
}

impl Actor {
    pub(super) fn new(
        hub: Arc<Hub>,
        runtime: tokio::runtime::Handle,
        config: FolderConfig,
        shared: Arc<Shared>,
        view: watch::Sender<View>,
    ) -> Self {
        let (openings, retry_at_ms) = (0, None);
        Self {
            hub,
            runtime,
            config,
            shared,
            view,
            open: None,
            openings,
            retry_at_ms,
            rescan_at_ms: 0,
            expire_at_ms: 0,
            scrub_at_ms: 0,
        }
    }

    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let _span = tracing::info_span!("folder", id = %self.config.id).entered();
        self.open();
        let mut batch = Vec::with_capacity(64);
        while messages.blocking_recv_many(&mut batch, BATCH) > 0 {
            if self.handle(batch.drain(..)) {
                break;
            }
        }
        self.close(Some(&mut messages));
    }

    /// Handles messages that wait together. Returns whether the folder is to close.
    fn handle(&mut self, messages: impl Iterator<Item = Message>) -> bool {
        let (mut inputs, mut rooms) = (Vec::new(), Vec::new());
        let mut closing = false;
        for message in messages {
            match message {
                Message::Inputs(more) => inputs.extend(more),
                Message::Heard(input, room) => {
                    inputs.push(*input);
                    rooms.extend(room);
                }
                Message::Ask(question) => {
                    // A question sees what was said before it.
                    self.feed(std::mem::take(&mut inputs));
                    if let Some(open) = self.open.as_mut() {
                        let mut asked = Asked {
                            engine: &mut open.engine,
                            root: &open.root,
                            inputs: Vec::new(),
                            failed: None,
                        };
                        question(&mut asked);
                        inputs.append(&mut asked.inputs);
                        if let Some(error) = asked.failed {
                            self.failed(&error);
                        }
                    }
                }
                Message::Watched(event) => self.watched(event),
                Message::Scan(scopes) => self.request_scan(scopes),
                Message::ScanEnded(result) => self.scan_ended(result, &mut inputs),
                Message::Tick => self.tick(&mut inputs),
                Message::Configured(config) => self.configured(*config, &mut inputs),
                Message::Close => closing = true,
            }
        }
        self.feed(inputs);
        drop(rooms);
        self.start_scan();
        self.publish_view();
        closing
    }

    fn open(&mut self) {
        let database = super::database_of(&self.hub, &self.config.id);
        match open::open(&self.config, self.hub.device, &database) {
            Ok(opened) => match open::recover_staging(&opened).and_then(|()| self.assemble(opened))
            {
                Ok(open) => {
                    self.open = Some(open);
                    self.openings += 1;
                    self.retry_at_ms = None;
                    self.opened();
                }
                Err(error) => self.stopped(format!("it cannot be used: {error}")),
            },
            Err(error) => self.stopped(reason_of(&error)),
        }
    }

    fn assemble(&self, Opened { root, index }: Opened) -> std::io::Result<Open> {
        let config = Config {
            folder: self.config.id.clone(),
            device: self.hub.device,
            mode: mode_of(self.config.mode),
            brake: self.config.mass_change,
        };
        let inbox = &self.shared.inbox;
        let gate = Arc::<Gate>::default();
        let scanner = Scanner::new(root.clone(), inbox.clone(), Arc::clone(&gate));
        let disk = DiskWorker::start(root.clone(), inbox.clone())?;
        let fetches = transfer::start(
            &self.runtime,
            Arc::clone(&self.hub),
            Arc::clone(&self.shared),
            root.clone(),
        );
        let engine = Engine::new(index, config);
        let keeper = Keeper::start(Arc::clone(&self.shared.texts), root.clone(), inbox.clone())?;
        Ok(Open {
            engine,
            root,
            disk,
            scanner,
            gate,
            watcher: None,
            fetches,
            rules_touched: false,
            durability: Durability::default(),
            scrub: JoinSet::new(),
            keeper,
        })
    }

    /// The first things that an open folder does.
    fn opened(&mut self) {
        let Some(open) = self.open.as_mut() else { return };
        open.watcher = Some(start_watcher(&open.root, &self.shared.inbox));
        let stored = driftless_fs::heads::list(&open.root).unwrap_or_else(|error| {
            tracing::warn!(%error, "the store of heads cannot be listed");
            Vec::new()
        });
        open.scanner.request(None);
        self.scrub_at_ms = now_ms().saturating_add(SCRUB_MS);
        let number = self.openings;
        self.view.send_modify(|view| {
            view.phase = Phase::Open(number);
            view.watch_problem = None;
        });
        let members = members_of(&self.config, self.hub.device);
        self.feed(vec![Input::Started { stored }, Input::Members(members.clone())]);
        self.start_scan();
        self.publish_view();
        if number > 1 {
            // What devices said meanwhile was not heard: begin anew with them.
            self.hub.links.restart(&members);
        }
        self.hub.folders_changed();
        tracing::info!(path = %self.config.path.display(), "folder open");
    }

    /// The folder cannot go on; it is tried again by itself.
    fn stopped(&mut self, reason: String) {
        self.retry_at_ms = Some(now_ms() + REOPEN_MS);
        let is_news = self.view.borrow().phase != Phase::Stopped(reason.clone());
        if is_news {
            tracing::warn!(reason, "folder stopped");
            self.view.send_modify(|view| {
                view.phase = Phase::Stopped(reason);
                view.status = None;
                view.scanning = false;
            });
            self.hub.folder_state(&self.config.id);
            self.hub.folders_changed();
        }
        self.schedule_tick();
    }

    /// Puts everything away. What the workers still report is drained, so that
    /// they can end.
    fn close(&mut self, mut messages: Option<&mut mpsc::Receiver<Message>>) {
        let Some(mut open) = self.open.take() else { return };
        drop(open.watcher.take());
        open.scanner.stop();
        open.disk.stop();
        open.keeper.stop();
        let mut last = Vec::new();
        while open.is_working() {
            match messages.as_deref_mut().map(mpsc::Receiver::try_recv) {
                Some(Ok(Message::Inputs(inputs))) => {
                    last.extend(
                        inputs.into_iter().filter(|input| {
                            matches!(input, Input::Applied(_) | Input::Kept { .. })
                        }),
                    );
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    std::thread::park_timeout(std::time::Duration::from_millis(1))
                }
            }
        }
        open.scanner.join();
        open.disk.join();
        open.keeper.join();
        // What was applied is in the tree: say so in the index, but start nothing new.
        let _ = open.engine.handle(last, now_ms());
        if let Err(error) = open.engine.into_index().close() {
            tracing::warn!(%error, "the index was not closed in order");
        }
    }

    /// Hands inputs to the engine in one transaction and does what follows.
    fn feed(&mut self, mut inputs: Vec<Input>) {
        while !inputs.is_empty() {
            inputs = self.feed_once(inputs);
        }
    }

    /// As [`Self::feed`]; returns what came of it at once.
    fn feed_once(&mut self, mut inputs: Vec<Input>) -> Vec<Input> {
        let Some(open) = self.open.as_mut() else { return Vec::new() };
        let mut batches = 0;
        for input in &mut inputs {
            match input {
                Input::ScanStarted { full: true } => open.durability = Durability::default(),
                Input::Scanned(batch) => {
                    batches += 1;
                    let index = open.engine.index();
                    let kept = open.durability.keep_names(&open.root, index, batch);
                    if !kept {
                        self.rescan_at_ms = self.rescan_at_ms.min(now_ms() + RESYNC_MS);
                    }
                }
                _ => {}
            }
        }
        for input in &inputs {
            tracing::trace!(?input, "in");
        }
        match open.engine.handle(inputs, now_ms()) {
            Ok(mut effects) => {
                for effect in &effects {
                    tracing::trace!(?effect, "out");
                }
                open.gate.set_closed(open.engine.is_saturated());
                open.gate.taken(batches);
                if open.engine.index().totals().conflicts > 0 {
                    self.hub.call_policies();
                }
                let unkept = durability::keep_contents(&open.root, &mut open.engine, &mut effects);
                for effect in effects {
                    self.execute(effect);
                }
                unkept
            }
            Err(error) => {
                self.failed(&error);
                Vec::new()
            }
        }
    }

    /// The index cannot be used any more.
    fn failed(&mut self, error: &IndexError) {
        tracing::error!(%error, "the index failed");
        // Not closed in order, so that the next opening looks through all of it.
        drop(self.abandon());
        if let IndexError::Corrupt(_) = error {
            // What was found may be where no check looks.
            let database = super::database_of(&self.hub, &self.config.id);
            if let Err(failed) = open::put_aside(&database, error) {
                tracing::error!(%failed, "the damaged database could not be put aside");
            }
        }
        self.stopped(format!("its database failed: {error}; it will be opened again"));
    }

    /// Drops a folder whose index or root failed. Its workers find their inbox
    /// full or themselves unheard; both end with what they are doing.
    fn abandon(&mut self) -> Option<SqliteIndex> {
        let mut open = self.open.take()?;
        open.scanner.stop();
        open.disk.stop();
        Some(open.engine.into_index())
    }

    fn execute(&mut self, effect: Effect) {
        let Some(open) = self.open.as_mut() else { return };
        match effect {
            Effect::SendIndex(device, update) => {
                self.hub.links.send(device, Outgoing::Index(Arc::clone(&self.shared), update));
            }
            Effect::SendReceived { device, epoch, sequence } => {
                let received = Received { folder: self.config.id.clone(), epoch, sequence };
                self.hub.links.send(device, Outgoing::Message(Said::Received(received)));
            }
            Effect::Disconnect { device, reason } => {
                tracing::warn!(device = %device.short(), reason, "the device breaks the rules; closing its connection");
                self.hub.links.violation(device);
            }
            Effect::Reintroduce { reason } => {
                tracing::warn!(reason, "beginning anew with every device");
                self.hub.links.restart(&members_of(&self.config, self.hub.device));
            }
            Effect::Hash { path, stat, previous, is_durable: _ } => {
                let (root, inbox) = (open.root.clone(), self.shared.inbox.clone());
                self.hub.hashing.push(HashJob { root, inbox, path, stat, previous });
            }
            Effect::ConfirmAbsent(paths) => open.disk.push(Job::ConfirmAbsent(paths)),
            Effect::Apply(steps) => open.disk.push(Job::Apply(steps)),
            Effect::Discard(content) => open.disk.push(Job::Discard(content)),
            Effect::Keep { content, path } => open.disk.push(Job::Keep { content, path }),
            Effect::Release { content, path, by, reason } => {
                let twin = match open.engine.locate(&path, content) {
                    Ok(Some(LocalSource::Path { stat, .. })) => Some(stat),
                    _ => None,
                };
                open.disk.push(Job::Release { content, path, by, reason, twin });
            }
            Effect::Rescan(paths) => {
                let scope = |path| driftless_fs::Scope { path: Some(path), recursive: true };
                open.scanner.request(Some(paths.into_iter().map(scope).collect()));
            }
            Effect::Fetch { content, size_bytes, path, sources, local } => {
                let job = FetchJob { content, size_bytes, path, sources, local };
                if let Err(error) = open.fetches.try_send(job) {
                    tracing::error!(%error, "more fetches than are allowed in flight");
                }
            }
            Effect::Holds(holding) => self.shared.texts.push(Keep::Holds(holding)),
            Effect::Replaced(replaced) => {
                self.shared.texts.push(Keep::Replaced(replaced, now_ms()));
            }
            Effect::Publish(event) => self.publish(event),
        }
    }

    fn publish(&mut self, event: Event) {
        if let Event::Synced { path, .. } | Event::Changed { path, .. } = &event
            && path.name() == driftless_fs::ignore::IGNORE_FILE
            && let Some(open) = self.open.as_mut()
        {
            open.rules_touched = true;
            open.scanner.request(None);
        }
        if let Event::ConflictResolved { path, settled: Some(settled) } = &event {
            self.shared.texts.push(Keep::Settled(path.clone(), settled.clone()));
        }
        self.hub.folder_event(&self.config.id, event);
    }

    fn watched(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Changed(scopes) => self.request_scan(Some(scopes)),
            WatchEvent::Rescan => self.request_scan(None),
            WatchEvent::Degraded(message) => {
                let message = format!("{message}; changes are looked for every minute");
                let problem = Problem { path: String::new(), code: ProblemCode::Watch, message };
                self.view.send_modify(|view| view.watch_problem = Some(problem));
                self.rescan_at_ms = self.rescan_at_ms.min(now_ms() + BLIND_RESCAN_MS);
                self.schedule_tick();
            }
        }
    }

    fn request_scan(&mut self, scopes: Option<Vec<driftless_fs::Scope>>) {
        if let Some(open) = self.open.as_mut() {
            open.scanner.request(scopes);
        }
    }

    fn start_scan(&mut self) {
        let Some(open) = self.open.as_mut() else { return };
        let Some(full) = open.scanner.start_due() else { return };
        let mut inputs = Vec::new();
        if full && std::mem::take(&mut open.rules_touched) {
            inputs.push(Input::RulesChanged);
        }
        inputs.push(Input::ScanStarted { full });
        if full {
            self.view.send_modify(|view| view.scans_begun += 1);
        }
        self.feed(inputs);
    }

    fn scan_ended(&mut self, result: Result<(), driftless_fs::RootError>, inputs: &mut Vec<Input>) {
        let Some(open) = self.open.as_mut() else { return };
        let full = open.scanner.ended();
        inputs.push(Input::ScanFinished { complete: result.is_ok() });
        if let Err(error) = result {
            self.feed(std::mem::take(inputs));
            if let Some(index) = self.abandon() {
                let _ = index.close();
            }
            self.stopped(root_reason(&error));
            return;
        }
        if full && open.scanner.rules_changed() {
            open.rules_touched = true;
            open.scanner.request(None);
        }
        self.feed(std::mem::take(inputs));
        let Some(open) = self.open.as_mut() else { return };
        let status = open.engine.status();
        let has = |code| status.problems.iter().any(|problem| problem.code == code);
        let (closed, failing) = (has(ProblemCode::Unreadable), has(ProblemCode::Io));
        if !full && status.scan_incomplete && !closed && !failing {
            // What could not be read is read now: only a look at everything says so.
            open.scanner.request(None);
        }
        if full {
            let watch_problem = self.view.borrow().watch_problem.is_some();
            let blind = watch_problem || (status.scan_incomplete && failing);
            let interval = self
                .config
                .rescan
                .map(|interval| u64::try_from(interval.as_millis()).unwrap_or(u64::MAX));
            let interval = if blind {
                Some(BLIND_RESCAN_MS.min(interval.unwrap_or(u64::MAX)))
            } else {
                interval
            };
            self.rescan_at_ms =
                interval.map_or(u64::MAX, |interval| now_ms().saturating_add(interval));
            self.view.send_modify(|view| {
                view.scans_ended = view.scans_begun;
                view.last_scan_ms = Some(now_ms());
            });
        }
    }

    fn tick(&mut self, inputs: &mut Vec<Input>) {
        let now = now_ms();
        if self.open.is_none() {
            if self.retry_at_ms.is_some_and(|at| at <= now || at > now + REOPEN_MS) {
                self.open();
            }
            return;
        }
        if now >= self.rescan_at_ms {
            self.rescan_at_ms = u64::MAX;
            self.request_scan(None);
        }
        if now >= self.expire_at_ms || self.expire_at_ms > now.saturating_add(EXPIRE_MS) {
            self.expire_at_ms = now + EXPIRE_MS;
            self.expire_history();
        }
        if now >= self.scrub_at_ms || self.scrub_at_ms > now.saturating_add(SCRUB_MS) {
            self.scrub_at_ms = now + SCRUB_MS;
            self.scrub_if_due();
        }
        inputs.push(Input::Tick);
    }

    fn scrub_if_due(&mut self) {
        let Some(open) = self.open.as_mut() else { return };
        while open.scrub.try_join_next().is_some() {}
        let mut asked =
            Asked { engine: &mut open.engine, root: &open.root, inputs: Vec::new(), failed: None };
        let is_due = self.config.scrub.is_some_and(|every| scrub::is_due(&mut asked, every));
        if is_due && open.scrub.is_empty() {
            let shared = Arc::clone(&self.shared);
            let reading = async move {
                if let Some(done) = scrub::run(&shared, Pace::Gentle).await {
                    tracing::info!(done.files, done.bytes, "read all files again");
                }
            };
            open.scrub.spawn_on(reading, &self.runtime);
        }
    }

    fn expire_history(&self) {
        let Some(open) = &self.open else { return };
        let history = self.config.history;
        let days = if history.enabled { u64::from(history.days) } else { 0 };
        let (root, max_bytes) = (open.root.clone(), history.max_bytes.unwrap_or(u64::MAX));
        let texts = Arc::clone(&self.shared.texts);
        drop(self.runtime.spawn_blocking(move || {
            texts.expire(days * 86_400_000);
            match driftless_fs::history::expire(&root, now_ms(), days * 86_400_000, max_bytes) {
                Ok(expired) if expired.files > 0 => {
                    tracing::info!(
                        files = expired.files,
                        bytes = expired.bytes,
                        "thinned out history"
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "history cannot be thinned out"),
            }
        }));
    }

    fn configured(&mut self, config: FolderConfig, inputs: &mut Vec<Input>) {
        inputs.push(Input::Members(members_of(&config, self.hub.device)));
        let is_kept_otherwise = self.config.history != config.history;
        self.config = config;
        if is_kept_otherwise {
            self.expire_history();
        }
    }

    fn publish_view(&mut self) {
        self.schedule_tick();
        let Some(open) = &self.open else { return };
        let status = open.engine.status();
        if let Some(StopReason::Emptied) = status.stopped {
            let reason = "every file in it has gone; if that is right, say so with 'driftless folder confirm'";
            self.view.send_modify(|view| {
                view.scanning = false;
                view.status = Some(status);
                view.phase = Phase::Stopped(reason.to_owned());
            });
            self.hub.folder_state(&self.config.id);
            return;
        }
        let scanning = open.scanner.is_busy() || status.scanning;
        let number = self.openings;
        let mut goes_on = false;
        self.view.send_modify(|view| {
            view.scanning = scanning;
            view.status = Some(status);
            let before = std::mem::replace(&mut view.phase, Phase::Open(number));
            goes_on = matches!(before, Phase::Stopped(_));
        });
        self.hub.folder_state(&self.config.id);
        if goes_on {
            // Who connected while it had stopped was not told of it.
            self.hub.folders_changed();
        }
    }

    /// Says when the folder next wants a tick, so that an idle one sleeps.
    fn schedule_tick(&self) {
        let at = match &self.open {
            None => self.retry_at_ms.unwrap_or(u64::MAX),
            Some(open) if open.engine.wants_tick() => now_ms() + RETRY_MS,
            Some(_) => self.rescan_at_ms.min(self.expire_at_ms).min(self.scrub_at_ms),
        };
        self.shared.tick_at_ms.store(at, Ordering::Relaxed);
    }
}

/// Starts to watch; what the watcher says comes to the inbox.
fn start_watcher(root: &Root, inbox: &mpsc::Sender<Message>) -> Watcher {
    let (events, said) = crossbeam_channel::bounded(WATCH_EVENTS);
    let watcher = Watcher::start(root, events, &Ignore::new(root));
    let inbox = inbox.clone();
    let forward = move || {
        for event in said {
            if inbox.blocking_send(Message::Watched(event)).is_err() {
                return;
            }
        }
    };
    // Ends with the watcher, whose dropping closes the channel.
    if let Err(error) = std::thread::Builder::new().name("watch events".into()).spawn(forward) {
        tracing::warn!(%error, "no thread to hear of changes with");
    }
    watcher
}

/// The engine's word for a mode.
pub(crate) fn mode_of(mode: FolderMode) -> Mode {
    match mode {
        FolderMode::SendReceive => Mode::SendReceive,
        FolderMode::SendOnly => Mode::SendOnly,
        FolderMode::ReceiveOnly => Mode::ReceiveOnly,
    }
}

fn reason_of(error: &open::OpenFolderError) -> String {
    match error {
        open::OpenFolderError::Root(error) => root_reason(error),
        other => format!("its database cannot be opened: {}", with_causes(other)),
    }
}

/// Why a root stops its folder, and what mends it.
fn root_reason(error: &driftless_fs::RootError) -> String {
    let mend = match error {
        driftless_fs::RootError::Missing => "; connect its disk, or remove the folder",
        driftless_fs::RootError::MarkerMissing => {
            "; connect its disk, or remove the folder and add it again to begin anew"
        }
        _ => "",
    };
    format!("{}{mend}", with_causes(error))
}
