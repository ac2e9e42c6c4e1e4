//! Deliberate bugs, by which the simulator proves that it would find real ones.
//!
//! Each is a mistake that a sync program could make, and mostly one that some
//! did. The code that could make it asks [`is`] in one line. Without the
//! feature `sabotage` the answer is a constant, so that nothing of this is in
//! what is shipped, and a release build with the feature does not compile.
//! With it, tests switch one bug on at a time, on their thread only.

#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!("the feature `sabotage` is for tests; leave it out of release builds");

macro_rules! bugs {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// A deliberate bug.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Sabotage {
            $($(#[$doc])+ $name,)+
        }

        #[cfg(feature = "sabotage")]
        impl Sabotage {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

bugs! {
    // What is known of a path.
    /// Of two concurrent versions, the one that was heard last is kept.
    LastHeardWins,
    /// Of two concurrent versions, the one with the later wall time is kept.
    WallTimeDecides,
    /// Wall time says which of concurrent versions is shown.
    WallTimeShows,
    /// Of concurrent versions, the one that was heard first is shown.
    FirstHeardShows,
    /// A version that knows nothing of an author counts as having seen its edits.
    IgnoreMissingAuthors,
    /// A deletion does not supersede the version that was deleted.
    ResurrectDeleted,
    /// A deletion hides a concurrent edit.
    DeletionBeatsEdit,
    /// A file hides a concurrent directory.
    FileBeatsDirectory,
    /// Equal contents under two versions are a conflict.
    EqualContentsConflict,
    /// A device says that it holds what it is yet to put into its tree.
    ClaimUninstalled,
    /// A device says that it holds the other side of a conflict, and does not.
    ClaimUnkept,
    /// A device says that a path is gone while it is putting an older version there.
    ClaimDeletionEarly,

    // What an edit means.
    /// A counter of a forgotten path is counted up to once more.
    ReuseCounter,
    /// An edit does not count up.
    KeepVersion,
    /// An edit of one's own supersedes another side that is also one's own.
    CountInOneBranch,
    /// A policy acts on what policies have had their say about.
    PoliciesNeverTire,
    /// An edit of the shown version decides the conflict.
    EditDecidesConflict,
    /// A file of known size and modification time is not read again.
    TrustSizeAndTime,
    /// A change of mode is combined with an edit of another content.
    CombineUnrelated,
    /// Mass deletions are carried out unasked.
    ReleaseBrake,

    // What was seen on the disk.
    /// What a scan missed counts as deleted without a second look.
    TrustFirstLook,
    /// An error at the second look at what seems gone counts as its absence.
    ErrorIsAbsence,
    /// What a directory that cannot be listed holds counts as absent, at once.
    UnlistedIsAbsent,
    /// What an ignore rule has come to cover counts as deleted.
    IgnoredIsDeleted,
    /// A root that is not there counts as an empty one.
    MissingRootIsEmpty,
    /// What looks like a renamed file is not read.
    RenameUnread,
    /// A file that changes while it is read is taken for what was read.
    HashWhileChanging,

    // What devices tell each other.
    /// A deletion is forgotten before everybody has heard of it.
    ForgetDeletionEarly,
    /// A deletion is acknowledged while an older version is put in its place.
    AcknowledgeWhileLanding,
    /// What was sent counts as received.
    SentIsReceived,
    /// What was sent once is not sent again, even if it was lost with the connection.
    NeverSendTwice,
    /// What changed is announced only where it is an edit of one's own.
    ForgetToAnnounce,
    /// Of a conflict, only the shown side is announced.
    AnnounceOnlyShown,
    /// The half of an update that is behind its first path is passed over.
    DropTailOfUpdate,
    /// Where a version came from is lost on the wire.
    DropOriginOnWire,
    /// What a device no longer holds, it is still believed to hold.
    KeepStaleHolders,
    /// The index of a device that lost its own is taken for a continuation.
    OverlookNewEpoch,
    /// A rolled back index goes on as if nothing was.
    OverlookRollback,
    /// A rolled back index keeps the names of what it may have said differently.
    KeepDoubtfulNames,

    // What is done about it.
    /// What a fetch could not get is not asked for again.
    GiveUpFetching,
    /// A retry that is due in the future of a clock that jumped back waits for that.
    TrustClockForRetries,
    /// What one path keeps of a conflict is let go of when another is settled.
    ReleaseSharedContent,
    /// A deleted directory that something was made in stays deleted.
    ReviveNothing,
    /// A person may choose a version that has not arrived.
    ChooseUnheld,
    /// Effects are carried out of a transaction that failed.
    ActDespiteFailure,
    /// Effects are carried out before the transaction that they follow from is durable.
    ActBeforeCommit,

    // What a disk adapter could do.
    /// A file is put into the tree before its bytes are synced.
    SkipSyncOfStaged,
    /// A file is announced before its name in the tree is synced.
    SkipSyncOfInstalled,
    /// A person's save is announced without a sync.
    SkipSyncOfSaved,
    /// The other side of a conflict is kept without a sync.
    SkipSyncOfKept,
    /// A path is changed without looking at what is there.
    DropPrecondition,
    /// A file is renamed to a path without looking whether something is there.
    MoveOverwrites,
    /// A directory is deleted with all that it holds.
    RemoveRecursively,
    /// What a step displaces is thrown away.
    DiscardDisplaced,
    /// What was kept of a conflict is thrown away once that is settled.
    DiscardReleased,
    /// What a crash left in the staging area is thrown away unlooked at.
    ClearStaging,
    /// A file is written in place.
    InstallInPlace,
    /// What a device sends is not what was asked for, and nobody checks.
    ServeUnverified,
}

/// Whether `bug` is to be made now: never, without the feature `sabotage`.
#[cfg(not(feature = "sabotage"))]
pub const fn is(_bug: Sabotage) -> bool {
    false
}

#[cfg(feature = "sabotage")]
pub use switch::{is, with};

#[cfg(feature = "sabotage")]
mod switch {
    use std::cell::Cell;

    use super::Sabotage;

    thread_local! {
        static ON: Cell<Option<Sabotage>> = const { Cell::new(None) };
    }

    /// Whether `bug` is to be made now, on this thread.
    pub fn is(bug: Sabotage) -> bool {
        ON.get() == Some(bug)
    }

    /// Runs `work` with this one bug, or with none, on this thread.
    pub fn with<T>(bug: Option<Sabotage>, work: impl FnOnce() -> T) -> T {
        /// Switches back, also when `work` panics.
        struct Before(Option<Sabotage>);

        impl Drop for Before {
            fn drop(&mut self) {
                ON.set(self.0);
            }
        }

        let _before = Before(ON.replace(bug));
        work()
    }
}
