//! Writers of single files.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, symlink};
use std::process::{Command, Stdio};

use super::{Kept, Left, Place};
use crate::harness::{SOON, append_to, until};

/// How many files each of these writers has.
const FILES: u64 = 6;

/// As editors do: beside it and over it; as vim does, with a backup; now and
/// then the file is deleted, or gets another name.
pub(super) fn save_by_renaming(mut place: Place) -> Left {
    let mut left = Left::new();
    while place.goes_on(12) {
        let name = format!("document {}", place.random.below(FILES));
        let (path, beside) = (place.join(&name), place.join(&format!(".{name}.tmp")));
        let bytes = place.content();
        match place.random.below(8) {
            0 => {
                let is_there = fs::remove_file(&path).is_ok();
                assert_eq!(is_there, matches!(left.get(&name), Some(Kept::File(_))), "{name}");
                left.insert(name, Kept::Gone);
                continue;
            }
            1 if path.exists() => {
                let other = format!("document {}", place.random.below(FILES));
                fs::rename(&path, place.join(&other)).unwrap();
                let kept = left.insert(name, Kept::Gone).unwrap();
                left.insert(other, kept);
                continue;
            }
            2..4 if path.exists() => {
                let backup = place.join(&format!("{name}~"));
                fs::rename(&path, &backup).unwrap();
                write_durably(&path, &bytes);
                fs::remove_file(&backup).unwrap();
                left.insert(format!("{name}~"), Kept::Gone);
            }
            _ => {
                write_durably(&beside, &bytes);
                fs::rename(&beside, &path).unwrap();
                left.insert(format!(".{name}.tmp"), Kept::Gone);
            }
        }
        left.insert(name, Kept::File(bytes));
    }
    left
}

fn write_durably(path: &std::path::Path, bytes: &[u8]) {
    let mut file = File::create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
}

/// F4: logs that are appended to all the time, one of them rotated.
pub(super) fn append(mut place: Place) -> Left {
    let mut logs = [Vec::new(), Vec::new()];
    let mut rotated = Vec::new();
    while place.goes_on(5) {
        let which = place.random.below(2) as usize;
        let line = format!("{}\n", place.title());
        let path = place.join(&format!("log {which}"));
        append_to(&path).write_all(line.as_bytes()).unwrap();
        logs[which].extend(line.bytes());
        if logs[0].len() > 4_000 {
            fs::rename(place.join("log 0"), place.join("log 0.1")).unwrap();
            rotated = std::mem::take(&mut logs[0]);
        }
    }
    let mut left = Left::new();
    for (which, bytes) in logs.into_iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
        left.insert(format!("log {which}"), Kept::File(bytes));
    }
    if !rotated.is_empty() {
        left.insert("log 0.1".to_owned(), Kept::File(rotated));
    }
    left
}

/// As the shell does: truncated, then written piece by piece.
pub(super) fn rewrite_in_place(mut place: Place) -> Left {
    let mut left = Left::new();
    while place.goes_on(12) {
        let name = format!("output {}", place.random.below(FILES));
        let bytes = place.content();
        let mut file = File::create(place.join(&name)).unwrap();
        for piece in bytes.chunks(3_000) {
            file.write_all(piece).unwrap();
        }
        left.insert(name, Kept::File(bytes));
    }
    left
}

/// F7: content that changes while size and modification time do not.
pub(super) fn put_the_time_back(mut place: Place) -> Left {
    const SIZE: usize = 5_000;
    let mut left = Left::new();
    while place.goes_on(12) {
        let name = format!("container {}", place.random.below(FILES));
        let bytes = crate::harness::content(&place.title(), SIZE);
        let mut options = OpenOptions::new();
        let file =
            options.write(true).create(true).truncate(false).open(place.join(&name)).unwrap();
        let time = file.metadata().unwrap().modified().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
        left.insert(name, Kept::File(bytes));
    }
    left
}

