//! Steps on a real tree: done when their victim is as believed, and otherwise
//! without a trace.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use common::{DEVICE, Folder, content_of, deleted, is_applied, overwritten, path, set_mode};
use driftless_core::plan::Reason;
use driftless_core::{Displaced, Outcome, Precondition, ProblemCode, Step};
use driftless_fs::{apply, heads, history, staging};

const MTIME_NS: i64 = 1_600_000_000_123_456_789;

fn directory(at: &str, mode: u16, precondition: Precondition) -> Step {
    Step::Directory { path: path(at), mode, precondition, displaced: overwritten() }
}

fn remove(at: &str, precondition: Precondition) -> Step {
    Step::Remove { path: path(at), precondition, displaced: deleted() }
}

fn link(at: &str, target: &str, precondition: Precondition) -> Step {
    let target = target.into();
    Step::Symlink { path: path(at), target, precondition, displaced: overwritten() }
}

fn touch(at: &str, mode: u16, precondition: Precondition) -> Step {
    Step::Touch { path: path(at), mode, mtime_ns: MTIME_NS, precondition }
}

#[test]
fn every_kind_of_step_does_its_work_and_reports_what_is_there_now() {
    let folder = Folder::new();
    folder.write("old", "old").write("gone", "gone").write("sub/from", "moved");
    fs::create_dir(folder.at("empty")).unwrap();
    let steps = vec![
        directory("dir", 0o750, Precondition::Absent),
        folder.install("dir/new", "new", Precondition::Absent),
        folder.install("old", "newer", folder.unchanged("old")),
        folder.install("zero", "", Precondition::Absent),
        link("dir/link", "../old", Precondition::Absent),
        remove("gone", folder.unchanged("gone")),
        remove("empty", folder.unchanged("empty")),
        Step::Move {
            from: path("sub/from"),
            from_stat: folder.stat("sub/from"),
            to: path("dir/to"),
            mode: 0o600,
            mtime_ns: MTIME_NS,
        },
        directory("sub", 0o700, folder.unchanged("sub")),
    ];
    let outcomes = apply(&folder.root, steps, &folder.rules);
    for (step, outcome) in &outcomes {
        let Outcome::Applied(stat) = outcome else { panic!("{step:?}: {outcome:?}") };
        let at = step.path().as_str();
        match stat {
            Some(stat) if at != "dir" => assert_eq!(*stat, folder.stat(at), "{at}"),
            Some(stat) => assert_eq!(stat.mode & 0o777, 0o750),
            None => assert!(!folder.exists(at), "{at}"),
        }
    }
    assert_eq!(folder.read("dir/new"), b"new");
    assert_eq!(folder.read("old"), b"newer");
    assert_eq!(folder.read("zero"), b"");
    assert_eq!(folder.read("dir/to"), b"moved");
    assert_eq!(folder.stat("dir/to").mtime_ns, MTIME_NS);
    assert_eq!(fs::read_link(folder.at("dir/link")).unwrap().to_str(), Some("../old"));
    let meta = fs::metadata(folder.at("old")).unwrap();
    assert_eq!((folder.stat("old").mtime_ns, meta.mode() & 0o777), (MTIME_NS, 0o644));
    assert_eq!(folder.history(), ["gone", "old"]);
    assert!(folder.private("staging").is_empty());
    let outcome = folder.apply(touch("old", 0o755, folder.unchanged("old")));
    assert_eq!(outcome, Outcome::Applied(Some(folder.stat("old"))));
    assert_eq!(folder.stat("old").mode & 0o777, 0o755);
}

/// What a person may do to `victim` between plan and apply.
type Edit = fn(&Folder);

