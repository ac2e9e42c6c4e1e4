//! The daemon's end: accepts clients, reads requests, runs the handler, writes replies.
//!
//! What a request does is the handler's to decide. This decides bounds: how many connections, how many requests
//! in flight on each, how large a frame. Requests on one connection run side by side, so a long `wait` does not
//! hold up a `status`. A client that goes away takes its requests with it: their futures are dropped.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::api::{ApiError, Done, ErrorCode};
use crate::event_log::Subscription;
use crate::frame::{
    CONNECTION, ClientFrame, FrameError, FrameReader, REPLY_LIMIT, REQUEST_LIMIT, ServerBody,
    ServerFrame, write_frame,
};
use crate::method::{Method, Request};
use crate::socket::{BindError, Listener, ReadHalf, Stream, WriteHalf};

/// How many clients can be connected at once.
pub const MAX_CONNECTIONS: usize = 64;
/// How many requests of one connection can be in flight at once.
pub const MAX_IN_FLIGHT: usize = 16;

/// How long requests in flight may go on when the daemon ends.
const GRACE: Duration = Duration::from_millis(250);
/// How long the last replies may take to be written.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long to wait after the system refused a connection, so as not to spin while it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const OUTGOING_FRAMES: usize = 4;

/// What a handler knows of a request besides its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestContext {
    /// The connection that it came on; never used twice in one run.
    pub connection: u64,
    /// Its id on that connection, as chosen by the client.
    pub request: u64,
}

/// What a handler answers.
#[derive(Debug)]
pub enum Reply {
    /// One value, which the client waits for.
    Value(Value),
    /// Frames that are pushed as they come.
    Events(Subscription),
}

impl Reply {
    /// Answers a request with the reply that its method promises.
    ///
    /// # Errors
    /// `failed` when the reply cannot be written as JSON.
    pub fn to<M: Method>(_request: &M, reply: M::Reply) -> Result<Self, ApiError> {
        serde_json::to_value(reply).map(Self::Value).map_err(|error| {
            ApiError::new(
                ErrorCode::Failed,
                format!("{}: cannot write the reply: {error}", M::NAME),
            )
        })
    }
}

/// The control socket of a daemon.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
}

impl Server {
    /// Opens the socket, mode 0600, in a directory that only this user can change. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`BindError`]; `InUse` when a daemon answers there.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        Listener::bind(path).map(|listener| Self { listener })
    }

    /// Where the socket really is; a short stand-in when the path asked for was too long.
    pub fn path(&self) -> &Path {
        self.listener.path()
    }

    /// Serves clients until `shutdown` completes, then gives requests in flight a quarter of a second, tells
    /// the rest that the daemon is stopping, and removes the socket. Dropping this future drops every request.
    pub async fn serve<H, F>(self, handler: H, shutdown: impl Future<Output = ()>)
    where
        H: Fn(Request, RequestContext) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, ApiError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let (stop, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut next_connection = 1;
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = connections.join_next(), if !connections.is_empty() => report_panic(ended.err()),
                accepted = self.listener.accept() => match accepted {
                    Ok(stream) => {
                        let place = Arc::clone(&places).try_acquire_owned().ok();
                        let connection = Connection::new(Arc::clone(&handler), next_connection, stopping.clone());
                        connections.spawn(connection.run(stream, place));
                        next_connection += 1;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a control connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self.listener);
        stop.send_replace(true);
        while let Some(ended) = connections.join_next().await {
            report_panic(ended.err());
        }
    }
}

fn report_panic(error: Option<JoinError>) {
    if let Some(error) = error.filter(JoinError::is_panic) {
        tracing::error!(%error, "a control connection broke");
    }
}

/// One client's requests.
struct Connection<H> {
    handler: Arc<H>,
    number: u64,
    stopping: watch::Receiver<bool>,
    requests: JoinSet<()>,
    live: HashMap<u64, AbortHandle>,
    /// A place for each request that is not answered yet.
    unanswered: Arc<Semaphore>,
}

/// Why a connection reads no more requests.
enum End {
    ClientGone,
    Misbehaved(ApiError),
    Stopping,
}

