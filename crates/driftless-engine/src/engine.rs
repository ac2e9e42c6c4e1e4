//! The engine's state, dispatch, and the one way to change an entry.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::brake::{Brake, HeldBack};
use driftless_core::diff::Writer;
use driftless_core::plan::Reason;
use driftless_core::policy::{self, Clocks, Policy, Verdict};
use driftless_core::resolve::combine;
use driftless_core::sabotage::{Sabotage, is};
use driftless_core::{
    Content, ContentId, DeviceId, Entry, FileRecord, FolderId, Index, Problem, ProblemCode,
    RelPath, Sequence, Totals, VersionVector,
};

use crate::io::{Action, Effect, Event, Input, LocalSource, Settled, StopReason};
use crate::local::Local;
use crate::remote::{Link, MAX_FOLDER_HEADS};
use crate::work::Work;

/// The most problems that are remembered, so that a broken disk cannot fill memory.
const MAX_PROBLEMS: usize = 1000;

/// Which way changes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Both ways.
    SendReceive,
    /// Others' changes are shown, not applied.
    SendOnly,
    /// Own changes are listed, not sent.
    ReceiveOnly,
}

/// What an engine is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder.
    pub folder: FolderId,
    /// This device.
    pub device: DeviceId,
    /// Which way changes go.
    pub mode: Mode,
    /// When a mass change waits for a yes; `None` never.
    pub brake: Option<Brake>,
}

/// The state machine of one folder on one device.
#[derive(Debug)]
pub struct Engine<I: Index> {
    pub(crate) index: I,
    pub(crate) config: Config,
    pub(crate) now_ms: u64,
    pub(crate) members: BTreeSet<DeviceId>,
    pub(crate) links: BTreeMap<DeviceId, Link>,
    clocks: Clocks,
    /// How often devices have made this one begin a new epoch.
    pub(crate) restarts: BTreeMap<DeviceId, u32>,
    pub(crate) local: Local,
    pub(crate) work: Work,
    /// The most heads that devices may fill the folder up to.
    pub(crate) most_heads: u64,
    problems: BTreeMap<String, Problem>,
    stopped: Option<StopReason>,
    effects: Vec<Effect>,
}

/// What an engine is doing, for people and for `wait`.
#[derive(Clone, Debug)]
pub struct Status {
    /// The sums over all entries.
    pub totals: Totals,
    /// A scan runs, or what it found is still being read.
    pub scanning: bool,
    /// Content is on its way, or steps are being carried out.
    pub working: bool,
    /// A mass change waits for a yes.
    pub held_back: Option<HeldBack>,
    /// The folder stopped itself.
    pub stopped: Option<StopReason>,
    /// Trouble with single paths, by path.
    pub problems: Vec<Problem>,
    /// How many heads and bytes each member lacks.
    pub lacking: Vec<(DeviceId, u64, u64)>,
    /// The last scan left paths that it could not look at.
    pub scan_incomplete: bool,
}

impl<I: Index> Engine<I> {
    /// An engine over `index`.
    pub fn new(index: I, config: Config) -> Self {
        Self {
            index,
            config,
            now_ms: 0,
            members: BTreeSet::new(),
            links: BTreeMap::new(),
            clocks: Clocks::default(),
            restarts: BTreeMap::new(),
            local: Local::default(),
            work: Work::default(),
            most_heads: MAX_FOLDER_HEADS,
            problems: BTreeMap::new(),
            stopped: None,
            effects: Vec::new(),
        }
    }

    /// The index.
    pub fn index(&self) -> &I {
        &self.index
    }

    /// The index, for what the caller keeps in it of its own. Entries are the engine's.
    pub fn index_mut(&mut self) -> &mut I {
        &mut self.index
    }

    /// Lets devices fill the folder up to `heads` instead of [`MAX_FOLDER_HEADS`].
    pub fn limit_heads(&mut self, heads: u64) {
        self.most_heads = heads;
    }

    /// The index, for closing it.
    pub fn into_index(self) -> I {
        self.index
    }

