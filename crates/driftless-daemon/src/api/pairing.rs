//! `pair.*`: two devices come to trust each other by a code that a person carries across.
//!
//! A code is for one attempt. Whoever waits for its use holds it open: it stops
//! working when they go away. Or by a link that one passes to the other, which then
//! asks to be let in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driftless_control::api::{
    Done, Nearby, OwnLink, PairAnswer, PairCode, PairEnter, PairRequest, Paired,
};
use driftless_control::{ApiError, ErrorCode};
use driftless_net::{PairedDevice, PairingFailure};

use super::Outcome;
use super::failure::{failed, not_found, refused, unpaired};
use crate::asking;
use crate::config::{DeviceConfig, find_among};
use crate::device_link::{DeviceLink, qr};
use crate::hub::Hub;

/// How long a code works.
const CODE_LIFE: Duration = Duration::from_secs(300);

/// The most addresses in a link: more would make its QR code hard to read.
const LINK_ADDRESSES: usize = 4;

const ANEW: &str = "run `driftless pair` again for a new code";

/// How the code that is shown here stands.
#[derive(Clone, Debug)]
pub(crate) enum Pairing {
    /// None is shown.
    Closed,
    /// One is; each has another number.
    Open(u64),
    /// It was used, or came to nothing.
    Ended(Result<PairedDevice, PairingFailure>),
}

pub(super) fn open(hub: &Hub) -> Outcome<PairCode> {
    static CODES: AtomicU64 = AtomicU64::new(0);
    let code = hub.net.open_pairing(CODE_LIFE).map_err(|error| unpaired(&error))?;
    hub.pairing().send_replace(Pairing::Open(CODES.fetch_add(1, Ordering::Relaxed)));
    Ok(PairCode { code, expires_in_s: CODE_LIFE.as_secs() })
}

pub(super) fn close(hub: &Hub) -> Done {
    hub.net.close_pairing();
    hub.pairing().send_replace(Pairing::Closed);
    Done {}
}

pub(super) async fn wait(hub: &Hub) -> Outcome<Paired> {
    let mut pairing = hub.pairing().subscribe();
    let number = match &*pairing.borrow_and_update() {
        Pairing::Open(number) => *number,
        Pairing::Ended(result) => return ended(hub, result),
        Pairing::Closed => {
            return Err(not_found("no pairing code is open").with_hint("run `driftless pair`"));
        }
    };
    let _window = Window { hub, number };
    let is_over = |state: &Pairing| !matches!(state, Pairing::Open(open) if *open == number);
    let state = match pairing.wait_for(is_over).await {
        Ok(state) => state.clone(),
        Err(_) => Pairing::Closed,
    };
    match state {
        Pairing::Ended(result) => ended(hub, &result),
        Pairing::Open(_) => Err(refused("another code was made meanwhile")),
        Pairing::Closed => Err(refused("the code was withdrawn").with_hint(ANEW)),
    }
}

/// Keeps a code open for as long as somebody waits for it.
struct Window<'a> {
    hub: &'a Hub,
    number: u64,
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        let is_ours =
            matches!(&*self.hub.pairing().borrow(), Pairing::Open(open) if *open == self.number);
        if is_ours {
            close(self.hub);
        }
    }
}

fn ended(hub: &Hub, result: &Result<PairedDevice, PairingFailure>) -> Outcome<Paired> {
    match result {
        Ok(paired) => Ok(view(hub, paired)),
        Err(PairingFailure::Expired) => {
            Err(ApiError::new(ErrorCode::TimedOut, PairingFailure::Expired.to_string())
                .with_hint(ANEW))
        }
        Err(reason) => Err(refused(reason.to_string()).with_hint(ANEW)),
    }
}

pub(super) async fn enter(hub: &Arc<Hub>, request: &PairEnter) -> Outcome<Paired> {
    let paired = hub.net.pair_with_code(&request.code, request.address.clone()).await;
    let paired = paired.map_err(|error| unpaired(&error))?;
    let told = format!("{} trusts this device now, but could not be added here", paired.name);
    let trust = {
        let (hub, paired) = (Arc::clone(hub), paired.clone());
        // The other side trusts this one from here on: not to be given up half-way
        // because whoever asked has gone.
        tokio::spawn(async move { hub.trust(&paired).await })
    };
    match trust.await {
        Ok(Ok(())) => Ok(view(hub, &paired)),
        Ok(Err(error)) => Err(failed(format!("{told}: {}", ApiError::from(error)))),
        Err(error) => Err(failed(format!("{told}: {error}"))),
    }
}

fn view(hub: &Hub, paired: &PairedDevice) -> Paired {
    Paired { id: paired.device.to_string(), name: hub.name_of(&paired.device) }
}

pub(super) fn nearby(hub: &Hub) -> Vec<Nearby> {
    let shown = |device: driftless_net::Nearby| Nearby {
        name: device.name,
        addresses: device.addresses.iter().map(ToString::to_string).collect(),
        pairing: device.pairing,
    };
    hub.net.nearby().into_iter().map(shown).collect()
}

/// How another device can be told of this one.
pub(super) fn link(hub: &Hub) -> OwnLink {
    let mut addresses: Vec<_> = hub.net.reachable_addrs().iter().map(ToString::to_string).collect();
    addresses.truncate(LINK_ADDRESSES);
    let name = Some(hub.settings().device.name.clone());
    let link = DeviceLink { device: hub.device, name, addresses }.to_string();
    OwnLink { qr: qr(&link), link }
}

pub(super) fn requests(hub: &Hub) -> Vec<PairRequest> {
    hub.net.requests().iter().map(asking::view).collect()
}

pub(super) async fn answer(hub: &Arc<Hub>, answer: &PairAnswer) -> Outcome<Done> {
    let mut requests = hub.net.requests();
    // Not by name: anybody may call itself anything, and take another's place in the list.
    let asking: Vec<_> =
        requests.iter().map(|request| DeviceConfig::new(request.device, None)).collect();
    let hint = "`driftless device requests` lists the devices that ask";
    let found = find_among(&asking, &answer.id);
    let id = found.map_err(|error| ApiError::from(error).with_hint(hint))?.id;
    if !answer.accept {
        hub.turn_away(id);
        return Ok(Done {});
    }
    requests.retain(|request| request.device == id);
    for request in requests {
        hub.let_in(request).await?;
    }
    Ok(Done {})
}
