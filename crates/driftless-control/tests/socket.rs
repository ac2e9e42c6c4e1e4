//! The two ends of the control socket, against each other and against misuse, over real sockets.

#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driftless_control::api::{
    Cursor, Done, EventBody, FolderRescan, OwnDevice, Shutdown, Snapshot, Status, StatusQuery,
    Subscribe, SubscriptionFrame, Wait, WaitResult,
};
use driftless_control::server::MAX_IN_FLIGHT;
use driftless_control::{
    ApiError, BindError, CallError, Client, ConnectError, ErrorCode, EventLog, Reply, Request,
    Server,
};
use tempfile::TempDir;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(5);

/// A daemon that answers `status`, never ends a `wait`, breaks on `doctor` and counts the waits and
/// subscriptions that it holds.
struct Daemon {
    home: TempDir,
    events: Arc<EventLog>,
    waits: watch::Sender<usize>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

/// Counts one wait or subscription for as long as it lives.
struct Waiting(watch::Sender<usize>);

impl Waiting {
    fn begin(count: watch::Sender<usize>) -> Self {
        count.send_modify(|waits| *waits += 1);
        Self(count)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waits| *waits -= 1);
    }
}

fn status(name: &str) -> Status {
    let device = OwnDevice { id: "A".into(), name: name.into(), addresses: vec![] };
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
    Ok(Snapshot { cursor, status: status("snapshot"), offers: vec![] })
}

impl Daemon {
    fn start() -> Self {
        let home = TempDir::new().unwrap();
        let events = EventLog::new(1, 10_000);
        let waits = watch::Sender::new(0);
        let stop = Arc::new(Notify::new());
        let server = Server::bind(&home.path().join("control.sock")).unwrap();
        let (log, count, stopped) = (Arc::clone(&events), waits.clone(), Arc::clone(&stop));
        let handler = move |request, _| {
            answer(request, Arc::clone(&log), count.clone(), Arc::clone(&stopped))
        };
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(server.serve(handler, async move { stopped.notified().await }));
        Self { home, events, waits, stop, task }
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("control.sock")
    }

    async fn client(&self) -> Client {
        Client::connect(&self.socket()).await.unwrap()
    }

    async fn waits_are(&self, expected: usize) {
        let mut waits = self.waits.subscribe();
        let reached = timeout(SOON, waits.wait_for(|waits| *waits == expected)).await;
        assert!(reached.is_ok(), "expected {expected} waits, have {}", *self.waits.borrow());
    }
}

async fn answer(
    request: Request,
    log: Arc<EventLog>,
    count: watch::Sender<usize>,
    stopped: Arc<Notify>,
) -> Result<Reply, ApiError> {
    match request {
        Request::StatusQuery(query) => {
            let name = query.folder.clone().unwrap_or_default();
            Reply::to(&query, status(&name))
        }
        Request::Wait(wait) => {
            let _waiting = Waiting::begin(count);
            std::future::pending::<()>().await;
            Reply::to(&wait, WaitResult { done: false, missing: vec![] })
        }
        Request::Subscribe(subscribe) => {
            // The subscription owns this closure, so it is counted for as long as it lives.
            let waiting = Waiting::begin(count);
            let counted = move |cursor| {
                let _owned = &waiting;
                snapshot(cursor)
            };
            log.subscribe(&subscribe, counted).map(Reply::Events)
        }
        Request::Shutdown(shutdown) => {
            stopped.notify_one();
            Reply::to(&shutdown, Done {})
        }
        Request::Doctor(_) => panic!("a broken handler"),
        _ => Err(ApiError::new(ErrorCode::Refused, "not here").with_hint("ask elsewhere")),
    }
}

fn query(folder: &str) -> StatusQuery {
    StatusQuery { folder: Some(folder.into()) }
}

fn api_error(error: CallError) -> ApiError {
    match error {
        CallError::Api(error) => error,
        other => panic!("expected the daemon to say no, got {other:?}"),
    }
}

