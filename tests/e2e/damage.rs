//! What lies in a home, damaged or taken away piece by piece.
//!
//! Whatever becomes of a database, files and what other devices have stay as
//! they are. Few places are damaged on an ordinary day, chosen by seed;
//! `DRIFTLESS_EVERY_PAGE=1` goes through all of them.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{
    Device, Random, SOON, Scratch, Tree, check, content, introduce, seed, settle_equal, share,
    two_devices, until,
};

/// A page of the database, in bytes.
const PAGE: u64 = 16_384;

/// How many places are damaged on an ordinary day.
const SAMPLE: usize = 6;

fn write(device: &Device, path: &str, text: &str) {
    fs::write(device.path("notes").join(path), text).unwrap();
}

fn read(device: &Device, path: &str) -> String {
    fs::read_to_string(device.path("notes").join(path)).unwrap_or_else(|error| error.to_string())
}

fn database(device: &Device) -> PathBuf {
    device.home().join("index/notes.db")
}

fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

/// Two devices in sync, with enough files to fill some pages.
fn devices(scratch: &Scratch) -> (Device, Device) {
    let (ada, bob) = two_devices(scratch);
    for number in 0..150 {
        write(&bob, &format!("file {number}"), &format!("content {number}"));
    }
    fs::write(bob.path("notes").join("blocks"), content("blocks", 600_000)).unwrap();
    settle_equal("notes", &[&ada, &bob]);
    (ada, bob)
}

/// All values, or few of them on an ordinary day.
fn few<T>(mut values: Vec<T>) -> Vec<T> {
    if std::env::var_os("DRIFTLESS_EVERY_PAGE").is_none() {
        Random::new(seed()).shuffle(&mut values);
        values.truncate(SAMPLE);
    }
    values
}

/// Starts a device whose database was damaged: nothing is lost, nothing comes
/// back, nothing is a conflict, and everything goes on.
fn recovers(ada: &mut Device, bob: &Device, before: &Tree, what: &str) {
    println!("{what}");
    ada.start();
    settle_equal("notes", &[ada, bob]);
    let differences = before.differences(&Tree::of(&ada.path("notes")));
    assert!(differences.is_empty(), "{what}: {differences:#?}");
    // New files, as an edit made right when the database is lost is a conflict (P8).
    let names = ["ada", "bob"].map(|name| format!("by {name}: {what}"));
    write(ada, &names[0], what);
    write(bob, &names[1], what);
    settle_equal("notes", &[ada, bob]);
    assert_eq!([read(bob, &names[0]), read(ada, &names[1])], [what, what]);
    // A question may be what finds the damage.
    until(SOON, "ada says which conflicts there are", || {
        let outcome = ada.run(&["conflict", "list", "notes"]);
        check(outcome.code == Some(0), || outcome.stderr)
    });
    settle_equal("notes", &[ada, bob]);
    for device in [&*ada, bob] {
        assert_eq!(device.conflicts("notes"), [], "{what}");
        assert!(!device.logged().contains("panicked"), "{what}");
    }
}

/// P7: any page may turn to garbage or to zeros; the files are what counts.
#[test]
fn p7_a_database_with_any_page_overwritten_is_made_anew_from_the_files() {
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    ada.stop();
    let pages = fs::metadata(database(&ada)).unwrap().len() / PAGE;
    for page in few((0..pages).collect()) {
        let before = Tree::of(&bob.path("notes"));
        let file = OpenOptions::new().write(true).open(database(&ada)).unwrap();
        let garbage = content("garbage", PAGE as usize);
        let bytes = if page % 3 == 2 { vec![0; PAGE as usize] } else { garbage };
        file.write_all_at(&bytes, page * PAGE).unwrap();
        recovers(&mut ada, &bob, &before, &format!("page {page} of {pages} overwritten"));
        ada.stop();
    }
}

/// P7: a database that ends anywhere.
#[test]
fn p7_a_database_cut_off_anywhere_is_made_anew_from_the_files() {
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    ada.stop();
    let size = fs::metadata(database(&ada)).unwrap().len();
    let ends = (0..size / PAGE).flat_map(|page| [page * PAGE, page * PAGE + 4_096]);
    for end in few([1, 50, 99, 100, 512].into_iter().chain(ends).collect()) {
        let before = Tree::of(&bob.path("notes"));
        OpenOptions::new().write(true).open(database(&ada)).unwrap().set_len(end).unwrap();
        recovers(&mut ada, &bob, &before, &format!("cut off after {end} of {size} bytes"));
        ada.stop();
    }
}

