//! When a file came to be.

use driftless_core::RelPath;
use rustix::fs::{AtFlags, StatxFlags, statx};

use crate::root::Root;

/// When what is at `path` was made on this disk, in milliseconds since 1970.
///
/// `None` where nothing is there, or the file system does not keep that.
pub fn born_ms(root: &Root, path: &RelPath) -> Option<u64> {
    let dir = root.open_dir(path.parent().as_ref()).ok()?;
    let found = statx(&*dir, path.name(), AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    if found.stx_mask & StatxFlags::BTIME.bits() == 0 {
        return None;
    }
    let seconds = u64::try_from(found.stx_btime.tv_sec).ok()?;
    Some(seconds * 1000 + u64::from(found.stx_btime.tv_nsec / 1_000_000))
}
