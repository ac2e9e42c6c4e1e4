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
use crate::registry::{Candidate, RunId};

/// How long a handshake, and a greeting after it, may take.
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

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
            // Without effect if the other device closed the link.
            link.close(reason.code(), &[]);
            return Err(match link.close_reason() {
                Some(error @ quinn::ConnectionError::ApplicationClosed(_)) => {
                    GreetingError::Refused(CloseReason::from_error(&error))
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
        let reason = watched.closed().await;
        tracing::info!(%device, %reason, "disconnected");
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
