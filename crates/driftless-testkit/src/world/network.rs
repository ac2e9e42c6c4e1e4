//! Connections: frames stay in order on each of their two streams.
//!
//! A connection ends for both at once, and what is in flight with it; or it
//! breaks: one end is gone, the other goes on talking to nobody until it
//! notices, or until a new connection takes its place.

use driftless_core::Epoch;
use driftless_engine::Input;
use driftless_proto::message::PROTOCOL_VERSION;
use driftless_proto::{Channel, Hello, Message, Session};

use super::device::id_of;
use super::ledger::Claim;
use super::{Event, SECOND_US, World, WorldIndex};

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
    /// How long a frame usually takes at most.
    lag_us: u64,
    /// That of the lower number first.
    ends: [End; 2],
}

#[derive(Debug, Default)]
struct End {
    session: Session,
    /// This end has noticed that the connection is over.
    is_closed: bool,
    /// When the last frame arrives here, by stream.
    last_us: [u64; 2],
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl<I: WorldIndex> World<I> {
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
        let mut pairs = devices.flat_map(|a| (0..a).map(move |b| (b, a)));
        pairs.all(|(a, b)| !self.may_meet(a, b) || self.is_connected(a, b))
    }

    /// Cuts every connection: from here on the devices are on their own.
    pub fn part(&mut self) {
        for device in 0..self.devices.len() {
            self.disconnect_all(device);
        }
    }

    /// Connects two devices, unless they are, may not meet, or one is off.
    pub fn connect(&mut self, a: usize, b: usize) {
        let cannot = |device: usize| {
            let it = &self.devices[device];
            it.engine.is_none() || it.is_expelled || self.is_asleep(device)
        };
        if a == b || cannot(a) || cannot(b) || self.is_connected(a, b) || !self.may_meet(a, b) {
            return;
        }
        let notices = self.would_notice(a, b) && self.would_notice(b, a);
        if !notices {
            return;
        }
        // Each end of a broken connection ends its session before the next begins.
        self.disconnect(a, b);
        let key = pair(a, b);
        self.scheduled += 1;
        let lag_us = match self.random.below(if self.faults { 12 } else { 8 }) {
            0..8 => 5_000,
            8..11 => 200_000,
            _ => 5 * SECOND_US,
        };
        let ends = [End::default(), End::default()];
        self.connections.insert(key, Connection { id: self.scheduled, lag_us, ends });
        self.note(format_args!("{a} and {b} connect"));
        for (from, to) in [key, (key.1, key.0)] {
            let hello = Hello {
                version: PROTOCOL_VERSION,
                device_name: format!("device {from}"),
                program: "simulator".into(),
                clock_ms: self.now_ms(from),
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

    /// Ends the connection of two devices, if there is one.
    pub fn disconnect(&mut self, a: usize, b: usize) {
        let key = pair(a, b);
        let Some(connection) = self.connections.remove(&key) else { return };
        self.note(format_args!("{a} and {b} part"));
        for ((device, other), end) in [key, (key.1, key.0)].into_iter().zip(connection.ends) {
            if !end.is_closed && self.devices[device].engine.is_some() {
                self.tell(device, Input::Disconnected(id_of(other)));
            }
        }
    }

    pub(crate) fn disconnect_all(&mut self, device: usize) {
        for other in 0..self.devices.len() {
            self.disconnect(device, other);
        }
    }

    /// Breaks the connection: each end notices in its own time.
    pub(crate) fn break_connection(&mut self, a: usize, b: usize) {
        let Some(connection) = self.connections.get(&pair(a, b)).map(|known| known.id) else {
            return;
        };
        self.note(format_args!("the connection of {a} and {b} breaks"));
        let first = self.random.below(2) == 0;
        for (device, to, is_first) in [(a, b, first), (b, a, !first)] {
            let most_us = if is_first { 1000 } else { 30 * SECOND_US };
            self.soon(device, most_us, Event::Dead { connection, to });
        }
    }

    pub(crate) fn notice_dead(&mut self, device: usize, connection: u64, other: usize) {
        let key = pair(device, other);
        if self.connections.get(&key).is_none_or(|known| known.id != connection) {
            return;
        }
        let Some(end) = self.end_of(device, other) else { return };
        if !std::mem::replace(&mut end.is_closed, true) {
            self.note(format_args!("{device} has lost {other}"));
            self.tell(device, Input::Disconnected(id_of(other)));
        }
        if self.connections.get(&key).is_some_and(|it| it.ends.iter().all(|end| end.is_closed)) {
            self.connections.remove(&key);
        }
    }

    /// Whether both ends believe so.
    pub(crate) fn is_connected(&self, a: usize, b: usize) -> bool {
        let known = self.connections.get(&pair(a, b));
        known.is_some_and(|known| known.ends.iter().all(|end| !end.is_closed))
    }

    fn end_of(&mut self, device: usize, other: usize) -> Option<&mut End> {
        let connection = self.connections.get_mut(&pair(device, other))?;
        Some(&mut connection.ends[usize::from(device > other)])
    }

    fn introduce(&mut self, from: usize, to: usize) {
        // It sees what was said before it.
        self.flush(from);
        let Some(engine) = &self.devices[from].engine else { return };
        match engine.introduction(&id_of(to), "simulated".into()) {
            Ok(state) => self.send(from, to, &Message::Folders(vec![state]), Vec::new()),
            Err(error) => self.fail(format!("device {from}'s index failed: {error}")),
        }
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, message: &Message, claims: Vec<Claim>) {
        let Some(known) = self.connections.get(&pair(from, to)) else { return };
        let (id, lag_us) = (known.id, known.lag_us);
        let most_us = if self.random.chance(10) { lag_us.max(200_000) } else { lag_us };
        let at = self.now_us + 100 + self.random.below(most_us);
        let (channel, bytes) = Session::frame(message);
        let Some(end) = self.end_of(to, from) else { return };
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

    /// Whether `device` still talks over this connection.
    fn is_on(&mut self, device: usize, other: usize, connection: u64) -> bool {
        let is_this = self.connections.get(&pair(device, other)).map(|known| known.id);
        is_this == Some(connection) && self.end_of(device, other).is_some_and(|end| !end.is_closed)
    }

    pub(crate) fn index_sent(&mut self, device: usize, connection: u64, to: usize) {
        if self.is_on(device, to, connection) {
            self.tell(device, Input::IndexSent(id_of(to)));
        }
    }

    pub(crate) fn frame_arrives(&mut self, device: usize, frame: &Frame) {
        if !self.is_on(device, frame.from, frame.connection) {
            return;
        }
        self.note(format_args!("{device} hears {}", frame.from));
        self.trace.take_in(&frame.bytes);
        let is_repeated = self.faults && frame.is_update && self.random.chance(10);
        self.hear(device, frame);
        if is_repeated {
            self.hear(device, frame);
        }
    }

    fn hear(&mut self, device: usize, frame: &Frame) {
        let other = id_of(frame.from);
        let Some(end) = self.end_of(device, frame.from) else { return };
        let message = match end.session.handle_frame(frame.channel, &frame.bytes) {
            Ok(message) => message,
            Err(error) => return self.fail(format!("device {device} cannot read: {error}")),
        };
        match message {
            Message::Hello(hello) => {
                let ahead_ms = hello.clock_ms.cast_signed() - self.now_ms(device).cast_signed();
                // It is taken in with what follows.
                self.devices[device].inbox.push(Input::Clock { device: other, ahead_ms });
            }
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