/// Writes one frame by hand and returns all that the daemon says until it hangs up or nothing comes.
fn raw(socket: &Path, frame: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(frame).unwrap();
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    let mut body = vec![0; u32::from_be_bytes(header) as usize];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn framed(body: &str) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes(), body.as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_share_a_connection_and_a_long_wait_blocks_none() {
    let daemon = Daemon::start();
    let client = Arc::new(daemon.client().await);
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.call(Wait::default()).await }
    });
    daemon.waits_are(1).await;
    let (a, b) = tokio::join!(client.call(query("a")), client.call(query("b")));
    assert_eq!((a.unwrap().device.name, b.unwrap().device.name), ("a".into(), "b".into()));
    let error = api_error(client.call(FolderRescan { folder: "x".into() }).await.unwrap_err());
    assert_eq!((error.code, error.hint.as_deref()), (ErrorCode::Refused, Some("ask elsewhere")));
    assert!(!waiting.is_finished());
    waiting.abort();
    daemon.waits_are(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_passed_on_is_answered_and_the_end_of_the_connection_is_noticed() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let params = serde_json::json!({ "folder": "as it is" });
    let status = client.call_by_name("status", params).await.unwrap();
    assert_eq!(status["device"]["name"], "as it is");
    let unknown = client.call_by_name("no.such", serde_json::json!({})).await;
    assert_eq!(api_error(unknown.unwrap_err()).code, ErrorCode::Usage);

    let early = timeout(Duration::from_millis(20), client.ended()).await;
    assert!(early.is_err(), "it stands");
    client.call(Shutdown {}).await.unwrap();
    timeout(SOON, client.ended()).await.unwrap();
    // Whoever asks later learns it, too.
    timeout(SOON, client.ended()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_call_and_a_dropped_client_cancel_their_requests() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    {
        let call = client.call(Wait::default());
        tokio::pin!(call);
        tokio::select! {
            _ = &mut call => panic!("the wait ended"),
            () = daemon.waits_are(1) => {}
        }
    }
    daemon.waits_are(0).await;
    client.call(query("still there")).await.unwrap();
    let gone = tokio::spawn(async move { client.call(Wait::default()).await });
    daemon.waits_are(1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    daemon.waits_are(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_bounded_and_the_bound_is_said() {
    let daemon = Daemon::start();
    let client = Arc::new(daemon.client().await);
    let waits: Vec<_> = (0..MAX_IN_FLIGHT)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.call(Wait::default()).await })
        })
        .collect();
    daemon.waits_are(MAX_IN_FLIGHT).await;
    assert_eq!(api_error(client.call(query("one more")).await.unwrap_err()).code, ErrorCode::Busy);
    waits[0].abort();
    daemon.waits_are(MAX_IN_FLIGHT - 1).await;
    // The place is free once the daemon has seen the cancelled request end.
    let freed = async {
        while client.call(query("again")).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, freed).await.unwrap();
}

/// Who has an answer may ask the next thing at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_keeps_to_the_bound_is_never_refused() {
    let daemon = Daemon::start();
    let client = Arc::new(daemon.client().await);
    let askers: Vec<_> = (0..MAX_IN_FLIGHT)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move {
                for _ in 0..3000 {
                    client.call(query("next")).await.unwrap();
                }
            })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_65th_client_is_told_that_it_is_one_too_many() {
    let daemon = Daemon::start();
    let mut clients = Vec::new();
    for _ in 0..64 {
        let client = daemon.client().await;
        client.call(query("in")).await.unwrap();
        clients.push(client);
    }
    let error = daemon.client().await.call(query("out")).await.unwrap_err();
    assert_eq!(api_error(error).code, ErrorCode::Busy);
    clients.pop();
    let admitted = async { while daemon.client().await.call(query("in")).await.is_err() {} };
    timeout(SOON, admitted).await.unwrap();
}

