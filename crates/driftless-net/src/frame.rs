//! Length-prefixed frames on a stream: a big-endian `u32`, then that many bytes.
//!
//! Decides bounds and deadlines (H3, H11); what a frame means is decided above
//! this crate.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, WriteError};
use tokio::time::timeout;

/// The longest frame, in bytes; a longer one is refused before memory is set aside.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// How long a frame that has begun may go without a byte.
const GAP: Duration = Duration::from_secs(10);

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes, where 1 to {1} are allowed")]
    Length(u32, usize),
    #[error("a frame stopped in the middle")]
    Stalled,
    #[error("the stream ended inside a frame")]
    Truncated,
    #[error("the stream broke")]
    Stream(#[from] ReadError),
}

/// Measures how long the other device keeps this one waiting.
///
/// While answers to this device's own requests lie unread, they may fill the
/// connection's receive window and hold back everything else, which is not the
/// sender's fault; the deadline then starts again.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    gap: Duration,
    unread_responses: Arc<AtomicUsize>,
}

impl Patience {
    pub(crate) fn new(unread_responses: Arc<AtomicUsize>) -> Self {
        Self { gap: GAP, unread_responses }
    }

    /// Runs `wait` to its end, or returns nothing when patience is exhausted.
    pub(crate) async fn bear<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        let mut wait = std::pin::pin!(wait);
        loop {
            match timeout(self.gap, wait.as_mut()).await {
                Ok(value) => return Some(value),
                Err(_) if self.unread_responses.load(Ordering::Relaxed) > 0 => {}
                Err(_) => return None,
            }
        }
    }

    async fn fill(&self, stream: &mut RecvStream, mut rest: &mut [u8]) -> Result<(), FrameError> {
        while !rest.is_empty() {
            let count = self.bear(stream.read(rest)).await.ok_or(FrameError::Stalled)??;
            rest = &mut rest[count.ok_or(FrameError::Truncated)?..];
        }
        Ok(())
    }
}

/// Reads one frame; nothing at the orderly end of the stream.
///
/// Waits without limit for the first byte and impatiently for the others.
pub(crate) async fn read(
    stream: &mut RecvStream,
    max_bytes: usize,
    patience: &Patience,
) -> Result<Option<Bytes>, FrameError> {
    let mut head = [0; 4];
    let Some(first) = stream.read(&mut head).await? else { return Ok(None) };
    patience.fill(stream, &mut head[first..]).await?;
    let length = u32::from_be_bytes(head);
    let size_bytes = usize::try_from(length).unwrap_or(usize::MAX);
    if size_bytes == 0 || size_bytes > max_bytes {
        return Err(FrameError::Length(length, max_bytes));
    }
    let mut body = vec![0; size_bytes];
    patience.fill(stream, &mut body).await?;
    Ok(Some(body.into()))
}

/// Writes one frame. The caller has checked that `body` has 1 to
/// [`MAX_FRAME_BYTES`] bytes.
pub(crate) async fn write(stream: &mut SendStream, body: Bytes) -> Result<(), WriteError> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let head = Bytes::copy_from_slice(&length.to_be_bytes());
    stream.write_all_chunks(&mut [head, body]).await
}

/// Whether `body` can be sent as a frame.
pub(crate) fn fits(body: &Bytes) -> bool {
    (1..=MAX_FRAME_BYTES).contains(&body.len())
}
