//! From what is known of a path to the one cause that a person has to deal with first.

use driftless_control::api::{Explanation, FileState};
use driftless_core::{Content, FolderId, Problem, ProblemCode, RelPath};
use driftless_engine::Standing;
use driftless_fs::Kind;
use driftless_fs::ignore::Rule;

use super::super::files::{Seen, own_state, state_of};
use super::super::listing::is_listed;
use crate::config::FolderMode;

/// The most devices that a sentence names.
const NAMED: usize = 3;

/// Everything that is known of a path.
pub(super) struct Facts<'a> {
    pub(super) seen: &'a Seen,
    pub(super) rule: Option<Rule>,
    /// The trouble with it, or with a directory that it is in.
    pub(super) problem: Option<Problem>,
    pub(super) problem_below: Option<Problem>,
    /// What is on the disk.
    pub(super) kind: Option<Kind>,
    pub(super) is_scanning: bool,
    /// Other devices that hold the shown version.
    pub(super) holders: Vec<Device>,
    /// All other devices of the folder.
    pub(super) members: Vec<Device>,
    /// What people call the device that made the shown version.
    pub(super) maker: Option<String>,
    pub(super) mode: FolderMode,
    pub(super) folder: &'a FolderId,
    pub(super) path: &'a RelPath,
}

/// Another device, as far as it matters here.
pub(super) struct Device {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_connected: bool,
    pub(super) is_paused: bool,
}

