//! One device of the demo: its home, its folder and its daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long any command may take.
const COMMAND: Duration = Duration::from_secs(90);
/// How long a daemon may take until it serves, and until it has ended.
const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(6);

/// What makes a device a laptop.
pub(super) struct Laptop {
    /// The desktop app.
    pub(super) app: PathBuf,
}

/// A device that is driven through the `driftless` program.
pub(super) struct Device {
    program: PathBuf,
    home: PathBuf,
    folder: PathBuf,
    name: String,
    id: String,
    address: String,
    daemon: Option<Child>,
    /// Held open, so that what the daemon prints later finds a reader.
    output: Option<Lines<BufReader<ChildStdout>>>,
}

impl Device {
    /// Makes a home and a folder below `place`, whose last part names the device.
    pub(super) async fn new(program: &Path, place: &Path) -> anyhow::Result<Self> {
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (home, folder) = (place.join("home"), place.join("folder"));
        fs::create_dir_all(&folder)?;
        let mut device = Self {
            program: program.to_owned(),
            home,
            folder,
            name,
            id: String::new(),
            address: String::new(),
            daemon: None,
            output: None,
        };
        let printed = device.run(&["init", "--name", &device.name]).await?;
        device.id = printed.lines().last().unwrap_or_default().trim().to_owned();
        Ok(device)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Where the running daemon listens.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(&self.home).args(arguments).stdin(Stdio::null());
        // A Ctrl-C is for us; we stop the daemons in order.
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Runs one command to its end and gives what it printed.
    pub(super) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = tokio::time::timeout(COMMAND, self.command(arguments).output()).await;
        let output = output
            .with_context(|| format!("`driftless {}` does not end", arguments.join(" ")))?
            .context("cannot run driftless")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("on the {} device, `{}` failed: {}", self.name, arguments.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the daemon, or the app with a daemon inside, and waits until it serves.
    pub(super) async fn start(&mut self, laptop: Option<&Laptop>) -> anyhow::Result<()> {
        match laptop {
            Some(laptop) => self.start_app(laptop).await,
            None => self.start_daemon().await,
        }
    }

    async fn start_app(&mut self, laptop: &Laptop) -> anyhow::Result<()> {
        let mut command = Command::new("dbus-run-session");
        command.arg("--").arg(&laptop.app).arg("--home").arg(&self.home);
        command.args(["--listen", "127.0.0.1:0", "--no-discovery"]);
        for (name, place) in
            [("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data"), ("XDG_CACHE_HOME", "cache")]
        {
            command.env(name, self.home.join("desktop").join(place));
        }
        let log = fs::File::create(self.home.join("app.out"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0).kill_on_drop(true);
        self.daemon = Some(command.spawn().context("cannot start the app")?);
        let address = tokio::time::timeout(START, async {
            loop {
                if let Ok(printed) = self.run(&["--json", "status"]).await {
                    let status: Value = serde_json::from_str(&printed)?;
                    let address = status["device"]["addresses"][0].as_str();
                    return Ok(address.context("the app listens nowhere")?.to_owned());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let ready: anyhow::Result<String> =
            address.await.context("the app is not ready in time")?;
        self.address = ready?;
        Ok(())
    }

    /// Waits until the app has been quit.
    pub(super) async fn quits(&mut self) -> anyhow::Result<()> {
        if let Some(app) = &mut self.daemon {
            app.wait().await?;
            self.daemon = None;
        }
        Ok(())
    }

    async fn start_daemon(&mut self) -> anyhow::Result<()> {
        let mut command = self.command(&["daemon", "--listen", "127.0.0.1:0", "--no-discovery"]);
        let log = fs::File::create(self.home.join("daemon.out"))?;
        command.stdout(Stdio::piped()).stderr(log);
        let mut daemon = command.spawn().context("cannot start the daemon")?;
        let mut lines = lines_of(&mut daemon)?;
        self.daemon = Some(daemon);
        let address = tokio::time::timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(address) = line.strip_prefix("ready ").and_then(|l| l.split(' ').nth(1))
                {
                    return Ok(address.to_owned());
                }
            }
            bail!("the {} daemon ended; see {}", self.name, self.home.join("daemon.out").display())
        });
        self.address = address.await.context("the daemon is not ready in time")??;
        self.output = Some(lines);
        Ok(())
    }

    /// Begins to pair, and waits until the code is shown.
    pub(super) async fn open_pairing(&self) -> anyhow::Result<Pairing> {
        let mut command = self.command(&["--json", "pair"]);
        command.stdout(Stdio::piped());
        let mut waiting = command.spawn().context("cannot run driftless")?;
        let mut lines = lines_of(&mut waiting)?;
        let code = tokio::time::timeout(START, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(code) = code_in(&line) {
                    return Ok(code);
                }
            }
            bail!("`driftless pair` ended without showing a code")
        });
        let code = code.await.context("no pairing code is shown in time")??;
        Ok(Pairing { code, waiting, _lines: lines })
    }

    /// One phrase on how a folder does here.
    pub(super) async fn status(&self, folder: &str) -> anyhow::Result<String> {
        let printed = self.run(&["--json", "status"]).await?;
        let status: Value = serde_json::from_str(&printed).context("status is not JSON")?;
        let found = status["folders"].as_array().into_iter().flatten().find(|f| f["id"] == folder);
        let Some(found) = found else { bail!("the {} device lost its folder", self.name) };
        let number = |key: &str| found[key].as_u64().unwrap_or_default();
        let mut phrase = format!(
            "{}, {} files, {} bytes",
            found["state"].as_str().unwrap_or("unknown"),
            number("files"),
            number("bytes")
        );
        for (key, noun) in [("need_files", "to fetch"), ("conflicts", "in conflict")] {
            if number(key) > 0 {
                phrase.push_str(&format!(", {} {noun}", number(key)));
            }
        }
        Ok(phrase)
    }

    /// Ends the daemon and waits for it.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        terminate(&daemon);
        let status = tokio::time::timeout(STOP, daemon.wait()).await;
        let status = status.with_context(|| format!("the {} daemon does not end", self.name))??;
        if !status.success() {
            bail!("the {} daemon ended badly ({status})", self.name);
        }
        Ok(())
    }
}

impl Drop for Device {
    /// Asks a daemon that still runs to end; the runtime kills it should it not be waited for.
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            terminate(&daemon);
            let deadline = std::time::Instant::now() + STOP;
            while matches!(daemon.try_wait(), Ok(None)) && std::time::Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn terminate(daemon: &Child) {
    let id = daemon.id().and_then(|id| i32::try_from(id).ok());
    if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
        // A daemon that ended by itself just now needs no signal.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

/// A device that shows a code and waits for it to be entered elsewhere.
pub(super) struct Pairing {
    code: String,
    waiting: Child,
    /// Held open, so that what is printed later finds a reader.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Pairing {
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// Waits until this side has paired too.
    pub(super) async fn finish(mut self) -> anyhow::Result<()> {
        let status = tokio::time::timeout(START, self.waiting.wait()).await;
        let status = status.context("the first device does not notice that it is paired")??;
        if !status.success() {
            bail!("`driftless pair` failed ({status})");
        }
        Ok(())
    }
}

fn lines_of(child: &mut Child) -> anyhow::Result<Lines<BufReader<ChildStdout>>> {
    let stdout = child.stdout.take().context("the output is not piped")?;
    Ok(BufReader::new(stdout).lines())
}

/// The six digits in a line of `driftless --json pair`.
fn code_in(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    let code: String = message["code"].as_str()?.chars().filter(char::is_ascii_digit).collect();
    (code.len() == 6).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::code_in;

    #[test]
    fn a_code_is_found_in_json_and_nowhere_else() {
        assert_eq!(code_in(r#"{"code":"123 456","expires_in_s":300}"#), Some("123456".into()));
        for line in ["", "123456", r#"{"code":"12"}"#, r#"{"paired":"123456"}"#] {
            assert_eq!(code_in(line), None, "{line}");
        }
    }
}
