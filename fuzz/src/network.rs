//! What strangers can say: in pairing, in announcements, in a TLS hello and certificate.

use std::net::{IpAddr, Ipv4Addr};

use driftless_core::DeviceId;
use driftless_daemon::config::sanitize_name;
use driftless_net::fuzzing::{
    clean_name, is_called, name_in_certificate, pair_with, read_address, read_announcement,
    write_announcement,
};

/// H16, L7: any bytes as the other side's message, proof, certificate, name and address.
pub(crate) fn pairing(bytes: &[u8]) {
    // A message has 33 bytes; what follows it is the proof.
    let (message, proof) = bytes.split_at(bytes.len().min(33));
    assert_ne!(pair_with(message, proof), Some(true), "a proof without the code");
    pair_with(bytes, bytes);
    let text = String::from_utf8_lossy(bytes);
    is_presentable(&clean_name(&text));
    is_presentable(&name_in_certificate(bytes));
    let (addresses, names) = read_address(&text);
    assert_eq!(addresses.len() + names.len(), 1);
    assert!(!is_called(DeviceId::from_bytes([1; 32]), &text), "a tag without the ID");
}

/// A name that may be shown and that the configuration accepts.
fn is_presentable(name: &str) {
    assert!((1..=64).contains(&name.len()) && !name.contains(char::is_control));
    assert_eq!(clean_name(name), name);
    assert_eq!(sanitize_name(name).as_deref(), Some(name));
}

/// L6, H12: a port, addresses, and any lines as the properties of an announcement.
pub(crate) fn announcement(bytes: &[u8]) {
    let device = DeviceId::from_bytes([1; 32]);
    let Some((&[high, low, count], mut rest)) = bytes.split_first_chunk() else { return };
    let mut addresses: Vec<IpAddr> = Vec::new();
    for _ in 0..count % 16 {
        let Some((&address, left)) = rest.split_first_chunk::<4>() else { return };
        addresses.push(Ipv4Addr::from(address).into());
        rest = left;
    }
    let property = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'=').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().to_vec();
        (String::from_utf8_lossy(&line[..at]).into_owned(), value)
    };
    let properties: Vec<_> = rest.split(|byte| *byte == b'\n').map(property).collect();
    let port = u16::from_be_bytes([high, low]);
    if let Some((name, heard, _)) = read_announcement(properties, &addresses, port, device) {
        name.iter().for_each(|name| is_presentable(name));
        assert!((1..=8).contains(&heard.len()));
        for address in heard {
            assert!(address.port() == port && port != 0);
            assert!(!address.ip().is_unspecified() && !address.ip().is_multicast());
        }
    }
    if let Some(nonce) = bytes.first_chunk() {
        let ours = write_announcement(device, *nonce);
        let heard = read_announcement(ours, &[Ipv4Addr::LOCALHOST.into()], 1, device);
        assert!(heard.is_some_and(|(name, _, is_device)| name.is_none() && is_device));
    }
}
