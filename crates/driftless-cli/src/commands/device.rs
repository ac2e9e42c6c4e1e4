//! `device`: who may connect, and who this device is.

use std::time::Duration;

use driftless_control::api::{
    DeviceAdd, DeviceList, DevicePause, DeviceRekey, DeviceRemove, DeviceRename, DeviceResume,
    DeviceView, PairAnswer, PairRequest, PairRequests, Rekeyed, StatusQuery,
};

use tokio::time::{Instant, sleep};

use crate::args::Device;
use crate::failure::{Exit, Failure};
use crate::format::{ago, now_ms, safe};
use crate::offline;
use crate::output::columns;
use crate::session::Session;

/// How long a daemon may take to begin anew, and how often it is looked for.
const ANEW_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

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
        Device::Requests => {
            let requests = session.call(PairRequests {}).await?;
            output.print(&requests, |requests| {
                columns(&requests.iter().map(request_row).collect::<Vec<_>>(), "")
            })
        }
        Device::Accept { device } => answer(session, device, true).await,
        Device::Decline { device } => answer(session, device, false).await,
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
        Device::Rekey { yes: false } => {
            let message = "this ends the device that this computer is, and other devices have to pair with it again; if that is meant, add --yes";
            Err(Failure::new(Exit::Usage, message))
        }
        Device::Rekey { yes: true } => {
            let rekeyed = match session.connect_if_running().await? {
                Some(client) => {
                    let rekeyed = client.call(DeviceRekey {}).await?;
                    drop(client);
                    serves_as(session, &rekeyed.id).await?;
                    rekeyed
                }
                None => offline::rekey(&session.home)?,
            };
            output.print(&rekeyed, |Rekeyed { id }| {
                format!("This is a new device now. Pair it with your other devices again.\n{id}")
            })
        }
    }
}

async fn answer(session: &Session, id: String, accept: bool) -> Result<(), Failure> {
    let done = session.call(PairAnswer { id, accept }).await?;
    session.output.print(&done, |_| String::new())
}

/// Waits until the daemon has begun anew as this device.
async fn serves_as(session: &Session, id: &str) -> Result<(), Failure> {
    let end = Instant::now() + ANEW_WITHIN;
    while Instant::now() < end {
        // It is between two lives: no answer says anything yet.
        if let Ok(Some(client)) = session.connect_if_running().await
            && let Ok(status) = client.call(StatusQuery::default()).await
            && status.device.id == id
        {
            return Ok(());
        }
        sleep(LOOK_AGAIN).await;
    }
    let message = format!("the daemon does not serve as {id} yet; look at its log");
    Err(Failure::new(Exit::TimedOut, message))
}

fn request_row(request: &PairRequest) -> Vec<String> {
    vec![
        safe(&request.name).into_owned(),
        format!("asked {} from {}", ago(now_ms(), request.asked_at_ms), safe(&request.address)),
        safe(&request.id).into_owned(),
    ]
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
