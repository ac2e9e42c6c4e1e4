//! Answers the control API.

use std::sync::Arc;

use driftless_control::api::{self, ApiError, ErrorCode};
use driftless_control::{Reply, Request, RequestContext};
use tokio::sync::watch;

use crate::folder::Message;
use crate::hub::Hub;
use crate::views;

pub(crate) async fn handle(
    hub: Arc<Hub>,
    stop: watch::Sender<bool>,
    request: Request,
    _context: RequestContext,
) -> Result<Reply, ApiError> {
    match request {
        Request::StatusQuery(q) => Reply::to(&q, status(&hub)),
        Request::FolderRescan(q) => {
            for config in &hub.settings().folders {
                if let Some((shared, _)) = hub.folder(&config.id) {
                    let _ = shared.inbox.send(Message::Scan(None)).await;
                }
            }
            Reply::to(&q, api::Done {})
        }
        Request::Wait(q) => {
            let mut n = 0;
            loop {
                let s = status(&hub);
                let ok = s.folders.iter().all(|f| f.state == api::FolderState::UpToDate)
                    && s.devices.iter().all(|d| d.connected && d.folders.iter().all(|f| f.need_files == 0));
                if ok && n > 5 {
                    return Reply::to(&q, api::WaitResult { done: true, missing: vec![] });
                }
                n += 1;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        Request::Shutdown(q) => {
            stop.send_replace(true);
            Reply::to(&q, api::Done {})
        }
        _ => Err(ApiError::new(ErrorCode::Failed, "no")),
    }
}

fn status(hub: &Hub) -> api::Status {
    let settings = hub.settings();
    let views: Vec<_> = settings.folders.iter().map(|c| (c, hub.folder(&c.id).map(|(_, v)| v.borrow().clone()))).collect();
    api::Status {
        device: api::OwnDevice {
            id: hub.device.to_string(),
            name: settings.device.name.clone(),
            addresses: hub.net.local_addrs().iter().map(ToString::to_string).collect(),
        },
        version: env!("CARGO_PKG_VERSION").into(),
        offers: 0,
        folders: views
            .iter()
            .map(|(c, v)| {
                let (state, reason) = views::state_of(c, v.as_ref());
                let t = v.as_ref().and_then(|v| v.status.as_ref()).map(|s| s.totals).unwrap_or_default();
                let problems = v.as_ref().and_then(|v| v.status.as_ref()).map(|s| s.problems.iter().map(views::problem_of).collect()).unwrap_or_default();
                api::FolderStatus {
                    id: c.id.to_string(), label: c.label.clone(), path: c.path.display().to_string(),
                    mode: api::FolderMode::SendReceive, state, reason, files: t.files, bytes: t.bytes,
                    need_files: t.need_files, need_bytes: t.need_bytes, conflicts: t.conflicts, problems,
                    problem_count: 0, rate_bytes_per_s: 0, eta_s: None, copies: 0, only_here_files: 0,
                    local_changes: 0, held_back: None, last_scan_ms: None, devices: vec![],
                }
            })
            .collect(),
        devices: settings
            .devices
            .iter()
            .map(|d| {
                let link = hub.links.get(d.id);
                api::DeviceStatus {
                    id: d.id.to_string(), name: d.name.clone(), connected: link.is_some(),
                    address: link.map(|l| l.connection.remote_address().to_string()), paused: d.paused,
                    last_seen_ms: None,
                    folders: views.iter().filter_map(|(c, v)| {
                        let s = v.as_ref()?.status.as_ref()?;
                        let (_, n, b) = s.lacking.iter().find(|(x, ..)| *x == d.id)?;
                        Some(api::DeviceFolder { id: c.id.to_string(), need_files: *n, need_bytes: *b })
                    }).collect(),
                }
            })
            .collect(),
    }
}
