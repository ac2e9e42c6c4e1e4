//! Pairing by code, and the ways to cheat at it.

use std::time::Duration;

use driftless_net::{NetEvent, PairError, PairedDevice, PairingFailure};
use quinn::{RecvStream, SendStream};

use crate::device::{Device, soon};
use crate::outsider::{Credentials, Hello, PAIR, listen};

const MINUTE: Duration = Duration::from_secs(60);

/// Enters `code` on `guest` for `host`, wherever `address` leads.
async fn enter(
    guest: &Device,
    code: &str,
    address: std::net::SocketAddr,
) -> Result<PairedDevice, PairError> {
    soon(guest.net.pair_with_code(code, Some(address.to_string()))).await
}

fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

#[tokio::test(flavor = "multi_thread")]
async fn l7_the_right_code_makes_both_devices_know_each_other_once() {
    let (mut host, guest) = (Device::start("Kitchen").await, Device::start("Study\u{7}").await);
    let code = host.net.open_pairing(MINUTE).unwrap();
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    let paired = enter(&guest, &spaced, host.address()).await.unwrap();
    assert_eq!((paired.device, paired.name.as_str()), (host.id(), "Kitchen"));
    let NetEvent::Paired(seen) = host.next_event().await else { panic!("no pairing") };
    assert_eq!((seen.device, seen.name.as_str()), (guest.id(), "Study"));
    assert_eq!(seen.address, guest.address());
    assert_eq!(
        enter(&guest, &code, host.address()).await,
        Err(PairError::NotOpen),
        "the code is spent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn l7_a_wrong_code_fails_on_both_sides_and_burns_the_right_one() {
    let (mut host, guest) = (Device::start("host").await, Device::start("guest").await);
    let code = host.net.open_pairing(MINUTE).unwrap();
    assert_eq!(enter(&guest, other_than(&code), host.address()).await, Err(PairError::WrongCode));
    let event = host.next_event().await;
    assert!(
        matches!(event, NetEvent::PairingFailed { reason: PairingFailure::WrongCode }),
        "{event:?}"
    );
    assert_eq!(enter(&guest, &code, host.address()).await, Err(PairError::NotOpen));
    assert!(host.events.try_recv().is_err(), "a refused caller is no attempt");
    let next = host.net.open_pairing(MINUTE).unwrap();
    assert!(enter(&guest, &next, host.address()).await.is_ok(), "a new code works");
}

#[tokio::test(flavor = "multi_thread")]
async fn l7_an_expired_or_withdrawn_code_does_not_pair() {
    let (mut host, guest) = (Device::start("host").await, Device::start("guest").await);
    let code = host.net.open_pairing(Duration::ZERO).unwrap();
    assert_eq!(enter(&guest, &code, host.address()).await, Err(PairError::NotOpen));
    let event = host.next_event().await;
    assert!(
        matches!(event, NetEvent::PairingFailed { reason: PairingFailure::Expired }),
        "{event:?}"
    );
    let code = host.net.open_pairing(MINUTE).unwrap();
    host.net.close_pairing();
    assert_eq!(enter(&guest, &code, host.address()).await, Err(PairError::NotOpen));
}

#[tokio::test(flavor = "multi_thread")]
async fn pairing_says_what_is_wrong_with_a_code_or_an_address() {
    let guest = Device::start("guest").await;
    assert_eq!(enter(&guest, "12345", guest.address()).await, Err(PairError::Malformed));
    assert_eq!(soon(guest.net.pair_with_code("123456", None)).await, Err(PairError::NoneNearby));
    let code = guest.net.open_pairing(MINUTE).unwrap();
    assert_eq!(enter(&guest, &code, guest.address()).await, Err(PairError::Own));
}

/// Rule 21: the proofs name both keys and the TLS session, so relaying them between
/// two sessions proves nothing, even with the right code.
#[tokio::test(flavor = "multi_thread")]
async fn l7_a_relay_between_two_sessions_fails_although_the_code_is_right() {
    let (mut host, guest) = (Device::start("host").await, Device::start("guest").await);
    let code = host.net.open_pairing(MINUTE).unwrap();
    let middle = Credentials::fresh();
    let trap = listen(&middle, PAIR);
    let address = trap.local_addr().unwrap();
    let (goal, goal_id) = (host.address(), host.id());
    let relay = tokio::spawn(async move {
        let inner = trap.accept().await.unwrap().await.unwrap();
        let outer = Hello::new(Some(middle), PAIR, goal_id).dial(goal).await.unwrap();
        let (back, forth) = inner.accept_bi().await.unwrap();
        let (send, receive) = outer.open_bi().await.unwrap();
        let forwarded = tokio::join!(copy(forth, send), copy(receive, back));
        // Each end hears of the other's verdict, as on a real wire.
        for (link, other) in [(&inner, &outer), (&outer, &inner)] {
            if let Some(quinn::ConnectionError::ApplicationClosed(close)) = link.close_reason() {
                other.close(close.error_code, &close.reason);
            }
        }
        soon(async { tokio::join!(inner.closed(), outer.closed()) }).await;
        forwarded
    });
    let outcome = enter(&guest, &code, address).await;
    // What the guest hears is up to the relay.
    assert!(matches!(outcome, Err(PairError::WrongCode | PairError::Lost)), "{outcome:?}");
    let event = host.next_event().await;
    assert!(
        matches!(event, NetEvent::PairingFailed { reason: PairingFailure::WrongCode }),
        "{event:?}"
    );
    let (there, back) = soon(relay).await.unwrap();
    assert!(there > 60 && back > 30, "the relay did forward: {there} and {back} bytes");
}

/// Forwards until either side ends; returns how many bytes.
async fn copy(mut from: RecvStream, mut to: SendStream) -> usize {
    let mut count = 0;
    while let Ok(Some(piece)) = from.read_chunk(4096, true).await {
        count += piece.bytes.len();
        if to.write_chunk(piece.bytes).await.is_err() {
            break;
        }
    }
    count
}
