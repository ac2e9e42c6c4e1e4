//! A device that is killed, or whose disk fails, at any one call of the kernel.
//!
//! A small piece of work is done once to count the calls that it takes, and
//! then again for each of those calls. Few of them, chosen by seed, are enough
//! for every day; `DRIFTLESS_EVERY_CALL=1` takes them all.

mod work;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::harness::{
    Call, Device, Random, SOON, Scratch, check, introduce, seed, settle_equal, share, two_devices,
    until,
};
use work::Work;

/// The calls that change something on a disk, or make it last.
const CHANGING: &str = "openat,renameat2,fsync,fdatasync,syncfs,pwrite64,unlinkat,fchmod,fchmodat,\
                        utimensat,ftruncate,fallocate,linkat,copy_file_range,mkdirat,symlinkat";

/// How many calls are tried on an ordinary day. After an error it takes some
/// seconds until what failed is tried again.
const SAMPLE: usize = 12;
const FEWER: usize = 6;

/// How many rounds two devices live through; few enough that all of them
/// together are no mass change.
const ROUNDS: usize = 12;

/// For how long nothing has to happen any more for a call to count as not made.
const QUIET: Duration = Duration::from_millis(700);

/// Where the work is done.
#[derive(Clone, Copy, PartialEq)]
enum Edits {
    /// By a person at the device that is hit.
    Here,
    /// Elsewhere, so that the device that is hit applies it.
    Elsewhere,
}

/// What the call brings about.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The daemon ends right before it.
    Kill,
    /// It fails.
    Error(&'static str),
}

struct Pair {
    scratch: Scratch,
    ada: Device,
    /// The one that is hit.
    bob: Device,
    edits: Edits,
}

impl Pair {
    fn new(edits: Edits, rounds: usize) -> Self {
        let scratch = Scratch::new();
        let (ada, bob) = two_devices(&scratch);
        (0..rounds).for_each(|round| Work::new(round).prepare(&ada.path("notes")));
        settle_equal("notes", &[&ada, &bob]);
        Self { scratch, ada, bob, edits }
    }

    fn do_work(&self, work: &Work) {
        let at = if self.edits == Edits::Here { &self.bob } else { &self.ada };
        work.perform(&at.path("notes"), &self.scratch.join("aside"));
    }

    fn both_have(&self, work: &Work) -> Result<(), String> {
        work.is_after(&self.ada.path("notes"))?;
        work.is_after(&self.bob.path("notes"))
    }

    /// Does the work once, unharmed, and returns the calls that it takes.
    fn count(&self, work: &Work) -> Option<Vec<Call>> {
        let trace = self.bob.trace(None, &["-e", &format!("trace={CHANGING}")])?;
        self.do_work(work);
        let mut calls = trace.calls().len();
        let mut since = Instant::now();
        until(SOON, "the work is done and its calls are counted", || {
            self.both_have(work)?;
            let now = trace.calls().len();
            if std::mem::replace(&mut calls, now) != now {
                since = Instant::now();
            }
            check(since.elapsed() > QUIET, || "calls are being made".to_owned())
        });
        Some(trace.calls())
    }

    /// Does the work while `call` brings about `fault`; returns whether it was made.
    fn hit(&mut self, work: &Work, call: &Call, fault: Fault) -> Option<bool> {
        let what = match fault {
            Fault::Kill => "signal=KILL".to_owned(),
            Fault::Error(error) => format!("error={error}"),
        };
        let inject = format!("inject={}:{what}:when={}", call.name, call.nth);
        let trace = format!("trace={}", call.name);
        let trace = self.bob.trace(Some(&call.thread), &["-e", &trace, "-e", &inject])?;
        self.do_work(work);
        let mut done: Option<Instant> = None;
        until(SOON, "the work is done or the daemon killed", || {
            if self.bob.has_ended() {
                return Ok(());
            }
            work.is_before_or_after(&self.bob.path("notes")).unwrap();
            self.both_have(work)?;
            let since = done.get_or_insert_with(Instant::now).elapsed();
            check(since > QUIET, || "calls are being made".to_owned())
        });
        drop(trace);
        Some(!self.bob.is_running() || fault != Fault::Kill)
    }