    /// Handles `inputs` in one transaction and returns what is to be done once
    /// it is durable, which it is on return. `now_ms` is shown to people and
    /// paces retries; it orders nothing.
    ///
    /// # Errors
    ///
    /// The index failed: nothing of `inputs` has happened, and the engine is to
    /// be made anew over a newly opened index.
    pub fn handle(&mut self, inputs: Vec<Input>, now_ms: u64) -> Result<Vec<Effect>, I::Error> {
        self.now_ms = now_ms;
        self.index.begin()?;
        let result = inputs
            .into_iter()
            .try_for_each(|input| self.dispatch(input))
            .and_then(|()| self.pump())
            .and_then(|()| self.acknowledge());
        match result.and_then(|()| self.feed_links()) {
            Ok(()) => {
                self.index.commit()?;
                Ok(std::mem::take(&mut self.effects))
            }
            Err(_) if is(Sabotage::ActDespiteFailure) => {
                self.index.rollback()?;
                Ok(std::mem::take(&mut self.effects))
            }
            Err(error) => {
                self.effects.clear();
                self.index.rollback()?;
                Err(error)
            }
        }
    }

    /// What the engine is doing.
    pub fn status(&self) -> Status {
        let totals = *self.index.totals();
        let slots: BTreeMap<DeviceId, _> =
            self.index.devices().into_iter().map(|(slot, device)| (device, slot)).collect();
        let lacking = |device: &DeviceId| {
            let (heads, bytes) = slots
                .get(device)
                .map_or((totals.heads, totals.head_bytes), |&slot| totals.lacking(slot));
            (*device, heads, bytes)
        };
        Status {
            scanning: self.local.is_busy(),
            working: self.work.is_busy(),
            held_back: self.held_back(),
            stopped: self.stopped,
            problems: self.problems.values().cloned().collect(),
            lacking: self.members.iter().map(lacking).collect(),
            scan_incomplete: self.local.is_incomplete(),
            totals,
        }
    }

    /// Whether so much waits to be read that a scan should pause.
    pub fn is_saturated(&self) -> bool {
        self.local.is_saturated()
    }

    /// Whether something waits for [`Input::Tick`].
    pub fn wants_tick(&self) -> bool {
        self.local.wants_tick() || self.work.wants_tick()
    }

    /// Where `path` has `content` on this device: in the tree, as it was
    /// observed, or in the store of heads. `None` if it is not there.
    pub fn locate(
        &self,
        path: &RelPath,
        content: ContentId,
    ) -> Result<Option<LocalSource>, I::Error> {
        let entry = self.entry(path)?;
        let in_tree = entry
            .present()
            .filter(|disk| disk.record.content.file().is_some_and(|(held, _)| held == content));
        if let Some(disk) = in_tree.filter(|_| !entry.ignored) {
            return Ok(Some(LocalSource::Path { path: path.clone(), stat: disk.stat, content }));
        }
        let is_head = entry
            .heads
            .iter()
            .any(|head| head.record.content.file().is_some_and(|(held, _)| held == content));
        Ok((is_head && self.work.stored.contains_key(&content))
            .then_some(LocalSource::Stored(content)))
    }

