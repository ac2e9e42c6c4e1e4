//! The first exchange on a link, which makes it the connection to its device.
//!
//! TLS tells a dialler nothing about whether the other device accepted it, and
//! both ends may dial at once. So each says hello with its run, and the device
//! with the lower ID says whether this link is kept (see `registry`). Only then
//! is a connection shown to the program.

use std::sync::Arc;
use std::time::Duration;

use driftless_core::DeviceId;
use quinn::{RecvStream, SendStream};
use tokio::time::{sleep, timeout};

use crate::connection::{CloseReason, Connection};
use crate::net::{NetEvent, Shared};
use crate::registry::Candidate;
use crate::runs::RunId;

/// How long a handshake, and a greeting after it, may take.
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a link may take to show that its other end lives.
const LIFE_SIGN: Duration = Duration::from_secs(2);

/// How long a connection that was replaced holds its place for its successor.
const SUCCESSION: Duration = Duration::from_millis(500);

/// Why a link did not become a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GreetingError {
    #[error("turned away: {0}")]
    Refused(CloseReason),
    #[error("the other device does not greet")]
    TimedOut,
    #[error("the link broke")]
    Broken,
}

/// Greets on an authenticated link and announces the connection.
pub(crate) async fn establish(
    shared: &Arc<Shared>,
    link: quinn::Connection,
    device: DeviceId,
    initiator: bool,
) -> Result<(), GreetingError> {
    let greeted = timeout(HANDSHAKE_DEADLINE, greet(shared, &link, device, initiator)).await;
    let connection = match greeted.unwrap_or(Err(GreetingError::TimedOut)) {
        Ok(connection) => connection,
        Err(error) => {
            let reason = match &error {
                GreetingError::Refused(reason) => *reason,
                GreetingError::TimedOut => CloseReason::Unresponsive,
                GreetingError::Broken => CloseReason::Done,
            };
            // Asked first: what this device says becomes the reason that is known here.
            let ended_as = link.close_reason();
            link.close(reason.code(), &[]);
            return Err(match ended_as {
                Some(error @ quinn::ConnectionError::ApplicationClosed(_)) => {
                    let reason = CloseReason::from_error(&error);
                    if reason == CloseReason::Cloned {
                        shared.tell(NetEvent::ToldCloned { by: device }).await;
                    }
                    GreetingError::Refused(reason)
                }
                _ => error,
            });
        }
    };
    announce(shared, connection).await;
    Ok(())
}

async fn greet(
    shared: &Shared,
    link: &quinn::Connection,
    device: DeviceId,
    initiator: bool,
) -> Result<Connection, GreetingError> {
    let (mut send, mut receive, run) = if initiator {
        let (mut send, mut receive) = link.open_bi().await.map_err(|_| GreetingError::Broken)?;
        say(&mut send, &shared.run).await?;
        let run: RunId = hear(&mut receive).await?;
        (send, receive, run)
    } else {
        let (mut send, mut receive) = link.accept_bi().await.map_err(|_| GreetingError::Broken)?;
        let run: RunId = hear(&mut receive).await?;
        say(&mut send, &shared.run).await?;
        (send, receive, run)
    };
    if shared.registry.is_return(device, run) {
        return Err(returned(shared, link, device).await);
    }
    let candidate = Candidate { link: link.clone(), device, initiator, run };
    if shared.registry.decides_about(device) {
        let (connection, generation) =
            shared.registry.decide(candidate).map_err(GreetingError::Refused)?;
        // A link that breaks here is an established connection that ends.
        let _ = say(&mut send, &generation.to_be_bytes()).await;
        let _ = send.finish();
        Ok(connection)
    } else {
        let _ = send.finish();
        let generation = u64::from_be_bytes(hear(&mut receive).await?);
        shared.registry.adopt(candidate, generation).map_err(GreetingError::Refused)
    }
}

/// Decides about a run that was replaced by another one: a late word of a program
/// that has ended, or proof that two computers are one device (P11).
async fn returned(shared: &Shared, link: &quinn::Connection, device: DeviceId) -> GreetingError {
    if !lives(link).await {
        return GreetingError::TimedOut;
    }
    if shared.registry.part_clones(device) {
        tracing::warn!(%device, "two computers use this device's identity");
        shared.tell(NetEvent::Cloned { device }).await;
    }
    GreetingError::Refused(CloseReason::Cloned)
}

/// Whether the other end acknowledges what is said only now.
async fn lives(link: &quinn::Connection) -> bool {
    let acknowledged = async {
        let (mut send, _) = link.open_bi().await.ok()?;
        send.write_all(&[0]).await.ok()?;
        send.finish().ok()?;
        send.stopped().await.ok()
    };
    timeout(LIFE_SIGN, acknowledged).await.is_ok_and(|sign| sign.is_some())
}

async fn say(send: &mut SendStream, bytes: &[u8; 8]) -> Result<(), GreetingError> {
    send.write_all(bytes).await.map_err(|_| GreetingError::Broken)
}

async fn hear(receive: &mut RecvStream) -> Result<[u8; 8], GreetingError> {
    let mut bytes = [0; 8];
    receive.read_exact(&mut bytes).await.map_err(|_| GreetingError::Broken)?;
    Ok(bytes)
}

/// Tells the program about a connection, and the registry about its end.
///
/// One that was replaced meanwhile is passed over, so that the last connection
/// that the program hears of is the one that lives.
async fn announce(shared: &Arc<Shared>, connection: Connection) {
    let (device, address) = (connection.device(), connection.remote_address());
    tracing::info!(%device, %address, "connected");
    let watched = connection.clone();
    let keeper = Arc::clone(shared);
    shared.spawn(async move {
        let (reason, was_told) = watched.end().await;
        tracing::info!(%device, %reason, "disconnected");
        if was_told && reason == CloseReason::Cloned {
            keeper.tell(NetEvent::ToldCloned { by: device }).await;
        }
        if matches!(reason, CloseReason::Replaced | CloseReason::Duplicate) {
            // The other device's word on the connection that stays is under way;
            // dialling now would only make a third.
            sleep(SUCCESSION).await;
        }
        keeper.registry.ended(&watched);
    });
    shared.tell(NetEvent::AddressSeen { device, address }).await;
    if let Ok(permit) = shared.events.reserve().await {
        shared
            .registry
            .while_live(&connection, || permit.send(NetEvent::Connected(connection.clone())));
    }
}
