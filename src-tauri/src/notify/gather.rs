//! What events that came together amount to.
//!
//! Pure. Counts by occasion, keeps the last of each, and drops what the status no longer bears
//! out: a conflict that was settled meanwhile needs nobody. A conflict that comes of an edit of
//! which a person is warned here is that warning.

use std::collections::{BTreeMap, BTreeSet};

use driftless_control::api::{EventBody, FolderState, FolderStatus, Problem, Status};

use super::{Notice, Occasion};
use crate::text;

/// The code of a problem with the room on a disk.
const DISK_FULL: &str = "disk-full";

/// Events that wait to be told.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    occasions: BTreeMap<Occasion, Several>,
    /// The folders and paths of edits of what is out of date.
    stale: BTreeSet<(String, String)>,
}

#[derive(Debug, Default)]
struct Several {
    count: u64,
    last: Last,
}

/// The last of several events, in the words of the API.
#[derive(Debug, Default)]
struct Last {
    /// ID of its folder, where it has one.
    folder: String,
    /// What it is about.
    what: String,
    /// What is said about that.
    detail: String,
    /// Whether it was deleted.
    deleted: bool,
}

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.occasions.is_empty()
    }

    pub(super) fn take(&mut self, event: &EventBody) {
        let deleted = matches!(event, EventBody::StaleEdit { deleted: true, .. });
        let (occasion, folder, what, detail) = match event {
            EventBody::Offer { offer } => {
                (Occasion::Offer, &offer.id, offer.label.clone(), offer.device_name.clone())
            }
            EventBody::PairRequested { request } => {
                (Occasion::Request, &request.id, request.name.clone(), String::new())
            }
            EventBody::StaleEdit { folder, path, device_name, .. } => {
                self.stale.insert((folder.clone(), path.clone()));
                (Occasion::StaleEdit, folder, path.clone(), device_name.clone())
            }
            EventBody::ConflictOpened { folder, path, .. } => {
                // It is told of once, with what it comes of.
                if self.stale.contains(&(folder.clone(), path.clone())) {
                    return;
                }
                (Occasion::Conflict, folder, path.clone(), String::new())
            }
            EventBody::FolderState { folder, state: FolderState::Stopped, reason } => {
                let reason = reason.clone().unwrap_or_default();
                (Occasion::Stopped, folder, String::new(), reason)
            }
            EventBody::ProblemOpened { folder: Some(folder), problem } => {
                match problem.code.as_str() {
                    Problem::MASS_CHANGE => {
                        (Occasion::HeldBack, folder, String::new(), String::new())
                    }
                    DISK_FULL => (Occasion::LittleSpace, folder, String::new(), String::new()),
                    _ => return,
                }
            }
            _ => return,
        };
        let several = self.occasions.entry(occasion).or_default();
        several.count += 1;
        several.last = Last { folder: folder.clone(), what, detail, deleted };
    }

    /// What is worth telling, as things are now.
    pub(super) fn notices(self, status: Option<&Status>) -> Vec<Notice> {
        let Some(status) = status else { return Vec::new() };
        self.occasions
            .into_iter()
            .filter_map(|(occasion, several)| notice(occasion, several, status))
            .collect()
    }
}

fn notice(occasion: Occasion, Several { count, last }: Several, status: &Status) -> Option<Notice> {
    let folder = status.folders.iter().find(|folder| folder.id == last.folder);
    let label = folder.map(|folder| text::safe(&folder.label)).unwrap_or_default();
    let (what, detail) = (text::safe(&last.what), text::safe(&last.detail));
    let sum = |of: fn(&FolderStatus) -> u64| status.folders.iter().map(of).sum::<u64>();
    let (title, body) = match occasion {
        // One that was being paired just then is in already.
        Occasion::Request => match u64::from(status.requests) {
            0 => return None,
            open => text::requests(count.min(open), &what),
        },
        Occasion::Offer if status.offers > 0 => text::offers(count, &detail, &what),
        Occasion::Conflict => match sum(|folder| folder.conflicts) {
            0 => return None,
            open => text::opened_conflicts(count.min(open), &format!("{label}: {what}")),
        },
        Occasion::StaleEdit => {
            let name = what.rsplit('/').next().unwrap_or(&what);
            text::stale_edits(count, name, (&detail, last.deleted))
        }
        Occasion::Stopped if folder?.state == FolderState::Stopped => {
            let stopped = sum(|folder| u64::from(folder.state == FolderState::Stopped));
            text::stopped(count.min(stopped), &label, &detail)
        }
        Occasion::HeldBack if folder?.held_back.is_some() => text::held_back(&label),
        Occasion::LittleSpace => text::little_space(&label),
        Occasion::Offer
        | Occasion::Stopped
        | Occasion::HeldBack
        | Occasion::Finished
        | Occasion::ClosedToTray => return None,
    };
    Some(Notice { occasion, title, body })
}

#[cfg(test)]
mod tests {
    use driftless_control::api::{EventBody, FolderState, Problem, Status};
    use serde_json::{Value, json};

