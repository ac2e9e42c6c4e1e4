//! More of everything than anyone needs, and less: handshakes and frames that
//! are begun and never finished.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driftless_net::CloseReason;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::device::{Device, allowed, soon};
use crate::outsider::{Credentials, Hello, SYNC, greet};

/// An allowed device that speaks bare QUIC, and the device that it attacks.
async fn connected() -> (Device, driftless_net::Connection, quinn::Connection, Credentials) {
    let mut victim = Device::start("victim").await;
    let eve = Credentials::fresh();
    victim.net.set_devices(vec![allowed(eve.device, Vec::new())]);
    let hello = Hello::new(Some(eve.clone()), SYNC, victim.id());
    let link = soon(hello.dial(victim.address())).await.unwrap();
    greet(&link, eve.device, victim.id()).await;
    let connection = victim.connected().await;
    (victim, connection, link, eve)
}

/// Bytes to and from the victim by way of one unfinished handshake.
#[derive(Default)]
struct Count {
    sent: AtomicUsize,
    back: AtomicUsize,
}

/// Forwards to `goal` from another address, and swallows what comes back.
async fn one_way(goal: SocketAddr, from: &str, count: Arc<Count>) -> (SocketAddr, JoinSet<()>) {
    let outer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let inner = UdpSocket::bind(from).await.unwrap();
    let address = outer.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut there, mut back) = (vec![0; 65536], vec![0; 65536]);
        loop {
            tokio::select! {
                Ok((length, _)) = outer.recv_from(&mut there) => {
                    count.sent.fetch_add(length, Ordering::SeqCst);
                    let _ = inner.send_to(&there[..length], goal).await;
                }
                Ok((length, _)) = inner.recv_from(&mut back) => {
                    count.back.fetch_add(length, Ordering::SeqCst);
                }
            }
        }
    });
    (address, tasks)
}

/// H11, H12: handshakes that are never finished keep nobody else out, and
/// whoever they claim to come from gets at most three times the bytes.
#[tokio::test(flavor = "multi_thread")]
async fn h11_h12_unfinished_handshakes_keep_nobody_out_and_amplify_nothing() {
    let mut victim = Device::start("victim").await;
    let friend = Credentials::fresh();
    victim.net.set_devices(vec![allowed(friend.device, Vec::new())]);
    let mut flood = JoinSet::new();
    let mut counts = Vec::new();
    for _ in 0..60 {
        let count = Arc::new(Count::default());
        counts.push(Arc::clone(&count));
        let (address, relay) = one_way(victim.address(), "127.0.0.9:0", count).await;
        let hello = Hello::new(Some(Credentials::fresh()), SYNC, victim.id());
        flood.spawn(async move {
            let _relay = relay;
            let _ = hello.dial(address).await;
        });
    }
    let all_began = async {
        while counts.iter().any(|count| count.sent.load(Ordering::SeqCst) == 0) {
            tokio::task::yield_now().await;
        }
    };
    soon(all_began).await;
    let since = Instant::now();
    let hello = Hello::new(Some(friend.clone()), SYNC, victim.id());
    let link = soon(hello.dial(victim.address())).await.unwrap();
    greet(&link, friend.device, victim.id()).await;
    victim.connected().await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    for count in counts {
        let sent = count.sent.load(Ordering::SeqCst);
        let back = count.back.load(Ordering::SeqCst);
        assert!(back <= 3 * sent, "{back} bytes back for {sent}");
    }
    flood.shutdown().await;
}

/// H11: 2^40 streams are asked for, 256 requests and four channels are had.
#[tokio::test(flavor = "multi_thread")]
async fn h11_streams_beyond_the_bound_are_not_opened() {
    let (_victim, connection, link, _) = connected().await;
    let mut requests = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(500), link.open_bi()).await {
        let (mut send, receive) = stream.unwrap();
        // A header of 1 MiB of which a few bytes come.
        send.write_all(&[0, 0x10, 0, 0, 1, 2, 3]).await.unwrap();
        requests.push((send, receive));
        assert!(requests.len() <= 256, "{}", requests.len());
    }
    assert!(requests.len() >= 200, "{}", requests.len());
    assert!(!connection.is_closed(), "slow headers cost only their own streams");
    let mut channels = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(300), link.open_uni()).await {
        channels.push(stream);
        assert!(channels.len() <= 4, "{}", channels.len());
    }
}

/// H11: a frame that is begun has to go on; one that has not begun may wait.
#[tokio::test(flavor = "multi_thread")]
async fn h11_a_frame_that_stops_in_the_middle_ends_the_connection() {
    let (_victim, connection, link, _) = connected().await;
    let mut stream = link.open_uni().await.unwrap();
    // The index channel, and a frame of 1 MiB of which a few bytes come.
    stream.write_all(&[1, 0, 0x10, 0, 0, 1, 2, 3]).await.unwrap();
    let since = Instant::now();
    let closed = timeout(Duration::from_secs(20), link.closed()).await.expect("it is given up");
    let code = quinn::VarInt::from_u32(CloseReason::Violation as u32);
    assert!(
        matches!(&closed, quinn::ConnectionError::ApplicationClosed(close) if close.error_code == code),
        "{closed}"
    );
    assert!(connection.is_closed());
    assert!(since.elapsed() > Duration::from_secs(5), "{:?}", since.elapsed());
}

/// H9: there is no resumption, so nothing can be sent, and replayed, before the
/// handshake has proved who sends it.
#[tokio::test(flavor = "multi_thread")]
async fn h9_nothing_is_taken_before_the_handshake_has_ended() {
    let mut victim = Device::start("victim").await;
    let friend = Credentials::fresh();
    victim.net.set_devices(vec![allowed(friend.device, Vec::new())]);
    let hello = Hello::new(Some(friend.clone()), SYNC, victim.id());
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    // One configuration for both, which would keep a ticket if it got one.
    let config = hello.config();
    let dial =
        || endpoint.connect_with(config.clone(), victim.address(), &hello.server_name).unwrap();
    let link = soon(dial()).await.unwrap();
    greet(&link, friend.device, victim.id()).await;
    let again = dial().into_0rtt();
    assert!(again.is_err(), "there is no ticket to begin with");
    victim.connected().await;
}
