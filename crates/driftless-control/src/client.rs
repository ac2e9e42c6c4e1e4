//! A front end's end: sends requests and waits for their replies.
//!
//! One connection carries any number of calls at once. Dropping a call cancels it at the daemon; dropping the
//! client cancels all of them. Reconnecting is the caller's to decide.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::api::{ApiError, Subscribe, SubscriptionFrame};
use crate::frame::{
    CONNECTION, ClientFrame, FrameReader, REPLY_LIMIT, REQUEST_LIMIT, ServerBody, ServerFrame,
    write_frame,
};
use crate::method::Method;
use crate::socket::{self, ConnectError, ReadHalf, WriteHalf};

const OUTGOING_FRAMES: usize = 64;
/// How many pushed frames may wait for a slow subscriber before it is cut off.
const PUSHED_FRAMES: usize = 1024;

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The daemon said no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The daemon went away before it answered.
    #[error("the daemon ended the connection")]
    Disconnected,
    /// The request is over [`REQUEST_LIMIT`].
    #[error("the request is too large: {0} bytes")]
    TooLarge(usize),
    /// The daemon answered with something that is no reply to this method.
    #[error("the daemon gave an answer that makes no sense: {0}")]
    Malformed(String),
    /// The subscriber did not read its events; it may subscribe again after the last one that it saw.
    #[error("events came faster than they were read")]
    Lagged,
}

/// A connection to a daemon.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    next_id: AtomicU64,
    /// Owns the reader and the writer; dropping it ends both.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    outgoing: mpsc::Sender<Vec<u8>>,
    calls: Mutex<Calls>,
    is_over: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Calls {
    waiting: HashMap<u64, Waiter>,
    /// Why the connection ended, once it has.
    ended: Option<CallError>,
}

#[derive(Debug)]
enum Waiter {
    Reply(oneshot::Sender<Result<Value, CallError>>),
    Events { frames: mpsc::Sender<SubscriptionFrame>, end: Arc<SubscriptionEnd> },
}

/// How a subscription ended, once it has.
type SubscriptionEnd = OnceLock<Result<(), CallError>>;

impl Client {
    /// Connects to the daemon whose socket has this path. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`ConnectError`]; `NoDaemon` when none runs.
    pub async fn connect(path: &Path) -> Result<Self, ConnectError> {
        let (read, write) = socket::connect(path).await?.into_split();
        let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES);
        let (is_over, _) = watch::channel(false);
        let shared = Arc::new(Shared { outgoing, calls: Mutex::default(), is_over });
        let mut tasks = JoinSet::new();
        tasks.spawn(read_replies(read, Arc::clone(&shared)));
        tasks.spawn(write_requests(write, frames));
        Ok(Self { shared, next_id: AtomicU64::new(CONNECTION + 1), _tasks: tasks })
    }

    /// Calls a method and waits for its reply. Dropping the future cancels the request.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<M: Method>(&self, params: M) -> Result<M::Reply, CallError> {
        let reply = self.call_by_name(M::NAME, written(&params)?).await?;
        serde_json::from_value(reply).map_err(|error| CallError::Malformed(error.to_string()))
    }

    /// Calls a method for someone else, whose words are passed on as they are. Subscribing is no such call.
    ///
    /// # Errors
    /// See [`CallError`]; the daemon says whether there is such a method.
    pub async fn call_by_name(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let (sender, receiver) = oneshot::channel();
        let _call = self.send(method, params, Waiter::Reply(sender)).await?;
        receiver.await.map_err(|_| CallError::Disconnected)?
    }

    /// Subscribes to events. Dropping the stream ends the subscription.
    ///
    /// # Errors
    /// See [`CallError`]; what the daemon says about the request comes out of the stream.
    pub async fn subscribe(&self, request: Subscribe) -> Result<EventStream, CallError> {
        let (frames, receiver) = mpsc::channel(PUSHED_FRAMES);
        let end = Arc::new(SubscriptionEnd::new());
        let waiter = Waiter::Events { frames, end: Arc::clone(&end) };
        let call = self.send(Subscribe::NAME, written(&request)?, waiter).await?;
        Ok(EventStream { receiver, end, _call: call })
    }

    /// Waits until the connection has ended, whoever ended it.
    pub async fn ended(&self) {
        // The sender lives as long as this client, so there is nothing else to learn.
        drop(self.shared.is_over.subscribe().wait_for(|is_over| *is_over).await);
    }

    async fn send(&self, method: &str, params: Value, waiter: Waiter) -> Result<Call, CallError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = ClientFrame::Call { id, method: method.to_owned(), params };
        let frame =
            serde_json::to_vec(&frame).map_err(|error| CallError::Malformed(error.to_string()))?;
        if frame.len() > REQUEST_LIMIT {
            return Err(CallError::TooLarge(frame.len()));
        }
        self.shared.wait(id, waiter)?;
        let call = Call { id, shared: Arc::clone(&self.shared) };
        // When the writer is gone so is the reader, and it has said why.
        let sent = self.shared.outgoing.send(frame).await;
        sent.map_err(|_| self.shared.calls().ended.clone().unwrap_or(CallError::Disconnected))?;
        Ok(call)
    }
}