/// I5, F3, F7, C14, C6
#[test]
fn a_step_whose_victim_changed_is_stale_and_leaves_everything_alone() {
    let edits: [(&str, Edit); 5] = [
        ("written", |folder| {
            folder.write("victim", "mine");
        }),
        ("replaced", |folder| {
            folder.write("tmp", "mine");
            fs::rename(folder.at("tmp"), folder.at("victim")).unwrap();
        }),
        ("written, with its time put back", |folder| {
            let before = fs::metadata(folder.at("victim")).unwrap().modified().unwrap();
            folder.write("victim", "MINE!");
            let file = fs::File::options().write(true).open(folder.at("victim")).unwrap();
            file.set_modified(before).unwrap();
        }),
        ("made a directory", |folder| {
            fs::remove_file(folder.at("victim")).unwrap();
            folder.write("victim/inside", "mine");
        }),
        ("made a symlink", |folder| {
            fs::remove_file(folder.at("victim")).unwrap();
            folder.write("target", "mine");
            symlink("target", folder.at("victim")).unwrap();
        }),
    ];
    for (name, edit) in edits {
        let steps: [fn(&Folder, Precondition) -> Step; 6] = [
            |folder, believed| folder.install("victim", "theirs", believed),
            |_, believed| remove("victim", believed),
            |_, believed| touch("victim", 0o600, believed),
            |_, believed| link("victim", "/etc/passwd", believed),
            |_, believed| directory("victim", 0o700, believed),
            |_, believed| match believed {
                Precondition::Unchanged(from_stat) => Step::Move {
                    from: path("victim"),
                    from_stat,
                    to: path("elsewhere"),
                    mode: 0o644,
                    mtime_ns: 0,
                },
                Precondition::Absent => unreachable!(),
            },
        ];
        for make in steps {
            let folder = Folder::new();
            folder.write("victim", "older");
            let step = make(&folder, folder.unchanged("victim"));
            edit(&folder);
            let (before, inode) = (folder.scan_all()[0].found.clone(), folder.stat("victim").inode);
            assert_eq!(folder.apply(step.clone()), Outcome::Stale, "{name}: {step:?}");
            assert_eq!(folder.scan_all()[0].found, before, "{name}: {step:?}");
            assert_eq!(folder.stat("victim").inode, inode);
            assert!(folder.history().is_empty());
        }
    }
}

/// C14
#[test]
fn what_was_created_or_removed_before_a_step_makes_it_stale() {
    let folder = Folder::new();
    folder.write("there", "mine");
    for step in [
        folder.install("there", "theirs", Precondition::Absent),
        link("there", "x", Precondition::Absent),
        directory("there", 0o755, Precondition::Absent),
        remove("there", Precondition::Absent),
    ] {
        assert_eq!(folder.apply(step), Outcome::Stale);
        assert_eq!(folder.read("there"), b"mine");
    }
    let believed = folder.unchanged("there");
    fs::remove_file(folder.at("there")).unwrap();
    assert_eq!(folder.apply(folder.install("there", "theirs", believed)), Outcome::Stale);
    assert_eq!(folder.apply(remove("there", believed)), Outcome::Stale);
    assert_eq!(folder.apply(remove("there", Precondition::Absent)), Outcome::Applied(None));
    let step = folder.install("no/parent", "x", Precondition::Absent);
    assert_eq!(folder.apply(step), Outcome::NoParent);
    assert!(!folder.exists("there"));
}

/// F3: a person saves again and again while versions are installed over the file.
#[test]
fn a_save_during_the_swap_is_never_lost() {
    let folder = Folder::new();
    folder.write("file", "0");
    let at = folder.at("file");
    std::thread::scope(|scope| {
        let saver = scope.spawn(|| {
            for round in 0..400 {
                let temp = at.with_extension("saving");
                fs::write(&temp, format!("mine {round}")).unwrap();
                fs::rename(&temp, &at).unwrap();
            }
        });
        let mut round = 0;
        while !saver.is_finished() {
            round += 1;
            let believed = folder.unchanged("file");
            let step = folder.install("file", &format!("theirs {round}"), believed);
            let outcome = folder.apply(step);
            assert!(matches!(outcome, Outcome::Applied(_) | Outcome::Stale), "{outcome:?}");
            assert!(folder.exists("file"), "the path is never without a file");
        }
    });
    let is_shown = folder.read("file") == b"mine 399";
    assert!(is_shown || folder.history().contains(&"mine 399".to_owned()));
    assert!(folder.private("staging").iter().all(|(_, bytes)| bytes.starts_with(b"theirs")));
}

/// C5, I16
#[test]
fn a_directory_is_removed_only_when_empty_and_nothing_below_is_touched() {
    let folder = Folder::new();
    folder.write("d/kept", "mine");
    for step in [
        remove("d", folder.unchanged("d")),
        folder.install("d", "theirs", folder.unchanged("d")),
        link("d", "x", folder.unchanged("d")),
    ] {
        let Outcome::Blocked(problem) = folder.apply(step) else { panic!() };
        assert_eq!(problem.code, ProblemCode::DirectoryNotEmpty);
        assert_eq!(folder.read("d/kept"), b"mine");
    }
    fs::remove_file(folder.at("d/kept")).unwrap();
    let step = folder.install("d", "a file now", folder.unchanged("d"));
    assert!(is_applied(&folder.apply(step)));
    assert_eq!(folder.read("d"), b"a file now");
    let step = directory("d", 0o755, folder.unchanged("d"));
    assert!(is_applied(&folder.apply(step)));
    assert!(folder.at("d").is_dir());
    assert_eq!(folder.history(), ["a file now"], "the file in the way");
}

