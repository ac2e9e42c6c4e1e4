//! What cannot be is refused at the door: names, lengths, counts, sizes, versions.

use std::fs;

use driftless_core::{Content, VersionVector};
use driftless_net::{Channel, CloseReason};
use driftless_proto::Message;

use super::evil::{EPOCH, Link};
use super::raw::{counter, field, file, path, record, record_of, update};
use super::scene::{self, Scene};
use crate::harness::{SOON, Scratch, check, until};

const HASH: [u8; 32] = [3; 32];

/// An update of one path that Eve's directory has.
fn directory_at(name: &[u8]) -> Vec<u8> {
    update(EPOCH, 0, 1, &path(name, &record(&field(5, &[]))))
}

fn holding(records: &[u8]) -> Vec<u8> {
    update(EPOCH, 0, 1, &path(b"p", records))
}

/// Frames that no device may send, and what they try.
fn breaches() -> Vec<(&'static str, Vec<u8>)> {
    let counters = |count: u64| (0..count).flat_map(|n| counter(n + 1, 1)).collect::<Vec<_>>();
    let empty_record = field(2, &[]);
    let bad_link = |target: &[u8]| holding(&record(&field(3, &field(1, target))));
    vec![
        ("H1 above the root", directory_at(b"../x")),
        ("H1 above the root, later", directory_at(b"a/../../x")),
        ("H1 an absolute path", directory_at(b"/etc/x")),
        ("H1 an empty name", directory_at(b"a//b")),
        ("H1 the root itself", directory_at(b".")),
        ("H1 a NUL", directory_at(b"a\0b")),
        ("H1 the private directory", directory_at(b".driftless/heads/x")),
        ("H1 no UTF-8", directory_at(b"\xff\xfe")),
        ("H1 a long name", directory_at(&[b'n'; 256])),
        ("H1 a long path", directory_at(&b"n/".repeat(2049))),
        ("H1 a link's target with a NUL", bad_link(b"a\0b")),
        ("H3 a size of 2^63", holding(&record(&file(&HASH, 1 << 63, 0, 0o644)))),
        ("H3 a size of 2^50 and one", holding(&record(&file(&HASH, (1 << 50) + 1, 0, 0o644)))),
        ("H3 a level that there is not", holding(&record(&file(&HASH, 1, 7, 0o644)))),
        ("H3 a short hash", holding(&record(&file(&HASH[1..], 1, 0, 0o644)))),
        ("H3 set-user-ID", holding(&record(&file(&HASH, 1, 0, 0o4755)))),
        ("H3 a sequence that ends before it begins", update(EPOCH, 2, 1, &[])),
        ("H3 too many heads", holding(&record(&field(5, &[])).repeat(65))),
        ("H3 too many paths", update(EPOCH, 0, 1, &path(b"p", &[]).repeat(4097))),
        ("H3 records that unfold", holding(&empty_record.repeat(500_000))),
        ("H3 a length beyond the frame", vec![4 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("H8 2^64 - 1", holding(&record_of(&counter(7, u64::MAX), &field(5, &[])))),
        ("H8 2^48 and one", holding(&record_of(&counter(7, (1 << 48) + 1), &field(5, &[])))),
        ("H8 too many authors", holding(&record_of(&counters(257), &field(5, &[])))),
        ("H8 no version", holding(&record_of(&[], &field(5, &[])))),
    ]
}

/// H1, H3, H6, H8, I14: refused before anything is kept of it, whoever says it.
#[test]
fn h1_h3_h6_h8_what_cannot_be_ends_the_connection_and_leaves_no_trace() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    for (what, frame) in breaches() {
        let link = scene.eve.connect(&scene.ada);
        link.raw(&frame);
        assert_eq!(link.is_cut(), CloseReason::Violation, "{what}");
    }
    let bomb = zstd::bulk::compress(&vec![0; 256 << 20], 1).unwrap();
    let promise = [&[1, 0x28, 0xb5, 0x2f, 0xfd, 0xe0][..], &[0xff; 8]].concat();
    for (what, frame) in [
        ("H6 a bomb of 256 MiB", [&[1], &bomb[..]].concat()),
        ("H6 a promise of 2^64 bytes", promise),
        ("H6 an unknown packing", vec![9, 9, 9]),
    ] {
        let link = scene.eve.connect(&scene.ada);
        link.frame(Channel::Index, &frame);
        assert_eq!(link.is_cut(), CloseReason::Violation, "{what}");
    }
    scene.is_unharmed();
    let log = scene.ada.logged();
    let said = log.matches("closing the connection").count();
    assert!(said >= breaches().len(), "{said} of {} in\n{log}", breaches().len());
    let names = fs::read_dir(scene.ada.path("notes")).unwrap().map(|entry| entry.unwrap());
    let strange: Vec<_> = names
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("honest-") && name != "kept.txt" && name != ".driftless")
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// H1: what means something to other systems is a plain name here.
#[test]
fn h1_backslashes_drives_and_streams_are_names_and_links_are_not_followed() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    let names = ["..\\..\\x", "C:\\x", "C:", "a.txt::$DATA", "\\\\host\\x", "NUL", "~", "$(x)"];
    let mut link = scene.eve.connect(&scene.ada);
    let eve = scene.eve.device();
    let directory = |mode| scene::record(eve, Content::Directory { mode });
    let mut paths: Vec<_> =
        names.iter().map(|name| (scene::path(name), vec![directory(0o755)])).collect();
    let target = scene.outside().to_str().unwrap().into();
    paths.push((scene::path("way"), vec![scene::record(eve, Content::Symlink { target })]));
    link.announce(paths);
    let notes = scene.ada.path("notes");
    until(SOON, "the names are there", || {
        let missing: Vec<_> = names.iter().filter(|name| !notes.join(name).is_dir()).collect();
        check(missing.is_empty() && notes.join("way").is_symlink(), || format!("{missing:?}"))
    });
    link.announce(vec![
        (scene::path("way/in"), vec![directory(0o755)]),
        (scene::path("last"), vec![directory(0o755)]),
    ]);
    until(SOON, "what follows is there", || check(notes.join("last").is_dir(), String::new));
    scene.is_unharmed();
    assert!(!scene.outside().join("in").exists());
}

