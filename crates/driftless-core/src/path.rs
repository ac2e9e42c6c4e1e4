//! Paths below a folder root.
//!
//! Decides which names exist at all. What a particular file system can hold
//! (case and normal-form twins, reserved names) is the disk adapter's concern.

use std::cmp::Ordering;
use std::fmt;

/// The longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 4096;

/// The longest name of one component, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// The directory at a folder's root that holds driftless's private files.
pub const PRIVATE_DIR: &str = ".driftless";

/// A slash-separated path below a folder root.
///
/// Never empty or absolute, and no component is empty, `.` or `..`, so joining
/// it to a root cannot lexically escape; nor is the first one the private
/// directory. Names are exact bytes of UTF-8. Symlinks are the disk adapter's
/// concern. Ordered by components, so that a directory stands right before
/// what it holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPath(Box<str>);

/// Why a text is no path below a folder root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePathError {
    /// The text is empty.
    #[error("the path is empty")]
    Empty,
    /// The path is over [`MAX_PATH_BYTES`], or a component over [`MAX_NAME_BYTES`].
    #[error("the path is too long")]
    TooLong,
    /// A component is empty, `.` or `..`, or the path is absolute.
    #[error("the path is not a plain relative path")]
    NotPlain,
    /// A NUL byte.
    #[error("the path contains a NUL byte")]
    Nul,
    /// The path leads into the private directory.
    #[error("the path is in the private directory")]
    Private,
}

impl RelPath {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, ParsePathError> {
        if text.is_empty() {
            return Err(ParsePathError::Empty);
        }
        if text.len() > MAX_PATH_BYTES {
            return Err(ParsePathError::TooLong);
        }
        check_names(text)?;
        if text.split('/').next() == Some(PRIVATE_DIR) {
            return Err(ParsePathError::Private);
        }
        Ok(Self(text.into()))
    }

    /// The path of `name` in the directory `parent`, or at the root.
    pub fn child_of(parent: Option<&Self>, name: &str) -> Result<Self, ParsePathError> {
        let Some(parent) = parent else { return Self::parse(name) };
        let len = parent.0.len() + 1 + name.len();
        if len > MAX_PATH_BYTES {
            return Err(ParsePathError::TooLong);
        }
        check_names(name)?;
        let mut text = String::with_capacity(len);
        text.push_str(&parent.0);
        text.push('/');
        text.push_str(name);
        Ok(Self(text.into_boxed_str()))
    }

    /// The text, with slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The directory that holds this path; `None` is the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rfind('/').map(|slash| Self(self.0[..slash].into()))
    }

    /// Whether this path is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The number of components, at least 1.
    pub fn depth(&self) -> usize {
        self.0.split('/').count()
    }
}

fn check_names(text: &str) -> Result<(), ParsePathError> {
    if text.contains('\0') {
        return Err(ParsePathError::Nul);
    }
    for name in text.split('/') {
        match name {
            "" | "." | ".." => return Err(ParsePathError::NotPlain),
            _ if name.len() > MAX_NAME_BYTES => return Err(ParsePathError::TooLong),
            _ => {}
        }
    }
    Ok(())
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // A slash ends a component and so must sort before every other byte;
        // NUL, which no path contains, stands in for it.
        let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        // Most comparisons are of paths that begin alike.
        let (words, other_words) = (one.as_chunks().0, other.as_chunks().0);
        for (one, other) in words.iter().zip(other_words) {
            let differing = u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other);
            if differing != 0 {
                let at = differing.trailing_zeros() as usize / 8;
                return key(&one[at]).cmp(&key(&other[at]));
            }
        }
        let same = words.len().min(other_words.len()) * size_of::<u128>();
        one[same..].iter().map(key).cmp(other[same..].iter().map(key))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H1
    #[test]
    fn hostile_paths_are_refused() {
        for (text, error) in [
            ("", ParsePathError::Empty),
            ("/etc/passwd", ParsePathError::NotPlain),
            ("a//b", ParsePathError::NotPlain),
            ("a/", ParsePathError::NotPlain),
            ("..", ParsePathError::NotPlain),
            ("a/../b", ParsePathError::NotPlain),
            ("a/./b", ParsePathError::NotPlain),
            ("a\0b", ParsePathError::Nul),
            (".driftless", ParsePathError::Private),
            (".driftless/history/x", ParsePathError::Private),
        ] {
            assert_eq!(RelPath::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(RelPath::parse(&"n".repeat(256)), Err(ParsePathError::TooLong));
        assert_eq!(RelPath::parse(&"n/".repeat(2049)), Err(ParsePathError::TooLong));
    }

    /// F10
    #[test]
    fn odd_names_are_kept_exactly() {
        for text in
            ["a:b", "CON", "x.", "new\nline", "back\\slash", "…", "a/.driftless", &"n".repeat(255)]
        {
            assert_eq!(RelPath::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_directory_sorts_right_before_its_content() {
        let mut paths: Vec<_> = ["a.txt", "a/z", "a", "a/b/c", "a-b", "a/b"]
            .iter()
            .map(|text| RelPath::parse(text).unwrap())
            .collect();
        paths.sort();
        let texts: Vec<_> = paths.iter().map(RelPath::as_str).collect();
        assert_eq!(texts, ["a", "a/b", "a/b/c", "a/z", "a-b", "a.txt"]);
    }

    proptest::proptest! {
        #[test]
        fn paths_sort_component_by_component(
            common in "([a-c]{1,9}/){0,8}",
            ends in ["[!-0a-c]{1,9}(/[a-c]{1,4}){0,2}", "[!-0a-c]{1,9}(/[a-c]{1,4}){0,2}"],
        ) {
            let [one, other] = ends.map(|end| RelPath::parse(&format!("{common}{end}")));
            if let (Ok(one), Ok(other)) = (one, other) {
                proptest::prop_assert_eq!(one.cmp(&other), one.components().cmp(other.components()));
            }
        }
    }

    #[test]
    fn within_respects_component_boundaries() {
        let path = |text| RelPath::parse(text).unwrap();
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert_eq!(path("a/b/c").parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), None);
    }
}
