//! One device: a home, folders, and a daemon of its own.

mod trace;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{SOON, Scratch, check, until};

pub(crate) use trace::Call;

/// How long a daemon may take to end when asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// How long one command may take at the most.
const COMMAND: Duration = Duration::from_secs(240);

/// How much of a log is shown when a test fails, in lines.
const LOG_LINES: usize = 60;

/// A device that is driven through the `driftless` program.
pub(crate) struct Device {
    scratch: Scratch,
    name: String,
    id: String,
    home: PathBuf,
    address: String,
    /// The network namespace that its daemon runs in.
    namespace: Option<String>,
    /// The file with the ID of the computer that it is.
    machine: Option<PathBuf>,
    daemon: Option<Child>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The one line that a failure with this exit code is.
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "a failure is one line: {self:?}");
        self.stderr.trim_end()
    }
}

/// A loopback address that nobody else uses, so that it stays a device's own
/// when its daemon is started again.
fn own_address() -> String {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let process = std::process::id();
    let (high, low) = ((process >> 8) & 0x3f, process & 0xff);
    format!("127.{}.{low}.{}:22100", 64 + high, NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Device {
    /// Makes a device that talks over a loopback address of its own.
    pub(crate) fn new(scratch: &Scratch, name: &str) -> Self {
        Self::make(scratch, name, own_address(), None)
    }

    /// Makes a device whose daemon runs in a network namespace and is found by mDNS.
    pub(crate) fn on_lan(scratch: &Scratch, name: &str, namespace: &str) -> Self {
        Self::make(scratch, name, String::new(), Some(namespace.to_owned()))
    }

    fn make(scratch: &Scratch, name: &str, address: String, namespace: Option<String>) -> Self {
        let place = scratch.join(name);
        fs::create_dir_all(&place).unwrap();
        let mut device = Self {
            scratch: scratch.clone(),
            name: name.to_owned(),
            id: String::new(),
            home: place.join("home"),
            address,
            namespace,
            machine: None,
            daemon: None,
        };
        let printed = device.ok(&["init", "--name", name]);
        device.id = printed.lines().last().unwrap().to_owned();
        device
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Where its daemon listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where a folder is on this device.
    pub(crate) fn path(&self, folder: &str) -> PathBuf {
        self.scratch.join(&self.name).join(folder)
    }

    fn log(&self) -> PathBuf {
        self.scratch.join(&format!("{}.log", self.name))
    }

    /// What its daemons have logged.
    pub(crate) fn logged(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Has the daemon take the computer for one with this ID.
    pub(crate) fn on_machine(&mut self, id: &str) {
        let file = self.scratch.join(&format!("machine-{id}"));
        fs::write(&file, format!("{id}\n")).unwrap();
        self.machine = Some(file);
    }

    /// Copies the home and the folders, as they are at this moment, to another
    /// place, where they are a device that has not started yet.
    pub(crate) fn copied(&self, name: &str) -> Self {
        let (from, to) = (self.scratch.join(&self.name), self.scratch.join(name));
        let copied = Command::new("cp").arg("-a").arg(&from).arg(&to).status().unwrap();
        assert!(copied.success(), "{copied}");
        let home = to.join("home");
        let _ = fs::remove_file(home.join("control.sock"));
        // On another computer the folders would be at the same paths.
        let config = fs::read_to_string(home.join("config.toml")).unwrap();
        let paths = |place: &Path| format!("\"{}/", place.display());
        let config = config.replace(&paths(&from), &paths(&to));
        fs::write(home.join("config.toml"), config).unwrap();
        Self {
            scratch: self.scratch.clone(),
            name: name.to_owned(),
            id: self.id.clone(),
            home,
            address: own_address(),
            namespace: None,
            machine: self.machine.clone(),
            daemon: None,
        }
    }

    /// Takes note of the ID that the device has now.
    pub(crate) fn look_up_id(&mut self) {
        self.id = self.ok(&["id"]).trim().to_owned();
    }

    /// Waits until the status of the whole program has a problem with this code;
    /// returns what it says.
    pub(crate) fn says(&self, code: &str) -> String {
        until(SOON, &format!("{} says {code}", self.name), || {
            let status = self.status();
            let mut problems = status["problems"].as_array().into_iter().flatten();
            let problem = problems.find(|problem| problem["code"] == code);
            let message = problem.and_then(|problem| problem["message"].as_str());
            message.map(str::to_owned).ok_or_else(|| status.to_string())
        })
    }

    /// Adds a folder under [`Device::path`].
    pub(crate) fn add_folder(&self, folder: &str, share_with: &[&str], options: &[&str]) {
        let path = self.path(folder);
        let mut arguments = vec!["folder", "add", path.to_str().unwrap(), "--id", folder];
        share_with.iter().for_each(|device| arguments.extend(["--share", device]));
        arguments.extend(options);
        assert_eq!(self.ok(&arguments).trim(), folder);
    }

    /// Sets something for each of its folders that no command sets.
    pub(crate) fn configure_folders(&self, setting: &str) {
        let file = self.home.join("config.toml");
        let config = fs::read_to_string(&file).unwrap();
        let set = config.replace("[[folder]]\n", &format!("[[folder]]\n{setting}\n"));
        assert_ne!(set, config, "it has no folder");
        fs::write(&file, set).unwrap();
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) fn start(&mut self) {
        let address = self.address.clone();
        let mut arguments = vec!["daemon"];
        if self.namespace.is_none() {
            arguments.extend(["--listen", &address, "--no-discovery"]);
        }
        let ready = self.spawn_daemon(&arguments);
        assert!(ready.starts_with(&format!("ready {} ", self.id)), "{ready}");
    }

    /// Starts the daemon; what it said when it does not come to serve.
    pub(crate) fn try_start(&mut self) -> Result<(), String> {
        let command = self.command(&["daemon", "--listen", &self.address, "--no-discovery"], None);
        let said = self.launch(command);
        if said.is_err() {
            self.kill();
        }
        said.map(drop)
    }

    /// Starts the daemon where the system chooses the port; returns the address that it says.
    pub(crate) fn start_on_any_port(&mut self) -> String {
        let ready = self.spawn_daemon(&["daemon", "--listen", "127.0.0.1:0", "--no-discovery"]);
        let address = ready.strip_prefix(&format!("ready {} ", self.id)).unwrap();
        self.address = address.to_owned();
        address.to_owned()
    }

    fn spawn_daemon(&mut self, arguments: &[&str]) -> String {
        match self.launch(self.command(arguments, self.namespace.as_deref())) {
            Ok(line) => line,
            Err(problem) => panic!("{}'s daemon is not ready: {problem}", self.name),
        }
    }

    /// Starts a daemon by this command; returns the first thing that it says.
    fn launch(&mut self, mut command: Command) -> Result<String, String> {
        assert!(self.daemon.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        let mut daemon = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let output = BufReader::new(daemon.stdout.take().unwrap());
        self.daemon = Some(daemon);
        first_line(output)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.daemon.is_some()
    }

    /// The running daemon's process.
    fn process(&self) -> Pid {
        let daemon = self.daemon.as_ref().expect("its daemon runs");
        Pid::from_child(daemon)
    }

    /// Asks the daemon to end, which takes at most 5 s and ends well.
    pub(crate) fn stop(&mut self) {
        let asked = Instant::now();
        kill_process(self.process(), Signal::TERM).unwrap();
        let mut daemon = self.daemon.take().unwrap();
        let what = format!("{}'s daemon ends", self.name);
        let status =
            until(SOON, &what, || daemon.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()));
        let took = asked.elapsed();
        assert!(status.success() && took < ENDS_WITHIN, "{what}: {status} after {took:?}");
    }

    /// Ends the daemon as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("its daemon runs");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    fn command(&self, arguments: &[impl AsRef<OsStr>], namespace: Option<&str>) -> Command {
        let program = env!("CARGO_BIN_EXE_driftless");
        let mut command = match namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace, program]);
                command
            }
            None => Command::new(program),
        };
        command.arg("--home").arg(&self.home).args(arguments);
        command.env_remove("DRIFTLESS_HOME").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
        if let Some(file) = &self.machine {
            command.env("DRIFTLESS_MACHINE_ID_FILE", file);
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Outcome {
        Running::start(self.command(arguments, None)).finish()
    }

    /// Runs a command to its end with this on its standard input.
    pub(crate) fn feed(&self, arguments: &[impl AsRef<OsStr>], input: &[u8]) -> Outcome {
        let mut command = self.command(arguments, None);
        let mut running = Running::start({
            command.stdin(Stdio::piped());
            command
        });
        if let Some(mut stdin) = running.child.stdin.take() {
            // It may end without reading all of it.
            let _ = stdin.write_all(input);
        }
        running.finish()
    }

    /// Runs a command that succeeds; returns what it printed.
    pub(crate) fn ok(&self, arguments: &[impl AsRef<OsStr>]) -> String {
        let outcome = self.run(arguments);
        let said: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        assert_eq!(outcome.code, Some(0), "{}: {}: {outcome:?}", self.name, said.join(" "));
        outcome.stdout
    }

    /// Runs a command that succeeds, with `--json`.
    pub(crate) fn json(&self, arguments: &[impl AsRef<OsStr>]) -> Value {
        let mut all = vec![OsStr::new("--json")];
        all.extend(arguments.iter().map(AsRef::as_ref));
        serde_json::from_str(&self.ok(&all)).unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        self.json(&["status"])
    }

    /// What the status says of a folder.
    pub(crate) fn folder(&self, folder: &str) -> Value {
        self.json(&["status", folder])["folders"][0].clone()
    }

    /// Waits until a folder is in a state; returns what the status says of it then.
    pub(crate) fn reaches(&self, folder: &str, state: &str) -> Value {
        until(SOON, &format!("{folder} is {state} on {}", self.name), || {
            let found = self.folder(folder);
            if found["state"] == state { Ok(found) } else { Err(found.to_string()) }
        })
    }

    /// Waits until a folder has a problem with this code; returns the problem.
    pub(crate) fn has_problem(&self, folder: &str, code: &str) -> Value {
        until(SOON, &format!("{folder} on {} has the problem {code}", self.name), || {
            let found = self.folder(folder);
            let mut problems = found["problems"].as_array().into_iter().flatten();
            let problem = problems.rfind(|problem| problem["code"] == code);
            problem.cloned().ok_or_else(|| found.to_string())
        })
    }

    pub(crate) fn is_connected_to(&self, other: &Self) -> bool {
        let status = self.status();
        let devices = status["devices"].as_array().unwrap();
        devices.iter().any(|device| device["id"] == other.id && device["connected"] == true)
    }

    /// The conflicts of a folder: their paths and IDs.
    pub(crate) fn conflicts(&self, folder: &str) -> Vec<(String, String)> {
        let list = self.json(&["conflict", "list", folder]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let conflicts = list.as_array().unwrap().iter();
        conflicts.map(|conflict| (text(&conflict["path"]), text(&conflict["id"]))).collect()
    }

    /// The versions of a path that were displaced here: their names and sizes, newest first.
    pub(crate) fn history(&self, folder: &str, path: &str) -> Vec<(String, u64)> {
        let list = self.json(&["history", "list", folder, path]);
        let entry = |entry: &Value| {
            (entry["version"].as_str().unwrap().to_owned(), entry["size"].as_u64().unwrap())
        };
        list.as_array().unwrap().iter().map(entry).collect()
    }

    /// Shows a pairing code.
    pub(crate) fn show_code(&self) -> Pairing {
        let mut running = Running::start_reading(self.command(&["--json", "pair"], None));
        let line = first_line(running.output.take().unwrap()).unwrap();
        let shown: Value = serde_json::from_str(&line).unwrap();
        let code = shown["code"].as_str().unwrap().to_owned();
        Pairing { code, running }
    }

    fn show_log(&self) {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LOG_LINES)..];
        eprintln!("---- the end of {}'s log:\n{}\n----", self.name, shown.join("\n"));
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            self.show_log();
        }
    }
}

