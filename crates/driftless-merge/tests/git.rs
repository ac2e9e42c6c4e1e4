//! The merge beside that of `git merge-file`, on texts that grew at random:
//! the same, or a choice where git makes none.

use std::fs;
use std::process::Command;

use driftless_merge::Merge;

const CASES: u64 = 2_000;

/// Numbers that look random and are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn text(&mut self) -> Vec<String> {
        let words = 2 + self.below(12);
        (0..self.below(20)).map(|_| format!("line {}\n", self.below(words))).collect()
    }

    /// Up to three lines more, fewer or other, and now and then no end of line at the end.
    fn edited(&mut self, base: &[String]) -> String {
        let mut text = base.to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(text.len() as u64 + 1) as usize;
            match self.below(3) {
                0 => text.insert(at, format!("new {}\n", self.below(4))),
                1 if at < text.len() => drop(text.remove(at)),
                _ if at < text.len() => text[at] = format!("changed {}\n", self.below(4)),
                _ => {}
            }
        }
        let mut text = text.concat();
        if self.below(12) == 0 {
            text.pop();
        }
        text
    }
}

#[test]
fn two_thousand_merges_are_those_of_git_or_ask_a_person() {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("passed over: there is no git to compare with");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut clean, mut asks) = (0, Vec::new());
    for case in 1..=CASES {
        let mut random = Random(case.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let base = random.text();
        let texts = [base.concat(), random.edited(&base), random.edited(&base)];
        for (name, text) in ["base", "ours", "theirs"].iter().zip(&texts) {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let mut git = Command::new("git");
        git.args(["merge-file", "-p", "-q", "ours", "base", "theirs"]).current_dir(dir.path());
        let git = git.output().unwrap();
        let [base, ours, theirs] = texts.each_ref().map(|text| text.as_bytes());
        match (Merge::new(base, ours, theirs).text(), git.status.success()) {
            (Some(text), true) => {
                assert_eq!(text, git.stdout, "case {case}: {texts:#?}");
                clean += 1;
            }
            (None, true) => asks.push(case),
            (Some(_), false) => panic!("case {case}: git asks a person: {texts:#?}"),
            (None, false) => {}
        }
    }
    println!("{clean} of {CASES} combine, {} ask where git does not", asks.len());
    assert!(asks.len() < 5, "a person is asked in {asks:?}, where git combines");
}
