//! The name that a caller writes into its certificate, and reading it there.
//!
//! A certificate is only a wrapper for a key, and nobody is trusted for what else
//! it says. But it is the one thing that a device can show of itself before it is
//! turned away, to the device that it meant to reach and to nobody else: TLS 1.3
//! encrypts it, and the caller has checked the other's key by then.

use crate::pairing::clean_name;

/// Names are filled up to this with NUL, so that the length of the encrypted
/// certificate tells nobody on the way who it is.
const PADDED_BYTES: usize = 64;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
/// An `AttributeTypeAndValue` of a common name up to the value (RFC 5280, appendix A.1).
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
/// What stands before a certificate's subject: version, serial number,
/// signature algorithm, issuer and validity (RFC 5280, section 4.1).
const BEFORE_SUBJECT: usize = 5;

/// `name` as it is written into a certificate.
pub(crate) fn padded(name: &str) -> String {
    let name = clean_name(name);
    let padding = PADDED_BYTES.saturating_sub(name.len());
    name + &"\0".repeat(padding)
}

/// What the device that a certificate stands for calls itself, made fit to be shown.
pub(crate) fn name_in(certificate: &[u8]) -> String {
    clean_name(subject(certificate).unwrap_or_default())
}

fn subject(certificate: &[u8]) -> Option<&str> {
    let mut rest = inside(inside(certificate, SEQUENCE)?, SEQUENCE)?;
    for _ in 0..BEFORE_SUBJECT {
        (_, _, rest) = element(rest)?;
    }
    let mut names = inside(rest, SEQUENCE)?;
    while !names.is_empty() {
        let (_, _, following) = element(names)?;
        let attribute = inside(inside(names, SET)?, SEQUENCE)?;
        if let Some(value) = attribute.strip_prefix(&COMMON_NAME) {
            return std::str::from_utf8(inside(value, UTF8_STRING)?).ok();
        }
        names = following;
    }
    None
}

/// The content of the first element, if it has this tag.
fn inside(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, content, _) = element(der)?;
    (found == tag).then_some(content)
}

/// Splits the first DER element into tag and content; then what follows it.
/// Lengths beyond two bytes are refused: no certificate of ours has them.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([tag, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn a_name_is_read_as_it_was_written_and_every_certificate_has_one_length() {
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(&home.path().join("key.pem")).unwrap();
        let certificate = |name: &str| {
            identity.certificate(Some(name)).unwrap().end_entity_cert().unwrap().to_vec()
        };
        for name in ["ada", "Anna's läptop 💻", &"x".repeat(64)] {
            assert_eq!(name_in(&certificate(name)), name);
        }
        assert_eq!(certificate("a").len(), certificate(&"ü".repeat(32)).len());
        let unnamed = identity.certificate(None).unwrap().end_entity_cert().unwrap().to_vec();
        assert_eq!(name_in(&unnamed), "unnamed device");
    }

    #[test]
    fn certificates_that_are_cut_or_damaged_have_no_name_or_a_clean_one() {
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(&home.path().join("key.pem")).unwrap();
        let whole = identity.certificate(Some("ada")).unwrap().end_entity_cert().unwrap().to_vec();
        for at in 0..whole.len() {
            name_in(&whole[..at]);
            for value in [0, 0x30, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let name = name_in(&damaged);
                assert!(name.len() <= 64 && !name.contains(char::is_control), "{name:?}");
            }
        }
    }
}
