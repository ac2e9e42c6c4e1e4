//! Directories that become links to elsewhere while sync works in them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use driftless_core::Content;
use driftless_net::Request;
use driftless_proto::RequestBody;
use driftless_proto::codec::decode_request;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};

use super::evil::Answer;
use super::scene::{self, Scene};
use crate::harness::Scratch;

/// How long the directory is swapped to and fro.
const RACE: Duration = Duration::from_secs(4);

/// Answers with what the name of each file says.
fn by_name() -> Answer {
    Arc::new(|mut request: Request| {
        tokio::spawn(async move {
            let Ok(wanted) = decode_request(request.header()) else { return };
            let RequestBody::Blocks(files) = wanted.body else { return request.refuse(1) };
            for file in files {
                let bytes = [&[0], file.path.name().as_bytes()].concat();
                let _ = request.write(Bytes::from(bytes)).await;
            }
            request.finish();
        });
        None
    })
}

/// Exchanges two names again and again until told to stop; how often.
fn swap(one: &Path, other: &Path, stop: &AtomicBool) -> usize {
    let mut swaps = 0;
    while !stop.load(Ordering::Relaxed) {
        if renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok() {
            swaps += 1;
        } else if !one.exists() {
            // Sync removed the directory, or moved it away.
            let _ = fs::create_dir(one);
        }
        std::thread::yield_now();
    }
    swaps
}

/// H2, I12: whatever a parent becomes, nothing is written, read or removed
/// beyond it.
#[test]
fn h2_a_parent_that_is_swapped_for_a_link_leads_nothing_outside() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    let room = scene.ada.path("notes").join("room");
    fs::create_dir(&room).unwrap();
    scene.still_syncs();
    let trap = scratch.join("trap");
    std::os::unix::fs::symlink(scene.outside(), &trap).unwrap();
    let mut link = scene.eve.connect(&scene.ada);
    link.answer(by_name());
    let eve = scene.eve.device();

    let stop = Arc::new(AtomicBool::new(false));
    let (one, other, stopped) = (room.clone(), trap.clone(), Arc::clone(&stop));
    let racer = std::thread::spawn(move || swap(&one, &other, &stopped));
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < RACE {
        // Eve writes below the directory, and deletes what lies outside by its name.
        let mut paths: Vec<_> = (0..20)
            .map(|_| {
                number += 1;
                let name = format!("from-eve-{number}");
                let content = scene::file_of(name.as_bytes());
                (scene::path(&format!("room/{name}")), vec![scene::record(eve, content)])
            })
            .collect();
        let gone = scene::record(eve, Content::Tombstone { moved_to: None });
        paths.push((scene::path("room/secret.txt"), vec![gone]));
        link.announce(paths);
        let theirs = scene.bob.path("notes").join("room");
        // At Bob's, too, it is a link now and then, which he does not follow.
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let made = openat(CWD, &theirs, flags, Mode::empty()).and_then(|theirs| {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            openat(&theirs, format!("from-bob-{number}"), flags, Mode::from_raw_mode(0o644))
        });
        if let Ok(file) = made {
            rustix::io::write(file, b"bob").unwrap();
        }
        scene.still_syncs();
    }
    stop.store(true, Ordering::Relaxed);
    let swaps = racer.join().unwrap();
    assert!(swaps > 100, "the directory was swapped {swaps} times");
    scene.is_unharmed();
    // Nor did the secret come in by way of the link.
    for device in [&scene.ada, &scene.bob] {
        assert!(!contains(&device.path("notes"), b"nobody's business"), "{}", device.name());
    }
}

fn contains(directory: &Path, secret: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { return false };
        if metadata.is_dir() {
            contains(&path, secret)
        } else {
            metadata.is_file() && fs::read(&path).is_ok_and(|bytes| bytes == secret)
        }
    })
}
