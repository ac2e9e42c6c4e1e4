//! Which tests name which invariant and scenario of the catalogue.
//!
//! The catalogue is docs/guarantees.md. An id counts where it stands as a word
//! in a test's name or in the comment right above the test. Every id has to be
//! named so, or stand in [`NOT_SHOWN`] with the reason. That a test that names
//! an id also shows it is for whoever reviews it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Breach;

/// Where the catalogue is written down, a row of a table for each id.
const CATALOGUE: &str = "docs/guarantees.md";

/// Each group of ids, with how many it has.
const GROUPS: [(char, u32); 8] =
    [('I', 18), ('C', 20), ('P', 14), ('D', 10), ('N', 9), ('F', 13), ('H', 17), ('L', 7)];

/// What no test can show here, and why.
const NOT_SHOWN: [(&str, &str); 3] = [
    ("F13", "only Windows locks files that are open, and only Linux is claimed"),
    ("H14", "there are no encrypted devices"),
    ("L5", "the interface has no window of ours around it yet, so no calls to reach"),
];

/// An invariant or scenario, such as C3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    letter: char,
    number: u32,
}

impl Id {
    /// Reads an id, in lower case too where `any_case` is set.
    fn parse(word: &str, any_case: bool) -> Option<Self> {
        let letter = word.chars().next()?;
        let letter = if any_case { letter.to_ascii_uppercase() } else { letter };
        let number = word.get(letter.len_utf8()..)?;
        let (_, most) = GROUPS.into_iter().find(|(group, _)| *group == letter)?;
        let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let number = number.parse().ok().filter(|number| plain && (1..=most).contains(number))?;
        Some(Self { letter, number })
    }

    /// Those that stand in `text` as words.
    fn all_in(text: &str, any_case: bool) -> Vec<Self> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        words.filter_map(|word| Self::parse(word, any_case)).collect()
    }

    fn all() -> impl Iterator<Item = Self> {
        let ids = |(letter, most)| (1..=most).map(move |number| Self { letter, number });
        GROUPS.into_iter().flat_map(ids)
    }

    fn why_not_shown(self) -> Option<&'static str> {
        let id = self.to_string();
        NOT_SHOWN.into_iter().find(|(not_shown, _)| *not_shown == id).map(|(_, why)| why)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.letter, self.number)
    }
}

/// A test that names ids.
#[derive(Debug)]
struct Naming {
    file: PathBuf,
    test: String,
    /// Whether it has the id in its comment only, and how many it names in
    /// all: the less, the more telling.
    vagueness: (bool, usize),
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    tests: BTreeMap<Id, Vec<Naming>>,
    /// The lines of the catalogue that have a row, by id.
    rows: BTreeMap<Id, usize>,
}

impl Coverage {
    /// Takes note of what `file` names or lists.
    pub(super) fn count(&mut self, file: &Path, text: &str) {
        if file == Path::new(CATALOGUE) {
            self.list(text);
        }
        // This crate's tests are about the ids and cover none.
        if file.starts_with("xtask") {
            return;
        }
        let tests = match file.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => rust_tests(text),
            Some("ts") => typescript_tests(text),
            _ => return,
        };
        for (test, mut ids) in tests {
            ids.sort();
            ids.dedup();
            for id in &ids {
                let is_titled = Id::all_in(&test, true).contains(id);
                let (file, vagueness) = (file.to_owned(), (!is_titled, ids.len()));
                let naming = Naming { file, test: test.clone(), vagueness };
                self.tests.entry(*id).or_default().push(naming);
            }
        }
    }

    fn list(&mut self, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let cell = line.strip_prefix("| ").and_then(|row| row.split(' ').next());
            if let Some(id) = cell.and_then(|cell| Id::parse(cell, false)) {
                self.rows.insert(id, index + 1);
            }
        }
    }

    /// What no test names, what is said to have none and has one, and what the
    /// catalogue lacks.
    pub(super) fn check(&self, breaches: &mut Vec<Breach>) {
        for id in Id::all() {
            let mut found = |message: String| {
                let line = self.rows.get(&id).copied().unwrap_or(1);
                breaches.push(Breach { file: CATALOGUE.into(), line, message });
            };
            if !self.rows.contains_key(&id) {
                found(format!("{id} has no row; say what is guaranteed"));
            }
            match (self.tests.get(&id), id.why_not_shown()) {
                (None, None) => found(format!("no test names {id}; write one that shows it")),
                (Some(_), Some(_)) => {
                    found(format!("a test names {id}; take it off NOT_SHOWN in tidy"));
                }
                _ => {}
            }
        }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The catalogue, how many tests name each, and the most telling one:")?;
        for id in Id::all() {
            let tests = self.tests.get(&id).map_or(&[][..], Vec::as_slice);
            let name = id.to_string();
            match (tests.iter().min_by_key(|naming| naming.vagueness), id.why_not_shown()) {
                (Some(Naming { file, test, .. }), _) => {
                    writeln!(f, "  {name:<3} {:>3}  {test} ({})", tests.len(), file.display())?;
                }
                (None, Some(why)) => writeln!(f, "  {name:<3}   –  {why}")?,
                (None, None) => writeln!(f, "  {name:<3}   0  NOT NAMED")?,
            }
        }
        Ok(())
    }
}

