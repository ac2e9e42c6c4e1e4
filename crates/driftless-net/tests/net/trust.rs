//! Who gets in, and who is thrown out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use driftless_net::{Channel, CloseReason, ResponseError};
use quinn::ConnectionError;
use tokio::time::timeout;

use crate::device::{Device, allowed, connected_pair, soon};
use crate::outsider::{Credentials, Hello, PAIR, SYNC, listen};

/// Asserts that `hello` ended in a TLS alert and `victim` noticed nothing.
async fn is_refused(victim: &mut Device, hello: &Hello) {
    let error = soon(hello.is_turned_away(victim.address())).await;
    assert!(matches!(error, ConnectionError::ConnectionClosed(_)), "{error:?}");
    assert!(victim.events.try_recv().is_err(), "a stranger makes no event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_inside_tls_and_sees_no_certificate_unless_it_knows_the_id() {
    let mut victim = Device::start("victim").await;
    let friend = Credentials::fresh();
    victim.net.set_devices(vec![allowed(friend.device, Vec::new())]);
    let knowing = Hello::new(Some(Credentials::fresh()), SYNC, victim.id());
    is_refused(&mut victim, &knowing).await;
    assert!(knowing.verifier.saw_certificate.load(Ordering::SeqCst));

    let ignorant = Hello::new(Some(Credentials::fresh()), SYNC, Credentials::fresh().device);
    is_refused(&mut victim, &ignorant).await;
    assert!(!ignorant.verifier.saw_certificate.load(Ordering::SeqCst));

    let uninvited = Hello::new(Some(Credentials::fresh()), PAIR, victim.id());
    is_refused(&mut victim, &uninvited).await;
    assert!(!uninvited.verifier.saw_certificate.load(Ordering::SeqCst), "pairing is not open");
}

#[tokio::test(flavor = "multi_thread")]
async fn h9_a_caller_with_another_key_or_none_or_the_wrong_protocol_is_refused() {
    let mut victim = Device::start("victim").await;
    let friend = Credentials::fresh();
    victim.net.set_devices(vec![allowed(friend.device, Vec::new())]);
    let id = victim.id();
    let wrong = [
        Hello::new(Some(Credentials::stolen_from(&friend)), SYNC, id),
        Hello::new(None, SYNC, id),
        Hello::new(Some(friend.clone()), b"h3", id),
        Hello { alpn: Vec::new(), ..Hello::new(Some(friend.clone()), SYNC, id) },
        Hello {
            alpn: vec![SYNC.into(), PAIR.into()],
            ..Hello::new(Some(friend.clone()), SYNC, id)
        },
    ];
    for hello in wrong {
        is_refused(&mut victim, &hello).await;
    }
    let right = Hello::new(Some(friend), SYNC, id);
    let link = soon(right.dial(victim.address())).await.unwrap();
    assert!(
        timeout(Duration::from_millis(300), link.closed()).await.is_err(),
        "the true key is let in"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn h9_a_dialled_device_must_hold_the_expected_key() {
    let mut caller = Device::start("caller").await;
    let friend = Credentials::fresh();
    for impostor in [Credentials::stolen_from(&friend), Credentials::fresh()] {
        let trap = listen(&impostor, SYNC);
        caller.net.set_devices(vec![allowed(friend.device, vec![trap.local_addr().unwrap()])]);
        let incoming = soon(trap.accept()).await.unwrap();
        assert!(soon(async { incoming.await }).await.is_err());
    }
    assert!(caller.events.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn n8_a_removed_or_paused_device_is_cut_at_once_in_the_middle_of_everything() {
    for reason in [CloseReason::Removed, CloseReason::Paused] {
        let ((left, here), (mut right, there)) = connected_pair().await;
        let mut response = here.request(Bytes::from_static(b"much")).await.unwrap();
        let mut request = soon(there.accept_request()).await.unwrap();
        request.write(Bytes::from_static(b"begin")).await.unwrap();
        soon(response.read_exact(&mut [0; 5])).await.unwrap();
        there.send(Channel::Control, Bytes::from_static(b"first")).await.unwrap();
        assert!(soon(here.recv()).await.is_some());
        there.send(Channel::Index, Bytes::from_static(b"queued")).await.unwrap();

        let mut listed = right.listed();
        listed.paused = true;
        left.net.set_devices(if reason == CloseReason::Paused { vec![listed] } else { Vec::new() });

        assert!(here.is_closed());
        assert_eq!(here.recv().await, None, "not even what had arrived");
        assert!(here.accept_request().await.is_none());
        assert_eq!(response.read_exact(&mut [0; 1]).await, Err(ResponseError::Closed));
        assert_eq!(here.closed().await, reason);
        assert_eq!(soon(there.closed()).await, reason);
        // It asks again, in vain.
        right.net.set_devices(vec![left.listed()]);
        while right.events.try_recv().is_ok() {}
        let again = timeout(Duration::from_secs(1), right.events.recv()).await;
        assert!(again.is_err(), "{again:?}");
    }
}
