//! What a folder leaves out, as text in `.driftlessignore` at its root.
//!
//! The file is a person's, and synced like any other. What requests say stands
//! in marked sections, one for each preset and one for further patterns; what
//! is outside of them is never touched. New sections come first, so that a
//! person's own lines have the last word. A section that is to stay is left as
//! it is found, whatever somebody made of it. How the file gets its new text is
//! decided in [`file`](self::file), which rules hold by `fs::ignore`.

mod file;
pub(crate) mod presets;

use driftless_control::api::{Rules, RulesView};
use driftless_fs::ignore::{IGNORE_MAX_BYTES, check_rule};

pub(crate) use file::{begin, change};

const BEGIN: &str = "# >>> driftless: ";
const END: &str = "# <<< driftless: ";

/// The section of patterns that belong to no preset.
const PATTERNS: &str = "patterns";

/// Why rules were not changed.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// There is no such preset.
    #[error("there is no preset {0:?}")]
    Preset(String),
    /// A pattern is none.
    #[error("{pattern:?} is no pattern: {reason}")]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The rule file would be larger than what is read of one.
    #[error("there would be more than 64 KiB of rules")]
    TooMany,
    /// The rule file cannot be read.
    #[error("the rules cannot be read")]
    Read(#[from] driftless_fs::ignore::ReadRulesError),
    /// The directory cannot be used.
    #[error("the rules cannot be written")]
    Root(#[from] driftless_fs::RootError),
    /// The rule file cannot be written.
    #[error("the rules cannot be written")]
    Io(#[from] std::io::Error),
    /// The disk is in the way.
    #[error("the rules cannot be written: {0}")]
    Blocked(String),
    /// Somebody else changes the file just now.
    #[error("the rules are being changed just now")]
    Busy,
}

impl RulesError {
    /// Whether the request itself makes no sense.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Preset(_) | Self::Pattern { .. })
    }

    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Preset(_) => Some("`driftless folder presets` lists them".to_owned()),
            Self::Busy => Some("try again in a moment".to_owned()),
            _ => None,
        }
    }
}

/// A stretch of the file: a marked section, or lines of a person's.
struct Part<'a> {
    /// What the section is called; `None` of a person's lines.
    name: Option<&'a str>,
    /// With their line ends, of a section its marks included.
    lines: Vec<&'a str>,
}

/// What the file's text says.
pub(crate) fn read(text: &str) -> RulesView {
    let mut view = RulesView::default();
    for part in parts(text) {
        let lines = part.lines.iter().map(|line| line.trim_end_matches(['\n', '\r']));
        let patterns = lines.filter(|line| is_pattern(line)).map(str::to_owned);
        match part.name {
            None => view.written.extend(patterns),
            Some(PATTERNS) => view.patterns.extend(patterns),
            Some(preset) => view.presets.push(preset.to_owned()),
        }
    }
    view
}

/// The file's text with exactly these rules in its sections.
///
/// # Errors
///
/// A preset is unknown, a pattern is none, or the text would be too long.
pub(crate) fn written(text: &str, wanted: &Rules) -> Result<String, RulesError> {
    let (mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let wanted_patterns: Vec<_> =
        wanted.patterns.iter().map(String::as_str).filter(|line| is_pattern(line)).collect();
    for pattern in &wanted_patterns {
        let pattern = (*pattern).to_owned();
        check_rule(&pattern).map_err(|reason| RulesError::Pattern { pattern, reason })?;
    }
    let parts = parts(text);
    let has = |name: &str| parts.iter().any(|part| part.name == Some(name));
    let mut fresh = String::new();
    for id in &wanted.presets {
        if !has(id) && !fresh.contains(&format!("{BEGIN}{id}\n")) {
            let preset = presets::find(id).ok_or_else(|| RulesError::Preset(id.clone()))?;
            fresh.push_str(&section(preset.id, preset.patterns));
        }
    }
    let mut kept = String::new();
    // Patterns go behind the presets, which they may take something back from.
    let last_preset = parts.iter().rposition(|part| part.name.is_some_and(|name| name != PATTERNS));
    let patterns = section(PATTERNS, &wanted_patterns);
    let mut is_placed = wanted_patterns.is_empty();
    if last_preset.is_none() && !is_placed {
        fresh.push_str(&patterns);
        is_placed = true;
    }
    for (index, part) in parts.iter().enumerate() {
        let stays = match part.name {
            None => true,
            Some(PATTERNS) => false,
            Some(name) => wanted.presets.iter().any(|id| id == name),
        };
        if stays {
            kept.extend(part.lines.iter().copied());
        }
        if Some(index) == last_preset && !is_placed {
            kept.push_str(&patterns);
        }
    }
    let text = format!("{mark}{fresh}{kept}");
    if text.len() as u64 > IGNORE_MAX_BYTES {
        return Err(RulesError::TooMany);
    }
    Ok(text)
}

/// Whether a line of a rule file says anything.
fn is_pattern(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

fn section(name: &str, patterns: &[&str]) -> String {
    let lines: String = patterns.iter().map(|pattern| format!("{pattern}\n")).collect();
    format!("{BEGIN}{name}\n{lines}{END}{name}\n")
}

/// The stretches of a file, in order. A section that does not end, or in which
/// another one begins, is a person's lines.
fn parts(text: &str) -> Vec<Part<'_>> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut parts: Vec<Part<'_>> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let name = lines[at].trim_end().strip_prefix(BEGIN);
        let len = name.and_then(|name| section_len(&lines[at..], name));
        let (name, len) = (name.filter(|_| len.is_some()), len.unwrap_or(1));
        let stretch = &lines[at..at + len];
        match parts.last_mut() {
            Some(last) if last.name.is_none() && name.is_none() => last.lines.extend(stretch),
            _ => parts.push(Part { name, lines: stretch.to_vec() }),
        }
        at += len;
    }
    parts
}