/// H3: what is no request is answered with the reason, and a frame over the bound before its body is read.
#[tokio::test(flavor = "multi_thread")]
async fn misshapen_frames_are_refused_with_a_reason() {
    let daemon = Daemon::start();
    for (frame, expected) in [
        ((4 * 1024 * 1024 + 1_u32).to_be_bytes().to_vec(), "over the limit of 4194304"),
        (0_u32.to_be_bytes().to_vec(), "a frame is empty"),
        (framed("{"), "a frame is no request"),
        (framed(r#"{"id":0,"method":"status"}"#), "request id 0 is not free"),
        (framed(r#"{"id":1,"method":"folder.eat"}"#), r#"there is no method \"folder.eat\""#),
        (framed(r#"{"id":1,"method":"status","params":{"folde":"x"}}"#), "unknown field `folde`"),
        (framed(r#"{"id":1,"method":"status"}"#), r#""ok":{"#),
    ] {
        let socket = daemon.socket();
        let said = tokio::task::spawn_blocking(move || raw(&socket, &frame)).await.unwrap();
        assert!(said.contains(expected), "{said} does not say {expected}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_panics_fails_its_own_request_alone() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let error = api_error(client.call(driftless_control::api::Doctor {}).await.unwrap_err());
    assert_eq!(error.code, ErrorCode::Failed);
    client.call(query("fine")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_pushed_beside_calls_and_end_with_the_subscription() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let mut events = client.subscribe(Subscribe::default()).await.unwrap();
    let Some(Ok(SubscriptionFrame::Snapshot(first))) = events.next().await else {
        panic!("no snapshot")
    };
    assert_eq!(first.status.device.name, "snapshot");
    for at_ms in 1..=3 {
        daemon.events.publish(at_ms, EventBody::ConfigChanged);
    }
    for expected in 1..=3 {
        let Some(Ok(SubscriptionFrame::Event(event))) = events.next().await else {
            panic!("no event")
        };
        assert_eq!(event.at_ms, expected);
    }
    client.call(query("beside")).await.unwrap();
    let replay = Subscribe { after: Some(first.cursor.to_string()), follow: false };
    let mut replay = client.subscribe(replay).await.unwrap();
    let mut seen = 0;
    while let Some(frame) = replay.next().await {
        frame.unwrap();
        seen += 1;
    }
    assert_eq!(seen, 3);
    let wrong = Subscribe { after: Some("yesterday".into()), follow: true };
    let error = client.subscribe(wrong).await.unwrap().next().await.unwrap().unwrap_err();
    assert_eq!(api_error(error).code, ErrorCode::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_does_not_read_is_cut_off_and_blocks_nobody() {
    let daemon = Daemon::start();
    let client = daemon.client().await;
    let request = Subscribe { after: Some("oldest".into()), follow: true };
    let mut events = client.subscribe(request).await.unwrap();
    daemon.waits_are(1).await;
    for at_ms in 0..5_000 {
        daemon.events.publish(at_ms, EventBody::ConfigChanged);
    }
    timeout(SOON, client.call(query("not blocked"))).await.unwrap().unwrap();
    // The daemon is told to stop pushing, though the stream is still held.
    daemon.waits_are(0).await;
    let mut kept = 0;
    let error = loop {
        match events.next().await {
            Some(Ok(_)) => kept += 1,
            Some(Err(error)) => break error,
            None => panic!("the stream ended in good order"),
        }
    };
    assert!(matches!(error, CallError::Lagged), "{error:?}");
    assert!((1..5_000).contains(&kept), "{kept} events were kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_daemon_answers_what_is_in_flight_and_leaves_no_socket() {
    let daemon = Daemon::start();
    let client = Arc::new(daemon.client().await);
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.call(Wait::default()).await }
    });
    daemon.waits_are(1).await;
    client.call(Shutdown {}).await.unwrap();
    assert_eq!(api_error(waiting.await.unwrap().unwrap_err()).code, ErrorCode::Stopping);
    let socket = daemon.socket();
    timeout(SOON, daemon.task).await.unwrap().unwrap();
    assert!(!socket.exists());
    assert!(matches!(client.call(query("late")).await.unwrap_err(), CallError::Disconnected));
    assert!(matches!(Client::connect(&socket).await.unwrap_err(), ConnectError::NoDaemon { .. }));
}

/// L1: nobody else can open the socket or replace it, and only a dead one is replaced.
#[tokio::test]
async fn the_socket_is_private_and_replaces_only_a_dead_one() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a socket outlives its listener");
    assert!(matches!(Client::connect(&path).await.unwrap_err(), ConnectError::NoDaemon { .. }));

    let server = Server::bind(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(matches!(Server::bind(&path).unwrap_err(), BindError::InUse { .. }));
    drop(server);
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    assert!(matches!(Server::bind(&path).unwrap_err(), BindError::NotASocket { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"precious");

    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(Server::bind(&path).unwrap_err(), BindError::UnsafeDirectory { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_with_a_long_path_is_served_through_a_short_one() {
    let home = TempDir::new().unwrap();
    let directory = home.path().join("long".repeat(30));
    fs::create_dir(&directory).unwrap();
    let path = directory.join("control.sock");
    let server = Server::bind(&path).unwrap();
    assert!(server.path().as_os_str().len() <= 100);
    let real = server.path().to_owned();
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o600);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let handler = |request, _| async move {
        match request {
            Request::StatusQuery(query) => Reply::to(&query, status("long")),
            _ => Err(ApiError::new(ErrorCode::Refused, "not here")),
        }
    };
    let task = tokio::spawn(server.serve(handler, async move { drop(stopped.await) }));
    let client = Client::connect(&path).await.unwrap();
    assert_eq!(client.call(StatusQuery::default()).await.unwrap().device.name, "long");
    drop(stop);
    timeout(SOON, task).await.unwrap().unwrap();
    assert!(!real.exists());
}

/// L1: even with the file modes out of the way, another user gets no answer, and gives none.
///
/// Needs root, to become another user on a thread of its own.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn another_user_is_refused_at_both_ends() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let other = rustix::process::Uid::from_raw(65534);
    let daemon = Daemon::start();
    fs::set_permissions(daemon.home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(daemon.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let socket = daemon.socket();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&answered);
    let as_other = move || {
        rustix::thread::set_thread_res_uid(other, other, other).unwrap();
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        // The daemon may have hung up before the write.
        let _ = stream.write_all(&framed(r#"{"id":1,"method":"status"}"#));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        count.fetch_add(answer.len(), Ordering::SeqCst);
        // A daemon of that user, for the other direction.
        let home = TempDir::new().unwrap();
        let listener = UnixListener::bind(home.path().join("control.sock")).unwrap();
        (home, listener)
    };
    let (home, _listener) =
        tokio::task::spawn_blocking(|| std::thread::spawn(as_other).join().unwrap()).await.unwrap();
    assert_eq!(answered.load(Ordering::SeqCst), 0);
    let error = Client::connect(&home.path().join("control.sock")).await.unwrap_err();
    assert!(matches!(error, ConnectError::OtherUser { uid: 65534, .. }), "{error:?}");
    daemon.client().await.call(query("our own")).await.unwrap();
    daemon.stop.notify_one();
}
