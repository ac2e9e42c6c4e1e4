//! Which scenarios of the catalogue are named in tests.
//!
//! An id counts where it stands as a word in a test file, or after the start of
//! a file's test module, or as a part of a test's name. Informative only: a
//! name in a test does not make the test good.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::sources::first_test_line;

/// Each group of scenarios, with how many it has.
const GROUPS: [(char, u32, &str); 7] = [
    ('C', 19, "concurrent edits"),
    ('P', 14, "crash and power"),
    ('D', 10, "disk"),
    ('N', 9, "network and time"),
    ('F', 13, "file behaviour"),
    ('H', 15, "hostile peer"),
    ('L', 7, "local and LAN"),
];

/// The scenarios that were found so far.
#[derive(Default)]
pub(super) struct Coverage {
    found: BTreeSet<(char, u32)>,
}

impl Coverage {
    pub(super) fn count(&mut self, file: &Path, text: &str) {
        let readable = ["rs", "ts", "py", "txt"].map(Some);
        let extension = file.extension().and_then(|extension| extension.to_str());
        // This crate's tests are about the ids and cover none.
        if !readable.contains(&extension) || file.starts_with("xtask") {
            return;
        }
        let tests_from = first_test_line(file, text);
        let tests = text.lines().skip(tests_from.saturating_sub(1));
        for line in tests {
            let is_test_name = line.trim_start().starts_with("fn ")
                || line.trim_start().starts_with("async fn ")
                || line.trim_start().starts_with("def ");
            let words = line.split(|c: char| !c.is_alphanumeric());
            self.found.extend(words.filter_map(|word| scenario(word, is_test_name)));
        }
    }
}

/// Reads an id such as `C3`, in lower case too where `any_case` is set.
fn scenario(word: &str, any_case: bool) -> Option<(char, u32)> {
    let letter = word.chars().next()?;
    let letter = if any_case { letter.to_ascii_uppercase() } else { letter };
    let number = word.get(1..)?;
    let (_, most, _) = GROUPS.into_iter().find(|(group, ..)| *group == letter)?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    let number = number.parse().ok().filter(|number| plain && (1..=most).contains(number))?;
    Some((letter, number))
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Scenarios named in tests:")?;
        for (letter, most, title) in GROUPS {
            let missing: Vec<String> = (1..=most)
                .filter(|number| !self.found.contains(&(letter, *number)))
                .map(|number| format!("{letter}{number}"))
                .collect();
            let named = most as usize - missing.len();
            write!(f, "  {letter}  {title:<17} {named:>2} of {most:>2}")?;
            match missing.as_slice() {
                [] => writeln!(f)?,
                _ => writeln!(f, "   not yet: {}", missing.join(" "))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Coverage;

    #[test]
    fn ids_count_in_test_names_and_comments_only() {
        let mut coverage = Coverage::default();
        let text =
            "// C1\n#[cfg(test)]\nmod tests {\n// C2, P99, H07\nfn n8_cut() {}\nlet l1 = 1;\n";
        coverage.count("crates/x/src/a.rs".as_ref(), text);
        assert_eq!(coverage.found.into_iter().collect::<Vec<_>>(), [('C', 2), ('N', 8)]);
    }
}
