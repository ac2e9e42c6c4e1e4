//! The shapes that cross the control socket: parameters, replies and events.
//!
//! Every type is plain: JSON in one direction, TypeScript in the other. Times are milliseconds since the Unix
//! epoch (`_ms`), sizes are bytes, durations are whole seconds (`_s`). `device` parameters take a name, an ID or
//! a unique ID prefix; `folder` parameters take an ID, a label or a path. Parameters refuse unknown fields, so
//! that a misspelt option is an error and not a silent default; replies may gain fields at any time.

mod activity;
mod conflict;
mod device;
mod error;
mod event;
mod files;
mod folder;
mod history;
mod policy;
mod rules;
mod settings;
mod status;

pub use activity::{Activity, ActivityList, ActivityPage, Direction, Transfer, TransferList};
pub use conflict::{
    Conflict, ConflictBase, ConflictForesee, ConflictHead, ConflictList, ConflictPage,
    ConflictResolve, ConflictShow, ConflictTexts, ConflictTextsReply, ConflictUndo, EntryKind,
    Foreseen, ForeseenFile, RegionKind, Resolution, Resolved, TextRegion, Undone,
};
pub use device::{
    DeviceAdd, DeviceList, DevicePause, DeviceRekey, DeviceRemove, DeviceRename, DeviceResume,
    DeviceView, Nearby, OwnLink, PairAnswer, PairClose, PairCode, PairEnter, PairLink, PairNearby,
    PairOpen, PairRequest, PairRequests, PairWait, Paired, Rekeyed,
};
pub use error::{ApiError, ErrorCode};
pub use event::{
    Cursor, CursorError, Event, EventBody, ItemAction, Snapshot, Subscribe, SubscriptionFrame,
};
pub use files::{BrowseEntry, BrowsePage, Explanation, FileState, FolderBrowse, FolderExplain};
pub use folder::{
    ChangeAction, Confirmed, FolderAccept, FolderAdd, FolderChanges, FolderConfirm, FolderDecline,
    FolderKeep, FolderList, FolderMember, FolderMode, FolderOffers, FolderOverride, FolderPause,
    FolderRemove, FolderRescan, FolderResume, FolderRevert, FolderScrub, FolderShare,
    FolderUnshare, FolderView, LocalChange, OfferView, Reverted, Scrubbed,
};
pub use history::{
    ContentPreview, FolderSpace, FoundVersion, HistoryEntry, HistoryFound, HistoryList,
    HistoryPage, HistoryReason, HistoryRestore, HistorySearch, HistorySpace, PreviewView, Restored,
    SpacePart, UndoAction, UndoApply, UndoPlan, UndoPreview, UndoResult, UndoStep,
};
pub use policy::{
    FolderPolicies, PolicyList, PolicyOutcome, PolicyRule, PolicySet, PolicySimulate, PolicyVerdict,
};
pub use rules::{
    FolderPresets, FolderPreview, FolderRules, FolderSet, IgnorePreset, PreviewResult,
    PreviewWarning, Rules, RulesView,
};
pub use settings::{HistorySettings, LimitHours, Settings, SettingsGet, SettingsSet};
pub use status::{
    Check, CheckState, DeviceFolder, DeviceStatus, Doctor, DoctorReport, FolderState, FolderStatus,
    HeldBack, OwnDevice, Problem, Shutdown, Status, StatusQuery, Wait, WaitResult,
};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The reply of a method that has nothing to tell but that it was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Done {}
