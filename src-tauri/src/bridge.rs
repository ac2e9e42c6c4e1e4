//! The commands that the window may call: `call`, `subscribe`, `unsubscribe`, `pick` and `open`.
//!
//! These five are all that the page can reach, and `build.rs` and `capabilities/` say so once
//! more. Calls go to the daemon as they are; names that begin with `app.` are answered by
//! [`crate::own`]. Replies and errors are the control API's.

pub(crate) mod open;
mod subscription;

use std::path::PathBuf;
use std::sync::Arc;

use driftless_control::api::{FolderList, PolicyList, Subscribe};
use driftless_control::{ApiError, ErrorCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow};
use tauri_plugin_dialog::DialogExt as _;
use tokio::sync::oneshot;

use crate::app::Shell;
use crate::daemon::api_error;
use crate::own;
pub(crate) use subscription::{Message, Subscriptions};

/// Asks one method, of the daemon or of the app.
#[tauri::command]
pub(crate) async fn call(
    app: AppHandle,
    shell: State<'_, Arc<Shell>>,
    method: String,
    params: Value,
) -> Result<Value, ApiError> {
    if let Some(own) = method.strip_prefix("app.") {
        return own::answer(&app, &shell, own, params).await;
    }
    // The window has no business ending the daemon, and follows events through `subscribe`.
    if matches!(method.as_str(), "shutdown" | "subscribe") {
        let message = format!("{method} is not for the window to ask");
        return Err(ApiError::new(ErrorCode::Refused, message));
    }
    let params = if params.is_null() { Value::Object(Map::new()) } else { params };
    let client = shell.daemon.client().await?;
    let programs = programs_in(&method, &params);
    if !programs.is_empty() {
        let known = client.call(PolicyList::default()).await.map_err(api_error)?;
        let rules = known.iter().flat_map(|folder| folder.rules.iter().map(|rule| &rule.policy));
        let known: Vec<_> = rules.chain(known.iter().map(|folder| &folder.otherwise)).collect();
        if !programs.iter().all(|program| known.contains(&program)) {
            let message = "the window cannot choose a program that settles conflicts".to_owned();
            let hint = "choose it with `driftless policy set`, or in config.toml";
            return Err(ApiError::new(ErrorCode::Refused, message).with_hint(hint));
        }
    }
    client.call_by_name(&method, params).await.map_err(api_error)
}

/// The policies in a call by which the daemon would run a program. Whatever gets into the page may
/// hand on those that a person chose elsewhere, and choose none.
fn programs_in(method: &str, params: &Value) -> Vec<String> {
    let rules = params["rules"].as_array().into_iter().flatten();
    let policies = rules.map(|rule| &rule["policy"]).chain([&params["otherwise"]]);
    let words = policies.filter_map(Value::as_str).filter(|word| word.starts_with("command:"));
    match method {
        "policy.set" => words.map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Follows events through a channel. Registers before it returns, so that whoever ends it at once finds it.
#[tauri::command]
pub(crate) fn subscribe(
    shell: State<'_, Arc<Shell>>,
    params: Subscribe,
    channel: Channel<Message>,
) {
    shell.subscriptions.begin(shell.daemon.clone(), params, channel);
}

/// Ends what a channel follows.
#[tauri::command]
pub(crate) fn unsubscribe(shell: State<'_, Arc<Shell>>, channel: u32) {
    shell.subscriptions.end(channel);
}

/// What to let a person choose.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Pick {
    Directory { title: String },
    Save { title: String, name: String },
}

/// Shows the desktop's own dialog.
#[tauri::command]
pub(crate) async fn pick(
    window: WebviewWindow,
    shell: State<'_, Arc<Shell>>,
    request: Pick,
) -> Result<Option<String>, ApiError> {
    let is_save = matches!(request, Pick::Save { .. });
    let path = match picked_beforehand() {
        Some(path) => Some(path),
        None => ask(&window, request).await?,
    };
    let Some(path) = path else { return Ok(None) };
    if is_save {
        shell.allow_writing(path.clone());
    }
    // The API speaks of paths as text.
    let text = path.into_os_string().into_string();
    text.map(Some).map_err(|_| failed("this path is not UTF-8, which folders need".to_owned()))
}

async fn ask(window: &WebviewWindow, request: Pick) -> Result<Option<PathBuf>, ApiError> {
    let (chosen, choice) = oneshot::channel();
    let dialog = window.dialog().file().set_parent(window);
    let answer = move |path| drop(chosen.send(path));
    match request {
        Pick::Directory { title } => dialog.set_title(title).pick_folder(answer),
        Pick::Save { title, name } => {
            dialog.set_title(title).set_file_name(name).save_file(answer);
        }
    }
    let Some(path) = choice.await.ok().flatten() else { return Ok(None) };
    path.into_path().map(Some).map_err(|error| failed(error.to_string()))
}

/// What a test wrote down as the answer, since nothing can drive the desktop's dialogs.
#[cfg(debug_assertions)]
fn picked_beforehand() -> Option<PathBuf> {
    let file = std::env::var_os("DRIFTLESS_PICK")?;
    std::fs::read_to_string(file).ok().map(PathBuf::from)
}

#[cfg(not(debug_assertions))]
fn picked_beforehand() -> Option<PathBuf> {
    None
}

/// What to show in the desktop's own programs.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Open {
    Path { path: PathBuf },
    Reveal { path: PathBuf },
}

/// Hands something inside a folder to the desktop.
#[tauri::command]
pub(crate) async fn open(shell: State<'_, Arc<Shell>>, request: Open) -> Result<(), ApiError> {
    let client = shell.daemon.client().await?;
    let folders = client.call(FolderList::default()).await.map_err(api_error)?;
    let roots = folders.into_iter().map(|folder| PathBuf::from(folder.path)).collect();
    let done = tauri::async_runtime::spawn_blocking(move || {
        let (path, only_reveal) = match request {
            Open::Path { path } => (path, false),
            Open::Reveal { path } => (path, true),
        };
        open::show(&path, roots, only_reveal)
    });
    done.await
        .map_err(|error| failed(error.to_string()))?
        .map_err(|error| failed(error.to_string()))
}

fn failed(message: String) -> ApiError {
    ApiError::new(ErrorCode::Failed, message)
}
