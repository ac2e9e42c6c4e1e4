//! System programs that a chore needs, and getting them.
//!
//! Installs on Debian and its kin when run by root, and otherwise says exactly
//! what to run. A machine that has everything is left alone.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// Something that a chore needs, and the Debian package that has it.
pub(crate) struct Tool {
    found: Found,
    package: &'static str,
    /// What it is needed for.
    purpose: &'static str,
}

/// How it is seen that something is there.
enum Found {
    /// A program of this name is in the path.
    Program(&'static str),
    /// pkg-config finds a library of this name.
    Library(&'static str),
    /// A font of this family is there.
    Font(&'static str),
}

const fn program(name: &'static str, package: &'static str, purpose: &'static str) -> Tool {
    Tool { found: Found::Program(name), package, purpose }
}

const COMPILER: Tool = program("cc", "build-essential", "compiles SQLite");

/// What building without the desktop app needs.
pub(crate) const FOR_BUILDING: &[Tool] = &[COMPILER];

/// What building the page needs to begin with.
pub(crate) const FOR_PAGE: &[Tool] = &[program("npm", "npm", "builds the page")];

/// What building the desktop app needs, besides its page.
pub(crate) const FOR_APP: &[Tool] = &[
    COMPILER,
    // First of the two, as it finds the other.
    program("pkg-config", "pkg-config", "finds libraries"),
    Tool {
        found: Found::Library("webkit2gtk-4.1"),
        package: "libwebkit2gtk-4.1-dev",
        purpose: "shows the desktop app's window",
    },
];

/// What two laptops on one display need.
pub(crate) const FOR_DEMO: &[Tool] =
    &[program("dbus-run-session", "dbus", "gives each laptop a session bus of its own")];

/// What making packages needs beyond building.
pub(crate) const FOR_PACKAGES: &[Tool] = &[
    program("dpkg-deb", "dpkg", "makes the .deb"),
    program("dpkg-shlibdeps", "dpkg-dev", "finds out which libraries a package needs"),
    program("strip", "binutils", "makes programs smaller"),
    program("rpmbuild", "rpm", "makes the .rpm"),
];

/// What trying a package needs.
pub(crate) const FOR_TRIAL: &[Tool] = &[
    program("debootstrap", "debootstrap", "gets a fresh Debian"),
    program("lintian", "lintian", "knows what is wrong with packages"),
    program("man", "man-db", "shows manual pages"),
    program("unshare", "util-linux", "keeps the trial to itself"),
    program("ip", "iproute2", "gives the trial a network of its own"),
    program("Xvfb", "xvfb", "is a display to show the window on"),
    program("openbox", "openbox", "frames the window"),
    program("xdotool", "xdotool", "looks for the window"),
    program("import", "imagemagick", "takes a picture of the window"),
];

/// What counting instructions needs beyond building.
pub(crate) const FOR_GUARD: &[Tool] =
    &[COMPILER, program("valgrind", "valgrind", "counts instructions")];

/// What testing needs beyond building.
pub(crate) const FOR_TESTS: &[Tool] = &[
    program("ip", "iproute2", "makes networks to test on"),
    program("ps", "procps", "looks after daemons under test"),
    program("setfattr", "attr", "sets extended attributes"),
    program("mkfs.ext4", "e2fsprogs", "makes small disks to fill"),
    program("mount", "mount", "mounts small disks"),
    program("unshare", "util-linux", "keeps mounts to the test"),
    program("strace", "strace", "kills daemons at any call"),
    program("mkfs.btrfs", "btrfs-progs", "makes small disks to share on"),
    program("mkfs.xfs", "xfsprogs", "makes disks of another kind"),
    program("Xvfb", "xvfb", "is a display to show windows on"),
    program("WebKitWebDriver", "webkit2gtk-driver", "drives the app's window"),
    program("dbus-daemon", "dbus", "is the bus of a desktop under test"),
    program("openbox", "openbox", "frames windows under test"),
    program("wmctrl", "wmctrl", "closes windows under test"),
    program("xdotool", "xdotool", "looks for windows under test"),
    program("import", "imagemagick", "takes pictures of windows under test"),
    program("chromium-headless-shell", "chromium-headless-shell", "shows the page under test"),
    program("desktop-file-validate", "desktop-file-utils", "checks the menu entry"),
    program("appstreamcli", "appstream", "checks the page in software centres"),
    program("fc-list", "fontconfig", "finds fonts"),
    Tool {
        found: Found::Font("DejaVu Sans"),
        package: "fonts-dejavu-core",
        purpose: "letters the page under test",
    },
    Tool {
        found: Found::Font("Noto Color Emoji"),
        package: "fonts-noto-color-emoji",
        purpose: "shows names of files that are pictures",
    },
];

/// Makes sure that every tool is there.
///
/// # Errors
///
/// When one is missing and can't be installed here; the message says what to do.
pub(crate) fn ensure(tools: &[Tool]) -> anyhow::Result<()> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let install = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    for tool in &missing {
        eprintln!("xtask: {} is missing; it {}", tool.name(), tool.purpose);
    }
    if !is_installed("apt-get") {
        let names: Vec<&str> = missing.iter().map(|tool| tool.name()).collect();
        bail!("install these with your system's package manager: {}", names.join(", "));
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

impl Tool {
    fn name(&self) -> &'static str {
        match self.found {
            Found::Program(name) | Found::Library(name) | Found::Font(name) => name,
        }
    }

    fn is_there(&self) -> bool {
        let prints = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().ok();
            output.filter(|output| output.status.success()).map(|output| output.stdout)
        };
        match self.found {
            Found::Program(name) => is_installed(name),
            Found::Library(name) => prints("pkg-config", &["--exists", name]).is_some(),
            Found::Font(family) => {
                prints("fc-list", &[family]).is_some_and(|fonts| !fonts.is_empty())
            }
        }
    }
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
