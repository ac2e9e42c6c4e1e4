//! A device that is paired, and lies.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use driftless_core::{DeviceId, Epoch, FileRecord, FolderId, RelPath, Sequence};
use driftless_net::{
    AllowedDevice, Channel, CloseReason, Connection, Identity, Net, NetConfig, NetEvent, Request,
};
use driftless_proto::message::PROTOCOL_VERSION;
use driftless_proto::{
    FolderState, Hello, IndexUpdate, Message, PathUpdate, Session, codec::decode,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::harness::{Device, SOON, Scratch, check, until};

/// The epoch of every evil device's index.
pub(crate) const EPOCH: u64 = 0x0bad_0bad_0bad_0bad;

/// A device that does what a test says instead of what is right.
pub(crate) struct Evil {
    runtime: Runtime,
    net: Net,
    events: mpsc::Receiver<NetEvent>,
    id: DeviceId,
    known: Vec<AllowedDevice>,
}

/// What it says when it is asked for contents.
pub(crate) type Answer = Arc<dyn Fn(Request) -> Option<Request> + Send + Sync>;

/// Its connection to one device.
pub(crate) struct Link {
    handle: tokio::runtime::Handle,
    pub(crate) connection: Connection,
    heard: Arc<Mutex<Vec<Message>>>,
    pub(crate) asked: Arc<AtomicUsize>,
    sent: u64,
}

impl Evil {
    /// Makes an evil device. Its ID comes before or after `than`, if that matters.
    pub(crate) fn new(scratch: &Scratch, name: &str, before: Option<&str>) -> Self {
        let place = scratch.join(name);
        std::fs::create_dir(&place).unwrap();
        let keys = (0..).map(|number| {
            Identity::load_or_create(&place.join(format!("key{number}.pem"))).unwrap()
        });
        let is_fit = |identity: &Identity| match before {
            Some(other) => identity.device_id() < other.parse::<DeviceId>().unwrap(),
            None => true,
        };
        let identity = keys.into_iter().find(is_fit).unwrap();
        let runtime = Runtime::new().unwrap();
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let config = NetConfig { listen, discovery: false, device_name: name.into() };
        let (net, events) = runtime.block_on(Net::start(&identity, config)).unwrap();
        Self { runtime, net, events, id: identity.device_id(), known: Vec::new() }
    }

    pub(crate) fn id(&self) -> String {
        self.id.to_string()
    }

    pub(crate) fn device(&self) -> DeviceId {
        self.id
    }

    /// Connects anew to a device that runs, greets it and shares `notes` with it.
    pub(crate) fn connect(&mut self, to: &Device) -> Link {
        let mut link = self.dial(to);
        link.greet();
        link
    }

    /// Connects anew and says nothing.
    pub(crate) fn dial(&mut self, to: &Device) -> Link {
        let device: DeviceId = to.id().parse().unwrap();
        let entry = AllowedDevice {
            device,
            static_addresses: Vec::new(),
            last_known: vec![to.address().parse().unwrap()],
            paused: false,
        };
        // Begins without the pauses that came of earlier connections.
        self.known.retain(|known| known.device != device);
        let _guard = self.runtime.enter();
        self.net.set_devices(self.known.clone());
        while self.events.try_recv().is_ok() {}
        self.known.push(entry);
        self.net.set_devices(self.known.clone());
        loop {
            let event = self.runtime.block_on(tokio::time::timeout(SOON, self.events.recv()));
            match event.expect("it is connected").unwrap() {
                NetEvent::Connected(connection) if connection.device() == device => {
                    return Link::new(self.runtime.handle().clone(), connection);
                }
                _ => {}
            }
        }
    }
}

impl Evil {
    /// Dials a device that does not want it any more, which gets it nowhere.
    pub(crate) fn is_turned_away_by(&mut self, device: &Device) {
        let device: DeviceId = device.id().parse().unwrap();
        let Some(entry) = self.known.iter().find(|known| known.device == device).cloned() else {
            return;
        };
        let _guard = self.runtime.enter();
        self.net.set_devices(Vec::new());
        while self.events.try_recv().is_ok() {}
        self.net.set_devices(vec![entry]);
        let connected = async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, NetEvent::Connected(_)) {
                    return;
                }
            }
        };
        let wait = async { tokio::time::timeout(Duration::from_secs(2), connected).await };
        assert!(self.runtime.block_on(wait).is_err(), "it was let in");
    }
}

impl Link {
    fn new(handle: tokio::runtime::Handle, connection: Connection) -> Self {
        let (heard, asked) = (Arc::default(), Arc::default());
        Self { handle, connection, heard, asked, sent: 0 }
    }

    /// Says hello, shares the folder, and listens from then on.
    pub(crate) fn greet(&mut self) {
        let program = "evil".to_owned();
        let (version, clock_ms) = (PROTOCOL_VERSION, u64::MAX);
        let hello = Hello { version, device_name: "eve".into(), program, clock_ms };
        self.say(&Message::Hello(hello));
        self.listen();
        until(SOON, "the folder is shared with the evil device", || {
            let known = self.heard();
            let is_shared = known.iter().any(|message| {
                matches!(message, Message::Folders(all) if all.iter().any(|f| f.id == folder()))
            });
            check(is_shared, || format!("{known:?}"))
        });
        self.share(EPOCH);
    }

