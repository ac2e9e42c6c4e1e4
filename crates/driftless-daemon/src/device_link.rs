//! A device as a person passes it on: a link, also as a QR code.
//!
//! A link is `driftless://device/ID?name=NAME&address=HOST:PORT`, with any number
//! of addresses. It proves nothing and is no secret that lets anybody in: who has
//! it may ask. Names and addresses are checked where they enter the configuration.

use std::fmt;
use std::str::FromStr;

use driftless_core::DeviceId;
use driftless_core::id::ParseDeviceIdError;
use qrcode::{Color, EcLevel, QrCode};

/// What every link begins with.
pub const PREFIX: &str = "driftless://device/";
/// The most addresses that are read of a link.
const MAX_ADDRESSES: usize = 8;

/// What a link says of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLink {
    /// Which device.
    pub device: DeviceId,
    /// What it is called, if the link says so.
    pub name: Option<String>,
    /// Where it may be, as `HOST:PORT`; at most eight are read.
    pub addresses: Vec<String>,
}

/// A text that is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseLinkError {
    /// It begins with something else.
    #[error("a link begins with {PREFIX}")]
    Prefix,
    /// The ID in it is none.
    #[error("the device ID in it is damaged")]
    Device(#[from] ParseDeviceIdError),
}

impl fmt::Display for DeviceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.device)?;
        let name = self.name.iter().map(|name| ("name", name));
        let addresses = self.addresses.iter().map(|address| ("address", address));
        for (number, (key, value)) in name.chain(addresses).enumerate() {
            let mark = if number == 0 { '?' } else { '&' };
            write!(f, "{mark}{key}={}", escape(value))?;
        }
        Ok(())
    }
}

impl FromStr for DeviceLink {
    type Err = ParseLinkError;

    fn from_str(text: &str) -> Result<Self, ParseLinkError> {
        let text = text.trim();
        let head = text.get(..PREFIX.len()).ok_or(ParseLinkError::Prefix)?;
        if !head.eq_ignore_ascii_case(PREFIX) {
            return Err(ParseLinkError::Prefix);
        }
        let (id, query) =
            text[PREFIX.len()..].split_once('?').unwrap_or((&text[PREFIX.len()..], ""));
        let device = id.trim_end_matches('/').parse()?;
        let mut link = Self { device, name: None, addresses: Vec::new() };
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "name" if link.name.is_none() => link.name = Some(unescape(value)),
                "address" if link.addresses.len() < MAX_ADDRESSES => {
                    link.addresses.push(unescape(value));
                }
                // What a later version may say.
                _ => {}
            }
        }
        Ok(link)
    }
}

/// Writes everything but plain characters and the colon as `%XX` (RFC 3986).
fn escape(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let escaped = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

/// Undoes [`escape`], and reads `+` as a space; what is not UTF-8 is replaced.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, following)) = rest.split_first() {
        let hex = following.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &following[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(first),
        }
        rest = following;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text as a QR code: one string a row, `1` for a dark module, without the quiet
/// zone. Empty for what does not fit into one, which no link is long enough for.
pub fn qr(text: &str) -> Vec<String> {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else {
        return Vec::new();
    };
    let module = |color: &Color| color.select('1', '0');
    code.to_colors().chunks(code.width()).map(|row| row.iter().map(module).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: Option<&str>, addresses: &[&str]) -> DeviceLink {
        DeviceLink {
            device: DeviceId::from_bytes([7; 32]),
            name: name.map(str::to_owned),
            addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
        }
    }

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let id = DeviceId::from_bytes([7; 32]);
        let full = link(Some("Anna's läptop & 1+1?"), &["10.0.0.7:22100", "[fd00::7]:22100"]);
        let text = full.to_string();
        assert_eq!(
            text,
            format!(
                "driftless://device/{id}?name=Anna%27s%20l%C3%A4ptop%20%26%201%2B1%3F\
                 &address=10.0.0.7:22100&address=%5Bfd00::7%5D:22100"
            )
        );
        assert_eq!(text.parse(), Ok(full));
        assert_eq!(link(None, &[]).to_string(), format!("driftless://device/{id}"));
        for other in
            [format!(" DRIFTLESS://DEVICE/{id}/ "), format!("driftless://device/{id}?x=1&y")]
        {
            assert_eq!(other.parse(), Ok(link(None, &[])), "{other}");
        }
    }

    #[test]
    fn what_is_no_link_is_refused_and_damage_does_no_harm() {
        for text in ["", "driftless://device", "https://device/x", "driftless:/", "ä"] {
            assert_eq!(text.parse::<DeviceLink>(), Err(ParseLinkError::Prefix), "{text}");
        }
        assert!(matches!(
            "driftless://device/AAAA".parse::<DeviceLink>(),
            Err(ParseLinkError::Device(_))
        ));
        let id = DeviceId::from_bytes([7; 32]);
        let many = "&address=a:1".repeat(99);
        let odd: DeviceLink = format!("{PREFIX}{id}?name=%&name=b{many}").parse().unwrap();
        assert_eq!((odd.name.as_deref(), odd.addresses.len()), (Some("%"), MAX_ADDRESSES));
        let cut: DeviceLink = format!("{PREFIX}{id}?name=%C3+%4").parse().unwrap();
        assert_eq!(cut.name.as_deref(), Some("\u{fffd} %4"));
    }

    #[test]
    fn the_longest_link_that_is_made_fits_into_a_code() {
        let longest = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535";
        let code = qr(&link(Some(&"💻".repeat(16)), &[longest; 4]).to_string());
        assert!(!code.is_empty() && code.iter().all(|row| row.len() == code.len()));
        assert!(code[0].starts_with("1111111") && code[6].starts_with("1111111"), "a finder");
    }
}
