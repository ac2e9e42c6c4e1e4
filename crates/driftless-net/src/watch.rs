//! Notices that the laptop slept or changed its network, and acts at once.
//!
//! After either, old connections may be dead without a sign, and old pauses
//! between dials would only delay.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use crate::connection::{CloseReason, Connection};
use crate::interfaces::Interfaces;
use crate::net::{NetEvent, Shared};
use crate::pairing::PairingFailure;

const TICK: Duration = Duration::from_secs(1);
/// A wall clock this far ahead of the monotonic one has run through a sleep.
const SLEEP: Duration = Duration::from_secs(3);
/// After this long without proof of life, another connection is sought beside the old one.
const DOUBT: Duration = Duration::from_millis(400);
/// After this long without proof, the old one is given up.
const PROOF: Duration = Duration::from_millis(2500);

/// Looks once a second, for as long as the program runs.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut ticker = interval(TICK);
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clocks = (SystemTime::now(), Instant::now());
    let mut interfaces = Interfaces::new();
    loop {
        ticker.tick().await;
        if shared.desk.expire() {
            shared.neighbourhood.refresh();
            shared.tell(NetEvent::PairingFailed { reason: PairingFailure::Expired }).await;
        }
        let now = (SystemTime::now(), Instant::now());
        let slept = has_slept(clocks, now);
        clocks = now;
        let moved = interfaces.have_changed();
        if slept || moved {
            tracing::info!(slept, moved, "looking for every device again");
            look_again(&shared);
        }
    }
}

/// Dials whoever is missing and checks who seems to be there.
pub(crate) fn look_again(shared: &Arc<Shared>) {
    shared.neighbourhood.search_again();
    shared.registry.wake_all();
    for connection in shared.registry.connections() {
        shared.spawn(check(Arc::clone(shared), connection));
    }
}

async fn check(shared: Arc<Shared>, connection: Connection) {
    if connection.answers_within(DOUBT).await {
        return;
    }
    shared.registry.suspect(&connection, true);
    if connection.answers_within(PROOF - DOUBT).await {
        shared.registry.suspect(&connection, false);
    } else {
        tracing::info!(device = %connection.device(), "a connection does not answer");
        connection.close(CloseReason::Unresponsive);
    }
}

fn has_slept(before: (SystemTime, Instant), now: (SystemTime, Instant)) -> bool {
    let wall = now.0.duration_since(before.0).unwrap_or_default();
    wall.saturating_sub(now.1.duration_since(before.1)) > SLEEP || wall > TICK + SLEEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n5_a_sleep_shows_as_a_gap_between_the_clocks_or_a_missed_tick() {
        let (wall, steady) = (SystemTime::UNIX_EPOCH, Instant::now());
        let after = |wall_s, steady_s| {
            (wall + Duration::from_secs(wall_s), steady + Duration::from_secs(steady_s))
        };
        assert!(!has_slept((wall, steady), after(1, 1)));
        assert!(
            has_slept((wall, steady), after(8 * 3600, 1)),
            "the monotonic clock stops in sleep"
        );
        assert!(has_slept((wall, steady), after(60, 60)), "or runs through it");
        assert!(!has_slept(after(60, 0), after(0, 1)), "a wall clock set back is no sleep");
    }
}