    /// Starts the device and kills it at a call that puts things in order after the last kill.
    fn kill_while_starting(&mut self, nth: usize) {
        let inject = format!("inject=renameat2,unlinkat,pwrite64,fsync:signal=KILL:when={nth}");
        if self.bob.start_traced(&["-e", "trace=none", "-e", &inject]) {
            self.bob.kill();
        }
    }

    /// What a person sees of the device at the moment of a kill.
    fn look_while_dead(&self, work: &Work) {
        let root = self.bob.path("notes");
        match self.edits {
            Edits::Here => work.is_after(&root).unwrap(),
            Edits::Elsewhere => work.is_before_or_after(&root).unwrap(),
        }
    }

    /// Whether all has settled: the same everywhere, and nothing lost or left over.
    fn look_when_settled(&self, work: &Work) {
        settle_equal("notes", &[&self.ada, &self.bob]);
        self.both_have(work).unwrap();
        for device in [&self.ada, &self.bob] {
            assert_eq!(device.conflicts("notes"), []);
        }
        let keeps = if self.edits == Edits::Here { &self.ada } else { &self.bob };
        work.is_kept(&keeps.path("notes")).unwrap();
        for device in [&self.ada, &self.bob] {
            assert_nothing_strange(device);
            for place in ["staging", "heads"] {
                let place = device.path("notes").join(".driftless").join(place);
                until(SOON, &format!("{} is empty", place.display()), || {
                    let left: Vec<_> = fs::read_dir(&place).unwrap().flatten().collect();
                    check(left.is_empty(), || format!("{left:?}"))
                });
            }
        }
    }
}

/// A plain kill must not look like a rolled back or damaged database, to anyone.
fn assert_nothing_strange(device: &Device) {
    let logged = device.logged();
    for strange in ["breaks the rules", "rolled back", "damaged", "panicked"] {
        assert!(!logged.contains(strange), "{} logged: {strange}", device.name());
    }
}

/// The calls to try: all of them, or few of all kinds. When it is written down
/// what happened lately is a matter of the clock, and of no weight.
fn choose(calls: Vec<Call>, sample: usize) -> Vec<Call> {
    let mut calls: Vec<_> = calls
        .into_iter()
        .filter(|call| call.name != "openat" || call.arguments.contains("O_CREAT"))
        .filter(|call| call.thread != "activity")
        .collect();
    calls.sort();
    calls.dedup_by(|a, b| (&a.thread, &a.name, a.nth) == (&b.thread, &b.name, b.nth));
    if std::env::var_os("DRIFTLESS_EVERY_CALL").is_some() {
        return calls;
    }
    Random::new(seed()).shuffle(&mut calls);
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    calls.sort_by_cached_key(|call| {
        let rank = seen.entry((call.thread.clone(), call.name.clone())).or_default();
        *rank += 1;
        *rank
    });
    calls.truncate(sample);
    calls
}

/// Does the work again and again, and has another call of it hit each time.
fn at_every_call(edits: Edits, fault: Fault) {
    let first = Pair::new(edits, 1);
    let Some(calls) = first.count(&Work::new(0)) else { return };
    first.look_when_settled(&Work::new(0));
    drop(first);
    let chosen = choose(calls, if fault == Fault::Kill { SAMPLE } else { FEWER });
    let mut missed = 0;
    for calls in chosen.chunks(ROUNDS) {
        let mut pair = Pair::new(edits, calls.len());
        for (round, call) in calls.iter().enumerate() {
            println!("{} {} {}: {}", call.thread, call.name, call.nth, call.arguments);
            let work = Work::new(round);
            let Some(was_made) = pair.hit(&work, call, fault) else { return };
            missed += usize::from(!was_made);
            if pair.bob.is_running() && fault == Fault::Kill {
                pair.bob.kill();
            }
            pair.look_while_dead(&work);
            if !pair.bob.is_running() {
                if round % 3 == 0 {
                    pair.kill_while_starting(round / 3 + 1);
                    pair.look_while_dead(&work);
                }
                pair.bob.start();
            }
            pair.look_when_settled(&work);
        }
    }
    println!("{} calls, of which {missed} were not made again", chosen.len());
    assert!(missed * 2 < chosen.len(), "most calls were not made: nothing was tested");
}

