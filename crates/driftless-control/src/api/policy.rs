//! Policies: what settles a conflict without asking a person.
//!
//! A policy is written as one word: `ask`, `newest`, `device:` and a device, `merge`, or `command:` and a program
//! with its arguments.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Lists the policies of folders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyList {
    /// Only those of this folder.
    #[ts(optional)]
    pub folder: Option<String>,
}

/// The policies of a folder on this device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FolderPolicies {
    /// The folder's ID.
    pub folder: String,
    /// The folder's label.
    pub folder_label: String,
    /// For paths that a pattern fits; the first that fits counts.
    pub rules: Vec<PolicyRule>,
    /// For all other paths.
    pub otherwise: String,
}

/// What settles conflicts about the paths that a pattern fits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// As in an ignore file: `*.md`, `/notes/**`.
    pub pattern: String,
    /// The policy.
    pub policy: String,
}

/// Changes the policies of a folder on this device; absent fields stay as they are. Replies with
/// [`FolderPolicies`]. Open conflicts are settled as the new policies say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PolicySet {
    /// Which folder.
    pub folder: String,
    /// All of its rules.
    #[serde(default)]
    #[ts(optional)]
    pub rules: Option<Vec<PolicyRule>>,
    /// For all other paths.
    #[serde(default)]
    #[ts(optional)]
    pub otherwise: Option<String>,
}

/// Says what policies would do to the conflicts that are open now; changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySimulate {
    /// Only in this folder; has to be named where rules are given.
    #[ts(optional)]
    pub folder: Option<String>,
    /// These rules instead of the folder's.
    #[ts(optional)]
    pub rules: Option<Vec<PolicyRule>>,
    /// This policy for all other paths instead of the folder's.
    #[ts(optional)]
    pub otherwise: Option<String>,
}

/// What a policy would do to a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PolicyOutcome {
    /// The conflict's ID.
    pub id: String,
    /// The folder's ID.
    pub folder: String,
    /// The folder's label.
    pub folder_label: String,
    /// The path below the folder's root.
    pub path: String,
    /// The policy that holds for the path.
    pub policy: String,
    /// What it would do.
    pub verdict: PolicyVerdict,
}

/// What a policy does to a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "does", rename_all = "kebab-case")]
pub enum PolicyVerdict {
    /// A person has to choose.
    Ask {
        /// Why, as a sentence.
        why: String,
    },
    /// It keeps a version.
    Keep {
        /// Which one.
        version: String,
        /// Name of the device that made it.
        device_name: String,
    },
    /// It keeps what the versions merge into.
    Merge {
        /// The size of that in bytes.
        size: u64,
    },
    /// It runs a program, which may still fail.
    Run {
        /// The program and its arguments.
        command: Vec<String>,
    },
}