    use super::Gathered;

    /// A status of one folder that differs from a calm one in these fields.
    fn status(change: Value) -> Status {
        let table: Value =
            serde_json::from_str(include_str!("../../../tests/golden/headline.json")).unwrap();
        let mut folder = table["folder"].clone();
        let fields = folder.as_object_mut().unwrap();
        fields.extend(change.as_object().unwrap().clone());
        let device = json!({ "id": "A", "name": "here", "addresses": [] });
        let status = json!({
            "device": device, "version": "0", "offers": 0, "requests": 2, "folders": [folder], "devices": [],
        });
        serde_json::from_value(status).unwrap()
    }

    fn told(events: &[EventBody], change: Value) -> Vec<(String, String)> {
        let mut gathered = Gathered::default();
        events.iter().for_each(|event| gathered.take(event));
        let notices = gathered.notices(Some(&status(change)));
        notices.into_iter().map(|notice| (notice.title, notice.body)).collect()
    }

    fn conflict(path: &str) -> EventBody {
        EventBody::ConflictOpened { folder: "a".into(), id: path.into(), path: path.into() }
    }

    #[test]
    fn many_conflicts_are_one_notice_and_settled_ones_are_none() {
        let both = [conflict("x"), conflict("y\u{202e}")];
        let two = told(&both, json!({ "conflicts": 2 }));
        let said = ("2 conflicts need you".to_owned(), "The last: A: y\\u{202e}".to_owned());
        assert_eq!(two, [said]);
        assert_eq!(told(&both[..1], json!({ "conflicts": 7 }))[0].0, "1 conflict needs you");
        assert_eq!(told(&both, json!({ "conflicts": 0 })), []);
    }

    fn stale(path: &str, deleted: bool) -> EventBody {
        EventBody::StaleEdit {
            folder: "a".into(),
            path: path.into(),
            device: "A".into(),
            device_name: "desk".into(),
            deleted,
        }
    }

    #[test]
    fn an_edit_of_what_is_out_of_date_is_told_once_with_file_and_device() {
        let one = told(
            &[stale("in/plan.odt", false), conflict("in/plan.odt")],
            json!({ "conflicts": 1 }),
        );
        let body = "desk has a newer version that is not here yet. Both versions will be kept.";
        assert_eq!(one, [("plan.odt is out of date here".to_owned(), body.to_owned())]);
        let deleted = told(&[stale("plan.odt", true)], json!({}));
        let body = "It was deleted here, but desk has a newer version that is not here yet. It will come back.";
        assert_eq!(deleted, [("plan.odt was changed on desk".to_owned(), body.to_owned())]);
        let others = [stale("x", false), stale("y\u{202e}", false), conflict("z")];
        let titles = told(&others, json!({ "conflicts": 3 }));
        assert_eq!(titles[0].0, "1 conflict needs you", "another one is told of, too");
        let said = "The last: y\\u{202e}, from desk. Both versions of each will be kept.";
        assert_eq!(titles[1], ("2 files are out of date here".to_owned(), said.to_owned()));
    }

    #[test]
    fn who_asks_to_be_let_in_is_told_by_the_name_that_it_gives_itself() {
        let request = |name: &str| {
            let request = json!({ "id": name, "name": name, "address": "a", "asked_at_ms": 1 });
            EventBody::PairRequested { request: serde_json::from_value(request).unwrap() }
        };
        let asks = told(&[request("eve")], json!({}));
        assert_eq!(asks, [("A device asks to pair".to_owned(), "eve".to_owned())]);
        let both = told(&[request("eve"), request("mal\n")], json!({}));
        let said = ("2 devices ask to pair".to_owned(), "The last: mal\\n".to_owned());
        assert_eq!(both, [said]);
    }

    #[test]
    fn a_folder_that_stopped_is_told_while_it_is_so() {
        let reason = Some("its directory is gone".to_owned());
        let event =
            EventBody::FolderState { folder: "a".into(), state: FolderState::Stopped, reason };
        let events = [event];
        let told_now = told(&events, json!({ "state": "stopped" }));
        assert_eq!(told_now, [("A has stopped".to_owned(), "its directory is gone".to_owned())]);
        assert_eq!(told(&events, json!({ "state": "up-to-date" })), []);
    }

    #[test]
    fn of_problems_only_those_that_a_person_must_deal_with_are_told() {
        let problem = |code: &str| EventBody::ProblemOpened {
            folder: Some("a".into()),
            problem: Problem {
                path: "x".into(),
                code: code.into(),
                message: "m".into(),
                hint: None,
            },
        };
        let all = ["io-error", "disk-full", Problem::MASS_CHANGE].map(problem);
        let held_back = json!({ "held_back": { "deletions": 9, "rewrites": 0, "device": null } });
        let titles: Vec<_> = told(&all, held_back).into_iter().map(|(title, _)| title).collect();
        assert_eq!(titles, ["A large change waits for your yes", "Too little space"]);
    }
}
