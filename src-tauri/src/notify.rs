//! Telling a person outside the window, only when a person is needed.
//!
//! A device or a folder asks, there is a conflict, what is edited is out of date, a folder
//! stopped, a large change waits, space runs out; and, on request, that the lid may be closed.
//! What comes together is told together, one notification for each occasion, and a later one
//! takes its place. A window that has the focus tells by itself.

mod bus;
mod gather;

use std::sync::Arc;
use std::time::Duration;

use driftless_control::api::EventBody;
use tauri::AppHandle;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::app::Shell;
use crate::settings::Notify;
use crate::text;
use crate::view;
use crate::window::{self, Screen};
pub(crate) use bus::Notifier;
use gather::Gathered;

/// How long events are gathered before they are told.
const GATHER: Duration = Duration::from_secs(2);
/// Between two times that something is told.
const REST: Duration = Duration::from_secs(10);

/// What a person is told about; one notification for each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Occasion {
    Request,
    Offer,
    Conflict,
    StaleEdit,
    HeldBack,
    Stopped,
    LittleSpace,
    Finished,
    ClosedToTray,
}

impl Occasion {
    /// Whether a person wants to hear of it.
    fn is_wanted(self, wanted: Notify) -> bool {
        match self {
            Self::Request | Self::Offer => wanted.requests,
            Self::Conflict | Self::StaleEdit => wanted.conflicts,
            Self::HeldBack | Self::Stopped | Self::LittleSpace => wanted.problems,
            Self::Finished => wanted.finished,
            Self::ClosedToTray => true,
        }
    }

    /// Where in the window it is dealt with.
    fn screen(self) -> Option<Screen> {
        match self {
            Self::Request => Some(Screen::Devices),
            Self::Conflict | Self::StaleEdit => Some(Screen::Conflicts),
            Self::Offer | Self::HeldBack | Self::Stopped => Some(Screen::Folders),
            Self::LittleSpace => Some(Screen::Activity),
            Self::Finished | Self::ClosedToTray => None,
        }
    }
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) occasion: Occasion,
    pub(crate) title: String,
    /// Plain text.
    pub(crate) body: String,
}

/// Begins to tell of events.
pub(crate) fn begin(app: &AppHandle, shell: &Arc<Shell>, mut events: mpsc::Receiver<EventBody>) {
    let (app, shell) = (app.clone(), Arc::clone(shell));
    tauri::async_runtime::spawn(async move {
        let mut gathered = Gathered::default();
        while let Some(event) = events.recv().await {
            gathered.take(&event);
            if gathered.is_empty() {
                continue;
            }
            sleep(GATHER).await;
            while let Ok(event) = events.try_recv() {
                gathered.take(&event);
            }
            let view = shell.view.borrow().clone();
            let wanted = shell.settings.get().notify;
            let notices = std::mem::take(&mut gathered).notices(view.status());
            if !window::has_focus(&app) {
                for notice in notices.into_iter().filter(|one| one.occasion.is_wanted(wanted)) {
                    shell.notifier.tell(notice).await;
                }
            }
            sleep(REST).await;
        }
    });
}

/// Tells, once it is so, that everything here is on another device, too.
pub(crate) fn when_safe(app: &AppHandle, shell: &Arc<Shell>) {
    let (app, shell) = (app.clone(), Arc::clone(shell));
    tauri::async_runtime::spawn(async move {
        match view::until_safe(&shell.daemon).await {
            Ok(()) => {
                let notice = Notice {
                    occasion: Occasion::Finished,
                    title: text::SAFE_TITLE.to_owned(),
                    body: text::SAFE_BODY.to_owned(),
                };
                shell.notifier.tell(notice).await;
            }
            Err(error) => {
                tracing::warn!(%error, "it is not known whether everything is elsewhere, too");
                window::show(&app, None);
            }
        }
    });
}

/// Says once that closing the window ends nothing.
pub(crate) fn closed_to_tray(shell: &Arc<Shell>) {
    if shell.settings.get().told_of_tray {
        return;
    }
    if let Err(error) = shell.settings.change(|stored| stored.told_of_tray = true) {
        tracing::warn!(%error, "the app's settings cannot be written");
    }
    let shell = Arc::clone(shell);
    tauri::async_runtime::spawn(async move {
        let notice = Notice {
            occasion: Occasion::ClosedToTray,
            title: text::CLOSED_TITLE.to_owned(),
            body: text::CLOSED_BODY.to_owned(),
        };
        shell.notifier.tell(notice).await;
    });
}
