//! Writers of whole trees: git, package managers, people who tidy up.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use super::{Kept, Left, Place};
use crate::harness::{SOON, content, until};

fn git(at: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(at).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
    command.args([
        "-c",
        "init.defaultBranch=main",
        "-c",
        "gc.auto=0",
        "-c",
        "advice.detachedHead=false",
    ]);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "git {arguments:?}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

/// Commits, branches, merges of nothing, and packs, in a repository of its own.
pub(super) fn use_git(mut place: Place) -> Left {
    let mut left = Left::new();
    let repository = place.join("repository");
    fs::create_dir(&repository).unwrap();
    git(&repository, &["init", "-q"]);
    let mut branches = vec!["main".to_owned()];
    while place.goes_on(60) {
        match place.random.below(6) {
            0 if place.count > 0 => {
                let name = format!("topic-{}", branches.len());
                git(&repository, &["checkout", "-q", "-b", &name]);
                branches.push(name);
            }
            1 | 2 if place.count > 0 => {
                let name = &branches[place.random.below(branches.len() as u64) as usize];
                git(&repository, &["checkout", "-q", name]);
            }
            3 if place.count > 0 => {
                git(&repository, &["gc", "-q", "--prune=now"]);
            }
            _ => {
                for _ in 0..=place.random.below(5) {
                    let dir = repository.join(format!("src/{}", place.random.below(3)));
                    fs::create_dir_all(&dir).unwrap();
                    let bytes = place.content();
                    fs::write(dir.join(format!("file {}", place.random.below(8))), bytes).unwrap();
                }
                git(&repository, &["add", "-A"]);
                let title = place.title();
                git(&repository, &["commit", "-q", "--allow-empty", "-m", &title]);
            }
        }
    }
    if place.count > 0 {
        assert_eq!(git(&repository, &["status", "--porcelain"]), "");
        let head = git(&repository, &["rev-parse", "HEAD"]);
        // Beside the repository, so that the other device's copy can be held against it.
        fs::write(place.join("head"), &head).unwrap();
        left.insert("head".to_owned(), Kept::File(head.into_bytes()));
    }
    left
}

/// Every repository below the root is sound, and at the commit that its writer left it at.
pub(super) fn check_git(root: &Path) {
    for name in ["ada git", "bob git"].map(|name| root.join(name)) {
        let Ok(head) = fs::read_to_string(name.join("head")) else { continue };
        let repository = name.join("repository");
        git(&repository, &["fsck", "--full", "--strict"]);
        assert_eq!(git(&repository, &["rev-parse", "HEAD"]), head);
        assert_eq!(git(&repository, &["status", "--porcelain"]), "");
    }
}

/// As `npm install` does: packages are put together in a staging directory,
/// renamed to their places, deleted as a whole, and installed again.
pub(super) fn install_packages(mut place: Place) -> Left {
    const PACKAGES: u64 = 12;
    const FILES: u64 = 60;
    let mut left = Left::new();
    let (modules, staging) = (place.join("node_modules"), place.join("node_modules/.staging"));
    let mut generation = 0;
    while place.goes_on(300) {
        generation += 1;
        remove(&modules);
        fs::create_dir_all(&staging).unwrap();
        left.values_mut().for_each(|kept| *kept = Kept::Gone);
        for package in 0..PACKAGES {
            let beside = staging.join(format!("package-{package}-{generation}"));
            // Half of the packages are the same each time.
            let version = if package % 2 == 0 { 0 } else { generation };
            for file in 0..FILES {
                let path = format!("lib/{}/{file}.js", file % 4);
                let at = beside.join(&path);
                fs::create_dir_all(at.parent().unwrap()).unwrap();
                let title = format!("{} {package} {version} {file}", place.name);
                let bytes = content(&title, 200 + 40 * file as usize);
                fs::write(&at, &bytes).unwrap();
                left.insert(format!("node_modules/package-{package}/{path}"), Kept::File(bytes));
            }
            put_in_place(&beside, &modules.join(format!("package-{package}")));
        }
        remove(&staging);
    }
    left
}

/// As npm does: renames a tree to its place, again if something was put there meanwhile.
fn put_in_place(from: &Path, to: &Path) {
    let what = format!("{} is put in place", to.display());
    until(SOON, &what, || match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
            println!("in the way at {}: {error}", to.display());
            remove(to);
            Err(error.to_string())
        }
        renamed => {
            renamed.unwrap();
            Ok(())
        }
    });
}

/// As npm does: removes a tree, again if something was put into it meanwhile.
fn remove(path: &Path) {
    let what = format!("{} is removed", path.display());
    until(SOON, &what, || match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
            println!("in the way at {}: {error}", path.display());
            Err(error.to_string())
        }
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{what}: {error}"),
        _ => Ok(()),
    });
}

/// C19: directories that get other names, swap them and move into each other,
/// while files in them are saved.
pub(super) fn rename_directories(mut place: Place) -> Left {
    let names = ["red", "green", "blue"];
    // Which directory is called what, by the files that are in it.
    let mut holds: Vec<Left> = Vec::new();
    for name in names {
        fs::create_dir_all(place.join(name).join("deep/down")).unwrap();
        holds.push(Left::new());
    }
    while place.goes_on(20) {
        let which = place.random.below(3) as usize;
        let other = (which + 1) % 3;
        match place.random.below(6) {
            0 => {
                let (one, two) = (place.join(names[which]), place.join(names[other]));
                let between = place.join("between");
                fs::rename(&one, &between).unwrap();
                fs::rename(&two, &one).unwrap();
                fs::rename(&between, &two).unwrap();
                holds.swap(which, other);
            }
            1 => {
                // Into another one and back, with something saved meanwhile.
                let (one, within) =
                    (place.join(names[which]), place.join(names[other]).join("deep/guest"));
                fs::rename(&one, &within).unwrap();
                let bytes = place.content();
                fs::write(within.join("deep/souvenir"), &bytes).unwrap();
                fs::rename(&within, &one).unwrap();
                holds[which].insert("deep/souvenir".to_owned(), Kept::File(bytes));
            }
            _ => {
                let name = format!(
                    "{}note {}",
                    ["", "deep/", "deep/down/"][place.random.below(3) as usize],
                    place.random.below(9)
                );
                let bytes = place.content();
                fs::write(place.join(names[which]).join(&name), &bytes).unwrap();
                holds[which].insert(name, Kept::File(bytes));
            }
        }
    }
    let mut left = Left::new();
    for (name, held) in names.iter().zip(holds) {
        left.extend(held.into_iter().map(|(path, kept)| (format!("{name}/{path}"), kept)));
    }
    left.insert("between".to_owned(), Kept::Gone);
    left
}
