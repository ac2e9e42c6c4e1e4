//! Which rule leaves a path out, and whether a text is one.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use driftless_core::{RelPath, Stat};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::io::Errno;

use super::{Chain, IGNORE_FILE, Ignore, read_text, with_ancestors};
use crate::beneath::{FILE, open_beneath};
use crate::root::Root;
use crate::stat::stat_of;

/// The rule that leaves a path out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule file, below the root.
    pub file: String,
    /// The rule as written; `None` where the file cannot be read, so that all
    /// that it might cover is left alone.
    pub text: Option<String>,
    /// The number of its line, from 1, where it was found again.
    pub line: Option<u32>,
    /// The path that it covers: the one asked about, or a directory that holds it.
    pub covers: RelPath,
}

/// The rules of one directory's own rule file; `None` where it cannot be read.
struct Level {
    dir: Option<RelPath>,
    rules: Option<Arc<Gitignore>>,
}

impl Ignore {
    /// The rule that leaves `path` out, or a directory that holds it.
    pub fn rule_for(&self, path: &RelPath, is_dir: bool) -> Option<Rule> {
        let mut levels: Vec<Level> = self.level(None).into_iter().collect();
        for covered in with_ancestors(path) {
            let is_last = covered == *path;
            if let Some(rule) = self.find_rule(&levels, &covered, is_dir || !is_last) {
                return Some(rule);
            }
            if !is_last {
                levels.extend(self.level(Some(covered)));
            }
        }
        None
    }

    fn level(&self, dir: Option<RelPath>) -> Option<Level> {
        self.enter(dir.as_ref(), &Chain::default());
        let file = self.lock().get(&dir).cloned()?;
        let is_read = file.stat.is_some();
        Some(Level { dir, rules: file.rules.filter(|_| is_read) })
    }

    fn find_rule(&self, levels: &[Level], covered: &RelPath, is_dir: bool) -> Option<Rule> {
        if covered.name() == IGNORE_FILE && !is_dir {
            return None;
        }
        for Level { dir, rules } in levels.iter().rev() {
            let dir = dir.as_ref();
            let file = dir.map_or(IGNORE_FILE.to_owned(), |dir| format!("{dir}/{IGNORE_FILE}"));
            let covers = covered.clone();
            let Some(rules) = rules else {
                return Some(Rule { file, text: None, line: None, covers });
            };
            let prefix = dir.map_or(0, |dir| dir.as_str().len() + 1);
            match rules.matched(&covered.as_str()[prefix..], is_dir) {
                Match::Ignore(glob) => {
                    let text = glob.original().to_owned();
                    let line = self.line_of(&file, &text);
                    return Some(Rule { file, text: Some(text), line, covers });
                }
                Match::Whitelist(_) => return None,
                Match::None => {}
            }
        }
        None
    }

    /// The last line that says this, which is the one that decides.
    fn line_of(&self, file: &str, rule: &str) -> Option<u32> {
        let (text, _) = read_file(self.root.fd(), file).ok()??;
        let said = |line: &str| line.trim_end() == rule.trim_end();
        let lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
        lines.filter(|(_, line)| said(line)).last().map(|(number, _)| number)
    }
}

/// Why a rule file cannot be read as it must be before it is changed.
#[derive(Debug, thiserror::Error)]
pub enum ReadRulesError {
    /// The disk refused.
    #[error("the rule file cannot be opened")]
    Io(#[source] std::io::Error),
    /// It is too large, or no plain file.
    #[error("the rule file {0}")]
    Unusable(String),
}

/// The rule file at the folder's root, and its `lstat`; `None` where there is none.
///
/// # Errors
///
/// It is no plain file, larger than [`super::IGNORE_MAX_BYTES`], no UTF-8 or
/// cannot be read.
pub fn read_root_rules(root: &Root) -> Result<Option<(String, Stat)>, ReadRulesError> {
    let read = read_file(root.fd(), IGNORE_FILE)?;
    if read.as_ref().is_some_and(|(text, _)| text.contains(char::REPLACEMENT_CHARACTER)) {
        return Err(ReadRulesError::Unusable("is not UTF-8".to_owned()));
    }
    Ok(read)
}

fn read_file(from: BorrowedFd<'_>, path: &str) -> Result<Option<(String, Stat)>, ReadRulesError> {
    let fd = match open_beneath(from, path, FILE) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::LOOP) => return Err(ReadRulesError::Unusable("is no plain file".to_owned())),
        opened => opened.map_err(|errno| ReadRulesError::Io(errno.into()))?,
    };
    let raw = rustix::fs::fstat(&fd).map_err(|errno| ReadRulesError::Io(errno.into()))?;
    let stat = stat_of(&raw);
    let text = read_text(&fd, &stat).map_err(ReadRulesError::Unusable)?;
    Ok(Some((text, stat)))
}

/// Checks that a line is a rule.
///
/// # Errors
///
/// What is wrong with it, for a person.
pub fn check_rule(line: &str) -> Result<(), String> {
    if line.chars().any(char::is_control) {
        return Err("it contains a control character".to_owned());
    }
    GitignoreBuilder::new("").add_line(None, line).map(drop).map_err(|error| error.to_string())
}
