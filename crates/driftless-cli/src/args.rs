//! The arguments, as clap reads them. Their texts are the help and the manual pages.

mod conflict;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use driftless_control::api;

pub(crate) use self::conflict::{Conflict, Policy, Resolve};
use crate::when;

/// Keeps folders the same on your devices: peer to peer, no server, no account.
///
/// A device D is given by its name, ID or a unique beginning of its ID; a folder F by its ID, label or path.
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 69 no daemon runs for this home, 75 timed out.
#[derive(Debug, Parser)]
#[command(name = "driftless", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Directory that holds the key, configuration, database and control socket.
    #[arg(long, global = true, env = "DRIFTLESS_HOME", value_name = "DIR", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create this device's identity and configuration where absent, and print its ID.
    Init {
        /// What other devices call this one; the host's name by default.
        #[arg(long, value_name = "N")]
        name: Option<String>,
    },
    /// Print this device's ID, or how to tell another device of this one.
    Id {
        /// Print a link that another device can be given, with this one's name and addresses.
        #[arg(long)]
        link: bool,
        /// Draw that link as a QR code.
        #[arg(long, conflicts_with = "link")]
        qr: bool,
    },
    /// Sync in the foreground until interrupted.
    Daemon {
        /// Listen here instead of where the configuration says; may be repeated.
        #[arg(long, value_name = "IP:PORT")]
        listen: Vec<SocketAddr>,
        /// Neither look for devices on this network nor announce this one.
        #[arg(long)]
        no_discovery: bool,
        /// Read this computer's ID from here.
        #[arg(long, hide = true, env = "DRIFTLESS_MACHINE_ID_FILE", value_name = "FILE")]
        machine_id_file: Option<PathBuf>,
    },
    /// Trust another device: show a one-time code, or enter the one that it shows.
    Pair {
        /// The code that the other device shows.
        #[arg(value_name = "CODE", num_args = 0..)]
        code: Vec<String>,
        /// Where the other device is, when it is not found by itself.
        #[arg(long, value_name = "HOST:PORT", requires = "code")]
        address: Option<String>,
    },
    /// Say which devices may connect.
    #[command(subcommand)]
    Device(Device),
    /// Say which folders are synced, and with whom.
    #[command(subcommand)]
    Folder(Folder),
    /// Show what is going on.
    Status {
        /// Only this folder.
        #[arg(value_name = "F")]
        folder: Option<String>,
        /// Go on showing it until interrupted.
        #[arg(long, short)]
        follow: bool,
    },
    /// Wait until folders are the same here and on every connected device.
    Wait(Wait),
    /// See and settle files that were changed on several devices at once.
    #[command(subcommand)]
    Conflict(Conflict),
    /// Say what settles conflicts without asking, per folder and pattern.
    #[command(subcommand)]
    Policy(Policy),
    /// See and put back what sync or a resolution displaced.
    #[command(subcommand)]
    History(History),
    /// Undo everything that a device changed since a time: shows what that would do, and with --yes does it.
    ///
    /// What was overwritten or deleted comes back from this device's history, what the device made is deleted, and
    /// what others changed since stays. All of it is a change of this device that can be undone in turn.
    Undo(Undo),
    /// List what happened lately, newest first; what a device did to many files is one line.
    Activity {
        /// Only what happened in this folder.
        #[arg(value_name = "F")]
        folder: Option<String>,
        /// At most so many lines.
        #[arg(long, short, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        number: u32,
    },
    /// List what is being sent and received just now.
    Transfers {
        /// Only those of this folder.
        #[arg(value_name = "F")]
        folder: Option<String>,
    },
    /// Print what happens as JSON lines.
    Events {
        /// Only what happened after this event's cursor.
        #[arg(long, value_name = "CURSOR")]
        since: Option<String>,
        /// Go on with what is yet to happen.
        #[arg(long, short)]
        follow: bool,
    },
    /// Show this device's settings, or change one.
    Settings {
        #[command(subcommand)]
        change: Option<Settings>,
    },
    /// Check this installation and say how to mend what would stop it from syncing.
    Doctor,
    /// Print a shell's completion script.
    #[command(hide = true)]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page, or write all of them into a directory.
    #[command(hide = true)]
    Man {
        /// The directory, made if absent.
        #[arg(value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// List them.
    List,
    /// Let a device connect. Needs no daemon.
    Add {
        /// Its whole ID or its link, as `id` and `id --link` print them there.
        #[arg(value_name = "ID|LINK")]
        id: String,
        /// What to call it here.
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// Where to look for it; may be repeated.
        #[arg(long = "address", value_name = "HOST:PORT")]
        addresses: Vec<String>,
    },
    /// List devices that ask to be let in.
    Requests,
    /// Let a device in that asks for it.
    Accept {
        /// Its ID or a beginning of it; what it calls itself proves nothing.
        #[arg(value_name = "ID")]
        device: String,
    },
    /// Turn a device away that asks to be let in, for good.
    Decline {
        /// Its ID or a beginning of it.
        #[arg(value_name = "ID")]
        device: String,
    },
    /// Forget a device and end its connection. It is not heard again until it is added or paired.
    Remove {
        #[arg(value_name = "D")]
        device: String,
    },
    /// Call a device something else here.
    Rename {
        #[arg(value_name = "D")]
        device: String,
        #[arg(value_name = "N")]
        name: String,
    },
    /// Keep a device away until it is resumed.
    Pause {
        #[arg(value_name = "D")]
        device: String,
    },
    /// Let a paused device connect again.
    Resume {
        #[arg(value_name = "D")]
        device: String,
    },
    /// Make this device another one, with a new ID, and print it: on one of two computers that have the same.
    ///
    /// Files and folders stay. Other devices see a stranger, so pair with each again. What this device's indexes
    /// remember is put aside, so a file that differs elsewhere becomes a conflict. Needs no daemon.
    Rekey {
        /// Really do it.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Settings {
    /// Change one setting; it takes effect at once.
    Set {
        /// Which one.
        #[arg(value_name = "KEY")]
        key: Setting,
        /// `on` or `off`; a rate or size such as `5MiB`, or `none`; hours such as `08:00-18:00`, or `always`.
        #[arg(value_name = "VALUE")]
        value: String,
    },
}

/// A setting of this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setting {
    /// What other devices call this one.
    Name,
    /// Whether to look for devices on this network and announce this one.
    Discovery,
    /// Whether devices that know this one's link or ID may ask to be let in.
    Requests,
    /// The most that is sent in a second.
    SendLimit,
    /// The most that is received in a second.
    ReceiveLimit,
    /// When the limits hold.
    LimitHours,
    /// Whether replaced and deleted files are kept.
    History,
    /// For how many days they are kept.
    HistoryDays,
    /// Up to which total size they are kept in each folder.
    HistorySize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Folder {
    /// Sync a directory, made if absent, and print the folder's ID. Needs no daemon.
    Add(FolderAdd),
    /// Share a folder with more devices.
    Share {
        #[arg(value_name = "F")]
        folder: String,
        #[arg(value_name = "D", required = true)]
        devices: Vec<String>,
    },
    /// Share a folder with these devices no more.
    Unshare {
        #[arg(value_name = "F")]
        folder: String,
        #[arg(value_name = "D", required = true)]
        devices: Vec<String>,
    },
    /// List folders that other devices offer.
    Offers,
    /// Accept an offered folder.
    Accept {
        #[arg(value_name = "F")]
        folder: String,
        /// The directory for it, made if absent.
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Which way changes go.
        #[arg(long, value_name = "M", default_value = "send-receive")]
        mode: Mode,
    },
    /// Decline an offered folder.
    Decline {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// List them.
    List,
    /// Let a folder rest.
    Pause {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// Go on with a paused folder.
    Resume {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// Look for changes in a folder now.
    Rescan {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// Forget a folder and leave its files.
    Remove {
        #[arg(value_name = "F")]
        folder: String,
        /// Remove its history, too: the directory `.driftless` in it. Needs its conflicts to be settled.
        #[arg(long)]
        forget_history: bool,
    },
    /// Let a large change from elsewhere through that was held back.
    Confirm {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// Make this device's state of a send-only folder win everywhere.
    Override {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// List what was changed here in a receive-only folder.
    Changes {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// Undo what was changed here in a receive-only folder, or is corrupt; history keeps it.
    Revert {
        #[arg(value_name = "F")]
        folder: String,
        /// Only these paths; all by default.
        #[arg(value_name = "PATH")]
        paths: Vec<String>,
    },
    /// Take files that were found corrupt for what they should be, and pass them on.
    Keep {
        #[arg(value_name = "F")]
        folder: String,
        /// Only these paths; all by default.
        #[arg(value_name = "PATH")]
        paths: Vec<String>,
    },
    /// Read every file again and say which changed though nothing wrote to them.
    Scrub {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// List what a directory of a folder holds, and how each of it stands.
    Browse {
        #[arg(value_name = "F")]
        folder: String,
        /// The directory below the folder; the folder itself by default.
        #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
        path: String,
        /// Pass over so many entries.
        #[arg(long, value_name = "N", default_value_t = 0)]
        offset: u64,
        /// List at most so many entries, 1000 being the most.
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Say why a file is or is not here, and what to do about it.
    Explain {
        #[arg(value_name = "F")]
        folder: String,
        /// The path below the folder, or an absolute one.
        #[arg(value_name = "PATH")]
        path: String,
    },
    /// Change what a folder is called here, its direction, what it leaves out, or how long it keeps history.
    Set(FolderSet),
    /// Show what a folder leaves out; all of it is in `.driftlessignore`.
    Rules {
        #[arg(value_name = "F")]
        folder: String,
    },
    /// List the presets that --leave-out takes, with those suggested for a directory marked.
    Presets {
        #[arg(value_name = "PATH")]
        path: Option<PathBuf>,
    },
    /// Count what adding a directory would sync; changes nothing.
    Preview {
        /// The directory.
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// Leave out what this preset names; may be repeated.
        #[arg(long, value_name = "PRESET")]
        leave_out: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct FolderSet {
    #[arg(value_name = "F")]
    pub(crate) folder: String,
    /// What to call it here.
    #[arg(long, value_name = "L")]
    pub(crate) label: Option<String>,
    /// Which way changes go.
    #[arg(long, value_name = "M")]
    pub(crate) mode: Option<Mode>,
    /// Leave out what this preset names, too, on every device; may be repeated.
    #[arg(long, value_name = "PRESET")]
    pub(crate) leave_out: Vec<String>,
    /// Leave out what this preset names no more; may be repeated.
    #[arg(long, value_name = "PRESET")]
    pub(crate) take_in: Vec<String>,
    /// Whether replaced and deleted files are kept on this device, or as the general setting says.
    #[arg(long, value_name = "H")]
    pub(crate) history: Option<Kept>,
    /// For how many days they are kept.
    #[arg(long, value_name = "N")]
    pub(crate) history_days: Option<u32>,
    /// Up to which total size they are kept, such as `10GiB`, or `none`.
    #[arg(long, value_name = "SIZE")]
    pub(crate) history_size: Option<String>,
}

/// Whether a folder keeps what is displaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kept {
    /// It is kept.
    On,
    /// It goes soon.
    Off,
    /// As the general setting says.
    Inherit,
}

#[derive(Debug, Args)]
pub(crate) struct FolderAdd {
    /// The directory.
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// The folder's ID; the same on two devices that share it joins them without an offer.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// What to call it here; the directory's name by default.
    #[arg(long, value_name = "L")]
    pub(crate) label: Option<String>,
    /// Which way changes go.
    #[arg(long, value_name = "M", default_value = "send-receive")]
    pub(crate) mode: Mode,
    /// Share it with this device; may be repeated.
    #[arg(long, value_name = "D")]
    pub(crate) share: Vec<String>,
    /// Leave out what this preset names; may be repeated.
    #[arg(long, value_name = "PRESET")]
    pub(crate) leave_out: Vec<String>,
}

/// Which way a folder's changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Both ways.
    SendReceive,
    /// Changes made elsewhere are not taken over.
    SendOnly,
    /// Changes made here are not passed on.
    ReceiveOnly,
}

impl From<Mode> for api::FolderMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::SendReceive => Self::SendReceive,
            Mode::SendOnly => Self::SendOnly,
            Mode::ReceiveOnly => Self::ReceiveOnly,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Only these folders.
    #[arg(value_name = "F")]
    pub(crate) folders: Vec<String>,
    /// Give up after so many seconds.
    #[arg(long, value_name = "S")]
    pub(crate) timeout: Option<u64>,
    /// Wait until so many devices, this one counted, durably hold everything.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) copies: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// Whose changes.
    #[arg(value_name = "D")]
    pub(crate) device: String,
    /// Since when: `14:00`, `2h`, `30m` or `3d` ago, `2026-11-21`, an RFC 3339 time or milliseconds since 1970.
    #[arg(long, value_name = "WHEN", value_parser = when::parse)]
    pub(crate) since: u64,
    /// Only in this folder.
    #[arg(long, value_name = "F")]
    pub(crate) folder: Option<String>,
    /// Really do it.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum History {
    /// List what was displaced, newest first.
    List {
        #[arg(value_name = "F")]
        folder: String,
        /// Only this path below the folder, and what is in it.
        #[arg(value_name = "PATH")]
        path: Option<String>,
    },
    /// Find versions in all folders, newest first.
    ///
    /// A time is given as `14:00`, `2h`, `30m` or `3d` ago, `2026-11-21`, or an RFC 3339 time.
    Search {
        /// Only those with this in their path, in whatever case.
        #[arg(value_name = "TEXT")]
        text: Option<String>,
        /// Only in this folder.
        #[arg(long, value_name = "F")]
        folder: Option<String>,
        /// Only what this device displaced.
        #[arg(long, value_name = "D")]
        device: Option<String>,
        /// Only this path below a folder, and what was in it.
        #[arg(long, value_name = "PATH")]
        path: Option<String>,
        /// Only what was displaced at this time or after it.
        #[arg(long, value_name = "WHEN", value_parser = when::parse)]
        since: Option<u64>,
        /// Only what was displaced before this time.
        #[arg(long, value_name = "WHEN", value_parser = when::parse)]
        until: Option<u64>,
        /// At most so many.
        #[arg(long, short, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        number: u32,
    },
    /// Show where the space goes: files, history and what else is kept beside them.
    Space {
        /// Only this folder.
        #[arg(value_name = "F")]
        folder: Option<String>,
    },
    /// Show what a version holds, or copy it out.
    Show {
        #[arg(value_name = "F")]
        folder: String,
        /// The path below the folder that it had.
        #[arg(value_name = "PATH")]
        path: String,
        /// Which version, as `history list` names it.
        #[arg(long, value_name = "V")]
        version: String,
        /// Write all of it to this file, which must not exist, instead.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Put a version back; what it replaces goes to history in turn.
    Restore {
        #[arg(value_name = "F")]
        folder: String,
        /// The path below the folder that it had.
        #[arg(value_name = "PATH")]
        path: String,
        /// Which version, as `history list` names it.
        #[arg(long, value_name = "V")]
        version: String,
        /// Put it at this path below the folder instead.
        #[arg(long, value_name = "PATH")]
        to: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;
    use crate::failure::{Exit, Failure};

    #[test]
    fn the_argument_table_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        for line in [
            "init",
            "init --name N",
            "id",
            "id --link",
            "id --qr",
            "daemon",
            "daemon --listen 127.0.0.1:1 --listen [::1]:2 --no-discovery",
            "pair",
            "pair 123456",
            "pair 123 456",
            "pair 123456 --address host:1",
            "device list",
            "device add ID --name N --address a:1 --address b:2",
            "device add driftless://device/ID",
            "device requests",
            "device accept D",
            "device decline D",
            "device remove D",
            "device rename D N",
            "device pause D",
            "device resume D",
            "device rekey",
            "device rekey --yes",
            "folder add p",
            "folder add p --id I --label L --mode receive-only --share A --share B",
            "folder share F D E",
            "folder unshare F D",
            "folder offers",
            "folder accept F p",
            "folder decline F",
            "folder list",
            "folder pause F",
            "folder resume F",
            "folder rescan F",
            "folder remove F",
            "folder remove F --forget-history",
            "folder confirm F",
            "folder override F",
            "folder changes F",
            "folder revert F",
            "folder revert F p q",
            "folder keep F",
            "folder keep F p q",
            "folder scrub F",
            "folder add p --leave-out caches --leave-out build-outputs",
            "folder browse F",
            "folder browse F p --offset 5 --limit 2",
            "folder explain F p",
            "folder set F --label L --mode send-only --leave-out caches --take-in build-outputs",
            "folder set F --history on --history-days 7 --history-size 5GiB",
            "folder set F --history inherit",
            "folder rules F",
            "folder presets",
            "folder presets p",
            "folder preview p --leave-out caches",
            "status",
            "status F",
            "status --follow",
            "wait",
            "wait F G --timeout 5 --copies 2",
            "conflict list",
            "conflict show 1",
            "conflict resolve 1 --keep both",
            "conflict resolve 1 --with f",
            "conflict resolve 1 --with - --dry-run",
            "conflict resolve 1 --history V",
            "conflict resolve 1 2 --keep D --dry-run",
            "conflict resolve --all --keep both",
            "conflict resolve --all --folder F --keep D",
            "conflict diff 1",
            "conflict diff 1 --versions a b",
            "conflict undo 1",
            "conflict undo 1 2",
            "policy list",
            "policy list F",
            "policy set F newest",
            "policy set F device:D --for *.md",
            "policy remove F *.md",
            "policy simulate",
            "policy simulate F merge --for *.md",
            "history list F",
            "history list F p",
            "history restore F p --version V --to q",
            "history show F p --version V",
            "history show F p --version V --output f",
            "history search text",
            "history search text --folder F --device D --number 5",
            "history search --path p --since 2h --until 14:00",
            "history space",
            "history space F",
            "undo D --since 14:00",
            "undo D --since 2h --folder F --yes",
            "activity",
            "activity F --number 5",
            "transfers",
            "transfers F",
            "events",
            "events --since 1-2 --follow",
            "settings",
            "settings set send-limit 5MiB",
            "doctor",
            "completions bash",
            "man",
            "man dir",
        ] {
            for options in [["--home h --json", ""], ["", "--home h --json"]] {
                let line = format!("driftless {} {line} {}", options[0], options[1]);
                let cli = Cli::try_parse_from(line.split_whitespace())
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
                assert!(cli.json && cli.home.is_some(), "{line}");
            }
        }
    }

    #[test]
    fn wrong_arguments_are_one_line_that_names_the_help() {
        for (line, expected) in [
            (
                "folder add",
                "the following required arguments were not provided: <PATH>; see `driftless folder add --help`",
            ),
            ("folder eat", "unrecognized subcommand 'eat'; see `driftless folder --help`"),
            (
                "conflict resolve 1",
                "the following required arguments were not provided: <--keep <D|VERSION|both>|--with <FILE>|--history <V>>; see `driftless conflict resolve --help`",
            ),
            (
                "conflict resolve 1 --folder F --keep D",
                "the argument '[ID]...' cannot be used with '--folder <F>'; see `driftless conflict resolve --help`",
            ),
            (
                "wait --copies 0",
                "invalid value '0' for '--copies <N>': 0 is not in 1..=4294967295; see `driftless --help`",
            ),
            (
                "folder add p --mode sideways",
                "invalid value 'sideways' for '--mode <M>' [possible values: send-receive, send-only, receive-only]; see `driftless --help`",
            ),
            (
                "pair --address a:1",
                "the following required arguments were not provided: [CODE]...; see `driftless pair --help`",
            ),
        ] {
            let error =
                Cli::try_parse_from(format!("driftless {line}").split_whitespace()).unwrap_err();
            let failure = Failure::arguments(&error);
            assert_eq!((failure.exit, failure.to_string().as_str()), (Exit::Usage, expected));
        }
    }
}