/// How many lines a section has that begins with the first one, if it ends.
fn section_len(lines: &[&str], name: &str) -> Option<usize> {
    let inside = lines.iter().enumerate().skip(1);
    let marked = |line: &str| line.starts_with(BEGIN) || line.starts_with(END);
    let (at, line) = inside.into_iter().find(|(_, line)| marked(line))?;
    (line.trim_end().strip_prefix(END) == Some(name)).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(presets: &[&str], patterns: &[&str]) -> Rules {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Rules { presets: owned(presets), patterns: owned(patterns) }
    }

    #[test]
    fn what_is_written_reads_back_and_leaves_a_persons_lines_as_they_are() {
        let own = "# mine\n*.iso\r\n\n!keep.iso";
        let first = written(own, &rules(&["system-clutter"], &["*.bak", "!good.bak"])).unwrap();
        assert!(first.ends_with(own), "{first}");
        let view = read(&first);
        assert_eq!(view.presets, ["system-clutter"]);
        assert_eq!(view.patterns, ["*.bak", "!good.bak"]);
        assert_eq!(view.written, ["*.iso", "!keep.iso"]);
        let second = written(&first, &rules(&["caches", "system-clutter"], &["x"])).unwrap();
        let view = read(&second);
        assert_eq!(view.presets, ["caches", "system-clutter"]);
        assert_eq!((view.patterns, view.written.len()), (vec!["x".to_owned()], 2));
        assert!(second.ends_with(own) && second.find("\nx\n") > second.find(".DS_Store"));
        assert_eq!(written(&second, &rules(&[], &[])).unwrap(), own);
        let again = written(&second, &rules(&["caches", "system-clutter"], &["x"])).unwrap();
        assert_eq!(again, second);
    }

    #[test]
    fn a_section_that_somebody_changed_or_another_version_made_stays_as_it_is() {
        let text = "# >>> driftless: caches\n.cache/\nmine-too/\n# <<< driftless: caches\n\
                    # >>> driftless: from-the-future\nx\n# <<< driftless: from-the-future\n";
        let both = rules(&["caches", "from-the-future"], &[]);
        assert_eq!(written(text, &both).unwrap(), text);
        assert_eq!(read(text).presets, both.presets);
        assert!(!written(text, &rules(&["caches"], &[])).unwrap().contains("future"));
    }

    #[test]
    fn a_section_without_its_end_is_a_persons_lines() {
        for text in [
            "# >>> driftless: caches\n.cache/\n",
            "# >>> driftless: caches\na\n# >>> driftless: patterns\nb\n# <<< driftless: caches\n",
            "# <<< driftless: caches\nx\n",
        ] {
            assert_eq!(read(text).presets.len(), 0, "{text}");
            assert_eq!(written(text, &rules(&[], &[])).unwrap(), text);
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        let refused = |wanted: Rules| written("", &wanted).unwrap_err();
        assert!(matches!(refused(rules(&["nonsense"], &[])), RulesError::Preset(_)));
        assert!(matches!(refused(rules(&[], &["a{"])), RulesError::Pattern { .. }));
        assert!(matches!(refused(rules(&[], &["a\nb"])), RulesError::Pattern { .. }));
        let many: Vec<String> = (0..9000).map(|n| format!("pattern-{n}")).collect();
        assert!(matches!(
            refused(Rules { patterns: many, ..Rules::default() }),
            RulesError::TooMany
        ));
    }
}
