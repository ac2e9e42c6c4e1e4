//! Entries as bytes: heads and the tree's state in one versioned blob.
//!
//! Compact because a folder may have a million of them: numbers are varints
//! (LEB128), a record that the tree shares with a head is written once, and a
//! time that the file's metadata shares with its record is left out. Decoding
//! is bounded by the blob's own length, never panics, and takes any surprise
//! for damage. The path and the sequence are columns and not in here.
//!
//! ```text
//! entry   = version u8 (1), flags u8, head*, [tree], [landing]
//! head    = holders, record
//! tree    = number of the head that it holds (0: a record follows), stat
//! landing = record
//! record  = kind and flags u8, version, content, [previous], device, changed_ms, [rounds u8], [moved from]
//! version = count, (author u64, counter)*
//! ```

mod bytes;
mod skim;

use driftless_core::{
    Author, Content, ContentId, DeviceId, Entry, FileRecord, Head, Heads, HolderSet, Level,
    MovedFrom, OnDisk, RelPath, Sequence, Stat, VersionVector,
};

use crate::error::IndexError;
use crate::names::Names;
use bytes::{Reader, Writer};
pub(crate) use skim::is_known_file;

const FORMAT: u8 = 1;

const HAS_DISK: u8 = 1;
const IS_LOCAL: u8 = 2;
const IS_IGNORED: u8 = 4;
/// One head, as nearly every path has: the count is left out.
const ONE_HEAD: u8 = 8;
const HAS_LANDING: u8 = 16;
const IS_SUSPECT: u8 = 32;

const KIND: u8 = 3;
const TOMBSTONE: u8 = 0;
const SYMLINK: u8 = 1;
const FILE: u8 = 2;
const DIRECTORY: u8 = 3;
const HAS_PREVIOUS: u8 = 4;
/// The edit kept the file's content.
const SAME_PREVIOUS: u8 = 8;
const HAS_MOVED_FROM: u8 = 16;
const HAS_MOVED_TO: u8 = 32;
const HAS_POLICY_ROUNDS: u8 = 64;

const SAME_SIZE: u8 = 1;
const SAME_MTIME: u8 = 2;

/// Whether an entry is within the bounds that decoding checks.
pub(crate) fn is_storable(entry: &Entry) -> bool {
    let within =
        |version: &VersionVector| version.counters().len() <= driftless_core::version::MAX_AUTHORS;
    records(entry).all(|record| {
        within(&record.version)
            && record.moved_from.as_ref().is_none_or(|from| within(&from.version))
    })
}

/// All records of an entry.
pub(crate) fn records(entry: &Entry) -> impl Iterator<Item = &FileRecord> {
    let heads = entry.heads.iter().map(|head| &head.record);
    heads.chain(entry.disk.as_ref().map(|disk| &disk.record)).chain(&entry.landing)
}

/// Writes `entry`, all but its sequence, to the end of `out`.
pub(crate) fn encode(entry: &Entry, names: &Names, out: &mut Vec<u8>) {
    let mut writer = Writer(out);
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    writer.byte(FORMAT);
    writer.byte(
        flag(entry.disk.is_some(), HAS_DISK)
            | flag(entry.is_local(), IS_LOCAL)
            | flag(entry.ignored, IS_IGNORED)
            | flag(entry.landing.is_some(), HAS_LANDING)
            | flag(entry.suspect, IS_SUSPECT)
            | flag(entry.heads.len() == 1, ONE_HEAD),
    );
    if entry.heads.len() != 1 {
        writer.number(entry.heads.len() as u64);
    }
    for head in entry.heads.iter() {
        writer.number(head.holders.bits());
        encode_record(&mut writer, &head.record, names);
    }
    if let Some(disk) = &entry.disk {
        let shared = entry.heads.iter().position(|head| head.record == disk.record);
        match shared {
            Some(position) => writer.number(position as u64 + 1),
            None => {
                writer.number(0);
                encode_record(&mut writer, &disk.record, names);
            }
        }
        encode_stat(&mut writer, &disk.stat, &disk.record.content);
    }
    if let Some(record) = &entry.landing {
        encode_record(&mut writer, record, names);
    }
}

