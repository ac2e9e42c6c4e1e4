//! `history show`: what a version holds, on a terminal or as a file.

use std::path::PathBuf;

use driftless_control::api::{ContentPreview, HistoryRestore, PreviewView, Restored};

use crate::failure::Failure;
use crate::format::safe;
use crate::session::{Session, absolute};

/// Shows a version, given by folder, path and name, or copies it to where nothing is.
pub(super) async fn of_history(
    session: &Session,
    (folder, path, version): (String, String, String),
    output: Option<PathBuf>,
) -> Result<(), Failure> {
    if let Some(file) = output {
        let to = Some(absolute(&file)?);
        let written = session.call(HistoryRestore { folder, path, version, to }).await?;
        return session
            .output
            .print(&written, |Restored { path }| format!("written to {}", safe(path)));
    }
    let view = session.call(ContentPreview::History { folder, path, version }).await?;
    session.output.print(&view, describe)
}

fn describe(view: &PreviewView) -> String {
    match view {
        PreviewView::Text { text, cut_short } => {
            let lines: String = text.lines().map(|line| format!("{}\n", safe(line))).collect();
            let more = if *cut_short { "there is more; --output writes all of it\n" } else { "" };
            format!("{lines}{more}")
        }
        PreviewView::Image { width, height, .. } => {
            format!("an image of {width} by {height} pixels; --output writes it to a file")
        }
        PreviewView::None { why } => format!("{}; --output writes it to a file", safe(why)),
    }
}
