//! The daemon's memory of recent events, and reading it from a cursor on.
//!
//! The ring is bounded. A subscriber holds no queue of its own: it reads the ring at its own pace, and one that
//! falls out of it is told to begin again from a snapshot. What a snapshot holds is the daemon's to say.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::api::{
    ApiError, Cursor, ErrorCode, Event, EventBody, Snapshot, Subscribe, SubscriptionFrame,
};

/// A bounded ring of events that can be subscribed to.
#[derive(Debug)]
pub struct EventLog {
    run: u64,
    capacity: usize,
    ring: Mutex<VecDeque<Event>>,
    /// The sequence of the newest event; zero before the first.
    newest: watch::Sender<u64>,
}

impl EventLog {
    /// Remembers the last `capacity` events (at least one). `run` is random and new at every start.
    pub fn new(run: u64, capacity: usize) -> Arc<Self> {
        let capacity = capacity.max(1);
        Arc::new(Self {
            run,
            capacity,
            ring: Mutex::new(VecDeque::new()),
            newest: watch::Sender::new(0),
        })
    }

    /// Appends an event and wakes every subscriber.
    pub fn publish(&self, at_ms: u64, body: EventBody) -> Cursor {
        let mut ring = self.ring();
        let cursor = Cursor { run: self.run, sequence: *self.newest.borrow() + 1 };
        if ring.len() == self.capacity {
            ring.pop_front();
        }
        ring.push_back(Event { cursor, at_ms, body });
        self.newest.send_replace(cursor.sequence);
        cursor
    }

    /// The cursor of the newest event.
    pub fn newest(&self) -> Cursor {
        Cursor { run: self.run, sequence: *self.newest.borrow() }
    }

