//! What a look at the disk reports, and what it must not claim.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicBool;

use common::{Folder, INSTANCE, folder_id, found, observed, path};
use driftless_core::{InstanceId, Observed, ProblemCode, RelPath};
use driftless_fs::{Absence, Root, RootError, Scope, confirm_absent, scan};

#[test]
fn a_scan_finds_all_kinds_in_path_order_and_nothing_private() {
    let folder = Folder::new();
    folder.write("b/file", "x").write("a.txt", "").write("b/c/deep", "y").write("b-side", "");
    symlink("/nowhere", folder.at("b/link")).unwrap();
    let batches = folder.scan_all();
    assert_eq!(found(&batches), ["a.txt", "b", "b/c", "b/c/deep", "b/file", "b/link", "b-side"]);
    let Some(Observed::Symlink(_, target)) = observed(&batches, "b/link") else { panic!() };
    assert_eq!(&**target, "/nowhere");
    assert_eq!(observed(&batches, "b/file"), Some(&Observed::File(folder.stat("b/file"))));
    assert_eq!((&batches[0].within, &batches[0].after, &batches[0].upto), (&None, &None, &None));
}

#[test]
fn large_scans_come_in_stretches_without_a_gap() {
    let folder = Folder::new();
    for dir in 0..3 {
        for file in 0..1400 {
            folder.write(&format!("d{dir}/{file:04}"), "");
        }
    }
    let batches = folder.scan_all();
    assert_eq!(found(&batches).len(), 4203);
    assert!(batches.len() > 1);
    let mut end: Option<RelPath> = None;
    for batch in &batches {
        assert!(batch.found.len() <= 4096);
        assert_eq!(batch.after, end);
        assert!(batch.found.is_sorted_by(|a, b| a.0 < b.0));
        end = batch.upto.clone();
    }
    assert_eq!(end, None, "the last stretch is open");
}

/// What threads see ahead of the walk is taken up where it belongs, however wide or deep.
#[test]
fn a_full_scan_of_a_wide_and_deep_tree_finds_all_of_it_once_and_in_order() {
    let folder = Folder::new();
    let mut written = Vec::new();
    for wide in 0..15 {
        for deep in 0..15 {
            let levels = "in/".repeat(deep % 7);
            let name = format!("{wide:02}/{levels}{deep:02}/file");
            folder.write(&name, "x");
            written.push(path(&name));
        }
    }
    folder.write("05/.driftlessignore", "in\n").write("12/.driftlessignore", "*\n!0*\n!0*/**\n");
    for _ in 0..3 {
        let batches = folder.scan_all();
        let seen: Vec<_> = batches.iter().flat_map(|batch| &batch.found).collect();
        assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
        let is_expected = |file: &&RelPath| {
            !file.as_str().starts_with("05/in/")
                && (!file.as_str().starts_with("12/") || file.as_str().starts_with("12/0"))
        };
        let expected: Vec<_> = written.iter().filter(is_expected).collect();
        let mut files: Vec<_> =
            seen.iter().map(|(path, _)| path).filter(|path| path.name() == "file").collect();
        files.sort();
        let mut sorted = expected.clone();
        sorted.sort();
        assert_eq!(files, sorted);
        for (path, observed) in seen {
            let stat = folder.stat(path.as_str());
            match observed {
                Observed::File(seen) | Observed::Directory(seen) => assert_eq!(*seen, stat),
                other => panic!("{path} is {other:?}"),
            }
        }
    }
}

/// F9, F10
#[test]
fn special_files_and_odd_names_are_reported_and_never_opened() {
    let folder = Folder::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.at("fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    fs::write(folder.base.join(OsStr::from_bytes(b"bad\xff")), "kept").unwrap();
    let long = "n".repeat(255);
    for name in ["new\nline", "CON", "dot.", "a:b", &long] {
        folder.write(name, "x");
    }
    let batches = folder.scan_all();
    assert_eq!(found(&batches), ["CON", "a:b", "dot.", "new\nline", &long]);
    assert_eq!(batches[0].unknown, [path("fifo")]);
    let codes: Vec<_> = batches[0].problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [ProblemCode::NameNotUtf8, ProblemCode::SpecialFile]);
}

