//! This crate's private decoders, for fuzz targets; no part of its interface.

use std::net::{IpAddr, SocketAddr};

use driftless_core::DeviceId;
use mdns_sd::{ServiceInfo, TxtProperty};

use crate::discovery::{SERVICE, Sighting};
use crate::exchange::{Exchange, Role, Session};
use crate::{pairing, recognition};

/// What an announcement on the local network says, if it is one of ours: the
/// name, the addresses, and whether it shows the tag of `device`.
pub fn read_announcement(
    properties: Vec<(String, Vec<u8>)>,
    addresses: &[IpAddr],
    port: u16,
    device: DeviceId,
) -> Option<(Option<String>, Vec<SocketAddr>, bool)> {
    let host = "host.local.";
    let properties: Vec<TxtProperty> = properties.into_iter().map(TxtProperty::from).collect();
    let service = ServiceInfo::new(SERVICE, "it", host, addresses, port, properties).ok()?;
    let sighting = Sighting::read(&service.as_resolved_service())?;
    let is_device = sighting.device_of(&[device]).is_some();
    Some((sighting.name, sighting.addresses, is_device))
}

/// The properties by which `device` announces itself.
pub fn write_announcement(
    device: DeviceId,
    nonce: [u8; recognition::NONCE_BYTES],
) -> Vec<(String, Vec<u8>)> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes).into_bytes();
    vec![("n".into(), hex(&nonce)), ("t".into(), hex(&recognition::tag(device, &nonce)))]
}

/// Whether a caller that sent `name` knows `device`.
pub fn is_called(device: DeviceId, name: &str) -> bool {
    recognition::is_called(device, name)
}

/// Makes a device's name fit to be shown.
pub fn clean_name(name: &str) -> String {
    pairing::clean_name(name)
}

/// Splits what a person typed into an address or a name to resolve.
pub fn read_address(text: &str) -> (Vec<SocketAddr>, Vec<String>) {
    pairing::parse_address(text)
}

/// Plays the side that shows the code against `message` and `proof`; `None` if
/// the message is malformed, otherwise whether the proof is believed.
pub fn pair_with(message: &[u8], proof: &[u8]) -> Option<bool> {
    let (dialler, shower) = (DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
    let session = Session { dialler, shower, exporter: [3; 32] };
    let exchange = Exchange::start(Role::Shower, "123456", &session);
    Some(exchange.finish(message, &session)?.accepts(Role::Dialler, proof))
}

/// What the device that a certificate stands for calls itself.
pub fn name_in_certificate(certificate: &[u8]) -> String {
    crate::certificate::name_in(certificate)
}
