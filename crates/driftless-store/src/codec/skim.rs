//! Looking at a packed entry without unpacking it.

use driftless_core::diff::Observed;
use driftless_core::version::{MAX_AUTHORS, MAX_COUNTER};
use driftless_core::{Level, Stat};

use super::bytes::Reader;
use super::{
    FILE, FORMAT, HAS_DISK, HAS_PREVIOUS, IS_SUSPECT, KIND, ONE_HEAD, SAME_MTIME, SAME_PREVIOUS,
    SAME_SIZE,
};
use crate::error::IndexError;
use crate::names::Names;

/// How many bytes a content's or device's name takes.
const NAME_BYTES: usize = 32;

/// Whether an entry is a plain file, the one version there is, and was found
/// just as it is known.
///
/// Whatever is in doubt, damaged or out of the ordinary is `false`, and is to
/// be decoded: where this is `true`, decoding succeeds.
pub(crate) fn is_known_file(bytes: &[u8], names: &Names, observed: &Observed) -> bool {
    let Observed::File(stat) = observed else { return false };
    skim(bytes, names).ok().flatten().is_some_and(|known| known == *stat)
}

/// The tree's `stat` of a plain file.
fn skim(bytes: &[u8], names: &Names) -> Result<Option<Stat>, IndexError> {
    let mut reader = Reader(bytes);
    let (format, flags) = (reader.byte()?, reader.byte()?);
    if format != FORMAT || flags & !IS_SUSPECT != HAS_DISK | ONE_HEAD {
        return Ok(None);
    }
    reader.number()?; // Who holds it.
    let tag = reader.byte()?;
    if tag & KIND != FILE || tag & !(KIND | HAS_PREVIOUS | SAME_PREVIOUS) != 0 {
        return Ok(None);
    }
    if !is_version(&mut reader)? {
        return Ok(None);
    }
    reader.array::<NAME_BYTES>()?;
    let size_bytes = reader.number()?;
    let level = Level::new(reader.byte()?);
    let mode = u16::try_from(reader.number()?);
    let mtime_ns = i64::from_be_bytes(reader.array()?);
    if tag & HAS_PREVIOUS != 0 && tag & SAME_PREVIOUS == 0 {
        reader.array::<NAME_BYTES>()?;
    }
    let is_named = match reader.number()? {
        0 => reader.array::<NAME_BYTES>().is_ok(),
        number => names.device(number).is_some(),
    };
    reader.number()?; // When it was changed.
    let is_head = reader.number()? == 1;
    if level.is_none() || mode.is_err() || !is_named || !is_head {
        return Ok(None);
    }
    let stat = stat(&mut reader, size_bytes, mtime_ns)?;
    Ok(stat.filter(|_| reader.0.is_empty()))
}

fn is_version(reader: &mut Reader<'_>) -> Result<bool, IndexError> {
    let count = reader.number()?;
    let mut before = None;
    for _ in 0..count {
        let author = u64::from_be_bytes(reader.array()?);
        let counter = reader.number()?;
        if counter == 0 || counter > MAX_COUNTER || before.is_some_and(|before| author <= before) {
            return Ok(false);
        }
        before = Some(author);
    }
    Ok(count <= MAX_AUTHORS as u64)
}

fn stat(
    reader: &mut Reader<'_>,
    size_bytes: u64,
    mtime_ns: i64,
) -> Result<Option<Stat>, IndexError> {
    let flags = reader.byte()?;
    let size_bytes = if flags & SAME_SIZE != 0 { size_bytes } else { reader.number()? };
    let mtime_ns = match flags & SAME_MTIME != 0 {
        true => mtime_ns,
        false => i64::from_be_bytes(reader.array()?),
    };
    let ctime_ns = mtime_ns.wrapping_add(reader.signed()?);
    let inode = reader.number()?;
    let mode = u32::try_from(reader.number()?).ok();
    Ok(mode.map(|mode| Stat { size_bytes, mtime_ns, ctime_ns, inode, mode }))
}