    fn dispatch(&mut self, input: Input) -> Result<(), I::Error> {
        match input {
            Input::Started { stored } => self.started(stored),
            Input::Members(devices) => self.members_are(devices.into_iter().collect()),
            Input::Connected { device, state, spare } => self.connected(device, &state, spare),
            Input::Clock { device, ahead_ms } => {
                self.clocks.note(device, ahead_ms);
                Ok(())
            }
            Input::Disconnected(device) => {
                self.links.remove(&device);
                Ok(())
            }
            Input::IndexUpdate(device, update) => self.index_update(device, update),
            Input::Received { device, epoch, sequence } => self.received(device, epoch, sequence),
            Input::IndexSent(device) => {
                self.index_sent(device);
                Ok(())
            }
            Input::ScanStarted { full } => {
                self.scan_started(full);
                Ok(())
            }
            Input::Scanned(batch) => self.scanned(batch),
            Input::ScanFinished { complete } => self.scan_finished(complete),
            Input::Absences(absences) => self.absences(absences),
            Input::Hashed { path, result } => self.hashed(path, result),
            Input::Scrubbed { path, hashed } => self.scrubbed(&path, hashed),
            Input::Fetched { content, result } => self.fetched(content, result),
            Input::Applied(outcomes) => self.applied(outcomes),
            Input::Kept { content, path, result } => self.kept(content, path, result),
            Input::Resolve(resolve) => self.resolve(*resolve),
            Input::Reopen(reopen) => self.reopen(*reopen),
            Input::Confirm => {
                self.confirm();
                Ok(())
            }
            Input::Override => self.override_others(),
            Input::Insist(paths) => self.insist(paths),
            Input::Revert(paths) => self.revert(paths),
            Input::Keep(paths) => self.keep_suspects(paths),
            Input::RulesChanged => self.forget_ignored(),
            Input::Tick => {
                self.retry_work();
                self.retry_hashes();
                Ok(())
            }
        }
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn publish(&mut self, event: Event) {
        self.effects.push(Effect::Publish(event));
    }

    pub(crate) fn entry(&self, path: &RelPath) -> Result<Entry, I::Error> {
        Ok(self.index.get(path)?.unwrap_or_default())
    }

    /// Who writes what this device writes now about a path of which `entry` is known.
    pub(crate) fn writer(&self, entry: &Entry) -> Writer {
        Writer {
            device: self.config.device,
            author: self.index.identity().author,
            now_ms: self.clocks.hybrid_ms(entry, &self.config.device, self.now_ms),
            last_sequence: self.index.last_sequence(),
        }
    }

    /// What `policy` does about the conflict at `path`, and the versions of all
    /// heads that it saw. `now_ms` is as in [`Self::handle`].
    pub fn judge(
        &self,
        path: &RelPath,
        policy: &Policy,
        now_ms: u64,
    ) -> Result<(Verdict, Vec<VersionVector>), I::Error> {
        let heads = self.entry(path)?.heads;
        let verdict = policy::judge(&heads, policy, &self.clocks, (&self.config.device, now_ms));
        Ok((verdict, heads.iter().map(|head| head.record.version.clone()).collect()))
    }

    pub(crate) fn stop(&mut self, reason: StopReason) {
        if self.stopped != Some(reason) {
            self.stopped = Some(reason);
            self.publish(Event::Stopped(reason));
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    pub(crate) fn go_on(&mut self) {
        self.stopped = None;
    }

    pub(crate) fn report(&mut self, problem: Problem) {
        let known = self.problems.get(&problem.path);
        if known != Some(&problem) && (known.is_some() || self.problems.len() < MAX_PROBLEMS) {
            self.problems.insert(problem.path.clone(), problem.clone());
            self.publish(Event::ProblemOpened(problem));
        }
    }

    /// The trouble with exactly this path.
    pub fn problem_at(&self, path: &str) -> Option<&Problem> {
        self.problems.get(path)
    }

    /// The first trouble with anything below a directory.
    pub fn problem_below(&self, directory: &str) -> Option<&Problem> {
        let inside = format!("{directory}/");
        let (path, problem) = self.problems.range(inside.clone()..).next()?;
        path.starts_with(&inside).then_some(problem)
    }

    pub(crate) fn clear_problem(&mut self, path: &str) {
        if !self.problems.is_empty() && self.problems.remove(path).is_some() {
            self.publish(Event::ProblemCleared(path.to_owned()));
        }
    }

    /// The paths with trouble that a look at the tree can find to be over.
    pub(crate) fn problem_paths(&self) -> Vec<String> {
        let passing = self.problems.values().filter(|known| known.code != ProblemCode::Corrupt);
        passing.map(|known| known.path.clone()).collect()
    }

    /// Brings what an entry claims in line with what it has: a local change of
    /// a receive-only folder that is the folder's own data is none, the tree
    /// takes on the shown version where it already looks like it, and the heads
    /// that are held here are marked.
    pub(crate) fn settle(&self, entry: &mut Entry) {
        if let (Some(shown), Some(disk)) = (entry.shown().cloned(), entry.disk.as_mut())
            && disk.record.content.is_same_data(&shown.content)
        {
            if disk.record.content.matches(&shown.content) {
                disk.record = shown;
                disk.local = false;
            } else if disk.local {
                let content = disk.record.content.clone();
                disk.record = FileRecord { version: VersionVector::new(), content, ..shown };
                disk.local = false;
            }
        }
        entry.suspect &= entry.is_local();
        let stored = &self.work.stored;
        entry.refresh_held(|record| {
            record.content.file().is_some_and(|(content, _)| stored.contains_key(&content))
        });
    }

    /// The one way to change what is known of a path: settles `after`, stores
    /// it, gives it a sequence if what it announces changed, and notes the
    /// work, conflicts and superfluous contents that follow.
    pub(crate) fn store(
        &mut self,
        path: &RelPath,
        before: &Entry,
        mut after: Entry,
    ) -> Result<(), I::Error> {
        if after.landing.is_none() {
            let landing = self.landing(path, before);
            after.landing = landing.filter(|record| !after.heads.contains(record)).cloned();
        }
        self.settle(&mut after);
        self.note_overtaken(path, before, &after);
        if *before == after {
            self.note_need(path, &after);
            return Ok(());
        }
        let is_nothing = after.heads.is_empty() && after.disk.is_none() && !after.ignored;
        if is_nothing && before.sequence == Sequence(0) {
            self.index.remove(path)?;
        } else {
            // That there is nothing any more is said to whoever heard otherwise.
            // Each edit takes a sequence, so that the next one counts above it.
            let (author, last) = (self.index.identity().author, self.index.last_sequence());
            let runs_ahead = after.heads.iter().any(|head| {
                author.branches().any(|author| head.record.version.get(author) > last.0)
            });
            let is_news =
                before.announced() != after.announced() && !is(Sabotage::ForgetToAnnounce);
            let announce = runs_ahead || is_news;
            self.index.put(path, &after, announce)?;
        }
        if before.suspect && !after.suspect {
            self.clear_problem(path.as_str());
        }
        self.note_need(path, &after);
        self.tell_holdings(path, before, &after);
        match (before.heads.is_conflict(), after.heads.is_conflict()) {
            (false, true) => self.publish(Event::ConflictOpened(path.clone())),
            (true, false) => {
                let settled = settled(before, &after).map(Box::new);
                self.publish(Event::ConflictResolved { path: path.clone(), settled });
            }
            _ => {}
        }
        for content in files_of(&after).filter(|content| !on_disk(&after, *content)) {
            self.work.use_stored(content, path);
        }
        for content in files_of(before) {
            self.let_go(path, content, &after);
        }
        Ok(())
    }

    /// The version that may be in the tree at `path` though the index does not
    /// say so: a step is just putting it there, or was when the engine before
    /// this one ended and what it left has not been read yet.
    fn landing<'a>(&'a self, path: &RelPath, entry: &'a Entry) -> Option<&'a FileRecord> {
        let unread = || entry.shown().filter(|_| self.local.is_unseen(path) && !entry.is_settled());
        self.work.landing(path).or_else(unread)
    }

    /// Lets go of `content` in the store of heads once `path`, of which `entry`
    /// is known, needs it no more, and no other path does.
    pub(crate) fn let_go(&mut self, path: &RelPath, content: ContentId, entry: &Entry) {
        let needs = files_of(entry).any(|kept| kept == content) && !on_disk(entry, content);
        if needs || !self.work.disuse_stored(content, path) {
            return;
        }
        let by = entry.shown().map_or(self.config.device, |shown| shown.device);
        let (path, reason) = (path.clone(), Reason::Resolved);
        self.effect(Effect::Release { content, path, by, reason });
    }

    /// Notes that `path` needs `content`, which has been put into the store of
    /// heads, and takes back that it was to be let go of for another path.
    pub(crate) fn need_stored(&mut self, content: ContentId, path: &RelPath) {
        self.work.stored.entry(content).or_default().insert(path.clone());
        self.effects.retain(|effect| {
            !matches!(effect, Effect::Release { content: released, .. } if *released == content)
        });
    }

    pub(crate) fn publish_change(&mut self, path: &RelPath, before: &Entry, record: &FileRecord) {
        let action = action_of(before.present().is_some(), record);
        self.publish(Event::Changed { path: path.clone(), action });
    }
}

/// What `record` does to a path at which something was or not.
pub(crate) fn action_of(was_there: bool, record: &FileRecord) -> Action {
    match (&record.content, was_there) {
        (Content::Tombstone { .. }, _) => Action::Deleted,
        (_, false) if record.moved_from.is_some() => Action::Moved,
        (_, false) => Action::Created,
        (_, true) => Action::Modified,
    }
}

/// What superseded all sides of the conflict in `before`; nothing where they
/// combine by themselves, or one of them is still there.
fn settled(before: &Entry, after: &Entry) -> Option<Settled> {
    let mut heads = after.heads.iter().map(|head| &head.record);
    let (Some(by), None) = (heads.next(), heads.next()) else { return None };
    let is_over = before
        .heads
        .iter()
        .all(|head| head.record != *by && by.version.includes(&head.record.version));
    if !is_over || combine(before).is_some() {
        return None;
    }
    let losers = before.heads.losers().into_iter().map(|head| head.record.clone());
    let sides = before.shown().cloned().into_iter().chain(losers).collect();
    Some(Settled { sides, by: by.clone() })
}

/// The contents of the heads that are files.
pub(crate) fn files_of(entry: &Entry) -> impl Iterator<Item = ContentId> + '_ {
    entry.heads.iter().filter_map(|head| head.record.content.file()).map(|(content, _)| content)
}

/// Whether the tree holds `content`.
pub(crate) fn on_disk(entry: &Entry, content: ContentId) -> bool {
    entry
        .present()
        .and_then(|disk| disk.record.content.file())
        .is_some_and(|(known, _)| known == content)
}
