//! One folder as the rest of the daemon sees it: an inbox, and a view of its state.
//!
//! Behind the handle runs a thread of its own ([`actor`]) that owns the engine
//! and the index. Everything that happens to the folder goes through the inbox;
//! everything that others may know of it without asking is in the [`View`].

mod actor;
mod disk;
mod durability;
mod meter;
mod open;
mod scanner;
pub(crate) mod scrub;
pub(crate) mod texts;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use driftless_core::{DeviceId, FolderId, Problem};
use driftless_engine::{Engine, Input, Status};
use driftless_fs::{Root, Scope, WatchEvent};
use driftless_store::{IndexError, SqliteIndex};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use self::meter::Meter;
use self::texts::Texts;
use crate::clock::now_ms;
use crate::config::FolderConfig;
use crate::hub::Hub;

/// How many messages wait at a folder's inbox before their senders do.
const INBOX: usize = 8192;

/// What a folder is told.
pub(crate) enum Message {
    /// Something for the engine.
    Inputs(Vec<Input>),
    /// What a device said, and the room that it takes up until the engine has it.
    Heard(Box<Input>, Option<OwnedSemaphorePermit>),
    /// A question that needs the engine or the disk.
    Ask(Question),
    /// The watcher noticed something.
    Watched(WatchEvent),
    /// Scan these, or everything.
    Scan(Option<Vec<Scope>>),
    /// The running scan has ended.
    ScanEnded(Result<(), driftless_fs::RootError>),
    /// Time has passed.
    Tick,
    /// The configuration changed in what needs no restart.
    Configured(Box<FolderConfig>),
    /// The folder is to close.
    Close,
}

/// A question to an open folder; not asked when it is closed.
pub(crate) type Question = Box<dyn FnOnce(&mut Asked<'_>) + Send>;

/// What a question may look at.
pub(crate) struct Asked<'a> {
    /// The engine.
    pub(crate) engine: &'a mut Engine<SqliteIndex>,
    /// The disk.
    pub(crate) root: &'a Root,
    /// What follows from the question, to be handled right after it.
    pub(crate) inputs: Vec<Input>,
    /// Why the index cannot be used any more, if that was found out.
    pub(crate) failed: Option<IndexError>,
}

/// Whether a folder is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being opened.
    Opening,
    /// It is open. Each opening has another number.
    Open(u64),
    /// It cannot be opened, or stopped itself; why, for a person.
    Stopped(String),
}

/// What is known of a folder without asking it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) phase: Phase,
    /// As of the last change.
    pub(crate) status: Option<Status>,
    /// A scan runs or is due.
    pub(crate) scanning: bool,
    /// Full scans that were begun and ended, in this run.
    pub(crate) scans_begun: u64,
    pub(crate) scans_ended: u64,
    /// When the last full scan ended, in milliseconds since 1970.
    pub(crate) last_scan_ms: Option<u64>,
    /// Why changes are not noticed at once.
    pub(crate) watch_problem: Option<Problem>,
}

/// What a folder shares with the tasks that work for it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) id: FolderId,
    pub(crate) inbox: mpsc::Sender<Message>,
    /// How fast content comes in from devices.
    pub(crate) meter: Meter,
    /// The small texts that it keeps.
    pub(crate) texts: Arc<Texts>,
    /// When the folder wants a tick, in milliseconds since 1970; `u64::MAX` never.
    pub(crate) tick_at_ms: AtomicU64,
}

/// A running folder.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) shared: Arc<Shared>,
    pub(crate) view: watch::Receiver<View>,
    config: FolderConfig,
    thread: Option<JoinHandle<()>>,
}

impl Folder {
    /// Starts the folder's thread, which opens it.
    pub(crate) fn start(hub: Arc<Hub>, config: FolderConfig) -> std::io::Result<Self> {
        let (inbox, messages) = mpsc::channel(INBOX);
        let shared = Arc::new(Shared {
            id: config.id.clone(),
            inbox,
            meter: Meter::default(),
            texts: Arc::new(Texts::new(hub.home.texts_database(&config.id))),
            tick_at_ms: AtomicU64::new(u64::MAX),
        });
        let (view_sender, view) = watch::channel(View {
            phase: Phase::Opening,
            status: None,
            scanning: true,
            scans_begun: 0,
            scans_ended: 0,
            last_scan_ms: None,
            watch_problem: None,
        });
        let runtime = tokio::runtime::Handle::current();
        let for_actor = Arc::clone(&shared);
        let known = config.clone();
        let thread =
            std::thread::Builder::new().name(format!("folder {}", config.id)).spawn(move || {
                actor::Actor::new(hub, runtime, config, for_actor, view_sender).run(messages)
            })?;
        Ok(Self { shared, view, config: known, thread: Some(thread) })
    }

    /// Closes the folder and waits for its thread. Call from a blocking context.
    pub(crate) fn close(mut self) {
        // A full inbox empties: the actor never waits for what its senders hold.
        let _ = self.shared.inbox.blocking_send(Message::Close);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(folder = %self.shared.id, "the folder's thread panicked");
        }
        self.shared.texts.end();
    }
}

impl Shared {
    /// Hands inputs to the engine.
    pub(crate) async fn inputs(&self, inputs: Vec<Input>) {
        let _ = self.inbox.send(Message::Inputs(inputs)).await;
    }

    /// Hands the engine what a device said; `room` is given back once it has it.
    pub(crate) async fn heard(&self, input: Input, room: Option<OwnedSemaphorePermit>) {
        let _ = self.inbox.send(Message::Heard(Box::new(input), room)).await;
    }

    /// Asks the open folder; `None` when it is closed.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Asked<'_>) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |asked| {
            let _ = answer.send(question(asked));
        });
        self.inbox.send(Message::Ask(question)).await.ok()?;
        answered.await.ok()
    }

    /// Notes that content was received.
    pub(crate) fn count_received(&self, bytes: u64) {
        self.meter.count(now_ms(), bytes);
    }
}

/// How many copies of everything there are at least: this device, and every
/// member that lacks nothing.
pub(crate) fn complete_copies(status: &Status) -> u32 {
    let members = status.lacking.iter().filter(|(_, heads, _)| *heads == 0).count();
    let here = usize::from(status.totals.need_files == 0);
    u32::try_from(members + here).unwrap_or(u32::MAX)
}

/// The members of a folder and where it lies, as the actor needs them.
pub(crate) fn members_of(config: &FolderConfig, own: DeviceId) -> Vec<DeviceId> {
    config.devices.iter().copied().filter(|device| *device != own).collect()
}

/// Where the folder's database is.
pub(crate) fn database_of(hub: &Hub, id: &FolderId) -> PathBuf {
    hub.home.database(id)
}

impl Folder {
    /// Whether the folder may go on under `config`, or has to be opened anew.
    pub(crate) fn fits(&self, config: &FolderConfig) -> bool {
        let running = &self.config;
        running.path == config.path
            && running.mode == config.mode
            && running.mass_change == config.mass_change
            && running.id == config.id
    }
}
