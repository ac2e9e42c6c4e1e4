//! Which paths a person told driftless to leave alone.
//!
//! `.driftlessignore` files at any depth hold gitignore rules: the file
//! nearest to a path decides first, `!` takes back, and what lies below an
//! ignored directory is ignored. Nothing else is ever ignored, and the rule
//! files themselves are not, so that every device has the same rules.
//!
//! A rule file that cannot be read makes all that it might cover count as
//! ignored: neither sent nor changed (I16).

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use driftless_core::{Problem, ProblemCode, RelPath, Stat};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::FileType;
use rustix::io::Errno;

use crate::beneath::{FILE, open_beneath};
use crate::problem::problem;
use crate::root::Root;
use crate::stat::{kind_of, stat_of};

mod rule;

pub use rule::{ReadRulesError, Rule, check_rule, read_root_rules};

/// The name of a rule file.
pub const IGNORE_FILE: &str = ".driftlessignore";

/// The largest rule file that is read, in bytes: some thousand rules. What a
/// path costs grows with all of them, and any device may write them.
pub const IGNORE_MAX_BYTES: u64 = 64 << 10;

/// A folder's ignore rules. Clones share them.
///
/// Every question looks at the rule files as they are now; only their parsed
/// form is kept, for as long as a file's `stat` stays the same.
#[derive(Clone, Debug)]
pub struct Ignore {
    root: Root,
    files: Arc<Mutex<HashMap<Option<RelPath>, RuleFile>>>,
    changed: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
pub(crate) struct RuleFile {
    stat: Option<Stat>,
    /// `None` while the file cannot be read.
    rules: Option<Arc<Gitignore>>,
    pub(crate) problems: Vec<Problem>,
}

/// The rules that hold in one directory, nearest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    levels: Vec<(usize, Arc<Gitignore>)>,
    unreadable: bool,
}

impl Ignore {
    /// The rules of the folder at `root`.
    pub fn new(root: &Root) -> Self {
        Self { root: root.clone(), files: Arc::default(), changed: Arc::default() }
    }

    /// Whether a rule covers `path` or a directory that holds it.
    pub fn is_ignored(&self, path: &RelPath, is_dir: bool) -> bool {
        self.chain_of(path.parent().as_ref())
            .map_or(true, |chain| chain.is_ignored(path.as_str(), is_dir))
    }