#[test]
fn a_scope_tells_what_it_covered() {
    let folder = Folder::new();
    folder.write("d/one", "1").write("d/sub/two", "2");
    let alone = |text: &str| {
        let scope = Scope { path: Some(path(text)), recursive: false };
        folder.scan(&[scope]).remove(0)
    };
    let file = alone("d/one");
    assert_eq!((found(std::slice::from_ref(&file)), file.upto.clone()), (vec!["d/one"], None));
    let dir = alone("d");
    assert_eq!((found(std::slice::from_ref(&dir)), dir.upto.clone()), (vec!["d"], Some(path("d"))));
    let gone = alone("d/gone");
    assert_eq!((gone.within, gone.found.len()), (Some(path("d/gone")), 0));
    let far = alone("no/such/thing");
    assert_eq!((far.within, far.found.len()), (Some(path("no")), 0), "the outermost absent one");
    let below_file = alone("d/one/x");
    assert_eq!(below_file.within, Some(path("d/one")));
    assert_eq!(below_file.found.len(), 1);
    let whole = folder.scan(&[Scope { path: Some(path("d")), recursive: true }]);
    assert_eq!(found(&whole), ["d", "d/one", "d/sub", "d/sub/two"]);
}

/// F11, C15
#[test]
fn a_symlink_in_the_way_is_seen_and_not_followed() {
    let folder = Folder::new();
    folder.write("real/file", "x");
    symlink("real", folder.at("link")).unwrap();
    let scope = Scope { path: Some(path("link/file")), recursive: true };
    let batches = folder.scan(&[scope]);
    assert_eq!(batches[0].within, Some(path("link")));
    assert_eq!(found(&batches), ["link"]);
}

/// D6
#[test]
fn another_mount_is_unknown_and_not_absent() {
    let folder = Folder::new();
    folder.write("mnt/kept", "x").write("a", "");
    let Some(_mount) = Tmpfs::at(&folder.at("mnt"), "1m") else { return };
    let batches = folder.scan_all();
    assert_eq!(found(&batches), ["a"]);
    assert_eq!(batches[0].unknown, [path("mnt")]);
    let below = folder.scan(&[Scope { path: Some(path("mnt/kept")), recursive: false }]);
    assert_eq!(below[0].unknown, [path("mnt")]);
    let seen = confirm_absent(&folder.root, vec![path("mnt/kept")], &folder.rules);
    assert_eq!(seen[0].1, Absence::Unknown);
}

/// D2, D5; root may read everything, so that only others can tell.
#[test]
fn a_closed_directory_is_unknown_and_not_absent() {
    let folder = Folder::new();
    folder.write("closed/kept", "x").write("open", "");
    common::set_mode(&folder.at("closed"), 0);
    if !rustix::process::geteuid().is_root() {
        let batches = folder.scan_all();
        assert_eq!(found(&batches), ["open"]);
        assert_eq!(batches[0].unknown, [path("closed")]);
        assert_eq!(batches[0].problems[0].code, ProblemCode::Unreadable);
        let seen = confirm_absent(&folder.root, vec![path("closed/kept")], &folder.rules);
        assert_eq!(seen[0].1, Absence::Unknown);
    }
    common::set_mode(&folder.at("closed"), 0o700);
    assert_eq!(found(&folder.scan_all()), ["closed", "closed/kept", "open"]);
}

/// I4, D6, D7, D8
#[test]
fn only_a_listing_below_a_verified_root_makes_an_absence() {
    let folder = Folder::new();
    folder.write("d/here", "x").write("file", "").write(".driftlessignore", "*.tmp\n");
    let look = |folder: &Folder| {
        let paths = ["d/here", "d/gone", "no/such", "file/below", "x.tmp"].map(path);
        let seen = confirm_absent(&folder.root, paths.to_vec(), &folder.rules);
        seen.into_iter().map(|(_, absence)| absence).collect::<Vec<_>>()
    };
    use Absence::{Absent, Ignored, Present, Unknown};
    assert_eq!(look(&folder), [Present, Absent, Absent, Absent, Ignored]);
    fs::rename(folder.at(".driftless/folder"), folder.at(".driftless/hidden")).unwrap();
    assert_eq!(look(&folder), [Unknown; 5]);
}

