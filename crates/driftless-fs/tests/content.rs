//! Content on its way: hashed, staged, served, kept and restored.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};

use common::{Folder, block_list, content_of, is_applied, noise, path};
use driftless_core::block::SINGLE_BLOCK_BYTES;
use driftless_core::{Block, BlockHash, BlockList, Level, Precondition, RelPath};
use driftless_fs::{
    BlockReader, HashError, Hashed, LocalPlace, LocalSource, ReadError, Source, StageError,
    StagedFile, hash_file, history, staging,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn hash(folder: &Folder, at: &str) -> Hashed {
    hash_file(&folder.root, &path(at), folder.stat(at), None).unwrap()
}

/// F6
#[test]
fn a_small_file_is_one_block_and_a_large_one_is_cut() {
    let folder = Folder::new();
    folder.write("empty", "").write("small", "abc").write("large", noise("large", 1_000_000));
    assert_eq!(hash(&folder, "empty").blocks.blocks().len(), 0);
    assert_eq!(hash(&folder, "small").content, content_of(b"abc"));
    let large = hash(&folder, "large");
    assert!(large.blocks.blocks().len() > 4);
    assert_eq!(large.blocks.size_bytes(), 1_000_000);
    let kept = hash_file(&folder.root, &path("large"), folder.stat("large"), Level::new(1));
    assert_eq!(kept.unwrap().level.number(), 1, "a file keeps its level");
}

/// F1, F4, F9, F11
#[test]
fn a_file_is_hashed_as_it_is_now_and_what_took_its_place_is_not() {
    let folder = Folder::new();
    folder.write("file", "one");
    let expected = folder.stat("file");
    let hash = |folder: &Folder| hash_file(&folder.root, &path("file"), expected, None);
    let mut log = fs::File::options().append(true).open(folder.at("file")).unwrap();
    log.write_all(b"more").unwrap();
    let now = hash(&folder).unwrap();
    assert_eq!((now.content, now.stat), (content_of(b"onemore"), folder.stat("file")));
    fs::remove_file(folder.at("file")).unwrap();
    assert!(matches!(hash(&folder), Err(HashError::Vanished)));
    std::os::unix::fs::symlink("/etc/passwd", folder.at("file")).unwrap();
    assert!(matches!(hash(&folder), Err(HashError::Unstable)));
}

/// F1
#[test]
fn a_file_that_changes_while_it_is_read_is_never_hashed_as_a_mixture() {
    let folder = Folder::new();
    let size = 24 << 20;
    folder.write("file", vec![0; size]);
    let file = fs::File::options().write(true).open(folder.at("file")).unwrap();
    let contents: Vec<_> = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..=30_u8 {
                // From back to front, so that a reader sees both.
                for at in (0..size).step_by(1 << 20).rev() {
                    file.write_all_at(&[round], at as u64).unwrap();
                }
            }
        });
        let mut seen = Vec::new();
        while !writer.is_finished() {
            let tried = hash_file(&folder.root, &path("file"), folder.stat("file"), None);
            seen.extend(tried.ok().map(|hashed| hashed.content));
        }
        seen
    });
    // What was read between two rounds is a state that was; a mixture is none.
    let states = (0..=30_u8).map(|round| {
        let mut bytes = vec![0; size];
        bytes.iter_mut().step_by(1 << 20).for_each(|byte| *byte = round);
        folder.write("whole", &bytes);
        hash(&folder, "whole").content
    });
    let states: Vec<_> = states.collect();
    assert!(contents.iter().all(|content| states.contains(content)));
}

/// F2, I13
#[test]
fn a_block_is_served_only_while_it_is_what_its_hash_says() {
    let folder = Folder::new();
    folder.write("file", noise("x", 600_000));
    let hashed = hash(&folder, "file");
    let open = || BlockReader::open(&folder.root, Source::Path(path("file"), hashed.stat));
    let reader = open().unwrap();
    let (offset, block) = hashed.blocks.with_offsets().nth(1).unwrap();
    let read = |offset, len| {
        let mut bytes = b"before".to_vec();
        let read = reader.read((offset, len), &block.hash, &mut bytes);
        assert_eq!(read.is_err(), bytes == b"before", "nothing unverified is left behind");
        read.map(|()| bytes.split_off(6))
    };
    assert_eq!(BlockHash::of(&read(offset, block.len).unwrap()), block.hash);
    assert!(matches!(read(offset, 0), Err(ReadError::Length(0))));
    assert!(matches!(read(u64::MAX, 9), Err(ReadError::Mismatch)));
    assert!(matches!(read(0, block.len), Err(ReadError::Mismatch)));
    let file = fs::File::options().write(true).open(folder.at("file")).unwrap();
    file.write_all_at(b"!", offset).unwrap();
    assert!(matches!(read(offset, block.len), Err(ReadError::Changed)));
    assert!(matches!(open(), Err(ReadError::Changed)));
}