/// A device that shows a code and waits for it to be entered elsewhere.
pub(crate) struct Pairing {
    pub(crate) code: String,
    running: Running,
}

impl Pairing {
    /// Waits until it is over.
    pub(crate) fn finish(self) -> Outcome {
        self.running.finish()
    }
}

/// A command under way.
struct Running {
    child: Child,
    output: Option<BufReader<std::process::ChildStdout>>,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    fn start(command: Command) -> Self {
        let mut running = Self::start_reading(command);
        running.stdout = running.output.take().map(read_all);
        running
    }

    fn start_reading(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().map(BufReader::new);
        let stderr = child.stderr.take().map(read_all);
        Self { child, output, stdout: None, stderr }
    }

    fn finish(mut self) -> Outcome {
        let status: ExitStatus = until(COMMAND, "the command ends", || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        });
        let text = |reader: Option<JoinHandle<String>>| {
            reader.map(|reader| reader.join().unwrap()).unwrap_or_default()
        };
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        Outcome { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Has no effect on a command that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The first line of an output, the rest of which is read and passed over.
fn first_line(mut from: impl BufRead + Send + 'static) -> Result<String, String> {
    let (sender, line) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = from.read_line(&mut line);
        let _ = sender.send(line);
        let _ = std::io::copy(&mut from, &mut std::io::sink());
    });
    let line = line.recv_timeout(SOON).map_err(|_| "it says nothing".to_owned())?;
    check(!line.is_empty(), || "it ended".to_owned())?;
    Ok(line.trim_end().to_owned())
}

/// Opens a file for appending, as programs that keep a log do.
pub(crate) fn append_to(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}
