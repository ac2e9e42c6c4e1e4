//! What policies do about conflicts, as a daemon has them do it: at once, and
//! on what is known by then.

use driftless_core::index::Flag;
use driftless_core::policy::{MAX_ROUNDS, Verdict};
use driftless_core::{FileRecord, Policy, RelPath};
use driftless_engine::{Choice, Engine, Input, Resolve};

use super::random::Random;
use super::{World, WorldIndex};

/// The longest text that versions are put together into, in bytes.
const MOST_BYTES: usize = 120;

/// A policy for each device, drawn so that they often disagree; none in most worlds.
pub(crate) fn at_random(seed: u64, devices: usize) -> Vec<Policy> {
    let mut random = Random::salted(seed, 0x90_11c1);
    if !random.chance(25) {
        return vec![Policy::Ask; devices];
    }
    let draw = |number: usize| match random.below(6) {
        0 => Policy::Ask,
        1 => Policy::Newest,
        2 => Policy::Merge,
        3 => Policy::Command(vec![format!("{number}'s")]),
        _ => Policy::Device(super::device::id_of(random.index(devices))),
    };
    (0..devices).map(draw).collect()
}

impl<I: WorldIndex> World<I> {
    /// Has a device follow a policy from now on. Merging puts the words of all
    /// versions together, as a program does, which adds its argument to them.
    pub fn follow(&mut self, device: usize, policy: Policy) {
        self.note(format_args!("{device} follows {policy:?}"));
        self.devices[device].policy = policy;
        self.follow_policy(device);
    }

    /// Looks at all conflicts that are open on a device.
    pub(crate) fn follow_policy(&mut self, device: usize) {
        let (this, now_ms) = (&self.devices[device], self.now_ms(device));
        let policy = this.policy.clone();
        let Some(engine) = this.engine.as_ref().filter(|_| policy != Policy::Ask) else { return };
        let conflicts = engine.index().flagged(Flag::Conflict, None, usize::MAX);
        let judge = |engine: &Engine<I>, path: &RelPath| engine.judge(path, &policy, now_ms).ok();
        let judged: Vec<_> = conflicts
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(path, _)| judge(engine, &path).map(|judged| (path, judged)))
            .collect();
        for (path, (verdict, seen)) in judged {
            let choice = match verdict {
                Verdict::Keep(record) => Some(Choice::Head(record)),
                Verdict::Combine(records) => self.put_together(device, &policy, &path, &records),
                Verdict::Ask(_) | Verdict::NoConflict => None,
            };
            let Some(choice) = choice else { continue };
            self.check_policy_ends(device, &path);
            self.note(format_args!("{device}'s policy resolves {path} by {choice:?}"));
            self.ledger.is_unsure = true;
            self.ledger.touch(device, &path);
            let resolve = Resolve { path, choice, seen: Some(seen), by_policy: true };
            self.tell(device, Input::Resolve(Box::new(resolve)));
        }
    }

    /// Whatever a policy decides about takes a version away that took fewer rounds,
    /// of which there are only so many: so policies that contradict each other end.
    fn check_policy_ends(&mut self, device: usize, path: &RelPath) {
        let entry = self.devices[device].index().get(path).ok().flatten().unwrap_or_default();
        let mut live = entry.heads.iter().filter(|head| !head.record.content.is_tombstone());
        if live.all(|head| head.record.policy_rounds >= MAX_ROUNDS) {
            self.fail(format!("policies go on about {path} on device {device} for ever"));
        }
    }

    fn put_together(
        &mut self,
        device: usize,
        policy: &Policy,
        path: &RelPath,
        records: &[FileRecord],
    ) -> Option<Choice> {
        let mut words = Vec::new();
        for record in records {
            let (content, _) = record.content.file()?;
            let text = self.devices[device].disk.serve(path, content)?.text();
            words.extend(text.split('+').map(str::to_owned));
        }
        if let Policy::Command(arguments) = policy {
            words.extend(arguments.iter().cloned());
        }
        words.sort();
        words.dedup();
        let text = words.join("+");
        (text.len() <= MOST_BYTES).then(|| self.bring(device, &text))
    }
}
