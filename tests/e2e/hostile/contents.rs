//! Devices that announce contents and send others, or none, or too many.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_core::{Block, BlockHash, BlockList, Content, ContentId, FileRecord, Level, RelPath};
use driftless_net::Request;
use driftless_proto::RequestBody;
use driftless_proto::codec::decode_request;

use super::evil::{Answer, Link};
use super::scene::{self, Scene};
use crate::harness::{SOON, Scratch, assert_same, check, connected, until, until_every};

/// How many small files Eve claims to have.
const FILES: usize = 400;

/// Answers every block with as many bytes of something else.
fn wrong_bytes() -> Answer {
    Arc::new(|request: Request| {
        tokio::spawn(async move {
            let mut request = request;
            let Ok(wanted) = decode_request(request.header()) else { return };
            let RequestBody::Blocks(files) = wanted.body else { return request.refuse(1) };
            for block in files.iter().flat_map(|file| &file.blocks) {
                let bytes = [&[0], &vec![0xee; block.len as usize][..]].concat();
                if request.write(Bytes::from(bytes)).await.is_err() {
                    return;
                }
            }
            request.finish();
        });
        None
    })
}

/// Begins no answer, ever.
fn silence() -> Answer {
    Arc::new(Some)
}

/// Bob has many small files and a large one, and Eve knows what he says of
/// them. Ada has been away.
fn prepared(scratch: &Scratch) -> (Scene, Vec<(RelPath, Vec<FileRecord>)>) {
    let mut scene = Scene::asleep(scratch);
    let notes = scene.bob.path("notes");
    for number in 0..FILES {
        fs::write(notes.join(format!("small-{number}")), format!("bob's {number}")).unwrap();
    }
    fs::write(notes.join("large"), noise(6 << 20)).unwrap();
    scene.bob.start();
    let link = scene.eve.connect(&scene.bob);
    let names = (0..FILES).map(|number| format!("small-{number}")).chain(["large".to_owned()]);
    let names: Vec<_> = names.collect();
    let known = until(SOON, "eve knows what bob has", || {
        let told: Vec<_> = names
            .iter()
            .filter_map(|name| Some((scene::path(name), link.told_of(name)?)))
            .collect();
        if told.len() == names.len() { Ok(told) } else { Err(format!("{}", told.len())) }
    });
    scene.bob.stop();
    scene.ada.start();
    scene.begins();
    (scene, known)
}

fn noise(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(b"large").finalize_xof().fill(&mut bytes);
    bytes
}

/// Eve announces to Ada what Bob has, and answers like this.
fn claim(scene: &mut Scene, known: Vec<(RelPath, Vec<FileRecord>)>, answer: Answer) -> Link {
    let mut link = scene.eve.connect(&scene.ada);
    link.answer(answer);
    link.announce(known);
    link.is_taken_over();
    link
}

/// H4: bytes of another hash reach no file, and who sends them is not asked
/// for a while, although nobody else has the file, and not instead of others.
#[test]
fn h4_wrong_bytes_are_discarded_and_whoever_sends_them_is_no_longer_asked() {
    let scratch = Scratch::new();
    let (mut scene, known) = prepared(&scratch);
    let link = claim(&mut scene, known, wrong_bytes());
    until(SOON, "ada asks eve no more", || {
        let log = scene.ada.logged();
        let reason = "not asking the device for contents for a while";
        check(log.contains(reason) && log.contains("do not match their hash"), || log.clone())
    });
    let asked = link.asked.load(Ordering::SeqCst);
    // Two bundles of small files, a list and stretches of the large one; some under way.
    assert!(asked <= 16, "asked {asked} times");
    let names = fs::read_dir(scene.ada.path("notes")).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "kept.txt and .driftless alone: {names:?}");

    scene.bob.start();
    connected(&scene.ada, &scene.bob);
    has_all(&scene, SOON);
    assert_eq!(link.asked.load(Ordering::SeqCst), asked, "while bob could be asked");
    scene.is_unharmed();
    assert_same(&scene.ada.path("notes"), &scene.bob.path("notes"));
}

/// N3, H11: a device that never answers keeps nobody from what others have.
#[test]
fn n3_a_device_that_reads_and_answers_nothing_holds_up_nobody() {
    let scratch = Scratch::new();
    let (mut scene, known) = prepared(&scratch);
    let link = claim(&mut scene, known, silence());
    until(SOON, "ada asks eve", || {
        check(link.asked.load(Ordering::SeqCst) >= 2, || "not yet".into())
    });
    let began = Instant::now();
    scene.bob.start();
    connected(&scene.ada, &scene.bob);
    scene.still_syncs();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "what only bob has took {took:?}");
    has_all(&scene, 2 * SOON);
    scene.is_unharmed();
    assert!(scene.ada.logged().contains("its answer does not come"));
    assert!(link.lives_on());
}

