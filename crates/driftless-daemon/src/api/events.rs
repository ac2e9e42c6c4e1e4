//! `subscribe`: what happened, and a snapshot where that is not remembered.

use std::sync::Arc;

use driftless_control::Reply;
use driftless_control::api::{Snapshot, StatusQuery, Subscribe};

use super::{Outcome, folders, status};
use crate::hub::Hub;

pub(super) fn subscribe(hub: &Arc<Hub>, request: &Subscribe) -> Outcome<Reply> {
    let for_snapshots = Arc::clone(hub);
    let subscription = hub.events.subscribe(request, move |cursor| {
        let hub = Arc::clone(&for_snapshots);
        async move {
            let status = status::status(&hub, &StatusQuery::default())?;
            Ok(Snapshot { cursor, status, offers: folders::offers(&hub) })
        }
    })?;
    Ok(Reply::Events(subscription))
}
