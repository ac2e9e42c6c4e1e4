//! The one window: making it, showing it, and what closing it means.
//!
//! The page in it is the one that was built in. It cannot lead anywhere else, open other windows
//! or download; what it may ask of the shell is in [`crate::bridge`].

use std::sync::Arc;

use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::window::Color;
use tauri::{
    AppHandle, Manager as _, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent,
};
use tauri_plugin_dialog::{DialogExt as _, MessageDialogButtons, MessageDialogResult};

use crate::app::Shell;
use crate::notify;
use crate::settings::Theme;
use crate::text;
use crate::tray;

/// The window's name in capabilities and window state.
pub(crate) const MAIN: &str = "main";

/// Screens that the shell leads to, by their address in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    Folders,
    Devices,
    Conflicts,
    Activity,
}

impl Screen {
    fn address(self) -> &'static str {
        match self {
            Self::Folders => "#/folders",
            Self::Devices => "#/devices",
            Self::Conflicts => "#/conflicts",
            Self::Activity => "#/activity",
        }
    }
}

/// Makes the window; hidden, it waits to be asked for.
pub(crate) fn make(app: &AppHandle, shell: &Arc<Shell>, hidden: bool) -> tauri::Result<()> {
    let theme = shell.settings.get().theme;
    let builder = WebviewWindowBuilder::new(app, MAIN, WebviewUrl::default())
        .title(text::APP)
        .inner_size(960.0, 640.0)
        .min_inner_size(480.0, 400.0)
        .visible(!hidden)
        .theme(native(theme))
        .background_color(background(theme))
        .devtools(cfg!(debug_assertions))
        .general_autofill_enabled(false)
        .on_navigation(is_own_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false)
        .on_page_load(|window, page| {
            // A page that is loaded anew has forgotten what the last one followed.
            if page.event() == PageLoadEvent::Started {
                window.state::<Arc<Shell>>().subscriptions.clear();
            }
        });
    let window = builder.build()?;
    if theme == Theme::System && window.theme()? == tauri::Theme::Dark {
        window.set_background_color(Some(background(Theme::Dark)))?;
    }
    let shell = Arc::clone(shell);
    let closing = window.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::CloseRequested { api, .. } = event {
            api.prevent_close();
            close(&closing, &shell);
        }
    });
    Ok(())
}

/// The page is all that the window ever shows.
fn is_own_page(url: &Url) -> bool {
    url.scheme() == "tauri" && url.host_str() == Some("localhost")
}

/// Brings the window to the front, at this screen.
pub(crate) fn show(app: &AppHandle, screen: Option<Screen>) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    let go = || {
        if let Some(screen) = screen {
            window.eval(format!("location.hash = '{}'", screen.address()))?;
        }
        window.unminimize()?;
        window.show()?;
        window.set_focus()
    };
    if let Err(error) = go() {
        tracing::warn!(%error, "the window cannot be shown");
    }
}

/// Whether a person is looking at the window.
pub(crate) fn has_focus(app: &AppHandle) -> bool {
    let window = app.get_webview_window(MAIN);
    window.is_some_and(|window| {
        window.is_visible().unwrap_or(false) && window.is_focused().unwrap_or(false)
    })
}

/// Dresses the frame as the page is dressed.
pub(crate) fn set_theme(app: &AppHandle, theme: Theme) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    if let Err(error) = window.set_theme(native(theme)) {
        tracing::debug!(%error, "the frame keeps its theme");
    }
}

fn native(theme: Theme) -> Option<tauri::Theme> {
    match theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

/// What is seen until the page is; its own colours (`ui/src/styles/tokens.css`).
fn background(theme: Theme) -> Color {
    match theme {
        Theme::System | Theme::Light => Color(0xf5, 0xf5, 0xf2, 255),
        Theme::Dark => Color(0x16, 0x16, 0x18, 255),
    }
}

/// Closing hides the window while the panel has our icon, and asks otherwise.
fn close(window: &WebviewWindow, shell: &Arc<Shell>) {
    let (window, shell) = (window.clone(), Arc::clone(shell));
    tauri::async_runtime::spawn(async move {
        if tray::is_there().await {
            hide(&window);
            notify::closed_to_tray(&shell);
        } else {
            ask(window);
        }
    });
}

fn hide(window: &WebviewWindow) {
    if let Err(error) = window.hide() {
        tracing::warn!(%error, "the window cannot be hidden");
    }
}

fn ask(window: WebviewWindow) {
    let buttons = MessageDialogButtons::YesNoCancelCustom(
        text::CLOSE_STAY.to_owned(),
        text::QUIT.to_owned(),
        text::CLOSE_CANCEL.to_owned(),
    );
    let dialog = window.dialog().message(text::CLOSE_ASKS).title(text::APP).parent(&window);
    dialog.buttons(buttons).show_with_result(move |answer| match answer {
        MessageDialogResult::Custom(chosen) if chosen == text::CLOSE_STAY => hide(&window),
        MessageDialogResult::Custom(chosen) if chosen == text::QUIT => window.app_handle().exit(0),
        MessageDialogResult::Yes => hide(&window),
        MessageDialogResult::No => window.app_handle().exit(0),
        _ => {}
    });
}

#[cfg(test)]
mod tests {
    use super::is_own_page;

    #[test]
    fn the_window_shows_its_own_page_and_no_other() {
        let is_shown = |url: &str| is_own_page(&url.parse().unwrap());
        assert!(is_shown("tauri://localhost/#/folders") && is_shown("tauri://localhost"));
        for url in [
            "https://example.org/",
            "http://localhost/",
            "tauri://elsewhere/",
            "file:///etc/passwd",
            "about:blank",
            "data:text/html,x",
        ] {
            assert!(!is_shown(url), "{url}");
        }
    }
}
