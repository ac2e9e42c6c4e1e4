//! A connection to one device: two channels of frames each way, and requests.
//!
//! Decides how frames are carried and when the other device's conduct ends the
//! connection. Which connections exist, and which of two survives, is decided
//! in `registry`; what frames mean is decided above this crate.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use driftless_core::DeviceId;
use quinn::{ApplicationClose, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::frame::{self, FrameError, MAX_FRAME_BYTES, Patience};
use crate::request::{self, Request, RequestError, Response};
use crate::transport::{self, canonical};

/// Frames waiting to be sent or received, per channel; small ones are the rule.
const CONTROL_QUEUE_FRAMES: usize = 8;
const INDEX_QUEUE_FRAMES: usize = 4;
/// Request headers that are read, or wait for [`Connection::accept_request`], at once.
const REQUEST_QUEUE: usize = 16;
/// How often a probed connection is looked at.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Which of the two lanes of frames a frame travels in.
///
/// Each is a stream of its own, so a long index never delays a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Small frames that must arrive soon.
    Control,
    /// Index updates.
    Index,
}

impl Channel {
    const ALL: [Self; 2] = [Self::Control, Self::Index];

    const fn preface(self) -> u8 {
        match self {
            Self::Control => 0,
            Self::Index => 1,
        }
    }

    const fn priority(self) -> i32 {
        match self {
            Self::Control => 3,
            Self::Index => 2,
        }
    }

    const fn queue_frames(self) -> usize {
        match self {
            Self::Control => CONTROL_QUEUE_FRAMES,
            Self::Index => INDEX_QUEUE_FRAMES,
        }
    }
}

/// Why a connection ended; either side may have said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// Someone was done with it.
    #[error("done")]
    Done,
    /// The program ends.
    #[error("shutting down")]
    ShuttingDown,
    /// The device is no longer allowed.
    #[error("the device was removed")]
    Removed,
    /// The device is paused.
    #[error("the device is paused")]
    Paused,
    /// Another connection between the same devices was kept instead.
    #[error("another connection was kept")]
    Duplicate,
    /// A newer connection between the same devices took its place.
    #[error("a newer connection took its place")]
    Replaced,
    /// The other device broke the rules of the protocol.
    #[error("a breach of protocol")]
    Violation,
    /// The other device no longer answered.
    #[error("no answer")]
    Unresponsive,
    /// The one-time code was wrong.
    #[error("the code was wrong")]
    WrongCode,
    /// The device is not, or no longer, open for pairing.
    #[error("not open for pairing")]
    NotPairing,
    /// The network failed.
    #[error("connection lost")]
    Lost,
    /// Two computers use one device's key at the same time.
    #[error("two computers use one identity")]
    Cloned,
}

impl CloseReason {
    const ALL: [Self; 12] = [
        Self::Done,
        Self::ShuttingDown,
        Self::Removed,
        Self::Paused,
        Self::Duplicate,
        Self::Replaced,
        Self::Violation,
        Self::Unresponsive,
        Self::WrongCode,
        Self::NotPairing,
        Self::Lost,
        Self::Cloned,
    ];

    pub(crate) const fn code(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }

    fn from_code(code: VarInt) -> Self {
        Self::ALL.into_iter().find(|reason| reason.code() == code).unwrap_or(Self::Done)
    }

    pub(crate) fn from_error(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(ApplicationClose { error_code, .. }) => {
                Self::from_code(*error_code)
            }
            ConnectionError::LocallyClosed => Self::Done,
            ConnectionError::TimedOut => Self::Unresponsive,
            _ => Self::Lost,
        }
    }
}

/// Why a frame cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The frame is empty or too long.
    #[error("a frame of {0} bytes, where 1 to 1048576 are allowed")]
    Length(usize),
    /// The connection is gone.
    #[error("the connection is closed")]
    Closed,
}

