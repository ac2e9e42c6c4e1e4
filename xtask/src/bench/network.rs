//! How devices reach each other: each in a network namespace of its own, or all over the loopback.
//!
//! Namespaces need root and `ip`; then what each device sends is counted apart, and datagrams are as small as on a
//! real network. Over the loopback all that counts is a sum, which other programs add to.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The port that daemons listen on.
const PORT: u16 = 22100;

/// Where measured devices are.
pub(super) enum Network {
    /// On one Ethernet segment; gone when dropped.
    Segment(Segment),
    /// In the network that this process is in.
    Loopback,
}

/// What went over the wire since some time.
#[derive(Clone, Copy, Default)]
pub(super) struct Traffic {
    /// Of all devices, in bytes; headers below IP count.
    pub(super) bytes: u64,
    /// Of the first device, where that is known.
    pub(super) first_sent_bytes: Option<u64>,
}

impl Network {
    /// A network with room for so many devices.
    pub(super) fn new(devices: usize) -> anyhow::Result<Self> {
        if !rustix::process::geteuid().is_root() || Command::new("ip").arg("-V").output().is_err() {
            return Ok(Self::Loopback);
        }
        Ok(match Segment::new(devices) {
            Ok(segment) => Self::Segment(segment),
            Err(error) => {
                println!("No network namespaces here ({error:#}), so over the loopback.");
                Self::Loopback
            }
        })
    }

    /// What to write into a report.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Segment(_) => "namespaces, Ethernet of 1500 bytes",
            Self::Loopback => "loopback",
        }
    }

    /// Where the device with this number, from 0 on, listens.
    pub(super) fn address(&self, number: usize) -> String {
        match self {
            Self::Segment(_) => format!("{}:{PORT}", host(number)),
            Self::Loopback => {
                let process = std::process::id();
                let (high, low) = (128 + ((process >> 8) & 0x3f), process & 0xff);
                format!("127.{high}.{low}.{}:{PORT}", number + 1)
            }
        }
    }

    /// A command that runs where the device with this number is.
    pub(super) fn command(&self, number: usize, program: &Path) -> Command {
        match self {
            Self::Segment(segment) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &segment.namespaces[number + 1]]).arg(program);
                command
            }
            Self::Loopback => Command::new(program),
        }
    }

    /// What was sent so far.
    pub(super) fn traffic(&self) -> anyhow::Result<Traffic> {
        let Self::Segment(segment) = self else {
            let file = "/sys/class/net/lo/statistics/tx_bytes";
            let text = std::fs::read_to_string(file).with_context(|| format!("no {file}"))?;
            return Ok(Traffic { bytes: text.trim().parse()?, first_sent_bytes: None });
        };
        let ports = 1..segment.namespaces.len();
        // What the bridge receives at a port is what the device behind it sends.
        let files = ports.map(|port| format!("/sys/class/net/port{port}/statistics/rx_bytes"));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &segment.namespaces[0], "cat"]).args(files);
        let output = command.output().context("cannot run ip")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        let text = String::from_utf8(output.stdout)?;
        let sent: Vec<u64> = text.lines().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Traffic { bytes: sent.iter().sum(), first_sent_bytes: sent.first().copied() })
    }
}

fn host(number: usize) -> String {
    format!("10.78.0.{}", number + 1)
}

/// Network namespaces on a bridge.
pub(super) struct Segment {
    /// The namespace of the bridge, then those of the devices.
    namespaces: Vec<String>,
}

impl Segment {
    fn new(devices: usize) -> anyhow::Result<Self> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let own = format!("db{}x{next}", std::process::id());
        let mut segment = Self { namespaces: Vec::new() };
        let hub = format!("{own}hub");
        segment.add(hub.clone())?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        for number in 0..devices {
            let name = format!("{own}n{number}");
            segment.add(name.clone())?;
            let port = format!("port{}", number + 1);
            let link = ["-n", &hub, "link", "add", &port, "type", "veth"];
            ip(&[&link[..], &["peer", "name", "eth0", "netns", &name]].concat())?;
            ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
            let address = format!("{}/24", host(number));
            ip(&["-n", &name, "address", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            ip(&["-n", &name, "link", "set", "eth0", "up"])?;
        }
        Ok(segment)
    }

    fn add(&mut self, name: String) -> anyhow::Result<()> {
        ip(&["netns", "add", &name])?;
        self.namespaces.push(name);
        Ok(())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        for name in &self.namespaces {
            // Whoever is still in there keeps it until they end.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("cannot run ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(())
}
