//! A link that is slow to answer and loses packets, and what a connection makes of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::device::{Device, allowed, soon};

const ONE_WAY: Duration = Duration::from_millis(10);
const LOST_PER_MILLE: u64 = 10;
/// What fits into a link of some hundred megabits at this delay.
const QUEUE_PACKETS: usize = 1024;

/// Forwards to one address and back, late and with losses; ends when dropped.
struct Link {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Link {
    async fn to(target: SocketAddr) -> Self {
        let bind = || UdpSocket::bind("127.0.0.1:0");
        let (near, far) = (Arc::new(bind().await.unwrap()), Arc::new(bind().await.unwrap()));
        far.connect(target).await.unwrap();
        let address = near.local_addr().unwrap();
        // The caller is whoever sends first.
        let mut first = [0; 2048];
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let Ok((_, caller)) = near.recv_from(&mut first).await else { return };
            near.connect(caller).await.unwrap();
            tokio::join!(carry(&near, &far, 1), carry(&far, &near, 2));
        });
        Self { address, _tasks: tasks }
    }
}

/// Carries what comes in at `from`; which packets are lost follows from the seed.
async fn carry(from: &UdpSocket, to: &UdpSocket, mut seed: u64) {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(QUEUE_PACKETS);
    let take = async move {
        let mut packet = [0; 2048];
        while let Ok(len) = from.recv(&mut packet).await {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if (seed >> 33) % 1000 >= LOST_PER_MILLE {
                // A full queue loses what comes, too.
                let _ = queue.try_send((Instant::now() + ONE_WAY, packet[..len].to_vec()));
            }
        }
    };
    let give = async {
        while let Some((due, packet)) = queued.recv().await {
            sleep_until(due).await;
            let _ = to.send(&packet).await;
        }
    };
    tokio::join!(take, give);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_packet_in_a_hundred_does_not_keep_a_link_from_being_used() {
    const BYTES: usize = 8 << 20;
    let (mut left, mut right) = (Device::start("left").await, Device::start("right").await);
    let link = Link::to(right.address()).await;
    right.net.set_devices(vec![left.listed_without_address()]);
    left.net.set_devices(vec![allowed(right.id(), vec![link.address])]);
    let (here, there) = (left.connected().await, right.connected().await);
    let answering = tokio::spawn(async move {
        let mut request = soon(there.accept_request()).await.unwrap();
        request.write(Bytes::from(vec![7; BYTES])).await.unwrap();
        request.finish();
    });
    let mut response = here.request(Bytes::from_static(b"all of it")).await.unwrap();
    let mut answer = vec![0; BYTES];
    // CUBIC alone moves less than a megabyte per second over this.
    let arrived = timeout(Duration::from_secs(5), response.read_exact(&mut answer)).await;
    arrived.expect("the link should be used").unwrap();
    assert!(answer.iter().all(|byte| *byte == 7));
    answering.await.unwrap();
}
