//! A daemon under `strace`: which calls it makes, and calls that kill it or fail.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Device;
use crate::harness::{SOON, until};

/// One call of one thread, as counted from the moment that the trace began.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Call {
    /// What the thread is called.
    pub(crate) thread: String,
    pub(crate) name: String,
    /// How many of this name the thread had made, with this one.
    pub(crate) nth: u32,
    /// What it was made with, as `strace` writes it.
    pub(crate) arguments: String,
}

/// Looks at a daemon until it is dropped; the daemon goes on then.
pub(crate) struct Trace {
    strace: Child,
    calls: PathBuf,
}

impl Trace {
    /// What was called so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        read_calls(&self.calls)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Has no effect on one that has ended with its daemon.
        let _ = kill_process(Pid::from_child(&self.strace), Signal::TERM);
        let _ = self.strace.wait();
    }
}

impl Device {
    /// Looks at the calls of the running daemon's threads that are called
    /// `thread`, or of all and those that are yet to come. `options` are
    /// strace's. `None`, and says so, where this process may not.
    pub(crate) fn trace(&self, thread: Option<&str>, options: &[&str]) -> Option<Trace> {
        let process = self.process().as_raw_nonzero().to_string();
        let threads = match thread {
            Some(name) => threads_called(&process, name),
            None => vec![process],
        };
        let (calls, messages) = (self.beside_log("calls"), self.beside_log("strace"));
        let mut command = Command::new("strace");
        command.args(options).arg("-Y").arg("-o").arg(&calls);
        command.args(thread.is_none().then_some("-f"));
        command.args(threads.iter().flat_map(|thread| ["-p", thread]));
        let said = File::create(&messages).unwrap();
        let Ok(mut strace) = command.stdin(Stdio::null()).stderr(said).spawn() else {
            eprintln!("passed over: strace is not installed");
            return None;
        };
        let attached = until(SOON, "strace is attached", || {
            let said = fs::read_to_string(&messages).unwrap();
            let ended = strace.try_wait().unwrap().is_some();
            if said.matches(" attached").count() >= threads.len() {
                Ok(true)
            } else if ended && said.contains("not permitted") {
                Ok(false)
            } else {
                assert!(!ended, "strace ended: {said}");
                Err(said)
            }
        });
        if !attached {
            eprintln!("passed over: this system lets nobody trace a process");
            return None;
        }
        Some(Trace { strace, calls })
    }

    /// Starts the daemon under strace with these options. Returns whether it
    /// came to serve; otherwise it has ended.
    pub(crate) fn start_traced(&mut self, options: &[&str]) -> bool {
        let daemon = ["daemon", "--listen", &self.address, "--no-discovery"];
        let plain = self.command(&daemon, None);
        let mut command = Command::new("strace");
        // The daemon is the child and strace the grandchild, so that signals meet the daemon.
        command.args(["-D", "-f", "-Y", "-o"]).arg(self.beside_log("calls")).args(options);
        command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let ready = self.launch(command).is_ok_and(|line| line.starts_with("ready "));
        if !ready {
            self.kill();
        }
        ready
    }

    /// What the daemon called that [`Device::start_traced`] started last.
    pub(crate) fn traced_calls(&self) -> Vec<Call> {
        read_calls(&self.beside_log("calls"))
    }

    /// Whether the daemon has ended by itself; from then on it does not run.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = self.daemon.as_mut().is_some_and(|daemon| daemon.try_wait().unwrap().is_some());
        if ended {
            self.daemon = None;
        }
        ended
    }

    fn beside_log(&self, extension: &str) -> PathBuf {
        self.log().with_extension(extension)
    }
}

/// The numbers of a process's threads that have this name.
fn threads_called(process: &str, name: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new("/proc").join(process).join("task")).unwrap();
    let threads = entries.map(|entry| entry.unwrap());
    let named = threads.filter(|thread| {
        fs::read_to_string(thread.path().join("comm")).is_ok_and(|found| found.trim_end() == name)
    });
    let found: Vec<_> = named.map(|thread| text(&thread.file_name())).collect();
    assert!(!found.is_empty(), "no thread is called {name}");
    found
}

fn text(name: &OsStr) -> String {
    name.to_str().unwrap().to_owned()
}

/// Reads what strace wrote, one call a line: `123<thread> name(arguments) = result`.
fn read_calls(path: &Path) -> Vec<Call> {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let parsed = text.lines().filter_map(|line| {
        // Where only one thread is looked at, strace does not say which.
        let is_named = line.starts_with(|first: char| first.is_ascii_digit());
        let (who, rest) = if is_named { line.split_once("> ")? } else { ("<", line) };
        let (number, thread) = who.split_once('<')?;
        let (name, arguments) = rest.split_once('(')?;
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            // The second half of a call that others came between.
            return None;
        }
        let count = counts.entry((number, name)).or_default();
        *count += 1;
        Some(Call {
            thread: thread.to_owned(),
            name: name.to_owned(),
            nth: *count,
            arguments: arguments.to_owned(),
        })
    });
    parsed.collect()
}
