//! One laptop: a display, a session bus with a panel, a home, and the app.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::page::{Namespace, Page};
use super::panel::Panel;
use super::until;

const APP: &str = env!("CARGO_BIN_EXE_driftless-desktop");

/// A directory on a real disk; kept when the test failed.
pub(crate) struct Scratch(Option<TempDir>);

impl Scratch {
    pub(crate) fn new() -> Self {
        let within = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self(Some(tempfile::Builder::new().prefix("app-").tempdir_in(within).unwrap()))
    }

    fn path(&self) -> &Path {
        self.0.as_ref().expect("taken only when dropped").path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(dir) = self.0.take().filter(|_| std::thread::panicking()) {
            eprintln!("everything is kept in {}", dir.keep().display());
        }
    }
}

/// Ended when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A laptop that is switched on; the app runs on it when it was started.
pub(crate) struct Laptop {
    name: String,
    place: PathBuf,
    namespace: Namespace,
    /// Where the app's own test hook finds what a person would choose in a dialog.
    picks: PathBuf,
    app: Option<Ended>,
    inspector: u16,
    pub(crate) panel: Panel,
    display: String,
    bus: String,
    _desktop: Vec<Ended>,
}

impl Laptop {
    /// Switches one on; in a network namespace, or on the machine's own loopback.
    pub(crate) fn new(scratch: &Scratch, name: &str, namespace: Option<&str>) -> Self {
        let place = scratch.path().join(name);
        fs::create_dir_all(place.join("run")).unwrap();
        let (display, screen) = start_display(&place);
        let (bus, session) = start_bus(&place);
        let panel = Panel::new(&bus);
        let mut laptop = Self {
            name: name.to_owned(),
            picks: place.join("pick"),
            place,
            namespace: Namespace::named(namespace),
            app: None,
            inspector: 0,
            panel,
            display,
            bus,
            _desktop: vec![screen, session],
        };
        let manager = laptop.command("openbox").spawn().unwrap();
        laptop._desktop.insert(0, Ended(manager));
        laptop
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.place.join("data/driftless")
    }

    /// Some directory of its owner's.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    pub(crate) fn config_dir(&self) -> PathBuf {
        self.place.join(".config")
    }

    /// A program on this laptop's desktop.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.namespace.command(program.as_ref());
        let mut log = OpenOptions::new();
        let log = log.create(true).append(true).open(self.place.join("log")).unwrap();
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.place)
            .env("XDG_DATA_HOME", self.place.join("data"))
            .env("XDG_CONFIG_HOME", self.config_dir())
            .env("XDG_CACHE_HOME", self.place.join("cache"))
            .env("XDG_RUNTIME_DIR", self.place.join("run"))
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
            .env("DRIFTLESS_PICK", &self.picks)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        for name in ["DRIFTLESS_LOG", "LANG"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    fn app_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(APP);
        if self.namespace.is_own() {
            command.args(["--listen", "127.0.0.1:0", "--no-discovery"]);
        }
        command.args(arguments);
        command
    }

    /// Starts the app.
    pub(crate) fn start(&mut self, arguments: &[&str]) {
        assert!(self.app.is_none(), "{} runs it already", self.name);
        self.inspector = free_port();
        let mut command = self.app_command(arguments);
        command
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("WEBKIT_INSPECTOR_SERVER", format!("127.0.0.1:{}", self.inspector));
        self.app = Some(Ended(command.spawn().unwrap()));
    }

    /// Launches the app once more, as a person does who forgot that it runs; how that ended.
    pub(crate) fn launch_again(&self) -> ExitStatus {
        let mut second = Ended(self.app_command(&[]).spawn().unwrap());
        until("a second launch ends", || second.0.try_wait().unwrap().ok_or("it runs".to_owned()))
    }

    /// Looks at the window through WebDriver.
    pub(crate) fn page(&self) -> Page {
        let port = free_port();
        let mut driver = self.command("WebKitWebDriver");
        driver.arg(format!("--port={port}")).arg(format!("--target=127.0.0.1:{}", self.inspector));
        Page::open(&self.name, driver, port, &self.namespace)
    }

    /// Closes the window by its frame.
    pub(crate) fn close_window(&self) {
        assert!(self.tool("wmctrl", &["-c", "driftless"]), "there is no window to close");
    }

    /// Whether a window is to be seen.
    pub(crate) fn shows_window(&self) -> bool {
        self.windows() > 0
    }

    /// How many windows and dialogs of the app are to be seen.
    pub(crate) fn windows(&self) -> usize {
        let mut search = self.command("xdotool");
        search.args(["search", "--onlyvisible", "--name", "^driftless$"]).stdout(Stdio::piped());
        String::from_utf8_lossy(&search.output().unwrap().stdout).lines().count()
    }

    /// Presses a key.
    pub(crate) fn press_key(&self, key: &str) {
        assert!(self.tool("xdotool", &["key", key]), "the key cannot be pressed");
    }

    fn tool(&self, program: &str, arguments: &[&str]) -> bool {
        self.command(program).args(arguments).status().unwrap().success()
    }

    /// Says what will be chosen in the next dialogs of the desktop.
    pub(crate) fn will_pick(&self, path: &Path) {
        fs::write(&self.picks, path.as_os_str().as_encoded_bytes()).unwrap();
    }

    /// Waits until the app has ended by itself.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let mut app = self.app.take().expect("it runs");
        until("the app ends", || app.0.try_wait().unwrap().ok_or("it runs".to_owned()))
    }

    /// Asks the app to end, as at log-out.
    pub(crate) fn log_out(&mut self) -> ExitStatus {
        let app = self.app.as_ref().expect("it runs");
        kill_process(Pid::from_child(&app.0), Signal::TERM).unwrap();
        self.ends()
    }

    /// A picture of the whole screen, kept.
    pub(crate) fn picture(&self, name: &str) {
        let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("app");
        fs::create_dir_all(&shots).unwrap();
        let file = shots.join(format!("{name}-{}.png", self.name));
        // A picture is for people; a test stands without it.
        drop(self.command("import").args(["-window", "root"]).arg(file).status());
    }
}

impl Drop for Laptop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.picture("failed");
            let log = fs::read_to_string(self.place.join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let from = lines.len().saturating_sub(60);
            eprintln!("--- the last that {} said\n{}", self.name, lines[from..].join("\n"));
        }
    }
}

fn start_display(place: &Path) -> (String, Ended) {
    let mut server = Command::new("Xvfb")
        .args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(fs::File::create(place.join("xvfb.log")).unwrap())
        .spawn()
        .unwrap();
    let number = first_line(&mut server);
    (format!(":{number}"), Ended(server))
}

fn start_bus(place: &Path) -> (String, Ended) {
    let mut daemon = Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--print-address=1"])
        .arg(format!("--address=unix:path={}", place.join("run/bus").display()))
        .env_remove("DISPLAY")
        .stdout(Stdio::piped())
        .stderr(fs::File::create(place.join("bus.log")).unwrap())
        .spawn()
        .unwrap();
    let address = first_line(&mut daemon);
    (address, Ended(daemon))
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

/// A port that nobody listens on just now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
