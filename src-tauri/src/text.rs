//! Every string that the shell itself shows, so that a translation is one file.
//!
//! The words for the state of things are those of `ui/src/format/en`, and
//! [`crate::sentence`] has a table that both are held to. Nothing is decided here.

pub(crate) use driftless_control::words::{count, estimate, plural, safe};

/// The program's name.
pub(crate) const APP: &str = "driftless";

pub(crate) const STARTING: &str = "Starting…";
pub(crate) const GONE: &str = "driftless is not running in the background";
pub(crate) const GONE_HINT: &str = "start it again, or look at the log";

pub(crate) const OPEN: &str = "Open driftless";
pub(crate) const PAUSE: &str = "Pause";
pub(crate) const RESUME: &str = "Resume";
pub(crate) const LID: &str = "Tell me when it is safe to close the lid";
pub(crate) const RECENT: &str = "Changed lately";
pub(crate) const QUIT: &str = "Quit";

/// The tray's entry for what needs a decision.
pub(crate) fn conflicts(number: u64) -> String {
    format!("Conflicts ({})", count(number))
}

pub(crate) const CLOSED_TITLE: &str = "driftless goes on in the background";
pub(crate) const CLOSED_BODY: &str =
    "Its icon in the panel says how things are. Quit it there, or open it again.";
pub(crate) const CLOSE_ASKS: &str = "Go on syncing without a window?\n\n\
     This desktop shows no icons of background programs. Start driftless again to see it.";
pub(crate) const CLOSE_STAY: &str = "Go on syncing";
pub(crate) const CLOSE_CANCEL: &str = "Cancel";

pub(crate) const SAFE_TITLE: &str = "It is safe to close the lid";
pub(crate) const SAFE_BODY: &str = "Everything here is on another device, too.";

pub(crate) fn offers(number: u64, device: &str, label: &str) -> (String, String) {
    match number {
        1 => ("A folder is offered to you".to_owned(), format!("{label}, by {device}")),
        _ => {
            (format!("{} folders are offered to you", count(number)), format!("The last: {label}"))
        }
    }
}

pub(crate) fn requests(number: u64, name: &str) -> (String, String) {
    match number {
        1 => ("A device asks to pair".to_owned(), name.to_owned()),
        _ => (format!("{} devices ask to pair", count(number)), format!("The last: {name}")),
    }
}

pub(crate) fn opened_conflicts(number: u64, path: &str) -> (String, String) {
    match number {
        1 => ("1 conflict needs you".to_owned(), path.to_owned()),
        _ => (format!("{} conflicts need you", count(number)), format!("The last: {path}")),
    }
}

/// Of edits of files of which a newer version is known; the last by its device, and whether it
/// was deleted.
pub(crate) fn stale_edits(
    number: u64,
    name: &str,
    (device, deleted): (&str, bool),
) -> (String, String) {
    let newer = format!("{device} has a newer version that is not here yet.");
    match (number, deleted) {
        (1, false) => {
            (format!("{name} is out of date here"), format!("{newer} Both versions will be kept."))
        }
        (1, true) => (
            format!("{name} was changed on {device}"),
            format!("It was deleted here, but {newer} It will come back."),
        ),
        _ => (
            format!("{} files are out of date here", count(number)),
            format!("The last: {name}, from {device}. Both versions of each will be kept."),
        ),
    }
}

pub(crate) fn stopped(number: u64, label: &str, reason: &str) -> (String, String) {
    match number {
        1 => (format!("{label} has stopped"), reason.to_owned()),
        _ => ("Several folders have stopped".to_owned(), format!("The last: {label}. {reason}")),
    }
}

pub(crate) fn little_space(label: &str) -> (String, String) {
    ("Too little space".to_owned(), format!("{label} goes on once there is room for its files."))
}

pub(crate) fn held_back(label: &str) -> (String, String) {
    ("A large change waits for your yes".to_owned(), label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{count, estimate, plural, safe};

    #[test]
    fn numbers_read_as_they_do_in_the_window() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!([plural(1, "file"), plural(1204, "file")], ["1 file", "1,204 files"]);
        let read = [0, 41, 61, 5400, 200_000].map(estimate);
        assert_eq!(
            read,
            ["a few seconds", "about 50 s", "about 2 min", "about 2 h", "about 2 days"]
        );
    }

    /// L4: a name cannot reorder or hide text in the panel or a notification.
    #[test]
    fn l4_names_are_written_out_where_they_could_deceive() {
        assert_eq!(safe("invoice\u{202e}fdp.exe"), "invoice\\u{202e}fdp.exe");
        assert_eq!(safe("a\nb\tc\0"), "a\\nb\\tc\\u{0}");
        assert_eq!(safe("e\u{301} 👩‍👩‍👧 مستندات <b>"), "e\u{301} 👩‍👩‍👧 مستندات <b>");
    }
}
