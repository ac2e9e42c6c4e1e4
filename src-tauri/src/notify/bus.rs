//! Notifications as desktops show them, over the session bus.

use std::collections::{BTreeMap, HashMap};

use futures_util::StreamExt as _;
use tauri::AppHandle;
use tokio::sync::Mutex;
use zbus::zvariant::Value;

use super::{Notice, Occasion};
use crate::text;
use crate::window;

/// The name of the icon and of the desktop entry that belong to the app.
const DESKTOP_ENTRY: &str = "driftless";
/// As long as the desktop likes.
const EXPIRES: i32 = -1;

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "the desktop's interface")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;

    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action_key: String) -> zbus::Result<()>;
}

/// Shows notifications, and the window when one is clicked.
#[derive(Debug)]
pub(crate) struct Notifier {
    app: AppHandle,
    open: Mutex<Option<Open>>,
}

/// A connection to the desktop, and what it shows for us.
#[derive(Debug)]
struct Open {
    proxy: NotificationsProxy<'static>,
    ids: BTreeMap<Occasion, u32>,
}

impl Notifier {
    pub(crate) fn new(app: &AppHandle) -> Self {
        Self { app: app.clone(), open: Mutex::default() }
    }

    /// Shows a notice, in place of the last one of its occasion. A desktop without notifications shows none.
    pub(crate) async fn tell(&self, notice: Notice) {
        tracing::info!(occasion = ?notice.occasion, "telling");
        let mut open = self.open.lock().await;
        if let Err(error) = self.try_tell(&mut open, &notice).await {
            tracing::info!(%error, "the desktop shows no notifications");
            // The next one tries from the beginning.
            *open = None;
        }
    }

    async fn try_tell(&self, open: &mut Option<Open>, notice: &Notice) -> zbus::Result<()> {
        let Open { proxy, ids } = match open {
            Some(open) => open,
            None => open.insert(self.connect().await?),
        };
        let before = ids.get(&notice.occasion).copied().unwrap_or(0);
        let hints = HashMap::from([("desktop-entry", Value::from(DESKTOP_ENTRY))]);
        let actions = ["default", text::OPEN];
        let body = escaped(&notice.body);
        let id = proxy
            .notify(
                text::APP,
                before,
                DESKTOP_ENTRY,
                &notice.title,
                &body,
                &actions,
                hints,
                EXPIRES,
            )
            .await?;
        ids.insert(notice.occasion, id);
        Ok(())
    }

    async fn connect(&self) -> zbus::Result<Open> {
        let bus = zbus::Connection::session().await?;
        let proxy = NotificationsProxy::new(&bus).await?;
        let mut clicks = proxy.receive_action_invoked().await?;
        let app = self.app.clone();
        // Ends with the connection.
        tauri::async_runtime::spawn(async move {
            while let Some(click) = clicks.next().await {
                if let Ok(click) = click.args() {
                    clicked(&app, click.id).await;
                }
            }
        });
        Ok(Open { proxy, ids: BTreeMap::new() })
    }
}

async fn clicked(app: &AppHandle, id: u32) {
    use tauri::Manager as _;
    let shell = app.state::<std::sync::Arc<crate::app::Shell>>();
    let open = shell.notifier.open.lock().await;
    let ours = open.as_ref().and_then(|open| open.ids.iter().find(|(_, shown)| **shown == id));
    if let Some((occasion, _)) = ours {
        window::show(app, occasion.screen());
    }
}

/// Desktops read a body as markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    /// L4: a file name that is markup is shown and does nothing.
    #[test]
    fn l4_a_name_is_no_markup() {
        assert_eq!(escaped("<b>&amp;</b>"), "&lt;b&gt;&amp;amp;&lt;/b&gt;");
    }
}
