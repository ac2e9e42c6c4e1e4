//! `undo`: taking back everything that a device changed since a time.

use driftless_control::api::{
    SettingsGet, UndoAction, UndoApply, UndoPlan, UndoPreview, UndoResult, UndoStep,
};

use crate::args::Undo;
use crate::failure::Failure;
use crate::format::{count, plural, safe, size};
use crate::output::columns;
use crate::session::{Session, folder_word};

/// How many steps are shown.
const SHOWN: u32 = 20;

pub(super) async fn run(session: &Session, undo: Undo) -> Result<(), Failure> {
    let Undo { device, since: since_ms, folder, yes } = undo;
    let folder = folder.as_deref().map(folder_word).transpose()?;
    let client = session.connect().await?;
    if !yes {
        let limit = (!session.output.is_json()).then_some(SHOWN);
        let again = again(&device, since_ms, folder.as_deref());
        let plan = client.call(UndoPreview { device, since_ms, folder, limit }).await?;
        return session.output.print(&plan, |plan| plan_text(plan, &again));
    }
    let result = client.call(UndoApply { device, since_ms, folder: folder.clone() }).await?;
    let own = client.call(SettingsGet {}).await?.name;
    let back = again(&own, result.began_ms, folder.as_deref());
    session.output.print(&result, |result| result_text(result, &back))
}

/// The command that undoes what a device changed since then.
fn again(device: &str, since_ms: u64, folder: Option<&str>) -> String {
    let quoted = |word: &str| match word.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c))
    {
        true => word.to_owned(),
        false => format!("'{}'", safe(word).replace('\'', "'\\''")),
    };
    let folder = folder.map_or_else(String::new, |folder| format!(" --folder {}", quoted(folder)));
    format!("driftless undo {} --since {since_ms}{folder} --yes", quoted(device))
}

fn plan_text(plan: &UndoPlan, again: &str) -> String {
    let who = safe(&plan.device_name);
    let all = plan.restores + plan.removes + plan.leaves;
    if all == 0 {
        return format!("{who} has changed nothing since then that is still so");
    }
    let (restores, removes) = (plural(plan.restores, "path"), plural(plan.removes, "path"));
    let mut text = format!(
        "would give {restores} back ({}), and delete {removes} that {who} made\n",
        size(plan.bytes)
    );
    if plan.leaves > 0 {
        text.push_str(&format!("would leave {} alone\n", plural(plan.leaves, "path")));
    }
    text.push_str(&steps_text(&plan.steps, all));
    if plan.restores + plan.removes > 0 {
        text.push_str(&format!("nothing is changed yet; do it with: {again}\n"));
    }
    text
}

fn result_text(result: &UndoResult, back: &str) -> String {
    let (restored, removed) = (plural(result.restored, "path"), plural(result.removed, "path"));
    let mut text = format!("gave {restored} back, deleted {removed}\n");
    if result.leaves > 0 {
        text.push_str(&format!("left {} alone:\n", plural(result.leaves, "path")));
        let shown = result.left.len().min(SHOWN as usize);
        text.push_str(&steps_text(&result.left[..shown], result.leaves));
    }
    if result.restored + result.removed > 0 {
        text.push_str(&format!("take it back with: {back}\n"));
    }
    text
}

/// The first of all steps.
fn steps_text(steps: &[UndoStep], all: u64) -> String {
    let rows: Vec<_> = steps.iter().map(row).collect();
    let rest = all.saturating_sub(steps.len() as u64);
    let more = if rest > 0 { format!("  and {} more\n", count(rest)) } else { String::new() };
    format!("{}{more}", columns(&rows, "  "))
}

fn row(step: &UndoStep) -> Vec<String> {
    let (does, extent) = match &step.action {
        UndoAction::Restore { size: bytes, .. } => ("give back", size(*bytes)),
        UndoAction::Remove { size: bytes } => ("delete", size(*bytes)),
        UndoAction::Leave { .. } => ("leave", String::new()),
    };
    let path = format!("{}: {}", safe(&step.folder_label), safe(&step.path));
    let path = match &step.action {
        UndoAction::Leave { why } => format!("{path} ({})", safe(why)),
        _ => path,
    };
    vec![does.to_owned(), extent, path]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(path: &str, action: UndoAction) -> UndoStep {
        let (folder, folder_label) = ("f".to_owned(), "Photos".to_owned());
        UndoStep { folder, folder_label, path: path.to_owned(), action }
    }

    #[test]
    fn a_plan_is_told_with_its_first_steps_and_how_to_do_it() {
        let plan = UndoPlan {
            device_name: "ada".into(),
            restores: 1200,
            removes: 1,
            leaves: 1,
            bytes: 5 << 20,
            steps: vec![
                step("a\u{1b}b", UndoAction::Restore { size: 7, displaced_at_ms: 0 }),
                step("c", UndoAction::Leave { why: "bob changed it since".into() }),
            ],
        };
        let text = plan_text(&plan, &again("ada's", 77, Some("photos")));
        assert!(text.starts_with("would give 1,200 paths back (5.0 MiB), and delete 1 path that"));
        assert!(text.contains("7 B  Photos: a\\u{1b}b\n"), "{text}");
        assert!(text.contains("Photos: c (bob changed it since)\n"), "{text}");
        assert!(text.contains("and 1,200 more"), "{text}");
        let command = r"driftless undo 'ada'\''s' --since 77 --folder photos --yes";
        assert!(text.ends_with(&format!("do it with: {command}\n")), "{text}");
        let nothing = plan_text(&UndoPlan { device_name: "ada".into(), ..Default::default() }, "");
        assert_eq!(nothing, "ada has changed nothing since then that is still so");
    }
}
