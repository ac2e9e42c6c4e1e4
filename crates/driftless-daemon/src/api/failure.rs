//! From the daemon's errors to those of the control API.

use driftless_control::{ApiError, ErrorCode};
use driftless_net::PairError;

use crate::config::provision::{ProvisionError, RulesError};
use crate::config::{ConfigError, EditError, LookupError};
use crate::trouble::with_causes;

/// It was tried and did not work.
pub(super) fn failed(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Failed, message)
}

/// It did not work, with all causes.
pub(super) fn because(what: &str, error: &dyn std::error::Error) -> ApiError {
    failed(format!("{what}: {}", with_causes(error)))
}

/// It is understood and will not be done.
pub(super) fn refused(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Refused, message)
}

/// The request makes no sense.
pub(super) fn usage(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::Usage, message)
}

/// What it names does not exist.
pub(super) fn not_found(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::NotFound, message)
}

impl From<LookupError> for ApiError {
    fn from(error: LookupError) -> Self {
        let code = match error {
            LookupError::NotFound { .. } => ErrorCode::NotFound,
            LookupError::Ambiguous { .. } => ErrorCode::Ambiguous,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        let code = match error {
            ConfigError::Name { .. } => ErrorCode::Usage,
            _ => ErrorCode::Failed,
        };
        Self::new(code, with_causes(&error))
    }
}

impl From<EditError> for ApiError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Refused(reason) => refused(reason),
            EditError::Lookup(error) => error.into(),
            EditError::Config(error) => error.into(),
        }
    }
}

impl From<RulesError> for ApiError {
    fn from(error: RulesError) -> Self {
        let code = if error.is_usage() { ErrorCode::Usage } else { ErrorCode::Failed };
        Self { code, message: with_causes(&error), hint: error.hint() }
    }
}

impl From<ProvisionError> for ApiError {
    fn from(error: ProvisionError) -> Self {
        let hint = error.hint();
        let code = match error {
            ProvisionError::Edit(error) => return error.into(),
            ProvisionError::Known(_) => ErrorCode::AlreadyExists,
            ProvisionError::OwnDevice(_) | ProvisionError::Claimed { .. } => ErrorCode::Refused,
            _ if error.is_usage() => ErrorCode::Usage,
            _ => ErrorCode::Failed,
        };
        Self { code, message: with_causes(&error), hint }
    }
}

/// Why entering a code came to nothing.
pub(super) fn unpaired(error: &PairError) -> ApiError {
    let (code, hint) = match error {
        PairError::Malformed | PairError::Own => (ErrorCode::Usage, None),
        PairError::NoneNearby => (
            ErrorCode::NotFound,
            Some("run `driftless pair` on the other device, or give its --address"),
        ),
        PairError::SeveralNearby { .. } => {
            (ErrorCode::Ambiguous, Some("say which one with --address"))
        }
        PairError::NotOpen => {
            (ErrorCode::Refused, Some("run `driftless pair` there for a new code"))
        }
        PairError::WrongCode => (ErrorCode::Refused, None),
        PairError::TimedOut => {
            (ErrorCode::TimedOut, Some("run `driftless pair` there for a new code"))
        }
        PairError::Unreachable => {
            (ErrorCode::Failed, Some("check that both are on the same network"))
        }
        PairError::Lost => (ErrorCode::Failed, Some("run `driftless pair` there for a new code")),
        PairError::Randomness => (ErrorCode::Failed, None),
    };
    ApiError { code, message: format!("cannot pair: {error}"), hint: hint.map(str::to_owned) }
}
