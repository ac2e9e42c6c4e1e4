//! Programs that hammer both sides of a folder in all the ways that programs write.
//!
//! Every writer keeps a ledger of what it wrote. What one writer alone touches
//! must be on both devices as it was left, and no conflict; what writers on
//! both devices edit may conflict, but nothing is gone that nobody had seen.
//! `DRIFTLESS_STRESS_SECONDS` sets how long it goes on.

mod owned;
mod shared;
mod trees;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{
    Device, Random, Scratch, assert_same, content, introduce, seed, settle, settle_equal, share,
};
use shared::Edit;

/// How long the writers go on where nobody says.
const SECONDS: u64 = 20;

/// Where a writer works, and for how long.
struct Place {
    /// The writer's own directory, or the folder's root for what is shared.
    root: PathBuf,
    /// Beside the folder: what is here is not synced.
    aside: PathBuf,
    /// Which writer it is, for titles.
    name: String,
    random: Random,
    until: Instant,
    count: u64,
}

/// What a path must hold in the end.
enum Kept {
    File(Vec<u8>),
    Link(String),
    Gone,
}

/// What a writer left, by path below its directory.
type Left = BTreeMap<String, Kept>;

impl Place {
    /// Whether to go on, at the pace of a busy program.
    fn goes_on(&mut self, pace_ms: u64) -> bool {
        thread::sleep(Duration::from_millis(self.random.below(2 * pace_ms + 1)));
        Instant::now() < self.until
    }

    fn title(&mut self) -> String {
        self.count += 1;
        format!("{} write {}", self.name, self.count)
    }

    /// New content, of which there is no other.
    fn content(&mut self) -> Vec<u8> {
        let size = match self.random.below(10) {
            0 => 300_000 + self.random.below(200_000),
            1..4 => 10_000 + self.random.below(50_000),
            _ => 100 + self.random.below(4_000),
        };
        content(&self.title(), size as usize)
    }

    fn join(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

/// A writer that nobody else interferes with.
type Writer = fn(Place) -> Left;

const WRITERS: &[(&str, Writer)] = &[
    ("editor", owned::save_by_renaming),
    ("log", owned::append),
    ("rewriter", owned::rewrite_in_place),
    ("clock", owned::put_the_time_back),
    ("mapped", owned::write_through_a_mapping),
    ("links", owned::link),
    ("git", trees::use_git),
    ("packages", trees::install_packages),
    ("moves", trees::rename_directories),
];

fn duration() -> Duration {
    let given = std::env::var("DRIFTLESS_STRESS_SECONDS").ok();
    Duration::from_secs(given.map_or(SECONDS, |seconds| seconds.parse().unwrap()))
}

/// Only the writers that `DRIFTLESS_STRESS_WRITERS` names, or all.
fn is_wanted(writer: &str) -> bool {
    let named = std::env::var("DRIFTLESS_STRESS_WRITERS").ok();
    named.is_none_or(|named| named.split(',').any(|name| name == writer))
}

fn place(device: &Device, writer: &str, seed: u64, until: Instant) -> Place {
    let name = format!("{} {writer}", device.name());
    let root = device.path("notes").join(&name);
    let aside = device.path("aside").join(writer);
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(&aside).unwrap();
    // A generator of this kind must not begin at zero.
    let random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    Place { root, aside, name, random, until, count: 0 }
}

/// Two devices whose brake stays off: whole trees come and go here.
fn two_unbraked_devices(scratch: &Scratch) -> (Device, Device) {
    let (mut ada, mut bob) = (Device::new(scratch, "ada"), Device::new(scratch, "bob"));
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    for device in [&mut ada, &mut bob] {
        device.configure_folders("mass_change = \"off\"");
        device.start();
    }
    settle("notes", &[&ada, &bob]);
    (ada, bob)
}

/// C1, C11, C12, C13, F1, F3, F4, F7, F8, I1, I5, I6, I8: races on a live disk.
#[test]
fn i1_programs_of_all_kinds_hammering_both_sides_lose_nothing() {
    let seed = seed();
    let scratch = Scratch::new();
    let (ada, bob) = two_unbraked_devices(&scratch);
    let until = Instant::now() + duration();
    let mut left: Vec<(String, Left)> = Vec::new();
    let mut edits: Vec<Edit> = Vec::new();
    thread::scope(|scope| {
        let (mut owners, mut sharers) = (Vec::new(), Vec::new());
        for (side, device) in [(1, &ada), (2, &bob)] {
            let wanted = WRITERS.iter().filter(|(name, _)| is_wanted(name));
            for ((name, writer), number) in wanted.zip(side * 100..) {
                let place = place(device, name, seed.wrapping_add(number), until);
                let at = place.name.clone();
                owners.push((at, scope.spawn(move || writer(place))));
            }
            if is_wanted("shared") {
                let place = place(device, "shared", seed.wrapping_add(side), until);
                let root = device.path("notes").join("shared");
                fs::create_dir_all(&root).unwrap();
                sharers.push(scope.spawn(move || shared::edit(Place { root, ..place })));
            }
        }
        left.extend(owners.into_iter().map(|(name, owner)| (name, owner.join().unwrap())));
        edits.extend(sharers.into_iter().flat_map(|sharer| sharer.join().unwrap()));
    });
    let done = Instant::now();
    settle_equal("notes", &[&ada, &bob]);
    println!("settled {:?} after the last write", done.elapsed());

    let mut wrong = Vec::new();
    for device in [&ada, &bob] {
        for (writer, left) in &left {
            let root = device.path("notes").join(writer);
            wrong.extend(left.iter().filter_map(|(path, kept)| differs(&root.join(path), kept)));
        }
        let strays = device.conflicts("notes").into_iter().map(|(path, _)| path);
        let strays = strays.filter(|path| !path.starts_with("shared/"));
        wrong.extend(strays.map(|path| format!("{}: a conflict at {path}", device.name())));
        for surprise in ["breaks the rules", "damaged", "panicked"] {
            assert!(!device.logged().contains(surprise), "{} logged: {surprise}", device.name());
        }
    }
    let roots = [&ada, &bob].map(|device| device.path("notes"));
    wrong.extend(shared::lost(&edits, &roots));
    let anew = [&ada, &bob].map(|device| device.logged().matches("a new epoch begins").count());
    println!("{} edits of shared files, {} writers alone", edits.len(), left.len());
    println!("began anew with each other {anew:?} times");
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_same(&roots[0], &roots[1]);
    trees::check_git(&roots[1]);
}

/// Says how a path is not as its writer left it.
fn differs(path: &Path, kept: &Kept) -> Option<String> {
    let found = match kept {
        Kept::Gone => fs::symlink_metadata(path).err().map(|_| "nothing".to_owned()),
        Kept::Link(target) => fs::read_link(path)
            .ok()
            .filter(|found| found.as_os_str() == target.as_str())
            .map(|_| String::new()),
        Kept::File(bytes) => {
            fs::read(path).ok().filter(|found| found == bytes).map(|_| String::new())
        }
    };
    if found.is_some() {
        return None;
    }
    let wanted = match kept {
        Kept::Gone => "nothing".to_owned(),
        Kept::Link(target) => format!("a link to {target}"),
        Kept::File(bytes) => title(bytes),
    };
    let seen = match (fs::read_link(path), fs::read(path)) {
        (Ok(target), _) => format!("a link to {}", target.display()),
        (_, Ok(bytes)) => title(&bytes),
        (_, Err(error)) => error.to_string(),
    };
    Some(format!("{}: {seen}, not {wanted}", path.display()))
}

fn title(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
    format!("{line:?} ({} bytes)", bytes.len())
}
