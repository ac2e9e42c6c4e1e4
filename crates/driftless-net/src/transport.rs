//! QUIC and socket settings; the figures were measured on loopback and veth links.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use socket2::{Domain, Socket, Type};

use crate::congestion::HeldCubicConfig;

/// The UDP port that is tried first when the user names none.
pub const DEFAULT_PORT: u16 = 22100;

const MIB: u32 = 1024 * 1024;
const SOCKET_BUFFER_BYTES: usize = 4 * MIB as usize;
const STREAM_WINDOW_BYTES: u32 = 16 * MIB;
const CONNECTION_WINDOW_BYTES: u32 = 32 * MIB;
const LEAST_WINDOW_BYTES: u64 = 256 * 1024;
const IDLE_TIMEOUT_MS: u32 = 8_000;
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const MAX_REQUEST_STREAMS: u32 = 256;
const MAX_CHANNEL_STREAMS: u32 = 4;
/// Room for a few one-byte probes; their content is never read.
const PROBE_BUFFER_BYTES: usize = 1024;

/// The settings of a new connection of which no more than `bytes_per_s` are read.
pub(crate) fn config(bytes_per_s: Option<u64>) -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(MAX_REQUEST_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(MAX_CHANNEL_STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(window(bytes_per_s))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .congestion_controller_factory(Arc::new(HeldCubicConfig::default()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .mtu_discovery_config(Some(MtuDiscoveryConfig::default()))
        .datagram_receive_buffer_size(Some(PROBE_BUFFER_BYTES))
        .datagram_send_buffer_size(PROBE_BUFFER_BYTES);
    Arc::new(transport)
}

/// Binds the sockets to listen on.
///
/// Without addresses: one dual-stack socket on the default port, else on any
/// free one, else IPv4 alone.
///
/// # Errors
///
/// A named address cannot be bound, or no default can.
pub(crate) fn bind_all(listen: &[SocketAddr]) -> Result<Vec<UdpSocket>, (SocketAddr, io::Error)> {
    if !listen.is_empty() {
        return listen
            .iter()
            .map(|&address| bind(address).map_err(|error| (address, error)))
            .collect();
    }
    let any_v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let any_v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let choices = [(any_v6, DEFAULT_PORT), (any_v6, 0), (any_v4, DEFAULT_PORT), (any_v4, 0)];
    let mut failure = None;
    for address in choices.map(SocketAddr::from) {
        match bind(address) {
            Ok(socket) => return Ok(vec![socket]),
            Err(error) => failure = Some((address, error)),
        }
    }
    Err(failure
        .unwrap_or_else(|| (SocketAddr::from((any_v4, 0)), io::ErrorKind::AddrNotAvailable.into())))
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket =
        Socket::new(Domain::for_address(address), Type::DGRAM, Some(socket2::Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // The system may cap these; smaller buffers only cost speed.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// How well a socket bound to `local` suits a dial to `remote`; nothing if it cannot.
pub(crate) fn suitability(local: SocketAddr, remote: SocketAddr) -> Option<u8> {
    let remote = remote.ip().to_canonical();
    match local.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => Some(2 + u8::from(remote.is_ipv6())),
        IpAddr::V4(ip) if ip.is_unspecified() => remote.is_ipv4().then_some(3),
        ip if ip == remote => Some(4),
        ip if ip.is_loopback() != remote.is_loopback() || ip.is_ipv4() != remote.is_ipv4() => None,
        _ => Some(1),
    }
}

/// How much of a connection may lie unread here while no more than
/// `bytes_per_s` are read of it: about a second's worth, so that a limit holds
/// on the network and not only behind it.
pub(crate) fn window(bytes_per_s: Option<u64>) -> VarInt {
    let most = u64::from(CONNECTION_WINDOW_BYTES);
    let bytes = bytes_per_s.map_or(most, |rate| rate.clamp(LEAST_WINDOW_BYTES, most));
    VarInt::from_u64(bytes).unwrap_or(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
}

/// Undoes the mapping of IPv4 into IPv6 that dual-stack sockets show.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Where devices elsewhere may reach what listens on `bound`, interface by interface.
pub(crate) fn reachable(bound: &[SocketAddr]) -> Vec<SocketAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let ips: Vec<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).collect();
    expand(bound, &ips)
}

fn expand(bound: &[SocketAddr], interfaces: &[IpAddr]) -> Vec<SocketAddr> {
    let is_wide = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    let mut found: Vec<SocketAddr> = Vec::new();
    for address in bound {
        let port = address.port();
        if address.ip().is_unspecified() {
            let fits = |ip: &&IpAddr| is_wide(ip) && (ip.is_ipv4() || address.is_ipv6());
            found.extend(interfaces.iter().filter(fits).map(|ip| SocketAddr::new(*ip, port)));
        } else {
            found.push(*address);
        }
    }
    // IPv4 first: shorter, and what networks at home agree on.
    found.sort_by_key(SocketAddr::is_ipv6);
    let mut seen = BTreeSet::new();
    found.retain(|address| seen.insert(*address));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_reached_at_every_interface_that_leads_anywhere() {
        let ips = ["127.0.0.1", "::1", "fe80::1", "fd00::7", "192.168.1.7", "169.254.1.1"];
        let ips = ips.map(|ip| ip.parse().unwrap());
        let expanded = |bound: &[&str]| {
            let bound: Vec<_> = bound.iter().map(|address| address.parse().unwrap()).collect();
            expand(&bound, &ips).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(expanded(&["[::]:22100"]), ["192.168.1.7:22100", "[fd00::7]:22100"]);
        assert_eq!(expanded(&["0.0.0.0:1", "192.168.1.7:1"]), ["192.168.1.7:1"]);
        assert_eq!(expanded(&["127.0.0.1:5"]), ["127.0.0.1:5"], "asked for by name");
    }
}
