//! The status as people read it: one true sentence, a line for each folder and device, then what needs mending.
//!
//! Pure: the same status at the same time gives the same text.

use driftless_control::api::{DeviceStatus, FolderState, FolderStatus, Problem, Status};

use crate::format::{ago, count, estimate, plural, rate, safe, short_path, size};
use crate::output::{Meaning, Output, columns};

/// Writes the whole status.
pub(crate) fn describe(
    status: &Status,
    output: Output,
    now_ms: u64,
    user_home: Option<&str>,
) -> String {
    let (meaning, sentence) = headline(status);
    let mut text = format!("{}\n", output.paint(meaning, &sentence));
    if !status.folders.is_empty() {
        let rows: Vec<_> =
            status.folders.iter().map(|folder| folder_row(folder, output, user_home)).collect();
        text.push_str(&section("Folders", &columns(&rows, "  "), output));
    }
    if !status.devices.is_empty() {
        let rows: Vec<_> = status
            .devices
            .iter()
            .map(|device| device_row(device, status, output, now_ms))
            .collect();
        text.push_str(&section("Devices", &columns(&rows, "  "), output));
    }
    let whole = status.problems.iter().map(|problem| describe_problem(problem, output));
    let of_folders = status.folders.iter().map(|folder| describe_problems(folder, output));
    let problems: String = whole.chain(of_folders).collect();
    if !problems.is_empty() {
        text.push_str(&section("Problems", &problems, output));
    }
    text
}

fn section(title: &str, body: &str, output: Output) -> String {
    format!("\n{}\n{body}", output.paint(Meaning::Heading, title))
}

/// The one sentence about the state of things, and what it means.
///
/// What needs a person comes first, then what is being done, then rest. It says that everything is up to date
/// only when every folder that is not paused says so itself.
pub(crate) fn headline(status: &Status) -> (Meaning, String) {
    let folders = &status.folders;
    let sum = |of: fn(&FolderStatus) -> u64| folders.iter().map(of).sum::<u64>();
    let in_state =
        |state| folders.iter().filter(|folder| folder.state == state).collect::<Vec<_>>();
    let online = match status.devices.iter().filter(|device| device.connected).count() as u64 {
        0 if status.devices.is_empty() => "no other device yet".to_owned(),
        0 => "no device online".to_owned(),
        online => format!("{} online", plural(online, "device")),
    };
    let say = |meaning, what: String| (meaning, format!("{what} · {online}"));
    let of_the_whole = status.problems.len() as u64;
    let (conflicts, problems) = (sum(|folder| folder.conflicts), sum(problem_count) + of_the_whole);
    let paused = in_state(FolderState::Paused).len();
    let need = sum(|folder| folder.need_files);
    match (
        in_state(FolderState::Stopped).as_slice(),
        folders.iter().find(|folder| folder.held_back.is_some()),
    ) {
        ([one], _) => return say(Meaning::Broken, format!("{} has stopped", safe(&one.label))),
        ([_, ..], _) => return say(Meaning::Broken, "Several folders have stopped".to_owned()),
        ([], Some(folder)) => {
            return say(
                Meaning::NeedsYou,
                format!("A large change in {} waits for your yes", safe(&folder.label)),
            );
        }
        ([], None) => {}
    }
    let of_problems = || {
        let verb = if problems == 1 { "needs" } else { "need" };
        (Meaning::NeedsYou, format!("{} {verb} a look", plural(problems, "problem")))
    };
    if of_the_whole > 0 {
        let (meaning, what) = of_problems();
        say(meaning, what)
    } else if conflicts > 0 {
        let verb = if conflicts == 1 { "needs" } else { "need" };
        say(Meaning::NeedsYou, format!("{} {verb} you", plural(conflicts, "conflict")))
    } else if need > 0 || !in_state(FolderState::Syncing).is_empty() {
        say(Meaning::Working, receiving(status, need))
    } else if problems > 0 {
        let (meaning, what) = of_problems();
        say(meaning, what)
    } else if status.requests > 0 {
        let verb = if status.requests == 1 { "asks" } else { "ask" };
        say(
            Meaning::NeedsYou,
            format!("{} {verb} to be let in", plural(status.requests.into(), "device")),
        )
    } else if status.offers > 0 {
        let verb = if status.offers == 1 { "is" } else { "are" };
        say(
            Meaning::NeedsYou,
            format!("{} {verb} offered to you", plural(status.offers.into(), "folder")),
        )
    } else if !in_state(FolderState::Scanning).is_empty() {
        say(Meaning::Working, "Looking for changes".to_owned())
    } else if folders.is_empty() {
        say(Meaning::Fine, "No folders yet".to_owned())
    } else if paused == folders.len() {
        say(Meaning::Faint, "Everything is paused".to_owned())
    } else if let sending @ 1.. = sending(status) {
        say(Meaning::Working, format!("Sending {}", plural(sending, "file")))
    } else if paused > 0 {
        say(
            Meaning::Fine,
            format!("Everything else is up to date, {} paused", plural(paused as u64, "folder")),
        )
    } else {
        say(Meaning::Fine, "Everything is up to date".to_owned())
    }
}

