//! Reading what a device answers, block by block, without waiting for ever.

use std::time::{Duration, Instant};

use driftless_core::{BlockHash, DeviceId};
use driftless_net::{Response, ResponseError};
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
    ) -> Result<Option<Vec<u8>>, AnswerError> {
        let mut status = [0];
        self.read_exact(&mut status).await?;
        if status != [0] {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let mut end = end_of(bytes.len());
        for slice in bytes.chunks_mut(SLICE) {
            let before = Instant::now();
            self.context.hub.receiving.pass(slice.len()).await;
            // What this device's own limit takes is no fault of the other's.
            end += before.elapsed();
            self.fill(slice, end).await?;
        }
        if BlockHash::of(&bytes) != *hash {
            return Err(self.offence(Offence::WrongBytes));
        }
        Ok(Some(bytes))
    }

    /// Fills `buffer`, as long as bytes keep coming.
    pub(super) async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), AnswerError> {
        self.fill(buffer, end_of(buffer.len())).await
    }

    /// Fills `buffer` until `end`, as long as bytes keep coming.
    async fn fill(&mut self, buffer: &mut [u8], end: Instant) -> Result<(), AnswerError> {
        let mut done = 0;
        while done < buffer.len() {
            let gap = GAP.min(end.saturating_duration_since(Instant::now()));
            let rest = buffer.len() - done;
            let Ok(piece) = timeout(gap, self.response.read_chunk(rest)).await else {
                return Err(self.offence(Offence::Hangs));
            };
            let piece = piece?.ok_or(ResponseError::EndedEarly { missing: rest })?;
            buffer[done..done + piece.len()].copy_from_slice(&piece);
            done += piece.len();
            if let Some(tally) = self.tally {
                tally.add(piece.len());
            }
        }
        Ok(())
    }

    /// Notes that the device did wrong.
    pub(super) fn offence(&self, offence: Offence) -> AnswerError {
        self.context.hub.conduct.strike(self.device, offence, Instant::now());
        offence.into()
    }
}
