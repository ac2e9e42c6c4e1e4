//! `device`: who may connect.

use driftless_control::api::{
    DeviceAdd, DeviceList, DevicePause, DeviceRemove, DeviceRename, DeviceResume, DeviceView,
};

use crate::args::Device;
use crate::failure::Failure;
use crate::format::{ago, now_ms, safe};
use crate::offline;
use crate::output::columns;
use crate::session::Session;

pub(super) async fn run(session: &Session, command: Device) -> Result<(), Failure> {
    let output = session.output;
    let one = |view: &DeviceView| format!("{}\n", safe(&view.name));
    match command {
        Device::List => {
            let devices = session.call(DeviceList {}).await?;
            output.print(&devices, |devices| {
                columns(&devices.iter().map(row).collect::<Vec<_>>(), "")
            })
        }
        Device::Add { id, name, addresses } => {
            let request = DeviceAdd { id, name, addresses };
            let view = match session.connect_if_running().await? {
                Some(client) => client.call(request).await?,
                None => offline::add_device(&session.home, &request)?,
            };
            output.print(&view, |view| view.id.clone())
        }
        Device::Remove { device } => {
            let done = session.call(DeviceRemove { device }).await?;
            output.print(&done, |_| String::new())
        }
        Device::Rename { device, name } => {
            output.print(&session.call(DeviceRename { device, name }).await?, one)
        }
        Device::Pause { device } => {
            output.print(&session.call(DevicePause { device }).await?, |_| String::new())
        }
        Device::Resume { device } => {
            output.print(&session.call(DeviceResume { device }).await?, |_| String::new())
        }
    }
}

fn row(device: &DeviceView) -> Vec<String> {
    let state = match (device.connected, device.paused, device.last_seen_ms) {
        (true, ..) => format!("online {}", safe(device.address.as_deref().unwrap_or_default())),
        (_, true, _) => "paused".to_owned(),
        (.., Some(seen_ms)) => format!("last seen {}", ago(now_ms(), seen_ms)),
        (.., None) => "not seen yet".to_owned(),
    };
    vec![
        safe(&device.name).into_owned(),
        state.trim_end().to_owned(),
        safe(&device.id).into_owned(),
    ]
}
