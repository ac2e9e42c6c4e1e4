//! How a command fails: one line on standard error and an exit code that scripts match.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

use driftless_control::{ApiError, CallError, ErrorCode};

use crate::format;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Whoever read the output stopped reading; nothing is said.
    Unread = 0,
    /// It did not work.
    Failed = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// No daemon runs for this home.
    NoDaemon = 69,
    /// It was not done in time.
    TimedOut = 75,
}

/// Why a command failed: what, on what, and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// A failure with all its causes, outermost first.
    pub(crate) fn because(error: &(dyn Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            // Writing to a string cannot fail.
            let _ = write!(message, ": {cause}");
            source = cause.source();
        }
        Self::new(Exit::Failed, message)
    }

    /// What clap says over several lines, on one.
    pub(crate) fn arguments(error: &clap::Error) -> Self {
        let text = error.to_string();
        let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
        let said: Vec<_> = said
            .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
            .collect();
        let said = said.join(" ");
        let said = said.strip_prefix("error: ").unwrap_or(&said);
        let usage = text.lines().find_map(|line| line.trim().strip_prefix("Usage: "));
        let command: Vec<_> = usage
            .unwrap_or("driftless")
            .split_whitespace()
            .take_while(|word| !word.starts_with(['-', '<', '[']))
            .collect();
        Self::new(Exit::Usage, format!("{said}; see `{} --help`", command.join(" ")))
    }

    /// Says it and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if self.exit != Exit::Unread {
            // With standard error closed there is no place left to say it.
            drop(writeln!(io::stderr(), "driftless: {self}"));
        }
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format::safe(&self.message))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let exit = match error.code {
            ErrorCode::Usage => Exit::Usage,
            ErrorCode::TimedOut => Exit::TimedOut,
            _ => Exit::Failed,
        };
        match error.hint {
            Some(hint) => Self::new(exit, format!("{}; {hint}", error.message)),
            None => Self::new(exit, error.message),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let hint = match error {
            CallError::Api(error) => return error.into(),
            CallError::Disconnected => {
                "it may have been stopped; look at its log and start it again"
            }
            CallError::TooLarge(_) => "ask for less at once",
            CallError::Malformed(_) => {
                "restart the daemon, so that it has the version of this command"
            }
            CallError::Lagged => "go on with --since and the last cursor seen",
        };
        Self::new(Exit::Failed, format!("{error}; {hint}"))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Unread, ""),
            _ => Self::new(
                Exit::Failed,
                format!("cannot write the output: {error}; check where it goes to"),
            ),
        }
    }
}
