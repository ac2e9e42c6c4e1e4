//! Reading one table of the configuration, key by key.
//!
//! Knows TOML and where things stand in the text, and nothing about what the
//! configuration means: [`super::parse`] does.

use std::fmt::Display;
use std::ops::RangeInclusive;

use toml_edit::{Item, TableLike};

use super::size::parse_size;

/// What is wrong with a text, and at which byte.
#[derive(Debug)]
pub(super) struct Flaw {
    /// The byte offset into the text.
    pub(super) at: usize,
    /// What is wrong, as one line.
    pub(super) reason: String,
}

impl Flaw {
    pub(super) fn new(at: usize, reason: impl Display) -> Self {
        Self { at, reason: reason.to_string() }
    }

    /// Where the flaw is, as a line and a column that count from 1, in characters.
    pub(super) fn line_and_column(&self, text: &str) -> (usize, usize) {
        let mut end = self.at.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line_of(text, end), before[line_start..].chars().count() + 1)
    }
}

/// The line, counting from 1, that holds the byte `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The size that is no bound.
pub(super) const NO_BOUND: &str = "none";

/// A value and the byte at which it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// One table whose keys are all known.
pub(super) struct Section<'a> {
    table: &'a dyn TableLike,
    /// What the table is called in a refusal.
    title: &'static str,
    /// The byte at which it begins.
    pub(super) at: usize,
}

impl<'a> Section<'a> {
    /// Looks at `table`, refusing a key that is not among `known`.
    pub(super) fn open(
        table: &'a dyn TableLike,
        title: &'static str,
        at: usize,
        known: &[&str],
    ) -> Result<Self, Flaw> {
        for (key, _) in table.iter() {
            if !known.contains(&key) {
                let at = table.key(key).and_then(|key| key.span()).map_or(at, |span| span.start);
                return Err(Flaw::new(at, unknown_key(key, title, known)));
            }
        }
        Ok(Self { table, title, at })
    }