/// Writes each file that it is told of through a shared mapping, each page
/// twice, as linkers and databases do. The second time leaves no trace in the
/// file's times.
const MAPPER: &str = r"
import os, mmap, sys, time
for line in sys.stdin:
    to, source = line.rstrip('\n').split('\t')
    data = open(source, 'rb').read()
    with open(to, 'r+b') as file, mmap.mmap(file.fileno(), 0) as mapping:
        for at in range(0, len(data), 4096):
            piece = data[at:at + 4096]
            mapping[at:at + len(piece)] = b'-' * len(piece)
        time.sleep(0.02)
        mapping[:] = data
    print('done', flush=True)
";

/// F7: files that are changed through memory. What is written to a page that was
/// written a moment before changes no stamp by itself, until that was synced.
pub(super) fn write_through_a_mapping(mut place: Place) -> Left {
    const SIZE: usize = 20_000;
    let mut python = Command::new("python3");
    python.args(["-c", MAPPER]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut mapper) = python.spawn() else {
        println!("passed over: writing through a mapping takes python3");
        return Left::new();
    };
    let (mut orders, answers) = (mapper.stdin.take().unwrap(), mapper.stdout.take().unwrap());
    let mut answers = BufReader::new(answers).lines();
    let source = place.aside.join("source");
    let mut left = Left::new();
    while place.goes_on(30) {
        let name = format!("database {}", place.random.below(FILES));
        let bytes = crate::harness::content(&place.title(), SIZE);
        let path = place.join(&name);
        if !path.exists() {
            fs::write(&path, vec![0; SIZE]).unwrap();
        }
        fs::write(&source, &bytes).unwrap();
        writeln!(orders, "{}\t{}", path.display(), source.display()).unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), "done");
        left.insert(name, Kept::File(bytes));
    }
    drop(orders);
    assert!(mapper.wait().unwrap().success());
    left
}

/// F8, C15: hard links that are written through and broken, and symlinks that
/// flip, become files, and become directories.
pub(super) fn link(mut place: Place) -> Left {
    let mut left = Left::new();
    let (one, other) = (place.join("one"), place.join("other"));
    let flip = place.join("current");
    while place.goes_on(15) {
        let bytes = place.content();
        match place.random.below(4) {
            0 => {
                // Both names change at once.
                fs::write(&one, &bytes).unwrap();
                until(SOON, "the link is made", || {
                    // A synced file is away for a moment while it is looked at.
                    let _ = fs::remove_file(&other);
                    fs::hard_link(&one, &other).map_err(|error| {
                        println!("in the way at {}: {error}", other.display());
                        error.to_string()
                    })
                });
                let again = place.content();
                OpenOptions::new()
                    .write(true)
                    .truncate(true)
                    .open(&other)
                    .unwrap()
                    .write_all(&again)
                    .unwrap();
                left.insert("one".into(), Kept::File(again.clone()));
                left.insert("other".into(), Kept::File(again));
            }
            1 if other.exists() => {
                // The link breaks: one name gets a file of its own.
                let beside = place.join(".one");
                fs::write(&beside, &bytes).unwrap();
                fs::rename(&beside, &one).unwrap();
                left.insert(".one".into(), Kept::Gone);
                left.insert("one".into(), Kept::File(bytes));
            }
            2 => {
                let target = format!("release {}", place.random.below(1000));
                let beside = place.join(".current");
                symlink(&target, &beside).unwrap();
                clear(&flip);
                fs::rename(&beside, &flip).unwrap();
                left.insert(".current".into(), Kept::Gone);
                left.insert("current/inside".into(), Kept::Gone);
                left.insert("current".into(), Kept::Link(target));
            }
            _ => {
                clear(&flip);
                left.remove("current");
                left.remove("current/inside");
                if place.random.below(2) == 0 {
                    fs::write(&flip, &bytes).unwrap();
                    left.insert("current".into(), Kept::File(bytes));
                } else {
                    until(SOON, "the directory is made", || {
                        fs::create_dir(&flip).map_err(|error| {
                            println!("in the way at {}: {error}", flip.display());
                            clear(&flip);
                            error.to_string()
                        })
                    });
                    fs::write(flip.join("inside"), &bytes).unwrap();
                    left.insert("current/inside".into(), Kept::File(bytes));
                }
            }
        }
    }
    left
}

fn clear(path: &std::path::Path) {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path).unwrap();
    } else {
        let _ = fs::remove_file(path);
    }
}