/// I12, H2, C15, F11
#[test]
fn a_parent_swapped_for_a_symlink_leads_nowhere() {
    let folder = Folder::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), "precious").unwrap();
    folder.write("d/file", "old");
    let believed = folder.unchanged("d/file");
    let steps = [
        folder.install("d/file", "theirs", believed),
        folder.install("d/new", "theirs too", Precondition::Absent),
        remove("d/file", believed),
        touch("d/file", 0o777, believed),
        directory("d/made", 0o755, Precondition::Absent),
    ];
    fs::rename(folder.at("d"), folder.at("aside")).unwrap();
    symlink(outside.path(), folder.at("d")).unwrap();
    for step in steps {
        let outcome = folder.apply(step);
        assert!(matches!(outcome, Outcome::Stale | Outcome::NoParent), "{outcome:?}");
    }
    assert_eq!(fs::read(outside.path().join("file")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn one_side_of_a_conflict_goes_to_the_store_of_heads() {
    let folder = Folder::new();
    folder.write("file", "ours");
    let ours = content_of(b"ours");
    let Step::Install { path: at, content, size_bytes, mode, mtime_ns, precondition, .. } =
        folder.install("file", "theirs", folder.unchanged("file"))
    else {
        panic!()
    };
    let displaced = Displaced::Head(ours);
    let step =
        Step::Install { path: at, content, size_bytes, mode, mtime_ns, precondition, displaced };
    assert!(is_applied(&folder.apply(step)));
    assert!(heads::holds(&folder.root, &ours));
    assert_eq!(heads::list(&folder.root).unwrap(), [ours]);
    heads::stage(&folder.root, ours, &common::block_list(b"ours")).unwrap();
    assert!(staging::staged(&folder.root, &ours));
    let at = path("file");
    let reason = history::VersionReason::Resolved;
    let label = history::Label { path: &at, reason, device_short: &DEVICE.short(), now_ms: 0 };
    let twin = Some((&at, folder.stat("file")));
    let released = heads::release(&folder.root, &ours, &label, twin).unwrap();
    assert_eq!(released, heads::Released::ToHistory, "the tree holds something else");
    assert_eq!(folder.history(), ["ours"]);
    folder.write("file", "ours");
    heads::keep(&folder.root, &ours).unwrap();
    let twin = Some((&at, folder.stat("file")));
    let released = heads::release(&folder.root, &ours, &label, twin).unwrap();
    assert_eq!(released, heads::Released::Deleted, "the tree holds the same");
}

/// C17, I16
#[test]
fn ignored_paths_are_not_changed() {
    let folder = Folder::new();
    folder.write(".driftlessignore", "secret\n").write("secret/mine", "x").write("open", "");
    let step = remove("secret/mine", folder.unchanged("secret/mine"));
    assert_eq!(folder.apply(step), Outcome::Ignored);
    let step = folder.install("secret/new", "x", Precondition::Absent);
    assert_eq!(folder.apply(step), Outcome::Ignored);
    // Rules that arrive in the group hold for the rest of it.
    let steps = vec![
        folder.install(".driftlessignore", "open\n", folder.unchanged(".driftlessignore")),
        remove("open", folder.unchanged("open")),
    ];
    let outcomes = apply(&folder.root, steps, &folder.rules);
    assert!(is_applied(&outcomes[0].1));
    assert_eq!(outcomes[1].1, Outcome::Ignored);
}

/// F8
#[test]
fn a_hard_link_keeps_its_siblings() {
    let folder = Folder::new();
    folder.write("one", "shared");
    fs::hard_link(folder.at("one"), folder.at("two")).unwrap();
    let step = folder.install("one", "changed", folder.unchanged("one"));
    assert!(is_applied(&folder.apply(step)));
    assert_eq!((folder.read("one"), folder.read("two")), (b"changed".to_vec(), b"shared".to_vec()));
}

/// F12
#[test]
fn the_longest_names_need_no_room_for_a_temporary_one() {
    let folder = Folder::new();
    let name = "n".repeat(255);
    assert!(is_applied(&folder.apply(folder.install(&name, "1", Precondition::Absent))));
    let step = folder.install(&name, "2", folder.unchanged(&name));
    assert!(is_applied(&folder.apply(step)));
    assert_eq!(folder.history(), ["1"]);
}

#[test]
fn many_files_of_one_content_are_installed_in_one_group() {
    let folder = Folder::new();
    let mut steps: Vec<Step> = (0..40)
        .map(|index| folder.install(&format!("same{index}"), "same", Precondition::Absent))
        .collect();
    steps.push(folder.install("other", "other", Precondition::Absent));
    let outcomes = apply(&folder.root, steps, &folder.rules);
    assert!(outcomes.iter().all(|(_, outcome)| is_applied(outcome)), "{outcomes:?}");
    assert!((0..40).all(|index| folder.read(&format!("same{index}")) == b"same"));
    assert!(folder.private("staging").is_empty());
    let step = Step::Install {
        path: path("x"),
        content: content_of(b"never staged"),
        size_bytes: 12,
        mode: 0o644,
        mtime_ns: 0,
        precondition: Precondition::Absent,
        displaced: overwritten(),
    };
    assert_eq!(folder.apply(step), Outcome::NotStaged);
}

/// D6, D8
#[test]
fn nothing_is_applied_below_a_root_that_is_not_verified() {
    let folder = Folder::new();
    folder.write("file", "mine");
    let steps = vec![
        folder.install("file", "theirs", folder.unchanged("file")),
        remove("file", folder.unchanged("file")),
    ];
    fs::remove_file(folder.at(".driftless/folder")).unwrap();
    let outcomes = apply(&folder.root, steps, &folder.rules);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Blocked(_))));
    assert_eq!(folder.read("file"), b"mine");
}