    fn item(&self, key: &str) -> Option<Placed<&'a Item>> {
        let (found, item) = self.table.get_key_value(key)?;
        let at = item.span().or_else(|| found.span()).map_or(self.at, |span| span.start);
        (!item.is_none()).then_some(Placed { value: item, at })
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&'a Item) -> Option<T>,
    ) -> Result<Option<Placed<T>>, Flaw> {
        let Some(Placed { value: item, at }) = self.item(key) else { return Ok(None) };
        match read(item) {
            Some(value) => Ok(Some(Placed { value, at })),
            None => Err(Flaw::new(at, format!("{key} must be {wanted}, not {}", kind(item)))),
        }
    }

    /// A text, if present.
    pub(super) fn text(&self, key: &str) -> Result<Option<Placed<&'a str>>, Flaw> {
        self.typed(key, "a text in quotes", Item::as_str)
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, key: &str) -> Result<Placed<&'a str>, Flaw> {
        self.text(key)?.ok_or_else(|| Flaw::new(self.at, format!("{} has no {key}", self.title)))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, Flaw> {
        let flag = self.typed(key, "true or false", Item::as_bool)?;
        Ok(flag.map_or(default, |flag| flag.value))
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &self,
        key: &str,
        bounds: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Flaw> {
        let Some(Placed { value, at }) = self.typed(key, "a whole number", Item::as_integer)?
        else {
            return Ok(None);
        };
        match u32::try_from(value).ok().filter(|number| bounds.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (least, most) = (bounds.start(), bounds.end());
                Err(Flaw::new(at, format!("{key} is {value}, not within {least} to {most}")))
            }
        }
    }

    /// A size in bytes, as a number or with a unit.
    pub(super) fn size(&self, key: &str) -> Result<Option<u64>, Flaw> {
        let wanted = "a size such as \"10 GiB\"";
        let Some(Placed { value: item, at }) = self.item(key) else { return Ok(None) };
        let size = match (item.as_integer(), item.as_str()) {
            (Some(number), _) => u64::try_from(number).ok().filter(|size| *size > 0),
            (_, Some(text)) => parse_size(text),
            _ => return Err(Flaw::new(at, format!("{key} must be {wanted}, not {}", kind(item)))),
        };
        let flaw = || Flaw::new(at, format!("{key} is not {wanted}"));
        size.map(Some).ok_or_else(flaw)
    }

    /// A size, or `"none"`, which is said by an inner `None`.
    pub(super) fn bound(&self, key: &str) -> Result<Option<Option<u64>>, Flaw> {
        match self.item(key).and_then(|item| item.value.as_str()) {
            Some(NO_BOUND) => Ok(Some(None)),
            _ => Ok(self.size(key)?.map(Some)),
        }
    }

    /// Whether there is anything under `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.item(key).is_some()
    }

    /// A list of texts, empty where absent.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<Placed<&'a str>>, Flaw> {
        let wanted = "a list of texts in quotes";
        let Some(Placed { value: array, .. }) = self.typed(key, wanted, Item::as_array)? else {
            return Ok(Vec::new());
        };
        let mut texts = Vec::with_capacity(array.len());
        for value in array {
            let at = value.span().map_or(self.at, |span| span.start);
            let text = value.as_str().ok_or_else(|| {
                Flaw::new(at, format!("{key} must be {wanted}, not of {}s", value.type_name()))
            })?;
            texts.push(Placed { value: text, at });
        }
        Ok(texts)
    }

    /// A table of its own, or inline.
    pub(super) fn table(
        &self,
        key: &str,
        title: &'static str,
        known: &[&str],
    ) -> Result<Option<Self>, Flaw> {
        match self.typed(key, "a table", Item::as_table_like)? {
            Some(Placed { value, at }) => Self::open(value, title, at, known).map(Some),
            None => Ok(None),
        }
    }

    /// A list of tables, each inline.
    pub(super) fn inline_tables(
        &self,
        key: &'static str,
        known: &[&str],
    ) -> Result<Vec<Self>, Flaw> {
        let wanted = "a list of tables in braces";
        let Some(Placed { value: array, .. }) = self.typed(key, wanted, Item::as_array)? else {
            return Ok(Vec::new());
        };
        let table = |value: &'a toml_edit::Value| {
            let at = value.span().map_or(self.at, |span| span.start);
            let table = value.as_inline_table();
            let table = table.ok_or_else(|| Flaw::new(at, format!("{key} must be {wanted}")))?;
            Self::open(table, key, at, known)
        };
        array.iter().map(table).collect()
    }

    /// Repeated tables, each under its own `[[key]]`.
    pub(super) fn tables(
        &self,
        key: &str,
        title: &'static str,
        known: &[&str],
    ) -> Result<Vec<Self>, Flaw> {
        let Some(Placed { value: item, at }) = self.item(key) else { return Ok(Vec::new()) };
        let Some(tables) = item.as_array_of_tables() else {
            return Err(Flaw::new(at, format!("each {key} needs a heading {title} of its own")));
        };
        let place = |table: &toml_edit::Table| table.span().map_or(at, |span| span.start);
        tables.iter().map(|table| Self::open(table, title, place(table), known)).collect()
    }
}

fn kind(item: &Item) -> &'static str {
    match item.type_name() {
        "string" => "a text",
        "integer" | "float" => "a number",
        "boolean" => "true or false",
        "array" | "array of tables" => "a list",
        "table" | "inline table" => "a table",
        _ => "a date",
    }
}

fn unknown_key(key: &str, title: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(key, candidate), candidate))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, candidate)) if distance <= 2.max(key.len() / 3) => {
            format!("unknown key {key:?} in {title}; did you mean {candidate:?}?")
        }
        _ => format!("unknown key {key:?} in {title}; it may have {}", known.join(", ")),
    }
}
