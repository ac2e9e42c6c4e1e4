//! Choosing among versions: what is said before, what comes of it, and how quick that is with many.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use driftless_control::api::{
    ConflictForesee, ConflictList, ConflictResolve, ConflictShow, ConflictTexts, Resolution,
};
use driftless_control::{Client, Method};
use serde_json::Value;

use crate::harness::{
    Device, SOON, Scratch, check, content, introduce, settle, settle_equal, share, two_devices,
    until,
};

fn write(device: &Device, path: &str, text: impl AsRef<[u8]>) {
    let path = device.path("notes").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(device: &Device, path: &str) -> String {
    let bytes = fs::read(device.path("notes").join(path));
    bytes.map_or_else(|error| error.to_string(), |bytes| String::from_utf8_lossy(&bytes).into())
}

/// Two devices that changed these files while apart, from the last of what both had,
/// in a folder with so many others.
fn in_conflict(
    scratch: &Scratch,
    paths: &[&str],
    before: &[&str],
    others: usize,
) -> (Device, Device) {
    let (ada, mut bob) = two_devices(scratch);
    for number in 0..others {
        write(&ada, &format!("others/{number}"), format!("{number}"));
    }
    for text in before {
        paths.iter().for_each(|path| write(&bob, path, text));
        settle_equal("notes", &[&ada, &bob]);
    }
    if others > 0 {
        texts_are_kept(&ada);
        texts_are_kept(&bob);
    }
    bob.stop();
    for path in paths {
        write(&ada, path, format!("ada's {path}"));
        write(&bob, path, format!("bob's {path}"));
    }
    ada.ok(&["wait", "notes", "--timeout", "60"]);
    bob.start();
    settle_equal("notes", &[&ada, &bob]);
    (ada, bob)
}

/// Waits until a device has kept the small texts that it holds: they are read in
/// order, so that what is saved now is kept after all others.
fn texts_are_kept(device: &Device) {
    let name = format!("kept on {}", device.name());
    until(SOON, "the texts are kept", || {
        write(device, &name, format!("{:?}", Instant::now()));
        device.ok(&["wait", "notes", "--timeout", "60"]);
        check(!device.history("notes", &name).is_empty(), || "not yet".to_owned())
    });
}

fn ids(device: &Device) -> BTreeMap<String, String> {
    device.conflicts("notes").into_iter().collect()
}

fn is_settled(devices: &[&Device]) {
    for device in devices {
        until(SOON, &format!("nothing is in conflict on {}", device.name()), || {
            let open = device.conflicts("notes");
            check(open.is_empty(), || format!("{open:?}"))
        });
    }
    settle_equal("notes", devices);
}

/// What would become of a conflict, and what would go to history.
fn foreseen(device: &Device, options: &[&str]) -> Value {
    let all = [&["conflict", "resolve"], options, &["--dry-run"]].concat();
    let said = device.json(&all);
    let one = said[0].clone();
    assert_eq!(one["refused"], Value::Null, "{one}");
    one
}

/// The files that a device says its folder would hold, with what they hold now or then.
fn paths(files: &Value) -> Vec<String> {
    let files = files.as_array().unwrap().iter();
    files.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

/// C2: what is foreseen is what happens: with each way of choosing.
#[test]
fn what_a_choice_does_is_said_before_and_comes_about_on_all_devices() {
    let scratch = Scratch::new();
    let names = ["both.txt", "history.txt", "keep.txt", "text.txt"];
    let (ada, bob) = in_conflict(&scratch, &names, &["before", "as it was"], 0);
    let ids = ids(&ada);
    assert_eq!(ids.keys().collect::<Vec<_>>(), names.each_ref());

    let said = foreseen(&ada, &[&ids["keep.txt"], "--keep", "bob"]);
    assert_eq!(
        (&said["holds"][0]["device_name"], &said["devices"]),
        (&"bob".into(), &serde_json::json!(["ada", "bob"]))
    );
    assert_eq!(said["to_history"][0]["device_name"], "ada", "{said}");
    ada.ok(&["conflict", "resolve", &ids["keep.txt"], "--keep", "bob"]);

    let said = foreseen(&bob, &[&ids["both.txt"], "--keep", "both"]);
    let resolved = bob.json(&["conflict", "resolve", &ids["both.txt"], "--keep", "both"]);
    let holds = paths(&said["holds"]);
    assert_eq!(holds[0], "both.txt");
    assert_eq!(resolved["beside"], serde_json::json!(holds[1..]), "{said}");
    assert_eq!(paths(&said["to_history"]), [] as [String; 0]);

    let text = format!("what both meant\n{}", "and much more of it\n".repeat(20_000));
    let said = foreseen_text(&ada, &ids["text.txt"], &text);
    assert_eq!(said["holds"][0]["size"], text.len());
    assert_eq!(said["to_history"].as_array().unwrap().len(), 2, "{said}");
    let given =
        ada.feed(&["conflict", "resolve", &ids["text.txt"], "--with", "-"], text.as_bytes());
    assert_eq!(given.code, Some(0), "{given:?}");

    let old = ada.history("notes", "history.txt");
    let (version, size) = old.last().cloned().unwrap();
    let said = foreseen(&ada, &[&ids["history.txt"], "--history", &version]);
    assert_eq!(said["holds"][0]["size"], size);
    ada.ok(&["conflict", "resolve", &ids["history.txt"], "--history", &version]);

    is_settled(&[&ada, &bob]);
    assert_eq!(read(&bob, "keep.txt"), "bob's keep.txt");
    assert_eq!(read(&bob, "text.txt"), text);
    assert_eq!(read(&bob, "history.txt").len() as u64, size);
    let mut both: Vec<_> = holds.iter().map(|path| read(&ada, path)).collect();
    both.sort();
    assert_eq!(both, ["ada's both.txt", "bob's both.txt"]);
    // What lost is in history on the device that held it, and all of it can be taken back.
    for path in ["text.txt", "history.txt"] {
        assert!(ada.history("notes", path).len() >= 2, "{path}");
    }
    ada.ok(&["conflict", "undo", &ids["text.txt"], &ids["history.txt"]]);
    let open = ada.conflicts("notes");
    assert_eq!(open.len(), 2, "{open:?}");
}

fn foreseen_text(device: &Device, id: &str, text: &str) -> Value {
    let line = ["--json", "conflict", "resolve", id, "--with", "-", "--dry-run"];
    let outcome = device.feed(&line, text.as_bytes());
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    serde_json::from_str::<Value>(&outcome.stdout).unwrap()[0].clone()
}

/// How long a call takes over a connection that is there.
async fn timed<M: Method>(client: &Client, params: M) -> (M::Reply, Duration) {
    let began = Instant::now();
    let reply = client.call(params).await.unwrap();
    (reply, began.elapsed())
}

/// Versions that were not seen are not decided about, and a version that is not the
/// conflict's stops no others.
#[test]
fn a_choice_counts_only_among_the_versions_that_were_seen() {
    let scratch = Scratch::new();
    let names = ["a.txt", "b.txt", "c.txt"];
    let (ada, bob) = in_conflict(&scratch, &names, &["as it was"], 0);
    let ids = ids(&ada);
    // An edit follows on the version that the file showed, whoever made that.
    let (writer, chooser) =
        if shown(&ada, &ids["a.txt"]) == "ada" { (&ada, &bob) } else { (&bob, &ada) };
    let seen = versions(chooser, &ids["a.txt"]);
    write(writer, "a.txt", "once more");
    until(SOON, "it is heard of", || {
        let now = versions(chooser, &ids["a.txt"]);
        check(now != seen, || format!("{now:?}"))
    });
    settle("notes", &[&ada, &bob]);
    let stale = ConflictResolve {
        id: ids["a.txt"].clone(),
        resolution: Resolution::Text { text: "merged".to_owned() },
        seen: Some(seen),
    };
    let refused =
        on(chooser, async |client| client.call(stale.clone()).await.unwrap_err().to_string());
    assert!(refused.contains("are others by now"), "{refused}");
    assert_eq!(chooser.conflicts("notes").len(), 3);

    let [first, second] = [writer.name(), chooser.name()];
    let keep_own = ["conflict", "resolve", &ids["b.txt"], "0123456789ab", "--keep", second];
    let outcome = chooser.run(&keep_own);
    assert!(outcome.failed(1).contains("1 of 2 cannot be settled so: 0123456789ab"), "{outcome:?}");
    assert!(outcome.stdout.contains("settled b.txt"), "{outcome:?}");

    let all = ["conflict", "resolve", "--all", "--folder", "notes", "--keep", first];
    let said = chooser.ok(&[&all[..], &["--dry-run"]].concat());
    assert!(said.contains("becomes     c.txt"), "{said}");
    assert!(said.contains(&format!("on          {second}, {first}")), "{said}");
    assert_eq!(chooser.conflicts("notes").len(), 2, "nothing is done yet");
    chooser.ok(&all);
    is_settled(&[&ada, &bob]);
    assert_eq!(
        names.map(|name| read(&ada, name)),
        ["once more".to_owned(), format!("{second}'s b.txt"), format!("{first}'s c.txt")]
    );
}

/// The name of the device whose version a path in conflict shows.
fn shown(device: &Device, id: &str) -> String {
    let conflict = device.json(&["conflict", "show", id]);
    let shown = conflict["heads"].as_array().unwrap().iter().find(|head| head["shown"] == true);
    shown.unwrap()["device_name"].as_str().unwrap().to_owned()
}

fn versions(device: &Device, id: &str) -> Vec<String> {
    let conflict = device.json(&["conflict", "show", id]);
    let heads = conflict["heads"].as_array().unwrap().iter();
    heads.map(|head| head["version"].as_str().unwrap().to_owned()).collect()
}

/// Asks a device's daemon over one connection.
fn on<T>(device: &Device, ask: impl AsyncFnOnce(Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        ask(Client::connect(&device.home().join("control.sock")).await.unwrap()).await
    })
}

/// How many conflicts stay quick, and how much longer than they should things may take
/// on a machine that does other things, too.
const MANY: usize = 300;
const SLACK: u32 = 3;

/// 300 conflicts at once: they are listed within 100 ms, each opens within 200 ms, and what
/// a choice does to all of them is said within 300 ms.
#[test]
fn three_hundred_conflicts_are_listed_and_opened_at_once() {
    let scratch = Scratch::new();
    let names: Vec<String> =
        (0..MANY).map(|number| format!("in {}/{number}.txt", number % 7)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (ada, bob) = in_conflict(&scratch, &names, &["as it was"], 2000);
    on(&bob, async |client| {
        let (page, listed) = timed(&client, ConflictList::default()).await;
        assert_eq!(page.conflicts.len(), MANY);
        let ids: Vec<String> = page.conflicts.into_iter().map(|conflict| conflict.id).collect();
        let mut opened = Duration::ZERO;
        let mut compared = Duration::ZERO;
        for id in [&ids[0], &ids[MANY / 2], &ids[MANY - 1]] {
            let (shown, took) = timed(&client, ConflictShow { id: id.clone() }).await;
            assert_eq!(shown.heads.len(), 2);
            opened = opened.max(took);
            let request = ConflictTexts { id: id.clone(), versions: None };
            let (texts, took) = timed(&client, request).await;
            assert_eq!((texts.not_text, texts.base.as_deref()), (None, Some("as it was")));
            compared = compared.max(took);
        }
        let request = ConflictForesee { ids, resolution: Resolution::Both };
        let (said, foreseen) = timed(&client, request).await;
        assert!(said.iter().all(|one| one.refused.is_none() && one.holds.len() == 2));
        println!(
            "list {listed:?}, show {opened:?}, texts {compared:?}, foresee {foreseen:?} of {MANY}"
        );
        for (took, limit_ms) in [(listed, 100), (opened, 200), (compared, 200), (foreseen, 300)] {
            let limit = Duration::from_millis(limit_ms) * SLACK;
            assert!(took <= limit, "{took:?} is longer than {limit:?}");
        }
    });
    let began = Instant::now();
    bob.ok(&["conflict", "resolve", "--all", "--keep", "ada"]);
    println!("{MANY} settled in {:?}", began.elapsed());
    is_settled(&[&ada, &bob]);
}

fn live_heads(device: &Device, id: &str) -> Vec<(String, bool, bool)> {
    let conflict = device.json(&["conflict", "show", id]);
    let head = |head: &Value| {
        let name = head["device_name"].as_str().unwrap().to_owned();
        (name, head["deleted"] == true, head["content_here"] == true)
    };
    let mut heads: Vec<_> = conflict["heads"].as_array().unwrap().iter().map(head).collect();
    heads.sort();
    heads
}

/// C1: three edit and one of them deletes: all of it is shown and can be chosen, the
/// deletion, too.
#[test]
fn of_three_versions_and_a_deletion_each_can_be_chosen() {
    let scratch = Scratch::new();
    let mut devices = ["ada", "bob", "cleo"].map(|name| Device::new(&scratch, name));
    let [ada, bob, cleo] = &devices;
    introduce(ada, bob);
    introduce(bob, cleo);
    introduce(ada, cleo);
    share("notes", &[ada, bob, cleo]);
    devices.iter_mut().for_each(Device::start);
    for path in ["deleted.txt", "three.txt"] {
        write(&devices[0], path, "as it was");
    }
    let all = |devices: &[Device; 3]| settle_equal("notes", &devices.each_ref());
    all(&devices);
    devices.iter_mut().for_each(Device::stop);
    for device in &devices {
        let name = device.name();
        write(device, "three.txt", format!("{name}'s three.txt"));
        match name {
            "cleo" => fs::remove_file(device.path("notes/deleted.txt")).unwrap(),
            _ => write(device, "deleted.txt", format!("{name}'s deleted.txt")),
        }
    }
    devices.iter_mut().for_each(Device::start);
    all(&devices);
    let [ada, bob, cleo] = &devices;
    let ids = ids(ada);
    let heads = |name: &str| live_heads(cleo, &ids[name]);
    let here = |name: &str, deleted: bool| (name.to_owned(), deleted, !deleted);
    assert_eq!(heads("three.txt"), ["ada", "bob", "cleo"].map(|name| here(name, false)));
    let deleted = [here("ada", false), here("bob", false), here("cleo", true)];
    assert_eq!(heads("deleted.txt"), deleted);

    let said = foreseen(bob, &[&ids["three.txt"], "--keep", "both"]);
    assert_eq!(said["holds"].as_array().unwrap().len(), 3, "{said}");
    let said = foreseen(bob, &[&ids["deleted.txt"], "--keep", "cleo"]);
    assert_eq!((&said["holds"][0]["deleted"], paths(&said["to_history"]).len()), (&true.into(), 2));
    bob.ok(&["conflict", "resolve", &ids["deleted.txt"], "--keep", "cleo"]);
    bob.ok(&["conflict", "resolve", &ids["three.txt"], "--keep", "cleo"]);
    is_settled(&[ada, bob, cleo]);
    assert_eq!(read(ada, "three.txt"), "cleo's three.txt");
    assert!(!ada.path("notes/deleted.txt").exists());
    let lost = "ada's deleted.txt".len() as u64;
    let kept = bob.history("notes", "deleted.txt");
    assert_eq!(kept.iter().filter(|(_, size)| *size == lost).count(), 2, "{kept:?}");
}

/// Whoever edits what is on its way in a newer version is told at once; a version that
/// is not here yet is not chosen before it is.
#[test]
fn an_edit_of_an_old_version_is_warned_of_and_a_version_that_is_not_here_waits() {
    let scratch = Scratch::new();
    let (ada, bob) = two_devices(&scratch);
    write(&ada, "film.bin", content("old", 1 << 20));
    settle_equal("notes", &[&ada, &bob]);
    bob.ok(&["settings", "set", "receive-limit", "16KiB"]);
    write(&ada, "film.bin", content("new", 6 << 20));
    until(SOON, "bob has heard of it", || {
        let folder = bob.folder("notes");
        check(folder["need_files"] == 1, || folder.to_string())
    });
    write(&bob, "film.bin", content("bob's", 1 << 20));
    let warned = until(SOON, "bob is warned", || {
        let told = bob.json(&["activity", "notes"]);
        let mut told = told.as_array().into_iter().flatten().map(|one| &one["body"]);
        let warning = told.find(|body| body["type"] == "stale-edit").cloned();
        warning.ok_or_else(|| bob.json(&["activity", "notes"]).to_string())
    });
    assert_eq!((&warned["path"], &warned["device_name"]), (&"film.bin".into(), &"ada".into()));
    let id = until(SOON, "it is a conflict", || {
        let open = bob.conflicts("notes");
        open.first().map(|(_, id)| id.clone()).ok_or_else(|| "none".to_owned())
    });
    let keep = ["conflict", "resolve", &id, "--keep", "ada"];
    for options in [&[][..], &["--dry-run"]] {
        let outcome = bob.run(&[&keep[..], options].concat());
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("not arrived here yet; decide once it is here"), "{said}");
    }
    bob.ok(&["settings", "set", "receive-limit", "none"]);
    settle_equal("notes", &[&ada, &bob]);
    bob.ok(&keep);
    is_settled(&[&ada, &bob]);
    assert_eq!(fs::read(bob.path("notes/film.bin")).unwrap(), content("new", 6 << 20));
}

/// C6: a file and a directory that holds something: keeping the file alone would not last, and
/// is refused; both can be kept, and an emptied directory can go.
#[test]
fn c6_a_file_takes_a_directorys_name_only_once_that_is_empty() {
    let scratch = Scratch::new();
    let (ada, mut bob) = two_devices(&scratch);
    settle_equal("notes", &[&ada, &bob]);
    bob.stop();
    for place in ["one", "other"] {
        write(&ada, place, "a file");
        write(&bob, &format!("{place}/inside"), "a directory");
    }
    ada.ok(&["wait", "notes", "--timeout", "60"]);
    bob.start();
    settle("notes", &[&ada, &bob]);
    let open = ids(&ada);
    let (one, other) = (&open["one"], &open["other"]);
    for dry in [&["--dry-run"][..], &[]] {
        let refused = ada.run(&[&["conflict", "resolve", one, "--keep", "ada"], dry].concat());
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("is also a directory that holds files"), "{said}");
    }
    assert_eq!(ids(&ada), open, "nothing was decided");
    ada.ok(&["conflict", "resolve", one, "--keep", "both"]);
    fs::remove_file(bob.path("notes").join("other/inside")).unwrap();
    settle("notes", &[&ada, &bob]);
    ada.ok(&["conflict", "resolve", other, "--keep", "ada"]);
    is_settled(&[&ada, &bob]);
    assert_eq!(
        (read(&bob, "one/inside"), read(&bob, "other")),
        ("a directory".to_owned(), "a file".to_owned())
    );
}
