//! The arguments of `conflict` and `policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Conflict {
    /// List open conflicts.
    List {
        /// Only those of this folder.
        #[arg(value_name = "F")]
        folder: Option<String>,
    },
    /// Show the versions of one.
    Show {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show what two versions changed in a text, and where a person has to choose.
    Diff {
        #[arg(value_name = "ID")]
        id: String,
        /// The versions to compare, as `conflict show` names them, instead of the first two.
        #[arg(long, num_args = 2, value_names = ["VERSION", "VERSION"])]
        versions: Vec<String>,
    },
    /// Choose what to keep, on every device.
    Resolve(Resolve),
    /// Take back how conflicts were decided, here or elsewhere: each is open again, on every device.
    Undo {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
#[command(group = clap::ArgGroup::new("choice").required(true))]
pub(crate) struct Resolve {
    /// Which conflicts; where one cannot be settled, the others are all the same.
    #[arg(value_name = "ID", group = "which")]
    pub(crate) ids: Vec<String>,
    /// All that are open.
    #[arg(long, group = "which")]
    pub(crate) all: bool,
    /// With --all, only those of this folder.
    #[arg(long, value_name = "F", conflicts_with = "ids")]
    pub(crate) folder: Option<String>,
    /// Keep the version of this device, or the one of this name, or `both`.
    #[arg(long, value_name = "D|VERSION|both", group = "choice")]
    pub(crate) keep: Option<String>,
    /// Keep the content of this file; `-` reads a text from standard input.
    #[arg(long, value_name = "FILE", group = "choice")]
    pub(crate) with: Option<PathBuf>,
    /// Keep this version, as `history list` names it.
    #[arg(long, value_name = "V", group = "choice")]
    pub(crate) history: Option<String>,
    /// Only say what every device would hold.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A policy is `ask`, `newest` (by clocks that were compared), `device:D`, `merge` (texts, where the changes do
/// not touch each other), or `command:/PROGRAM ARGUMENTS`, where {base}, {ours}, {theirs} and {merged} are files.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// List the policies of folders on this device.
    List {
        /// Only those of this folder.
        #[arg(value_name = "F")]
        folder: Option<String>,
    },
    /// Choose what settles conflicts in a folder; the version that loses is kept in history.
    Set {
        #[arg(value_name = "F")]
        folder: String,
        /// ask, newest, device:D, merge, or command:/PROGRAM ARGUMENTS.
        #[arg(value_name = "POLICY")]
        policy: String,
        /// Only for paths that this pattern fits, as in an ignore file; the first rule that fits counts.
        #[arg(long = "for", value_name = "PATTERN")]
        pattern: Option<String>,
    },
    /// Remove the rule for a pattern.
    Remove {
        #[arg(value_name = "F")]
        folder: String,
        #[arg(value_name = "PATTERN")]
        pattern: String,
    },
    /// Say what policies would do to the conflicts that are open now; changes nothing.
    Simulate {
        /// Only in this folder.
        #[arg(value_name = "F")]
        folder: Option<String>,
        /// Try this policy instead of the folder's.
        #[arg(value_name = "POLICY")]
        policy: Option<String>,
        /// Only for paths that this pattern fits.
        #[arg(long = "for", value_name = "PATTERN", requires = "policy")]
        pattern: Option<String>,
    },
}
