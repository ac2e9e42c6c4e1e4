//! What must not stand in a source file.

use std::path::{Component, Path};

use super::Breach;

/// Lines beyond which a file is worth a warning, and too long.
const LONG: usize = 400;
const TOO_LONG: usize = 800;

/// Names that pure crates may not use, with what to do instead.
const IMPURE: [(&str, &str); 10] = [
    ("HashMap", "its order differs from run to run; use BTreeMap"),
    ("HashSet", "its order differs from run to run; use BTreeSet"),
    ("Instant", "take the time as an argument"),
    ("SystemTime", "take the time as an argument"),
    ("std::fs", "leave files to driftless-fs"),
    ("std::net", "leave sockets to driftless-net"),
    ("std::thread", "leave threads to the daemon"),
    ("thread::spawn", "leave threads to the daemon"),
    ("tokio", "no async here; hand out effects"),
    ("rand", "take randomness as an argument"),
];

/// Marks of unfinished work. Spelt in halves, so that this file has none.
const UNFINISHED: [&str; 5] = [
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("for ", "now"),
];

/// The beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")];

/// Warns of a file that is long but not yet too long.
pub(super) fn long_file(file: &Path, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let long = is_code(file) && (LONG + 1..=TOO_LONG).contains(&lines);
    long.then(|| format!("{} has {lines} lines; aim for {LONG}", file.display()))
}

pub(super) fn check(file: &Path, text: &str, breaches: &mut Vec<Breach>) {
    let mut found = |line: usize, message: String| {
        breaches.push(Breach { file: file.to_owned(), line, message });
    };
    if is_code(file) && text.lines().count() > TOO_LONG {
        found(TOO_LONG + 1, format!("the file has more than {TOO_LONG} lines; split it"));
    }
    // Directly below tests/, foo.rs would be a test program of its own.
    if file.file_name().is_some_and(|name| name == "mod.rs") && !is_test_file(file) {
        found(1, "name the module after its directory: foo.rs beside foo/".to_owned());
    }
    if !is_checked(file) {
        return;
    }
    let tests_from = first_test_line(file, text);
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        for mark in UNFINISHED.into_iter().filter(|mark| has_word(line, mark)) {
            found(number, format!("{mark:?} marks unfinished work; finish it or leave it out"));
        }
        for path in MACHINE_PATHS.into_iter().filter(|path| has_absolute(line, path)) {
            found(
                number,
                format!("{path} is a place on one machine; make it relative or a setting"),
            );
        }
        if !is_rust(file) || number >= tests_from {
            continue;
        }
        let code = line.split("//").next().unwrap_or_default();
        if code.trim_start().trim_start_matches("pub ").starts_with("use ") && code.contains("::*")
        {
            found(number, "a glob import; name what is imported".to_owned());
        }
        if is_pure(file) {
            for (name, instead) in IMPURE.into_iter().filter(|(name, _)| has_word(code, name)) {
                found(number, format!("{name} in a pure crate: {instead}"));
            }
        }
    }
}

fn has_extension(file: &Path, extensions: &[&str]) -> bool {
    file.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension))
}

fn is_rust(file: &Path) -> bool {
    has_extension(file, &["rs"])
}

fn is_code(file: &Path) -> bool {
    has_extension(file, &["rs", "ts", "svelte", "css", "py", "sh"]) && !is_generated(file)
}

fn is_checked(file: &Path) -> bool {
    (is_code(file) || has_extension(file, &["toml", "md", "proto", "html", "json"]))
        && !is_generated(file)
        && file.file_name().is_none_or(|name| name != "package-lock.json")
}

fn is_generated(file: &Path) -> bool {
    file.components().any(|part| part == Component::Normal("generated".as_ref()))
}

fn is_pure(file: &Path) -> bool {
    ["core", "proto", "engine"]
        .iter()
        .any(|name| file.starts_with(format!("crates/driftless-{name}/src")))
}

/// Whether the file holds nothing but tests.
pub(super) fn is_test_file(file: &Path) -> bool {
    let in_tests = file.components().any(|part| part == Component::Normal("tests".as_ref()));
    in_tests || file.file_stem().is_some_and(|stem| stem == "tests")
}

/// The line from which a Rust file holds tests: they stand at its end.
pub(super) fn first_test_line(file: &Path, text: &str) -> usize {
    if is_test_file(file) {
        return 1;
    }
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |pair: &[&str]| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    };
    lines.windows(2).position(begins).map_or(usize::MAX, |line| line + 1)
}

/// Whether `word` stands in `line` and is no part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// Whether `path` stands in `line` as the beginning of a path.
fn has_absolute(line: &str, path: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "._-~/*}>)".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].chars().next_back().is_some_and(continues))
}

#[cfg(test)]
mod tests {
    use super::{Breach, check, has_absolute, has_word};

    fn lines(file: &str, text: &str) -> Vec<usize> {
        let mut breaches: Vec<Breach> = Vec::new();
        check(file.as_ref(), text, &mut breaches);
        breaches.iter().map(|breach| breach.line).collect()
    }

    #[test]
    fn pure_crates_use_no_clock_outside_tests_and_comments() {
        let text =
            "use std::time::Instant;\n// Instant\n#[cfg(test)]\nmod tests {\nuse super::*;\n";
        assert_eq!(lines("crates/driftless-core/src/a.rs", text), [1]);
        assert!(lines("crates/driftless-net/src/a.rs", text).is_empty());
    }

    #[test]
    fn globs_and_long_files_and_mod_rs_are_found() {
        assert_eq!(lines("crates/driftless-net/src/a.rs", "\nuse super::*;\n"), [2]);
        assert_eq!(lines("crates/driftless-net/src/a/mod.rs", ""), [1]);
        assert_eq!(lines("crates/driftless-net/src/a.rs", &"\n".repeat(801)), [801]);
    }

    #[test]
    fn words_and_paths_are_found_whole() {
        assert!(has_word("a HashMap<u8>", "HashMap") && !has_word("MyHashMapper", "HashMap"));
        assert!(has_word("use rand::Rng", "rand") && !has_word("operand", "rand"));
        let home = concat!("/ho", "me/");
        assert!(has_absolute(&format!("\"{home}me\""), home));
        assert!(!has_absolute(&format!("src{home}private.rs"), home));
    }
}