fn receiving(status: &Status, need_files: u64) -> String {
    let busy =
        || status.folders.iter().filter(|folder| folder.need_files > 0 || folder.need_bytes > 0);
    // Known only when it is known of every folder that needs something.
    let eta = busy()
        .map(|folder| folder.eta_s)
        .collect::<Option<Vec<_>>>()
        .and_then(|all| all.into_iter().max());
    match (need_files, eta) {
        (0, _) => "Receiving".to_owned(),
        (files, None) => format!("Receiving {}", plural(files, "file")),
        (files, Some(eta_s)) => format!("Receiving {}, {}", plural(files, "file"), estimate(eta_s)),
    }
}

/// The most files that any one connected device still needs from here.
fn sending(status: &Status) -> u64 {
    let connected = status.devices.iter().filter(|device| device.connected);
    connected
        .map(|device| device.folders.iter().map(|folder| folder.need_files).sum())
        .max()
        .unwrap_or(0)
}

fn problem_count(folder: &FolderStatus) -> u64 {
    folder.problem_count.max(folder.problems.len() as u64)
}

fn folder_row(folder: &FolderStatus, output: Output, user_home: Option<&str>) -> Vec<String> {
    let (meaning, state) = match folder.state {
        FolderState::Scanning => (Meaning::Working, "looking for changes".to_owned()),
        FolderState::Syncing => (Meaning::Working, format!("receiving {}%", percent(folder))),
        FolderState::UpToDate => (Meaning::Fine, "up to date".to_owned()),
        FolderState::Paused => (Meaning::Faint, "paused".to_owned()),
        FolderState::Stopped => (Meaning::Broken, "stopped".to_owned()),
    };
    let mut facts = Vec::new();
    if let (FolderState::Stopped, Some(reason)) = (folder.state, &folder.reason) {
        facts.push(safe(reason).into_owned());
    }
    if folder.need_files > 0 || folder.need_bytes > 0 {
        facts.push(format!(
            "{} to go, {}",
            plural(folder.need_files, "file"),
            size(folder.need_bytes)
        ));
        if folder.rate_bytes_per_s > 0 {
            facts.push(rate(folder.rate_bytes_per_s));
        }
        facts.extend(folder.eta_s.map(estimate));
    } else {
        facts.push(format!("{}, {}", plural(folder.files, "file"), size(folder.bytes)));
    }
    if folder.conflicts > 0 {
        facts.push(output.paint(Meaning::NeedsYou, &plural(folder.conflicts, "conflict")));
    }
    if folder.local_changes > 0 {
        facts.push(format!("{} only here", plural(folder.local_changes, "change")));
    } else if folder.only_here_files > 0 {
        facts.push(format!("{} only here yet", plural(folder.only_here_files, "file")));
    } else if folder.copies > 1 {
        facts.push(format!("on {}", plural(folder.copies.into(), "device")));
    }
    let path = output.paint(Meaning::Faint, &short_path(&folder.path, user_home));
    vec![safe(&folder.label).into_owned(), output.paint(meaning, &state), facts.join(" · "), path]
}

/// How much of a folder's content is here, rounded down so that 100 is never said early.
pub(crate) fn percent(folder: &FolderStatus) -> u64 {
    let whole = u128::from(folder.bytes) + u128::from(folder.need_bytes);
    match (u128::from(folder.bytes) * 100).checked_div(whole) {
        Some(percent) => u64::try_from(percent).unwrap_or(100),
        None => 0,
    }
}

