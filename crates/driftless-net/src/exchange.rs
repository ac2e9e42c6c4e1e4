//! The arithmetic of pairing: a shared code becomes proof of the same session.
//!
//! SPAKE2 gives both sides one key if both know the code, and a wrong guess one
//! chance. The proofs then bind that key to both device keys and to this very
//! TLS session, so that someone who relays between two sessions fails even
//! though the code is right (rule 21). Pure; `pairing` moves the messages.

use driftless_core::DeviceId;
use spake2::{Ed25519Group, Identity, Password, Spake2};

/// Who dialled and who shows the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Dialler,
    Shower,
}

/// What the TLS session says about itself and its ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    pub(crate) dialler: DeviceId,
    pub(crate) shower: DeviceId,
    pub(crate) exporter: [u8; 32],
}

/// Half an exchange: this side's message is out, the other's is not in.
pub(crate) struct Exchange {
    role: Role,
    state: Spake2<Ed25519Group>,
    message: Vec<u8>,
}

/// What each role must show to prove that it holds the key.
#[derive(Debug)]
pub(crate) struct Proofs {
    dialler: blake3::Hash,
    shower: blake3::Hash,
}

impl Exchange {
    pub(crate) fn start(role: Role, code: &str, session: &Session) -> Self {
        let password = Password::new(code.as_bytes());
        let dialler = Identity::new(session.dialler.as_bytes());
        let shower = Identity::new(session.shower.as_bytes());
        let (state, message) = match role {
            Role::Dialler => Spake2::start_a(&password, &dialler, &shower),
            Role::Shower => Spake2::start_b(&password, &dialler, &shower),
        };
        Self { role, state, message }
    }

    /// What to send to the other side.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes the other side's message; nothing if it is malformed.
    pub(crate) fn finish(self, theirs: &[u8], session: &Session) -> Option<Proofs> {
        let secret = self.state.finish(theirs).ok()?;
        let key = blake3::derive_key("driftless 2026 pairing confirmation", &secret);
        let (first, second) = match self.role {
            Role::Dialler => (self.message.as_slice(), theirs),
            Role::Shower => (theirs, self.message.as_slice()),
        };
        let proof = |role: &[u8]| {
            let mut hasher = blake3::Hasher::new_keyed(&key);
            let (dialler, shower) = (session.dialler, session.shower);
            for part in
                [role, dialler.as_bytes(), shower.as_bytes(), &session.exporter, first, second]
            {
                hasher.update(&(part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
            hasher.finalize()
        };
        Some(Proofs { dialler: proof(b"dialler"), shower: proof(b"shower") })
    }
}

impl Proofs {
    pub(crate) fn of(&self, role: Role) -> &[u8; 32] {
        match role {
            Role::Dialler => self.dialler.as_bytes(),
            Role::Shower => self.shower.as_bytes(),
        }
    }

    /// Compares in constant time.
    pub(crate) fn accepts(&self, role: Role, shown: &[u8]) -> bool {
        let Ok(shown) = <[u8; 32]>::try_from(shown) else { return false };
        let expected = match role {
            Role::Dialler => self.dialler,
            Role::Shower => self.shower,
        };
        expected == blake3::Hash::from_bytes(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree(codes: [&str; 2], sessions: [&Session; 2]) -> bool {
        let dialler = Exchange::start(Role::Dialler, codes[0], sessions[0]);
        let shower = Exchange::start(Role::Shower, codes[1], sessions[1]);
        let (first, second) = (dialler.message().to_vec(), shower.message().to_vec());
        let proofs = dialler.finish(&second, sessions[0]).unwrap();
        let theirs = shower.finish(&first, sessions[1]).unwrap();
        let forth = theirs.accepts(Role::Dialler, proofs.of(Role::Dialler));
        let back = proofs.accepts(Role::Shower, theirs.of(Role::Shower));
        assert_eq!(forth, back);
        assert!(
            !theirs.accepts(Role::Dialler, proofs.of(Role::Shower)),
            "a proof cannot be reflected"
        );
        forth
    }

    #[test]
    fn l7_proofs_agree_only_for_one_code_one_pair_of_keys_and_one_session() {
        let (dialler, shower) = (DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        let session = Session { dialler, shower, exporter: [3; 32] };
        assert!(agree(["123456", "123456"], [&session, &session]));
        assert!(!agree(["123456", "123457"], [&session, &session]));
        let relayed = Session { exporter: [4; 32], ..session };
        assert!(!agree(["123456", "123456"], [&session, &relayed]));
        let swapped = Session { shower: DeviceId::from_bytes([5; 32]), ..session };
        assert!(!agree(["123456", "123456"], [&session, &swapped]));
    }
}
