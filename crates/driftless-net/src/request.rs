//! Requests: one stream each, a header frame one way and raw bytes back.
//!
//! Decides how an answer ends (whole, refused or cancelled); what is asked and
//! answered is decided above this crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use quinn::{ReadError, ReadExactError, RecvStream, SendStream, VarInt, WriteError};

use crate::frame;

const CANCELLED: VarInt = VarInt::from_u32(0);
/// A refusal with code `c` resets the stream with this plus `c`.
const REFUSED: u64 = 1 << 32;
/// Headers go before answers, so that a busy device can still ask.
const HEADER_PRIORITY: i32 = 1;

/// What another device asks of this one.
///
/// Dropping it before [`Request::finish`] cancels the answer.
#[derive(Debug)]
pub struct Request {
    header: Bytes,
    answer: Unfinished,
}

/// Why an answer cannot be sent further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The asking device no longer wants it.
    #[error("the other device cancelled its request")]
    Cancelled,
    /// The connection is gone.
    #[error("the connection closed during an answer")]
    Closed,
}

impl Request {
    pub(crate) fn new(header: Bytes, stream: SendStream) -> Self {
        Self { header, answer: Unfinished(Some(stream)) }
    }

    pub(crate) fn set_header(&mut self, header: Bytes) {
        self.header = header;
    }

    /// The header frame that the asking device sent, 1 byte to 1 MiB.
    pub fn header(&self) -> &Bytes {
        &self.header
    }

    /// Sends the next bytes of the answer; waits while the other device is slower.
    ///
    /// Dropping the future may leave part of `bytes` sent, so drop the request too.
    ///
    /// # Errors
    ///
    /// The request was cancelled or the connection is gone.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), AnswerError> {
        let stream = self.answer.0.as_mut().ok_or(AnswerError::Closed)?;
        stream.write_chunk(bytes).await.map_err(AnswerError::from)
    }

    /// Ends the answer; what was written still arrives.
    pub fn finish(mut self) {
        self.answer.finish();
    }

    /// Ends the answer with a typed refusal; what was written may not arrive.
    pub fn refuse(mut self, code: u32) {
        if let (Some(mut stream), Ok(code)) =
            (self.answer.0.take(), VarInt::from_u64(REFUSED + u64::from(code)))
        {
            let _ = stream.reset(code);
        }
    }
}

impl From<WriteError> for AnswerError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(_) => Self::Cancelled,
            WriteError::ConnectionLost(_)
            | WriteError::ClosedStream
            | WriteError::ZeroRttRejected => Self::Closed,
        }
    }
}

/// Resets the stream on drop, where quinn alone would end it as if complete.
#[derive(Debug)]
struct Unfinished(Option<SendStream>);

impl Unfinished {
    fn finish(&mut self) {
        if let Some(mut stream) = self.0.take() {
            let _ = stream.finish();
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(stream) = &mut self.0 {
            let _ = stream.reset(CANCELLED);
        }
    }
}

/// The answer to a request of this device.
///
/// Dropping it tells the other device to stop sending. Read it promptly: unread
/// answers use up the receive window that everything else shares.
#[derive(Debug)]
pub struct Response {
    stream: RecvStream,
    _counted: Counted,
}

/// Why a request could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The header is empty or longer than a frame may be.
    #[error("a request header of {0} bytes, where 1 to 1048576 are allowed")]
    Length(usize),
    /// The other device does not want to read it.
    #[error("the other device cancelled the request")]
    Cancelled,
    /// The connection is gone.
    #[error("the connection closed before the request was sent")]
    Closed,
}

/// Why an answer is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The other device refused, with a code whose meaning is agreed above this crate.
    #[error("the other device refused the request (code {0})")]
    Refused(u32),
    /// The other device stopped without a reason.
    #[error("the other device broke off its answer")]
    Cancelled,
    /// The answer ended before the bytes that were asked for.
    #[error("the answer ended {missing} bytes early")]
    EndedEarly {
        /// How many bytes were still wanted.
        missing: usize,
    },
    /// The connection is gone.
    #[error("the connection closed during an answer")]
    Closed,
}

impl Response {
    /// Reads exactly `buffer.len()` bytes.
    ///
    /// # Errors
    ///
    /// The answer was refused, broken off, too short, or the connection is gone.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ResponseError> {
        let wanted = buffer.len();
        self.stream.read_exact(buffer).await.map_err(|error| match error {
            ReadExactError::FinishedEarly(read) => {
                ResponseError::EndedEarly { missing: wanted - read }
            }
            ReadExactError::ReadError(error) => error.into(),
        })
    }

    /// Reads what has arrived, at most `max_bytes`; nothing at the end of the answer.
    ///
    /// # Errors
    ///
    /// The answer was refused, broken off, or the connection is gone.
    pub async fn read_chunk(&mut self, max_bytes: usize) -> Result<Option<Bytes>, ResponseError> {
        let piece = self.stream.read_chunk(max_bytes, true).await?;
        Ok(piece.map(|piece| piece.bytes))
    }
}

impl From<ReadError> for ResponseError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => code
                .into_inner()
                .checked_sub(REFUSED)
                .and_then(|code| u32::try_from(code).ok())
                .map_or(Self::Cancelled, Self::Refused),
            ReadError::ConnectionLost(_)
            | ReadError::ClosedStream
            | ReadError::IllegalOrderedRead
            | ReadError::ZeroRttRejected => Self::Closed,
        }
    }
}

#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends `header` on a stream of its own.
pub(crate) async fn ask(
    link: &quinn::Connection,
    header: Bytes,
    unread: &Arc<AtomicUsize>,
) -> Result<Response, RequestError> {
    if !frame::fits(&header) {
        return Err(RequestError::Length(header.len()));
    }
    let (send, stream) = link.open_bi().await.map_err(|_| RequestError::Closed)?;
    unread.fetch_add(1, Ordering::Relaxed);
    let response = Response { stream, _counted: Counted(Arc::clone(unread)) };
    let _ = send.set_priority(HEADER_PRIORITY);
    let mut question = Unfinished(Some(send));
    if let Some(stream) = &mut question.0 {
        frame::write(stream, header).await.map_err(|error| match error {
            WriteError::Stopped(_) => RequestError::Cancelled,
            _ => RequestError::Closed,
        })?;
    }
    question.finish();
    Ok(response)
}
