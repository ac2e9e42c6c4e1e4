//! Hearing of changes, in time and not too often.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use common::{Folder, path};
use crossbeam_channel::{Receiver, bounded};
use driftless_core::RelPath;
use driftless_fs::{Scope, WatchEvent, Watcher};

const DEADLINE: Duration = Duration::from_secs(10);

struct Watched {
    folder: Folder,
    events: Receiver<WatchEvent>,
    _watcher: Watcher,
}

fn watch(folder: Folder) -> Watched {
    let (sender, events) = bounded(64);
    let watcher = Watcher::start(&folder.root, sender, &folder.rules);
    Watched { folder, events, _watcher: watcher }
}

impl Watched {
    /// Waits until told of `text`, on its own or as part of a scope.
    fn hear(&self, text: &str) -> Scope {
        let path: RelPath = path(text);
        let end = Instant::now() + DEADLINE;
        loop {
            let event = self.events.recv_deadline(end).unwrap_or_else(|_| panic!("{text}"));
            let WatchEvent::Changed(scopes) = event else { panic!("{event:?}") };
            let covers = |scope: &Scope| match &scope.path {
                Some(at) => path == *at || (scope.recursive && path.is_within(at)),
                None => true,
            };
            if let Some(scope) = scopes.into_iter().find(covers) {
                return scope;
            }
        }
    }
}

#[test]
fn a_lone_save_is_told_within_a_tenth_of_a_second() {
    let folder = Folder::new();
    folder.write("d/file", "old");
    let watched = watch(folder);
    let mut best = Duration::MAX;
    for text in ["one", "two", "three"] {
        let saved = Instant::now();
        watched.folder.write("d/file", text);
        let scope = watched.hear("d/file");
        best = best.min(saved.elapsed());
        assert_eq!(scope, Scope { path: Some(path("d/file")), recursive: false });
        // Pauses shrink again once it is quiet.
        assert!(watched.events.recv_timeout(Duration::from_millis(300)).is_err());
    }
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[test]
fn new_and_moved_directories_are_watched_with_all_that_they_hold() {
    let folder = Folder::new();
    folder.write("old/deep/file", "");
    let watched = watch(folder);
    let folder = &watched.folder;
    fs::create_dir_all(folder.at("new/a/b")).unwrap();
    folder.write("new/a/b/early", "");
    watched.hear("new/a/b/early");
    folder.write("new/a/b/late", "");
    watched.hear("new/a/b/late");
    fs::rename(folder.at("old"), folder.at("moved")).unwrap();
    assert!(watched.hear("moved").recursive);
    folder.write("moved/deep/file", "again");
    watched.hear("moved/deep/file");
    fs::remove_dir_all(folder.at("moved/deep")).unwrap();
    watched.hear("moved/deep");
}

#[test]
fn private_and_ignored_paths_are_not_heard_of() {
    let folder = Folder::new();
    folder.write(".driftlessignore", "skip/\n").write("skip/a", "");
    let watched = watch(folder);
    let folder = &watched.folder;
    folder.write("skip/a", "changed");
    folder.write(".driftless/staging/x", "changed");
    assert!(watched.events.recv_timeout(Duration::from_millis(300)).is_err());
    folder.write(".driftlessignore", "");
    assert_eq!(watched.events.recv_timeout(DEADLINE), Ok(WatchEvent::Rescan), "rules changed");
    folder.write("skip/a", "heard");
    watched.hear("skip/a");
}

/// D10
#[test]
fn a_storm_is_gathered_and_nothing_of_it_is_missed() {
    let watched = watch(Folder::new());
    for index in 0..6_000 {
        watched.folder.write(&format!("storm/{}/{index}", index % 20), "");
    }
    watched.folder.write("storm/end", "");
    let (mut events, mut is_all) = (0, false);
    let mut scopes: Vec<Scope> = Vec::new();
    let end = Instant::now() + DEADLINE;
    while !is_all {
        events += 1;
        match watched.events.recv_deadline(end).expect("the end of the storm is told") {
            WatchEvent::Changed(some) => scopes.extend(some),
            WatchEvent::Rescan => is_all = true,
            WatchEvent::Degraded(why) => panic!("{why}"),
        }
        let told = |text: &str| {
            let path = path(text);
            scopes.iter().any(|scope| {
                scope
                    .path
                    .as_ref()
                    .is_some_and(|at| *at == path || (scope.recursive && path.is_within(at)))
            })
        };
        is_all |= told("storm/end") && told("storm/19/5999");
    }
    assert!(events < 60, "{events}");
}

/// F4
#[test]
fn a_file_kept_open_is_told_of_when_closed() {
    let watched = watch(Folder::new());
    let mut file = fs::File::create(watched.folder.at("log")).unwrap();
    file.write_all(b"one").unwrap();
    drop(file);
    watched.hear("log");
}

/// D8
#[test]
fn a_root_that_goes_away_is_told_of() {
    let watched = watch(Folder::new());
    fs::rename(&watched.folder.base, watched.folder.base.with_extension("aside")).unwrap();
    assert_eq!(watched.events.recv_timeout(DEADLINE), Ok(WatchEvent::Rescan));
}