/// H7, I15: what was said before, said again, out of order or cut, changes nothing.
#[test]
fn h7_old_updates_and_acknowledgements_change_nothing() {
    let scratch = Scratch::new();
    let mut scene = Scene::new(&scratch);
    let mut link = scene.eve.connect(&scene.ada);
    let eve = scene.eve.device();
    let at = |count: u64, content: Content| {
        let author = driftless_core::Author(0xe7e);
        let version = VersionVector::from_counters(vec![(author, count)]).unwrap();
        driftless_core::FileRecord { version, ..scene::record(eve, content) }
    };
    let link_to = |target: &str| Content::Symlink { target: target.into() };
    let old = vec![(scene::path("points"), vec![at(1, link_to("old"))])];
    link.announce(old.clone());
    link.announce(vec![(scene::path("points"), vec![at(2, link_to("new"))])]);
    let points = scene.ada.path("notes").join("points");
    let is_new = || fs::read_link(&points).is_ok_and(|target| target.to_str() == Some("new"));
    until(SOON, "the second version is there", || check(is_new(), || "it is not".into()));
    let replay = |link: &mut Link| {
        // The same sequences again, and then the same words as if they were news.
        let again = driftless_proto::IndexUpdate {
            folder: super::evil::folder(),
            epoch: driftless_core::Epoch(EPOCH),
            after: driftless_core::Sequence(0),
            upto: driftless_core::Sequence(1),
            more: false,
            paths: vec![driftless_proto::PathUpdate {
                path: old[0].0.clone(),
                held: old[0].1.clone(),
            }],
        };
        link.say(&Message::IndexUpdate(again));
        link.announce(old.clone());
        link.is_taken_over();
    };
    replay(&mut link);
    for sequence in [0, 1, u64::MAX] {
        link.say(&Message::Received(driftless_proto::Received {
            folder: super::evil::folder(),
            epoch: driftless_core::Epoch(EPOCH),
            sequence: driftless_core::Sequence(sequence),
        }));
    }
    scene.is_unharmed();
    assert!(is_new(), "{:?}", fs::read_link(&points));
    assert!(link.lives_on());
    assert!(scene.ada.conflicts("notes").is_empty());
}
