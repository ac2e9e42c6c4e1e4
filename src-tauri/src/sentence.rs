//! The one sentence about the state of things, and which of six states the tray shows.
//!
//! Pure. `ui/src/format/headline.ts` decides the same in the same order; both are held to
//! `tests/golden/headline.json`. Where the daemon is not reached, there is no status to judge,
//! and [`crate::view`] says so.

use driftless_control::api::{DeviceStatus, FolderState, FolderStatus, Status};

use crate::text::{estimate, plural, safe};

/// What a state of things means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Nothing to do.
    Fine,
    /// Something is being done.
    Working,
    /// A person must decide or look.
    NeedsYou,
    /// Something cannot go on.
    Broken,
    /// A person wanted it to rest.
    Rest,
}

/// What the tray's icon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrayState {
    /// Nothing to do.
    Idle,
    /// Something is being sent, received or looked for.
    Syncing,
    /// A person paused every folder.
    Paused,
    /// A person must decide or look.
    Conflict,
    /// Something cannot go on.
    Error,
    /// No other device can be reached, or there is no daemon yet.
    Offline,
}

/// The sentence, what it means, and who is online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Headline {
    pub(crate) meaning: Meaning,
    pub(crate) sentence: String,
    pub(crate) online: String,
}

impl Headline {
    /// What needs a person comes first, then what is being done, then rest. Says that everything
    /// is up to date only when every folder that is not paused says so itself.
    pub(crate) fn of(status: &Status) -> Self {
        let (meaning, sentence) = summary(status);
        let connected = connected(status).count() as u64;
        let online = match (status.devices.len(), connected) {
            (0, _) => "No other device yet".to_owned(),
            (_, 0) => "No device online".to_owned(),
            _ => format!("{} online", plural(connected, "device")),
        };
        Self { meaning, sentence, online }
    }

    /// The sentence as the panel shows it: who is online matters while nothing else does.
    pub(crate) fn line(&self) -> String {
        match self.meaning {
            Meaning::Fine | Meaning::Rest => format!("{} · {}", self.sentence, self.online),
            Meaning::Working | Meaning::NeedsYou | Meaning::Broken => self.sentence.clone(),
        }
    }
}

impl TrayState {
    /// Follows the sentence, so that icon and words never disagree.
    pub(crate) fn of(headline: &Headline, status: &Status) -> Self {
        let is_alone = !status.devices.is_empty() && connected(status).next().is_none();
        match headline.meaning {
            Meaning::Broken => Self::Error,
            Meaning::NeedsYou => Self::Conflict,
            Meaning::Working => Self::Syncing,
            Meaning::Rest => Self::Paused,
            Meaning::Fine if is_alone => Self::Offline,
            Meaning::Fine => Self::Idle,
        }
    }
}

fn summary(status: &Status) -> (Meaning, String) {
    let folders = &status.folders;
    let in_state = |state| folders.iter().filter(move |folder| folder.state == state);
    let conflicts: u64 = folders.iter().map(|folder| folder.conflicts).sum();
    let need: u64 = folders.iter().map(|folder| folder.need_files).sum();
    let of_the_whole = status.problems.len() as u64;
    let problems = of_the_whole + folders.iter().map(problems).sum::<u64>();
    let paused = in_state(FolderState::Paused).count();
    let held_back = folders.iter().find(|folder| folder.held_back.is_some());
    let sending = most_needed(status);

    let mut stopped = in_state(FolderState::Stopped);
    match (stopped.next(), stopped.next()) {
        (Some(one), None) => {
            return (Meaning::Broken, format!("{} has stopped", safe(&one.label)));
        }
        (Some(_), Some(_)) => return (Meaning::Broken, "Several folders have stopped".to_owned()),
        (None, _) => {}
    }
    if let Some(folder) = held_back {
        let label = safe(&folder.label);
        (Meaning::NeedsYou, format!("A large change in {label} waits for your yes"))
    } else if of_the_whole > 0 {
        (Meaning::NeedsYou, needing_a_look(problems))
    } else if conflicts > 0 {
        let verb = if conflicts == 1 { "needs" } else { "need" };
        (Meaning::NeedsYou, format!("{} {verb} you", plural(conflicts, "conflict")))
    } else if need > 0 || in_state(FolderState::Syncing).next().is_some() {
        (Meaning::Working, receiving(need, longest(folders)))
    } else if problems > 0 {
        (Meaning::NeedsYou, needing_a_look(problems))
    } else if status.offers > 0 {
        let verb = if status.offers == 1 { "is" } else { "are" };
        let offers = plural(u64::from(status.offers), "folder");
        (Meaning::NeedsYou, format!("{offers} {verb} offered to you"))
    } else if in_state(FolderState::Scanning).next().is_some() {
        (Meaning::Working, "Looking for changes".to_owned())
    } else if folders.is_empty() {
        (Meaning::Fine, "No folders yet".to_owned())
    } else if paused == folders.len() {
        (Meaning::Rest, "Everything is paused".to_owned())
    } else if sending > 0 {
        (Meaning::Working, format!("Sending {}", plural(sending, "file")))
    } else if paused > 0 {
        let paused = plural(paused as u64, "folder");
        (Meaning::Fine, format!("Everything else is up to date, {paused} paused"))
    } else {
        (Meaning::Fine, "Everything is up to date".to_owned())
    }
}

