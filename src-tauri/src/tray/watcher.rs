//! Whether this desktop has a panel that shows icons, and noticing when it comes.
//!
//! A panel announces itself on the session bus as `org.kde.StatusNotifierWatcher`.

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use zbus::fdo::{DBusProxy, PropertiesProxy};
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const PATH: &str = "/StatusNotifierWatcher";

/// Whether some panel shows icons just now.
pub(crate) async fn is_there() -> bool {
    ask().await.unwrap_or(false)
}

async fn ask() -> zbus::Result<bool> {
    let bus = Connection::session().await?;
    let properties =
        PropertiesProxy::builder(&bus).destination(WATCHER)?.path(PATH)?.build().await?;
    let watcher = InterfaceName::from_static_str(WATCHER)?;
    let shows = properties.get(watcher, "IsStatusNotifierHostRegistered").await?;
    Ok(bool::try_from(shows)?)
}

/// Tells each time that a panel may have come.
pub(super) fn panels() -> mpsc::Receiver<()> {
    let (tell, told) = mpsc::channel(1);
    tauri::async_runtime::spawn(async move {
        if let Err(error) = watch(&tell).await {
            tracing::info!(%error, "no session bus, so no icon in a panel");
        }
    });
    told
}

async fn watch(tell: &mpsc::Sender<()>) -> zbus::Result<()> {
    let bus = Connection::session().await?;
    let names = DBusProxy::new(&bus).await?;
    let owners = names.receive_name_owner_changed_with_args(&[(0, WATCHER)]).await?;
    let owners = owners
        .filter_map(async |change| change.args().ok()?.new_owner().is_some().then_some(()))
        .boxed();
    // The one who keeps the list of icons may be there before one who shows them.
    let registered = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .interface(WATCHER)?
        .member("StatusNotifierHostRegistered")?
        .build();
    let hosts = MessageStream::for_match_rule(registered, &bus, None).await?.map(drop).boxed();
    let mut panels = stream::select(owners, hosts);
    while panels.next().await.is_some() {
        if tell.send(()).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Waits for a panel; for ever where there is no bus to come by.
pub(super) async fn next(panels: &mut mpsc::Receiver<()>) {
    if panels.recv().await.is_none() {
        std::future::pending().await
    }
}
