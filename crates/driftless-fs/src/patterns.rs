//! Patterns as in an ignore file, in an order in which the first that fits
//! counts. What follows from one that fits is the caller's to say.

use driftless_core::RelPath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// Patterns that are ready to be compared with paths.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<Gitignore>);

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
#[error("{pattern:?} is no pattern: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    ///
    /// A text that is empty, too long, a comment, an exception (`!…`), or that
    /// an ignore file could not hold.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        texts.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The place of the first pattern that fits a file at `path`, or a
    /// directory that holds it.
    pub fn first(&self, path: &RelPath) -> Option<usize> {
        let path = path.as_str();
        self.0.iter().position(|it| it.matched_path_or_any_parents(path, false).is_ignore())
    }
}

fn read(text: &str) -> Result<Gitignore, PatternError> {
    let refused = |reason: String| PatternError { pattern: text.to_owned(), reason };
    if text.trim().is_empty() {
        return Err(refused("it is empty".to_owned()));
    }
    if text.starts_with(['#', '!']) || text.contains(['\n', '\r', '\0']) {
        return Err(refused("it begins with # or !, or has more than one line".to_owned()));
    }
    if text.len() > MAX_PATTERN_BYTES {
        return Err(refused(format!("it is longer than {MAX_PATTERN_BYTES} bytes")));
    }
    let mut builder = GitignoreBuilder::new("");
    builder.add_line(None, text).map_err(|error| refused(error.to_string()))?;
    builder.build().map_err(|error| refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let patterns = Patterns::new(["*.md", "/notes/**", "draft*"]).unwrap();
        let first = |path: &str| patterns.first(&RelPath::parse(path).unwrap());
        assert_eq!(first("notes/a.md"), Some(0));
        assert_eq!(first("notes/b/c.txt"), Some(1));
        assert_eq!(first("other/notes/c.txt"), None);
        assert_eq!(first("x/drafts/c.txt"), Some(2), "what lies in a directory that fits");
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", " ", "# a", "!a", "a\nb", "a{b", &"a".repeat(2000)] {
            assert!(Patterns::new([bad]).is_err(), "{bad:?}");
        }
    }
}
