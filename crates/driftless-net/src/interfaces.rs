//! This computer's addresses, and whether they changed.
//!
//! The kernel says when they may have, so that whoever asks every second lists
//! them only then. Where it does not, they are listed each time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// The kernel's groups of news on interfaces, IPv4 and IPv6 addresses (`RTMGRP_*`).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// What is read of a piece of news, in bytes. What it says does not matter.
const NEWS_BYTES: usize = 1024;

/// This computer's addresses as they were listed last.
#[derive(Debug)]
pub(crate) struct Interfaces {
    news: Option<OwnedFd>,
    addresses: BTreeSet<(String, IpAddr)>,
}

impl Interfaces {
    /// Lists them for the first time.
    pub(crate) fn new() -> Self {
        let news = listen().inspect_err(|error| {
            tracing::debug!(%error, "the kernel does not tell of changed addresses");
        });
        // What changes from here on is told of.
        Self { news: news.ok(), addresses: list() }
    }

    /// Whether they have changed since this was last asked.
    pub(crate) fn have_changed(&mut self) -> bool {
        if !self.is_news() {
            return false;
        }
        let found = list();
        let changed = found != self.addresses;
        self.addresses = found;
        changed
    }

    fn is_news(&self) -> bool {
        let Some(news) = &self.news else { return true };
        let mut is_any = false;
        loop {
            match recv(news, &mut [0_u8; NEWS_BYTES], RecvFlags::DONTWAIT) {
                Err(Errno::AGAIN) => return is_any,
                Err(Errno::INTR) => {}
                // More came than fit.
                Err(Errno::NOBUFS) | Ok(_) => is_any = true,
                Err(_) => return true,
            }
        }
    }
}

fn listen() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

/// Nothing known if the system does not tell, which reads as "no change".
fn list() -> BTreeSet<(String, IpAddr)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N5
    #[test]
    fn addresses_are_listed_again_once_there_is_news_of_them() {
        let mut interfaces = Interfaces::new();
        assert!(interfaces.news.is_some(), "the kernel tells");
        let (news, ours) = std::os::unix::net::UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        interfaces.news = Some(ours.into());
        interfaces.addresses.clear();
        assert!(!interfaces.have_changed(), "nothing was said");
        news.send(b"an address came").unwrap();
        news.send(b"and another").unwrap();
        assert!(interfaces.have_changed() && !interfaces.addresses.is_empty());
        news.send(b"one came and went").unwrap();
        assert!(!interfaces.have_changed(), "all is as it was");
        interfaces.news = None;
        interfaces.addresses.clear();
        assert!(interfaces.have_changed(), "without news it is looked each time");
    }
}
