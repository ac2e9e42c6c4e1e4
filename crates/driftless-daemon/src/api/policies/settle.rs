//! Having policies settle what is open.
//!
//! Looks at the open conflicts of a folder whenever its engine was told
//! something, which is when one may have come up, a version arrived, clocks
//! were compared or the configuration changed. What a policy could not put
//! together is tried again once other versions are known.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use driftless_core::policy::Verdict;
use driftless_core::{FolderId, Policy, RelPath, VersionVector};
use driftless_engine::{Choice, Input, Resolve};
use tokio::time::sleep;

use super::combine::{self, Chosen};
use crate::api::{Outcome, ask, conflicts};
use crate::clock::now_ms;
use crate::config::{FolderConfig, FolderMode};
use crate::hub::Hub;

/// So long rests whoever looked at conflicts, so that a storm costs few looks.
const REST: Duration = Duration::from_millis(100);

/// The most conflicts that are remembered as not to be put together.
const MOST_GIVEN_UP: usize = 10_000;

/// What could not be put together: the versions, and by which policy.
type GivenUp = HashMap<(FolderId, RelPath), (Vec<VersionVector>, Policy)>;

/// Has policies act for as long as the daemon runs.
pub(crate) async fn run(hub: Arc<Hub>) {
    combine::tidy_up(&hub);
    let mut given_up = GivenUp::new();
    let mut calls = hub.policy_calls();
    while calls.changed().await.is_ok() {
        sleep(REST).await;
        calls.borrow_and_update();
        for folder in conflicts::open_folders(&hub) {
            // What a device that only sends, or only receives, decides is not for the others.
            if folder.policies.act() && folder.mode == FolderMode::SendReceive {
                let settled = settle_all(&hub, &folder, &mut given_up).await;
                if let Err(error) = settled {
                    tracing::debug!(folder = %folder.id, %error.message, "policies wait");
                }
            }
        }
    }
}

async fn settle_all(hub: &Arc<Hub>, folder: &FolderConfig, given_up: &mut GivenUp) -> Outcome<()> {
    let patterns = folder.policies.patterns();
    for path in conflicts::open_paths(hub, folder).await? {
        let policy = folder.policies.policy(patterns.first(&path)).clone();
        if policy == Policy::Ask {
            continue;
        }
        let (at, judged) = (path.clone(), policy.clone());
        let (is_choosing, (verdict, seen)) = ask(hub, folder, move |asked| {
            let judged = asked.engine.judge(&at, &judged, now_ms())?;
            Ok((asked.engine.is_choosing(&at), judged))
        })
        .await?;
        if is_choosing {
            continue;
        }
        let choice = match verdict {
            Verdict::NoConflict | Verdict::Ask(_) => continue,
            Verdict::Keep(record) => Choice::Head(record),
            Verdict::Combine(records) => {
                let key = (folder.id.clone(), path.clone());
                let tried = (seen.clone(), policy.clone());
                if given_up.get(&key) == Some(&tried) {
                    continue;
                }
                match combine::choose(hub, (folder, &path), (&policy, &records)).await? {
                    Chosen::This(choice) => *choice,
                    Chosen::Not(why) => {
                        tracing::info!(folder = %folder.id, %path, why, "a person has to choose");
                        if given_up.len() >= MOST_GIVEN_UP {
                            given_up.clear();
                        }
                        given_up.insert(key, tried);
                        continue;
                    }
                }
            }
        };
        tracing::info!(folder = %folder.id, %path, ?policy, "settled by policy");
        let resolve = Resolve { path, choice, seen: Some(seen), by_policy: true };
        ask(hub, folder, move |asked| {
            asked.inputs.push(Input::Resolve(Box::new(resolve)));
            Ok(())
        })
        .await?;
    }
    Ok(())
}
