//! The names in a directory.

use std::ffi::CStr;
use std::os::fd::AsFd;

use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};
use rustix::io::Result;

use crate::beneath::DIRECTORY;

const BUFFER_BYTES: usize = 64 << 10;

/// A directory's names in byte order, in one piece of memory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    bytes: Vec<u8>,
    names: Vec<(u32, u32, FileType)>,
}

impl Listing {
    /// Lists a directory from its beginning, whoever else reads from `dir`.
    pub(crate) fn of(dir: impl AsFd) -> Result<Self> {
        let fd = openat(dir, c".", DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut listing = Self::default();
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                // A listing over 4 GiB does not fit the memory of any machine this runs on.
                let (start, len) = (listing.bytes.len() as u32, name.count_bytes() as u32);
                listing.names.push((start, len, entry.file_type()));
                listing.bytes.extend_from_slice(name.to_bytes_with_nul());
            }
        }
        let bytes = &listing.bytes;
        listing.names.sort_unstable_by(|&a, &b| slice(bytes, a).cmp(slice(bytes, b)));
        Ok(listing)
    }

    /// The number of names.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// A name, as the kernel gave it.
    pub(crate) fn name(&self, index: usize) -> &CStr {
        let (start, len, _) = self.names[index];
        let end = start as usize + len as usize;
        CStr::from_bytes_with_nul(&self.bytes[start as usize..=end]).unwrap_or_default()
    }

    /// What the kernel says that a name leads to; some file systems do not tell.
    pub(crate) fn kind(&self, index: usize) -> FileType {
        self.names[index].2
    }

    /// Whether exactly this name is there.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.binary_search_by(|&at| slice(&self.bytes, at).cmp(name.as_bytes())).is_ok()
    }
}

fn slice(bytes: &[u8], (start, len, _): (u32, u32, FileType)) -> &[u8] {
    &bytes[start as usize..start as usize + len as usize]
}