fn device_row(device: &DeviceStatus, status: &Status, output: Output, now_ms: u64) -> Vec<String> {
    let (meaning, state) = match (device.connected, device.paused) {
        (true, _) => (Meaning::Fine, "online"),
        (false, true) => (Meaning::Faint, "paused"),
        (false, false) => (Meaning::Faint, "offline"),
    };
    let mut facts = Vec::new();
    match (&device.address, device.last_seen_ms) {
        (Some(address), _) if device.connected => facts.push(safe(address).into_owned()),
        (_, Some(seen_ms)) if !device.connected => {
            facts.push(format!("last seen {}", ago(now_ms, seen_ms)))
        }
        (_, None) if !device.connected => facts.push("not seen yet".to_owned()),
        _ => {}
    }
    for need in device.folders.iter().filter(|need| need.need_files > 0) {
        let label = status
            .folders
            .iter()
            .find(|folder| folder.id == need.id)
            .map_or(&need.id, |folder| &folder.label);
        let (files, bytes) = (plural(need.need_files, "file"), size(need.need_bytes));
        facts.push(format!("needs {files} of {}, {bytes}", safe(label)));
    }
    vec![safe(&device.name).into_owned(), output.paint(meaning, state), facts.join(" · ")]
}

/// A problem of the whole program.
fn describe_problem(problem: &Problem, output: Output) -> String {
    let mut text = format!("  {}\n", safe(&problem.message));
    if let Some(hint) = &problem.hint {
        text.push_str(&output.paint(Meaning::Faint, &format!("    → {}", safe(hint))));
        text.push('\n');
    }
    text
}

fn describe_problems(folder: &FolderStatus, output: Output) -> String {
    let label = safe(&folder.label);
    let mut text = String::new();
    let mut add = |what: String, mend: Option<&str>| {
        text.push_str(&format!("  {what}\n"));
        if let Some(mend) = mend {
            text.push_str(&output.paint(Meaning::Faint, &format!("    → {}", safe(mend))));
            text.push('\n');
        }
    };
    if let Some(held) = &folder.held_back {
        let (deletions, rewrites) =
            (plural(held.deletions, "deletion"), plural(held.rewrites, "rewrite"));
        let mend = format!("driftless folder confirm {}", folder.id);
        add(
            format!("{label}: {deletions} and {rewrites} from elsewhere are held back"),
            Some(&mend),
        );
    }
    if folder.conflicts > 0 {
        let conflicts = plural(folder.conflicts, "conflict");
        add(format!("{label}: {conflicts} to settle"), Some("driftless conflict list"));
    }
    let held_back = folder.held_back.is_some();
    for problem in
        folder.problems.iter().filter(|problem| !held_back || problem.code != Problem::MASS_CHANGE)
    {
        let place = match problem.path.as_str() {
            "" => label.to_string(),
            path => format!("{label}: {}", safe(path)),
        };
        add(format!("{place}: {}", safe(&problem.message)), problem.hint.as_deref());
    }
    match problem_count(folder) - folder.problems.len() as u64 {
        0 => {}
        more => add(format!("{label}: and {} more", count(more)), None),
    }
    text
}

#[cfg(test)]
mod tests {
    use driftless_control::api::{
        DeviceFolder, DeviceStatus, FolderMode, FolderState, FolderStatus, HeldBack, OwnDevice,
        Problem, Status,
    };

    use super::{describe, headline};
    use crate::output::Output;

    fn folder(label: &str, state: FolderState) -> FolderStatus {
        FolderStatus {
            id: label.to_lowercase(),
            label: label.into(),
            path: format!("/u/me/{label}"),
            mode: FolderMode::SendReceive,
            state,
            reason: None,
            files: 1204,
            bytes: 3 << 30,
            need_files: 0,
            need_bytes: 0,
            conflicts: 0,
            problems: vec![],
            problem_count: 0,
            rate_bytes_per_s: 0,
            eta_s: None,
            copies: 2,
            only_here_files: 0,
            local_changes: 0,
            held_back: None,
            last_scan_ms: None,
            devices: vec![],
        }
    }

    fn device(name: &str, connected: bool) -> DeviceStatus {
        DeviceStatus {
            id: name.into(),
            name: name.into(),
            connected,
            address: connected.then(|| "192.168.1.4:22100".into()),
            paused: false,
            last_seen_ms: Some(1_000_000),
            folders: vec![],
        }
    }