/// What a connection has carried so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Bytes sent, headers and repetitions of QUIC included.
    pub sent_bytes: u64,
    /// Bytes received, headers and repetitions of QUIC included.
    pub received_bytes: u64,
    /// How long an answer takes, as estimated now.
    pub round_trip: Duration,
}

/// A live, mutually authenticated connection to an allowed device.
///
/// Clones stand for the same connection. It stays open until someone closes it,
/// the network fails, or the device is no longer allowed.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: quinn::Connection,
    device: DeviceId,
    initiator: bool,
    outgoing: [mpsc::Sender<Bytes>; 2],
    inbox: Mutex<Inbox>,
    unread_responses: Arc<AtomicUsize>,
    cut: AtomicBool,
    closed_as: Mutex<Option<CloseReason>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Inbox {
    frames: [mpsc::Receiver<Bytes>; 2],
    requests: mpsc::Receiver<Request>,
}

impl Connection {
    /// Wraps an authenticated link and starts to carry frames.
    pub(crate) fn new(link: quinn::Connection, device: DeviceId, initiator: bool) -> Self {
        let unread_responses = Arc::new(AtomicUsize::new(0));
        let patience = Patience::new(Arc::clone(&unread_responses));
        let mut tasks = JoinSet::new();
        let outgoing = Channel::ALL.map(|channel| {
            let (sender, frames) = mpsc::channel(channel.queue_frames());
            tasks.spawn(send_frames(link.clone(), channel, frames));
            sender
        });
        let (control, control_frames) = mpsc::channel(CONTROL_QUEUE_FRAMES);
        let (index, index_frames) = mpsc::channel(INDEX_QUEUE_FRAMES);
        tasks.spawn(receive_channels(link.clone(), [control, index], patience.clone()));
        let (request_sender, requests) = mpsc::channel(REQUEST_QUEUE);
        tasks.spawn(receive_requests(link.clone(), request_sender, patience));
        Self(Arc::new(Inner {
            link,
            device,
            initiator,
            outgoing,
            inbox: Mutex::new(Inbox { frames: [control_frames, index_frames], requests }),
            unread_responses,
            cut: AtomicBool::new(false),
            closed_as: Mutex::new(None),
            _tasks: tasks,
        }))
    }

    /// The device at the other end.
    pub fn device(&self) -> DeviceId {
        self.0.device
    }