fn problems(folder: &FolderStatus) -> u64 {
    folder.problem_count.max(folder.problems.len() as u64)
}

fn needing_a_look(problems: u64) -> String {
    let verb = if problems == 1 { "needs" } else { "need" };
    format!("{} {verb} a look", plural(problems, "problem"))
}

fn receiving(files: u64, eta_s: Option<u64>) -> String {
    match (files, eta_s) {
        (0, _) => "Receiving".to_owned(),
        (_, None) => format!("Receiving {}", plural(files, "file")),
        (_, Some(eta_s)) => format!("Receiving {}, {}", plural(files, "file"), estimate(eta_s)),
    }
}

/// Known only when it is known of every folder that needs something.
fn longest(folders: &[FolderStatus]) -> Option<u64> {
    let needing = folders.iter().filter(|folder| folder.need_files > 0 || folder.need_bytes > 0);
    let times: Option<Vec<u64>> = needing.map(|folder| folder.eta_s).collect();
    times?.into_iter().max()
}

/// The most files that any one connected device still needs from here.
fn most_needed(status: &Status) -> u64 {
    let needs = |device: &DeviceStatus| device.folders.iter().map(|folder| folder.need_files).sum();
    connected(status).map(needs).max().unwrap_or(0)
}

fn connected(status: &Status) -> impl Iterator<Item = &DeviceStatus> {
    status.devices.iter().filter(|device| device.connected)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Headline, Meaning, Status, TrayState};

    /// What the window's interface is held to as well.
    const TABLE: &str = include_str!("../../tests/golden/headline.json");

    fn merged(base: &Value, change: &Value) -> Value {
        let mut merged = base.clone();
        let fields = merged.as_object_mut().unwrap();
        fields
            .extend(change.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())));
        merged
    }

    /// A status of the table: `folders` and `devices` name what differs from the plain ones.
    fn status(table: &Value, case: &Value) -> Status {
        let list = |of: &str, plain: &str| -> Value {
            let changes = case[of].as_array().cloned().unwrap_or_default();
            changes.iter().map(|change| merged(&table[plain], change)).collect()
        };
        let status = json!({
            "device": { "id": "A", "name": "here", "addresses": [] },
            "version": "0",
            "problems": case["problems"].as_array().cloned().unwrap_or_default(),
            "offers": case["offers"].as_u64().unwrap_or(0),
            "folders": list("folders", "folder"),
            "devices": list("devices", "device"),
        });
        serde_json::from_value(status).unwrap()
    }

    /// I17: what is said in the window, in the tray and by the icon is the same.
    #[test]
    fn i17_the_sentence_is_what_the_table_says() {
        let table: Value = serde_json::from_str(TABLE).unwrap();
        for case in table["cases"].as_array().unwrap() {
            let status = status(&table, case);
            let headline = Headline::of(&status);
            let meaning = match headline.meaning {
                Meaning::Fine => "fine",
                Meaning::Working => "working",
                Meaning::NeedsYou => "needs-you",
                Meaning::Broken => "broken",
                Meaning::Rest => "rest",
            };
            let tray = format!("{:?}", TrayState::of(&headline, &status)).to_lowercase();
            let said = json!([headline.sentence, headline.online, meaning, tray]);
            let expected = [&case["sentence"], &case["online"], &case["meaning"], &case["tray"]];
            assert_eq!(said, json!(expected), "{case}");
        }
    }

    #[test]
    fn who_is_online_is_told_while_nothing_needs_a_look() {
        let headline = |meaning| Headline { meaning, sentence: "So".into(), online: "2".into() };
        assert_eq!(headline(Meaning::Fine).line(), "So · 2");
        assert_eq!(headline(Meaning::NeedsYou).line(), "So");
    }
}
