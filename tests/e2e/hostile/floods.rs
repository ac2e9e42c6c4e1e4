//! More than anyone could want: names, frames, requests, connections.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_core::{BlockHash, BlockList, ContentId, FileRecord, RelPath};
use driftless_net::Response;
use driftless_proto::codec::encode_request;
use driftless_proto::{BlockRange, FileBlocks, Message, Request, RequestBody};

use super::evil::{Link, folder};
use super::scene::{self, Scene};
use crate::harness::{SOON, Scratch, check, until};

/// How many paths one update names.
const AT_ONCE: usize = 2000;

fn unavailable(scene: &Scene, name: String, number: u64) -> (RelPath, Vec<FileRecord>) {
    let content = ContentId::from_bytes(*BlockHash::of(&number.to_be_bytes()).as_bytes());
    (scene::path(&name), vec![scene::record(scene.eve.device(), scene::file(content, 100))])
}

/// H5, I14: what Eve says to have lies on the disk; nobody gets it, and nobody
/// waits for it.
#[test]
fn h5_a_hundred_thousand_names_that_nobody_has_cost_disk_and_no_memory() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    let mut link = scene.eve.connect(&scene.ada);
    link.answer(std::sync::Arc::new(|request| {
        request.refuse(1);
        None
    }));
    let mut number = 0;
    for round in 0..50 {
        let paths = (0..AT_ONCE).map(|_| {
            number += 1;
            unavailable(&scene, format!("flood/{number}"), number)
        });
        let paths = paths.collect();
        link.announce(paths);
        if round % 10 == 0 {
            scene.still_syncs();
        }
    }
    // Names as long as names may be.
    let long = |number: u64| format!("{}{number:06}", "long-name/".repeat(400));
    for _ in 0..20 {
        let paths = (0..200).map(|_| {
            number += 1;
            unavailable(&scene, long(number), number)
        });
        let paths = paths.collect();
        link.announce(paths);
    }
    until(4 * SOON, "ada knows of them all", || {
        let need = scene.ada.folder("notes")["need_files"].as_u64().unwrap();
        check(need >= number, || format!("{need} of {number}"))
    });
    scene.is_unharmed();
    let database = bytes_below(&scene.ada.home().join("index"));
    assert!(database < 256 << 20, "the index takes up {database} bytes");
}

fn bytes_below(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// H11, N3, I14: as many requests as there may be, of which Eve reads no answer.
#[test]
fn h11_requests_whose_answers_nobody_reads_take_up_bounded_memory() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    // One block of 16 MiB as often as a file may have it: a sparse file's.
    let name = "sparse";
    let sparse = fs::File::create(scene.ada.path("notes").join(name)).unwrap();
    sparse.set_len(40 << 30).unwrap();
    drop(sparse);
    let link = scene.eve.connect(&scene.ada);
    let told = until(4 * SOON, "ada says what is in the sparse file", || {
        link.told_of(name).ok_or_else(|| scene.ada.folder("notes").to_string())
    });
    let (content, _) = told[0].content.file().unwrap();
    let list = ask_for_list(&link, name, content);
    let (offset, block) = list.with_offsets().next().unwrap();
    assert_eq!(block.len, 16 << 20);
    let range = BlockRange { offset, len: block.len, hash: block.hash };
    let file = FileBlocks { path: scene::path(name), content, blocks: vec![range; 4] };
    let request = Request { folder: folder(), body: RequestBody::Blocks(vec![file]) };
    let header = Bytes::from(encode_request(&request));
    let unread: Vec<Response> =
        (0..200).map(|_| link.wait(link.connection.request(header.clone())).unwrap()).collect();
    scene.is_unharmed_within(256 << 10);
    assert!(link.lives_on());
    drop(unread);
}

fn ask_for_list(link: &Link, name: &str, content: ContentId) -> BlockList {
    let body = RequestBody::BlockList { path: scene::path(name), content };
    let bytes = link.ask(&encode_request(&Request { folder: folder(), body })).unwrap();
    let block = |bytes: &[u8]| driftless_core::Block {
        hash: BlockHash::from_bytes(bytes[..32].try_into().unwrap()),
        len: u32::from_be_bytes(bytes[32..].try_into().unwrap()),
    };
    BlockList::new(bytes[4..].chunks_exact(36).map(block).collect()).unwrap()
}

/// N2, N3, H11: connections that come and go, and one that hears nothing of what it is told.
#[test]
fn n3_devices_that_reconnect_all_the_time_or_never_read_hold_up_nobody() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    let mut links = Vec::new();
    for _ in 0..20 {
        links.push(scene.eve.connect(&scene.ada));
    }
    assert!(links[..19].iter().all(|link| link.connection.is_closed()), "one lives at a time");
    scene.still_syncs();
    // Says hello, and never reads what Ada has to tell.
    let deaf = scene.eve.dial(&scene.ada);
    deaf.say(&Message::Hello(driftless_proto::Hello {
        version: driftless_proto::message::PROTOCOL_VERSION,
        device_name: "eve".into(),
        program: "evil".into(),
        clock_ms: 1,
    }));
    deaf.share(1);
    let notes = scene.ada.path("notes");
    for number in 0..3000 {
        fs::write(notes.join(format!("many-{number:04}-{}", "x".repeat(200))), "").unwrap();
    }
    let began = Instant::now();
    let theirs = scene.bob.path("notes");
    until(SOON, "bob has them all", || {
        let count = fs::read_dir(&theirs).unwrap().count();
        check(count > 3000, || count.to_string())
    });
    assert!(began.elapsed() < Duration::from_secs(45), "{:?}", began.elapsed());
    scene.is_unharmed();
}
