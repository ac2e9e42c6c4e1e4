//! Bars on a terminal: how far each folder is, how fast, and how long it will still take.
//!
//! Drawn on standard error, and only where both outputs are a terminal; everywhere else nothing is drawn.

use std::collections::BTreeMap;

use driftless_control::api::{FolderStatus, Status};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::format::{estimate, plural, rate, safe, size};
use crate::status_text::headline;

/// The bars of one command.
#[derive(Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    sentence: ProgressBar,
    folders: BTreeMap<String, Bar>,
}

/// One folder's bar, which is there while the folder needs something.
#[derive(Debug)]
struct Bar {
    drawn: ProgressBar,
    /// The most that it needed since it began; new work makes the bar longer.
    whole: u64,
}

impl Bars {
    pub(crate) fn new() -> Self {
        let all = MultiProgress::new();
        let sentence =
            all.add(ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}")));
        Self { all, sentence, folders: BTreeMap::new() }
    }

    /// Draws a status.
    pub(crate) fn show(&mut self, status: &Status) {
        self.sentence.set_message(headline(status).1);
        self.sentence.tick();
        let busy = |folder: &&FolderStatus| folder.need_files > 0 || folder.need_bytes > 0;
        let needing: BTreeMap<_, _> =
            status.folders.iter().filter(busy).map(|folder| (&folder.id, folder)).collect();
        self.folders.retain(|id, bar| {
            let stays = needing.contains_key(id);
            if !stays {
                bar.drawn.finish_and_clear();
            }
            stays
        });
        for (id, folder) in needing {
            let all = &self.all;
            let bar = self.folders.entry(id.clone()).or_insert_with(|| Bar {
                drawn: all.add(
                    ProgressBar::new(folder.need_bytes)
                        .with_style(style("  {prefix} [{bar:24}] {percent:>3}% {wide_msg}")),
                ),
                whole: folder.need_bytes,
            });
            bar.show(folder);
        }
    }

    /// Shows a sentence of its own, such as a countdown.
    pub(crate) fn say(&self, sentence: String) {
        self.sentence.set_message(sentence);
        self.sentence.tick();
    }

    /// Removes everything that was drawn.
    pub(crate) fn clear(self) {
        for bar in self.folders.values() {
            bar.drawn.finish_and_clear();
        }
        self.sentence.finish_and_clear();
    }
}

impl Bar {
    fn show(&mut self, folder: &FolderStatus) {
        self.whole = self.whole.max(folder.need_bytes);
        self.drawn.set_prefix(safe(&folder.label).into_owned());
        self.drawn.set_length(self.whole);
        self.drawn.set_position(self.whole - folder.need_bytes);
        let mut facts = vec![plural(folder.need_files, "file"), size(folder.need_bytes)];
        if folder.rate_bytes_per_s > 0 {
            facts.push(rate(folder.rate_bytes_per_s));
        }
        facts.extend(folder.eta_s.map(estimate));
        self.drawn.set_message(facts.join(" · "));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the template is a literal that the tests draw")
        .progress_chars("━╸ ")
}

#[cfg(test)]
mod tests {
    use driftless_control::api::{FolderMode, FolderState, FolderStatus, OwnDevice, Status};
    use indicatif::{MultiProgress, ProgressDrawTarget};

    use super::Bars;

    fn status(need_bytes: u64) -> Status {
        let folder = FolderStatus {
            id: "docs".into(),
            label: "Docs".into(),
            path: "/docs".into(),
            mode: FolderMode::SendReceive,
            state: FolderState::Syncing,
            reason: None,
            files: 1,
            bytes: 1,
            need_files: u64::from(need_bytes > 0),
            need_bytes,
            conflicts: 0,
            problems: vec![],
            problem_count: 0,
            rate_bytes_per_s: 5,
            eta_s: Some(30),
            copies: 1,
            only_here_files: 0,
            local_changes: 0,
            held_back: None,
            last_scan_ms: None,
            devices: vec![],
        };
        let device = OwnDevice { id: "A".into(), name: "a".into(), addresses: vec![] };
        Status {
            device,
            version: "0".into(),
            problems: vec![],
            offers: 0,
            requests: 0,
            folders: vec![folder],
            devices: vec![],
        }
    }

    #[test]
    fn a_bar_fills_grows_with_new_work_and_goes_when_nothing_is_needed() {
        let mut bars = Bars::new();
        bars.all = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let drawn = |bars: &Bars| {
            bars.folders.get("docs").map(|bar| (bar.drawn.position(), bar.drawn.length()))
        };
        for (need_bytes, expected) in [(100, (0, 100)), (40, (60, 100)), (150, (0, 150))] {
            bars.show(&status(need_bytes));
            assert_eq!(drawn(&bars), Some((expected.0, Some(expected.1))));
        }
        bars.show(&status(0));
        assert_eq!(drawn(&bars), None);
        bars.clear();
    }
}