/// P1, N1, H4
#[test]
fn a_partly_staged_file_resumes_with_the_blocks_that_verify() {
    let folder = Folder::new();
    let bytes = noise("big", 2_000_000);
    folder.write("source", &bytes);
    let hashed = hash(&folder, "source");
    let count = hashed.blocks.blocks().len();
    let begin = || StagedFile::begin(&folder.root, hashed.content, hashed.blocks.clone()).unwrap();
    let piece = |index: usize| {
        let (offset, block) = hashed.blocks.with_offsets().nth(index).unwrap();
        &bytes[offset as usize..][..block.len as usize]
    };
    let staged = begin();
    assert_eq!(staged.missing().len(), count);
    for index in 0..count / 2 {
        staged.write_block(index, piece(index)).unwrap();
    }
    assert!(matches!(staged.write_block(count - 1, piece(0)), Err(StageError::Mismatch)));
    assert!(matches!(staged.write_block(count, piece(0)), Err(StageError::WrongList)));
    assert!(matches!(staged.finish(), Err(StageError::Incomplete(_))));
    // What a crash tore is not believed.
    let part = folder.at(&format!(".driftless/staging/{}.part", hashed.content));
    fs::File::options().write(true).open(&part).unwrap().write_all_at(b"torn", 10).unwrap();
    let staged = begin();
    let expected: Vec<_> = std::iter::once(0).chain(count / 2..count).collect();
    assert_eq!(staged.missing(), expected);
    for index in expected {
        staged.write_block(index, piece(index)).unwrap();
    }
    staged.finish().unwrap();
    assert!(staging::staged(&folder.root, &hashed.content));
    let sealed = folder.at(&format!(".driftless/staging/{}", hashed.content));
    assert_eq!(fs::read(sealed).unwrap(), bytes);
}

#[test]
fn blocks_that_are_held_locally_are_copied_after_verifying_them() {
    let folder = Folder::new();
    let mut bytes = noise("base", 3_000_000);
    folder.write("base", &bytes);
    let base = hash(&folder, "base");
    bytes.splice(1_500_000..1_500_010, noise("edit", 50_000));
    folder.write("edited", &bytes);
    let edited = hash(&folder, "edited");
    let source =
        LocalSource::whole(LocalPlace::Path(path("base"), folder.stat("base")), &base.blocks);
    // A source that lies about its blocks gives nothing.
    let mut liar = source.clone();
    liar.blocks.iter_mut().for_each(|block| block.offset_bytes += 1);
    let staged = StagedFile::begin(&folder.root, edited.content, edited.blocks.clone()).unwrap();
    assert_eq!(staged.copy_local(&[liar]).unwrap(), 0);
    let reused = staged.copy_local(&[source]).unwrap();
    assert!(reused > 2_000_000, "{reused}");
    let missing = staged.missing();
    assert!(!missing.is_empty() && missing.len() < 8, "{missing:?}");
    let place = LocalPlace::Path(path("edited"), folder.stat("edited"));
    staged.copy_local(&[LocalSource::whole(place, &edited.blocks)]).unwrap();
    staged.finish().unwrap();
}

/// Large enough for several threads, and to be kept out of memory.
#[test]
fn a_large_file_in_which_all_has_moved_is_put_together_as_it_should_be() {
    let folder = Folder::new();
    let before = noise("large", 129 << 20);
    folder.write("before", &before);
    let mut after = vec![7];
    after.extend_from_slice(&before);
    after[100 << 20] ^= 1;
    folder.write("after", &after);
    let (old, new) = (hash(&folder, "before"), hash(&folder, "after"));
    let place = LocalPlace::Path(path("before"), folder.stat("before"));
    let staged = StagedFile::begin(&folder.root, new.content, new.blocks.clone()).unwrap();
    let reused = staged.copy_local(&[LocalSource::whole(place, &old.blocks)]).unwrap();
    assert!(reused > 100 << 20, "{reused}");
    let missing = staged.missing();
    assert!((1..5).contains(&missing.len()), "{missing:?}");
    let offsets: Vec<_> = new.blocks.with_offsets().collect();
    for index in missing {
        let (at, len) = (offsets[index].0 as usize, offsets[index].1.len as usize);
        staged.write_block(index, &after[at..at + len]).unwrap();
    }
    staged.finish().unwrap();
    let sealed = folder.at(&format!(".driftless/staging/{}", new.content));
    assert!(fs::read(sealed).unwrap() == after);
}

