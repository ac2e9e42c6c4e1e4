//! Where output goes: text for people or JSON for programs, coloured only on a terminal that wants it.

use std::io::{self, IsTerminal, Write};

use console::Style;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::format;

/// The form of a command's output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    terminal: bool,
    colour: bool,
}

/// What a text means, which decides its colour. The word always says it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Fine,
    Working,
    NeedsYou,
    Broken,
    Faint,
    Heading,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { json, terminal, colour: terminal && !refused && !dumb && !json }
    }

    /// Plain text, as it is when standard output is a file.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { json: false, terminal: false, colour: false }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether to draw things that move.
    pub(crate) fn is_live(self) -> bool {
        self.terminal && !self.json && io::stderr().is_terminal()
    }

    /// Colours a text by what it means.
    pub(crate) fn paint(self, meaning: Meaning, text: &str) -> String {
        let style = match meaning {
            Meaning::Fine => Style::new().green(),
            Meaning::Working => Style::new().cyan(),
            Meaning::NeedsYou => Style::new().yellow(),
            Meaning::Broken => Style::new().red(),
            Meaning::Faint => Style::new().dim(),
            Meaning::Heading => Style::new().bold(),
        };
        style.force_styling(self.colour).apply_to(text).to_string()
    }

    /// Prints a value: as JSON, or as the text that `text` makes of it. An empty text prints nothing.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json { self.print_json(value) } else { self.print_text(&text(value)) }
    }

    /// Prints a value as one line of JSON.
    pub(crate) fn print_json(self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value).map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write the reply as JSON: {error}"))
        })?;
        self.print_text(&format::safe_json(&line))
    }

    /// Prints lines of text at once, so that a reader at the other end of a pipe sees them.
    pub(crate) fn print_text(self, text: &str) -> Result<(), Failure> {
        let text = text.trim_end_matches('\n');
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()?;
        Ok(())
    }
}

/// Sets texts in columns, as wide as their widest entry; the last column is not padded.
pub(crate) fn columns(rows: &[Vec<String>], indent: &str) -> String {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = console::measure_text_width(cell).max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - console::measure_text_width(cell) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn columns_line_up_by_what_is_seen() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["写真", "a", "x"]),
            row(["docs", "\u{1b}[32mbb\u{1b}[0m", "y"]),
            row(["ab", "", "z"]),
        ];
        assert_eq!(
            columns(&rows, " "),
            " 写真  a   x\n docs  \u{1b}[32mbb\u{1b}[0m  y\n ab        z\n"
        );
    }
}
