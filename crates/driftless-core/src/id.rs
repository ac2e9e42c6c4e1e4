//! Identifiers: fixed-size names that cross function boundaries as types of their own.
//!
//! Parsing and printing of what people see (device and folder IDs) lives here;
//! making random ones does not, because randomness is an argument.

use std::fmt;
use std::str::FromStr;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Names a device: the BLAKE3 hash of its raw Ed25519 public key.
///
/// Printed as 56 base-32 characters in groups of seven, of which every
/// fourteenth is a check digit (Luhn mod 32), so that a typing slip is noticed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId([u8; 32]);

/// Why a text is no device ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDeviceIdError {
    /// The number of letters and digits is not 56.
    #[error("a device ID has 56 letters and digits, this has {0}")]
    Length(usize),
    /// A character that no device ID contains.
    #[error("a device ID cannot contain {0:?}")]
    Character(char),
    /// A check digit is wrong in the group that starts at this character.
    #[error("the device ID has a typing error near group {0}")]
    Check(usize),
}

impl DeviceId {
    /// Wraps 32 bytes that are already such a hash.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Names the device that holds the private half of `key`.
    pub fn from_public_key(key: &[u8; 32]) -> Self {
        Self(blake3::derive_key("driftless 2026 device id", key))
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first group of seven characters: enough to tell a person's devices apart.
    pub fn short(&self) -> String {
        self.to_string().chars().take(7).collect()
    }

    fn base32(&self) -> [u8; 52] {
        let mut out = [0; 52];
        for (index, slot) in out.iter_mut().enumerate() {
            let bit = index * 5;
            let high = u16::from(self.0[bit / 8]) << 8;
            let low = u16::from(self.0.get(bit / 8 + 1).copied().unwrap_or(0));
            let value = ((high | low) >> (11 - bit % 8)) & 31;
            *slot = BASE32[usize::from(value)];
        }
        out
    }
}

/// The Luhn mod 32 check digit of base-32 characters.
fn check_digit(characters: &[u8]) -> u8 {
    let mut sum = 0;
    for (index, character) in characters.iter().enumerate() {
        let value = BASE32.iter().position(|c| c == character).unwrap_or(0);
        let scaled = value * (1 + index % 2);
        sum += scaled / 32 + scaled % 32;
    }
    BASE32[(32 - sum % 32) % 32]
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = 0;
        for part in self.base32().chunks(13) {
            for &character in part.iter().chain([&check_digit(part)]) {
                if written > 0 && written % 7 == 0 {
                    f.write_str("-")?;
                }
                write!(f, "{}", char::from(character))?;
                written += 1;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.short())
    }
}

impl FromStr for DeviceId {
    type Err = ParseDeviceIdError;

    /// Reads what `Display` prints; case, dashes and spaces do not matter, and
    /// `0`, `1`, `8` are read as the letters that they resemble.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut characters = Vec::with_capacity(56);
        for character in text.chars().filter(|c| !matches!(c, '-' | ' ' | '\n' | '\r' | '\t')) {
            let upper = match character.to_ascii_uppercase() {
                '0' => 'O',
                '1' => 'I',
                '8' => 'B',
                other => other,
            };
            let byte = u8::try_from(upper).ok().filter(|b| BASE32.contains(b));
            characters.push(byte.ok_or(ParseDeviceIdError::Character(character))?);
        }
        if characters.len() != 56 {
            return Err(ParseDeviceIdError::Length(characters.len()));
        }
        let mut bytes = [0_u8; 33];
        for (group, part) in characters.chunks(14).enumerate() {
            let (digits, check) = part.split_at(13);
            if check_digit(digits) != check[0] {
                return Err(ParseDeviceIdError::Check(group * 2 + 1));
            }
            for (index, digit) in digits.iter().enumerate() {
                let value = BASE32.iter().position(|c| c == digit).unwrap_or(0) as u16;
                let bit = (group * 13 + index) * 5;
                let shifted = value << (11 - bit % 8);
                bytes[bit / 8] |= (shifted >> 8) as u8;
                bytes[bit / 8 + 1] |= (shifted & 255) as u8;
            }
        }
        let mut id = [0; 32];
        id.copy_from_slice(&bytes[..32]);
        Ok(Self(id))
    }
}

/// Names a folder on every device that has it: 1 to 64 of `A-Z a-z 0-9 . _ -`,
/// beginning with a letter or a digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderId(Box<str>);

/// Why a text is no folder ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a folder ID is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
)]
pub struct ParseFolderIdError;

