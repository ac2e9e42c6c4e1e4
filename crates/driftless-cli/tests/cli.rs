//! The binary against its contract: output, exit codes and the one line that a failure is.
//!
//! A daemon that speaks the real socket with scripted answers stands at the other end where one is needed.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use driftless_control::api::{
    ConflictPage, Cursor, DeviceView, Done, EventBody, FolderMode, FolderView, OwnDevice, PairCode,
    Paired, Snapshot, Status, WaitResult,
};
use driftless_control::{ApiError, ErrorCode, EventLog, Reply, Request, Server};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn command(home: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driftless"));
    command.arg("--home").arg(home).args(line.split_whitespace());
    command.env_remove("DRIFTLESS_HOME").env("HOME", "/u/me").stdin(Stdio::null());
    command
}

fn run(home: &Path, line: &str) -> Output {
    command(home, line).output().unwrap()
}

/// Runs a command that succeeds without a word on standard error, and gives its output.
fn said(home: &Path, line: &str) -> String {
    let output = run(home, line);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && stderr.is_empty(), "{line}: {:?} {stderr}", output.status);
    stdout
}

/// Runs a command that fails, and gives its exit code and the one line that it says.
fn refused(home: &Path, line: &str) -> (i32, String) {
    let output = run(home, line);
    let stderr = text(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    let said =
        stderr.trim_end().strip_prefix("driftless: ").unwrap_or_else(|| panic!("{line}: {stderr}"));
    (output.status.code().unwrap(), said.to_owned())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A daemon whose answers are scripted and which remembers what it was asked.
struct Daemon {
    home: TempDir,
    asked: Arc<Mutex<Vec<Request>>>,
    _runtime: Runtime,
}

fn status() -> Status {
    let device =
        OwnDevice { id: "ME".into(), name: "me".into(), addresses: vec!["127.0.0.1:1".into()] };
    Status {
        device,
        version: "0".into(),
        problems: vec![],
        offers: 0,
        requests: 0,
        folders: vec![],
        devices: vec![],
    }
}

async fn snapshot(cursor: Cursor) -> Result<Snapshot, ApiError> {
    Ok(Snapshot { cursor, status: status(), offers: vec![] })
}

impl Daemon {
    fn start() -> Self {
        let home = TempDir::new().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let events = EventLog::new(7, 10);
        events.publish(1, EventBody::ConfigChanged);
        events.publish(2, EventBody::Paired { device: "D".into(), name: "a\u{9b}31m".into() });
        let remember = Arc::clone(&asked);
        let handler = move |request: Request, _| {
            remember.lock().unwrap().push(request.clone());
            let events = Arc::clone(&events);
            async move { answer(request, &events) }
        };
        let server = {
            let _inside = runtime.enter();
            Server::bind(&home.path().join("control.sock")).unwrap()
        };
        runtime.spawn(server.serve(handler, std::future::pending()));
        Self { home, asked, _runtime: runtime }
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn last_asked(&self) -> Request {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

fn answer(request: Request, events: &Arc<EventLog>) -> Result<Reply, ApiError> {
    match request {
        Request::StatusQuery(query) if query.folder.as_deref() == Some("nowhere") => {
            Err(ApiError::new(ErrorCode::NotFound, "no folder is called \u{1b}nowhere\n")
                .with_hint("`driftless folder list` names them"))
        }
        Request::StatusQuery(query) => Reply::to(&query, status()),
        Request::Wait(wait) => {
            let done = wait.timeout_s.is_none();
            let missing = if done {
                vec![]
            } else {
                vec!["desk needs 2 files".into(), "old is offline".into()]
            };
            Reply::to(&wait, WaitResult { done, missing })
        }
        Request::PairOpen(open) => {
            Reply::to(&open, PairCode { code: "482910".into(), expires_in_s: 300 })
        }
        Request::PairWait(wait) => {
            Reply::to(&wait, Paired { id: "DESK".into(), name: "desk".into() })
        }
        Request::PairEnter(_) => Err(ApiError::new(ErrorCode::TimedOut, "the code has expired")),
        Request::DeviceAdd(add) => {
            let view =
                DeviceView { id: add.id.clone(), name: "desk".into(), ..DeviceView::default() };
            Reply::to(&add, view)
        }
        Request::FolderAdd(add) => {
            Reply::to(&add, FolderView { id: "f-1".into(), ..FolderView::default() })
        }
        Request::FolderRescan(rescan) => Reply::to(&rescan, Done {}),
        Request::ConflictList(list) => Reply::to(&list, ConflictPage::default()),
        Request::Subscribe(subscribe) => events.subscribe(&subscribe, snapshot).map(Reply::Events),
        _ => Err(ApiError::new(ErrorCode::Usage, "not in the script")),
    }
}

#[test]
fn init_prints_the_id_last_and_says_the_same_ever_after() {
    let directory = TempDir::new().unwrap();
    let home = directory.path().join("home");
    let first = said(&home, "init --name laptop");
    let id = first.lines().last().unwrap();
    assert!(id.len() >= 56 && !id.contains(char::is_whitespace), "{id:?} is not an ID alone");
    assert_eq!(said(&home, "init").lines().last().unwrap(), id);
    assert_eq!(said(&home, "id"), format!("{id}\n"));
    let mut by_environment = Command::new(env!("CARGO_BIN_EXE_driftless"));
    let output = by_environment.arg("id").env("DRIFTLESS_HOME", &home).output().unwrap();
    assert_eq!(text(&output.stdout).trim_end(), id);
    let json: Value = serde_json::from_str(&said(&home, "--json init --name other")).unwrap();
    assert_eq!((&json["id"], &json["name"]), (&json!(id), &json!("laptop")));
}

#[test]
fn machines_are_provisioned_without_a_daemon() {
    let directory = TempDir::new().unwrap();
    let (here, there) = (directory.path().join("here"), directory.path().join("there"));
    let (_, other) = (said(&here, "init --name here"), said(&there, "init --name there"));
    let other = other.lines().last().unwrap();
    let added = said(&here, &format!("device add {other} --name desk --address 127.0.0.1:22100"));
    assert_eq!(added.trim_end(), other);
    let docs = directory.path().join("docs");
    let add = format!(
        "folder add {} --id bench --label Docs --mode send-only --share desk",
        docs.display()
    );
    assert_eq!(said(&here, &add), "bench\n");
    assert!(docs.is_dir());
    let config = std::fs::read_to_string(here.join("config.toml")).unwrap();
    for expected in
        ["\"127.0.0.1:22100\"", "id = \"bench\"", "label = \"Docs\"", "\"send-only\"", other]
    {
        assert!(config.contains(expected), "{expected} is not in {config}");
    }

    let (exit, message) = refused(&here, &add);
    assert_eq!(exit, 1);
    assert!(message.starts_with("folder ID bench is in use already"), "{message}");
    let wrong = directory.path().join("wrong");
    let (exit, message) = refused(&here, &format!("folder add {} --share nobody", wrong.display()));
    assert_eq!(exit, 1);
    assert!(message.contains("no device is called \"nobody\""), "{message}");
    assert!(!wrong.exists(), "a refused folder leaves no directory");
    let (exit, message) = refused(&here, "device add ABC");
    assert_eq!(exit, 2);
    assert!(message.starts_with("\"ABC\" is not a device ID: "), "{message}");
    let drawn =
        said(&here, &format!("--json folder add {}", directory.path().join("more").display()));
    let drawn: Value = serde_json::from_str(&drawn).unwrap();
    assert_eq!(
        (&drawn["label"], &drawn["mode"]),
        (&json!("more"), &json!(FolderMode::SendReceive))
    );
}

#[test]
fn an_installation_that_was_not_made_is_told_so() {
    let directory = TempDir::new().unwrap();
    for line in ["id", "folder add /nowhere/docs"] {
        let (exit, message) = refused(directory.path(), line);
        assert_eq!(exit, 1, "{line}");
        assert!(
            message.ends_with("config.toml does not exist; run `driftless init` first"),
            "{message}"
        );
    }
    assert!(!directory.path().join("device.pem").exists());
}

#[test]
fn without_a_daemon_every_other_command_exits_69_and_says_how_to_start_one() {
    let directory = TempDir::new().unwrap();
    let home = directory.path();
    let expected = format!(
        "no daemon runs for {0}; start it with `driftless --home {0} daemon`",
        home.display()
    );
    for line in [
        "status",
        "--json status --follow",
        "wait",
        "pair",
        "pair 123456",
        "device list",
        "device pause D",
        "folder list",
        "folder rescan F",
        "folder confirm F",
        "conflict list",
        "conflict resolve 1 --keep both",
        "history list F",
        "events",
        "doctor",
    ] {
        assert_eq!(refused(home, line), (69, expected.clone()), "{line}");
    }
}

#[test]
fn wrong_arguments_exit_2_with_one_line() {
    let home = TempDir::new().unwrap();
    for line in [
        "frobnicate",
        "folder add",
        "wait --timeout soon",
        "pair 12",
        "conflict resolve 1",
        "status a b",
    ] {
        assert_eq!(refused(home.path(), line).0, 2, "{line}");
    }
    assert!(said(home.path(), "--version").starts_with("driftless "));
    assert!(said(home.path(), "folder add --help").contains("--share <D>"));
}

#[test]
fn a_running_daemon_is_asked_and_its_answers_are_passed_on() {
    let daemon = Daemon::start();
    assert_eq!(said(daemon.home(), "status"), "No folders yet · no other device yet\n");
    let json: Value = serde_json::from_str(&said(daemon.home(), "status --json")).unwrap();
    assert_eq!(json["device"], json!({"id": "ME", "name": "me", "addresses": ["127.0.0.1:1"]}));
    assert_eq!((&json["folders"], &json["devices"]), (&json!([]), &json!([])));
    assert_eq!(said(daemon.home(), "device add ID"), "ID\n");
    assert_eq!(said(daemon.home(), "folder add relative"), "f-1\n");
    let Request::FolderAdd(add) = daemon.last_asked() else { panic!("asked something else") };
    assert_eq!(Path::new(&add.path), std::env::current_dir().unwrap().join("relative"));
    assert_eq!(said(daemon.home(), "folder rescan docs"), "");
    assert_eq!(said(daemon.home(), "--json folder rescan docs"), "{}\n");
    assert_eq!(said(daemon.home(), "conflict list --json"), "[]\n");
    assert!(
        !daemon.home().join("config.toml").exists(),
        "with a daemon running, it alone changes things"
    );
}

#[test]
fn what_the_daemon_refuses_becomes_one_line_and_an_exit_code() {
    let daemon = Daemon::start();
    let refusal = "no folder is called \\u{1b}nowhere\\n; `driftless folder list` names them";
    assert_eq!(refused(daemon.home(), "status nowhere"), (1, refusal.into()));
    assert_eq!(refused(daemon.home(), "doctor"), (2, "not in the script".into()));
    assert_eq!(refused(daemon.home(), "pair 123-456"), (75, "the code has expired".into()));
    let missing = "timed out: desk needs 2 files; old is offline";
    assert_eq!(refused(daemon.home(), "wait --timeout 3"), (75, missing.into()));
    assert_eq!(said(daemon.home(), "wait"), "");
    let output = run(daemon.home(), "--json wait --timeout 3");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &result["done"]), (Some(75), &json!(false)));
}

#[test]
fn the_pairing_code_is_readable_by_people_and_programs() {
    let daemon = Daemon::start();
    let shown = said(daemon.home(), "pair");
    assert!(shown.contains("482 910") && shown.contains("driftless pair 482910"), "{shown}");
    assert!(shown.ends_with("DESK\n"), "{shown}");
    let lines: Vec<Value> = said(daemon.home(), "--json pair")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines,
        [json!({"code": "482910", "expires_in_s": 300}), json!({"id": "DESK", "name": "desk"})]
    );
}

#[test]
fn events_are_json_lines_from_a_cursor_on() {
    let daemon = Daemon::start();
    let all = said(daemon.home(), "events");
    let lines: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines.iter().map(|line| &line["body"]["type"]).collect::<Vec<_>>(),
        ["config-changed", "paired"]
    );
    assert!(all.contains("a\\u009b31m"), "what could act on a terminal is escaped: {all}");
    assert_eq!(said(daemon.home(), "events --since 7-1").lines().count(), 1);
    assert!(said(daemon.home(), "events --since 6-1").starts_with("{\"snapshot\":"));

    let mut following =
        command(daemon.home(), "events --follow").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("config-changed"));
    following.kill().unwrap();
    following.wait().unwrap();
}

#[test]
fn a_reader_that_stops_reading_ends_the_command_without_a_word() {
    let daemon = Daemon::start();
    let mut status = command(daemon.home(), "--json status");
    let mut child = status.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn completions_and_manual_pages_are_made_from_the_arguments() {
    let directory = TempDir::new().unwrap();
    let home = directory.path().join("home");
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&home, &format!("completions {shell}")).contains("rescan"), "{shell}");
    }
    let pages = directory.path().join("man");
    said(&home, &format!("man {}", pages.display()));
    for page in ["driftless.1", "driftless-folder-add.1", "driftless-conflict-resolve.1"] {
        assert!(std::fs::read_to_string(pages.join(page)).unwrap().contains(".TH"), "{page}");
    }
    assert!(said(&home, "man").contains("peer to peer"));
    assert!(!home.exists(), "what is generated needs no home");
}
