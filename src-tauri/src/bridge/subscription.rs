//! Passing a subscription on to the window, gathered.
//!
//! However many events there are, ten messages a second are the most that the window gets, and
//! what waits is bounded: where the window would fall behind, it begins anew with a snapshot.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use driftless_control::api::{Subscribe, SubscriptionFrame};
use driftless_control::{ApiError, CallError, Client};
use serde::Serialize;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::daemon::{Daemon, api_error};

/// Between two messages.
const MESSAGE_EVERY: Duration = Duration::from_millis(100);
/// How many frames one message has at the most.
const FRAMES: usize = 4096;

/// What goes through a subscription's channel.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Message {
    Frames(Vec<SubscriptionFrame>),
    /// The subscription is over; the last message.
    End(Option<ApiError>),
}

/// What the window follows at this moment, by the channel's number.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Mutex<HashMap<u32, JoinHandle<()>>>);

impl Subscriptions {
    pub(super) fn begin(&self, daemon: Daemon, params: Subscribe, channel: Channel<Message>) {
        let id = channel.id();
        let following = tauri::async_runtime::spawn(async move {
            let end = follow(&daemon, params, &channel).await.err();
            // A window that is gone needs no end.
            drop(channel.send(Message::End(end)));
        });
        let mut all = self.lock();
        all.retain(|_, other| !other.inner().is_finished());
        if let Some(before) = all.insert(id, following) {
            before.abort();
        }
    }

    pub(super) fn end(&self, channel: u32) {
        if let Some(following) = self.lock().remove(&channel) {
            following.abort();
        }
    }

    /// Ends all of them; the page that asked for them is gone.
    pub(crate) fn clear(&self) {
        self.lock().drain().for_each(|(_, following)| following.abort());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn follow(
    daemon: &Daemon,
    mut params: Subscribe,
    channel: &Channel<Message>,
) -> Result<(), ApiError> {
    loop {
        let client = daemon.client().await?;
        match pass_on(&client, params, channel).await {
            // Nothing is lost: what comes next is a snapshot.
            Err(CallError::Lagged) => params = Subscribe::default(),
            outcome => return outcome.map_err(api_error),
        }
    }
}

async fn pass_on(
    client: &Client,
    params: Subscribe,
    channel: &Channel<Message>,
) -> Result<(), CallError> {
    let mut stream = client.subscribe(params).await?;
    let mut next_message = Instant::now();
    loop {
        let Some(first) = stream.next().await else { return Ok(()) };
        let mut frames = vec![first?];
        let mut ended = None;
        while frames.len() < FRAMES {
            match timeout_at(next_message, stream.next()).await {
                Ok(Some(Ok(frame))) => frames.push(frame),
                Ok(other) => {
                    ended = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        sleep_until(next_message).await;
        next_message = Instant::now() + MESSAGE_EVERY;
        if channel.send(Message::Frames(frames)).is_err() {
            return Ok(());
        }
        match ended {
            None => {}
            Some(None) => return Ok(()),
            Some(Some(outcome)) => return outcome.map(drop),
        }
    }
}
