//! Devices that ask to be let in by dialling.

use std::collections::BTreeSet;
use std::time::Instant;

use driftless_net::{NetEvent, PairRequest};

use crate::device::{Device, allowed, soon};
use crate::outsider::{Credentials, Hello, SYNC};

/// How `victim` turns `caller` away, as the caller sees it.
async fn refusal(victim: &Device, caller: &Credentials) -> String {
    let hello = Hello::new(Some(caller.clone()), SYNC, victim.id());
    format!("{:?}", soon(hello.is_turned_away(victim.address())).await)
}

async fn next_request(device: &mut Device) -> PairRequest {
    loop {
        if let NetEvent::RequestsChanged = device.next_event().await
            && let Some(request) = device.net.requests().into_iter().next()
        {
            return request;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_knows_the_id_asks_by_dialling_and_connects_once_it_is_listed() {
    let (mut ada, mut bob) = (Device::start("ada").await, Device::start("bob").await);
    ada.net.set_requests(true, BTreeSet::new());
    bob.net.set_devices(vec![ada.listed()]);
    let request = next_request(&mut ada).await;
    assert_eq!((request.device, request.name.as_str()), (bob.id(), "bob"));
    assert_eq!(request.address, bob.address());
    ada.net.set_devices(vec![allowed(request.device, vec![request.address])]);
    assert_eq!(ada.connected().await.device(), bob.id());
    assert_eq!(bob.connected().await.device(), ada.id());
    assert_eq!(ada.net.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changed_is_said_at_the_next_dial() {
    let (mut ada, bob) = (Device::start("ada").await, Device::start("bob").await);
    ada.net.set_requests(true, BTreeSet::new());
    bob.net.set_name("robert\u{202e}").unwrap();
    bob.net.set_devices(vec![ada.listed()]);
    assert_eq!(next_request(&mut ada).await.name, "robert");
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_a_stranger_sees_the_same_whether_it_is_heard_turned_away_or_nobody_may_ask() {
    let victim = Device::start("victim").await;
    let caller = Credentials::fresh();
    let nobody_may_ask = refusal(&victim, &caller).await;
    victim.net.set_requests(true, BTreeSet::new());
    let heard = refusal(&victim, &caller).await;
    assert_eq!(victim.net.requests().len(), 1, "it was heard");
    let waiting = refusal(&victim, &caller).await;
    victim.net.set_requests(true, [caller.device].into());
    let turned_away = refusal(&victim, &caller).await;
    assert_eq!(victim.net.requests(), []);
    let mut listed = allowed(caller.device, Vec::new());
    listed.paused = true;
    victim.net.set_devices(vec![listed]);
    let paused = refusal(&victim, &caller).await;
    for seen in [heard, waiting, turned_away, paused] {
        assert_eq!(seen, nobody_may_ask);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_who_shows_a_key_without_having_it_asks_nothing_and_learns_nothing_of_it() {
    let victim = Device::start("victim").await;
    victim.net.set_requests(true, BTreeSet::new());
    let (friend, stranger) = (Credentials::fresh(), Credentials::fresh());
    victim.net.set_devices(vec![allowed(friend.device, Vec::new())]);
    let as_friend = refusal(&victim, &Credentials::stolen_from(&friend)).await;
    let as_stranger = refusal(&victim, &Credentials::stolen_from(&stranger)).await;
    assert_eq!(as_friend, as_stranger);
    assert_eq!(victim.net.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn h16_a_flood_of_keys_from_one_address_makes_one_request_and_one_event() {
    let mut victim = Device::start("victim").await;
    victim.net.set_requests(true, BTreeSet::new());
    let (first, began) = (Credentials::fresh(), Instant::now());
    refusal(&victim, &first).await;
    for _ in 0..40 {
        refusal(&victim, &Credentials::fresh()).await;
    }
    // Another for each five seconds that a slow computer took.
    let most = 1 + began.elapsed().as_secs() / 5;
    let waiting = victim.net.requests();
    assert!(waiting.len() as u64 <= most, "{waiting:?}");
    assert_eq!(waiting.last().map(|one| one.device), Some(first.device));
    assert!(matches!(victim.next_event().await, NetEvent::RequestsChanged));
    let told = std::iter::from_fn(|| victim.events.try_recv().ok()).count() as u64;
    assert!(told < most, "{told} more events");
}
