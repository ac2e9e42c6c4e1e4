//! `policy`: what settles conflicts without asking.

use driftless_control::api::{
    FolderPolicies, PolicyList, PolicyOutcome, PolicyRule, PolicySet, PolicySimulate, PolicyVerdict,
};

use crate::args;
use crate::failure::{Exit, Failure};
use crate::format::{safe, size};
use crate::output::columns;
use crate::session::{Session, folder_word};

pub(super) async fn run(session: &Session, command: args::Policy) -> Result<(), Failure> {
    match command {
        args::Policy::List { folder } => {
            let folder = folder.as_deref().map(folder_word).transpose()?;
            let policies = session.call(PolicyList { folder }).await?;
            session.output.print(&policies, |all| all.iter().map(describe).collect())
        }
        args::Policy::Set { folder, policy, pattern } => {
            let folder = folder_word(&folder)?;
            let request = changed(session, folder, policy, pattern).await?;
            let policies = session.call(request).await?;
            session.output.print(&policies, describe)
        }
        args::Policy::Remove { folder, pattern } => {
            let folder = folder_word(&folder)?;
            let mut rules = rules_of(session, &folder).await?;
            let before = rules.len();
            rules.retain(|rule| rule.pattern != pattern);
            if rules.len() == before {
                let message = format!("no rule of the folder is for {pattern:?}");
                return Err(Failure::new(Exit::Failed, message));
            }
            let request = PolicySet { folder, rules: Some(rules), otherwise: None };
            let policies = session.call(request).await?;
            session.output.print(&policies, describe)
        }
        args::Policy::Simulate { folder, policy, pattern } => {
            let folder = folder.as_deref().map(folder_word).transpose()?;
            let request = match (&folder, policy) {
                (Some(named), Some(policy)) => {
                    let set = changed(session, named.clone(), policy, pattern).await?;
                    PolicySimulate { folder, rules: set.rules, otherwise: set.otherwise }
                }
                _ => PolicySimulate { folder, ..PolicySimulate::default() },
            };
            let outcomes = session.call(request).await?;
            session.output.print(&outcomes, |outcomes| {
                columns(&outcomes.iter().map(row).collect::<Vec<_>>(), "")
            })
        }
    }
}

/// The change that gives `policy` to the paths that a pattern fits, or to all that have no rule.
async fn changed(
    session: &Session,
    folder: String,
    policy: String,
    pattern: Option<String>,
) -> Result<PolicySet, Failure> {
    let Some(pattern) = pattern else {
        return Ok(PolicySet { folder, rules: None, otherwise: Some(policy) });
    };
    let mut rules = rules_of(session, &folder).await?;
    match rules.iter_mut().find(|rule| rule.pattern == pattern) {
        Some(rule) => rule.policy = policy,
        None => rules.push(PolicyRule { pattern, policy }),
    }
    Ok(PolicySet { folder, rules: Some(rules), otherwise: None })
}

async fn rules_of(session: &Session, folder: &str) -> Result<Vec<PolicyRule>, Failure> {
    let policies = session.call(PolicyList { folder: Some(folder.to_owned()) }).await?;
    Ok(policies.into_iter().next().map(|policies| policies.rules).unwrap_or_default())
}

fn describe(policies: &FolderPolicies) -> String {
    let rules = policies.rules.iter().map(|rule| (rule.pattern.as_str(), rule.policy.as_str()));
    let rows: Vec<Vec<String>> = rules
        .chain([("everything else", policies.otherwise.as_str())])
        .map(|(paths, policy)| vec![safe(paths).into_owned(), safe(policy).into_owned()])
        .collect();
    format!("{}\n{}", safe(&policies.folder_label), columns(&rows, "  "))
}

fn row(outcome: &PolicyOutcome) -> Vec<String> {
    let does = match &outcome.verdict {
        PolicyVerdict::Ask { why } => format!("asks: {}", safe(why)),
        PolicyVerdict::Keep { device_name, .. } => {
            format!("keeps the version of {}", safe(device_name))
        }
        PolicyVerdict::Merge { size: bytes } => format!("merges them to {}", size(*bytes)),
        PolicyVerdict::Run { command } => format!("runs {}", safe(&command.join(" "))),
    };
    vec![
        safe(&outcome.id).into_owned(),
        format!("{}: {}", safe(&outcome.folder_label), safe(&outcome.path)),
        safe(&outcome.policy).into_owned(),
        does,
    ]
}