/// A cause, its sentence and its mend.
struct Cause(FileState, &'static str, String, Option<String>);

/// Says why a path is as it is.
pub(super) fn say(facts: &Facts<'_>) -> Explanation {
    let cause = left_out(facts)
        .or_else(|| troubled(facts))
        .or_else(|| unknown(facts))
        .or_else(|| in_conflict(facts))
        .or_else(|| changed_here(facts))
        .or_else(|| on_its_way(facts))
        .or_else(|| unlike_inside(facts));
    let Cause(state, cause, message, hint) = cause.unwrap_or_else(|| settled(facts));
    let rule = facts.rule.as_ref().filter(|_| state == FileState::LeftOut);
    Explanation {
        path: facts.path.to_string(),
        state,
        cause: cause.to_owned(),
        message,
        hint,
        holders: facts.holders.iter().map(|device| device.id.clone()).collect(),
        rule: rule.and_then(|rule| rule.text.clone()),
        rule_file: rule.map(|rule| rule.file.clone()),
        rule_line: rule.and_then(|rule| rule.line),
    }
}

fn left_out(facts: &Facts<'_>) -> Option<Cause> {
    let state = FileState::LeftOut;
    let Some(rule) = &facts.rule else {
        let message = || "a rule left it out when it was last looked at".to_owned();
        return facts.seen.entry.ignored.then(|| Cause(state, "rule", message(), None));
    };
    let (what, file) = match rule.covers == *facts.path {
        true => ("it".to_owned(), &rule.file),
        false => (format!("{}, which it is in,", rule.covers), &rule.file),
    };
    let Some(text) = &rule.text else {
        let message = format!("{file} cannot be read, so what it may cover is left alone");
        let hint = Some(format!("make {file} a plain file that may be read"));
        return Some(Cause(state, ProblemCode::IgnoreRule.as_str(), message, hint));
    };
    let line = rule.line.map_or(String::new(), |line| format!("line {line} of "));
    let message = format!("a rule leaves {what} out: {text}");
    let hint = Some(format!("change {line}{file} to have it synced"));
    Some(Cause(state, "rule", message, hint))
}

fn troubled(facts: &Facts<'_>) -> Option<Cause> {
    let Some(problem) = &facts.problem else {
        let is_special = facts.kind == Some(Kind::Special);
        let message = || "fifos, sockets and devices are not synced".to_owned();
        let code = ProblemCode::SpecialFile.as_str();
        return is_special.then(|| Cause(FileState::Problem, code, message(), None));
    };
    let own = problem.path == facts.path.as_str();
    let message = match own {
        true => problem.message.clone(),
        false => format!("{}, which it is in: {}", problem.path, problem.message),
    };
    Some(Cause(FileState::Problem, problem.code.as_str(), message, mend(problem, facts.folder)))
}

/// What mends a problem beyond what its message says.
fn mend(problem: &Problem, folder: &FolderId) -> Option<String> {
    let path = &problem.path;
    let text = match problem.code {
        ProblemCode::NameNotUtf8 => "give it a name in UTF-8".to_owned(),
        ProblemCode::NameTooLong => "give it, or what it is in, a shorter name".to_owned(),
        ProblemCode::NameTwin => "rename one of the two".to_owned(),
        ProblemCode::NameNotHeld => "rename it on the device that has it".to_owned(),
        ProblemCode::Unreadable => "give yourself permission to read it".to_owned(),
        ProblemCode::NotWritable => {
            "give yourself permission to write to it and its directory".to_owned()
        }
        ProblemCode::DiskFull => "free some space; it then goes on by itself".to_owned(),
        ProblemCode::ReadOnly => "have the file system mounted writable".to_owned(),
        ProblemCode::Io => "check the disk".to_owned(),
        ProblemCode::KeepsChanging => {
            "it is synced as soon as the program that writes to it rests".to_owned()
        }
        ProblemCode::Corrupt => format!(
            "take back the good version with 'driftless folder revert {folder} {path}', or keep \
             this one with 'driftless folder keep {folder} {path}'"
        ),
        ProblemCode::DirectoryNotEmpty => "move away what is still in it".to_owned(),
        ProblemCode::NotAvailable => "turn on a device that has it".to_owned(),
        ProblemCode::IgnoreRule => "correct that line".to_owned(),
        ProblemCode::MassChange => format!("say yes with 'driftless folder confirm {folder}'"),
        ProblemCode::SpecialFile | ProblemCode::Watch => return None,
    };
    Some(text)
}

fn unknown(facts: &Facts<'_>) -> Option<Cause> {
    let entry = &facts.seen.entry;
    if is_listed(entry) {
        return None;
    }
    if facts.kind.is_some() {
        let message = "it is here, and has yet to be looked at".to_owned();
        let hint = (!facts.is_scanning).then(|| {
            format!("have the folder looked at: driftless folder rescan {}", facts.folder)
        });
        return Some(Cause(FileState::Waiting, "not-looked-at", message, hint));
    }
    if let Some(shown) = entry.shown().filter(|shown| shown.content.is_tombstone()) {
        let who = facts.maker.as_deref().unwrap_or("a device");
        let message = match &shown.content {
            Content::Tombstone { moved_to: Some(to) } => format!("{who} renamed it to {to}"),
            _ => format!("{who} deleted it"),
        };
        let hint = format!(
            "earlier versions, where there are any: driftless history list {} {}",
            facts.folder, facts.path
        );
        return Some(Cause(FileState::UpToDate, "deleted", message, Some(hint)));
    }
    let away: Vec<_> = facts.members.iter().filter(|device| !device.is_connected).collect();
    let message = match away.as_slice() {
        [] => "no device of this folder has told of it".to_owned(),
        away => {
            let is = if away.len() == 1 { "is" } else { "are" };
            format!("no device of this folder has told of it, and {} {is} offline", names(away))
        }
    };
    let hint = "check how it is spelt, and whether the device that has it leaves it out".to_owned();
    Some(Cause(FileState::Waiting, "unknown", message, Some(hint)))
}

fn in_conflict(facts: &Facts<'_>) -> Option<Cause> {
    facts.seen.entry.heads.is_conflict().then(|| {
        let message = "it was changed on several devices, and none knew of the other".to_owned();
        let hint = "choose what to keep: driftless conflict list".to_owned();
        Cause(FileState::Conflict, "conflict", message, Some(hint))
    })
}

fn changed_here(facts: &Facts<'_>) -> Option<Cause> {
    facts.seen.entry.is_local().then(|| {
        let message = "it was changed here, and what is changed here stays here".to_owned();
        let hint = format!(
            "take the change back with 'driftless folder revert {} {}'",
            facts.folder, facts.path
        );
        Cause(FileState::OnlyHere, "local-change", message, Some(hint))
    })
}

fn on_its_way(facts: &Facts<'_>) -> Option<Cause> {
    let state = own_state(facts.seen);
    if state == FileState::Receiving {
        return Some(match facts.seen.standing {
            Standing::Fetching => Cause(state, "receiving", "it is on its way".to_owned(), None),
            _ => Cause(state, "applying", "it is being put in place".to_owned(), None),
        });
    }
    if state != FileState::Waiting {
        return None;
    }
    if facts.mode == FolderMode::SendOnly {
        let message = "it was changed elsewhere, and this folder only sends".to_owned();
        let hint = format!(
            "make this device's version win with 'driftless folder override {}', or have the \
             folder receive, too",
            facts.folder
        );
        return Some(Cause(state, "send-only", message, Some(hint)));
    }
    let said = |cause, message: &str| Some(Cause(state, cause, message.to_owned(), None));
    match facts.seen.standing {
        Standing::HeldBack => {
            let message = "it is part of a large change that waits for a yes".to_owned();
            let hint = format!("say yes with 'driftless folder confirm {}'", facts.folder);
            Some(Cause(state, ProblemCode::MassChange.as_str(), message, Some(hint)))
        }
        Standing::Failed => said("retrying", "it did not work and is tried again by itself"),
        Standing::Blocked => {
            said("blocked", "another device has to move or delete something first")
        }
        _ if !facts.holders.iter().any(|device| device.is_connected) => Some(out_of_reach(facts)),
        _ => said("queued", "its turn has yet to come"),
    }
}

/// Nobody who has it is connected.
fn out_of_reach(facts: &Facts<'_>) -> Cause {
    let holders: Vec<_> = facts.holders.iter().collect();
    let (message, hint) = match holders.as_slice() {
        [] => {
            let message = "no device is known to have it any more".to_owned();
            (message, "turn on the devices that share this folder".to_owned())
        }
        [one] if one.is_paused => {
            let message = format!("only {} has it, and it is paused", one.name);
            (message, format!("let {} connect again", one.name))
        }
        [one] => {
            let message = format!("only {} has it, and it is offline", one.name);
            (message, format!("turn on {}; it then arrives by itself", one.name))
        }
        several => {
            let message = format!("{} have it, and none is online", names(several));
            (message, "turn on one of them; it then arrives by itself".to_owned())
        }
    };
    Cause(FileState::Waiting, "device-offline", message, Some(hint))
}

/// A directory in which something is more pressing than itself.
fn unlike_inside(facts: &Facts<'_>) -> Option<Cause> {
    let state = state_of(facts.seen);
    if state == own_state(facts.seen) {
        return None;
    }
    let sums = &facts.seen.below.sums;
    Some(match state {
        FileState::Problem => {
            let problem = facts.problem_below.as_ref()?;
            let message = format!("{}, which is in it: {}", problem.path, problem.message);
            Cause(state, problem.code.as_str(), message, mend(problem, facts.folder))
        }
        FileState::Conflict => {
            let message = format!("{} a choice", paths(sums.conflicts, "waits for", "wait for"));
            let hint = "choose what to keep: driftless conflict list".to_owned();
            Cause(state, "conflict", message, Some(hint))
        }
        FileState::Receiving => {
            Cause(state, "receiving", "something in it is on its way".to_owned(), None)
        }
        FileState::Waiting => {
            let message = format!("{} yet to arrive", paths(sums.needed, "has", "have"));
            Cause(state, "queued", message, None)
        }
        _ => only_here(facts, &paths(sums.only_here, "is", "are")),
    })
}

/// So many paths in a directory, and what they do.
fn paths(count: u64, one: &str, several: &str) -> String {
    if count == 1 {
        format!("1 path in it {one}")
    } else {
        format!("{count} paths in it {several}")
    }
}

fn settled(facts: &Facts<'_>) -> Cause {
    if own_state(facts.seen) == FileState::OnlyHere {
        return only_here(facts, "it is");
    }
    let holders: Vec<_> = facts.holders.iter().collect();
    let message = match holders.as_slice() {
        [] => "it is as it should be".to_owned(),
        holders => format!("it is here and on {}", names(holders)),
    };
    Cause(FileState::UpToDate, "settled", message, None)
}

/// Nobody else has what `subject`, "it is" or the like, is about.
fn only_here(facts: &Facts<'_>, subject: &str) -> Cause {
    let state = FileState::OnlyHere;
    if facts.members.is_empty() {
        let message = format!("{subject} only here, as the folder is shared with no device");
        return Cause(state, "not-shared", message, Some("share the folder".to_owned()));
    }
    if facts.mode == FolderMode::ReceiveOnly {
        let message = format!("{subject} only here, as this folder only receives");
        return Cause(state, "local-change", message, None);
    }
    let connected: Vec<_> = facts.members.iter().filter(|device| device.is_connected).collect();
    if connected.is_empty() {
        let members: Vec<_> = facts.members.iter().collect();
        let message = format!("{subject} only here, and {} cannot be reached", names(&members));
        let hint = "turn on a device that shares this folder".to_owned();
        return Cause(state, "device-offline", message, Some(hint));
    }
    let message =
        format!("{subject} only here; {} has yet to say that it has it", names(&connected));
    Cause(state, "sending", message, None)
}

/// A few devices in words.
fn names(devices: &[&Device]) -> String {
    let named: Vec<_> = devices.iter().take(NAMED).map(|device| device.name.as_str()).collect();
    let more = devices.len().saturating_sub(NAMED);
    match (named.split_last(), more) {
        (None, _) => "nobody".to_owned(),
        (Some((last, [])), 0) => (*last).to_owned(),
        (Some((last, others)), 0) => format!("{} and {last}", others.join(", ")),
        (Some(_), more) => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use driftless_core::{
        Author, ContentId, DeviceId, Entry, FileRecord, Head, Heads, HolderSet, Level, OnDisk,
        Stat, VersionVector,
    };

    use super::*;

    /// A file, held by the devices in these slots, and in the tree or not.
    fn file(holders: u64, is_here: bool) -> Seen {
        let content = Content::File {
            content: ContentId::from_bytes([1; 32]),
            size_bytes: 5,
            level: Level::default(),
            mode: 0o644,
            mtime_ns: 0,
        };
        let record = FileRecord {
            version: VersionVector::from_counters(vec![(Author(1), 1)]).unwrap(),
            content,
            previous: None,
            device: DeviceId::from_bytes([1; 32]),
            changed_ms: 0,
            moved_from: None,
            policy_rounds: 0,
        };
        let disk = OnDisk { record: record.clone(), stat: Stat::default(), local: false };
        let head = Head { record, holders: HolderSet::from_bits(holders) };
        let heads = Heads::from_heads([head]);
        let entry = Entry { heads, disk: is_here.then_some(disk), ..Entry::default() };
        Seen { entry, standing: Standing::Resting, has_problem: false, below: Default::default() }
    }

    fn device(name: &str, is_connected: bool) -> Device {
        Device { id: name.to_owned(), name: name.to_owned(), is_connected, is_paused: false }
    }

    /// State, cause and sentence, with the facts as `change` makes them.
    fn said(seen: &Seen, change: impl FnOnce(&mut Facts<'_>)) -> (FileState, String, String) {
        let (folder, path) = (FolderId::parse("f").unwrap(), RelPath::parse("a/b").unwrap());
        let mut facts = Facts {
            seen,
            rule: None,
            problem: None,
            problem_below: None,
            kind: seen.entry.disk.as_ref().map(|_| Kind::File),
            is_scanning: false,
            holders: vec![device("bob", true)],
            members: vec![device("bob", true)],
            maker: None,
            mode: FolderMode::SendReceive,
            folder: &folder,
            path: &path,
        };
        change(&mut facts);
        let said = say(&facts);
        (said.state, said.cause, said.message)
    }

    fn cause(seen: &Seen, change: impl FnOnce(&mut Facts<'_>)) -> String {
        said(seen, change).1
    }

    #[test]
    fn what_a_person_has_to_deal_with_first_is_the_cause() {
        let here = file(0b11, true);
        let settled = said(&here, |_| ());
        assert_eq!((settled.0, settled.1.as_str()), (FileState::UpToDate, "settled"));
        assert_eq!(settled.2, "it is here and on bob");
        let problem = |path: &str| Problem {
            path: path.to_owned(),
            code: ProblemCode::DiskFull,
            message: "the disk is full".to_owned(),
        };
        let above = said(&here, |facts| facts.problem = Some(problem("a")));
        assert_eq!((above.0, above.1.as_str()), (FileState::Problem, "disk-full"));
        assert_eq!(above.2, "a, which it is in: the disk is full");
        let rule = Rule {
            file: ".driftlessignore".to_owned(),
            text: Some("a/".to_owned()),
            line: Some(2),
            covers: RelPath::parse("a").unwrap(),
        };
        let left_out = said(&here, |facts| {
            facts.problem = Some(problem("a"));
            facts.rule = Some(rule);
        });
        assert_eq!(left_out.2, "a rule leaves a, which it is in, out: a/");
        let nothing = Seen { entry: Entry::default(), ..file(0, false) };
        assert_eq!(cause(&nothing, |facts| facts.kind = Some(Kind::File)), "not-looked-at");
        assert_eq!(cause(&nothing, |facts| facts.kind = Some(Kind::Special)), "special-file");
        let unknown = said(&nothing, |facts| facts.members.push(device("cy", false)));
        assert_eq!(unknown.2, "no device of this folder has told of it, and cy is offline");
    }

    #[test]
    fn what_is_not_here_says_whom_or_what_it_waits_for() {
        let missing = file(0b10, false);
        assert_eq!(cause(&missing, |_| ()), "queued");
        let alone = said(&missing, |facts| facts.holders = vec![device("bob", false)]);
        assert_eq!(alone.2, "only bob has it, and it is offline");
        let names = ["bob", "cy", "di", "eve"];
        let several =
            said(&missing, |facts| facts.holders = names.map(|name| device(name, false)).into());
        assert_eq!(several.2, "bob, cy, di and 1 more have it, and none is online");
        assert_eq!(cause(&missing, |facts| facts.mode = FolderMode::SendOnly), "send-only");
        for (standing, expected) in [
            (Standing::Fetching, "receiving"),
            (Standing::Applying, "applying"),
            (Standing::HeldBack, "mass-change"),
            (Standing::Failed, "retrying"),
            (Standing::Blocked, "blocked"),
        ] {
            assert_eq!(cause(&Seen { standing, ..file(0b10, false) }, |_| ()), expected);
        }
    }

    #[test]
    fn what_is_only_here_says_why() {
        let only = file(0b1, true);
        let nobody = |facts: &mut Facts<'_>| facts.holders.clear();
        assert_eq!(cause(&only, nobody), "sending");
        let away = said(&only, |facts| {
            facts.holders.clear();
            facts.members = vec![device("bob", false)];
        });
        assert_eq!((away.0, away.1.as_str()), (FileState::OnlyHere, "device-offline"));
        assert_eq!(away.2, "it is only here, and bob cannot be reached");
        let unshared = cause(&only, |facts| {
            facts.holders.clear();
            facts.members.clear();
        });
        assert_eq!(unshared, "not-shared");
    }
}
