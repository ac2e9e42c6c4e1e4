//! Neighbours on the local network, and networks that swallow packets.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use driftless_core::DeviceId;
use mdns_sd::{ServiceDaemon, ServiceInfo};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::harness::{Lan, SOON, Scratch, check, connected, neighbours, settle_equal, until};

const SERVICE: &str = "_driftless._udp.local.";

/// Does something on a thread in a network namespace.
fn within<T: Send + 'static>(
    namespace: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let place = fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    std::thread::spawn(move || {
        let network = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(place.as_fd(), network).unwrap();
        work()
    })
}

/// A neighbour that announces other devices at addresses of its own.
struct Spoofer {
    stop: Arc<AtomicBool>,
    /// Packets that came to one of the false addresses.
    packets: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Spoofer {
    /// Says that `device` is at ports of 10.77.0.3 where nobody answers, and
    /// fills the network with services of nobody.
    fn start(lan: &Lan, device: DeviceId) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let packets = Arc::<AtomicUsize>::default();
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&packets));
        let thread = within(lan.namespace(3), move || {
            let deaf = UdpSocket::bind((Ipv4Addr::new(10, 77, 0, 3), 22100)).unwrap();
            deaf.set_nonblocking(true).unwrap();
            let daemon = ServiceDaemon::new().unwrap();
            for number in 0..80_u8 {
                announce(&daemon, number, Some(device));
            }
            for number in 80..240 {
                announce(&daemon, number, None);
            }
            while !stopped.load(Ordering::Relaxed) {
                match deaf.recv(&mut [0; 2048]) {
                    Ok(_) => drop(counted.fetch_add(1, Ordering::Relaxed)),
                    Err(_) => std::thread::park_timeout(Duration::from_millis(5)),
                }
            }
            let _ = daemon.shutdown();
        });
        Self { stop, packets, thread }
    }

    fn packets(&self) -> usize {
        self.packets.load(Ordering::Relaxed)
    }

    /// Ends; how many packets came to one of the false addresses.
    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.packets.load(Ordering::Relaxed)
    }
}

fn announce(daemon: &ServiceDaemon, number: u8, device: Option<DeviceId>) {
    let nonce = [number; 16];
    let tag = match device {
        Some(device) => blake3::keyed_hash(device.as_bytes(), &nonce).as_bytes()[..8].to_vec(),
        None => vec![number; 8],
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let properties = [("n", hex(&nonce)), ("t", hex(&tag))];
    let (instance, host) = (format!("spoof{number}"), format!("spoof{number}.local."));
    let address = "10.77.0.3";
    let port = 22100 + u16::from(number % 4);
    let mut service =
        ServiceInfo::new(SERVICE, &instance, &host, address, port, &properties[..]).unwrap();
    service.set_requires_probe(false);
    // It takes only so many at a time.
    until(SOON, "it is announced", || {
        daemon.register(service.clone()).map_err(|error| error.to_string())
    });
}

/// L6: whoever shows a device's tag gets a few packets that say nothing, and
/// the device itself is found all the same.
#[test]
fn l6_false_announcements_cost_a_few_packets_and_hide_nobody() {
    let Some(lan) = Lan::new(3) else { return };
    let scratch = Scratch::new();
    let (ada, mut bob) = neighbours(&scratch, &lan);
    bob.stop();
    let spoofer = Spoofer::start(&lan, bob.id().parse().unwrap());
    until(SOON, "ada tries a false address", || {
        check(spoofer.packets() > 0, || ada.status().to_string())
    });
    assert!(!ada.is_connected_to(&bob));
    bob.start();
    connected(&ada, &bob);
    fs::write(bob.path("notes").join("true.txt"), "it is me").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let known = ada.json(&["device", "list"]);
    assert_eq!(known.as_array().unwrap().len(), 1, "{known}");
    let packets = spoofer.stop();
    assert!(packets < 500, "{packets} packets to one false address");
    assert!(!ada.logged().contains("panicked"));
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {}", arguments.join(" "));
}

/// N4: a part of the way that swallows large packets without a word, from the
/// middle of a transfer on.
#[test]
fn n4_a_way_that_swallows_large_packets_is_got_along_with() {
    let Some(lan) = Lan::new(2) else { return };
    let scratch = Scratch::new();
    let (ada, bob) = neighbours(&scratch, &lan);
    // The kernel cuts what it is given in one piece before the wire, so that
    // every packet is measured on its way.
    for number in [1, 2] {
        let name = lan.namespace(number).to_owned();
        run("ip", &["-n", &name, "link", "set", "eth0", "gso_max_segs", "1"]);
    }
    let mut bytes = vec![0; 48 << 20];
    blake3::Hasher::new().update(b"large").finalize_xof().fill(&mut bytes);
    let before = lan.received_bytes(2);
    fs::write(ada.path("notes").join("film.bin"), &bytes).unwrap();
    until(SOON, "a part of the file has come", || {
        let came = lan.received_bytes(2) - before;
        check(came > 4 << 20, || format!("{came} bytes"))
    });
    let hub = lan.namespace(0);
    for port in ["port1", "port2"] {
        run("ip", &["-n", hub, "link", "set", port, "mtu", "1280"]);
    }
    assert!(is_swallowed(&lan, 1400) && !is_swallowed(&lan, 1200), "the way is as it should be");
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read(bob.path("notes").join("film.bin")).unwrap(), bytes);
}

/// Whether a packet with so many bytes gets lost on its way from the first device
/// to the second.
fn is_swallowed(lan: &Lan, bytes: usize) -> bool {
    let there = (Ipv4Addr::new(10, 77, 0, 2), 4000);
    let bind = move || UdpSocket::bind(there).unwrap();
    let socket = within(lan.namespace(2), bind).join().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let send = move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.send_to(&vec![0; bytes], there).unwrap();
    };
    within(lan.namespace(1), send).join().unwrap();
    socket.recv(&mut [0; 2048]).is_err()
}
