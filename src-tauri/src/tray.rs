//! The icon in the panel: what it shows and what its menu does.
//!
//! What it shows is a pure function of the view ([`Panel::of`]); the menu is made anew when that
//! changes. The panel may come and go, so the icon is put there whenever one says that it shows
//! icons.

mod watcher;

use std::path::PathBuf;
use std::sync::Arc;

use driftless_control::api::{FolderPause, FolderResume, FolderState};
use tauri::image::Image;
use tauri::menu::{IsMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem};
use tauri::tray::{MouseButton, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::{AppHandle, Manager as _, Wry};

use crate::app::Shell;
use crate::notify;
use crate::sentence::TrayState;
use crate::text;
use crate::view::View;
use crate::window::{self, Screen};
pub(crate) use watcher::is_there;

const ID: &str = "driftless";

/// All that the panel shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Panel {
    state: TrayState,
    /// The one sentence; also the tooltip.
    line: String,
    pausing: Pausing,
    conflicts: u64,
    /// Name and place of the files that changed last.
    recent: Vec<(String, PathBuf)>,
    /// Whether there is anything that could be safe elsewhere.
    offers_lid: bool,
}

/// What the entry for pausing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pausing {
    Pause,
    Resume,
    /// There is nothing to pause.
    None,
}

impl Panel {
    fn of(view: &View, tells_when_safe: bool) -> Self {
        let folders = view.status().map_or(&[][..], |status| &status.folders);
        let is_paused = |state| state == FolderState::Paused;
        let pausing = match folders {
            [] => Pausing::None,
            _ if folders.iter().all(|folder| is_paused(folder.state)) => Pausing::Resume,
            _ => Pausing::Pause,
        };
        let recent = match view {
            View::Live(seen) => {
                let shown = |file| Some((entry_name(file), seen.path_of(file)?));
                seen.recent.iter().filter_map(shown).collect()
            }
            View::Starting | View::Gone(_) => Vec::new(),
        };
        Self {
            state: view.tray_state(),
            line: view.line(),
            pausing,
            conflicts: folders.iter().map(|folder| folder.conflicts).sum(),
            recent,
            offers_lid: tells_when_safe && !folders.is_empty(),
        }
    }
}

/// The last component of a file's path.
fn entry_name(file: &crate::view::RecentFile) -> String {
    text::safe(file.path.rsplit('/').next().unwrap_or_default()).into_owned()
}

/// Puts the icon into the panel whenever there is one, and keeps it up to date.
pub(crate) fn begin(app: &AppHandle, shell: &Arc<Shell>) {
    let (app, shell) = (app.clone(), Arc::clone(shell));
    tauri::async_runtime::spawn(async move {
        let mut view = shell.view.clone();
        let mut panels = watcher::panels();
        let mut shown: Option<(TrayIcon, Panel)> = None;
        loop {
            let now = Panel::of(&view.borrow_and_update(), shell.settings.get().notify.finished);
            match &mut shown {
                Some((icon, panel)) if *panel != now => {
                    if let Err(error) = update(&app, icon, panel, &now) {
                        tracing::warn!(%error, "the panel's icon cannot be changed");
                    }
                    *panel = now;
                }
                Some(_) => {}
                None if is_there().await => match make(&app, &now) {
                    Ok(icon) => shown = Some((icon, now)),
                    Err(error) => tracing::warn!(%error, "the panel takes no icon"),
                },
                None => {}
            }
            tokio::select! {
                changed = view.changed() => if changed.is_err() { return },
                () = watcher::next(&mut panels) => {}
            }
        }
    });
}

/// Takes the icon out of the panel.
pub(crate) fn end(app: &AppHandle) {
    drop(app.remove_tray_by_id(ID));
}

fn make(app: &AppHandle, panel: &Panel) -> tauri::Result<TrayIcon> {
    let icon = TrayIconBuilder::with_id(ID)
        .icon(image(panel.state)?)
        .title(text::APP)
        .tooltip(&panel.line)
        .menu(&menu(app, panel)?)
        .show_menu_on_left_click(false)
        .on_menu_event(chosen)
        .on_tray_icon_event(|icon, event| {
            if matches!(event, TrayIconEvent::Click { button: MouseButton::Left, .. }) {
                window::show(icon.app_handle(), None);
            }
        })
        .build(app)?;
    Ok(icon)
}

