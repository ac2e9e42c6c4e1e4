//! Files that are not what one expects.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::harness::{
    SOON, Scratch, append_to, bytes_on_disk, check, settle, settle_equal, two_devices, until,
};

/// A program that logs a lot writes a line this often.
const BETWEEN_LINES: Duration = Duration::from_millis(50);

/// F6, F9, F10, F11, F12, C15: names, links, and what is no file.
#[test]
fn f10_names_and_links_of_every_kind_arrive_as_they_are_or_are_left_alone_and_reported() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    let outside = scratch.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("not ours"), "untouched").unwrap();

    let longest = "x".repeat(255);
    let widest = "ü".repeat(127);
    for name in ["empty", "two\nlines", "a:b", "CON", "dot.", " ", "-rf", "tab\tand \u{202e}rtl"] {
        fs::write(here.join(name), "").unwrap();
    }
    for name in [&longest, &widest] {
        fs::write(here.join(name), name).unwrap();
    }
    let deep = here.join((0..40).map(|_| "deep").collect::<Vec<_>>().join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("down"), "there").unwrap();
    fs::create_dir_all(here.join("nothing/in/it")).unwrap();
    fs::write(here.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(here.join("run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("nowhere/at all", here.join("dangling")).unwrap();
    symlink(&outside, here.join("to outside")).unwrap();
    symlink("loop", here.join("loop")).unwrap();
    let bytes = OsStr::from_bytes(b"not \xff UTF-8");
    fs::write(here.join(bytes), "stays here").unwrap();
    mkfifoat(CWD, here.join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    settle("notes", &[&ada, &bob]);

    let problem = ada.has_problem("notes", "name-not-utf8");
    assert!(problem["path"].as_str().unwrap().contains("UTF-8"), "{problem}");
    ada.has_problem("notes", "special-file");
    assert_eq!(fs::read(here.join(bytes)).unwrap(), b"stays here");
    assert!(!there.join(bytes).exists() && !there.join("fifo").exists());
    assert_eq!(fs::read_link(there.join("to outside")).unwrap(), outside);
    // Without the two that are not synced, both sides are the same.
    fs::remove_file(here.join(bytes)).unwrap();
    fs::remove_file(here.join("fifo")).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let problems = ada.folder("notes")["problems"].clone();
    assert_eq!(problems, serde_json::json!([]), "what is over is no problem any more");

    // Edits, and kinds that change under one name.
    fs::write(there.join(&longest), "edited").unwrap();
    fs::rename(there.join("two\nlines"), there.join("three\n\nlines")).unwrap();
    fs::remove_file(there.join("to outside")).unwrap();
    fs::create_dir(there.join("to outside")).unwrap();
    fs::write(there.join("to outside/own"), "own").unwrap();
    fs::remove_dir_all(there.join("nothing")).unwrap();
    symlink(&outside, there.join("nothing")).unwrap();
    fs::set_permissions(there.join("run.sh"), fs::Permissions::from_mode(0o640)).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read(here.join(&longest)).unwrap(), b"edited");
    fs::remove_file(here.join("nothing")).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let left: Vec<_> = fs::read_dir(&outside).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing is written through a link");
    assert_eq!(fs::read(outside.join("not ours")).unwrap(), b"untouched");
    assert_eq!(ada.conflicts("notes"), []);
}

/// C17, I16: rules take from sync, never from a disk.
#[test]
fn c17_ignoring_what_was_synced_deletes_it_nowhere_and_rules_travel() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes"), bob.path("notes"));
    fs::create_dir_all(here.join("project/cache")).unwrap();
    for path in ["draft.tmp", "project/cache/big", "project/kept.tmp", "project/source"] {
        fs::write(here.join(path), "as it was").unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);

    fs::write(here.join(".driftlessignore"), "*.tmp\n").unwrap();
    fs::write(here.join("project/.driftlessignore"), "/cache/\n!kept.tmp\n").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    fs::write(here.join("draft.tmp"), "ada's own now").unwrap();
    fs::remove_file(there.join("project/cache/big")).unwrap();
    fs::write(there.join("project/cache/other"), "bob's own").unwrap();
    fs::write(there.join("other.tmp"), "bob's own").unwrap();
    fs::write(there.join("project/kept.tmp"), "edited by bob").unwrap();
    settle("notes", &[&ada, &bob]);
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(text(&here.join("draft.tmp")), "ada's own now");
    assert_eq!(text(&there.join("draft.tmp")), "as it was");
    assert_eq!(text(&here.join("project/cache/big")), "as it was");
    assert!(!here.join("project/cache/other").exists() && !here.join("other.tmp").exists());
    assert_eq!(text(&here.join("project/kept.tmp")), "edited by bob");

    // The directory goes on one side; the other keeps what its rules cover.
    fs::remove_dir_all(here.join("project")).unwrap();
    until(SOON, "what is synced goes", || {
        check(!there.join("project/source").exists(), || bob.folder("notes").to_string())
    });
    settle("notes", &[&ada, &bob]);
    assert_eq!(text(&there.join("project/cache/other")), "bob's own");
}

/// F5: holes stay holes, and cost neither time nor memory.
#[test]
fn f5_a_sparse_file_of_a_gibibyte_stays_sparse() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let file = File::create(ada.path("notes").join("disk.img")).unwrap();
    file.set_len(1 << 30).unwrap();
    file.write_all_at(b"in the middle", 700 << 20).unwrap();
    drop(file);
    settle_equal("notes", &[&ada, &bob]);
    let used = bytes_on_disk(&bob.path("notes").join("disk.img"));
    assert!(used < 16 << 20, "{used} bytes on disk");
}

/// Ends the writing when the test does, however it does.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// F4, F1: a file that grows all the time arrives nevertheless, and never half old and half new.
#[test]
fn f4_every_copy_of_a_growing_log_is_a_beginning_of_it() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let (here, there) = (ada.path("notes").join("log"), bob.path("notes").join("log"));
    let is_done = AtomicBool::new(false);
    let copies = std::thread::scope(|scope| {
        let _done = Done(&is_done);
        scope.spawn(|| {
            let mut log = append_to(&here);
            let mut number = 0;
            while !is_done.load(Ordering::Relaxed) {
                writeln!(log, "{number}: something happened that is worth a line").unwrap();
                number += 1;
                std::thread::sleep(BETWEEN_LINES);
            }
        });
        let mut copies: Vec<Vec<u8>> = Vec::new();
        until(SOON, "the log has come several times", || {
            let copy = fs::read(&there).unwrap_or_default();
            if copies.last().is_none_or(|last| last.len() != copy.len()) {
                copies.push(copy);
            }
            check(copies.len() > 3, || format!("{} copies", copies.len()))
        });
        copies
    });
    settle_equal("notes", &[&ada, &bob]);
    let log = fs::read(&here).unwrap();
    for copy in copies {
        assert!(log.starts_with(&copy), "{} bytes are no beginning of the log", copy.len());
    }
    assert_eq!(ada.conflicts("notes"), []);
}
