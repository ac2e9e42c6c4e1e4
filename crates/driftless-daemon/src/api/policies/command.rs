//! Running the program of a `command:` policy: without a shell, in a directory
//! of its own, for so long and no longer.
//!
//! The words `{base}`, `{ours}`, `{theirs}` and `{merged}` stand for files; what
//! the program leaves in the last one counts if it ends with 0. A base that is
//! not known is an empty file. `{name}` stands for the file's own name.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The most that a program may make of two versions, in bytes.
const MAX_MERGED_BYTES: u64 = 256 << 20;

/// What a program is given of the environment.
const VARIABLES: [&str; 5] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ"];

/// What is to be put together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    /// The file's name.
    pub(super) name: &'a str,
    pub(super) base: &'a [u8],
    pub(super) ours: &'a [u8],
    pub(super) theirs: &'a [u8],
}

/// Why a program made nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("{program} could not be run: {source}")]
    Run { program: String, source: io::Error },
    #[error("{program} took longer than {} s and was ended", limit.as_secs_f32())]
    TooLong { program: String, limit: Duration },
    #[error("{program} left it to a person ({ended})")]
    Failed { program: String, ended: String },
    #[error("{program} left nothing in {{merged}}")]
    Nothing { program: String },
    #[error("{program} made more than {MAX_MERGED_BYTES} bytes of it")]
    TooLarge { program: String },
    #[error("the files for {program} cannot be written or read: {source}")]
    Files { program: String, source: io::Error },
}

/// A directory below `workshop` that only this user can look into; it is removed with all
/// that is in it when it is dropped.
pub(super) fn room(workshop: &Path) -> io::Result<TempDir> {
    std::fs::create_dir_all(workshop)?;
    tempfile::Builder::new().prefix("merge-").tempdir_in(workshop)
}

/// Runs a program and its arguments on `files` and returns what it made.
pub(super) async fn run(
    workshop: &Path,
    words: &[String],
    files: &Files<'_>,
    limit: Duration,
) -> Result<Vec<u8>, CommandError> {
    let Some((program, arguments)) = words.split_first() else { return Ok(Vec::new()) };
    let program = program.clone();
    let failed = |source| CommandError::Files { program: program.clone(), source };
    let room = room(workshop).map_err(failed)?;
    let place = |name: &str| room.path().join(name);
    for (name, bytes) in [("base", files.base), ("ours", files.ours), ("theirs", files.theirs)] {
        std::fs::write(place(name), bytes).map_err(failed)?;
    }
    let spelled = |word: &String| {
        let named = ["base", "ours", "theirs", "merged"].into_iter();
        let word = named.fold(word.clone(), |word, name| {
            word.replace(&format!("{{{name}}}"), &place(name).to_string_lossy())
        });
        word.replace("{name}", files.name)
    };
    let mut command = Command::new(&program);
    command
        .args(arguments.iter().map(spelled))
        .current_dir(room.path())
        .env_clear()
        .envs(VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("TMPDIR", room.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let unrun = |source| CommandError::Run { program: program.clone(), source };
    let child = Ending(command.spawn().map_err(unrun)?);
    let status = child.within(limit).await.map_err(unrun)?;
    let Some(status) = status else { return Err(CommandError::TooLong { program, limit }) };
    if !status.success() {
        let signal = status.signal().map(|signal| format!("signal {signal}"));
        let ended = signal.unwrap_or_else(|| format!("exit {}", status.code().unwrap_or(-1)));
        return Err(CommandError::Failed { program, ended });
    }
    let merged = place("merged");
    match std::fs::symlink_metadata(&merged) {
        Ok(made) if !made.is_file() => Err(CommandError::Nothing { program }),
        Ok(made) if made.len() > MAX_MERGED_BYTES => Err(CommandError::TooLarge { program }),
        Ok(_) => std::fs::read(&merged).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(CommandError::Nothing { program })
        }
        Err(error) => Err(failed(error)),
    }
}

/// A program that is ended with all that it started, when it is dropped.
struct Ending(Child);

impl Ending {
    /// How it ended; `None` where it did not within `limit`.
    async fn within(mut self, limit: Duration) -> io::Result<Option<std::process::ExitStatus>> {
        match timeout(limit, self.0.wait()).await {
            Ok(ended) => ended.map(Some),
            Err(_) => Ok(None),
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let group = self.0.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            // It may have ended by itself just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(words: &[&str], limit_ms: u64) -> Result<String, CommandError> {
        let workshop = tempfile::tempdir().unwrap();
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let files = Files { name: "a b.txt", base: b"", ours: b"ours\n", theirs: b"theirs\n" };
        let limit = Duration::from_millis(limit_ms);
        let made = run(&workshop.path().join("w"), &words, &files, limit).await;
        let left = std::fs::read_dir(workshop.path().join("w")).unwrap().count();
        assert_eq!(left, 0, "nothing is left");
        made.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[tokio::test]
    async fn a_program_is_given_files_and_leaves_one() {
        let script = r#"cat "$1" "$2" > "$3"; echo "$4" >> "$3"; pwd >> "$3"; env | grep -c SECRET >> "$3"; true"#;
        let words =
            ["/bin/sh", "-c", script, "sh", "{ours}", "{theirs}", "{merged}", "its name is {name}"];
        let made = outcome(&words, 20_000).await.unwrap();
        assert!(made.starts_with("ours\ntheirs\nits name is a b.txt\n/"), "{made}");
        assert!(made.ends_with("\n0\n"), "{made}");
    }

    #[tokio::test]
    async fn a_program_that_makes_nothing_leaves_it_to_a_person() {
        let failed = outcome(&["/bin/false"], 20_000).await.unwrap_err();
        assert_eq!(failed.to_string(), "/bin/false left it to a person (exit 1)");
        let nothing = outcome(&["/bin/true"], 20_000).await.unwrap_err();
        assert_eq!(nothing.to_string(), "/bin/true left nothing in {merged}");
        let absent = outcome(&["/nowhere/at-all"], 20_000).await.unwrap_err();
        assert!(absent.to_string().starts_with("/nowhere/at-all could not be run"), "{absent}");
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended_with_all_that_it_started() {
        let marker = tempfile::tempdir().unwrap();
        let pid = marker.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let late = outcome(&["/bin/sh", "-c", &script], 500).await.unwrap_err();
        assert!(matches!(late, CommandError::TooLong { .. }), "{late}");
        let pid = std::fs::read_to_string(pid).unwrap();
        let process = Path::new("/proc").join(pid.trim());
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let is_running = || {
            let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
        };
        while is_running() {
            assert!(std::time::Instant::now() < deadline, "it goes on");
            tokio::task::yield_now().await;
        }
    }
}
