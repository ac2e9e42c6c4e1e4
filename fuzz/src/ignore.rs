//! Rule files.

use driftless_core::RelPath;
use driftless_fs::fuzzing::Rules;
use driftless_fs::ignore::IGNORE_FILE;

use super::first_line;

/// I16: a path on the first line, then any text as a rule file.
pub(crate) fn ignore(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (path, text) = first_line(&text);
    let rules = Rules::parse(text);
    let file = RelPath::parse(IGNORE_FILE).expect("it is a path");
    assert!(!rules.covers(&file, false), "rule files are never ignored");
    let Ok(path) = RelPath::parse(path) else { return };
    let covered = [false, true].map(|is_dir| rules.covers(&path, is_dir));
    let is_whole = rules.problems.is_empty();
    let means_nothing = |line: &str| line.trim().is_empty() || line.starts_with('#');
    if is_whole && text.trim_start_matches('\u{feff}').lines().all(means_nothing) {
        assert_eq!(covered, [false; 2], "no rule covers {path:?}");
    }
    if is_whole && path != file {
        // The last rule that fits decides.
        assert!(Rules::parse(&format!("{text}\n*\n")).covers(&path, true));
        assert!(!Rules::parse(&format!("{text}\n!*\n")).covers(&path, true));
        let nothing_more = Rules::parse(&format!("{text}\n# nothing\n"));
        assert_eq!(covered, [false, true].map(|is_dir| nothing_more.covers(&path, is_dir)));
    }
}
