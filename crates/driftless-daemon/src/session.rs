//! One connection's conversation: greeting, which folders are shared, and from
//! then on indexes both ways.
//!
//! What a device says of a folder counts only while the folder is open here and
//! shared with the device; otherwise it is passed over, as if the folder did
//! not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use driftless_core::{DeviceId, Epoch, FolderId};
use driftless_engine::Input;
use driftless_net::{Channel as NetChannel, CloseReason, Connection};
use driftless_proto::message::PROTOCOL_VERSION;
use driftless_proto::{Channel, FolderState, Hello, Message, Session, SessionError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::clock::now_ms;
use crate::folder::Shared;
use crate::frame;
use crate::hub::Hub;
use crate::links::Outgoing;
use crate::{random, serve};

/// How much of what a device says of its index waits for the folders, in KiB.
/// It reads no further until they have taken it in.
const UNHEARD_KIB: usize = 4 << 10;

/// Runs a connection until it ends and no folder knows of it any more. The
/// device has no other session meanwhile.
pub(crate) async fn run(hub: Arc<Hub>, connection: Connection) {
    let device = connection.device();
    let queue = hub.links.add(connection.clone());
    hub.device_connected(&connection);
    let mut tasks = JoinSet::new();
    tasks.spawn(write(connection.clone(), queue));
    tasks.spawn(serve::requests(Arc::clone(&hub), connection.clone()));
    let mut conversation = Conversation {
        hub: Arc::clone(&hub),
        device,
        session: Session::new(),
        ahead_ms: None,
        theirs: None,
        introduced: BTreeMap::new(),
        linked: BTreeMap::new(),
        unheard: Arc::new(Semaphore::new(UNHEARD_KIB)),
    };
    if let Err(error) = conversation.run(&connection).await {
        tracing::warn!(device = %device.short(), %error, "closing the connection");
        connection.close(CloseReason::Violation);
    }
    tasks.shutdown().await;
    hub.links.remove(device);
    conversation.unlink_all().await;
    hub.device_disconnected(device, connection.closed().await);
}

/// Sends what is queued for the connection, in order.
async fn write(connection: Connection, mut queue: mpsc::Receiver<Outgoing>) {
    while let Some(outgoing) = queue.recv().await {
        let (message, folder) = match outgoing {
            Outgoing::Message(message) => (message, None),
            Outgoing::Index(folder, update) => (Message::IndexUpdate(update), Some(folder)),
        };
        let (channel, bytes) = Session::frame(&message);
        let channel = match channel {
            Channel::Control => NetChannel::Control,
            Channel::Index => NetChannel::Index,
        };
        if connection.send(channel, Bytes::from(frame::pack(bytes))).await.is_err() {
            return;
        }
        if let Some(folder) = folder {
            folder.inputs(vec![Input::IndexSent(connection.device())]).await;
        }
    }
}

/// What has been said on one connection.
struct Conversation {
    hub: Arc<Hub>,
    device: DeviceId,
    session: Session,
    /// How far the device's clock is ahead of ours, once it has said so.
    ahead_ms: Option<i64>,
    /// The folders that the device shares with this one, once it has said so.
    theirs: Option<BTreeMap<FolderId, FolderState>>,
    /// The folders that the device was told of, by opening. Before that it
    /// would pass over what is said of them.
    introduced: BTreeMap<FolderId, u64>,
    /// The folders whose engines know of the connection, by opening.
    linked: BTreeMap<FolderId, (u64, Arc<Shared>)>,
    /// Room for what the folders have not taken in yet, in KiB.
    unheard: Arc<Semaphore>,
}

impl Conversation {
    async fn run(&mut self, connection: &Connection) -> Result<(), SessionError> {
        let name = self.hub.settings().device.name.clone();
        let program = format!("driftless {}", env!("CARGO_PKG_VERSION"));
        let (version, clock_ms) = (PROTOCOL_VERSION, now_ms());
        let hello = Hello { version, device_name: name, program, clock_ms };
        self.send(Message::Hello(hello));
        let mut changes = self.hub.folder_changes();
        self.introduce().await;
        loop {
            tokio::select! {
                frame = connection.recv() => {
                    let Some((channel, bytes)) = frame else { return Ok(()) };
                    self.hear(channel, &bytes).await?;
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    self.introduce().await;
                    self.link().await;
                }
            }
        }
    }

    fn send(&self, message: Message) {
        self.hub.links.send(self.device, Outgoing::Message(message));
    }

    async fn hear(&mut self, channel: NetChannel, bytes: &[u8]) -> Result<(), SessionError> {
        let channel = match channel {
            NetChannel::Control => Channel::Control,
            NetChannel::Index => Channel::Index,
        };
        let Ok(bytes) = frame::unpack(bytes) else { return Err(SessionError::Order) };
        match self.session.handle_frame(channel, &bytes)? {
            Message::Hello(hello) => {
                self.hub.device_greeted(self.device, &hello);
                let theirs = i64::try_from(hello.clock_ms).ok().filter(|clock_ms| *clock_ms > 0);
                self.ahead_ms = theirs.map(|theirs| theirs - now_ms().cast_signed());
            }
            Message::Folders(folders) => {
                let folders: BTreeMap<_, _> =
                    folders.into_iter().map(|state| (state.id.clone(), state)).collect();
                self.hub.offered(self.device, &folders);
                let before = self.theirs.replace(folders.clone());
                // A folder that comes later begins anew on both sides: where it stood here
                // when the connection began says nothing about now.
                let is_later =
                    |before: BTreeMap<_, _>| folders.keys().any(|id| !before.contains_key(id));
                if before.is_some_and(is_later) {
                    self.introduce().await;
                }
                self.link().await;
            }
            Message::Received(received) => {
                if let Some((_, folder)) = self.linked.get(&received.folder) {
                    let (epoch, sequence) = (received.epoch, received.sequence);
                    folder
                        .inputs(vec![Input::Received { device: self.device, epoch, sequence }])
                        .await;
                }
            }
            Message::IndexUpdate(update) => {
                if let Some((_, folder)) = self.linked.get(&update.folder) {
                    let size_kib = u32::try_from(bytes.len() >> 10).unwrap_or(u32::MAX) + 1;
                    let room = Arc::clone(&self.unheard).acquire_many_owned(size_kib).await.ok();
                    folder.heard(Input::IndexUpdate(self.device, update), room).await;
                }
            }
        }
        Ok(())
    }

    /// Tells the device which folders it shares with this one, and where they stand.
    ///
    /// What it said of a folder before that was opened here is out of date; it
    /// tells anew when it hears of a folder that it had not heard of just before.
    async fn introduce(&mut self) {
        let mut states = Vec::new();
        let before = std::mem::take(&mut self.introduced);
        for (config, folder, opening) in self.hub.folders_with(self.device) {
            let (device, label) = (self.device, config.label);
            let state = folder.ask(move |asked| asked.engine.introduction(&device, label).ok());
            if let Some(state) = state.await.flatten() {
                self.introduced.insert(config.id, opening);
                states.push(state);
            }
        }
        let is_new = |id: &FolderId| before.get(id) != self.introduced.get(id);
        if let Some(theirs) = &mut self.theirs {
            theirs.retain(|id, _| !self.introduced.contains_key(id) || !is_new(id));
        }
        if states.iter().any(|state| is_new(&state.id) && before.contains_key(&state.id)) {
            let others = states.iter().filter(|state| !is_new(&state.id));
            self.send(Message::Folders(others.cloned().collect()));
        }
        self.send(Message::Folders(states));
    }

    /// Brings the engines' knowledge of the connection in line with which
    /// folders both sides share now.
    async fn link(&mut self) {
        let Some(theirs) = &self.theirs else { return };
        let ours = self.hub.folders_with(self.device);
        let gone: Vec<_> = self
            .linked
            .keys()
            .filter(|id| {
                !theirs.contains_key(id) || !ours.iter().any(|(config, ..)| config.id == **id)
            })
            .cloned()
            .collect();
        let mut fresh = Vec::new();
        for (config, folder, opening) in ours {
            let known = self
                .linked
                .get(&config.id)
                .is_some_and(|(known, linked)| *known == opening && Arc::ptr_eq(linked, &folder));
            let is_introduced = self.introduced.get(&config.id) == Some(&opening);
            if let Some(state) = theirs.get(&config.id).filter(|_| is_introduced && !known) {
                fresh.push((config.id, opening, folder, state.clone()));
            }
        }
        for id in gone {
            if let Some((_, folder)) = self.linked.remove(&id) {
                folder.inputs(vec![Input::Disconnected(self.device)]).await;
            }
        }
        for (id, opening, folder, state) in fresh {
            let Ok(spare) = random::bytes() else { continue };
            let spare = Epoch(u64::from_be_bytes(spare));
            let device = self.device;
            let clock = self.ahead_ms.map(|ahead_ms| Input::Clock { device, ahead_ms });
            let connected = Input::Connected { device, state, spare };
            folder.inputs(clock.into_iter().chain([connected]).collect()).await;
            self.linked.insert(id, (opening, folder));
        }
    }

    /// Tells the engines that the connection is gone, and returns once they
    /// have taken note.
    async fn unlink_all(&mut self) {
        for (_, (_, folder)) in std::mem::take(&mut self.linked) {
            folder.inputs(vec![Input::Disconnected(self.device)]).await;
            folder.ask(|_| ()).await;
        }
    }
}
