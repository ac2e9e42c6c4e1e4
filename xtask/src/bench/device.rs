//! A measured device: a home, folders, and a daemon of the program as it is shipped.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use driftless_control::api::{FolderState, Status, StatusQuery, Wait};
use driftless_control::{Client, Method};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use super::network::Network;
use super::usage::Usage;

/// How long anything may take that is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(1800);

/// How often is looked whether it has come about.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A device that is driven through the `driftless` program.
pub(super) struct Device {
    program: PathBuf,
    network: Rc<Network>,
    /// From 0 on.
    number: usize,
    place: PathBuf,
    id: String,
    daemon: Option<Child>,
    runtime: Runtime,
}

impl Device {
    /// Makes a device below `place`.
    pub(super) fn new(
        program: &Path,
        network: &Rc<Network>,
        place: &Path,
        number: usize,
    ) -> anyhow::Result<Self> {
        let place = place.join(format!("device-{number}"));
        fs::create_dir_all(&place)?;
        let mut device = Self {
            program: program.to_owned(),
            network: Rc::clone(network),
            number,
            place,
            id: String::new(),
            daemon: None,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
        };
        let printed = device.run(&["init", "--name", &format!("device {number}")])?;
        device.id = printed.lines().last().unwrap_or_default().trim().to_owned();
        Ok(device)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.place.join("home")
    }

    /// Where a folder is on this device.
    pub(super) fn folder(&self, folder: &str) -> PathBuf {
        self.place.join(folder)
    }

    /// Runs one command to its end and gives what it printed.
    pub(super) fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(self.home()).args(arguments).stdin(Stdio::null());
        let output = command.output().context("cannot run driftless")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "driftless {}: {}", arguments.join(" "), said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Tells the device of another one.
    pub(super) fn knows(&self, other: &Self) -> anyhow::Result<()> {
        let (name, address) =
            (format!("device {}", other.number), self.network.address(other.number));
        self.run(&["device", "add", &other.id, "--name", &name, "--address", &address]).map(drop)
    }

    /// Syncs a folder with other devices. The daemon does not run.
    pub(super) fn adds(&self, folder: &str, with: &[&Self]) -> anyhow::Result<()> {
        let path = self.folder(folder);
        fs::create_dir_all(&path)?;
        let path = path.to_string_lossy();
        let mut arguments = vec!["folder", "add", &path, "--id", folder];
        with.iter().for_each(|other| arguments.extend(["--share", &other.id]));
        self.run(&arguments).map(drop)
    }

    /// Starts the daemon and waits until it serves.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        ensure!(self.daemon.is_none(), "device {} runs already", self.number);
        let log = self.place.join("log");
        let said = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = self.network.command(self.number, &self.program);
        command.arg("--home").arg(self.home()).args(["daemon", "--no-discovery"]);
        command.args(["--listen", &self.network.address(self.number)]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
        let mut daemon = command.spawn().context("cannot start the daemon")?;
        let output = daemon.stdout.take().context("the output is not piped")?;
        self.daemon = Some(daemon);
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(line.starts_with("ready "), "the daemon is not ready; see {}", log.display());
        // What it prints later finds a reader.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok(())
    }

    /// Ends the daemon, if it runs, and waits for it.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        kill_process(Pid::from_child(&daemon), Signal::TERM)?;
        let status = daemon.wait()?;
        ensure!(status.success(), "device {} ended badly ({status})", self.number);
        Ok(())
    }

    /// What the running daemon has used so far.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let daemon = self.daemon.as_ref().context("its daemon does not run")?;
        Usage::of(daemon.id())
    }

    fn call<M: Method>(&self, request: M) -> anyhow::Result<M::Reply> {
        let socket = self.home().join("control.sock");
        let reply = self.runtime.block_on(async {
            let client = Client::connect(&socket).await?;
            anyhow::Ok(client.call(request).await?)
        });
        reply.with_context(|| format!("device {}", self.number))
    }

    pub(super) fn status(&self) -> anyhow::Result<Status> {
        self.call(StatusQuery::default())
    }

    /// Scans anew, and waits until folders have settled here and on whoever is connected.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        let timeout_s = Some(PATIENCE.as_secs());
        let result = self.call(Wait { timeout_s, ..Wait::default() })?;
        ensure!(result.done, "device {} does not settle: {:?}", self.number, result.missing);
        Ok(())
    }

    /// Whether the first scan has ended, all folders are as they should be here, and so they are
    /// with `connected` other devices.
    pub(super) fn is_synced(&self, connected: usize) -> anyhow::Result<bool> {
        let status = self.status()?;
        let here = status.folders.iter().all(|folder| {
            folder.state == FolderState::UpToDate
                && folder.need_files == 0
                && folder.last_scan_ms.is_some()
        });
        let devices = status.devices.iter().filter(|device| device.connected);
        let there =
            devices.filter(|device| device.folders.iter().all(|folder| folder.need_files == 0));
        Ok(here && there.count() >= connected)
    }

    /// The size of the folders' indexes on disk.
    pub(super) fn database_bytes(&self) -> anyhow::Result<u64> {
        let mut bytes = 0;
        for file in fs::read_dir(self.home().join("index"))? {
            bytes += file?.metadata()?.len();
        }
        Ok(bytes)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Waits until something is so, or fails. Returns how long it took.
pub(super) fn until(
    what: &str,
    mut is_so: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    while !is_so()? {
        if begun.elapsed() > PATIENCE {
            bail!("{what}: not within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(begun.elapsed())
}
