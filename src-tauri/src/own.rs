//! What the app answers itself: its settings, what it is, its logs, and starting the daemon anew.
//!
//! These are the methods that begin with `app.`; `ui/src/api/app.ts` has their shapes. None of
//! them says anything about folders or devices.

use std::sync::Arc;

use driftless_control::api::{Doctor, Done};
use driftless_control::{ApiError, ErrorCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tauri::AppHandle;
use tauri_plugin_autostart::ManagerExt as _;

use crate::app::Shell;
use crate::logs;
use crate::notify;
use crate::settings::{Change, Shown};
use crate::window;

/// What the program is and where it keeps its things.
#[derive(Debug, Serialize)]
struct Info {
    version: &'static str,
    /// The person's home directory; empty where none is known.
    home: String,
    data_dir: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportLogs {
    path: std::path::PathBuf,
}

/// Answers the method `app.NAME`.
///
/// # Errors
/// `usage` for an unknown name or parameters that do not fit; otherwise what failed.
pub(crate) async fn answer(
    app: &AppHandle,
    shell: &Arc<Shell>,
    name: &str,
    params: Value,
) -> Result<Value, ApiError> {
    match name {
        "info" => reply(&info(shell)),
        "settings" => reply(&shown(app, shell)),
        "configure" => {
            configure(app, shell, read(params)?)?;
            reply(&shown(app, shell))
        }
        "export-logs" => {
            export_logs(shell, read(params)?).await?;
            reply(&Done {})
        }
        "tell-when-safe" if !shell.settings.get().notify.finished => {
            let message = "notifications of this are off";
            Err(ApiError::new(ErrorCode::Refused, message)
                .with_hint("turn them on in the settings"))
        }
        "tell-when-safe" => {
            notify::when_safe(app, shell);
            reply(&Done {})
        }
        "restart-daemon" => {
            shell.daemon.restart().await;
            shell.daemon.client().await?;
            reply(&Done {})
        }
        _ => Err(ApiError::new(ErrorCode::Usage, format!("there is no method \"app.{name}\""))),
    }
}

fn read<P: DeserializeOwned>(params: Value) -> Result<P, ApiError> {
    serde_json::from_value(params)
        .map_err(|error| ApiError::new(ErrorCode::Usage, format!("wrong parameters: {error}")))
}

fn reply(reply: &impl Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(reply).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorCode::Failed, error.to_string())
}

fn info(shell: &Shell) -> Info {
    let home = std::env::home_dir().unwrap_or_default();
    Info {
        version: env!("CARGO_PKG_VERSION"),
        home: home.to_string_lossy().into_owned(),
        data_dir: shell.home.path().to_string_lossy().into_owned(),
    }
}

fn shown(app: &AppHandle, shell: &Shell) -> Shown {
    let stored = shell.settings.get();
    // A desktop that cannot say starts nothing.
    let start_at_login = app.autolaunch().is_enabled().unwrap_or(false);
    Shown { start_at_login, theme: stored.theme, notify: stored.notify }
}

fn configure(app: &AppHandle, shell: &Shell, change: Change) -> Result<(), ApiError> {
    let hint = "check that the configuration directory can be written";
    if let Some(start) = change.start_at_login {
        let login = app.autolaunch();
        let done = if start { login.enable() } else { login.disable() };
        done.map_err(|error| failed(error).with_hint(hint))?;
    }
    let apply = |stored: &mut crate::settings::Stored| {
        stored.theme = change.theme.unwrap_or(stored.theme);
        stored.notify = change.notify.unwrap_or(stored.notify);
    };
    let stored = shell.settings.change(apply);
    let stored = stored.map_err(|error| {
        failed(format!("the app's settings cannot be written: {error}")).with_hint(hint)
    })?;
    window::set_theme(app, stored.theme);
    Ok(())
}

/// Writes the logs and the daemon's own check to a file that a person has just chosen.
async fn export_logs(shell: &Arc<Shell>, params: ExportLogs) -> Result<(), ApiError> {
    if !shell.may_write(&params.path) {
        let message = "logs are saved only where a person said";
        return Err(ApiError::new(ErrorCode::Refused, message));
    }
    // Without a daemon the logs are worth the more.
    let check = match shell.daemon.client().await {
        Ok(client) => client.call(Doctor {}).await.ok(),
        Err(_) => None,
    };
    let check = check.and_then(|report| serde_json::to_vec_pretty(&report).ok());
    let directory = shell.home.log_dir();
    let written = tauri::async_runtime::spawn_blocking(move || {
        logs::export(&directory, check.as_deref(), &params.path)
    });
    written.await.map_err(failed)?.map_err(failed)
}
