//! mDNS, on the loopback interface only.

use std::collections::BTreeSet;
use std::time::Duration;

use driftless_net::PairError;
use mdns_sd::{IfKind, ResolvedService, ServiceDaemon, ServiceEvent};

use crate::device::{Device, soon};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_know_each_other_meet_by_announcements_alone() {
    let mut left = Device::start_with("left", true).await;
    let mut right = Device::start_with("right", true).await;
    left.net.set_devices(vec![right.listed_without_address()]);
    right.net.set_devices(vec![left.listed_without_address()]);
    let (here, there) = (left.connected().await, right.connected().await);
    assert_eq!((here.device(), there.device()), (right.id(), left.id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearby_device_is_found_by_its_open_pairing_and_two_are_told_apart() {
    let guest = Device::start_with("guest", true).await;
    let first = Device::start_with("first of two", true).await;
    let code = first.net.open_pairing(MINUTE).unwrap();
    let second = Device::start_with("second of two", true).await;
    second.net.open_pairing(MINUTE).unwrap();
    let both = BTreeSet::from(["first of two".to_owned(), "second of two".to_owned()]);
    until(|| open_names(&guest).is_superset(&both)).await;
    let error = guest.net.pair_with_code(&code, None).await.unwrap_err();
    let PairError::SeveralNearby { names } = error else { panic!("{error:?}") };
    assert!(both.iter().all(|name| names.contains(name)), "{names:?}");
    second.net.close_pairing();
    until(|| !open_names(&guest).contains("second of two")).await;
    match soon(guest.net.pair_with_code(&code, None)).await {
        Ok(paired) => assert_eq!(paired.device, first.id()),
        // Others on this machine may be open for pairing at the same time.
        Err(PairError::SeveralNearby { names }) => {
            assert!(names.iter().any(|name| !both.contains(name)), "{names:?}")
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_heard_no_more_once_it_stops_to_announce_itself_and_again_when_it_goes_on() {
    let guest = Device::start_with("guest", true).await;
    let host = Device::start_with("now and then", true).await;
    host.net.open_pairing(MINUTE).unwrap();
    for wanted in [true, false, true] {
        host.net.set_discovery(wanted);
        until(|| open_names(&guest).contains("now and then") == wanted).await;
    }
    guest.net.set_discovery(false);
    until(|| guest.net.nearby().is_empty()).await;
}

async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn open_names(device: &Device) -> BTreeSet<String> {
    device
        .net
        .nearby()
        .into_iter()
        .filter(|nearby| nearby.pairing)
        .filter_map(|nearby| nearby.name)
        .collect()
}

/// Rule 22, L6: what a stranger hears has no part that stays the same.
#[tokio::test(flavor = "multi_thread")]
async fn l6_announcements_change_completely_and_name_the_device_only_while_pairing() {
    let listener = ServiceDaemon::new().unwrap();
    listener.disable_interface(IfKind::All).unwrap();
    listener.enable_interface(IfKind::LoopbackV4).unwrap();
    let heard = listener.browse("_driftless._udp.local.").unwrap();
    let device = Device::start_with("Secret name", true).await;
    let port = device.address().port();
    let mut seen = BTreeSet::new();
    let mut next = async |pairing: bool| {
        soon(async {
            loop {
                let ServiceEvent::ServiceResolved(service) = heard.recv_async().await.unwrap()
                else {
                    continue;
                };
                let open = service.get_property("p").is_some();
                if service.port == port && open == pairing && seen.insert(service.fullname.clone())
                {
                    return stable_parts(&service);
                }
            }
        })
        .await
    };
    let first = next(false).await;
    device.net.open_pairing(MINUTE).unwrap();
    let open = next(true).await;
    device.net.close_pairing();
    let last = next(false).await;
    assert!(open.contains("Secret name"));
    for (one, other) in [(&first, &open), (&open, &last), (&first, &last)] {
        assert_eq!(one.intersection(other).collect::<Vec<_>>(), Vec::<&String>::new());
    }
    assert_eq!((first.len(), last.len()), (4, 4), "a name, a host, a nonce and a tag, no more");
    let id = device.id().to_string();
    assert!(first.iter().all(|part| !id.contains(part.as_str())));
    let _ = listener.shutdown();
}

fn stable_parts(service: &ResolvedService) -> BTreeSet<String> {
    let values = service.get_properties().iter().map(|property| property.val_str().to_owned());
    values.chain([service.fullname.clone(), service.host.clone()]).collect()
}
