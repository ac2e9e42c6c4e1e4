//! What connections carry, and which of them exist.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use driftless_net::{
    AnswerError, Channel, CloseReason, Connection, MAX_FRAME_BYTES, NetEvent, RequestError,
    ResponseError, SendError,
};
use tokio::sync::Barrier;
use tokio::time::{Instant, timeout};

use crate::device::{Device, allowed, connected_pair, soon};
use crate::outsider::{Credentials, Hello, SYNC, greet};

#[tokio::test(flavor = "multi_thread")]
async fn allowed_devices_exchange_frames_on_both_channels_in_both_directions() {
    let ((left, here), (right, there)) = connected_pair().await;
    assert_eq!((here.device(), there.device()), (right.id(), left.id()));
    assert!(here.initiator() && !there.initiator());
    assert_eq!(here.remote_address(), right.address());
    for (from, to) in [(&here, &there), (&there, &here)] {
        for channel in [Channel::Control, Channel::Index] {
            for size_bytes in [1, 1000, MAX_FRAME_BYTES] {
                let body = Bytes::from(vec![size_bytes as u8; size_bytes]);
                from.send(channel, body.clone()).await.unwrap();
                assert_eq!(soon(to.recv()).await, Some((channel, body)));
            }
        }
    }
    for body in [Bytes::new(), Bytes::from(vec![0; MAX_FRAME_BYTES + 1])] {
        let length = body.len();
        assert_eq!(here.send(Channel::Control, body).await, Err(SendError::Length(length)));
    }
    assert!(here.stats().sent_bytes > 2 * MAX_FRAME_BYTES as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_frame_overtakes_index_frames_that_nobody_reads_yet() {
    const FRAMES: usize = 64;
    let ((_left, here), (_right, there)) = connected_pair().await;
    let sender = here.clone();
    let flood = tokio::spawn(async move {
        for _ in 0..FRAMES {
            sender.send(Channel::Index, Bytes::from(vec![0; MAX_FRAME_BYTES])).await.unwrap();
        }
    });
    here.send(Channel::Control, Bytes::from_static(b"urgent")).await.unwrap();
    let mut before = 0;
    while soon(there.recv()).await.unwrap().0 != Channel::Control {
        before += 1;
    }
    assert!(before < FRAMES / 4, "{before} index frames came first");
    for _ in before..FRAMES {
        assert_eq!(soon(there.recv()).await.unwrap().0, Channel::Index);
    }
    flood.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_bring_megabytes_refusals_and_cancellations_to_the_other_side() {
    const PIECE: usize = 1024 * 1024;
    const PIECES: usize = 32;
    let ((_left, here), (_right, there)) = connected_pair().await;
    let server = tokio::spawn(async move {
        let mut outcomes = Vec::new();
        while let Some(mut request) = there.accept_request().await {
            match request.header().as_ref() {
                b"all" => {
                    for piece in 0..PIECES {
                        request.write(Bytes::from(vec![piece as u8; PIECE])).await.unwrap();
                    }
                    request.finish();
                }
                b"refuse" => request.refuse(u32::MAX),
                b"drop" => request.write(Bytes::from_static(b"begun")).await.unwrap(),
                _ => {
                    let endless = async {
                        loop {
                            if let Err(error) = request.write(Bytes::from(vec![0; PIECE])).await {
                                return error;
                            }
                        }
                    };
                    outcomes.push(soon(endless).await);
                }
            }
        }
        outcomes
    });
    let mut response = here.request(Bytes::from_static(b"all")).await.unwrap();
    let mut buffer = vec![0; PIECE];
    for piece in 0..PIECES {
        soon(response.read_exact(&mut buffer)).await.unwrap();
        assert!(buffer.iter().all(|byte| *byte == piece as u8));
    }
    assert_eq!(
        soon(response.read_exact(&mut buffer)).await,
        Err(ResponseError::EndedEarly { missing: PIECE })
    );

    let mut response = here.request(Bytes::from_static(b"refuse")).await.unwrap();
    assert_eq!(soon(response.read_chunk(10)).await, Err(ResponseError::Refused(u32::MAX)));
    let mut response = here.request(Bytes::from_static(b"drop")).await.unwrap();
    assert_eq!(soon(response.read_exact(&mut buffer)).await, Err(ResponseError::Cancelled));
    let mut response = here.request(Bytes::from_static(b"endless")).await.unwrap();
    soon(response.read_exact(&mut buffer)).await.unwrap();
    drop(response);
    // The server takes requests in turn, so this answer follows the cancellation.
    let mut response = here.request(Bytes::from_static(b"refuse")).await.unwrap();
    assert_eq!(soon(response.read_chunk(10)).await, Err(ResponseError::Refused(u32::MAX)));
    here.close(CloseReason::Done);
    assert_eq!(soon(server).await.unwrap(), [AnswerError::Cancelled]);
    assert_eq!(here.request(Bytes::from_static(b"late")).await.err(), Some(RequestError::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn n2_devices_that_dial_each_other_at_once_keep_one_and_the_same_connection() {
    for _ in 0..5 {
        let (mut left, mut right) = (Device::start("left").await, Device::start("right").await);
        let barrier = Arc::new(Barrier::new(2));
        let dials = [(left.net.clone(), right.listed()), (right.net.clone(), left.listed())];
        let dials = dials.map(|(net, listed)| {
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                net.set_devices(vec![listed]);
            })
        });
        for dial in dials {
            dial.await.unwrap();
        }
        let (mut here, mut there) = (left.connected().await, right.connected().await);
        // Whatever was replaced ends; what remains carries a question and its answer.
        soon(async {
            while !(answers(&here, &there).await && stays(&here, &there).await) {
                tokio::task::yield_now().await;
                latest(&mut left, &mut here);
                latest(&mut right, &mut there);
            }
        })
        .await;
        assert_ne!(here.initiator(), there.initiator());
        assert!(!here.is_closed() && !there.is_closed());
    }
}

/// Whether both are ends of one connection.
async fn answers(here: &Connection, there: &Connection) -> bool {
    let ask = async {
        let mut response = here.request(Bytes::from_static(b"?")).await.ok()?;
        response.read_chunk(1).await.ok()?
    };
    let answer = async {
        while let Some(mut request) = there.accept_request().await {
            // One from an earlier, abandoned call fails, and the next is served.
            if request.write(Bytes::from_static(b"!")).await.is_ok() {
                request.finish();
            }
        }
        std::future::pending().await
    };
    let both = async {
        tokio::select! {
            asked = ask => asked.is_some(),
            () = answer => false,
        }
    };
    timeout(Duration::from_millis(500), both).await.unwrap_or(false)
}

/// Whether no other connection takes the place of this one.
async fn stays(here: &Connection, there: &Connection) -> bool {
    let either = async {
        tokio::select!(reason = here.closed() => reason, reason = there.closed() => reason)
    };
    timeout(Duration::from_millis(300), either).await.is_err()
}

/// Moves on to the newest connection that was reported, if there is one.
fn latest(device: &mut Device, connection: &mut Connection) {
    while let Ok(event) = device.events.try_recv() {
        if let NetEvent::Connected(newer) = event {
            *connection = newer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n2_a_device_that_restarts_elsewhere_is_connected_again_within_three_seconds() {
    let ((mut left, here), (mut right, there)) = connected_pair().await;
    right.restart().await;
    assert_eq!(soon(here.closed()).await, CloseReason::ShuttingDown);
    assert_eq!(soon(here.recv()).await, None);
    drop(there);
    let since = Instant::now();
    right.net.set_devices(vec![left.listed_without_address()]);
    left.net.set_devices(vec![right.listed()]);
    let (here, there) = (left.connected().await, right.connected().await);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    here.send(Channel::Control, Bytes::from_static(b"again")).await.unwrap();
    assert!(soon(there.recv()).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_is_made_anew_without_being_asked() {
    let ((mut left, here), (mut right, there)) = connected_pair().await;
    there.close(CloseReason::Done);
    assert_eq!(soon(here.closed()).await, CloseReason::Done);
    let (here, there) = (left.connected().await, right.connected().await);
    assert!(!here.is_closed() && !there.is_closed());
}

/// H3: lengths are checked before memory is set aside; H11: unknown channels end it.
#[tokio::test(flavor = "multi_thread")]
async fn h3_an_oversized_or_empty_frame_or_a_strange_channel_closes_the_connection() {
    let over = (MAX_FRAME_BYTES as u32 + 1).to_be_bytes();
    let openings = [
        [&[1], &over[..]].concat(),
        [&[0], &u32::MAX.to_be_bytes()[..]].concat(),
        vec![0, 0, 0, 0, 0],
        vec![2],
    ];
    for opening in openings {
        let mut victim = Device::start("victim").await;
        let rude = Credentials::fresh();
        victim.net.set_devices(vec![allowed(rude.device, Vec::new())]);
        let hello = Hello::new(Some(rude.clone()), SYNC, victim.id());
        let link = soon(hello.dial(victim.address())).await.unwrap();
        greet(&link, rude.device, victim.id()).await;
        let connection = victim.connected().await;
        let mut stream = link.open_uni().await.unwrap();
        stream.write_all(&opening).await.unwrap();
        assert_eq!(soon(connection.recv()).await, None);
        soon(link.closed()).await;
        let code = CloseReason::Violation as u32;
        let expected = quinn::VarInt::from_u32(code);
        assert!(
            matches!(link.close_reason(), Some(quinn::ConnectionError::ApplicationClosed(close)) if close.error_code == expected),
            "{:?}",
            link.close_reason()
        );
    }
}

/// A name for loopback stands for any host name.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_found_by_a_host_name() {
    let (mut left, mut right) = (Device::start("left").await, Device::start("right").await);
    right.net.set_devices(vec![left.listed_without_address()]);
    let mut listed = right.listed_without_address();
    listed.static_addresses = vec![format!("localhost:{}", right.address().port())];
    left.net.set_devices(vec![listed]);
    let (here, there) = (left.connected().await, right.connected().await);
    assert!(here.initiator() && !there.initiator());
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_listen_everywhere_meet_over_ipv4_and_ipv6() {
    for loopback in ["127.0.0.1", "::1"] {
        let (mut left, mut right) =
            (Device::start_everywhere().await, Device::start_everywhere().await);
        let address = SocketAddr::new(loopback.parse().unwrap(), right.address().port());
        right.net.set_devices(vec![left.listed_without_address()]);
        left.net.set_devices(vec![allowed(right.id(), vec![address])]);
        let (here, there) = (left.connected().await, right.connected().await);
        assert_eq!(here.remote_address(), address);
        assert_eq!(there.remote_address(), SocketAddr::new(address.ip(), left.address().port()));
    }
}

/// A wire that can be cut without a word to either end.
struct Wire {
    address: SocketAddr,
    carrier: tokio::task::JoinHandle<()>,
}

impl Wire {
    async fn to(goal: SocketAddr) -> Self {
        let outer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let inner = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = outer.local_addr().unwrap();
        let carrier = tokio::spawn(async move {
            let (mut there, mut back) = (vec![0; 65536], vec![0; 65536]);
            let mut caller = None;
            loop {
                tokio::select! {
                    Ok((length, from)) = outer.recv_from(&mut there) => {
                        caller = Some(from);
                        let _ = inner.send_to(&there[..length], goal).await;
                    }
                    Ok((length, _)) = inner.recv_from(&mut back) => {
                        if let Some(caller) = caller {
                            let _ = outer.send_to(&back[..length], caller).await;
                        }
                    }
                }
            }
        });
        Self { address, carrier }
    }
}

/// N5: after a sleep or a change of network, dead connections are found at once.
#[tokio::test(flavor = "multi_thread")]
async fn n5_a_silent_connection_is_replaced_or_given_up_within_three_seconds_of_a_second_look() {
    let (mut left, mut right) = (Device::start("left").await, Device::start("right").await);
    let wire = Wire::to(right.address()).await;
    right.net.set_devices(vec![left.listed_without_address()]);
    left.net.set_devices(vec![allowed(right.id(), vec![wire.address])]);
    let (here, there) = (left.connected().await, right.connected().await);
    left.net.look_again();
    assert!(
        timeout(Duration::from_secs(1), here.closed()).await.is_err(),
        "it answers, so it stays"
    );

    wire.carrier.abort();
    let since = Instant::now();
    left.net.look_again();
    assert_eq!(soon(here.closed()).await, CloseReason::Unresponsive);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    assert!(!there.is_closed(), "the other end has not noticed yet");
    left.net.set_devices(vec![right.listed()]);
    let (here, replacement) = (left.connected().await, right.connected().await);
    assert_eq!(soon(there.closed()).await, CloseReason::Replaced);
    assert!(!here.is_closed() && !replacement.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_takes_less_than_a_second_and_tells_the_other_side() {
    let ((left, _here), (_right, there)) = connected_pair().await;
    let since = Instant::now();
    left.net.shutdown().await;
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    assert_eq!(soon(there.closed()).await, CloseReason::ShuttingDown);
}
