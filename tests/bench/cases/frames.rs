//! A stretch of an index as it travels.

use driftless_core::{Epoch, FolderId, Sequence};
use driftless_proto::codec::{decode, encode};
use driftless_proto::{IndexUpdate, Message, PathUpdate};

use super::{PATHS, Work, content, path, record, work};

fn update() -> Message {
    let said = |number: u64| PathUpdate {
        path: path(number),
        held: vec![record(content(number), [number + 1, number % 3])],
    };
    Message::IndexUpdate(IndexUpdate {
        folder: FolderId::parse("bench").expect("it is plain"),
        epoch: Epoch(1),
        after: Sequence(0),
        upto: Sequence(PATHS),
        more: false,
        paths: (0..PATHS).map(said).collect(),
    })
}

pub(super) fn encode_update() -> Work {
    let update = update();
    work(move || encode(&update))
}

pub(super) fn decode_update() -> Work {
    let frame = encode(&update());
    work(move || decode(&frame).expect("it was encoded just now"))
}
