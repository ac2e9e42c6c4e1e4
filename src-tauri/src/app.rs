//! Putting the shell together, and taking it apart again in the right order.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use driftless_daemon::RunOptions;
use driftless_daemon::home::Home;
use driftless_daemon::logging::{self, LogFile};
use tauri::{App, AppHandle, Builder, Manager as _, RunEvent};
use tauri_plugin_window_state::StateFlags;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::Arguments;
use crate::bridge::{self, Subscriptions};
use crate::daemon::Daemon;
use crate::notify::{self, Notifier};
use crate::settings::Settings;
use crate::tray;
use crate::view::{self, View};
use crate::window;

/// How long the daemon may take to end with the app.
const END: Duration = Duration::from_secs(20);
/// How many chosen files may wait to be written.
const WRITABLE: usize = 8;

/// What the parts of the shell share.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) home: Home,
    pub(crate) daemon: Daemon,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) settings: Settings,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) notifier: Notifier,
    /// Files that a person chose to be written.
    writable: Mutex<Vec<PathBuf>>,
}

impl Shell {
    /// Takes note that a person chose this file to be written.
    pub(crate) fn allow_writing(&self, path: PathBuf) {
        let mut writable = self.writable.lock().unwrap_or_else(PoisonError::into_inner);
        writable.truncate(WRITABLE - 1);
        writable.insert(0, path);
    }

    /// Whether a person chose this file to be written; only once for each choice.
    pub(crate) fn may_write(&self, path: &PathBuf) -> bool {
        let mut writable = self.writable.lock().unwrap_or_else(PoisonError::into_inner);
        let at = writable.iter().position(|chosen| chosen == path);
        at.map(|at| writable.remove(at)).is_some()
    }
}

/// Runs the app until it is quit.
///
/// # Errors
/// When there is no home, or the window system cannot be used.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let home = Home::resolve(arguments.home.clone())?;
    let app = builder(&home, &arguments)
        .setup(move |app| Ok(set_up(app, home, &arguments)?))
        .build(tauri::generate_context!())
        .context("the window system cannot be used")?;
    app.run(|app, event| match event {
        // The last window is gone, and the panel's icon is not.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        RunEvent::Exit => end(app),
        _ => {}
    });
    Ok(())
}

fn builder(home: &Home, arguments: &Arguments) -> Builder<tauri::Wry> {
    let single = tauri_plugin_single_instance::Builder::new()
        .callback(|app, _, _| window::show(app, None))
        .dbus_id(bus_name(home, arguments))
        .build();
    let mut at_login = vec!["--hidden".to_owned()];
    if arguments.home.is_some() {
        at_login.extend(["--home".to_owned(), home.path().to_string_lossy().into_owned()]);
    }
    let login = tauri_plugin_autostart::Builder::new().app_name("driftless").args(at_login).build();
    let state = tauri_plugin_window_state::Builder::new()
        .with_state_flags(StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED)
        .build();
    // First of all, so that a second launch ends before it touches anything.
    Builder::default()
        .plugin(single)
        .plugin(login)
        .plugin(state)
        .plugin(tauri_plugin_dialog::init())
        .invoke_handler(tauri::generate_handler![
            bridge::call,
            bridge::subscribe,
            bridge::unsubscribe,
            bridge::pick,
            bridge::open,
        ])
}

/// One app runs for each home: another home is another device.
fn bus_name(home: &Home, arguments: &Arguments) -> String {
    let name = "io.github.driftless_sync.driftless".to_owned();
    match &arguments.home {
        None => name,
        Some(_) => {
            let path = home.path().to_string_lossy();
            let letters: String = path.bytes().map(|byte| format!("{byte:02x}")).collect();
            format!("{name}.h{}", &letters[letters.len().saturating_sub(120)..])
        }
    }
}

fn set_up(app: &mut App, home: Home, arguments: &Arguments) -> anyhow::Result<()> {
    logging::init(&home, LogFile::App)?;
    let app = app.handle();
    let settings = Settings::load(&app.path().app_config_dir()?);
    let options = RunOptions {
        home: home.clone(),
        listen: arguments.listen.clone(),
        discovery: !arguments.no_discovery,
        machine_id: None,
    };
    let daemon = Daemon::keep(options);
    let (view, events) = view::follow(&daemon);
    let shell = Arc::new(Shell {
        home,
        daemon,
        view,
        settings,
        subscriptions: Subscriptions::default(),
        notifier: Notifier::new(app),
        writable: Mutex::default(),
    });
    app.manage(Arc::clone(&shell));
    window::make(app, &shell, arguments.hidden)?;
    tray::begin(app, &shell);
    notify::begin(app, &shell, events);
    tauri::async_runtime::spawn(end_on_signal(app.clone()));
    Ok(())
}

/// Quits on SIGTERM and SIGINT, as at log-out.
async fn end_on_signal(app: AppHandle) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    app.exit(0);
}

/// Ends the daemon before the process ends, so that everything is where it belongs.
fn end(app: &AppHandle) {
    tray::end(app);
    let daemon = app.state::<Arc<Shell>>().daemon.clone();
    let ending = async { tokio::time::timeout(END, daemon.end()).await };
    let ended = tauri::async_runtime::block_on(ending);
    if ended.is_err() {
        tracing::error!("the daemon does not end; leaving it to the system");
    }
}