/// D6, D7, D8, P10
#[test]
fn a_root_that_is_not_the_folder_is_refused_and_nothing_is_made() {
    let folder = Folder::new();
    let open = |instance| Root::open(&folder.base, &folder_id(), instance);
    assert!(open(INSTANCE).is_ok());
    assert!(matches!(open(InstanceId([6; 16])), Err(RootError::WrongInstance { .. })));
    let never = AtomicBool::new(false);
    let everything = [Scope { path: None, recursive: true }];
    let scan_fails = || {
        let mut emitted = 0;
        scan(&folder.root, &everything, &folder.rules, &never, &mut |_| emitted += 1)
            .map_err(|error| (error, emitted))
    };
    let aside = folder.base.with_extension("aside");
    fs::rename(&folder.base, &aside).unwrap();
    assert!(matches!(open(INSTANCE), Err(RootError::Missing)));
    assert!(matches!(scan_fails(), Err((RootError::Missing, 0))));
    assert!(!folder.base.exists());
    fs::create_dir(&folder.base).unwrap();
    assert!(matches!(open(INSTANCE), Err(RootError::MarkerMissing)));
    assert!(matches!(scan_fails(), Err((RootError::Replaced, 0))));
    assert_eq!(fs::read_dir(&folder.base).unwrap().count(), 0);
    let other = driftless_core::FolderId::from_random([8; 10]);
    assert!(matches!(
        Root::create(&aside, &other, INSTANCE),
        Err(RootError::WrongFolder { found }) if found == folder_id()
    ));
    assert_eq!(Root::read_marker(&aside).unwrap().unwrap().instance, INSTANCE);
}

/// C17, I16
#[test]
fn the_nearest_rule_decides_and_ignored_trees_are_left_out() {
    let folder = Folder::new();
    folder
        .write(".driftlessignore", "*.log\n/build/\n!keep.log\n")
        .write("sub/.driftlessignore", "!*.log\nsecret\n[z-a]\n")
        .write("a.log", "")
        .write("keep.log", "")
        .write("sub/b.log", "")
        .write("sub/secret/deep", "")
        .write("build/out", "")
        .write("sub/build/kept", "");
    let batches = folder.scan_all();
    assert_eq!(
        found(&batches),
        [
            ".driftlessignore",
            "keep.log",
            "sub",
            "sub/.driftlessignore",
            "sub/b.log",
            "sub/build",
            "sub/build/kept"
        ]
    );
    assert_eq!(batches[0].ignored, ["a.log", "build", "sub/secret"].map(path));
    assert!(folder.rules.is_ignored(&path("build/out"), false), "below an ignored directory");
    assert!(folder.rules.changed() && !folder.rules.changed());
    folder.write("sub/.driftlessignore", "");
    assert!(folder.rules.is_ignored(&path("sub/b.log"), false), "rules are read as they are now");
    assert!(folder.rules.changed());
}

/// I16
#[test]
fn a_bad_rule_is_told_and_an_unreadable_file_of_rules_ignores_all_that_it_may_cover() {
    let folder = Folder::new();
    folder.write("d/.driftlessignore", "a\n[z-a]\n").write("d/b", "").write("e", "");
    folder.scan_all();
    let problems = folder.rules.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].code, ProblemCode::IgnoreRule);
    assert!(problems[0].message.contains("line 2"), "{}", problems[0].message);
    fs::remove_file(folder.at("d/.driftlessignore")).unwrap();
    folder.scan_all();
    symlink("/etc/passwd", folder.at("d/.driftlessignore")).unwrap();
    let batches = folder.scan_all();
    assert_eq!(found(&batches), ["d", "d/.driftlessignore", "e"]);
    assert_eq!(batches[0].ignored, [path("d/b")]);
}

/// A small file system of its own; only root can mount one.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn at(at: &std::path::Path, size: &str) -> Option<Self> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}
