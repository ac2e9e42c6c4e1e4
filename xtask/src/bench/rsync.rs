//! rsync with its own daemon: no encryption, no index, one way; fsync only where it is told to.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::device::until;
use super::network::{Network, Traffic};
use super::subject::Subject;
use super::usage::Usage;

/// How long the daemon may take until it listens.
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Rsync {
    place: PathBuf,
    network: Rc<Network>,
    fsync: bool,
    daemon: Option<Child>,
    /// Processor time of commands before this one's.
    before_s: f64,
}

impl Rsync {
    pub(super) fn new(network: &Rc<Network>, place: &Path, fsync: bool) -> anyhow::Result<Self> {
        let rsync = Self {
            place: place.to_owned(),
            network: Rc::clone(network),
            fsync,
            daemon: None,
            before_s: Usage::of_commands_s()?,
        };
        fs::create_dir_all(rsync.here())?;
        fs::create_dir_all(rsync.there())?;
        Ok(rsync)
    }
}

impl Subject for Rsync {
    fn name(&self) -> &'static str {
        if self.fsync { "rsync --fsync" } else { "rsync" }
    }

    fn here(&self) -> PathBuf {
        self.place.join("here")
    }

    fn there(&self) -> PathBuf {
        self.place.join("there")
    }

    fn prepare(&mut self) -> anyhow::Result<()> {
        let config = self.place.join("rsyncd.conf");
        let user = rustix::process::geteuid().as_raw();
        // Run by root it would write as nobody.
        let owner = if user == 0 { "uid = 0\ngid = 0\n" } else { "" };
        let text = format!("use chroot = no\n{owner}[bench]\nread only = no\n");
        fs::write(&config, format!("{text}path = {}\n", self.there().display()))?;
        let address = self.network.address(1);
        let (host, port) = address.rsplit_once(':').context("an address has a port")?;
        let mut command = self.network.command(1, Path::new("rsync"));
        command.args(["--daemon", "--no-detach", "--address", host, "--port", port]);
        command.arg("--config").arg(config).stdin(Stdio::null()).stderr(Stdio::null());
        self.daemon = Some(command.spawn().context("cannot run rsync")?);
        let took = until("rsync's daemon listens", || {
            let mut command = self.network.command(0, Path::new("rsync"));
            let listed = command.arg(format!("rsync://{address}/")).output()?;
            Ok(listed.status.success())
        })?;
        ensure!(took < CONNECTS_WITHIN, "rsync's daemon took {took:?} to listen");
        Ok(())
    }

    fn bring(&mut self) -> anyhow::Result<()> {
        let mut command = self.network.command(0, Path::new("rsync"));
        // Two edits within a second are two, whatever rsync takes them for by default.
        command
            .args(["-a", "--delete", "--modify-window=-1"])
            .args(self.fsync.then_some("--fsync"));
        command.arg(format!("{}/", self.here().display()));
        command.arg(format!("rsync://{}/bench/", self.network.address(1)));
        let mut client = command.stderr(Stdio::piped()).spawn().context("cannot run rsync")?;
        let mut said = String::new();
        if let Some(mut stderr) = client.stderr.take() {
            stderr.read_to_string(&mut said)?;
        }
        ensure!(client.wait()?.success(), "rsync: {}", said.trim());
        Ok(())
    }

    fn follow(&mut self, has_arrived: &mut dyn FnMut() -> bool) -> anyhow::Result<()> {
        self.bring()?;
        ensure!(has_arrived(), "rsync has ended, and the change is not there");
        Ok(())
    }

    fn cpu_s(&self) -> anyhow::Result<f64> {
        let daemon = self.daemon.as_ref().map_or(Ok(Usage::default()), |it| Usage::of(it.id()))?;
        Ok(daemon.cpu_s + Usage::of_commands_s()? - self.before_s)
    }

    fn traffic(&self) -> anyhow::Result<Traffic> {
        self.network.traffic()
    }
}

impl Drop for Rsync {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
