//! Reading what a device answers, block by block, without waiting for ever.

use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_core::block::Verified;
use driftless_core::{BlockHash, DeviceId};
use driftless_net::{Response, ResponseError};
use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::Context;
use super::conduct::Offence;
use super::underway::Tally;

/// How long an answer may go without a byte.
pub(super) const GAP: Duration = Duration::from_secs(30);

/// What an answer brings per second at the least, once it has taken longer
/// than [`GAP`], in bytes: a bad mobile network does better.
const SLOWEST_BYTES_PER_S: u64 = 1024;

/// How much of a block is read between two looks at the limit, so that a limit
/// makes a steady stream of it.
const SLICE: usize = 64 << 10;

/// When `bytes` should have come at the latest, counted from this moment.
fn end_of(bytes: usize) -> Instant {
    Instant::now() + GAP + Duration::from_secs(bytes as u64 / SLOWEST_BYTES_PER_S)
}

/// Why an answer is not read further.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    /// The device has no part in it, or said that it will not.
    #[error("the answer broke off")]
    Broken(#[from] ResponseError),
    /// The device's own doing.
    #[error(transparent)]
    Offence(#[from] Offence),
}

/// The answer of one device to one request.
pub(super) struct Answer<'a> {
    context: &'a Context,
    device: DeviceId,
    response: Response,
    /// Where what comes is counted.
    tally: Option<&'a Tally>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(context: &'a Context, device: DeviceId, response: Response) -> Self {
        Self { context, device, response, tally: None }
    }

    /// Counts what comes.
    pub(super) fn counted_by(self, tally: &'a Tally) -> Self {
        Self { tally: Some(tally), ..self }
    }

    /// Reads the answer to one block; `None` if the device does not have it.
    /// What is returned has the hash.
    pub(super) async fn block(
        &mut self,
        len: u64,
        hash: &BlockHash,
    ) -> Result<Option<Verified>, AnswerError> {
        let mut status = [0];
        self.read_exact(&mut status).await?;
        if status != [0] {
            return Ok(None);
        }
        let len = usize::try_from(len).unwrap_or(0);
        let mut bytes = Vec::with_capacity(len);
        let mut end = end_of(len);
        while bytes.len() < len {
            let slice = SLICE.min(len - bytes.len());
            let before = Instant::now();
            self.context.hub.receiving.pass(slice).await;
            // What this device's own limit takes is no fault of the other's.
            end += before.elapsed();
            let until = bytes.len() + slice;
            while bytes.len() < until {
                let piece = self.piece(until - bytes.len(), end).await?;
                bytes.extend_from_slice(&piece);
            }
        }
        Verified::new(bytes, *hash).map(Some).map_err(|_| self.offence(Offence::WrongBytes))
    }

    /// Fills `buffer`, as long as bytes keep coming.
    pub(super) async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), AnswerError> {
        let end = end_of(buffer.len());
        let mut done = 0;
        while done < buffer.len() {
            let piece = self.piece(buffer.len() - done, end).await?;
            buffer[done..done + piece.len()].copy_from_slice(&piece);
            done += piece.len();
        }
        Ok(())
    }

    /// The next bytes, at most `most`, if they come before `end`.
    async fn piece(&mut self, most: usize, end: Instant) -> Result<Bytes, AnswerError> {
        // Mostly there already: a clock is set only where there is a wait.
        let piece = match self.response.read_chunk(most).now_or_never() {
            Some(piece) => piece,
            None => {
                let gap = GAP.min(end.saturating_duration_since(Instant::now()));
                let Ok(piece) = timeout(gap, self.response.read_chunk(most)).await else {
                    return Err(self.offence(Offence::Hangs));
                };
                piece
            }
        };
        let piece = piece?.ok_or(ResponseError::EndedEarly { missing: most })?;
        if let Some(tally) = self.tally {
            tally.add(piece.len());
        }
        Ok(piece)
    }

    /// Notes that the device did wrong.
    pub(super) fn offence(&self, offence: Offence) -> AnswerError {
        self.context.hub.conduct.strike(self.device, offence, Instant::now());
        offence.into()
    }
}
