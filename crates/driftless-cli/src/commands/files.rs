//! `folder browse`, `explain`, `set`, `rules`, `presets`, `preview`: what a folder holds and leaves out.

use std::path::Path;

use driftless_control::api::{
    BrowseEntry, BrowsePage, EntryKind, Explanation, FileState, FolderBrowse, FolderExplain,
    FolderPresets, FolderPreview, FolderRules, FolderSet, HistorySettings, HistorySpace,
    IgnorePreset, PreviewResult, PreviewWarning, Rules, RulesView,
};
use driftless_daemon::config::parse_size;

use crate::args::{self, Kept};
use crate::failure::{Exit, Failure};
use crate::format::{count, plural, safe, size};
use crate::output::{Meaning, Output, columns};
use crate::session::{Session, absolute, folder_word};

pub(super) async fn browse(session: &Session, request: FolderBrowse) -> Result<(), Failure> {
    let (output, offset) = (session.output, request.offset);
    let page = session.call(request).await?;
    output.print(&page, |page| page_text(output, page, offset))
}

fn page_text(output: Output, page: &BrowsePage, offset: u64) -> String {
    let rows: Vec<_> = page.entries.iter().map(|entry| entry_row(output, entry)).collect();
    let mut text = columns(&rows, "");
    let rest = page.total.saturating_sub(offset).saturating_sub(page.entries.len() as u64);
    if rest > 0 {
        let next = offset + page.entries.len() as u64;
        text.push_str(&format!("and {} more; go on with --offset {next}\n", count(rest)));
    }
    text
}

fn entry_row(output: Output, entry: &BrowseEntry) -> Vec<String> {
    let at_least = if entry.at_least { "at least " } else { "" };
    let end = if entry.kind == EntryKind::Directory { "/" } else { "" };
    vec![
        output.paint(meaning(entry.state), word(entry.state)),
        format!("{at_least}{}", size(entry.size)),
        format!("{}{end}", safe(&entry.name)),
    ]
}

/// How a state reads.
fn word(state: FileState) -> &'static str {
    match state {
        FileState::LeftOut => "left out",
        FileState::UpToDate => "up to date",
        FileState::OnlyHere => "only here",
        FileState::Waiting => "waiting",
        FileState::Receiving => "receiving",
        FileState::Conflict => "conflict",
        FileState::Problem => "problem",
    }
}

fn meaning(state: FileState) -> Meaning {
    match state {
        FileState::LeftOut => Meaning::Faint,
        FileState::UpToDate => Meaning::Fine,
        FileState::OnlyHere | FileState::Waiting | FileState::Receiving => Meaning::Working,
        FileState::Conflict => Meaning::NeedsYou,
        FileState::Problem => Meaning::Broken,
    }
}

pub(super) async fn explain(session: &Session, request: FolderExplain) -> Result<(), Failure> {
    let output = session.output;
    output.print(&session.call(request).await?, |said| explanation_text(output, said))
}

fn explanation_text(output: Output, said: &Explanation) -> String {
    let state = output.paint(meaning(said.state), word(said.state));
    let mut text = format!("{}: {state}: {}\n", safe(&said.path), safe(&said.message));
    if let (Some(file), Some(line)) = (&said.rule_file, said.rule_line) {
        text.push_str(&format!("  {}, line {line}\n", safe(file)));
    }
    if let Some(hint) = &said.hint {
        text.push_str(&format!("  {}\n", safe(hint)));
    }
    text
}

/// Changes a folder; what it leaves out is changed from what it leaves out now.
pub(super) async fn set(session: &Session, set: args::FolderSet) -> Result<(), Failure> {
    let args::FolderSet { folder, label, mode, leave_out, take_in, .. } = &set;
    let (folder, label) = (folder_word(folder)?, label.clone());
    let client = session.connect().await?;
    let mut rules = None;
    if !leave_out.is_empty() || !take_in.is_empty() {
        let now = client.call(FolderRules { folder: folder.clone() }).await?;
        let mut presets = now.presets;
        presets.extend(leave_out.iter().cloned());
        presets.retain(|preset| !take_in.contains(preset));
        rules = Some(Rules { presets, patterns: now.patterns });
    }
    let history = match set.history {
        Some(Kept::Inherit) => Some(None),
        None if set.history_days.is_none() && set.history_size.is_none() => None,
        _ => {
            // It is taken as a whole, so what it is now is needed first.
            let now = client.call(HistorySpace { folder: Some(folder.clone()) }).await?;
            now.first().map(|now| retention(&set, now.retention)).transpose()?.map(Some)
        }
    };
    let request = FolderSet { folder, label, mode: mode.map(Into::into), rules, history };
    session.output.print(&client.call(request).await?, |_| String::new())
}