/// F5
#[test]
fn holes_stay_holes() {
    let folder = Folder::new();
    let size = 64 << 20;
    let file = fs::File::create(folder.at("sparse")).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(&noise("island", 100_000), 30 << 20).unwrap();
    drop(file);
    let hashed = hash(&folder, "sparse");
    let staged = StagedFile::begin(&folder.root, hashed.content, hashed.blocks.clone()).unwrap();
    assert!(staged.missing_bytes() < 2 << 20, "{}", staged.missing_bytes());
    let place = LocalPlace::Path(path("sparse"), folder.stat("sparse"));
    staged.copy_local(&[LocalSource::whole(place, &hashed.blocks)]).unwrap();
    staged.finish().unwrap();
    let sealed = folder.at(&format!(".driftless/staging/{}", hashed.content));
    let meta = fs::metadata(&sealed).unwrap();
    assert_eq!(meta.len(), size);
    assert!(meta.blocks() * 512 < 4 << 20, "{}", meta.blocks());
    assert!(fs::read(sealed).unwrap() == folder.read("sparse"));
}

/// H6
#[test]
fn a_list_that_repeats_one_block_is_known_to_need_its_whole_size() {
    let folder = Folder::new();
    let block = Block { hash: BlockHash::of(&[1; 100]), len: 100 };
    let list = BlockList::new(vec![block; 1000]).unwrap();
    let staged = StagedFile::begin(&folder.root, list.content_id(), list).unwrap();
    assert_eq!((staged.missing().len(), staged.missing_bytes()), (1, 100_000));
    staged.write_block(0, &[1; 100]).unwrap();
    assert_eq!(staged.missing_bytes(), 0);
}

#[test]
fn a_block_that_occurs_often_is_asked_for_once() {
    let folder = Folder::new();
    let piece = noise("again", 700_000);
    folder.write("twice", [piece.as_slice(), &piece].concat());
    let hashed = hash(&folder, "twice");
    let staged = StagedFile::begin(&folder.root, hashed.content, hashed.blocks.clone()).unwrap();
    let missing = staged.missing();
    assert!(missing.len() < hashed.blocks.blocks().len());
    let reader = BlockReader::open(&folder.root, Source::Path(path("twice"), hashed.stat)).unwrap();
    let blocks: Vec<_> = hashed.blocks.with_offsets().collect();
    for index in missing {
        let (offset, block) = blocks[index];
        let mut bytes = Vec::new();
        reader.read((offset, block.len), &block.hash, &mut bytes).unwrap();
        staged.write_block(index, &bytes).unwrap();
    }
    staged.finish().unwrap();
}

/// P14, P1
#[test]
fn clearing_the_staging_area_rescues_what_is_not_driftless_own() {
    let folder = Folder::new();
    let (needed, stale) = (folder.stage("needed"), folder.stage("stale"));
    let big = noise("big", 1_000_000);
    folder.write("big", &big);
    let large = hash(&folder, "big");
    let staging = |name: &str| folder.at(".driftless/staging").join(name);
    fs::copy(folder.at("big"), staging(&large.content.to_string())).unwrap();
    // As a crash right after an exchange leaves it.
    let swapped = content_of(b"what was staged");
    fs::write(staging(&swapped.to_string()), "a person's only copy").unwrap();
    fs::write(staging("7.new"), "another").unwrap();
    fs::create_dir(staging("8.new")).unwrap();
    fs::create_dir(staging("9.new")).unwrap();
    fs::write(staging("9.new").join("inside"), "one more").unwrap();
    fs::write(staging(&format!("{stale}.part")), "half").unwrap();
    let keep = [needed, large.content];
    let recovered = staging::recover(&folder.root, &mut |content| keep.contains(&content)).unwrap();
    assert_eq!((recovered.kept, recovered.removed, recovered.rescued), (2, 3, 3));
    let mut kept: Vec<_> = folder.private("staging").into_iter().map(|(name, _)| name).collect();
    let mut expected = keep.map(|content| content.to_string());
    kept.sort();
    expected.sort();
    assert_eq!(kept, expected);
    let mut rescued = folder.history();
    rescued.sort();
    assert_eq!(rescued, ["a person's only copy", "another", "one more"]);
}

