//! What went wrong with a request, in a form that people read and programs match.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Why a request failed. Programs match this and never the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request itself makes no sense: unknown method, wrong parameters.
    Usage,
    /// What it names does not exist.
    NotFound,
    /// What it names could be several things.
    Ambiguous,
    /// What it would make is there already.
    AlreadyExists,
    /// It is understood and will not be done.
    Refused,
    /// It was not done within its time.
    TimedOut,
    /// A bound on connections or requests is reached; asking again later may work.
    Busy,
    /// The daemon is ending.
    Stopping,
    /// It was tried and did not work. Codes of a newer daemon are read as this one.
    #[serde(other)]
    Failed,
}

/// A failure as it crosses the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of failure it is.
    pub code: ErrorCode,
    /// What failed and on what, as one sentence without a period.
    pub message: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
}

impl ApiError {
    /// Makes an error without a hint.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
