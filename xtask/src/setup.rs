//! System programs that a chore needs, and getting them.
//!
//! Installs on Debian and its kin when run by root, and otherwise says exactly
//! what to run. A machine that has everything is left alone.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// A program, and the Debian package that has it.
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
    /// What it is needed for.
    purpose: &'static str,
}

const COMPILER: Tool =
    Tool { program: "cc", package: "build-essential", purpose: "compiles SQLite" };

/// What building needs.
pub(crate) const FOR_BUILDING: &[Tool] = &[COMPILER];

/// What building and testing need.
pub(crate) const FOR_TESTS: &[Tool] = &[
    COMPILER,
    Tool { program: "ip", package: "iproute2", purpose: "makes networks to test on" },
    Tool { program: "ps", package: "procps", purpose: "looks after daemons under test" },
    Tool { program: "setfattr", package: "attr", purpose: "sets extended attributes" },
    Tool { program: "mkfs.ext4", package: "e2fsprogs", purpose: "makes small disks to fill" },
    Tool { program: "mount", package: "mount", purpose: "mounts small disks" },
    Tool { program: "unshare", package: "util-linux", purpose: "keeps mounts to the test" },
    Tool { program: "strace", package: "strace", purpose: "kills daemons at any call" },
    Tool {
        program: "mkfs.btrfs",
        package: "btrfs-progs",
        purpose: "makes small disks to share on",
    },
    Tool { program: "mkfs.xfs", package: "xfsprogs", purpose: "makes disks of another kind" },
];

/// Makes sure that every tool is there.
///
/// # Errors
///
/// When one is missing and can't be installed here; the message says what to do.
pub(crate) fn ensure(tools: &[Tool]) -> anyhow::Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !is_installed(tool.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    for tool in &missing {
        eprintln!("xtask: {} is missing; it {}", tool.program, tool.purpose);
    }
    if !is_installed("apt-get") {
        let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
        bail!("install these programs with your system's package manager: {}", programs.join(", "));
    }
    if !rustix::process::geteuid().is_root() {
        bail!("run this, then try again: sudo {install}");
    }
    eprintln!("xtask: {install}");
    apt_get(&["update", "-q"])?;
    let mut arguments = vec!["install", "-y", "-q", "--no-install-recommends"];
    arguments.extend(&packages);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(arguments)
        .status()
        .context("cannot run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path).chain(system).any(|place| Path::new(&place).join(program).exists())
}