impl FolderId {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, ParseFolderIdError> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if first && rest && text.len() <= 64 {
            Ok(Self(text.into()))
        } else {
            Err(ParseFolderIdError)
        }
    }

    /// A short, readable ID from 80 random bits, such as `k7x2m-9qp4d-…`.
    pub fn from_random(bits: [u8; 10]) -> Self {
        let mut text = String::with_capacity(19);
        for index in 0..16 {
            let bit = index * 5;
            let high = u16::from(bits[bit / 8]) << 8;
            let low = u16::from(bits.get(bit / 8 + 1).copied().unwrap_or(0));
            let value = ((high | low) >> (11 - bit % 8)) & 31;
            if index > 0 && index % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(BASE32[usize::from(value)]).to_ascii_lowercase());
        }
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FolderId({})", self.0)
    }
}

impl FromStr for FolderId {
    type Err = ParseFolderIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 bytes that are already such a hash.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the hash.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first eight bytes as a big-endian number: a compact index key,
            /// never an identity.
            pub fn prefix(&self) -> u64 {
                let mut prefix = [0; 8];
                prefix.copy_from_slice(&self.0[..8]);
                u64::from_be_bytes(prefix)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:016x})"), self.prefix())
            }
        }
    };
}

hash_id! {
    /// Names a block: the BLAKE3 hash of its bytes.
    BlockHash
}

hash_id! {
    /// Names a file's content: the hash of its block list, or, where one block
    /// holds it all, that block's hash. The two cannot collide, because block
    /// lists are hashed in a domain of their own.
    ContentId
}

impl BlockHash {
    /// Names `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl FromStr for ContentId {
    type Err = ParseContentIdError;

    /// Reads the 64 hexadecimal digits that `Display` prints.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|_| ParseContentIdError)
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a content ID is 64 hexadecimal digits")]
pub struct ParseContentIdError;

/// Names one folder root on one device, written into its marker and its
/// index, so that neither is ever paired with a stranger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub [u8; 16]);

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({self})")
    }
}

impl FromStr for InstanceId {
    type Err = ParseInstanceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        // Reading a number alone would let a sign pass for a digit.
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseInstanceIdError);
        }
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16)
                .map_err(|_| ParseInstanceIdError)?;
        }
        Ok(Self(bytes))
    }
}

/// The text is not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an instance ID is 32 hexadecimal digits")]
pub struct ParseInstanceIdError;

/// One life of one device's index of one folder, drawn at random. A lost or
/// rolled back database begins another, so that (device, epoch, sequence)
/// names one state for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub u64);

/// A position in a device's own history of a folder's index; 0 is before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Sequence(pub u64);

/// Who counts in a version vector: a device in one epoch, 64 bits of their hash.
///
/// A new epoch counts under a new author, so that a counter that a rolled back
/// database has forgotten is never handed out twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author(pub u64);

impl Author {
    /// The author that `device` is during `epoch`.
    pub fn of(device: &DeviceId, epoch: Epoch) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("driftless 2026 author");
        hasher.update(device.as_bytes());
        hasher.update(&epoch.0.to_be_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(u64::from_be_bytes(bytes))
    }

    /// How many branches of one author there are.
    pub const BRANCHES: u64 = 16;

    /// The author itself and, from 1 on, further names of it.
    ///
    /// A version vector takes an author's edits for a chain. Where a device
    /// edits one side of a conflict while the other side is its own, it counts
    /// under another name, so that the edit does not claim to have seen both.
    pub const fn branch(self, number: u64) -> Self {
        // Authors are hashes, so that any fixed difference keeps them apart.
        Self(self.0 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The author and its branches.
    pub fn branches(self) -> impl Iterator<Item = Self> {
        (0..Self::BRANCHES).map(move |number| self.branch(number))
    }
}

impl fmt::Debug for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0 >> 48)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_device_id_reads_back(bytes: [u8; 32]) {
            let id = DeviceId::from_bytes(bytes);
            let text = id.to_string();
            prop_assert_eq!(text.len(), 63);
            prop_assert_eq!(text.parse::<DeviceId>(), Ok(id));
            prop_assert_eq!(text.to_lowercase().replace('-', " ").parse::<DeviceId>(), Ok(id));
        }

        #[test]
        fn one_wrong_character_is_noticed(bytes: [u8; 32], at in 0_usize..63, to in 0_usize..32) {
            let text = DeviceId::from_bytes(bytes).to_string();
            let mut wrong = text.clone().into_bytes();
            prop_assume!(wrong[at] != b'-' && wrong[at] != BASE32[to]);
            wrong[at] = BASE32[to];
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert!(matches!(wrong.parse::<DeviceId>(), Err(ParseDeviceIdError::Check(_))));
        }
    }

    #[test]
    fn folder_ids_are_bounded_and_plain() {
        for good in ["a", "photos-2026", "A.b_c", &"x".repeat(64)] {
            assert!(FolderId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "-a", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(FolderId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(FolderId::from_random([0; 10]).as_str(), "aaaa-aaaa-aaaa-aaaa");
    }
}