    /// Says that it shares the folder, with an index of this epoch.
    pub(crate) fn share(&self, epoch: u64) {
        self.say(&Message::Folders(vec![FolderState {
            id: folder(),
            label: "notes".into(),
            epoch: Epoch(epoch),
            sequence: Sequence(u64::MAX >> 1),
            seen: None,
            acknowledged: Sequence(0),
        }]));
    }

    /// Keeps what the device says.
    fn listen(&self) {
        let (connection, heard) = (self.connection.clone(), Arc::clone(&self.heard));
        self.handle.spawn(async move {
            while let Some((_, frame)) = connection.recv().await {
                let bytes = match frame.split_first() {
                    Some((0, plain)) => plain.to_vec(),
                    Some((_, packed)) => zstd::bulk::decompress(packed, 1 << 20).unwrap(),
                    None => continue,
                };
                heard.lock().unwrap().push(decode(&bytes).unwrap());
            }
        });
    }

    /// What the device has said so far.
    pub(crate) fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }

    /// What the device has said to have at a path, last.
    pub(crate) fn told_of(&self, path: &str) -> Option<Vec<FileRecord>> {
        let updates = self.heard().into_iter().filter_map(|message| match message {
            Message::IndexUpdate(update) => Some(update.paths),
            _ => None,
        });
        updates.flatten().rfind(|told| told.path.as_str() == path).map(|told| told.held)
    }

    /// Sends a message as any device would.
    pub(crate) fn say(&self, message: &Message) {
        let (_, frame) = Session::frame(message);
        let channel = match message {
            Message::Received(_) => Channel::Control,
            _ => Channel::Index,
        };
        self.frame(channel, &[&[0], &frame[..]].concat());
    }

    /// Sends any bytes as a frame; whether they went out.
    pub(crate) fn frame(&self, channel: Channel, bytes: &[u8]) -> bool {
        let sending = self.connection.send(channel, Bytes::copy_from_slice(bytes));
        self.handle.block_on(async { tokio::time::timeout(SOON, sending).await }).unwrap().is_ok()
    }

    /// Sends the frame of an index update by hand.
    pub(crate) fn raw(&self, frame: &[u8]) {
        self.frame(Channel::Index, &[&[0], frame].concat());
    }

    /// Announces that it has these.
    pub(crate) fn announce(&mut self, paths: Vec<(RelPath, Vec<FileRecord>)>) {
        let after = self.sent;
        self.sent += paths.len() as u64;
        self.say(&Message::IndexUpdate(IndexUpdate {
            folder: folder(),
            epoch: Epoch(EPOCH),
            after: Sequence(after),
            upto: Sequence(self.sent),
            more: false,
            paths: paths.into_iter().map(|(path, held)| PathUpdate { path, held }).collect(),
        }));
    }

    /// Waits until the device has taken over what was announced.
    pub(crate) fn is_taken_over(&self) {
        let sent = Sequence(self.sent);
        until(SOON, "what it announced is taken over", || {
            check(!self.connection.is_closed(), || "the connection is closed".into())?;
            let taken = self.heard().iter().any(|message| {
                matches!(message, Message::Received(r) if r.epoch == Epoch(EPOCH) && r.sequence >= sent)
            });
            check(taken, || "nothing was acknowledged".into())
        });
    }

    /// Answers every request from now on. One that `answer` gives back is kept
    /// open and never answered.
    pub(crate) fn answer(&self, answer: Answer) {
        let (connection, asked) = (self.connection.clone(), Arc::clone(&self.asked));
        self.handle.spawn(async move {
            let mut kept = Vec::new();
            while let Some(request) = connection.accept_request().await {
                asked.fetch_add(1, Ordering::SeqCst);
                kept.extend(answer(request));
            }
        });
    }

    /// Runs to its end what the library does asynchronously.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle
            .block_on(async { tokio::time::timeout(SOON, future).await })
            .expect("should have ended by now")
    }

    /// Asks with a header of any bytes; what comes, or why nothing does.
    pub(crate) fn ask(&self, header: &[u8]) -> Result<Vec<u8>, String> {
        self.wait(async {
            let request = self.connection.request(Bytes::copy_from_slice(header));
            let mut response = request.await.map_err(|error| error.to_string())?;
            let mut bytes = Vec::new();
            while let Some(piece) =
                response.read_chunk(1 << 20).await.map_err(|error| error.to_string())?
            {
                bytes.extend_from_slice(&piece);
            }
            Ok(bytes)
        })
    }

    /// Waits until the device hangs up; its reason.
    pub(crate) fn is_cut(&self) -> CloseReason {
        self.wait(self.connection.closed())
    }

    /// Whether the connection lives, a while after.
    pub(crate) fn lives_on(&self) -> bool {
        let closed = self.connection.closed();
        let ended = async { tokio::time::timeout(Duration::from_millis(300), closed).await };
        self.handle.block_on(ended).is_err()
    }
}

/// The folder that everything is about.
pub(crate) fn folder() -> FolderId {
    FolderId::parse("notes").unwrap()
}
