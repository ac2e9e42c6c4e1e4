//! Hearing of changes as they happen. A hint, never truth: what it names is
//! scanned, and what it misses is found by the next full scan.
//!
//! Every directory that no rule ignores is watched on its own, so that
//! neither the private directory nor an ignored tree takes up watches. A new
//! directory is watched first and then reported with all that it holds, so
//! that nothing falls between. Symlinks are not followed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use driftless_core::RelPath;
use driftless_core::path::PRIVATE_DIR;
use notify::event::{
    AccessKind, AccessMode, CreateKind, EventKind, EventKindMask, ModifyKind, RenameMode,
};
use notify::{Config, RecommendedWatcher, Watcher as _};

use crate::ignore::{IGNORE_FILE, Ignore};
use crate::root::Root;
use crate::scan::Scope;

mod gather;
mod tree;

use gather::Gather;
use tree::Tree;

/// The most hints that wait; more are an overflow, and mean a full scan.
const HINTS: usize = 16 << 10;

/// How long a full event channel is waited for before looking whether to stop.
const SEND_WAIT: Duration = Duration::from_millis(100);

/// What a watcher tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WatchEvent {
    /// These may have changed. In path order; none lies within another.
    Changed(Vec<Scope>),
    /// Events were lost: anything may have changed (D10).
    Rescan,
    /// Not everything is watched, for this reason: changes there are only
    /// found by scanning. Said once.
    Degraded(String),
}

/// Watches a folder until dropped.
#[derive(Debug)]
pub struct Watcher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the kernel said of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Hint {
    /// A name appeared; it may be a directory's.
    Appeared(RelPath),
    /// A name went to another directory or name; where, is told next.
    Departed(RelPath),
    /// The other half: a name came from another one, or from outside.
    Arrived(RelPath),
    /// A name, or what it leads to, changed in some other way.
    Changed(RelPath),
    /// A file is being written and is still open.
    Writing(RelPath),
    /// A file that was open for writing was closed.
    Closed(RelPath),
    /// Events were lost.
    Lost,
}

impl Watcher {
    /// Begins to watch. From when this returns, changes are told of.
    ///
    /// Never fails: what cannot be watched is told as [`WatchEvent::Degraded`].
    pub fn start(root: &Root, events: Sender<WatchEvent>, rules: &Ignore) -> Self {
        let (to_gather, hints) = bounded(HINTS);
        let (stop, stopped) = bounded(0);
        let is_overflown = Arc::new(AtomicBool::new(false));
        let handler = handler(root.path().to_owned(), to_gather, is_overflown.clone());
        // That something is opened means nothing, and happens all the time.
        let kinds = EventKindMask::CORE | EventKindMask::ACCESS_CLOSE;
        let config = Config::default().with_event_kinds(kinds);
        let (tree, trouble) = match RecommendedWatcher::new(handler, config) {
            Ok(watcher) => {
                let mut tree = Tree::new(root, rules, watcher);
                tree.add(None);
                let trouble = tree.take_trouble();
                (Some(tree), trouble)
            }
            Err(error) => (None, Some(format!("changes cannot be watched: {error}"))),
        };
        let run = Run { tree, rules: rules.clone(), hints, stopped, events, is_overflown };
        let thread = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || run.run(trouble))
            .inspect_err(|error| tracing::warn!(%error, "no thread to watch with"))
            .ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs on the thread that reads from the kernel, and so never waits.
fn handler(
    root: std::path::PathBuf,
    to_gather: Sender<Hint>,
    is_overflown: Arc<AtomicBool>,
) -> impl FnMut(notify::Result<notify::Event>) + Send + 'static {
    move |event| {
        let is_lost = match event {
            Err(_) => true,
            Ok(event) if event.need_rescan() || event.paths.is_empty() => true,
            Ok(event) => event.paths.iter().any(|path| match hint(&root, path, event.kind) {
                Heard::Hint(hint) => {
                    matches!(to_gather.try_send(hint), Err(TrySendError::Full(_)))
                }
                Heard::RootGone => true,
                Heard::Nothing => false,
            }),
        };
        if is_lost {
            is_overflown.store(true, Ordering::Release);
            // Wakes the other side; where the channel is full, it is awake.
            let _ = to_gather.try_send(Hint::Lost);
        }
    }
}

enum Heard {
    Hint(Hint),
    RootGone,
    Nothing,
}

fn hint(root: &Path, path: &Path, kind: EventKind) -> Heard {
    let Ok(below) = path.strip_prefix(root) else { return Heard::Nothing };
    if below.starts_with(PRIVATE_DIR) {
        return Heard::Nothing;
    }
    if below.as_os_str().is_empty() {
        let is_gone = matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        return if is_gone { Heard::RootGone } else { Heard::Nothing };
    }
    let Some(path) = below.to_str().and_then(|text| RelPath::parse(text).ok()) else {
        return Heard::Nothing;
    };
    Heard::Hint(match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Hint::Closed(path),
        // The two halves of a rename within the tree are told of on their own.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            return Heard::Nothing;
        }
        EventKind::Modify(ModifyKind::Data(_)) => Hint::Writing(path),
        EventKind::Create(CreateKind::File) => Hint::Changed(path),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => Hint::Departed(path),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Hint::Arrived(path),
        EventKind::Create(_) => Hint::Appeared(path),
        _ => Hint::Changed(path),
    })
}

