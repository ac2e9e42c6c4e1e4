//! Cutting a story that failed down to what is to blame (Zeller, 2002).

use std::panic;

use super::chaos::guarded;
use super::story::{Act, Deed};
use super::{Failure, Story, WorldIndex};
use crate::MemIndex;

/// How many times a story is played at most.
const MAX_PLAYS: usize = 1500;

impl Failure {
    /// The same failure by as few acts and devices as can be found.
    #[must_use]
    pub fn shrunk(self) -> Self {
        self.shrunk_on::<MemIndex>()
    }

    /// As [`Failure::shrunk`], on the indexes that it happened on.
    #[must_use]
    pub fn shrunk_on<I: WorldIndex>(self) -> Self {
        let Some(story) = self.story.as_deref().cloned() else { return self };
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| {}));
        let kind = self.kind().to_owned();
        let mut shrink = Shrink { kind, best: self, plays: 0 };
        shrink.run::<I>(story);
        panic::set_hook(hook);
        shrink.best
    }
}

struct Shrink {
    kind: String,
    best: Failure,
    plays: usize,
}

impl Shrink {
    fn run<I: WorldIndex>(&mut self, mut story: Story) {
        loop {
            let before = (story.acts.len(), story.cast.modes.len(), story.clone().acts);
            self.drop_acts::<I>(&mut story);
            self.drop_devices::<I>(&mut story);
            self.simplify::<I>(&mut story);
            let after = (story.acts.len(), story.cast.modes.len(), story.clone().acts);
            if before == after || self.plays >= MAX_PLAYS {
                return;
            }
        }
    }

    /// Whether the story still fails, and in the same way.
    fn fails<I: WorldIndex>(&mut self, story: &Story) -> bool {
        if self.plays >= MAX_PLAYS {
            return false;
        }
        self.plays += 1;
        match guarded(story.seed, || story.play::<I>()) {
            Err(failure) if failure.kind() == self.kind => {
                self.best = Failure { story: Some(Box::new(story.clone())), ..failure };
                true
            }
            _ => false,
        }
    }

    fn drop_acts<I: WorldIndex>(&mut self, story: &mut Story) {
        let mut len = story.acts.len() / 2;
        while len > 0 {
            let mut at = 0;
            while at < story.acts.len() {
                let mut shorter = story.clone();
                shorter.acts.drain(at..(at + len).min(story.acts.len()));
                if self.fails::<I>(&shorter) {
                    *story = shorter;
                } else {
                    at += len;
                }
            }
            len /= 2;
        }
    }

    fn drop_devices<I: WorldIndex>(&mut self, story: &mut Story) {
        let mut device = story.cast.modes.len();
        while device > 0 && story.cast.modes.len() > 2 {
            device -= 1;
            let mut smaller = story.clone();
            smaller.cast.modes.remove(device);
            smaller.cast.skews_ms.remove(device);
            smaller.cast.policies.remove(device);
            let acts = smaller.acts.iter().filter_map(|act| without(act, device));
            smaller.acts = acts.collect();
            if self.fails::<I>(&smaller) {
                *story = smaller;
            }
        }
    }

    /// Fewer oddities in the cast, shorter pauses.
    fn simplify<I: WorldIndex>(&mut self, story: &mut Story) {
        let mut plain = story.clone();
        plain.cast.skews_ms.fill(0);
        plain.cast.is_line = false;
        plain.cast.policies.fill(driftless_core::Policy::Ask);
        plain.cast.modes.fill(driftless_engine::Mode::SendReceive);
        if plain.cast != story.cast && self.fails::<I>(&plain) {
            *story = plain;
        }
        for at in 0..story.acts.len() {
            if story.acts[at].pause_us > 0 {
                let mut quicker = story.clone();
                quicker.acts[at].pause_us = 0;
                if self.fails::<I>(&quicker) {
                    *story = quicker;
                }
            }
        }
    }
}

/// The act in a world without `device`, those behind it moved up.
fn without(act: &Act, device: usize) -> Option<Act> {
    let number = |it: usize| (it != device).then(|| it - usize::from(it > device));
    let deed = match &act.deed {
        Deed::Connect(other) => Deed::Connect(number(*other)?),
        Deed::Disconnect(other) => Deed::Disconnect(number(*other)?),
        Deed::Break(other) => Deed::Break(number(*other)?),
        other => other.clone(),
    };
    Some(Act { device: number(act.device)?, deed, ..act.clone() })
}
