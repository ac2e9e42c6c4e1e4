//! Trying a package as a person would: a fresh Debian, `apt-get install`, a click in the menu.
//!
//! The Debian is a directory and no computer, and everything that runs in it is kept from the
//! machine by namespaces, which also end it. The trial fails where the window does not come, no
//! daemon answers, or removing the package leaves something. It says nothing of what the
//! window shows, but leaves a picture of it for people.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::contents::{files, listed};
use super::{Family, Input, empty, run_to_end, say};

/// How long the window may take; a first launch on a busy machine takes its time.
const WINDOW: Duration = Duration::from_secs(120);
/// A page with letters on it has more colours than this; an empty one, not a handful.
const COLOURS: u32 = 100;
/// Where the menu entry says which windows are its own.
const CLASS: &str = "StartupWMClass=";

/// Mounts what programs expect, hides the machine's network, and lets a person do something.
const AS_PERSON: &str = r#"
mount -t proc proc "$1/proc"
mkdir -p "$1/dev/shm" "$1/tmp/.X11-unix"
mount -t tmpfs tmpfs "$1/dev/shm"
mount --bind /tmp/.X11-unix "$1/tmp/.X11-unix"
ip link set lo up
exec chroot "$1" runuser -l person -c "export DISPLAY=$2; $3"
"#;
/// The same for root, who needs the network to install something.
const AS_ROOT: &str = r#"
mount -t proc proc "$1/proc"
exec chroot "$1" sh -euc "$2"
"#;

/// Clicks the menu entry, waits for the daemon behind the app, and stays until told to go.
const CLICK: &str = r#"
export XDG_RUNTIME_DIR=$HOME/run LIBGL_ALWAYS_SOFTWARE=1 NO_AT_BRIDGE=1
mkdir -m 700 $XDG_RUNTIME_DIR
exec dbus-run-session -- sh -euc "
    gtk-launch driftless
    timeout 120 sh -c 'until driftless status >/dev/null 2>&1; do sleep 0.2; done'
    echo it answers
    read -r _ || true"
"#;

/// Tries the packages.
pub(super) fn run(input: &Input<'_>, deb: &Path, rpm: &Path) -> anyhow::Result<()> {
    look_at(deb, rpm)?;
    let place = input.place.join("trial");
    let result = install_and_launch(input, deb, &place);
    fs::remove_dir_all(&place)?;
    result
}

/// What the distributions' own checkers say.
fn look_at(deb: &Path, rpm: &Path) -> anyhow::Result<()> {
    println!("Checking both …");
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning", "--info"]);
    // No upload to Debian closes a request to package this.
    lintian.args(["--suppress-tags", "initial-upload-closes-no-bugs"]);
    run_to_end(lintian.arg(deb), "lintian")?;
    run_to_end(Command::new("rpm").args(["-K", "--nosignature"]).arg(rpm), "rpm")?;
    let needs = say(Command::new("rpm").args(["-qp", "--requires"]).arg(rpm), "rpm")?;
    for library in ["libwebkit2gtk-4.1.so.0", "libgtk-3.so.0", "libc.so.6"] {
        ensure!(needs.contains(library), "the rpm does not ask for {library}:\n{needs}");
    }
    Ok(())
}

fn install_and_launch(input: &Input<'_>, deb: &Path, place: &Path) -> anyhow::Result<()> {
    fresh_debian(input, place)?;
    println!("Installing …");
    fs::copy(deb, place.join("driftless.deb"))?;
    let get = "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; apt-get -qq install -y --no-install-recommends";
    // The package alone, so that nothing else brings what it forgot to ask for.
    as_root(place, &format!("{get} /driftless.deb"))?;
    let version = as_root(place, "driftless --version; driftless-desktop --version")?;
    let expected = format!("driftless {0}\ndriftless-desktop {0}\n", env!("CARGO_PKG_VERSION"));
    ensure!(version == expected, "the installed programs say {version:?}");
    let completions = "/usr/share/bash-completion/completions/driftless";
    as_root(place, &format!("bash -c '. {completions}; complete -p driftless'"))?;
    for page in files(&place.join("usr/share/man/man1"))? {
        let page = place.join("usr/share/man/man1").join(page);
        if page.to_string_lossy().contains("driftless") {
            run_to_end(Command::new("man").args(["--warnings", "--local-file"]).arg(page), "man")?;
        }
    }
    // What a desktop has: a bus, and something that starts programs from menus.
    as_root(place, &format!("{get} dbus libgtk-3-bin"))?;
    as_root(place, "useradd --create-home --base-dir /srv --shell /bin/sh person")?;
    launch(input, place)?;
    println!("Removing …");
    as_root(place, "DEBIAN_FRONTEND=noninteractive apt-get -qq purge -y driftless")?;
    for path in listed(input.root, Family::Deb)? {
        ensure!(!place.join(&path).exists(), "/{path} is still there");
    }
    Ok(())
}

