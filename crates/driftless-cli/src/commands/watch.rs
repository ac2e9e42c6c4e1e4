//! `wait` and `events`: following what the daemon does.

use std::time::Duration;

use driftless_control::api::{self, StatusQuery, Subscribe, SubscriptionFrame, WaitResult};
use driftless_control::{CallError, Client};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::status::LOOK_AGAIN;
use crate::args::Wait;
use crate::failure::{Exit, Failure};
use crate::progress::Bars;
use crate::session::{Session, folder_word};

/// How much longer than its own time-out the daemon may take to say that time is up.
const PATIENCE_S: u64 = 10;

/// Waits until folders have settled. A time-out names what is missing.
pub(super) async fn wait(session: &Session, wait: Wait) -> Result<(), Failure> {
    let Wait { folders, timeout: timeout_s, copies } = wait;
    let folders = folders.iter().map(|folder| folder_word(folder)).collect::<Result<_, _>>()?;
    let request = api::Wait { folders, timeout_s, copies };
    let client = session.connect().await?;
    let waiting = async {
        if session.output.is_live() {
            wait_with_bars(&client, request).await
        } else {
            client.call(request).await
        }
    };
    let result = match timeout_s {
        None => waiting.await?,
        Some(seconds) => timeout(Duration::from_secs(seconds.saturating_add(PATIENCE_S)), waiting)
            .await
            .map_err(|_| {
                Failure::new(
                    Exit::TimedOut,
                    "timed out: the daemon does not answer; look at its log",
                )
            })??,
    };
    if session.output.is_json() {
        session.output.print_json(&result)?;
    }
    match result {
        WaitResult { done: true, .. } => Ok(()),
        WaitResult { missing, .. } if missing.is_empty() => {
            Err(Failure::new(Exit::TimedOut, "timed out; `driftless status` says what is going on"))
        }
        WaitResult { missing, .. } => {
            Err(Failure::new(Exit::TimedOut, format!("timed out: {}", missing.join("; "))))
        }
    }
}

async fn wait_with_bars(client: &Client, request: api::Wait) -> Result<WaitResult, CallError> {
    let mut bars = Bars::new();
    let mut ticks = interval(LOOK_AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let waiting = client.call(request);
    tokio::pin!(waiting);
    let outcome = loop {
        tokio::select! {
            outcome = &mut waiting => break outcome,
            _ = ticks.tick() => match client.call(StatusQuery::default()).await {
                Ok(status) => bars.show(&status),
                Err(error) => break Err(error),
            },
        }
    };
    bars.clear();
    outcome
}

/// Prints events as JSON lines; a snapshot where events were missed.
pub(super) async fn events(
    session: &Session,
    since: Option<String>,
    follow: bool,
) -> Result<(), Failure> {
    let client = session.connect().await?;
    let after = Some(since.unwrap_or_else(|| Subscribe::OLDEST.to_owned()));
    let mut events = client.subscribe(Subscribe { after, follow }).await?;
    while let Some(frame) = events.next().await {
        match frame? {
            SubscriptionFrame::Event(event) => session.output.print_json(&event)?,
            snapshot @ SubscriptionFrame::Snapshot(_) => session.output.print_json(&snapshot)?,
        }
    }
    Ok(())
}
