//! Connections: frames stay in order on each of their two streams, and what is
//! in flight dies with its connection.

use driftless_core::{Epoch, Index};
use driftless_engine::Input;
use driftless_proto::message::PROTOCOL_VERSION;
use driftless_proto::{Channel, Hello, Message, Session};

use super::device::id_of;
use super::oracle::Claim;
use super::{Event, World};

#[derive(Debug)]
pub(crate) struct Frame {
    connection: u64,
    from: usize,
    channel: Channel,
    is_update: bool,
    bytes: Vec<u8>,
    claims: Vec<Claim>,
}

#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    /// That of the lower number first.
    ends: [End; 2],
}

#[derive(Debug, Default)]
struct End {
    session: Session,
    /// When the last frame arrives here, by stream.
    last_us: [u64; 2],
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl World {
    /// Keeps two devices from ever meeting.
    pub fn estrange(&mut self, a: usize, b: usize) {
        self.disconnect(a, b);
        self.strangers.push(pair(a, b));
    }

    /// Whether the two may meet.
    pub(crate) fn may_meet(&self, a: usize, b: usize) -> bool {
        !self.strangers.contains(&pair(a, b))
    }

    /// Connects every device with every other that it may meet.
    pub fn connect_all(&mut self) {
        for a in 0..self.devices.len() {
            for b in a + 1..self.devices.len() {
                self.connect(a, b);
            }
        }
    }

    /// Whether all who may meet are connected.
    pub(crate) fn is_whole(&self) -> bool {
        let devices = 0..self.devices.len();
        let pairs = devices.flat_map(|a| (0..a).map(move |b| (b, a)));
        pairs.filter(|&(a, b)| self.may_meet(a, b)).all(|(a, b)| self.is_connected(a, b))
    }

    /// Cuts every connection: from here on the devices are on their own.
    pub fn part(&mut self) {
        for device in 0..self.devices.len() {
            self.disconnect_all(device);
        }
    }

    /// Connects two devices, unless they are, may not meet, or one is off.
    pub fn connect(&mut self, a: usize, b: usize) {
        let key = pair(a, b);
        let is_off = |device: usize| self.devices[device].engine.is_none();
        if a == b || is_off(a) || is_off(b) || self.connections.contains_key(&key) {
            return;
        }
        let notices = self.would_notice(a, b) && self.would_notice(b, a);
        if !self.may_meet(a, b) || !notices {
            return;
        }
        self.scheduled += 1;
        let connection = Connection { id: self.scheduled, ends: [End::default(), End::default()] };
        self.connections.insert(key, connection);
        self.note(format_args!("{a} and {b} connect"));
        for (from, to) in [key, (key.1, key.0)] {
            let hello = Hello {
                version: PROTOCOL_VERSION,
                device_name: format!("device {from}"),
                program: "simulator".into(),
            };
            self.send(from, to, &Message::Hello(hello), Vec::new());
            self.introduce(from, to);
        }
    }

    /// A device whose index was rolled back meets first who can tell: until it
    /// does, it would say anew what others have heard otherwise.
    fn would_notice(&mut self, rolled_back: usize, other: usize) -> bool {
        let Some(to) = self.devices[rolled_back].rolled_back_to else { return true };
        let seen = |device: usize| self.seen_of(device, rolled_back).map_or(0, |seen| seen.1);
        let others = (0..self.devices.len()).filter(|device| *device != rolled_back);
        let most = others.map(seen).max().unwrap_or_default();
        if most <= to {
            // Nobody has heard what was lost.
            self.devices[rolled_back].rolled_back_to = None;
        }
        most <= to || self.seen_of(other, rolled_back).is_some_and(|seen| seen.1 == most)
    }

    /// What `device` has of the index of `of`, if it is of its present epoch.
    pub(crate) fn seen_of(&self, device: usize, of: usize) -> Option<(Epoch, u64)> {
        let index = self.devices[device].index();
        let id = id_of(of);
        let (slot, _) = index.devices().into_iter().find(|(_, known)| *known == id)?;
        let cursor = index.cursor(slot).ok()?;
        let epoch = cursor.epoch?;
        (epoch == self.devices[of].index().identity().epoch).then_some((epoch, cursor.heard.0))
    }

    /// Cuts the connection of two devices, if there is one.
    pub fn disconnect(&mut self, a: usize, b: usize) {
        if self.connections.remove(&pair(a, b)).is_none() {
            return;
        }
        self.note(format_args!("{a} and {b} part"));
        for (device, other) in [(a, b), (b, a)] {
            self.tell(device, Input::Disconnected(id_of(other)));
        }
    }

    pub(crate) fn disconnect_all(&mut self, device: usize) {
        for other in 0..self.devices.len() {
            self.disconnect(device, other);
        }
    }

    pub(crate) fn is_connected(&self, a: usize, b: usize) -> bool {
        self.connections.contains_key(&pair(a, b))
    }

    fn end(&mut self, device: usize, other: usize) -> Option<&mut End> {
        let connection = self.connections.get_mut(&pair(device, other))?;
        Some(&mut connection.ends[usize::from(device > other)])
    }

    fn introduce(&mut self, from: usize, to: usize) {
        let Some(engine) = &self.devices[from].engine else { return };
        match engine.introduction(&id_of(to), "simulated".into()) {
            Ok(state) => self.send(from, to, &Message::Folders(vec![state]), Vec::new()),
            Err(error) => self.fail(format!("device {from}'s index failed: {error}")),
        }
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, message: &Message, claims: Vec<Claim>) {
        let most_us = if self.random.chance(10) { 200_000 } else { 5_000 };
        let delay = 100 + self.random.below(most_us);
        let at = self.now_us + delay;
        let Some(id) = self.connections.get(&pair(from, to)).map(|known| known.id) else { return };
        let (channel, bytes) = Session::frame(message);
        let Some(end) = self.end(to, from) else { return };
        let last = &mut end.last_us[usize::from(channel == Channel::Index)];
        *last = at.max(*last + 1);
        let delay = *last - self.now_us;
        let is_update = matches!(message, Message::IndexUpdate(_));
        let frame = Frame { connection: id, from, channel, is_update, bytes, claims };
        self.schedule(to, delay, Event::Frame(frame));
    }

    pub(crate) fn index_is_on_its_way(&mut self, device: usize, to: usize) {
        let Some(connection) = self.connections.get(&pair(device, to)).map(|known| known.id) else {
            return;
        };
        self.soon(device, 5_000, Event::IndexSent { connection, to });
    }

    pub(crate) fn index_sent(&mut self, device: usize, connection: u64, to: usize) {
        if self.connections.get(&pair(device, to)).is_some_and(|known| known.id == connection) {
            self.tell(device, Input::IndexSent(id_of(to)));
        }
    }

    pub(crate) fn frame_arrives(&mut self, device: usize, frame: Frame) {
        let from = frame.from;
        if self
            .connections
            .get(&pair(device, from))
            .is_none_or(|known| known.id != frame.connection)
        {
            return;
        }
        let hash = blake3::hash(&frame.bytes);
        self.note(format_args!("{device} hears {from}: {}", hash.to_hex()));
        let is_repeated = self.faults && frame.is_update && self.random.chance(10);
        self.hear(device, &frame);
        if is_repeated {
            self.hear(device, &frame);
        }
    }

    fn hear(&mut self, device: usize, frame: &Frame) {
        let other = id_of(frame.from);
        let Some(end) = self.end(device, frame.from) else { return };
        let message = match end.session.handle_frame(frame.channel, &frame.bytes) {
            Ok(message) => message,
            Err(error) => return self.fail(format!("device {device} cannot read: {error}")),
        };
        match message {
            Message::Hello(_) => {}
            Message::Folders(states) => {
                let Some(state) = states.into_iter().next() else { return };
                let spare = Epoch(self.random.number());
                self.tell(device, Input::Connected { device: other, state, spare });
            }
            Message::Received(received) => {
                let (epoch, sequence) = (received.epoch, received.sequence);
                self.tell(device, Input::Received { device: other, epoch, sequence });
            }
            Message::IndexUpdate(update) => {
                self.devices[device].claims.extend(frame.claims.iter().cloned());
                self.tell(device, Input::IndexUpdate(other, update));
            }
        }
    }
}