/// Reads what [`encode`] wrote; `sequence` comes from its own column.
pub(crate) fn decode(bytes: &[u8], names: &Names, sequence: Sequence) -> Result<Entry, IndexError> {
    let mut reader = Reader(bytes);
    if reader.byte()? != FORMAT {
        return Err(IndexError::corrupt("an entry has an unknown format"));
    }
    let flags = reader.byte()?;
    let count = if flags & ONE_HEAD != 0 { 1 } else { reader.number()? };
    // Each head takes bytes, so that reading past the end stops a false count.
    let mut heads = Vec::new();
    for _ in 0..count {
        let holders = HolderSet::from_bits(reader.number()?);
        heads.push(Head { record: decode_record(&mut reader, names)?, holders });
    }
    let heads = Heads::from_heads(heads);
    if heads.len() as u64 != count {
        return Err(IndexError::corrupt("an entry's heads supersede each other"));
    }
    let mut disk = None;
    if flags & HAS_DISK != 0 {
        let record = match reader.number()? {
            0 => decode_record(&mut reader, names)?,
            number => {
                let position = usize::try_from(number - 1).ok();
                let head = position.and_then(|position| heads.iter().nth(position));
                head.ok_or_else(|| IndexError::corrupt("an entry lacks a head"))?.record.clone()
            }
        };
        let stat = decode_stat(&mut reader, &record.content)?;
        disk = Some(OnDisk { record, stat, local: flags & IS_LOCAL != 0 });
    }
    let landing =
        (flags & HAS_LANDING != 0).then(|| decode_record(&mut reader, names)).transpose()?;
    reader.end()?;
    let (suspect, ignored) = (flags & IS_SUSPECT != 0, flags & IS_IGNORED != 0);
    Ok(Entry { heads, disk, landing, suspect, ignored, sequence })
}

fn encode_record(writer: &mut Writer<'_>, record: &FileRecord, names: &Names) {
    let (kind, moved_to) = match &record.content {
        Content::Tombstone { moved_to } => (TOMBSTONE, moved_to.as_ref()),
        Content::Symlink { .. } => (SYMLINK, None),
        Content::File { .. } => (FILE, None),
        Content::Directory { .. } => (DIRECTORY, None),
    };
    let is_same = record.is_metadata_edit();
    let mut tag = kind;
    tag |= if moved_to.is_some() { HAS_MOVED_TO } else { 0 };
    tag |= if record.moved_from.is_some() { HAS_MOVED_FROM } else { 0 };
    tag |= if record.policy_rounds > 0 { HAS_POLICY_ROUNDS } else { 0 };
    tag |= match record.previous {
        Some(_) if is_same => SAME_PREVIOUS,
        Some(_) => HAS_PREVIOUS,
        None => 0,
    };
    writer.byte(tag);
    encode_version(writer, &record.version);
    match &record.content {
        Content::Tombstone { moved_to: None } => {}
        Content::Tombstone { moved_to: Some(path) } => writer.text(path.as_str()),
        Content::Symlink { target } => writer.text(target),
        Content::File { content, size_bytes, level, mode, mtime_ns } => {
            writer.raw(content.as_bytes());
            writer.number(*size_bytes);
            writer.byte(level.number());
            writer.number(u64::from(*mode));
            writer.raw(&mtime_ns.to_be_bytes());
        }
        Content::Directory { mode } => writer.number(u64::from(*mode)),
    }
    if let Some(previous) = record.previous.filter(|_| !is_same) {
        writer.raw(previous.as_bytes());
    }
    match names.number(&record.device) {
        Some(number) => writer.number(number),
        None => {
            writer.number(0);
            writer.raw(record.device.as_bytes());
        }
    }
    writer.number(record.changed_ms);
    if record.policy_rounds > 0 {
        writer.byte(record.policy_rounds);
    }
    if let Some(from) = &record.moved_from {
        writer.text(from.path.as_str());
        encode_version(writer, &from.version);
    }
}