/// How long a folder keeps history, where it has been `now` and this is asked for.
fn retention(set: &args::FolderSet, now: HistorySettings) -> Result<HistorySettings, Failure> {
    let enabled = set.history.map_or(now.enabled, |kept| kept != Kept::Off);
    let days = set.history_days.unwrap_or(now.days);
    let max_bytes = match set.history_size.as_deref() {
        None => now.max_bytes,
        Some("none") => None,
        Some(text) => Some(parse_size(text).ok_or_else(|| {
            let message = format!("{text:?} is no size such as `10GiB`, and not `none`");
            Failure::new(Exit::Usage, message)
        })?),
    };
    Ok(HistorySettings { enabled, days, max_bytes })
}

pub(super) async fn rules(session: &Session, folder: String) -> Result<(), Failure> {
    session.output.print(&session.call(FolderRules { folder }).await?, rules_text)
}

fn rules_text(rules: &RulesView) -> String {
    let row = |kind: &str| {
        let kind = kind.to_owned();
        move |text: &String| vec![kind.clone(), safe(text).into_owned()]
    };
    let mut rows: Vec<_> = rules.presets.iter().map(row("preset")).collect();
    rows.extend(rules.patterns.iter().map(row("pattern")));
    rows.extend(rules.written.iter().map(row("by hand")));
    columns(&rows, "")
}

pub(super) async fn presets(session: &Session, path: Option<&Path>) -> Result<(), Failure> {
    let path = path.map(absolute).transpose()?;
    let presets = session.call(FolderPresets { path }).await?;
    session
        .output
        .print(&presets, |presets| columns(&presets.iter().map(preset_row).collect::<Vec<_>>(), ""))
}

fn preset_row(preset: &IgnorePreset) -> Vec<String> {
    let suggested = if preset.suggested { "suggested" } else { "" };
    vec![safe(&preset.id).into_owned(), suggested.to_owned(), safe(&preset.label).into_owned()]
}

pub(super) async fn preview(
    session: &Session,
    path: &Path,
    leave_out: Vec<String>,
) -> Result<(), Failure> {
    let path = absolute(path)?;
    let request = FolderPreview { path, presets: leave_out, patterns: Vec::new() };
    session.output.print(&session.call(request).await?, preview_text)
}

fn preview_text(result: &PreviewResult) -> String {
    let mut text = String::new();
    if result.exists {
        let at_least = if result.at_least { "at least " } else { "" };
        let extent =
            |files, bytes| format!("{at_least}{} ({})", plural(files, "file"), size(bytes));
        text.push_str(&format!("would sync {}\n", extent(result.files, result.bytes)));
        if result.left_out_files > 0 {
            let left_out = extent(result.left_out_files, result.left_out_bytes);
            text.push_str(&format!("would leave out {left_out}\n"));
        }
    } else {
        text.push_str("the directory would be made\n");
    }
    for warning in &result.warnings {
        text.push_str(&format!("mind: {}\n", warning_text(warning)));
    }
    text
}

fn warning_text(warning: &PreviewWarning) -> String {
    match warning {
        PreviewWarning::HomeDirectory => "it is a whole home directory".to_owned(),
        PreviewWarning::SystemDirectory => "it belongs to the system".to_owned(),
        PreviewWarning::InsideFolder { label } => {
            format!("it is inside the folder {}, and cannot be added", safe(label))
        }
        PreviewWarning::AroundFolder { label } => {
            format!("the folder {} is inside it, so it cannot be added", safe(label))
        }
        PreviewWarning::LittleSpace { device_name, free_bytes } => {
            format!("only {} are free on {}", size(*free_bytes), safe(device_name))
        }
        PreviewWarning::NotWritable => "it may not be written to".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_how_each_entry_stands_and_where_the_rest_is() {
        let entry = |name: &str, kind, at_least, state| BrowseEntry {
            name: name.to_owned(),
            kind,
            size: 2000,
            at_least,
            mtime_ms: 0,
            state,
        };
        let entries = vec![
            entry("src", EntryKind::Directory, true, FileState::Conflict),
            entry("a\u{1b}b", EntryKind::File, false, FileState::LeftOut),
        ];
        let text = page_text(Output::plain(), &BrowsePage { entries, total: 9 }, 3);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("conflict") && lines[0].contains("at least"), "{text}");
        assert!(lines[0].ends_with("src/") && !text.contains('\u{1b}'), "{text}");
        assert_eq!(lines[2], "and 4 more; go on with --offset 5");
    }
}
