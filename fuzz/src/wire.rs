//! Messages between devices: frames, their coat, the session, requests.

use driftless_core::block::MAX_BLOCK_BYTES;
use driftless_core::heads::MAX_HEADS;
use driftless_core::record::{MAX_FILE_BYTES, MAX_TARGET_BYTES, MODE_MASK};
use driftless_core::version::{MAX_AUTHORS, MAX_COUNTER};
use driftless_core::{Content, FileRecord, VersionVector};
use driftless_daemon::fuzzing::{pack, unpack};
use driftless_proto::codec::{
    MAX_FOLDERS, MAX_FRAME_BYTES, MAX_REQUEST_BLOCKS, MAX_REQUEST_BYTES, MAX_UPDATE_PATHS, decode,
    decode_request, encode, encode_request, path_update_bytes,
};
use driftless_proto::{Channel, FileBlocks, Message, Request, RequestBody, Session};

use super::names::obeys;
use super::within;

/// How much memory reading a frame may take: in proportion to its size, and
/// what the most folders, paths or blocks may take up.
fn allowed(frame: &[u8]) -> usize {
    24 * frame.len() + (2 << 20)
}

/// H1, H3, H8: any bytes as a frame.
pub(crate) fn frame(bytes: &[u8]) {
    if let Ok(message) = within(allowed(bytes), || decode(bytes)) {
        is_sound(&message);
        let written = encode(&message);
        assert!(written.len() <= bytes.len(), "what was read grows when written");
        assert_eq!(decode(&written).as_ref().ok(), Some(&message));
    }
}

/// H6: any bytes as a frame in its coat.
pub(crate) fn packed(bytes: &[u8]) {
    if let Some(frame) = within(bytes.len() + (2 << 20), || unpack(bytes)) {
        // The transport bounds what is not compressed.
        assert!(frame.len() <= MAX_FRAME_BYTES.max(bytes.len()));
        assert_eq!(unpack(&pack(frame.clone())).as_ref(), Some(&frame));
        self::frame(&frame);
    }
    let ours = pack(bytes.to_vec());
    assert!(ours.len() <= bytes.len() + 1);
    assert_eq!(unpack(&ours).as_deref(), Some(bytes));
}

/// Frames in any order, each with a byte for its channel and two for its length.
pub(crate) fn session(mut bytes: &[u8]) {
    let mut session = Session::new();
    let mut greeted = false;
    while let [channel, high, low, rest @ ..] = bytes {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (frame, rest) = rest.split_at(len);
        bytes = rest;
        let channel = if channel & 1 == 0 { Channel::Index } else { Channel::Control };
        let Ok(message) = session.handle_frame(channel, frame) else { return };
        match &message {
            Message::Hello(_) => assert!(!std::mem::replace(&mut greeted, true), "two greetings"),
            Message::Received(_) => {}
            _ => assert!(greeted, "before the greeting: {message:?}"),
        }
        assert_eq!(Session::frame(&message).0, channel);
    }
}

/// H1, H3: any bytes as the header of a request.
pub(crate) fn request(bytes: &[u8]) {
    if let Ok(request) = within(allowed(bytes), || decode_request(bytes)) {
        is_sound_request(&request);
        let written = encode_request(&request);
        assert!(written.len() <= bytes.len(), "what was read grows when written");
        assert_eq!(decode_request(&written).as_ref().ok(), Some(&request));
    }
}

fn is_sound_request(request: &Request) {
    match &request.body {
        RequestBody::BlockList { path, .. } => obeys(path),
        RequestBody::ListGroups { path, groups, .. } => {
            obeys(path);
            assert!(groups.len() <= MAX_REQUEST_BLOCKS);
        }
        RequestBody::Blocks(files) => are_sound_files(files),
        RequestBody::Outlines(file) => are_sound_files(std::slice::from_ref(file)),
    }
}

fn are_sound_files(files: &[FileBlocks]) {
    files.iter().for_each(|file| obeys(&file.path));
    let blocks: Vec<_> = files.iter().flat_map(|file| &file.blocks).collect();
    assert!(files.len() <= MAX_REQUEST_BLOCKS && blocks.len() <= MAX_REQUEST_BLOCKS);
    let lens = blocks.iter().map(|block| u64::from(block.len));
    assert!(lens.clone().all(|len| (1..=u64::from(MAX_BLOCK_BYTES)).contains(&len)));
    assert!(lens.sum::<u64>() <= MAX_REQUEST_BYTES);
    assert!(blocks.iter().all(|block| block.offset <= MAX_FILE_BYTES));
}

fn is_sound(message: &Message) {
    let is_plain = |text: &str| !text.contains(char::is_control);
    match message {
        Message::Hello(hello) => {
            assert!(hello.device_name.len() <= 64 && is_plain(&hello.device_name));
            assert!(hello.program.len() <= 64 && is_plain(&hello.program));
        }
        Message::Folders(folders) => {
            assert!(folders.len() <= MAX_FOLDERS);
            for folder in folders {
                assert!(folder.label.len() <= 256 && is_plain(&folder.label));
                assert!(folder.seen.is_none_or(|seen| seen.wanted_after <= seen.sequence));
            }
        }
        Message::Received(_) => {}
        Message::IndexUpdate(update) => {
            assert!(update.paths.len() <= MAX_UPDATE_PATHS && update.after <= update.upto);
            for path in &update.paths {
                obeys(&path.path);
                assert!(path.held.len() <= MAX_HEADS);
                path.held.iter().for_each(is_sound_record);
            }
            // What whoever fills an update goes by: 256 bytes are for its own fields.
            let estimate: usize = update.paths.iter().map(path_update_bytes).sum();
            assert!(encode(message).len() <= estimate + 256);
        }
    }
}

fn is_sound_record(record: &FileRecord) {
    is_sound_version(&record.version);
    if let Some(from) = &record.moved_from {
        obeys(&from.path);
        is_sound_version(&from.version);
    }
    match &record.content {
        Content::Tombstone { moved_to } => moved_to.iter().for_each(obeys),
        Content::Symlink { target } => {
            assert!(!target.is_empty() && target.len() <= MAX_TARGET_BYTES);
            assert!(!target.contains('\0'));
        }
        Content::File { size_bytes, mode, .. } => {
            assert!(*size_bytes <= MAX_FILE_BYTES && mode & !MODE_MASK == 0);
        }
        Content::Directory { mode } => assert!(mode & !MODE_MASK == 0),
    }
}

fn is_sound_version(version: &VersionVector) {
    let counters = version.counters();
    assert!((1..=MAX_AUTHORS).contains(&counters.len()));
    assert!(counters.iter().all(|(_, count)| (1..=MAX_COUNTER).contains(count)));
    assert!(counters.is_sorted_by(|one, next| one.0 < next.0));
}
