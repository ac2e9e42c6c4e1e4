//! How those who know a device recognise it, while strangers see only noise.
//!
//! A tag is a keyed hash of a fresh nonce under the device's ID. It serves
//! twice: in mDNS announcements (rule 22: no stable identity on the network),
//! and in the server name of a TLS hello, where it proves that the caller knows
//! whom it calls, before this device shows its certificate.

use data_encoding::HEXLOWER;
use driftless_core::DeviceId;

pub(crate) const NONCE_BYTES: usize = 16;
pub(crate) const TAG_BYTES: usize = 8;
const SERVER_NAME_SUFFIX: &str = ".driftless";

/// A random value that is used for one announcement or one hello.
pub(crate) type Nonce = [u8; NONCE_BYTES];

/// What `device` looks like under `nonce`.
pub(crate) fn tag(device: DeviceId, nonce: &Nonce) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&blake3::keyed_hash(device.as_bytes(), nonce).as_bytes()[..TAG_BYTES]);
    tag
}

/// Fills an array from the operating system.
///
/// # Errors
///
/// The system has no randomness; nothing can be started then.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The server name by which a caller asks for `device`.
pub(crate) fn server_name(device: DeviceId, nonce: &Nonce) -> String {
    let tag = tag(device, nonce);
    format!("{}{}{SERVER_NAME_SUFFIX}", HEXLOWER.encode(nonce), HEXLOWER.encode(&tag))
}

/// Whether a caller that sent `name` knows `device`.
pub(crate) fn is_called(device: DeviceId, name: &str) -> bool {
    let Some(label) = name.strip_suffix(SERVER_NAME_SUFFIX) else { return false };
    let Ok(bytes) = HEXLOWER.decode(label.as_bytes()) else { return false };
    let Some((nonce, sent)) = bytes.split_first_chunk::<NONCE_BYTES>() else { return false };
    sent == tag(device, nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_called_device_answers_to_a_server_name() {
        let (called, other) = (DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        let name = server_name(called, &[7; NONCE_BYTES]);
        assert!(is_called(called, &name));
        assert!(!is_called(other, &name));
        assert!(!is_called(called, "example.org"));
        assert!(!is_called(called, &server_name(other, &[7; NONCE_BYTES])));
    }
}
