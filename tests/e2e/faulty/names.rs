//! Which names a disk takes for the same.

use std::ffi::{OsStr, OsString};

use unicode_normalization::UnicodeNormalization as _;

/// Which names lead to the same file. The name that a file was given is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Folding {
    /// Only equal bytes.
    #[default]
    Exact,
    /// Those that differ in case, as on NTFS and exFAT.
    Case,
    /// Those that are canonically equivalent, as on case-sensitive APFS.
    Form,
    /// Those that differ in case or are canonically equivalent, as on APFS and HFS+.
    CaseAndForm,
}

impl Folding {
    /// What all names for one file have in common.
    pub(super) fn key(self, name: &OsStr) -> OsString {
        let Some(text) = name.to_str() else { return name.to_owned() };
        let (case, form) = match self {
            Self::Exact => return name.to_owned(),
            Self::Case => (true, false),
            Self::Form => (false, true),
            Self::CaseAndForm => (true, true),
        };
        let text: String = if form { text.nfd().collect() } else { text.to_owned() };
        let text = if case { text.to_lowercase() } else { text };
        text.into()
    }
}