/// A copy of the system's own Debian or Ubuntu, with nothing in it yet.
fn fresh_debian(input: &Input<'_>, place: &Path) -> anyhow::Result<()> {
    let release = fs::read_to_string("/etc/os-release")?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suite = suite.context("this is no Debian")?;
    let base = input.place.join(suite);
    if !base.is_dir() {
        println!("Getting a fresh {suite} …");
        let unfinished = input.place.join(format!("{suite}.unfinished"));
        empty(&unfinished)?;
        let mut get = Command::new("debootstrap");
        run_to_end(get.args(["--variant=minbase", suite]).arg(&unfinished), "debootstrap")?;
        fs::rename(&unfinished, &base)?;
    }
    empty(place)?;
    let mut copy = Command::new("cp");
    run_to_end(copy.args(["-a", "--reflink=auto"]).arg(base.join(".")).arg(place), "cp")?;
    // Nothing is to be started by being installed.
    let policy = place.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    run_to_end(Command::new("chmod").arg("755").arg(&policy), "chmod")
}

/// Starts the app from its menu entry and looks at the window.
fn launch(input: &Input<'_>, place: &Path) -> anyhow::Result<()> {
    println!("Starting from the menu …");
    let log = input.place.join("trial.log");
    let screen = Screen::start(&log)?;
    let mut app = within(&["--net"], AS_PERSON, place);
    app.args([&screen.name, CLICK]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut app = Started(app.stderr(File::options().append(true).open(&log)?).spawn()?);
    let until_dropped: Option<ChildStdin> = app.0.stdin.take();
    let entry = place.join("usr/share/applications/driftless.desktop");
    let entry = fs::read_to_string(entry)?;
    let class = entry.lines().find_map(|line| line.strip_prefix(CLASS)).context("no class")?;
    let class = format!("^{class}$");
    let picture = input.place.join("trial.png");
    let painted = || {
        let search = ["search", "--onlyvisible", "--class", &class];
        let window = say(screen.command("xdotool").args(search), "xdotool");
        let window = window.context("no window of this class")?;
        // The window without its frame, which has colours of its own.
        run_to_end(
            screen.command("import").args(["-window", window.trim()]).arg(&picture),
            "import",
        )?;
        let count = ["-format", "%k"];
        let colours = say(screen.command("identify").args(count).arg(&picture), "identify")?;
        let colours: u32 = colours.trim().parse()?;
        ensure!(colours > COLOURS, "the window is empty: {colours} colours");
        Ok(())
    };
    let mut says = String::new();
    let from_app = app.0.stdout.take().context("it was not taken before")?;
    for line in BufReader::new(from_app).lines() {
        let line = line?;
        if line == "it answers" {
            until(painted).with_context(|| format!("see {}", log.display()))?;
            println!("The window is there and the daemon behind it answers: {}", picture.display());
            drop(until_dropped);
            return Ok(());
        }
        says.push_str(&line);
        says.push('\n');
    }
    bail!("the app ended, or its daemon does not answer: {says}; see {}", log.display())
}

/// Something in namespaces of its own, which ends with the program that began it.
fn within(also: &[&str], script: &str, place: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child"]).args(also);
    command.args(["sh", "-euc", script, "sh"]).arg(place);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
    for name in ["http_proxy", "https_proxy"] {
        command.envs(std::env::var_os(name).map(|proxy| (name, proxy)));
    }
    command
}

fn as_root(place: &Path, what: &str) -> anyhow::Result<String> {
    say(within(&[], AS_ROOT, place).arg(what).stdin(Stdio::null()), what)
}

/// Tries until it succeeds.
fn until(mut attempt: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let deadline = Instant::now() + WINDOW;
    loop {
        match attempt() {
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => sleep(Duration::from_millis(200)),
            Ok(()) => return Ok(()),
        }
    }
}

/// Ended when dropped.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A display that nobody looks at, with frames around windows.
struct Screen {
    name: String,
    _programs: [Started; 2],
}

impl Screen {
    fn start(log: &Path) -> anyhow::Result<Self> {
        let log = File::create(log)?;
        let mut server = Command::new("Xvfb");
        server.args(["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-ac"]);
        let server = server.stdout(Stdio::piped()).stderr(log.try_clone()?).spawn()?;
        let mut server = Started(server);
        let mut number = String::new();
        let said = server.0.stdout.take().context("it was not taken before")?;
        BufReader::new(said).read_line(&mut number)?;
        let name = format!(":{}", number.trim());
        let mut frames = Command::new("openbox");
        let frames = frames.env("DISPLAY", &name).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self { name, _programs: [Started(frames), server] })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DISPLAY", &self.name);
        command
    }
}
