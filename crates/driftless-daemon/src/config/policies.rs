//! What settles the conflicts of a folder, and how that is written.
//!
//! A policy is one word: `ask`, `newest`, `merge`, `device:` and an ID, or
//! `command:` and a program with its arguments, quoted as in a shell. What the
//! policies do is decided in `driftless_core::policy`.

use driftless_core::{DeviceId, Policy};
use driftless_fs::Patterns;

/// The most rules of one folder.
pub const MAX_POLICY_RULES: usize = 100;

/// The longest policy, in bytes.
const MAX_WORD_BYTES: usize = 4096;

/// What settles the conflicts of a folder on this device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// For the paths that a pattern fits; the first that fits counts.
    pub rules: Vec<PolicyRule>,
    /// For all other paths.
    pub otherwise: Policy,
}

/// What settles the conflicts about the paths that a pattern fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// As in an ignore file.
    pub pattern: String,
    /// The policy.
    pub policy: Policy,
}

impl Policies {
    /// Whether any of them does more than to ask.
    pub fn act(&self) -> bool {
        let all = self.rules.iter().map(|rule| &rule.policy).chain([&self.otherwise]);
        all.into_iter().any(|policy| *policy != Policy::Ask)
    }

    /// The patterns of the rules, in their order.
    pub fn patterns(&self) -> Patterns {
        let texts = self.rules.iter().map(|rule| rule.pattern.as_str());
        Patterns::new(texts).expect("patterns are checked where they are read")
    }

    /// The policy of the rule that fits, or of all other paths.
    pub fn policy(&self, rule: Option<usize>) -> &Policy {
        rule.map_or(&self.otherwise, |rule| &self.rules[rule].policy)
    }

    /// Checks what a person wrote.
    ///
    /// # Errors
    ///
    /// What is wrong, as one line.
    pub fn check(&self) -> Result<(), String> {
        if self.rules.len() > MAX_POLICY_RULES {
            return Err(format!("a folder has at most {MAX_POLICY_RULES} rules for conflicts"));
        }
        let texts = self.rules.iter().map(|rule| rule.pattern.as_str());
        Patterns::new(texts).map(drop).map_err(|error| error.to_string())
    }
}

/// Reads a policy; a device is named by its ID.
///
/// # Errors
///
/// What is wrong, as one line.
pub fn read_policy(word: &str) -> Result<Policy, String> {
    let wrong = |what: &str| Err(format!("{word:?} is no policy: {what}"));
    if word.len() > MAX_WORD_BYTES {
        return Err(format!("a policy is longer than {MAX_WORD_BYTES} bytes"));
    }
    match word.split_once(':') {
        None if word == "ask" => Ok(Policy::Ask),
        None if word == "newest" => Ok(Policy::Newest),
        None if word == "merge" => Ok(Policy::Merge),
        Some(("device", id)) => match id.parse::<DeviceId>() {
            Ok(device) => Ok(Policy::Device(device)),
            Err(error) => wrong(&error.to_string()),
        },
        Some(("command", line)) => match shlex::split(line).filter(|words| !words.is_empty()) {
            Some(words) if !words[0].starts_with('/') => wrong("the program needs its full path"),
            Some(words) => Ok(Policy::Command(words)),
            None => wrong("the command is empty, or a quote is not closed"),
        },
        _ => wrong("there is ask, newest, merge, device:D and command:PROGRAM"),
    }
}

/// The word that [`read_policy`] reads.
pub fn policy_word(policy: &Policy) -> String {
    match policy {
        Policy::Ask => "ask".to_owned(),
        Policy::Newest => "newest".to_owned(),
        Policy::Merge => "merge".to_owned(),
        Policy::Device(device) => format!("device:{device}"),
        Policy::Command(words) => {
            let line = shlex::try_join(words.iter().map(String::as_str));
            format!("command:{}", line.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_words() {
        let id = DeviceId::from_bytes([7; 32]);
        for policy in [
            Policy::Ask,
            Policy::Newest,
            Policy::Merge,
            Policy::Device(id),
            Policy::Command(vec!["/usr/bin/a b".into(), "{base}".into(), "it's".into()]),
        ] {
            assert_eq!(read_policy(&policy_word(&policy)), Ok(policy));
        }
        for bad in ["", "newer", "device:", "device:laptop", "command:", "command:'x", "command:rm"]
        {
            assert!(read_policy(bad).is_err(), "{bad:?}");
        }
    }
}