/// P7, P9, I9, I10: a log that is lost or torn takes the database back in time, no more.
#[test]
fn p7_a_database_whose_log_is_lost_or_torn_takes_nothing_back() {
    type Damage = fn(&Path, u64);
    let damages: [(&str, Damage); 6] = [
        ("removed", |log, _| fs::remove_file(log).unwrap()),
        ("emptied", |log, _| drop(File::create(log).unwrap())),
        ("cut in half", |log, size| cut(log, size / 2)),
        ("cut in its first frame", |log, _| cut(log, 600)),
        ("overwritten in the middle", |log, size| overwrite(log, size / 2)),
        ("overwritten at its beginning", |log, _| overwrite(log, 0)),
    ];
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        // All of this is in the log alone: no check point comes before 4 MiB.
        ada.stop();
        ada.start();
        settle_equal("notes", &[&ada, &bob]);
        write(&ada, &format!("new {number}"), "new");
        write(&ada, &format!("file {number}"), "edited by ada");
        write(&bob, &format!("file {}", number + 20), "edited by bob");
        fs::remove_file(ada.path("notes").join(format!("file {}", number + 40))).unwrap();
        fs::remove_file(bob.path("notes").join(format!("file {}", number + 60))).unwrap();
        settle_equal("notes", &[&ada, &bob]);
        let before = Tree::of(&bob.path("notes"));
        ada.kill();
        let log = log_of(&database(&ada));
        damage(&log, fs::metadata(&log).unwrap().len());
        recovers(&mut ada, &bob, &before, what);
    }
}

fn cut(file: &Path, end: u64) {
    OpenOptions::new().write(true).open(file).unwrap().set_len(end).unwrap();
}

fn overwrite(file: &Path, at: u64) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&content("garbage", PAGE as usize), at).unwrap();
}