    /// Whether rules changed since this was last asked. Paths that they cover
    /// may then need another look.
    pub fn changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    /// Trouble with the rule files seen so far.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<_> =
            self.lock().values().flat_map(|file| file.problems.iter().cloned()).collect();
        problems.sort();
        problems
    }

    /// The rules that hold in `dir`, or the outermost directory that is ignored.
    pub(crate) fn chain_of(&self, dir: Option<&RelPath>) -> Result<Chain, RelPath> {
        let mut chain = self.enter(None, &Chain::default());
        for ancestor in dir.into_iter().flat_map(with_ancestors) {
            if chain.is_ignored(ancestor.as_str(), true) {
                return Err(ancestor);
            }
            chain = self.enter(Some(&ancestor), &chain);
        }
        Ok(chain)
    }

    /// The rules that hold in `dir`, whose parent has `parent`.
    fn enter(&self, dir: Option<&RelPath>, parent: &Chain) -> Chain {
        let path = RelPath::child_of(dir, IGNORE_FILE);
        let path = path.as_ref().map_or(IGNORE_FILE, RelPath::as_str);
        self.load(dir, parent, self.root.fd(), path)
    }

    /// As `enter`, for a directory that is open and known to list a rule file or not.
    pub(crate) fn enter_open(
        &self,
        dir: Option<&RelPath>,
        parent: &Chain,
        fd: BorrowedFd<'_>,
        lists_rules: bool,
    ) -> Chain {
        if lists_rules {
            return self.load(dir, parent, fd, IGNORE_FILE);
        }
        self.forget(dir);
        parent.clone()
    }

    fn load(
        &self,
        dir: Option<&RelPath>,
        parent: &Chain,
        from: BorrowedFd<'_>,
        path: &str,
    ) -> Chain {
        let file = match open_beneath(from, path, FILE) {
            Err(Errno::NOENT | Errno::NOTDIR) => {
                self.forget(dir);
                return parent.clone();
            }
            opened => self.read(dir, opened),
        };
        parent.within(dir, &file)
    }

    fn read(
        &self,
        dir: Option<&RelPath>,
        opened: rustix::io::Result<rustix::fd::OwnedFd>,
    ) -> RuleFile {
        let stat = opened
            .as_ref()
            .map_err(|errno| *errno)
            .and_then(rustix::fs::fstat)
            .map(|raw| stat_of(&raw));
        let known = self.lock().get(&dir.cloned()).cloned();
        if let (Some(known), Ok(stat)) = (&known, stat)
            && known.stat == Some(stat)
        {
            return known.clone();
        }
        let shown = dir.map_or(IGNORE_FILE.to_owned(), |dir| format!("{dir}/{IGNORE_FILE}"));
        let text = match (opened, stat) {
            (Ok(fd), Ok(stat)) => read_text(&fd, &stat),
            _ => Err("cannot be read; what it may cover is left alone".to_owned()),
        };
        let file = match text {
            Ok(text) => parse(&shown, &text, stat.ok()),
            Err(message) => RuleFile {
                stat: None,
                // The rules that were read last are a better guess than none.
                rules: known.as_ref().and_then(|file| file.rules.clone()),
                problems: vec![problem(&shown, ProblemCode::IgnoreRule, message)],
            },
        };
        self.lock().insert(dir.cloned(), file.clone());
        // A file that stays unreadable has no stat to know it by, and is read again.
        if file.stat.is_some() || known.is_none_or(|known| known.problems != file.problems) {
            self.changed.store(true, Ordering::Release);
        }
        file
    }

    fn forget(&self, dir: Option<&RelPath>) {
        let mut files = self.lock();
        if !files.is_empty() && files.remove(&dir.cloned()).is_some() {
            self.changed.store(true, Ordering::Release);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<RelPath>, RuleFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chain {
    /// The chain in `dir`, where these are the rules.
    pub(crate) fn within(&self, dir: Option<&RelPath>, file: &RuleFile) -> Self {
        let mut chain = self.clone();
        match &file.rules {
            Some(rules) => {
                let prefix = dir.map_or(0, |dir| dir.as_str().len() + 1);
                chain.levels.insert(0, (prefix, Arc::clone(rules)));
            }
            None => chain.unreadable = true,
        }
        chain
    }

    /// Whether a rule covers `path`, a path in the chain's directory.
    pub(crate) fn is_ignored(&self, path: &str, is_dir: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name == IGNORE_FILE && !is_dir {
            return false;
        }
        for (prefix, rules) in &self.levels {
            match rules.matched(&path[*prefix..], is_dir) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        self.unreadable
    }

    /// Whether a rule covers `path` as a file or as a directory.
    pub(crate) fn may_ignore(&self, path: &str) -> bool {
        self.is_ignored(path, false) || self.is_ignored(path, true)
    }
}

/// The directories that lead to `path`, outermost first, and `path` itself.
pub(crate) fn with_ancestors(path: &RelPath) -> impl Iterator<Item = RelPath> + '_ {
    let text = path.as_str();
    let ends = text.match_indices('/').map(|(slash, _)| slash).chain([text.len()]);
    // A path's ancestors are paths, so nothing is filtered out.
    ends.filter_map(|end| RelPath::parse(&text[..end]).ok())
}

pub(crate) fn read_text(fd: &impl AsFd, stat: &Stat) -> Result<String, String> {
    if kind_of(stat) != FileType::RegularFile {
        return Err("is no plain file; what it may cover is left alone".to_owned());
    }
    if stat.size_bytes > IGNORE_MAX_BYTES {
        return Err("is over 64 KiB and is not read; what it may cover is left alone".to_owned());
    }
    let mut bytes = vec![0; stat.size_bytes as usize];
    let mut len = 0;
    while len < bytes.len() {
        match rustix::io::pread(fd, &mut bytes[len..], len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(format!("cannot be read: {}", std::io::Error::from(errno))),
        }
    }
    Ok(String::from_utf8_lossy(&bytes[..len]).into_owned())
}

pub(crate) fn parse(shown: &str, text: &str, stat: Option<Stat>) -> RuleFile {
    let mut builder = GitignoreBuilder::new("");
    let mut problems = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if let Err(error) = builder.add_line(None, line) {
            let message = format!("line {} is no pattern and is skipped: {error}", index + 1);
            problems.push(problem(shown, ProblemCode::IgnoreRule, message));
        }
    }
    let rules = match builder.build() {
        Ok(rules) => Some(Arc::new(rules)),
        Err(error) => {
            problems.push(problem(shown, ProblemCode::IgnoreRule, error.to_string()));
            None
        }
    };
    RuleFile { stat, rules, problems }
}