fn decode_record(reader: &mut Reader<'_>, names: &Names) -> Result<FileRecord, IndexError> {
    let tag = reader.byte()?;
    let version = decode_version(reader)?;
    let content = decode_content(reader, tag)?;
    let previous = if tag & SAME_PREVIOUS != 0 {
        content.file().map(|(content, _)| content)
    } else if tag & HAS_PREVIOUS != 0 {
        Some(ContentId::from_bytes(reader.array()?))
    } else {
        None
    };
    let device = match reader.number()? {
        0 => DeviceId::from_bytes(reader.array()?),
        number => names
            .device(number)
            .ok_or_else(|| IndexError::corrupt("an entry names no known device"))?,
    };
    let changed_ms = reader.number()?;
    let policy_rounds = if tag & HAS_POLICY_ROUNDS != 0 { reader.byte()? } else { 0 };
    let mut moved_from = None;
    if tag & HAS_MOVED_FROM != 0 {
        let path = decode_path(reader)?;
        moved_from = Some(MovedFrom { path, version: decode_version(reader)? });
    }
    Ok(FileRecord { version, content, previous, device, changed_ms, moved_from, policy_rounds })
}

fn decode_content(reader: &mut Reader<'_>, tag: u8) -> Result<Content, IndexError> {
    let mode = |number| u16::try_from(number).map_err(|_| IndexError::corrupt("a mode is none"));
    Ok(match tag & KIND {
        TOMBSTONE if tag & HAS_MOVED_TO != 0 => {
            Content::Tombstone { moved_to: Some(decode_path(reader)?) }
        }
        TOMBSTONE => Content::Tombstone { moved_to: None },
        SYMLINK => Content::Symlink { target: reader.text()?.into() },
        FILE => Content::File {
            content: ContentId::from_bytes(reader.array()?),
            size_bytes: reader.number()?,
            level: Level::new(reader.byte()?)
                .ok_or_else(|| IndexError::corrupt("a level is none"))?,
            mode: mode(reader.number()?)?,
            mtime_ns: i64::from_be_bytes(reader.array()?),
        },
        _ => Content::Directory { mode: mode(reader.number()?)? },
    })
}

fn decode_path(reader: &mut Reader<'_>) -> Result<RelPath, IndexError> {
    RelPath::parse(reader.text()?).map_err(|_| IndexError::corrupt("a path is none"))
}

fn encode_version(writer: &mut Writer<'_>, version: &VersionVector) {
    writer.number(version.counters().len() as u64);
    for (author, count) in version.counters() {
        writer.raw(&author.0.to_be_bytes());
        writer.number(*count);
    }
}

fn decode_version(reader: &mut Reader<'_>) -> Result<VersionVector, IndexError> {
    let count = reader.number()?;
    let mut counters = Vec::new();
    for _ in 0..count {
        counters.push((Author(u64::from_be_bytes(reader.array()?)), reader.number()?));
    }
    VersionVector::from_counters(counters).map_err(|_| IndexError::corrupt("a version is none"))
}

fn encode_stat(writer: &mut Writer<'_>, stat: &Stat, content: &Content) {
    let (size_bytes, mtime_ns) = known_stat(content);
    let same_size = stat.size_bytes == size_bytes;
    let same_mtime = stat.mtime_ns == mtime_ns;
    writer.byte(if same_size { SAME_SIZE } else { 0 } | if same_mtime { SAME_MTIME } else { 0 });
    if !same_size {
        writer.number(stat.size_bytes);
    }
    if !same_mtime {
        writer.raw(&stat.mtime_ns.to_be_bytes());
    }
    // Often the same moment, or soon after.
    writer.signed(stat.ctime_ns.wrapping_sub(stat.mtime_ns));
    writer.number(stat.inode);
    writer.number(u64::from(stat.mode));
}

fn decode_stat(reader: &mut Reader<'_>, content: &Content) -> Result<Stat, IndexError> {
    let (mut size_bytes, mut mtime_ns) = known_stat(content);
    let flags = reader.byte()?;
    if flags & SAME_SIZE == 0 {
        size_bytes = reader.number()?;
    }
    if flags & SAME_MTIME == 0 {
        mtime_ns = i64::from_be_bytes(reader.array()?);
    }
    let ctime_ns = mtime_ns.wrapping_add(reader.signed()?);
    let inode = reader.number()?;
    let mode =
        u32::try_from(reader.number()?).map_err(|_| IndexError::corrupt("a mode is none"))?;
    Ok(Stat { size_bytes, mtime_ns, ctime_ns, inode, mode })
}

