//! The outermost coat of a frame between devices: compressed or not.
//!
//! The first byte says which: 0 is plain, 1 is zstd. The size of what comes
//! out is bounded before it is written.

use driftless_proto::MAX_FRAME_BYTES;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Frames below this size are not worth compressing, in bytes.
const SMALL: usize = 256;

/// Why a coat cannot be taken off.
#[derive(Debug, thiserror::Error)]
#[error("the device sent a frame that cannot be unpacked")]
pub(crate) struct UnpackError;

/// Puts the coat on.
pub(crate) fn pack(frame: Vec<u8>) -> Vec<u8> {
    if frame.len() >= SMALL
        && let Ok(mut packed) = zstd::bulk::compress(&frame, 1)
        && packed.len() < frame.len()
    {
        packed.insert(0, ZSTD);
        return packed;
    }
    let mut plain = Vec::with_capacity(frame.len() + 1);
    plain.push(PLAIN);
    plain.extend(frame);
    plain
}

/// Takes it off.
pub(crate) fn unpack(frame: &[u8]) -> Result<Vec<u8>, UnpackError> {
    match frame.split_first() {
        Some((&PLAIN, frame)) => Ok(frame.to_vec()),
        Some((&ZSTD, packed)) => {
            zstd::bulk::decompress(packed, MAX_FRAME_BYTES).map_err(|_| UnpackError)
        }
        _ => Err(UnpackError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_sizes_come_back() {
        for size in [0, 1, 255, 256, 100_000, MAX_FRAME_BYTES] {
            let frame: Vec<u8> = (0..size).map(|n| (n / 7) as u8).collect();
            assert_eq!(unpack(&pack(frame.clone())).unwrap(), frame);
        }
    }

    /// H6
    #[test]
    fn a_compression_bomb_is_refused() {
        let bomb = pack(vec![0; 64 * MAX_FRAME_BYTES]);
        assert!(bomb.len() < MAX_FRAME_BYTES);
        assert!(unpack(&bomb).is_err());
        assert!(unpack(&[]).is_err());
        assert!(unpack(&[2, 0]).is_err());
        assert!(unpack(&[1, 9, 9, 9]).is_err());
    }
}
