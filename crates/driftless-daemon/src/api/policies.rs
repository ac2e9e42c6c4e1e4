//! `policy.list`, `policy.set` and `policy.simulate`: what settles conflicts
//! without a person.
//!
//! What a policy does is decided in `driftless_core::policy`. `settle` has it
//! done, `combine` puts contents together, `command` runs programs for that.

mod combine;
mod command;
mod settle;

use std::sync::Arc;

use driftless_control::api::{
    FolderPolicies, PolicyList, PolicyOutcome, PolicyRule as RuleView, PolicySet, PolicySimulate,
    PolicyVerdict,
};
use driftless_core::policy::{Doubt, Verdict};
use driftless_core::{Policy, RelPath};

use self::combine::Combined;
use super::failure::usage;
use super::{Outcome, ask, conflicts, edit, find_folder};
use crate::clock::now_ms;
use crate::config::{FolderConfig, Policies, PolicyRule, Settings, policy_word, read_policy};
use crate::hub::Hub;
use crate::views::conflict_id;

pub(crate) use settle::run;

pub(super) fn list(hub: &Hub, request: &PolicyList) -> Outcome<Vec<FolderPolicies>> {
    let folders = match &request.folder {
        Some(folder) => vec![find_folder(hub, folder)?],
        None => hub.settings().folders.clone(),
    };
    Ok(folders.iter().map(view).collect())
}

fn view(folder: &FolderConfig) -> FolderPolicies {
    let rule = |rule: &PolicyRule| RuleView {
        pattern: rule.pattern.clone(),
        policy: policy_word(&rule.policy),
    };
    FolderPolicies {
        folder: folder.id.to_string(),
        folder_label: folder.label.clone(),
        rules: folder.policies.rules.iter().map(rule).collect(),
        otherwise: policy_word(&folder.policies.otherwise),
    }
}

pub(super) async fn set(hub: &Arc<Hub>, request: &PolicySet) -> Outcome<FolderPolicies> {
    let folder = find_folder(hub, &request.folder)?;
    let policies = changed(hub, &folder, request.rules.as_deref(), request.otherwise.as_deref())?;
    let id = folder.id.clone();
    edit(hub, move |config| Ok(config.set_folder_policies(&id, &policies)?)).await?;
    Ok(view(&find_folder(hub, folder.id.as_str())?))
}

/// The policies of a folder with what a person wants instead.
fn changed(
    hub: &Hub,
    folder: &FolderConfig,
    rules: Option<&[RuleView]>,
    otherwise: Option<&str>,
) -> Outcome<Policies> {
    let settings = hub.settings();
    let mut policies = folder.policies.clone();
    if let Some(word) = otherwise {
        policies.otherwise = meant(hub, &settings, word)?;
    }
    if let Some(rules) = rules {
        let read = |rule: &RuleView| {
            let policy = meant(hub, &settings, &rule.policy)?;
            Ok(PolicyRule { pattern: rule.pattern.clone(), policy })
        };
        policies.rules = rules.iter().map(read).collect::<Outcome<_>>()?;
    }
    policies.check().map_err(usage)?;
    Ok(policies)
}

/// The policy that a person means, who may call a device by its name.
fn meant(hub: &Hub, settings: &Settings, word: &str) -> Outcome<Policy> {
    match word.strip_prefix("device:") {
        Some(own) if own == settings.device.name => Ok(Policy::Device(hub.device)),
        Some(id) if id.parse() == Ok(hub.device) => Ok(Policy::Device(hub.device)),
        Some(query) => Ok(Policy::Device(settings.find_device(query)?.id)),
        None => read_policy(word).map_err(usage),
    }
}

pub(super) async fn simulate(
    hub: &Arc<Hub>,
    request: &PolicySimulate,
) -> Outcome<Vec<PolicyOutcome>> {
    let is_other = request.rules.is_some() || request.otherwise.is_some();
    let folders = match &request.folder {
        Some(folder) => vec![find_folder(hub, folder)?],
        None if is_other => {
            return Err(usage("rules are tried on one folder, which has to be named".to_owned()));
        }
        None => conflicts::open_folders(hub),
    };
    let mut outcomes = Vec::new();
    for folder in folders {
        let policies =
            changed(hub, &folder, request.rules.as_deref(), request.otherwise.as_deref())?;
        let patterns = policies.patterns();
        for path in conflicts::open_paths(hub, &folder).await? {
            let policy = policies.policy(patterns.first(&path));
            let Some(verdict) = foresee(hub, (&folder, &path), policy).await? else { continue };
            outcomes.push(PolicyOutcome {
                id: conflict_id(&folder.id, &path),
                folder: folder.id.to_string(),
                folder_label: folder.label.clone(),
                path: path.to_string(),
                policy: policy_word(policy),
                verdict,
            });
        }
    }
    Ok(outcomes)
}

/// What a policy would do; nothing where the conflict is over meanwhile.
async fn foresee(
    hub: &Arc<Hub>,
    spot: (&FolderConfig, &RelPath),
    policy: &Policy,
) -> Outcome<Option<PolicyVerdict>> {
    let (folder, path) = spot;
    let (at, judged) = (path.clone(), policy.clone());
    let (verdict, _) =
        ask(hub, folder, move |asked| asked.engine.judge(&at, &judged, now_ms())).await?;
    Ok(Some(match (verdict, policy) {
        (Verdict::NoConflict, _) => return Ok(None),
        (Verdict::Ask(doubt), _) => PolicyVerdict::Ask { why: why(doubt).to_owned() },
        (Verdict::Keep(record), _) => PolicyVerdict::Keep {
            version: conflicts::version_word(&record),
            device_name: hub.name_of(&record.device),
        },
        (Verdict::Combine(_), Policy::Command(command)) => {
            PolicyVerdict::Run { command: command.clone() }
        }
        (Verdict::Combine(records), _) => match combine::merge(hub, spot, &records).await? {
            Combined::Bytes(bytes) => PolicyVerdict::Merge { size: bytes.len() as u64 },
            Combined::Not(why) => PolicyVerdict::Ask { why },
        },
    }))
}

/// Why a person has to choose.
fn why(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Policy => "the policy is to ask",
        Doubt::Spent => {
            "policies have settled it before, and contradict each other or were taken back"
        }
        Doubt::NotHere => "a version of it has not arrived here yet",
        Doubt::NotFiles => "not all of its versions are files",
        Doubt::UnknownClock => "the clocks of the devices that made it have not been compared yet",
        Doubt::WrongClock => "a version claims to be from the future: a clock is wrong",
        Doubt::TooClose => "its versions were made at the same time, as far as clocks tell",
        Doubt::NotMade => "the device made none of its versions",
        Doubt::SeveralMade => "the device made several of its versions",
    }
}