/// D1
#[test]
fn a_full_disk_blocks_and_leaves_the_original() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(dir.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        return;
    }
    let at = dir.path().to_owned();
    {
        let folder = Folder::within(dir, "folder");
        folder.write("file", "old");
        let big = common::noise("big", 2 << 20);
        let staged = staging::stage_small(&folder.root, &content_of(&big), &big);
        assert!(matches!(staged, Err(staging::StageError::DiskFull)), "{staged:?}");
        assert!(!staging::staged(&folder.root, &content_of(&big)));
        assert!(folder.private("staging").is_empty());
        assert!(folder.root.free_space().unwrap() > 500_000);
        // Room for the new file, but not for a directory of history to put the old one in.
        let step = folder.install("file", "new", folder.unchanged("file"));
        let filler = fs::File::create(folder.at("filler")).unwrap();
        let mut written = 0;
        while std::os::unix::fs::FileExt::write_at(&filler, &[1; 4096], written).is_ok() {
            written += 4096;
        }
        let outcome = folder.apply(step);
        match outcome {
            Outcome::Applied(_) => assert_eq!(folder.history(), ["old"]),
            Outcome::Blocked(problem) => {
                assert_eq!(problem.code, ProblemCode::DiskFull);
                assert_eq!(folder.read("file"), b"old");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(std::process::Command::new("umount").arg("-l").arg(at).status().unwrap().success());
}

#[test]
fn a_closed_directory_of_ours_still_gets_its_children() {
    let folder = Folder::new();
    folder.write("d/file", "old");
    set_mode(&folder.at("d"), 0o500);
    let steps = vec![
        folder.install("d/file", "new", folder.unchanged("d/file")),
        folder.install("d/more", "more", Precondition::Absent),
    ];
    let outcomes = apply(&folder.root, steps, &folder.rules);
    assert!(outcomes.iter().all(|(_, outcome)| is_applied(outcome)), "{outcomes:?}");
    let mode = fs::metadata(folder.at("d")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o500);
}

#[test]
fn the_reason_of_a_displacement_is_in_its_name() {
    let folder = Folder::new();
    folder.write("a/report.txt", "old");
    let step = Step::Remove {
        path: path("a/report.txt"),
        precondition: folder.unchanged("a/report.txt"),
        displaced: Displaced::History { by: DEVICE, reason: Reason::Reverted },
    };
    assert!(is_applied(&folder.apply(step)));
    let versions = history::list(&folder.root, Some(&path("a"))).unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].path, path("a/report.txt"));
    assert_eq!(versions[0].reason, history::VersionReason::Reverted);
    assert_eq!(versions[0].device_short, DEVICE.short());
    assert!(versions[0].id.starts_with("a/report~") && versions[0].id.ends_with(".txt"));
}
