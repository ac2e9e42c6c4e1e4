//! A desktop's panel and its notifications, as the app sees them on the session bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::blocking::Connection;
use zbus::blocking::connection::Builder;
use zbus::message::Header;
use zbus::zvariant::{OwnedValue, Value};

use super::{check, until};

const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// An entry of a menu: number, properties, entries below it.
type Entry = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
/// Name, pictures, title and text of a tooltip.
type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);

/// What the panel has heard.
#[derive(Default)]
struct Heard {
    /// Owner and path of the icons.
    icons: Vec<(String, String)>,
    /// Title and body of the notifications.
    notices: Vec<(String, String)>,
}

/// The panel of one laptop; it can be taken away and come back.
pub(crate) struct Panel {
    address: String,
    heard: Arc<Mutex<Heard>>,
    bus: Option<Connection>,
}

struct Watcher(Arc<Mutex<Heard>>);

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, item: &str, #[zbus(header)] header: Header<'_>) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let icon = match item.starts_with('/') {
            true => (sender, item.to_owned()),
            false => (item.to_owned(), "/StatusNotifierItem".to_owned()),
        };
        self.0.lock().unwrap().icons.push(icon);
    }

    fn register_status_notifier_host(&self, _host: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        let heard = self.0.lock().unwrap();
        heard.icons.iter().map(|(owner, path)| format!("{owner}{path}")).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }
}

struct Notifications(Arc<Mutex<Heard>>);

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Notifications {
    #[expect(clippy::too_many_arguments, reason = "the desktop's interface")]
    fn notify(
        &self,
        _app_name: &str,
        _replaces: u32,
        _icon: &str,
        summary: &str,
        body: &str,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> u32 {
        let mut heard = self.0.lock().unwrap();
        heard.notices.push((summary.to_owned(), body.to_owned()));
        u32::try_from(heard.notices.len()).unwrap()
    }
}

impl Panel {
    /// Puts a panel on this session bus.
    pub(super) fn new(address: &str) -> Self {
        let mut panel = Self { address: address.to_owned(), heard: Arc::default(), bus: None };
        panel.come();
        panel
    }

    /// Takes the panel away, as desktops without one are.
    pub(crate) fn go(&mut self) {
        self.bus = None;
        self.heard.lock().unwrap().icons.clear();
    }

    /// Brings it back.
    pub(crate) fn come(&mut self) {
        let bus = Builder::address(self.address.as_str())
            .unwrap()
            .serve_at("/StatusNotifierWatcher", Watcher(Arc::clone(&self.heard)))
            .unwrap()
            .serve_at("/org/freedesktop/Notifications", Notifications(Arc::clone(&self.heard)))
            .unwrap()
            .name("org.freedesktop.Notifications")
            .unwrap()
            .name("org.kde.StatusNotifierWatcher")
            .unwrap();
        self.bus = Some(bus.build().unwrap());
    }

    fn bus(&self) -> &Connection {
        self.bus.as_ref().expect("the panel is there")
    }

    fn icon(&self) -> Result<(String, String), String> {
        let heard = self.heard.lock().unwrap();
        heard.icons.last().cloned().ok_or_else(|| "no icon".to_owned())
    }

    fn property<T: TryFrom<OwnedValue>>(&self, name: &str) -> Result<T, String> {
        let (owner, path) = self.icon()?;
        let reply = self.bus().call_method(
            Some(owner.as_str()),
            path.as_str(),
            Some("org.freedesktop.DBus.Properties"),
            "Get",
            &(ITEM, name),
        );
        let reply = reply.map_err(|error| error.to_string())?;
        let value: OwnedValue = reply.body().deserialize().map_err(|error| error.to_string())?;
        T::try_from(value).map_err(|_| format!("{name} is of another kind"))
    }

    /// The tooltip's text.
    pub(crate) fn tooltip(&self) -> Result<String, String> {
        let value: OwnedValue = self.property("ToolTip")?;
        let (_, _, _, text) = ToolTip::try_from(value).map_err(|error| error.to_string())?;
        Ok(text)
    }

    /// Waits until the tooltip is this sentence, and the menu begins with it; returns the icon.
    pub(crate) fn says(&self, sentence: &str) -> Vec<u8> {
        until(&format!("the panel says {sentence:?}"), || {
            let tooltip = self.tooltip()?;
            check(tooltip == sentence, || tooltip)?;
            let menu = self.menu()?;
            let first = menu.first().map(|(_, label)| label.clone()).unwrap_or_default();
            check(first == sentence, || format!("the menu begins with {first:?}"))
        });
        self.picture()
    }

    /// The pixels of the icon.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let value: OwnedValue = self.property("IconPixmap").unwrap();
        let pictures = <Vec<(i32, i32, Vec<u8>)>>::try_from(value).unwrap();
        pictures.into_iter().next().map(|(_, _, pixels)| pixels).unwrap()
    }

    /// The entries of the menu by number, as a person reads them.
    pub(crate) fn menu(&self) -> Result<Vec<(i32, String)>, String> {
        let (owner, _) = self.icon()?;
        let path: zbus::zvariant::OwnedObjectPath = self.property("Menu")?;
        let reply = self.bus().call_method(
            Some(owner.as_str()),
            path.as_str(),
            Some(MENU),
            "GetLayout",
            &(0, -1, Vec::<String>::new()),
        );
        let reply = reply.map_err(|error| error.to_string())?;
        let (_, (_, _, entries)): (u32, Entry) =
            reply.body().deserialize().map_err(|error| error.to_string())?;
        let entries = entries.into_iter().filter_map(|entry| Entry::try_from(entry).ok());
        let read = |(number, mut properties, _): Entry| {
            let label = properties.remove("label").map(String::try_from)?.ok()?;
            Some((number, label.replace("__", "_")))
        };
        Ok(entries.filter_map(read).collect())
    }

    /// Chooses an entry of the menu once it is there.
    pub(crate) fn choose(&self, label: &str) {
        let number = until(&format!("the menu has {label:?}"), || {
            let menu = self.menu()?;
            let entry = menu.iter().find(|(_, found)| found == label);
            entry.map(|(number, _)| *number).ok_or_else(|| format!("{menu:?}"))
        });
        let (owner, _) = self.icon().unwrap();
        let path: zbus::zvariant::OwnedObjectPath = self.property("Menu").unwrap();
        let event = (number, "clicked", Value::from(0i32), 0u32);
        let bus = self.bus();
        bus.call_method(Some(owner.as_str()), path.as_str(), Some(MENU), "Event", &event).unwrap();
    }

    /// Clicks the icon.
    pub(crate) fn click(&self) {
        let (owner, path) = until("the panel has the icon", || self.icon());
        let bus = self.bus();
        bus.call_method(Some(owner.as_str()), path.as_str(), Some(ITEM), "Activate", &(0, 0))
            .unwrap();
    }

    /// Waits for a notification with this title; returns its body.
    pub(crate) fn is_told(&self, title: &str) -> String {
        until(&format!("a notification says {title:?}"), || {
            let told = self.notices();
            let notice = told.iter().find(|(found, _)| found == title);
            notice.map(|(_, body)| body.clone()).ok_or_else(|| format!("{told:?}"))
        })
    }

    /// All notifications so far: title and body.
    pub(crate) fn notices(&self) -> Vec<(String, String)> {
        self.heard.lock().unwrap().notices.clone()
    }
}