fn has_all(scene: &Scene, limit: Duration) {
    let notes = scene.ada.path("notes");
    until_every(Duration::from_millis(200), limit, "ada has what bob has", || {
        let missing = (0..FILES)
            .filter(|number| {
                let text = fs::read_to_string(notes.join(format!("small-{number}")));
                text.ok() != Some(format!("bob's {number}"))
            })
            .count();
        check(missing == 0, || format!("{missing} small files are missing"))?;
        check(fs::read(notes.join("large")).is_ok_and(|bytes| bytes == noise(6 << 20)), || {
            "the large file is missing".into()
        })
    });
}

/// What Eve says when she is asked for the block list of a huge file.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// There are 2^32 - 1 blocks.
    Count,
    /// As many blocks as a list may have, of which no hash is right.
    Blocks,
    /// One block over and over, which nobody needs to send often.
    Repetition,
}

fn list_of(lie: Lie) -> Vec<Block> {
    let repeated = BlockHash::of(&[7; 1 << 20]);
    let hash = |number: u32| match lie {
        Lie::Repetition => repeated,
        _ => BlockHash::of(&number.to_be_bytes()),
    };
    (0..1 << 20).map(|number| Block { hash: hash(number), len: 1 << 20 }).collect()
}

fn lies(lie: Lie) -> Answer {
    Arc::new(move |mut request: Request| {
        tokio::spawn(async move {
            let Ok(wanted) = decode_request(request.header()) else { return };
            let RequestBody::BlockList { .. } = wanted.body else {
                // The one block of the repetition, as often as it is asked for.
                let bytes = [&[0][..], &[7; 1 << 20]].concat();
                let _ = request.write(Bytes::from(bytes)).await;
                return request.finish();
            };
            let count: u32 = if matches!(lie, Lie::Count) { u32::MAX } else { 1 << 20 };
            let _ = request.write(Bytes::copy_from_slice(&count.to_be_bytes())).await;
            for blocks in list_of(lie).chunks(4096) {
                let entry =
                    |block: &Block| [&block.hash.as_bytes()[..], &block.len.to_be_bytes()].concat();
                let bytes: Vec<u8> = blocks.iter().flat_map(entry).collect();
                if request.write(Bytes::from(bytes)).await.is_err() {
                    return;
                }
            }
            request.finish();
        });
        None
    })
}

/// H3, H6, I14: a file of a size that no disk has, and lists that match it.
#[test]
fn h3_block_lists_of_huge_files_take_up_bounded_memory_and_no_disk() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    let size_bytes = 1 << 40;
    for lie in [Lie::Count, Lie::Blocks, Lie::Repetition] {
        let content = match lie {
            Lie::Repetition => BlockList::new(list_of(lie)).unwrap().content_id(),
            _ => ContentId::from_bytes([lie as u8; 32]),
        };
        let mut link = scene.eve.connect(&scene.ada);
        link.answer(lies(lie));
        let content =
            Content::File { content, size_bytes, level: Level::MAX, mode: 0o644, mtime_ns: 1 };
        let name = format!("huge {lie:?}");
        let record = scene::record(scene.eve.device(), content);
        link.announce(vec![(scene::path(&name), vec![record])]);
        link.is_taken_over();
        match lie {
            Lie::Repetition => {
                let problem = scene.ada.has_problem("notes", "disk-full");
                assert_eq!(problem["path"], name, "{problem}");
            }
            _ => until(SOON, "ada has asked", || {
                check(link.asked.load(Ordering::SeqCst) > 0, || "not yet".into())
            }),
        }
        scene.still_syncs();
        assert!(!scene.ada.path("notes").join(&name).exists());
    }
    let staging = scene.ada.path("notes").join(".driftless/staging");
    let staged: u64 = fs::read_dir(staging)
        .unwrap()
        .map(|entry| crate::harness::bytes_on_disk(&entry.unwrap().path()))
        .sum();
    assert!(staged < 16 << 20, "{staged} bytes are staged");
    let grew = scene.grew_kib();
    assert!(grew < 256 << 10, "ada's memory grew by {grew} KiB");
}