/// The names of Rust's tests, with the ids that these or their docs name.
fn rust_tests(text: &str) -> Vec<(String, Vec<Id>)> {
    let (mut tests, mut ids, mut is_test) = (Vec::new(), Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            ids.extend(Id::all_in(doc, false));
            continue;
        }
        if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
            continue;
        }
        let (docs, was_test) = (std::mem::take(&mut ids), std::mem::take(&mut is_test));
        let line = line.strip_prefix("async ").unwrap_or(line);
        let name = line.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next());
        if let Some(name) = name.filter(|_| was_test) {
            tests.push((name.to_owned(), [docs, Id::all_in(name, true)].concat()));
        }
    }
    tests
}

/// The names of the interface's tests, with the ids that they name.
fn typescript_tests(text: &str) -> Vec<(String, Vec<Id>)> {
    let named = |line: &str| {
        let (call, rest) = line.trim().split_once("('")?;
        let (name, _) = rest.split_once("', ")?;
        let is_test = ["test", "it"].contains(&call.split('.').next()?);
        is_test.then(|| (name.to_owned(), Id::all_in(name, false)))
    };
    text.lines().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::{Coverage, GROUPS, Id, NOT_SHOWN};

    fn named(file: &str, text: &str) -> Vec<String> {
        let mut coverage = Coverage::default();
        coverage.count(file.as_ref(), text);
        coverage.tests.keys().map(Id::to_string).collect()
    }

    #[test]
    fn ids_count_in_names_of_tests_and_docs_right_above_them_only() {
        let text = "
            /// C1: of a module
            mod tests {
                // C2: a comment somewhere
                /// C3, C99, C07: of no test
                fn driver() {}
                /// C4
                const A: u8 = 1;
                #[test]
                fn n8_is_cut() {
                    /// C5
                    fn h1_inner() {}
                }
                /// D3, I4
                #[tokio::test]
                async fn one_more() {}
            }";
        assert_eq!(named("crates/x/src/a.rs", text), ["D3", "I4", "N8"]);
        assert!(named("xtask/src/a.rs", text).is_empty());
        let text = "  test('L4: inert', async () => {\n// L5\ntest('plain', () => {\nfit('L6', ";
        assert_eq!(named("tests/ui/a.test.ts", text), ["L4"]);
    }

    #[test]
    fn what_nobody_names_or_lists_is_a_breach() {
        let (mut coverage, mut breaches) = (Coverage::default(), Vec::new());
        let all: Vec<String> = Id::all().map(|id| id.to_string()).collect();
        let is_shown = |id: &&String| NOT_SHOWN.iter().all(|(not_shown, _)| not_shown != id);
        let shown: Vec<String> = all.iter().filter(is_shown).cloned().collect();
        assert_eq!(shown.len() + NOT_SHOWN.len(), all.len());
        let tests = format!("/// {}\n#[test]\nfn everything() {{}}\n", shown.join(", "));
        coverage.count("a.rs".as_ref(), &tests);
        let rows: Vec<String> = all.iter().map(|id| format!("| {id} | words |")).collect();
        coverage.count(super::CATALOGUE.as_ref(), &rows.join("\n"));
        coverage.check(&mut breaches);
        assert!(breaches.is_empty());

        coverage.tests.remove(&Id { letter: 'C', number: 4 });
        coverage.rows.remove(&Id { letter: 'P', number: GROUPS[2].1 });
        coverage.count("b.rs".as_ref(), "#[test]\nfn f13_locked() {}");
        coverage.check(&mut breaches);
        let said: Vec<&str> = breaches.iter().map(|breach| breach.message.as_str()).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("no test names C4"), "{said:?}");
        assert!(said[1].contains("P14 has no row"), "{said:?}");
        assert!(said[2].contains("take it off"), "{said:?}");
    }
}
