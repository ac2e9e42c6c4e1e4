//! Two computers with one key.

use driftless_net::{CloseReason, NetEvent};

use crate::device::{Device, soon};

/// Waits until a device is told that another computer has its key; who said so.
async fn told(device: &mut Device) -> driftless_core::DeviceId {
    loop {
        if let NetEvent::ToldCloned { by } = device.next_event().await {
            return by;
        }
    }
}

/// P11, I10: whichever end decides about connections, both copies hear of it, and
/// neither is let in for as long as it is not sure that the other is gone.
#[tokio::test(flavor = "multi_thread")]
async fn p11_two_computers_with_one_key_are_noticed_told_and_kept_away() {
    for watcher_decides in [true, false] {
        let (mut watcher, mut ada) = (Device::start("bob").await, Device::start("ada").await);
        while (watcher.id() < ada.id()) != watcher_decides {
            watcher = Device::start("bob").await;
        }
        watcher.net.set_devices(vec![ada.listed_without_address()]);
        ada.net.set_devices(vec![watcher.listed()]);
        let before = watcher.connected().await;
        let mut copy = ada.twin().await;
        copy.net.set_devices(vec![watcher.listed()]);
        let mut latest = before.clone();
        let device = loop {
            match watcher.next_event().await {
                NetEvent::Connected(connection) => latest = connection,
                NetEvent::Cloned { device } => break device,
                _ => {}
            }
        };
        assert_eq!(device, ada.id());
        assert_eq!(soon(before.closed()).await, CloseReason::Replaced);
        assert_eq!(soon(latest.closed()).await, CloseReason::Cloned);
        for copy in [&mut ada, &mut copy] {
            // The second time it is the answer to an attempt to connect.
            assert_eq!((told(copy).await, told(copy).await), (watcher.id(), watcher.id()));
        }
        while let Ok(event) = watcher.events.try_recv() {
            assert!(!matches!(event, NetEvent::Connected(_)), "{event:?}");
            assert!(!matches!(event, NetEvent::Cloned { .. }), "said once");
        }
    }
}

/// N2, P11: a program that is started again and again is one computer.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_restarts_is_no_clone() {
    let (mut watcher, mut ada) = (Device::start("bob").await, Device::start("ada").await);
    watcher.net.set_devices(vec![ada.listed_without_address()]);
    for _ in 0..4 {
        ada.net.set_devices(vec![watcher.listed()]);
        let connection = ada.connected().await;
        loop {
            match watcher.next_event().await {
                NetEvent::Connected(_) => break,
                event => assert!(!matches!(event, NetEvent::Cloned { .. }), "{event:?}"),
            }
        }
        assert!(!connection.is_closed());
        ada.restart().await;
    }
}