/// The size and modification time that a record itself tells.
fn known_stat(content: &Content) -> (u64, i64) {
    match *content {
        Content::File { size_bytes, mtime_ns, .. } => (size_bytes, mtime_ns),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use driftless_core::Observed;
    use driftless_core::compare::is_as_known;
    use driftless_testkit::conformance;
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        names.add(&DeviceId::from_bytes([1; 32]));
        names.add(&DeviceId::from_bytes([2; 32]));
        names
    }

    fn encoded(entry: &Entry) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(entry, &names(), &mut bytes);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_entry_reads_back(entry in conformance::entry()) {
            let bytes = encoded(&entry);
            prop_assert_eq!(decode(&bytes, &names(), Sequence(0)).unwrap(), entry);
        }

        /// D2, F7: what is skimmed means what it means decoded.
        #[test]
        fn skimming_sees_just_the_files_that_are_as_they_are_known(
            entry in conformance::entry(), by: u8, damage in any::<Option<(usize, u8)>>(),
        ) {
            let mut bytes = encoded(&entry);
            if let Some((at, to)) = damage {
                let at = at % bytes.len();
                bytes[at] = to;
            }
            let stat = entry.disk.as_ref().map(|disk| disk.stat).unwrap_or_default();
            let other = Stat { ctime_ns: stat.ctime_ns ^ 1, ..stat };
            let seen = Observed::File(if by.is_multiple_of(4) { other } else { stat });
            let decoded = decode(&bytes, &names(), Sequence(0));
            let is_skimmed = is_known_file(&bytes, &names(), &seen);
            if is_skimmed {
                prop_assert!(is_as_known(&decoded.unwrap(), &seen));
            } else if let (Ok(entry), None) = (decoded, damage) {
                let is_plain = entry.heads.len() == 1
                    && entry.disk.as_ref().is_some_and(|disk| {
                        Some(&disk.record) == entry.shown() && disk.record.moved_from.is_none()
                            && disk.record.policy_rounds == 0 && !disk.local
                    });
                prop_assert!(!(is_plain && is_as_known(&entry, &seen)));
            }
        }

        /// P7
        #[test]
        fn damaged_bytes_never_panic_and_cut_ones_are_refused(
            entry in conformance::entry(), at: usize, to: u8, cut: usize,
        ) {
            let mut bytes = encoded(&entry);
            let at = at % bytes.len();
            let cut = cut % bytes.len();
            assert!(decode(&bytes[..cut], &names(), Sequence(0)).is_err());
            bytes[at] = to;
            let _ = decode(&bytes, &names(), Sequence(0));
        }

        /// P7
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 2..200)) {
            bytes[0] = FORMAT;
            let _ = decode(&bytes, &names(), Sequence(0));
        }
    }

    /// P12: a database keeps being read by later versions.
    #[test]
    fn the_format_stays_as_released() {
        let record = FileRecord {
            version: VersionVector::from_counters(vec![(Author(0x0102), 300)]).unwrap(),
            content: Content::Directory { mode: 0o755 },
            previous: None,
            device: DeviceId::from_bytes([2; 32]),
            changed_ms: 5,
            moved_from: Some(MovedFrom {
                path: RelPath::parse("a/b").unwrap(),
                version: VersionVector::new(),
            }),
            policy_rounds: 0,
        };
        let head = Head { record: record.clone(), holders: HolderSet::from_bits(3) };
        let stat = Stat { size_bytes: 4096, mtime_ns: -1, ctime_ns: -2, inode: 9, mode: 0o40755 };
        let entry = Entry {
            heads: Heads::from_heads([head]),
            disk: Some(OnDisk { record, stat, local: false }),
            ..Entry::default()
        };
        let head = [3, 19, 1, 0, 0, 0, 0, 0, 0, 1, 2, 172, 2, 237, 3, 2, 5, 3, 97, 47, 98, 0];
        let disk = [1, 0, 128, 32, 255, 255, 255, 255, 255, 255, 255, 255, 1, 9, 237, 131, 1];
        let expected = [&[1, 9][..], &head, &disk].concat();
        assert_eq!(encoded(&entry), expected);
        assert_eq!(decode(&expected, &names(), Sequence(0)).unwrap(), entry);
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut bytes = encoded(&Entry::default());
        bytes.push(0);
        assert!(decode(&bytes, &names(), Sequence(0)).is_err());
    }
}
