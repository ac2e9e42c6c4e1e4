//! Has files read, and takes in what was read or why it could not be.

use driftless_core::diff::{Observed, diff};
use driftless_core::{Content, Index, Problem, ProblemCode, RelPath};

use super::{Local, Unstable};
use crate::engine::Engine;
use crate::io::{Effect, HashError, Hashed};

/// How many files wait for the readers at once, and roughly how many bytes:
/// enough for a commit to gather many, few enough for their blocks to fit memory.
const HASHES_IN_FLIGHT: usize = 1024;
const HASH_BYTES_IN_FLIGHT: u64 = 256 << 20;

/// How often a changing file is read again before a person is told.
const UNSTABLE_TRIES: u32 = 5;

impl<I: Index> Engine<I> {
    /// Has files read, as many at once as is good.
    pub(crate) fn dispatch_hashes(&mut self) -> Result<(), I::Error> {
        while self.local.hashing.len() < HASHES_IN_FLIGHT
            && (self.local.hashing_bytes < HASH_BYTES_IN_FLIGHT || self.local.hashing.is_empty())
        {
            let Some((path, stat, is_durable)) = self.local.queue.pop() else { break };
            if self.local.hashing.contains_key(&path) {
                self.local.again.insert(path);
                continue;
            }
            self.local.hashing.insert(path.clone(), stat.size_bytes);
            self.local.hashing_bytes += stat.size_bytes;
            let entry = self.entry(&path)?;
            let previous = entry.present().map(|disk| &disk.record.content);
            let previous = match previous {
                Some(Content::File { level, .. }) => Some(*level),
                _ => None,
            };
            self.effect(Effect::Hash { path, stat, previous, is_durable });
        }
        self.local.note_caught_up();
        Ok(())
    }

    pub(crate) fn hashed(
        &mut self,
        path: RelPath,
        result: Result<Hashed, HashError>,
    ) -> Result<(), I::Error> {
        let size_bytes = self.local.hashing.remove(&path).unwrap_or_default();
        self.local.hashing_bytes = self.local.hashing_bytes.saturating_sub(size_bytes);
        if self.local.again.remove(&path) {
            self.effect(Effect::Rescan(vec![path.clone()]));
        }
        let old = self.local.moving.remove(&path);
        match result {
            Ok(hashed) => {
                self.take_hashed(&path, hashed, old)?;
                // Whatever was to be done about the path has waited for this.
                let entry = self.entry(&path)?;
                self.note_need(&path, &entry);
            }
            Err(error) => {
                if let Some(old) = old {
                    let entry = self.entry(&old)?;
                    self.depart(&old, &entry, None)?;
                }
                if self.entry(&path)?.is_needed() {
                    self.park(path.clone());
                }
                self.not_hashed(path, error);
            }
        }
        self.dispatch_hashes()
    }

    fn take_hashed(
        &mut self,
        path: &RelPath,
        hashed: Hashed,
        old: Option<RelPath>,
    ) -> Result<(), I::Error> {
        self.local.unstable.remove(path);
        self.clear_problem(path.as_str());
        if let Some(parent) = path.parent()
            && !self.is_directory(&parent)?
        {
            // It was read before something took the directory's place. Told of
            // now, it would bring the directory back elsewhere.
            self.effect(Effect::Rescan(vec![parent]));
            return Ok(());
        }
        if hashed.blocks.blocks().len() > 1 {
            self.index.put_block_list(hashed.content, &hashed.blocks)?;
        }
        let moved_from = match old {
            Some(old) => self.depart_to(&old, path, hashed.content)?,
            None => None,
        };
        if self.work.is_touching(path) {
            self.work.recheck(path);
            return Ok(());
        }
        let entry = self.entry(path)?;
        let observed =
            Observed::Hashed { stat: hashed.stat, content: hashed.content, level: hashed.level };
        let change = diff(&entry, &observed);
        self.take_over(path, &entry, change, moved_from)
    }

    /// Whether the tree is known to have a directory at `path`, and nothing has
    /// been seen in its place.
    fn is_directory(&self, path: &RelPath) -> Result<bool, I::Error> {
        let is_replaced = self.local.replaced().any(|replaced| path.is_within(replaced));
        let entry = self.entry(path)?;
        let content = entry.present().map(|disk| &disk.record.content);
        Ok(!is_replaced && matches!(content, Some(Content::Directory { .. })))
    }

    /// Compares a known file that was read again with what it should be (D9).
    pub(crate) fn scrubbed(&mut self, path: &RelPath, hashed: Hashed) -> Result<(), I::Error> {
        let is_in_work = self.work.is_touching(path) || self.local.is_unread(path);
        let entry = self.entry(path)?;
        let Some(Content::File { content, level, .. }) =
            entry.present().filter(|_| !is_in_work).map(|disk| &disk.record.content)
        else {
            return Ok(());
        };
        // In other blocks the same bytes have another name.
        if *content == hashed.content || *level != hashed.level {
            return Ok(());
        }
        self.take_hashed(path, hashed, None)
    }

    pub(crate) fn report_suspect(&mut self, path: &RelPath) {
        let message = "its content changed, but nothing is seen to have written to it: the disk \
            may be failing; it is not passed on until you restore or keep it"
            .to_owned();
        self.report(Problem { path: path.to_string(), code: ProblemCode::Corrupt, message });
    }

    fn not_hashed(&mut self, path: RelPath, error: HashError) {
        match error {
            HashError::Vanished => {
                self.local.unstable.remove(&path);
                self.effect(Effect::Rescan(vec![path]));
            }
            HashError::Unstable => {
                let unstable = self.local.unstable.entry(path.clone()).or_default();
                unstable.tries += 1;
                unstable.is_due = false;
                if unstable.tries == UNSTABLE_TRIES {
                    let message =
                        "it changes faster than it can be read; it will be synced once it rests"
                            .to_owned();
                    self.report(Problem {
                        path: path.to_string(),
                        code: ProblemCode::KeepsChanging,
                        message,
                    });
                }
            }
            HashError::Unreadable(problem) => {
                self.local.unstable.insert(path, Unstable::default());
                self.report(problem);
            }
        }
    }

    /// Looks again at files that could not be read.
    pub(crate) fn retry_hashes(&mut self) {
        let hashing = &self.local.hashing;
        let again: Vec<_> = self
            .local
            .unstable
            .keys()
            .filter(|path| !hashing.contains_key(*path))
            .cloned()
            .collect();
        for path in &again {
            if let Some(unstable) = self.local.unstable.get_mut(path) {
                unstable.is_due = true;
            }
        }
        if !again.is_empty() {
            self.effect(Effect::Rescan(again));
        }
    }

    /// What could not be read, was looked at again and is not to be read now
    /// is gone, or as it was known.
    pub(super) fn forget_unstable(&mut self) {
        let Local { unstable, queue, hashing, awaiting_absence, leaving, .. } = &mut self.local;
        let waits = |path: &RelPath| {
            hashing.contains_key(path)
                || queue.contains(path)
                || awaiting_absence.values().any(|(new, _)| new == path)
                || leaving.values().flatten().any(|(new, _)| new == path)
        };
        unstable.retain(|path, unstable| !unstable.is_due || waits(path));
    }
}