/// P12, P8, I4, C14: a kill between any two calls of a folder's and a database's first start.
#[test]
fn p12_a_kill_at_any_call_of_the_first_start_is_got_over() {
    let trace = format!("trace={CHANGING},write");
    let start = |inject: Option<&Call>| {
        let (scratch, ada, mut bob) = strangers();
        let inject =
            inject.map(|call| format!("inject={}:signal=KILL:when={}", call.name, call.nth));
        let inject = inject.iter().flat_map(|inject| ["-e", inject]);
        let options: Vec<_> = ["-e", trace.as_str()].into_iter().chain(inject).collect();
        let started = bob.start_traced(&options);
        (scratch, ada, bob, started)
    };
    let (_scratch, ada, bob, started) = start(None);
    if !started {
        eprintln!("passed over: this system lets nobody trace a process");
        return;
    }
    settle_equal("notes", &[&ada, &bob]);
    let calls = bob.traced_calls().into_iter().map(|call| Call { thread: String::new(), ..call });
    let chosen = choose(calls.collect(), FEWER);
    drop((ada, bob));
    let mut missed = 0;
    for call in &chosen {
        println!("{} {}: {}", call.name, call.nth, call.arguments);
        let (_scratch, ada, mut bob, started) = start(Some(call));
        if started {
            let waited = Instant::now();
            let ended = || check(bob.has_ended() || waited.elapsed() > QUIET, String::new);
            until(SOON, "it is killed, or has made its calls", ended);
        }
        missed += usize::from(bob.is_running());
        if bob.is_running() {
            bob.kill();
        }
        bob.start();
        settle_equal("notes", &[&ada, &bob]);
        for (device, own, others) in [(&ada, "by ada", "by bob"), (&bob, "by bob", "by ada")] {
            for name in [own, others, "by both"] {
                assert_eq!(fs::read_to_string(device.path("notes").join(name)).unwrap(), name);
            }
            assert_eq!(device.conflicts("notes"), []);
            assert_nothing_strange(device);
        }
    }
    println!("{} calls, of which {missed} were not made again", chosen.len());
}

/// Two devices that share a folder, both of which have files; the second never ran.
fn strangers() -> (Scratch, Device, Device) {
    let scratch = Scratch::new();
    let (mut ada, bob) = (Device::new(&scratch, "ada"), Device::new(&scratch, "bob"));
    introduce(&ada, &bob);
    share("notes", &[&ada, &bob]);
    for (device, name) in [(&ada, "by ada"), (&bob, "by bob")] {
        for name in [name, "by both"] {
            fs::write(device.path("notes").join(name), name).unwrap();
        }
    }
    ada.start();
    (scratch, ada, bob)
}

/// P1, P2, P3, P4, P13, P14, I1, I2, I3: a kill between any two calls of applying others' work.
#[test]
fn p2_a_kill_at_any_call_of_an_apply_leaves_old_or_new_and_loses_nothing() {
    at_every_call(Edits::Elsewhere, Fault::Kill);
}

/// P3, P4, I1, I3, I9: a kill between any two calls of looking at, noting and announcing edits.
#[test]
fn p3_a_kill_at_any_call_of_announcing_edits_loses_and_invents_nothing() {
    at_every_call(Edits::Here, Fault::Kill);
}

/// D2, D3, I2, I5: a disk that fails once, at any call of an apply.
#[test]
fn d3_an_error_at_any_call_of_an_apply_leaves_old_or_new_and_is_got_over() {
    at_every_call(Edits::Elsewhere, Fault::Error("EIO"));
}

/// D2, D3, I1: as above, while edits are looked at, noted and announced.
#[test]
fn d3_an_error_at_any_call_of_announcing_edits_is_got_over() {
    at_every_call(Edits::Here, Fault::Error("EIO"));
}

/// D3, I3: what the disk did not take for good is not said to be held, and is fetched again.
#[test]
fn d3_what_the_disk_does_not_sync_is_never_announced() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    fs::write(ada.path("notes").join("edited"), "old").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    for files in [3, 20] {
        let inject = "inject=fsync,syncfs:error=EIO:when=1+";
        let Some(trace) = bob.trace(Some("disk"), &["-e", "trace=fsync,syncfs", "-e", inject])
        else {
            return;
        };
        let edited = format!("edited before {files} others");
        fs::write(ada.path("notes").join("edited"), &edited).unwrap();
        for number in 0..files {
            let name = format!("{number} of {files}");
            fs::write(ada.path("notes").join(&name), &name).unwrap();
        }
        bob.has_problem("notes", "io-error");
        let failed = trace.calls().len();
        until(SOON, "it is tried again, which fails again", || {
            let calls = trace.calls().len();
            check(calls > failed, || format!("{calls} calls"))
        });
        let waited = ada.run(&["wait", "notes", "--copies", "2", "--timeout", "1"]);
        assert_ne!(waited.code, Some(0), "bob says that it holds what it does not: {waited:?}");
        assert_ne!(fs::read_to_string(bob.path("notes").join("edited")).unwrap(), edited);
        drop(trace);
        settle_equal("notes", &[&ada, &bob]);
        assert_eq!(bob.folder("notes")["problems"], serde_json::json!([]));
    }
}