    /// Begins a subscription. `snapshot` is called with the cursor that the snapshot is to carry, whenever the
    /// subscriber has to begin anew; it sees at least all that happened up to that cursor.
    ///
    /// # Errors
    /// `usage` when `after` is no cursor.
    pub fn subscribe<F, S>(
        self: &Arc<Self>,
        request: &Subscribe,
        snapshot: F,
    ) -> Result<Subscription, ApiError>
    where
        F: Fn(Cursor) -> S + Send + 'static,
        S: Future<Output = Result<Snapshot, ApiError>> + Send + 'static,
    {
        let after = match request.after.as_deref() {
            None => None,
            Some(Subscribe::OLDEST) => Some(self.oldest().saturating_sub(1)),
            Some(text) => {
                let cursor: Cursor = text.parse().map_err(|error| {
                    ApiError::new(ErrorCode::Usage, format!("{error}"))
                        .with_hint("use the cursor of an event that this daemon sent")
                })?;
                (cursor.run == self.run && cursor.sequence <= *self.newest.borrow())
                    .then_some(cursor.sequence)
            }
        };
        Ok(Subscription {
            log: Arc::clone(self),
            newest: self.newest.subscribe(),
            after,
            follow: request.follow,
            snapshot: Box::new(move |cursor| Box::pin(snapshot(cursor))),
        })
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sequence of the oldest event remembered; one past the newest when there is none.
    fn oldest(&self) -> u64 {
        let ring = self.ring();
        ring.front().map_or(*self.newest.borrow() + 1, |event| event.cursor.sequence)
    }

    fn look(&self, after: u64) -> Look {
        let ring = self.ring();
        let newest = *self.newest.borrow();
        if after == newest {
            return Look::Nothing;
        }
        // Sequences in the ring have no gaps, so the place follows from the distance to the newest.
        let back = usize::try_from(newest - after).unwrap_or(usize::MAX);
        match ring.len().checked_sub(back).and_then(|place| ring.get(place)) {
            Some(event) => Look::Event(event.clone()),
            None => Look::Forgotten,
        }
    }
}

enum Look {
    Event(Event),
    Nothing,
    Forgotten,
}

type SnapshotFuture = Pin<Box<dyn Future<Output = Result<Snapshot, ApiError>> + Send>>;

/// One reader of an [`EventLog`].
pub struct Subscription {
    log: Arc<EventLog>,
    newest: watch::Receiver<u64>,
    /// The sequence of the last event that was given out; absent when a snapshot has to come first.
    after: Option<u64>,
    follow: bool,
    snapshot: Box<dyn Fn(Cursor) -> SnapshotFuture + Send>,
}

impl Subscription {
    /// The next frame; nothing once a subscription that does not follow has seen everything.
    ///
    /// # Errors
    /// What making a snapshot failed with; the subscription is over then.
    pub async fn next(&mut self) -> Option<Result<SubscriptionFrame, ApiError>> {
        loop {
            self.newest.borrow_and_update();
            let look = self.after.map_or(Look::Forgotten, |after| self.log.look(after));
            match look {
                Look::Event(event) => {
                    self.after = Some(event.cursor.sequence);
                    return Some(Ok(SubscriptionFrame::Event(event)));
                }
                Look::Forgotten => {
                    let cursor = self.log.newest();
                    self.after = Some(cursor.sequence);
                    let snapshot = (self.snapshot)(cursor).await;
                    return Some(
                        snapshot.map(|snapshot| SubscriptionFrame::Snapshot(Box::new(snapshot))),
                    );
                }
                Look::Nothing if !self.follow => return None,
                Look::Nothing => self.newest.changed().await.ok()?,
            }
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("after", &self.after)
            .field("follow", &self.follow)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{EventLog, Subscription};
    use crate::api::{
        Cursor, EventBody, OwnDevice, Snapshot, Status, Subscribe, SubscriptionFrame,
    };

    async fn snapshot(cursor: Cursor) -> Result<Snapshot, crate::ApiError> {
        let device = OwnDevice { id: "A".into(), name: "a".into(), addresses: vec![] };
        let status = Status {
            device,
            version: "0".into(),
            problems: vec![],
            offers: 0,
            requests: 0,
            folders: vec![],
            devices: vec![],
        };
        Ok(Snapshot { cursor, status, offers: vec![] })
    }

    fn subscribe(log: &Arc<EventLog>, after: Option<String>) -> Subscription {
        log.subscribe(&Subscribe { after, follow: false }, snapshot).unwrap()
    }

    /// Writes a subscription out: `!` and the cursor for a snapshot, the time of every event.
    async fn read(mut subscription: Subscription) -> String {
        let mut seen = Vec::new();
        while let Some(frame) = subscription.next().await {
            seen.push(match frame.unwrap() {
                SubscriptionFrame::Snapshot(snapshot) => format!("!{}", snapshot.cursor),
                SubscriptionFrame::Event(event) => event.at_ms.to_string(),
            });
        }
        seen.join(" ")
    }

    #[tokio::test]
    async fn a_subscription_replays_what_is_remembered_and_begins_anew_otherwise() {
        let log = EventLog::new(0xab, 3);
        assert_eq!(read(subscribe(&log, None)).await, "!ab-0");
        assert_eq!(read(subscribe(&log, Some("oldest".into()))).await, "");
        for at_ms in 1..=5 {
            log.publish(at_ms, EventBody::ConfigChanged);
        }
        for (after, expected) in [
            (None, "!ab-5"),
            (Some("oldest"), "3 4 5"),
            (Some("ab-5"), ""),
            (Some("ab-4"), "5"),
            (Some("ab-2"), "3 4 5"),
            (Some("ab-1"), "!ab-5"),
            (Some("ab-6"), "!ab-5"),
            (Some("cd-4"), "!ab-5"),
        ] {
            assert_eq!(
                read(subscribe(&log, after.map(str::to_owned))).await,
                expected,
                "after {after:?}"
            );
        }
        assert!(
            log.subscribe(&Subscribe { after: Some("x".into()), follow: true }, snapshot).is_err()
        );
    }

    #[tokio::test]
    async fn a_follower_that_falls_behind_gets_a_snapshot_and_goes_on() {
        let log = EventLog::new(1, 2);
        let mut follower = log
            .subscribe(&Subscribe { after: Some("1-0".into()), follow: true }, snapshot)
            .unwrap();
        for at_ms in 1..=3 {
            log.publish(at_ms, EventBody::ConfigChanged);
        }
        let Some(Ok(SubscriptionFrame::Snapshot(snapshot))) = follower.next().await else {
            panic!("no snapshot")
        };
        assert_eq!(snapshot.cursor.to_string(), "1-3");
        let writer = Arc::clone(&log);
        let (next, _) =
            tokio::join!(
                follower.next(),
                async move { writer.publish(4, EventBody::ConfigChanged) }
            );
        let Some(Ok(SubscriptionFrame::Event(event))) = next else { panic!("no event") };
        assert_eq!(event.at_ms, 4);
    }
}