#[test]
fn a_version_is_restored_as_it_was() {
    let folder = Folder::new();
    let bytes = noise("old", SINGLE_BLOCK_BYTES as usize * 5);
    folder.write("d/file.bin", &bytes);
    let step = folder.install("d/file.bin", "new", folder.unchanged("d/file.bin"));
    assert!(is_applied(&folder.apply(step)));
    let versions = history::list(&folder.root, Some(&path("d/file.bin"))).unwrap();
    assert_eq!(versions.len(), 1);
    let restored = history::restore_to_staging(&folder.root, &versions[0].id).unwrap();
    assert!(staging::staged(&folder.root, &restored.content));
    assert_eq!(restored.blocks.size_bytes(), bytes.len() as u64);
    assert_eq!(history::list(&folder.root, None).unwrap(), versions, "the version stays");
    let outside = history::open_version(&folder.root, "../folder");
    assert!(matches!(outside, Err(StageError::SourceChanged)));
    let other = history::list(&folder.root, Some(&path("d/other"))).unwrap();
    assert!(other.is_empty());
}

/// N6
#[test]
fn history_expires_oldest_first_and_survives_a_jump_of_the_clock() {
    let folder = Folder::new();
    for index in 0..20 {
        let label = history::Label {
            path: &path(&format!("d/{index:02}.txt")),
            reason: history::VersionReason::Deleted,
            device_short: "ABCDEFG",
            now_ms: (100 + index) * DAY_MS,
        };
        folder.write(&format!(".driftless/history/d/{}", label.file_name(0)), [1; 100]);
    }
    folder.write(".driftless/history/a-person-put-this-here", "x");
    let expire = |day: u64, age: u64, bytes| {
        history::expire(&folder.root, day * DAY_MS, age * DAY_MS, bytes).unwrap().files
    };
    assert_eq!(expire(120, 30, u64::MAX), 0);
    assert_eq!(expire(120, 19, u64::MAX), 1, "only what is older");
    assert_eq!(expire(4000, 30, u64::MAX), 2, "no more than a tenth for its age");
    assert_eq!(expire(0, 30, u64::MAX), 0, "a clock behind deletes nothing");
    assert_eq!(expire(120, 30, 1000), 7, "as many as the limit asks for");
    let left = history::list(&folder.root, None).unwrap();
    assert_eq!(left.first().unwrap().path, path("d/10.txt"));
    assert_eq!(expire(120, 30, 0), 10);
    assert_eq!(folder.private("history").len(), 1, "other files are left alone");
}

/// H4
#[test]
fn content_that_is_not_what_it_is_called_is_not_staged() {
    let folder = Folder::new();
    let staged = staging::stage_small(&folder.root, &content_of(b"one"), b"two");
    assert!(matches!(staged, Err(StageError::Mismatch)));
    let begun = StagedFile::begin(&folder.root, content_of(b"one"), block_list(b"two"));
    assert!(matches!(begun, Err(StageError::WrongList)));
    assert!(folder.private("staging").is_empty());
    let step = folder.install("x", "sealed", Precondition::Absent);
    assert!(is_applied(&folder.apply(step)));
}

/// The beginning of 2026.
const YEAR_MS: u64 = 1_767_225_600_000;

/// Puts a version into history, `at_s` seconds into the year 2026.
fn displaced(folder: &Folder, at: &str, at_s: u64, bytes: &[u8]) {
    let at = path(at);
    let reason = history::VersionReason::Resolved;
    let label = history::Label {
        path: &at,
        reason,
        device_short: "ABC2345",
        now_ms: YEAR_MS + at_s * 1000,
    };
    let dir = at.parent().map_or(String::new(), |parent| format!("{parent}/"));
    let name = label.file_name(0);
    folder.write(&format!(".driftless/history/{dir}{name}"), bytes);
}

