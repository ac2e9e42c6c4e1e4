//! The state of one connection: who may say what, when.
//!
//! Sans-IO: frames go in, messages come out. The transport has already proved
//! who the device is; this decides only that it keeps to the protocol.

use crate::codec::{self, DecodeError};
use crate::message::{Hello, Message, PROTOCOL_VERSION};

/// Which stream a frame travels on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// Acknowledgements, which must not wait.
    Control,
    /// The greeting, folders and indexes, each of which builds on what came before.
    Index,
}

/// Why a connection has to be closed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A frame could not be read.
    #[error("the device sent a frame that cannot be read")]
    Decode(#[from] DecodeError),
    /// Something else came before the greeting, or a second greeting.
    #[error("the device broke the order of messages")]
    Order,
    /// The other side speaks another version only.
    #[error(
        "the device speaks version {0} of the protocol, this program speaks version {PROTOCOL_VERSION}"
    )]
    Version(u32),
}

/// The state of one connection.
#[derive(Debug, Default)]
pub struct Session {
    greeted: bool,
}

impl Session {
    /// The state right after connecting. The caller sends its [`Hello`] first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a frame from the other side.
    pub fn handle_frame(
        &mut self,
        channel: Channel,
        frame: &[u8],
    ) -> Result<Message, SessionError> {
        let message = codec::decode(frame)?;
        match (&message, self.greeted) {
            (message, _) if Self::channel_of(message) != channel => {
                return Err(SessionError::Order);
            }
            // The streams do not wait for each other.
            (Message::Received(_), _) => {}
            (Message::Hello(Hello { version, .. }), false) if *version == PROTOCOL_VERSION => {
                self.greeted = true;
            }
            (Message::Hello(Hello { version, .. }), false) => {
                return Err(SessionError::Version(*version));
            }
            (Message::Hello(_), true) | (_, false) => return Err(SessionError::Order),
            (_, true) => {}
        }
        Ok(message)
    }

    /// The frame of a message, and which stream it travels on.
    pub fn frame(message: &Message) -> (Channel, Vec<u8>) {
        (Self::channel_of(message), codec::encode(message))
    }

    fn channel_of(message: &Message) -> Channel {
        match message {
            Message::Hello(_) | Message::Folders(_) | Message::IndexUpdate(_) => Channel::Index,
            Message::Received(_) => Channel::Control,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(version: u32) -> Vec<u8> {
        Session::frame(&Message::Hello(Hello {
            version,
            device_name: "a".into(),
            program: "p".into(),
            clock_ms: 0,
        }))
        .1
    }

    #[test]
    fn the_greeting_comes_first_and_once() {
        let folders = Session::frame(&Message::Folders(Vec::new())).1;
        let mut session = Session::new();
        assert!(matches!(session.handle_frame(Channel::Index, &folders), Err(SessionError::Order)));
        assert!(session.handle_frame(Channel::Index, &hello(PROTOCOL_VERSION)).is_ok());
        assert!(session.handle_frame(Channel::Index, &folders).is_ok());
        let again = session.handle_frame(Channel::Index, &hello(PROTOCOL_VERSION));
        assert!(matches!(again, Err(SessionError::Order)));
    }

    #[test]
    fn another_version_is_named() {
        let result = Session::new().handle_frame(Channel::Index, &hello(99));
        assert!(matches!(result, Err(SessionError::Version(99))));
    }
}