    fn status(folders: Vec<FolderStatus>, devices: Vec<DeviceStatus>) -> Status {
        let device = OwnDevice { id: "ME".into(), name: "me".into(), addresses: vec![] };
        Status {
            device,
            version: "0".into(),
            problems: vec![],
            offers: 0,
            requests: 0,
            folders,
            devices,
        }
    }

    fn receiving() -> FolderStatus {
        let mut folder = folder("Photos", FolderState::Syncing);
        (folder.need_files, folder.need_bytes, folder.rate_bytes_per_s) = (214, 2 << 30, 12 << 20);
        (folder.eta_s, folder.copies) = (Some(110), 1);
        folder
    }

    /// I17: "up to date" is said only when every folder says so and nothing is wrong.
    #[test]
    fn one_sentence_says_what_matters_most() {
        let up = || folder("Docs", FolderState::UpToDate);
        let with = |change: fn(&mut FolderStatus)| {
            let mut folder = up();
            change(&mut folder);
            folder
        };
        for (folders, expected) in [
            (vec![], "No folders yet"),
            (vec![up()], "Everything is up to date"),
            (vec![up(), folder("P", FolderState::Scanning)], "Looking for changes"),
            (
                vec![up(), folder("P", FolderState::Paused)],
                "Everything else is up to date, 1 folder paused",
            ),
            (vec![folder("P", FolderState::Paused)], "Everything is paused"),
            (vec![up(), receiving()], "Receiving 214 files, about 2 min"),
            (vec![with(|folder| folder.problem_count = 2)], "2 problems need a look"),
            (vec![receiving(), with(|folder| folder.conflicts = 1)], "1 conflict needs you"),
            (vec![folder("Docs", FolderState::Stopped), receiving()], "Docs has stopped"),
            (
                vec![with(|folder| {
                    folder.held_back = Some(HeldBack { deletions: 9, rewrites: 0, device: None })
                })],
                "A large change in Docs waits for your yes",
            ),
        ] {
            let devices = vec![device("desk", true), device("old", false)];
            assert_eq!(
                headline(&status(folders, devices)).1,
                format!("{expected} · 1 device online")
            );
        }
        let mut busy = device("desk", true);
        busy.folders = vec![DeviceFolder { id: "docs".into(), need_files: 3, need_bytes: 9 }];
        assert_eq!(
            headline(&status(vec![up()], vec![busy])).1,
            "Sending 3 files · 1 device online"
        );
        assert_eq!(
            headline(&status(vec![up()], vec![])).1,
            "Everything is up to date · no other device yet"
        );
        assert_eq!(
            headline(&status(vec![up()], vec![device("a", false)])).1,
            "Everything is up to date · no device online"
        );
    }

    #[test]
    fn the_status_reads_from_what_matters_down_to_what_to_do() {
        let mut docs = folder("Docs", FolderState::UpToDate);
        docs.problems = vec![Problem {
            path: "a\u{1b}[2Jb".into(),
            code: "unreadable".into(),
            message: "permission denied".into(),
            hint: Some("check its permissions".into()),
        }];
        docs.problem_count = 3;
        let mut desk = device("desk", true);
        desk.folders = vec![DeviceFolder { id: "docs".into(), need_files: 2, need_bytes: 2048 }];
        let mut status = status(vec![docs, receiving()], vec![desk, device("old laptop", false)]);
        let text = describe(&status, Output::plain(), 8_200_000, Some("/u/me"));
        assert_eq!(
            text,
            "\
Receiving 214 files, about 2 min · 1 device online

Folders
  Docs    up to date     1,204 files, 3.0 GiB · on 2 devices                ~/Docs
  Photos  receiving 60%  214 files to go, 2.0 GiB · 12 MiB/s · about 2 min  ~/Photos

Devices
  desk        online   192.168.1.4:22100 · needs 2 files of Docs, 2.0 KiB
  old laptop  offline  last seen 2 h ago

Problems
  Docs: a\\u{1b}[2Jb: permission denied
    → check its permissions
  Docs: and 2 more
"
        );
        status.problems = vec![Problem {
            path: String::new(),
            code: "identity-in-use".into(),
            message: "another computer is this device".into(),
            hint: Some("driftless device rekey".into()),
        }];
        let text = describe(&status, Output::plain(), 8_200_000, None);
        assert!(text.starts_with("4 problems need a look · 1 device online\n"), "{text}");
        let said = "\nProblems\n  another computer is this device\n    → driftless device rekey\n";
        assert!(text.contains(said), "{text}");
    }
}