    /// Where that device is now; it may change while the connection lives.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.0.link.remote_address())
    }

    /// Whether this device dialled.
    pub fn initiator(&self) -> bool {
        self.0.initiator
    }

    /// Queues a frame; waits while the queue is full.
    ///
    /// Frames of one channel arrive in order, and each wholly or not at all.
    /// A frame still queued when the connection ends is lost.
    ///
    /// # Errors
    ///
    /// The frame is empty or over 1 MiB, or the connection is gone.
    pub async fn send(&self, channel: Channel, body: Bytes) -> Result<(), SendError> {
        if !frame::fits(&body) {
            return Err(SendError::Length(body.len()));
        }
        let queue = &self.0.outgoing[usize::from(channel.preface())];
        queue.send(body).await.map_err(|_| SendError::Closed)
    }

    /// Waits for the next frame, control frames first; nothing once the
    /// connection has ended. At most one task may wait at a time.
    pub async fn recv(&self) -> Option<(Channel, Bytes)> {
        std::future::poll_fn(|context| self.poll_frame(context)).await
    }

    fn poll_frame(&self, context: &mut Context<'_>) -> Poll<Option<(Channel, Bytes)>> {
        if self.0.cut.load(Ordering::Acquire) {
            return Poll::Ready(None);
        }
        let mut ended = 0;
        let mut inbox = lock(&self.0.inbox);
        for (channel, queue) in Channel::ALL.into_iter().zip(&mut inbox.frames) {
            match queue.poll_recv(context) {
                Poll::Ready(Some(body)) => return Poll::Ready(Some((channel, body))),
                Poll::Ready(None) => ended += 1,
                Poll::Pending => {}
            }
        }
        if ended == Channel::ALL.len() { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Asks the other device; the answer streams into the returned response.
    ///
    /// Waits while 256 requests are under way.
    ///
    /// # Errors
    ///
    /// The header is empty or over 1 MiB, or the connection is gone.
    pub async fn request(&self, header: Bytes) -> Result<Response, RequestError> {
        request::ask(&self.0.link, header, &self.0.unread_responses).await
    }

    /// Waits for the next request; nothing once the connection has ended.
    /// At most one task may wait at a time.
    pub async fn accept_request(&self) -> Option<Request> {
        std::future::poll_fn(|context| {
            if self.0.cut.load(Ordering::Acquire) {
                return Poll::Ready(None);
            }
            lock(&self.0.inbox).requests.poll_recv(context)
        })
        .await
    }

    /// Lets the other device ahead of what is read here by no more than a second
    /// once it has used up what it was granted before.
    pub(crate) fn expect_rate(&self, bytes_per_s: Option<u64>) {
        self.0.link.set_receive_window(transport::window(bytes_per_s));
    }

    /// Ends the connection at once: what is queued either way is dropped.
    pub fn close(&self, reason: CloseReason) {
        lock(&self.0.closed_as).get_or_insert(reason);
        self.0.cut.store(true, Ordering::Release);
        self.0.link.close(reason.code(), &[]);
    }

    /// Waits for the end and tells its reason.
    pub async fn closed(&self) -> CloseReason {
        self.end().await.0
    }

    /// Waits for the end; its reason, and whether the other device gave it.
    pub(crate) async fn end(&self) -> (CloseReason, bool) {
        let error = self.0.link.closed().await;
        let said_here = match error {
            ConnectionError::LocallyClosed => *lock(&self.0.closed_as),
            _ => None,
        };
        let was_told = matches!(error, ConnectionError::ApplicationClosed(_));
        (said_here.unwrap_or_else(|| CloseReason::from_error(&error)), was_told)
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.0.link.close_reason().is_some()
    }

    /// What the connection has carried so far.
    pub fn stats(&self) -> ConnectionStats {
        let stats = self.0.link.stats();
        ConnectionStats {
            sent_bytes: stats.udp_tx.bytes,
            received_bytes: stats.udp_rx.bytes,
            round_trip: stats.path.rtt,
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Provokes an acknowledgement and tells whether anything arrives within `deadline`.
    pub(crate) async fn answers_within(&self, deadline: Duration) -> bool {
        let received = || self.0.link.stats().udp_rx.datagrams;
        let (before, end) = (received(), Instant::now() + deadline);
        // A one-byte datagram must be acknowledged and is otherwise ignored.
        let _ = self.0.link.send_datagram(Bytes::from_static(&[0]));
        while received() == before {
            if self.is_closed() || Instant::now() >= end {
                return false;
            }
            sleep(PROBE_INTERVAL).await;
        }
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send_frames(link: quinn::Connection, channel: Channel, mut frames: mpsc::Receiver<Bytes>) {
    let Ok(mut stream) = open_channel(&link, channel).await else { return };
    loop {
        let body = tokio::select! {
            body = frames.recv() => body,
            _ = link.closed() => None,
        };
        let Some(body) = body else { return };
        if frame::write(&mut stream, body).await.is_err() {
            // The other device never stops a channel while the connection lives.
            return break_off(&link, b"channel stopped");
        }
    }
}

async fn open_channel(
    link: &quinn::Connection,
    channel: Channel,
) -> Result<SendStream, quinn::WriteError> {
    let mut stream = link.open_uni().await?;
    stream.set_priority(channel.priority())?;
    stream.write_all(&[channel.preface()]).await?;
    Ok(stream)
}

/// Why the other device's channels cannot be read further.
#[derive(Debug, thiserror::Error)]
enum ChannelError {
    #[error("a channel that is unknown or already open")]
    Unexpected,
    #[error("a channel ended")]
    Ended,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Lost(#[from] ConnectionError),
}

async fn receive_channels(
    link: quinn::Connection,
    queues: [mpsc::Sender<Bytes>; 2],
    patience: Patience,
) {
    match read_channels(&link, queues.map(Some), &patience).await {
        Ok(()) | Err(ChannelError::Lost(_) | ChannelError::Frame(FrameError::Stream(_))) => {
            break_off(&link, b"channel reset");
        }
        Err(error) => {
            tracing::warn!(%error, "closing a connection for a breach of protocol");
            break_off(&link, error.to_string().as_bytes());
        }
    }
}

/// Closes a connection whose other end breaks the rules, unless it is closed
/// already: what fails then fails because of that, and its reason stays known.
fn break_off(link: &quinn::Connection, why: &[u8]) {
    if link.close_reason().is_none() {
        link.close(CloseReason::Violation.code(), why);
    }
}

/// Reads both channels until one fails. Dropping it stops all reading.
async fn read_channels(
    link: &quinn::Connection,
    mut queues: [Option<mpsc::Sender<Bytes>>; 2],
    patience: &Patience,
) -> Result<(), ChannelError> {
    let mut readers = JoinSet::new();
    loop {
        tokio::select! {
            stream = link.accept_uni() => {
                let mut stream = stream?;
                let mut preface = [0];
                let read = patience.bear(stream.read_exact(&mut preface)).await;
                read.ok_or(FrameError::Stalled)?.map_err(|_| ChannelError::Ended)?;
                let queue = queues.get_mut(usize::from(preface[0])).and_then(Option::take);
                let queue = queue.ok_or(ChannelError::Unexpected)?;
                readers.spawn(read_frames(link.clone(), stream, queue, patience.clone()));
            }
            Some(ended) = readers.join_next() => return ended.unwrap_or(Ok(())),
        }
    }
}

async fn read_frames(
    link: quinn::Connection,
    mut stream: RecvStream,
    queue: mpsc::Sender<Bytes>,
    patience: Patience,
) -> Result<(), ChannelError> {
    loop {
        let body = frame::read(&mut stream, MAX_FRAME_BYTES, &patience)
            .await?
            .ok_or(ChannelError::Ended)?;
        tokio::select! {
            sent = queue.send(body) => if sent.is_err() { return Ok(()) },
            error = link.closed() => return Err(error.into()),
        }
    }
}

/// Reads the headers of up to [`REQUEST_QUEUE`] requests at once; more wait in QUIC.
async fn receive_requests(
    link: quinn::Connection,
    queue: mpsc::Sender<Request>,
    patience: Patience,
) {
    let mut headers = JoinSet::new();
    loop {
        tokio::select! {
            streams = link.accept_bi(), if headers.len() < REQUEST_QUEUE => {
                let Ok((send, receive)) = streams else { return };
                headers.spawn(read_request(send, receive, queue.clone(), patience.clone()));
            }
            Some(_) = headers.join_next() => {}
            _ = link.closed() => return,
        }
    }
}

/// Reads one header; a late or malformed one costs only its own stream.
async fn read_request(
    send: SendStream,
    mut receive: RecvStream,
    queue: mpsc::Sender<Request>,
    patience: Patience,
) {
    let mut request = Request::new(Bytes::new(), send);
    let header = patience.bear(frame::read(&mut receive, MAX_FRAME_BYTES, &patience)).await;
    match header {
        Some(Ok(Some(header))) => {
            request.set_header(header);
            // The connection's end drops the receiver, and with it the request.
            let _ = queue.send(request).await;
        }
        Some(Ok(None)) => tracing::debug!("a request without a header"),
        Some(Err(error)) => tracing::debug!(%error, "a request with a broken header"),
        None => tracing::debug!("a request whose header came too late"),
    }
}