struct Run {
    tree: Option<Tree>,
    rules: Ignore,
    hints: Receiver<Hint>,
    stopped: Receiver<()>,
    events: Sender<WatchEvent>,
    is_overflown: Arc<AtomicBool>,
}

impl Run {
    fn run(mut self, trouble: Option<String>) {
        let mut gather = Gather::default();
        if let Some(trouble) = trouble
            && !self.send(WatchEvent::Degraded(trouble))
        {
            return;
        }
        loop {
            let wait = gather.wait(Instant::now());
            crossbeam_channel::select! {
                recv(self.hints) -> hint => match hint {
                    Ok(hint) => self.take(hint, &mut gather),
                    // Without a tree there is no one to send; only the end is waited for.
                    Err(_) => { let _ = self.stopped.recv(); return }
                },
                recv(self.stopped) -> _ => return,
                default(wait) => {}
            }
            if !self.flush(&mut gather) {
                return;
            }
        }
    }

    /// Passes on what is due. False once no one listens.
    fn flush(&mut self, gather: &mut Gather) -> bool {
        if let Some(trouble) = self.tree.as_mut().and_then(Tree::take_trouble)
            && !self.send(WatchEvent::Degraded(trouble))
        {
            return false;
        }
        if self.is_overflown.swap(false, Ordering::AcqRel) {
            // What was lost may have been new directories.
            if let Some(tree) = &mut self.tree {
                tree.add(None);
            }
            gather.overflow(Instant::now());
        }
        let due = gather.take(Instant::now(), &self.rules);
        due.is_none_or(|event| self.send(event))
    }

    fn take(&mut self, hint: Hint, gather: &mut Gather) {
        let now = Instant::now();
        match hint {
            Hint::Appeared(path)
            | Hint::Changed(path)
            | Hint::Departed(path)
            | Hint::Arrived(path)
            | Hint::Closed(path)
                if path.name() == IGNORE_FILE =>
            {
                self.rules_changed(path, gather, now);
            }
            Hint::Appeared(path) => {
                let is_dir = self.tree.as_mut().is_some_and(|tree| tree.add_if_directory(&path));
                gather.note(path, is_dir, now);
            }
            Hint::Departed(path) => gather.note_departed(path, now),
            Hint::Arrived(path) => {
                let is_dir = self.tree.as_mut().is_some_and(|tree| tree.add_if_directory(&path));
                gather.note_arrived(path, is_dir, now);
            }
            Hint::Changed(path) => gather.note(path, false, now),
            Hint::Writing(path) => gather.note_writing(path, now),
            Hint::Closed(path) => gather.note_closed(path, now),
            Hint::Lost => {}
        }
    }

    /// What was ignored may be watched now, and the other way round.
    fn rules_changed(&mut self, path: RelPath, gather: &mut Gather, now: Instant) {
        let dir = path.parent();
        if let Some(tree) = &mut self.tree {
            tree.add(dir.as_ref());
        }
        match dir {
            Some(dir) => gather.note(dir, true, now),
            None => gather.overflow(now),
        }
    }

    fn send(&self, event: WatchEvent) -> bool {
        let mut event = event;
        loop {
            match self.events.send_timeout(event, SEND_WAIT) {
                Ok(()) => return true,
                Err(error) if error.is_disconnected() => return false,
                Err(error) => event = error.into_inner(),
            }
            if self.stopped.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected) {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::event::Flag;
    use notify::{Error, Event};

    use super::{
        AccessKind, AccessMode, Arc, AtomicBool, EventKind, Hint, Ordering, RelPath, bounded,
        handler,
    };

    /// D10
    #[test]
    fn events_that_were_lost_or_name_no_path_mean_a_look_at_everything() {
        let closed = |name: &str| {
            let kind = EventKind::Access(AccessKind::Close(AccessMode::Write));
            Event::new(kind).add_path(["/folder", name].iter().collect())
        };
        let is_lost = |event, hints: usize| {
            let (sender, receiver) = bounded(hints);
            let is_overflown = Arc::new(AtomicBool::new(false));
            handler("/folder".into(), sender, is_overflown.clone())(event);
            (is_overflown.load(Ordering::Acquire), receiver.try_recv().ok())
        };
        let name = Hint::Closed(RelPath::parse("a").unwrap());
        assert_eq!(is_lost(Ok(closed("a")), 1), (false, Some(name)));
        assert_eq!(is_lost(Ok(closed(".driftless/staging/a")), 1), (false, None));
        let told = (true, Some(Hint::Lost));
        assert_eq!(is_lost(Ok(Event::new(EventKind::Other)), 1), told, "no path");
        assert_eq!(is_lost(Ok(closed("a").set_flag(Flag::Rescan)), 1), told, "the queue ran over");
        assert_eq!(is_lost(Err(Error::generic("broken")), 1), told);
        assert_eq!(is_lost(Ok(closed("a")), 0), (true, None), "ours ran over");
    }
}