fn update(app: &AppHandle, icon: &TrayIcon, before: &Panel, now: &Panel) -> tauri::Result<()> {
    if before.state != now.state {
        icon.set_icon(Some(image(now.state)?))?;
    }
    if before.line != now.line {
        icon.set_tooltip(Some(&now.line))?;
    }
    icon.set_menu(Some(menu(app, now)?))
}

fn image(state: TrayState) -> tauri::Result<Image<'static>> {
    Image::from_bytes(match state {
        TrayState::Idle => include_bytes!("../icons/tray/idle.png"),
        TrayState::Syncing => include_bytes!("../icons/tray/syncing.png"),
        TrayState::Paused => include_bytes!("../icons/tray/paused.png"),
        TrayState::Conflict => include_bytes!("../icons/tray/conflict.png"),
        TrayState::Error => include_bytes!("../icons/tray/error.png"),
        TrayState::Offline => include_bytes!("../icons/tray/offline.png"),
    })
}

fn menu(app: &AppHandle, panel: &Panel) -> tauri::Result<Menu<Wry>> {
    let item = |id: &str, text: &str, enabled| {
        // An ampersand would mark a key.
        MenuItem::with_id(app, id, text.replace('&', "&&"), enabled, None::<&str>)
    };
    let line = || PredefinedMenuItem::separator(app);
    let mut items: Vec<Box<dyn IsMenuItem<Wry>>> = vec![
        Box::new(item("line", &panel.line, false)?),
        Box::new(line()?),
        Box::new(item("open", text::OPEN, true)?),
    ];
    match panel.pausing {
        Pausing::Pause => items.push(Box::new(item("pause", text::PAUSE, true)?)),
        Pausing::Resume => items.push(Box::new(item("resume", text::RESUME, true)?)),
        Pausing::None => items.push(Box::new(item("pause", text::PAUSE, false)?)),
    }
    let conflicts = text::conflicts(panel.conflicts);
    items.push(Box::new(item("conflicts", &conflicts, panel.conflicts > 0)?));
    if panel.offers_lid {
        items.push(Box::new(item("lid", text::LID, true)?));
    }
    if !panel.recent.is_empty() {
        items.push(Box::new(line()?));
        items.push(Box::new(item("recent", text::RECENT, false)?));
    }
    for (at, (name, _)) in panel.recent.iter().enumerate() {
        items.push(Box::new(item(&format!("recent:{at}"), name, true)?));
    }
    items.push(Box::new(line()?));
    items.push(Box::new(item("quit", text::QUIT, true)?));
    let items: Vec<&dyn IsMenuItem<Wry>> = items.iter().map(AsRef::as_ref).collect();
    Menu::with_items(app, &items)
}

/// Does what a person chose in the menu.
fn chosen(app: &AppHandle, event: MenuEvent) {
    let shell = Arc::clone(&app.state::<Arc<Shell>>());
    match event.id().as_ref() {
        "open" => window::show(app, None),
        "conflicts" => window::show(app, Some(Screen::Conflicts)),
        "quit" => app.exit(0),
        "lid" => notify::when_safe(app, &shell),
        "pause" => set_paused(shell, true),
        "resume" => set_paused(shell, false),
        id => {
            let at = id.strip_prefix("recent:").and_then(|at| at.parse::<usize>().ok());
            if let Some(at) = at {
                reveal(&shell, at);
            }
        }
    }
}

fn set_paused(shell: Arc<Shell>, paused: bool) {
    tauri::async_runtime::spawn(async move {
        let status = shell.view.borrow().status().cloned();
        let Ok(client) = shell.daemon.client().await else { return };
        for folder in status.into_iter().flat_map(|status| status.folders) {
            let is_paused = folder.state == FolderState::Paused;
            let outcome = match (is_paused, paused) {
                (false, true) => client.call(FolderPause { folder: folder.id }).await,
                (true, false) => client.call(FolderResume { folder: folder.id }).await,
                (true, true) | (false, false) => continue,
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "a folder cannot be paused or go on");
            }
        }
    });
}

fn reveal(shell: &Shell, at: usize) {
    let path = match &*shell.view.borrow() {
        View::Live(seen) => seen.recent.get(at).and_then(|file| seen.path_of(file)),
        View::Starting | View::Gone(_) => None,
    };
    let Some(path) = path else { return };
    tauri::async_runtime::spawn_blocking(move || {
        if let Err(error) = tauri_plugin_opener::reveal_item_in_dir(path) {
            tracing::warn!(%error, "the file manager cannot be shown");
        }
    });
}