impl<H, F> Connection<H>
where
    H: Fn(Request, RequestContext) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, ApiError>> + Send + 'static,
{
    fn new(handler: Arc<H>, number: u64, stopping: watch::Receiver<bool>) -> Self {
        let (requests, live) = (JoinSet::new(), HashMap::new());
        let unanswered = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        Self { handler, number, stopping, requests, live, unanswered }
    }

    async fn run(mut self, stream: Stream, place: Option<OwnedSemaphorePermit>) {
        let (read, write) = stream.into_split();
        let (frames, outgoing) = mpsc::channel(OUTGOING_FRAMES);
        let mut writer = JoinSet::new();
        writer.spawn(write_frames(write, outgoing));
        let end = match &place {
            Some(_) => self.read_requests(read, &frames).await,
            None => End::Misbehaved(
                ApiError::new(
                    ErrorCode::Busy,
                    format!("{MAX_CONNECTIONS} clients are connected already"),
                )
                .with_hint("close some of them and try again"),
            ),
        };
        let last_words = async {
            match end {
                End::ClientGone => self.requests.abort_all(),
                End::Misbehaved(error) => send(&frames, CONNECTION, ServerBody::Error(error)).await,
                End::Stopping => self.finish(&frames).await,
            }
            drop(frames);
            writer.join_next().await
        };
        if tokio::time::timeout(GRACE + LAST_WORDS, last_words).await.is_err() {
            tracing::debug!(connection = self.number, "a client did not read its last replies");
        }
    }

    async fn read_requests(&mut self, read: ReadHalf, frames: &mpsc::Sender<Vec<u8>>) -> End {
        let mut reader = FrameReader::new(read, REQUEST_LIMIT);
        let mut stopping = self.stopping.clone();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => return End::Stopping,
                () = frames.closed() => return End::ClientGone,
                Some(ended) = self.requests.join_next_with_id(), if !self.requests.is_empty() => {
                    self.forget(ended, frames).await;
                }
                frame = reader.next() => match frame {
                    Ok(Some(frame)) => {
                        if let Err(error) = self.take(&frame, frames).await {
                            return End::Misbehaved(error);
                        }
                    }
                    Ok(None) | Err(FrameError::Io(_) | FrameError::Truncated) => return End::ClientGone,
                    Err(error) => return End::Misbehaved(ApiError::new(ErrorCode::Usage, error.to_string())),
                },
            }
        }
    }

    /// Acts on one frame. An error means that the stream makes no sense any more.
    async fn take(&mut self, frame: &[u8], frames: &mpsc::Sender<Vec<u8>>) -> Result<(), ApiError> {
        let frame = serde_json::from_slice(frame).map_err(|error| {
            ApiError::new(ErrorCode::Usage, format!("a frame is no request: {error}"))
        })?;
        let (id, method, params) = match frame {
            ClientFrame::Call { id, method, params } => (id, method, params),
            ClientFrame::Cancel { cancel } => {
                if let Some(request) = self.live.remove(&cancel) {
                    request.abort();
                }
                return Ok(());
            }
        };
        if id == CONNECTION || self.live.contains_key(&id) {
            return Err(ApiError::new(ErrorCode::Usage, format!("request id {id} is not free")));
        }
        // Whoever has an answer may ask at once, though the request that it ended lingers.
        let is_crowded = self.requests.len() >= 2 * MAX_IN_FLIGHT;
        let place = Arc::clone(&self.unanswered).try_acquire_owned();
        let Some(place) = place.ok().filter(|_| !is_crowded) else {
            let error = ApiError::new(
                ErrorCode::Busy,
                format!("{MAX_IN_FLIGHT} requests are in flight already"),
            )
            .with_hint("wait for one of them to be answered");
            send(frames, id, ServerBody::Error(error)).await;
            return Ok(());
        };
        match Request::parse(&method, params) {
            Ok(request) => {
                let context = RequestContext { connection: self.number, request: id };
                let task =
                    answer(Arc::clone(&self.handler), request, context, (frames.clone(), place));
                self.live.insert(id, self.requests.spawn(task));
            }
            Err(error) => send(frames, id, ServerBody::Error(error)).await,
        }
        Ok(())
    }

    /// Forgets a request that ended; one that panicked is answered here.
    async fn forget(
        &mut self,
        ended: Result<(tokio::task::Id, ()), JoinError>,
        frames: &mpsc::Sender<Vec<u8>>,
    ) {
        let (task, error) = match ended {
            Ok((task, ())) => (task, None),
            Err(error) => (error.id(), Some(error)),
        };
        let id = self.live.iter().find(|(_, request)| request.id() == task).map(|(id, _)| *id);
        // A cancelled request is forgotten already, and nobody waits for its answer.
        let Some(id) = id else { return };
        self.live.remove(&id);
        if let Some(error) = error {
            tracing::error!(%error, "a control request broke");
            let error = ApiError::new(
                ErrorCode::Failed,
                "the daemon failed while it worked on the request",
            )
            .with_hint("its log says more; please report it");
            send(frames, id, ServerBody::Error(error)).await;
        }
    }

    /// Lets requests end for a moment and tells the others that they will not.
    async fn finish(&mut self, frames: &mpsc::Sender<Vec<u8>>) {
        let ended = async {
            while let Some(ended) = self.requests.join_next_with_id().await {
                self.forget(ended, frames).await;
            }
        };
        if tokio::time::timeout(GRACE, ended).await.is_ok() {
            return;
        }
        self.requests.abort_all();
        for id in self.live.keys() {
            let error = ApiError::new(ErrorCode::Stopping, "the daemon is stopping");
            send(frames, *id, ServerBody::Error(error)).await;
        }
    }
}

