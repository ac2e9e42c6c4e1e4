//! Reading and writing at an offset, and what the page cache keeps of it.
//!
//! A large file that is only passed on should drive nothing out of memory that
//! programs work with, and begin its way to the disk at once. Linux 6.14 and
//! later can be asked for that at each call (`RWF_DONTCACHE`); elsewhere, and
//! on file systems that do not know it, the page cache keeps what it wants.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::AsFd;

use rustix::io::{Errno, ReadWriteFlags};

/// From this size on, in bytes, a file is too large to be kept in memory on
/// the off chance that it is read next.
const LARGE_BYTES: u64 = 128 << 20;

/// `RWF_DONTCACHE` of `linux/fs.h`, which rustix has no name for.
const DONT_CACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// Whether the page cache is to keep what is read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cache {
    /// As it sees fit.
    Keep,
    /// Not what is only there for this call.
    Drop,
}

impl Cache {
    /// What suits a file of `size_bytes` that is passed on.
    pub(crate) fn passing(size_bytes: u64) -> Self {
        if size_bytes >= LARGE_BYTES { Self::Drop } else { Self::Keep }
    }
}

/// Fills `bytes` from `offset`. Returns how many there were: fewer at the end.
pub(crate) fn read_at(
    fd: impl AsFd,
    bytes: &mut [u8],
    offset: u64,
    cache: Cache,
) -> rustix::io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match read_some(&fd, &mut bytes[done..], offset + done as u64, cache) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// Writes all of `bytes` at `offset`.
///
/// The page cache keeps pages that are written in part, in any case: what
/// comes beside these bytes would have to read them from the disk again.
pub(crate) fn write_all_at(
    fd: impl AsFd,
    bytes: &[u8],
    offset: u64,
    cache: Cache,
) -> rustix::io::Result<()> {
    let (before, whole) = match cache {
        Cache::Keep => (bytes.len(), 0),
        Cache::Drop => whole_pages(offset, bytes.len(), rustix::param::page_size()),
    };
    let parts = [(0..before, Cache::Keep), (before..before + whole, Cache::Drop)];
    for (range, cache) in parts.into_iter().chain([(before + whole..bytes.len(), Cache::Keep)]) {
        let mut at = range.start;
        while at < range.end {
            match write_some(&fd, &bytes[at..range.end], offset + at as u64, cache) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => at += written,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// How many of `len` bytes at `offset` come before the first whole page, and
/// how many are in whole pages.
fn whole_pages(offset: u64, len: usize, page: usize) -> (usize, usize) {
    let before = (offset.next_multiple_of(page as u64) - offset) as usize;
    match len.checked_sub(before) {
        Some(rest) => (before, rest - rest % page),
        None => (len, 0),
    }
}

fn read_some(
    fd: impl AsFd,
    bytes: &mut [u8],
    offset: u64,
    cache: Cache,
) -> rustix::io::Result<usize> {
    if cache == Cache::Drop {
        let into = &mut [IoSliceMut::new(bytes)];
        match rustix::io::preadv2(&fd, into, offset, DONT_CACHE) {
            Err(errno) if is_refused(errno) => {}
            read => return read,
        }
    }
    rustix::io::pread(fd, bytes, offset)
}

fn write_some(fd: impl AsFd, bytes: &[u8], offset: u64, cache: Cache) -> rustix::io::Result<usize> {
    if cache == Cache::Drop {
        match rustix::io::pwritev2(&fd, &[IoSlice::new(bytes)], offset, DONT_CACHE) {
            Err(errno) if is_refused(errno) => {}
            written => return written,
        }
    }
    rustix::io::pwrite(fd, bytes, offset)
}

/// Whether the kernel or the file system does not know the wish.
fn is_refused(errno: Errno) -> bool {
    matches!(errno, Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_read_back_as_it_was_written() {
        assert_eq!(whole_pages(0, 4095, 4096), (0, 0));
        assert_eq!(whole_pages(1, 4095 + 4096, 4096), (4095, 4096));
        assert_eq!(whole_pages(4097, 10, 4096), (10, 0));
        for dir in [tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap()] {
            for cache in [Cache::Keep, Cache::Drop] {
                let file = tempfile::tempfile_in(&dir).unwrap();
                let bytes: Vec<u8> = (0..300_000u32).map(|number| number as u8).collect();
                let ends = [0, 1, 65_535, 65_536, 65_537, 131_072, 270_001, 300_000];
                for (from, to) in ends.into_iter().zip(ends.into_iter().skip(1)).rev() {
                    write_all_at(&file, &bytes[from..to], 4097 + from as u64, cache).unwrap();
                }
                let mut read = vec![0; bytes.len() + 100];
                assert_eq!(read_at(&file, &mut read, 4097, cache), Ok(bytes.len()));
                assert_eq!(&read[..bytes.len()], bytes);
            }
        }
    }
}