#[test]
fn versions_are_found_newest_first_within_bounds() {
    let folder = Folder::new();
    for (at, at_s) in [("b/old.txt", 1), ("a.txt", 4), ("b/c/new.txt", 9), ("a.txt", 2)] {
        displaced(&folder, at, at_s, b"words");
    }
    folder.write(".driftless/history/no version.txt", "left alone");
    let within = std::cell::RefCell::new(None);
    let find = |text: &str, limit: usize, mut names: u64| {
        let within = within.borrow();
        let fits = |_: &history::Standing, path: &RelPath, device: &str| {
            path.as_str().contains(text) && device == "ABC2345"
        };
        let query = history::Query { fits: &fits, within: within.as_ref(), limit };
        let found = history::search(&folder.root, query, &mut names).unwrap();
        let paths: Vec<_> = found.versions.iter().map(|found| found.path.to_string()).collect();
        (paths.join(" "), found.cut_short)
    };
    assert_eq!(find("", 9, 99), ("b/c/new.txt a.txt a.txt b/old.txt".into(), false));
    assert_eq!(find("", 2, 99), ("b/c/new.txt a.txt".into(), false));
    assert_eq!(find("b/", 9, 99), ("b/c/new.txt b/old.txt".into(), false));
    assert_eq!(find("", 9, 1), ("a.txt a.txt".into(), true), "what was read until then");
    assert_eq!(find("", 9, 0), (String::new(), true));
    for (only, found) in [
        ("b", "b/c/new.txt b/old.txt"),
        ("a.txt", "a.txt a.txt"),
        ("b/c", "b/c/new.txt"),
        ("b/old.txt", "b/old.txt"),
        ("c", ""),
    ] {
        within.replace(Some(path(only)));
        assert_eq!(find("", 9, 99).0, found, "within {only}");
        assert_eq!(find("", 1, 99).0, found.split(' ').next().unwrap(), "the newest in {only}");
    }
}

#[test]
fn what_history_takes_is_told_by_age_and_path() {
    const DAY_S: u64 = 86_400;
    let folder = Folder::new();
    for (at, at_day, size) in
        [("b/large", 1, 700), ("a", 40, 10), ("a", 60, 20), ("b/c/d", 65, 3), ("e", 66, 0)]
    {
        displaced(&folder, at, at_day * DAY_S, &vec![7; size]);
    }
    for number in 0..9 {
        displaced(&folder, &format!("small {number}"), 0, b"1");
    }
    folder.write(".driftless/history/b/no version", "left alone");
    folder.write(".driftless/heads/side", "12345");
    let space = driftless_fs::space::measure(&folder.root, YEAR_MS + 66 * DAY_S * 1000).unwrap();
    assert_eq!((space.history.files, space.history.bytes), (14, 742));
    assert_eq!((space.oldest_ms, space.heads_bytes), (Some(YEAR_MS), 5));
    let by_age = space.by_age.map(|sum| (sum.files, sum.bytes));
    assert_eq!(by_age, [(2, 3), (1, 20), (1, 10), (10, 709)]);
    let largest: Vec<_> =
        space.largest.iter().map(|(path, sum)| (path.as_str(), sum.files, sum.bytes)).collect();
    assert_eq!(
        largest[..4],
        [("b/large", 1, 700), ("a", 2, 30), ("b/c/d", 1, 3), ("small 0", 1, 1)]
    );
    assert_eq!(largest.len(), 10);
}

#[test]
fn a_version_is_staged_only_if_it_holds_what_is_wanted() {
    let folder = Folder::new();
    let bytes = noise("side", 300_000);
    displaced(&folder, "a.bin", 1, &bytes);
    displaced(&folder, "a.bin", 2, b"something else");
    folder.write("a.bin", &bytes);
    let wanted = hash(&folder, "a.bin");
    let found = history::list(&folder.root, None).unwrap();
    let stage = |place: LocalPlace| {
        let copied =
            staging::stage_copy(&folder.root, &place, wanted.content, wanted.level).unwrap();
        copied.map(|blocks| blocks == wanted.blocks)
    };
    let version = |index: usize| LocalPlace::History(found[index].id.clone());
    assert_eq!(stage(version(0)), None);
    assert_eq!(stage(LocalPlace::Head(wanted.content)), None, "it is not there");
    assert!(!staging::staged(&folder.root, &wanted.content));
    assert_eq!(stage(version(1)), Some(true));
    assert!(staging::staged(&folder.root, &wanted.content));
    assert_eq!(stage(LocalPlace::Path(path("a.bin"), wanted.stat)), Some(true), "once more");
    assert_eq!(history::list(&folder.root, None).unwrap(), found, "versions stay");
    assert!(folder.exists("a.bin"));
}