/// Replaces a directory by a copy of another, times and modes included.
fn put_back(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

/// P9, I1, I9, I10: a whole device as it was last week catches up; no edit since is lost.
#[test]
fn p9_a_home_and_its_files_from_last_week_catch_up_and_lose_no_edit_since() {
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    ada.stop();
    let (home, files) = (scratch.join("old home"), scratch.join("old files"));
    put_back(ada.home(), &home);
    put_back(&ada.path("notes"), &files);
    ada.start();
    // The week: both edit, make, delete and move, in several rounds.
    for round in 0..3 {
        write(&ada, "file 1", &format!("ada's edit {round}"));
        write(&bob, "file 2", &format!("bob's edit {round}"));
        write(&ada, &format!("by ada {round}"), "made by ada");
        write(&bob, &format!("by bob {round}"), "made by bob");
        fs::remove_file(ada.path("notes").join(format!("file {}", 10 + round))).unwrap();
        fs::remove_file(bob.path("notes").join(format!("file {}", 20 + round))).unwrap();
        let renamed = format!("moved {round}");
        let here = ada.path("notes");
        fs::rename(here.join(format!("file {}", 30 + round)), here.join(renamed)).unwrap();
        settle_equal("notes", &[&ada, &bob]);
    }
    let week = Tree::of(&bob.path("notes"));
    ada.stop();
    put_back(&home, ada.home());
    put_back(&files, &ada.path("notes"));
    // Edits after the restore are new ones.
    write(&ada, "file 50", "edited after the restore");
    write(&bob, "file 51", "edited meanwhile");
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(ada.conflicts("notes"), []);
    assert_eq!(read(&bob, "file 50"), "edited after the restore");
    assert_eq!(read(&ada, "file 51"), "edited meanwhile");
    // What everybody had deleted is forgotten, so that a file from the backup
    // is a new one: it comes back, which loses nothing.
    for number in [10, 11, 12, 20, 21, 22, 30, 31, 32] {
        let _ = fs::remove_file(ada.path("notes").join(format!("file {number}")));
    }
    settle_equal("notes", &[&ada, &bob]);
    let differences = week.differences(&Tree::of(&ada.path("notes")));
    assert_eq!(differences.len(), 2, "only those two: {differences:#?}");
}

/// P8, P10, D7: each of two folders finds the other's database and touches nothing.
#[test]
fn p10_a_database_of_another_folder_stops_the_folder_and_changes_nothing() {
    let scratch = Scratch::new();
    let (mut ada, mut bob) = (Device::new(&scratch, "ada"), Device::new(&scratch, "bob"));
    introduce(&ada, &bob);
    for folder in ["notes", "other"] {
        share(folder, &[&ada, &bob]);
        fs::write(ada.path(folder).join("file"), folder).unwrap();
    }
    ada.start();
    bob.start();
    for folder in ["notes", "other"] {
        settle_equal(folder, &[&ada, &bob]);
    }
    ada.stop();
    swap_databases(&ada);
    ada.start();
    for folder in ["notes", "other"] {
        let found = ada.reaches(folder, "stopped");
        assert!(found["reason"].as_str().unwrap().contains("index of folder"), "{found}");
        for device in [&ada, &bob] {
            assert_eq!(fs::read_to_string(device.path(folder).join("file")).unwrap(), folder);
        }
    }
    ada.stop();
    swap_databases(&ada);
    ada.start();
    for folder in ["notes", "other"] {
        fs::write(bob.path(folder).join("file"), "goes on").unwrap();
        settle_equal(folder, &[&ada, &bob]);
        assert_eq!(ada.conflicts(folder), []);
    }
}

fn swap_databases(device: &Device) {
    let (one, other) = (database(device), database(device).with_file_name("other.db"));
    let between = one.with_extension("aside");
    fs::rename(&one, &between).unwrap();
    fs::rename(&other, &one).unwrap();
    fs::rename(&between, &other).unwrap();
}

/// D4, P7: a database that may not be written is no damaged one, and waits.
#[test]
fn d4_a_database_that_cannot_be_written_stops_the_folder_until_it_can() {
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    ada.stop();
    let path = database(&ada);
    let before = fs::read(&path).unwrap();
    let only_read = ["-P", path.to_str().unwrap(), "-e", "trace=openat,pwrite64"];
    let refused = ["-e", "inject=openat:error=EROFS", "-e", "inject=pwrite64:error=EROFS"];
    if !ada.start_traced(&[&only_read[..], &refused].concat()) {
        eprintln!("passed over: this system lets nobody trace a process");
        return;
    }
    let found = ada.reaches("notes", "stopped");
    assert!(found["reason"].as_str().unwrap().contains("cannot be"), "{found}");
    write(&bob, "file 1", "edited meanwhile");
    assert_ne!(bob.run(&["wait", "notes", "--copies", "2", "--timeout", "1"]).code, Some(0));
    assert_eq!(read(&ada, "file 1"), "content 1");
    ada.kill();
    assert!(fs::read(&path).unwrap() == before, "the database was changed");
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(read(&ada, "file 1"), "edited meanwhile");
    assert_eq!(ada.conflicts("notes"), []);
}

/// D2, P7: a database that cannot be read for a while is not taken for a damaged one.
#[test]
fn d2_a_database_that_cannot_be_read_for_a_while_is_not_put_aside() {
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    let (path, log) = (database(&ada), log_of(&database(&ada)));
    let files = ["-P", path.to_str().unwrap(), "-P", log.to_str().unwrap()];
    let mut refused = 0;
    for nth in [3, 30, 50, 70, 90, 110] {
        // Not ended in order, so that all of it is looked through.
        ada.kill();
        let inject = format!("inject=pread64:error=EIO:when={nth}+");
        let options = ["-e", "trace=pread64", "-e", &inject];
        if !ada.start_traced(&[&files[..], &options].concat()) {
            eprintln!("passed over: this system lets nobody trace a process");
            return;
        }
        refused += until(SOON, "the folder is open, or cannot be", || {
            let found = ada.folder("notes");
            check(found["state"] != "scanning", || found.to_string())?;
            Ok(u32::from(found["state"] == "stopped"))
        });
        ada.kill();
        ada.start();
        settle_equal("notes", &[&ada, &bob]);
        assert!(!ada.logged().contains("damaged"), "after {nth} reads");
    }
    assert!(refused > 0, "it was never read");
}

/// P11, I4: without its key a device is another one, which nobody knows and which takes nothing.
#[test]
fn a_lost_key_harms_nothing_and_a_damaged_one_is_not_replaced() {
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    let before = Tree::of(&bob.path("notes"));
    ada.stop();
    let (key, aside) = (ada.home().join("device.pem"), scratch.join("key"));
    fs::rename(&key, &aside).unwrap();
    ada.try_start().unwrap();
    let found = ada.reaches("notes", "stopped");
    assert!(found["reason"].as_str().unwrap().contains("index of device"), "{found}");
    ada.stop();
    fs::write(&key, "no key").unwrap();
    assert!(ada.try_start().is_err(), "a damaged key was taken");
    assert_eq!(fs::read_to_string(&key).unwrap(), "no key");
    fs::rename(&aside, &key).unwrap();
    ada.start();
    settle_equal("notes", &[&ada, &bob]);
    assert!(before.differences(&Tree::of(&ada.path("notes"))).is_empty());
    assert_eq!(ada.conflicts("notes"), []);
}

/// P7: what is remembered may be garbage; what was configured may not, and is not overwritten.
#[test]
fn garbage_for_a_configuration_is_refused_and_for_a_memory_passed_over() {
    let scratch = Scratch::new();
    let (mut ada, bob) = devices(&scratch);
    let (config, state) = (ada.home().join("config.toml"), ada.home().join("state.json"));
    let good = fs::read_to_string(&config).unwrap();
    // While it runs, the configuration before stays in force.
    fs::write(&config, "[[folder]\nwhat?").unwrap();
    until(SOON, "the edited configuration is refused", || {
        check(ada.logged().contains("is refused"), || "nothing was logged".to_owned())
    });
    write(&bob, "file 1", "edited meanwhile");
    settle_equal("notes", &[&ada, &bob]);
    ada.stop();
    for garbage in ["[[folder]\nwhat?", "\0\u{1}\u{2}", "name = 7\n"] {
        fs::write(&config, garbage).unwrap();
        assert!(ada.try_start().is_err(), "{garbage:?} was taken");
        let logged = ada.logged();
        let said = logged.lines().last().unwrap();
        assert!(said.contains("config.toml:"), "{said}");
        assert_eq!(fs::read_to_string(&config).unwrap(), garbage);
    }
    fs::write(&config, good).unwrap();
    for garbage in ["", "{", "[1, 2]", "\0\u{1}", "{\"devices\": 7}"] {
        fs::write(&state, garbage).unwrap();
        ada.start();
        settle_equal("notes", &[&ada, &bob]);
        ada.stop();
    }
}