/// Waits until the server stops. What `wait_for` lends must not live across another await.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

async fn answer<H, F>(
    handler: Arc<H>,
    request: Request,
    context: RequestContext,
    (frames, place): (mpsc::Sender<Vec<u8>>, OwnedSemaphorePermit),
) where
    H: Fn(Request, RequestContext) -> F,
    F: Future<Output = Result<Reply, ApiError>>,
{
    let id = context.request;
    let body = match handler(request, context).await {
        Ok(Reply::Value(value)) => ServerBody::Ok(value),
        Ok(Reply::Events(subscription)) => push(subscription, id, &frames).await,
        Err(error) => ServerBody::Error(error),
    };
    drop(place);
    send(&frames, id, body).await;
}

/// Pushes a subscription's frames until it ends; returns the reply that closes it.
async fn push(
    mut subscription: Subscription,
    id: u64,
    frames: &mpsc::Sender<Vec<u8>>,
) -> ServerBody {
    let failed = |error: serde_json::Error| {
        ServerBody::Error(ApiError::new(ErrorCode::Failed, error.to_string()))
    };
    while let Some(frame) = subscription.next().await {
        match frame.map(|frame| ServerBody::push(&frame)) {
            Ok(Ok(body)) => send(frames, id, body).await,
            Ok(Err(error)) => return failed(error),
            Err(error) => return ServerBody::Error(error),
        }
    }
    serde_json::to_value(Done {}).map_or_else(failed, ServerBody::Ok)
}

/// Queues a frame. One that is too large is replaced by an error; if the client is gone it is dropped.
async fn send(frames: &mpsc::Sender<Vec<u8>>, id: u64, body: ServerBody) {
    let refusal = |message: String| ServerFrame {
        id,
        body: ServerBody::Error(ApiError::new(ErrorCode::Failed, message)),
    };
    let frame = match serde_json::to_vec(&ServerFrame { id, body }) {
        Ok(frame) if frame.len() <= REPLY_LIMIT => Ok(frame),
        Ok(frame) => {
            serde_json::to_vec(&refusal(format!("the reply is too large: {} bytes", frame.len())))
        }
        Err(error) => serde_json::to_vec(&refusal(format!("cannot write the reply: {error}"))),
    };
    match frame {
        // An error means that the connection has ended, which its reader notices too.
        Ok(frame) => drop(frames.send(frame).await),
        Err(error) => tracing::error!(%error, "a control reply was lost"),
    }
}

async fn write_frames(mut write: WriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if let Err(error) = write_frame(&mut write, &frame, REPLY_LIMIT).await {
            tracing::debug!(%error, "a control client is gone");
            return;
        }
    }
}
