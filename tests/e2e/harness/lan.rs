//! A network of its own: namespaces joined by a bridge, where multicast works.

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

/// Network namespaces on one Ethernet segment; gone when dropped.
pub(crate) struct Lan {
    /// The namespace of the bridge, then those of the devices.
    namespaces: Vec<String>,
}

impl Lan {
    /// Makes a network with room for so many devices; `None`, and says so,
    /// where this process may not.
    pub(crate) fn new(devices: u8) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let own = format!("dl{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut lan = Self { namespaces: Vec::new() };
        if !rustix::process::geteuid().is_root() || !lan.add(format!("{own}hub")) {
            eprintln!("passed over: network namespaces need root and iproute2");
            return None;
        }
        let hub = lan.namespaces[0].clone();
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0"]);
        ip(&["-n", &hub, "link", "set", "bridge", "up"]);
        for number in 1..=devices {
            let name = format!("{own}n{number}");
            assert!(lan.add(name.clone()), "cannot make a second network namespace");
            let port = format!("port{number}");
            let link = ["-n", &hub, "link", "add", &port, "type", "veth"];
            ip(&[&link[..], &["peer", "name", "eth0", "netns", &name]].concat());
            ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"]);
            ip(&["-n", &name, "address", "add", &format!("10.77.0.{number}/24"), "dev", "eth0"]);
            ip(&["-n", &name, "link", "set", "lo", "up"]);
            ip(&["-n", &name, "link", "set", "eth0", "up"]);
        }
        Some(lan)
    }

    fn add(&mut self, name: String) -> bool {
        let made = try_ip(&["netns", "add", &name]);
        if made {
            self.namespaces.push(name);
        }
        made
    }

    /// The namespace of the device with this number, from 1 on.
    pub(crate) fn namespace(&self, number: usize) -> &str {
        &self.namespaces[number]
    }

    /// The bytes that a device has received on the wire.
    pub(crate) fn received_bytes(&self, number: usize) -> u64 {
        let file = "/sys/class/net/eth0/statistics/rx_bytes";
        let output = Command::new("ip")
            .args(["netns", "exec", self.namespace(number), "cat", file])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    /// Unplugs or plugs in a device's cable.
    pub(crate) fn set_plugged(&self, number: usize, plugged: bool) {
        let (hub, port) = (&self.namespaces[0], format!("port{number}"));
        ip(&["-n", hub, "link", "set", &port, if plugged { "up" } else { "down" }]);
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in &self.namespaces {
            try_ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) {
    assert!(try_ip(arguments), "ip {} failed", arguments.join(" "));
}

fn try_ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).status().is_ok_and(|status| status.success())
}
