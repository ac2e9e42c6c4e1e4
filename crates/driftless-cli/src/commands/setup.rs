//! `init` and `doctor`: this installation itself.

use driftless_control::api::{CheckState, Doctor, DoctorReport};
use driftless_daemon::config::Config;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::format::{plural, safe};
use crate::output::{Meaning, Output};
use crate::session::Session;

/// Makes identity and configuration where absent. The ID is the last line of the output, alone.
pub(super) fn init(session: &Session, name: Option<String>) -> Result<(), Failure> {
    let config = Config::init(&session.home, name)?;
    let id = own_id(session)?;
    let name = &config.this_device().name;
    session.output.print(&json!({"id": id, "name": name, "home": session.home.path()}), |_| {
        format!(
            "This device is called {} and keeps its settings in {}.\n{id}",
            safe(name),
            session.home.path().display()
        )
    })
}

/// The ID of this home's device.
pub(super) fn own_id(session: &Session) -> Result<String, Failure> {
    let identity = session.home.identity().map_err(|error| Failure::because(&error))?;
    Ok(identity.device_id().to_string())
}

/// Checks the installation; fails when something would stop it from syncing.
pub(super) async fn doctor(session: &Session) -> Result<(), Failure> {
    let report = session.call(Doctor {}).await?;
    session.output.print(&report, |report| describe(report, session.output))?;
    match report.checks.iter().filter(|check| check.state == CheckState::Failed).count() as u64 {
        0 => Ok(()),
        failed => {
            let message = format!("{} failed; mend what is named above", plural(failed, "check"));
            Err(Failure::new(Exit::Failed, message))
        }
    }
}

fn describe(report: &DoctorReport, output: Output) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let (meaning, word) = match check.state {
            CheckState::Ok => (Meaning::Fine, "ok     "),
            CheckState::Warning => (Meaning::NeedsYou, "warning"),
            CheckState::Failed => (Meaning::Broken, "failed "),
        };
        text.push_str(&format!(
            "{}  {}: {}\n",
            output.paint(meaning, word),
            safe(&check.name),
            safe(&check.message)
        ));
        if let Some(mend) = &check.mend {
            text.push_str(&output.paint(Meaning::Faint, &format!("         → {}", safe(mend))));
            text.push('\n');
        }
    }
    text
}