/// D3, C6, I3: files in a directory whose name the disk does not keep are not
/// told of either, so that nobody makes up the directory for them.
#[test]
fn d3_what_is_in_a_directory_that_is_not_synced_is_not_announced() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let [here, there] = [&ada, &bob].map(|device| device.path("notes").join("becomes a directory"));
    fs::write(&there, "a file").unwrap();
    settle_equal("notes", &[&ada, &bob]);
    let aside = scratch.join("aside");
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("child"), "in a new directory").unwrap();

    let options = ["-e", "trace=fsync,syncfs", "-e", "inject=fsync,syncfs:error=EIO:when=1"];
    let Some(trace) = bob.trace(Some("folder notes"), &options) else { return };
    renameat_with(CWD, &aside, CWD, &there, RenameFlags::EXCHANGE).unwrap();
    bob.has_problem("notes", "io-error");
    drop(trace);
    assert_eq!(fs::read_to_string(&here).unwrap(), "a file");
    settle_equal("notes", &[&ada, &bob]);
    assert_eq!(fs::read_to_string(here.join("child")).unwrap(), "in a new directory");
    for device in [&ada, &bob] {
        assert_eq!(device.conflicts("notes"), []);
    }
}

/// D2, D5, I4: what cannot be read is a problem, not a deletion, and is read later.
#[test]
fn d2_what_cannot_be_read_is_a_problem_and_never_a_deletion() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    let sub = ada.path("notes").join("sub");
    fs::create_dir(&sub).unwrap();
    for name in ["file", "other"] {
        fs::write(sub.join(name), "as it was").unwrap();
    }
    settle_equal("notes", &[&ada, &bob]);
    for (call, path) in [
        ("getdents64", sub.clone()),
        ("newfstatat,statx", sub.clone()),
        ("pread64,read", sub.join("file")),
    ] {
        let (inject, trace) = (format!("inject={call}:error=EIO"), format!("trace={call}"));
        let options = ["-P", path.to_str().unwrap(), "-e", &trace, "-e", &inject];
        let Some(trace) = ada.trace(None, &options) else { return };
        let edited = format!("edited while {call} fails");
        fs::write(sub.join("file"), &edited).unwrap();
        // Looks at all of the folder anew, and meets the same.
        let waited = ada.run(&["wait", "notes", "--timeout", "1"]);
        assert_ne!(waited.code, Some(0), "not everything can be read while {call} fails");
        assert!(!trace.calls().is_empty(), "{call} was not called");
        let problem = until(SOON, "ada says what cannot be read", || {
            let found = ada.folder("notes")["problems"].clone();
            check(found[0] != serde_json::Value::Null, || "no problem".to_owned())?;
            Ok(found)
        });
        println!("{call}: {problem}");
        for name in ["file", "other"] {
            assert!(bob.path("notes").join("sub").join(name).exists(), "{name} was deleted");
        }
        drop(trace);
        if call.starts_with("getdents") {
            // A directory that could not be listed is soon looked at again by itself.
            ada.ok(&["wait", "notes"]);
        } else {
            // Once these have been looked at, nothing is left out any more.
            for name in ["file", "other"] {
                fs::write(sub.join(name), &edited).unwrap();
            }
            ada.reaches("notes", "up-to-date");
        }
        settle_equal("notes", &[&ada, &bob]);
        assert_eq!(fs::read_to_string(bob.path("notes").join("sub/file")).unwrap(), edited);
        assert_eq!(ada.folder("notes")["problems"], serde_json::json!([]));
        fs::write(sub.join("file"), "as it was").unwrap();
        settle_equal("notes", &[&ada, &bob]);
    }
}
