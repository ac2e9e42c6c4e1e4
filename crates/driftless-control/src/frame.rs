//! Frames: how messages are cut out of a byte stream, within bounds.
//!
//! A frame is its length (four bytes, big-endian) and so many bytes of JSON. A length that is zero or over the
//! limit is refused before anything is allocated for it. What the JSON means is not decided here.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::api::{ApiError, SubscriptionFrame};

/// The largest request, in bytes.
pub const REQUEST_LIMIT: usize = 4 << 20;
/// The largest reply or pushed frame, in bytes.
pub const REPLY_LIMIT: usize = 64 << 20;
/// How long a frame may pause between two of its bytes.
pub const GAP: Duration = Duration::from_secs(10);

const HEADER: usize = 4;
const READ_AT_ONCE: usize = 16 << 10;

/// The id of a frame that answers no request: what the daemon says before it hangs up.
pub(crate) const CONNECTION: u64 = 0;

/// What a client sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum ClientFrame {
    /// A request; the reply carries the same id.
    Call {
        id: u64,
        method: String,
        #[serde(default)]
        params: Value,
    },
    /// The reply to this request is no longer wanted.
    Cancel { cancel: u64 },
}

/// What the daemon sends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServerFrame {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) body: ServerBody,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServerBody {
    /// The request was done.
    Ok(Value),
    /// The request failed.
    Error(ApiError),
    /// One frame of a subscription; more follow. Kept raw so that a type from a newer daemon can be skipped.
    Push(Value),
}

impl ServerBody {
    pub(crate) fn push(frame: &SubscriptionFrame) -> Result<Self, serde_json::Error> {
        serde_json::to_value(frame).map(Self::Push)
    }
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The length is over the limit.
    #[error("a frame of {length} bytes is over the limit of {limit}")]
    TooLarge {
        /// The length announced.
        length: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The length is zero.
    #[error("a frame is empty")]
    Empty,
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// No byte came for longer than [`GAP`] inside a frame.
    #[error("a frame stopped halfway")]
    Stalled,
    /// The stream failed.
    #[error("the stream failed")]
    Io(#[from] io::Error),
}

/// Cuts frames out of a stream. Dropping `next` halfway loses nothing.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    buffer: Vec<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames of up to `limit` bytes.
    pub fn new(inner: R, limit: usize) -> Self {
        Self { inner, buffer: Vec::new(), limit }
    }

    /// Reads the next frame; nothing at a clean end of the stream.
    ///
    /// # Errors
    /// See [`FrameError`]; the stream is of no further use after one.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        loop {
            let wanted = self.wanted()?;
            if self.buffer.len() >= wanted && wanted > HEADER {
                let rest = self.buffer.split_off(wanted);
                let mut frame = std::mem::replace(&mut self.buffer, rest);
                frame.drain(..HEADER);
                return Ok(Some(frame));
            }
            self.buffer.reserve((wanted - self.buffer.len()).max(READ_AT_ONCE));
            let read = if self.buffer.is_empty() {
                self.inner.read_buf(&mut self.buffer).await?
            } else {
                let read = self.inner.read_buf(&mut self.buffer);
                tokio::time::timeout(GAP, read).await.map_err(|_| FrameError::Stalled)??
            };
            match read {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(FrameError::Truncated),
                _ => {}
            }
        }
    }

    /// How many bytes the buffer must hold for the next step: the header, then header and body.
    fn wanted(&self) -> Result<usize, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(HEADER) };
        let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        match length {
            0 => Err(FrameError::Empty),
            _ if length > self.limit => Err(FrameError::TooLarge { length, limit: self.limit }),
            _ => Ok(HEADER + length),
        }
    }
}

/// Writes one frame.
///
/// # Errors
/// `TooLarge` over `limit`, before anything is written; otherwise what the stream says.
pub async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &[u8],
    limit: usize,
) -> Result<(), FrameError> {
    let too_large = FrameError::TooLarge { length: frame.len(), limit };
    if frame.len() > limit {
        return Err(too_large);
    }
    let length = u32::try_from(frame.len()).map_err(|_| too_large)?;
    // One write for small frames, so that a request is one wake-up at the other end.
    if frame.len() <= READ_AT_ONCE {
        let mut whole = Vec::with_capacity(HEADER + frame.len());
        whole.extend_from_slice(&length.to_be_bytes());
        whole.extend_from_slice(frame);
        stream.write_all(&whole).await?;
    } else {
        stream.write_all(&length.to_be_bytes()).await?;
        stream.write_all(frame).await?;
    }
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FrameError, FrameReader, write_frame};

    async fn read_all(bytes: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut reader = FrameReader::new(bytes, limit);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next().await? {
            frames.push(frame);
        }
        Ok(frames)
    }

    #[tokio::test]
    async fn frames_come_out_as_they_went_in() {
        let large = vec![7; 100_000];
        let mut stream = Vec::new();
        for frame in [b"a".as_slice(), &large, b"bc"] {
            write_frame(&mut stream, frame, 100_000).await.unwrap();
        }
        assert_eq!(
            read_all(&stream, 100_000).await.unwrap(),
            [b"a".to_vec(), large, b"bc".to_vec()]
        );
    }

    /// H3: a huge, empty or cut-off frame is refused by its header.
    #[tokio::test]
    async fn frames_out_of_bounds_are_refused_before_allocation() {
        let refused = |bytes: &'static [u8]| async move { read_all(bytes, 16).await.unwrap_err() };
        assert!(matches!(
            refused(b"\xff\xff\xff\xff").await,
            FrameError::TooLarge { length: 0xffff_ffff, limit: 16 }
        ));
        assert!(matches!(
            refused(b"\0\0\0\x11").await,
            FrameError::TooLarge { length: 17, limit: 16 }
        ));
        assert!(matches!(refused(b"\0\0\0\0").await, FrameError::Empty));
        assert!(matches!(refused(b"\0\0\0\x05abc").await, FrameError::Truncated));
        assert!(matches!(refused(b"\0\0").await, FrameError::Truncated));
        assert_eq!(read_all(b"\0\0\0\x100123456789abcdef", 16).await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_stops_halfway_is_given_up() {
        let (mut here, there) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut here, b"\0\0\0\x05ab").await.unwrap();
        let mut reader = FrameReader::new(there, 16);
        assert!(matches!(reader.next().await.unwrap_err(), FrameError::Stalled));
    }
}
