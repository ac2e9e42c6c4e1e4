//! The closed list of what can be asked.
//!
//! One table yields the [`Request`] enum that the daemon matches on, the reply type of every method, the list of
//! names and the TypeScript interface, so that none of them can disagree.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ts_rs::TS;

use crate::api;
use crate::api::{ApiError, ErrorCode};

/// Parameters that belong to a method, which fixes the type of its reply.
pub trait Method: Serialize + DeserializeOwned + TS + Send + Sync + 'static {
    /// The method's name on the wire.
    const NAME: &'static str;
    /// What a successful call yields.
    type Reply: Serialize + DeserializeOwned + TS + Send + 'static;
}

macro_rules! methods {
    ($($name:literal: $params:ident => $reply:ty,)*) => {
        /// A request that was understood: one variant for each method.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request {
            $(#[doc = concat!("`", $name, "`")] $params(api::$params),)*
        }

        /// The names of all methods.
        pub const METHODS: &[&str] = &[$($name),*];

        impl Request {
            /// Reads a request from its name and parameters; absent parameters are an empty object.
            ///
            /// # Errors
            /// `usage` when the method is unknown or the parameters do not fit it.
            pub fn parse(method: &str, params: Value) -> Result<Self, ApiError> {
                match method {
                    $($name => read(method, params).map(Self::$params),)*
                    _ => Err(ApiError::new(ErrorCode::Usage, format!("there is no method {method:?}"))
                        .with_hint("use the same version of driftless for the daemon and its clients")),
                }
            }

            /// The method's name on the wire.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$params(_) => $name,)*
                }
            }

            /// The parameters on the wire.
            pub(crate) fn params(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$params(params) => serde_json::to_value(params),)*
                }
            }
        }

        $(impl Method for api::$params {
            const NAME: &'static str = $name;
            type Reply = $reply;
        })*

        /// Shows every method's name, parameter type and reply type to a visitor.
        pub(crate) fn visit_methods(visitor: &mut impl MethodVisitor) {
            $(visitor.visit::<api::$params>();)*
        }
    };
}

/// Something that wants to see the type of every method.
pub(crate) trait MethodVisitor {
    fn visit<M: Method>(&mut self);
}

fn read<P: DeserializeOwned>(method: &str, params: Value) -> Result<P, ApiError> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    serde_json::from_value(params).map_err(|error| {
        ApiError::new(ErrorCode::Usage, format!("{method}: wrong parameters: {error}"))
    })
}

methods! {
    "status": StatusQuery => api::Status,
    "wait": Wait => api::WaitResult,
    "doctor": Doctor => api::DoctorReport,
    "shutdown": Shutdown => api::Done,
    "subscribe": Subscribe => api::Done,
    "device.list": DeviceList => Vec<api::DeviceView>,
    "device.add": DeviceAdd => api::DeviceView,
    "device.remove": DeviceRemove => api::Done,
    "device.rename": DeviceRename => api::DeviceView,
    "device.pause": DevicePause => api::DeviceView,
    "device.resume": DeviceResume => api::DeviceView,
    "device.rekey": DeviceRekey => api::Rekeyed,
    "pair.open": PairOpen => api::PairCode,
    "pair.wait": PairWait => api::Paired,
    "pair.close": PairClose => api::Done,
    "pair.enter": PairEnter => api::Paired,
    "pair.nearby": PairNearby => Vec<api::Nearby>,
    "pair.link": PairLink => api::OwnLink,
    "pair.requests": PairRequests => Vec<api::PairRequest>,
    "pair.answer": PairAnswer => api::Done,
    "folder.add": FolderAdd => api::FolderView,
    "folder.share": FolderShare => api::FolderView,
    "folder.unshare": FolderUnshare => api::FolderView,
    "folder.offers": FolderOffers => Vec<api::OfferView>,
    "folder.accept": FolderAccept => api::FolderView,
    "folder.decline": FolderDecline => api::Done,
    "folder.list": FolderList => Vec<api::FolderView>,
    "folder.pause": FolderPause => api::FolderView,
    "folder.resume": FolderResume => api::FolderView,
    "folder.rescan": FolderRescan => api::Done,
    "folder.remove": FolderRemove => api::Done,
    "folder.confirm": FolderConfirm => api::Confirmed,
    "folder.override": FolderOverride => api::Done,
    "folder.changes": FolderChanges => Vec<api::LocalChange>,
    "folder.revert": FolderRevert => api::Reverted,
    "folder.keep": FolderKeep => api::Done,
    "folder.scrub": FolderScrub => api::Scrubbed,
    "folder.browse": FolderBrowse => api::BrowsePage,
    "folder.explain": FolderExplain => api::Explanation,
    "folder.presets": FolderPresets => Vec<api::IgnorePreset>,
    "folder.preview": FolderPreview => api::PreviewResult,
    "folder.rules": FolderRules => api::RulesView,
    "folder.set": FolderSet => api::FolderView,
    "conflict.list": ConflictList => api::ConflictPage,
    "conflict.show": ConflictShow => api::Conflict,
    "conflict.resolve": ConflictResolve => api::Resolved,
    "conflict.undo": ConflictUndo => api::Undone,
    "conflict.texts": ConflictTexts => api::ConflictTextsReply,
    "conflict.foresee": ConflictForesee => Vec<api::Foreseen>,
    "policy.list": PolicyList => Vec<api::FolderPolicies>,
    "policy.set": PolicySet => api::FolderPolicies,
    "policy.simulate": PolicySimulate => Vec<api::PolicyOutcome>,
    "history.list": HistoryList => api::HistoryPage,
    "history.search": HistorySearch => api::HistoryFound,
    "history.restore": HistoryRestore => api::Restored,
    "history.space": HistorySpace => Vec<api::FolderSpace>,
    "content.preview": ContentPreview => api::PreviewView,
    "undo.preview": UndoPreview => api::UndoPlan,
    "undo.apply": UndoApply => api::UndoResult,
    "settings.get": SettingsGet => api::Settings,
    "settings.set": SettingsSet => api::Settings,
    "transfer.list": TransferList => Vec<api::Transfer>,
    "activity.list": ActivityList => api::ActivityPage,
}