fn written(params: &impl Method) -> Result<Value, CallError> {
    serde_json::to_value(params).map_err(|error| CallError::Malformed(error.to_string()))
}

/// The events of one subscription.
#[derive(Debug)]
pub struct EventStream {
    receiver: mpsc::Receiver<SubscriptionFrame>,
    end: Arc<SubscriptionEnd>,
    _call: Call,
}

impl EventStream {
    /// The next frame; nothing once the daemon has closed the subscription in good order.
    ///
    /// # Errors
    /// See [`CallError`]; the subscription is over after one.
    pub async fn next(&mut self) -> Option<Result<SubscriptionFrame, CallError>> {
        match self.receiver.recv().await {
            Some(frame) => Some(Ok(frame)),
            None => self.end.get().cloned().unwrap_or(Err(CallError::Disconnected)).err().map(Err),
        }
    }
}

/// A request that may still be in flight.
#[derive(Debug)]
struct Call {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.shared.calls().waiting.remove(&self.id).is_some() {
            self.shared.cancel(self.id);
        }
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, id: u64, waiter: Waiter) -> Result<(), CallError> {
        let mut calls = self.calls();
        match &calls.ended {
            Some(error) => Err(error.clone()),
            None => {
                calls.waiting.insert(id, waiter);
                Ok(())
            }
        }
    }

    /// Hands one frame to whoever waits for it. An error ends the connection.
    fn deliver(&self, frame: ServerFrame) -> Result<(), CallError> {
        let ServerFrame { id, body } = frame;
        let mut calls = self.calls();
        match body {
            ServerBody::Error(error) if id == CONNECTION => return Err(CallError::Api(error)),
            ServerBody::Push(frame) => {
                // A frame of a type from a newer daemon says nothing to this client.
                let Ok(frame) = serde_json::from_value(frame) else { return Ok(()) };
                let taken = match calls.waiting.get(&id) {
                    Some(Waiter::Events { frames, .. }) => frames.try_send(frame).is_ok(),
                    Some(Waiter::Reply(_)) | None => false,
                };
                if !taken {
                    calls.end(id, Err(CallError::Lagged));
                    self.cancel(id);
                }
            }
            ServerBody::Ok(value) => calls.end(id, Ok(value)),
            ServerBody::Error(error) => calls.end(id, Err(CallError::Api(error))),
        }
        Ok(())
    }

    /// Tells the daemon that nobody waits for this reply any more.
    ///
    /// With a full queue it is not told. A request then runs to its end for nothing, and a subscription's next
    /// frame brings this up again.
    fn cancel(&self, id: u64) {
        if let Ok(frame) = serde_json::to_vec(&ClientFrame::Cancel { cancel: id }) {
            drop(self.outgoing.try_send(frame));
        }
    }

    fn end(&self, error: CallError) {
        let mut calls = self.calls();
        for (_, waiter) in calls.waiting.drain() {
            waiter.end(Err(error.clone()));
        }
        calls.ended = Some(error);
        self.is_over.send_replace(true);
    }
}

impl Calls {
    fn end(&mut self, id: u64, end: Result<Value, CallError>) {
        if let Some(waiter) = self.waiting.remove(&id) {
            waiter.end(end);
        }
    }
}

impl Waiter {
    /// Passes on how the request ended. Whoever waited may have stopped waiting.
    fn end(self, end: Result<Value, CallError>) {
        match self {
            Self::Reply(reply) => drop(reply.send(end)),
            // Set before the channel closes, which happens when `frames` goes.
            Self::Events { frames: _frames, end: told } => drop(told.set(end.map(drop))),
        }
    }
}

async fn read_replies(read: ReadHalf, shared: Arc<Shared>) {
    let mut reader = FrameReader::new(read, REPLY_LIMIT);
    let error = loop {
        match reader.next().await {
            Ok(None) => break CallError::Disconnected,
            Err(error) => {
                tracing::debug!(%error, "the control connection broke");
                break CallError::Disconnected;
            }
            Ok(Some(frame)) => {
                let frame = serde_json::from_slice(&frame)
                    .map_err(|error| CallError::Malformed(error.to_string()));
                if let Err(error) = frame.and_then(|frame| shared.deliver(frame)) {
                    break error;
                }
            }
        }
    };
    shared.end(error);
}

async fn write_requests(mut write: WriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if let Err(error) = write_frame(&mut write, &frame, REQUEST_LIMIT).await {
            tracing::debug!(%error, "the control connection broke");
            return;
        }
    }
}
