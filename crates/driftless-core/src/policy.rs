//! Policies: what settles a conflict without asking a person.
//!
//! Decides which version a policy keeps, or that the contents of all have to
//! be put together. What the contents say, and what a program makes of them,
//! is the caller's.
//!
//! Each device follows policies of its own, and several may act at once, so
//! that what they make can contradict each other, or each be a part of the
//! whole. What a policy writes therefore carries how many rounds of policies it
//! took ([`FileRecord::policy_rounds`]), one more than what it supersedes, and a
//! side that took [`MAX_ROUNDS`] is spent. A policy acts where at most one side
//! is: it supersedes one that is not, and a device supersedes a version only
//! once, so there are finitely many of each round, and it ends. Two policies
//! that contradict each other leave two spent sides, and a person decides.

use std::collections::BTreeMap;

use crate::entry::Entry;
use crate::heads::{Head, Heads, Slot};
use crate::id::DeviceId;
use crate::record::{Content, FileRecord};
use crate::sabotage::{Sabotage, is};

/// How far ahead of this device's clock a time may lie and still be believed, in milliseconds.
pub const MAX_AHEAD_MS: u64 = 60_000;

/// After how many rounds of policies nothing but a person settles a conflict.
pub const MAX_ROUNDS: u8 = 3;

/// Times that lie closer together do not tell which came first, in milliseconds: clocks are compared only so well.
pub const TOO_CLOSE_MS: u64 = 2_000;

/// What settles conflicts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// A person.
    #[default]
    Ask,
    /// The version that was made last stays.
    Newest,
    /// The version that this device made stays.
    Device(DeviceId),
    /// Texts are merged where the changes do not touch each other.
    Merge,
    /// A program and its arguments put the versions together.
    Command(Vec<String>),
}

/// What a policy does about a conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing, as there is none.
    NoConflict,
    /// A person has to choose.
    Ask(Doubt),
    /// This version stays.
    Keep(Box<FileRecord>),
    /// The contents of these have to be put together, the shown one's first. If they cannot be, a person has to choose.
    Combine(Vec<FileRecord>),
}

/// Why a policy leaves a conflict to a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// It says so.
    Policy,
    /// Policies have had their say about more than one of the versions.
    Spent,
    /// The content of a version has not arrived yet.
    NotHere,
    /// A directory is among the versions, or what has to be put together is no file.
    NotFiles,
    /// It is not known how far the clock of a version's device is off.
    UnknownClock,
    /// A version claims to be from the future.
    WrongClock,
    /// The newest versions were made at the same time, as far as clocks tell.
    TooClose,
    /// The device made none of the versions.
    NotMade,
    /// The device made several of them.
    SeveralMade,
}

/// How far the clocks of other devices are ahead of this one's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Clocks(BTreeMap<DeviceId, i64>);

impl Clocks {
    /// Notes by how many milliseconds the clock of `device` is ahead.
    pub fn note(&mut self, device: DeviceId, ahead_ms: i64) {
        self.0.insert(device, ahead_ms);
    }

    /// When `record` was made, by this device's clock; `None` where the clock
    /// of the device that made it is not known.
    pub fn time_of(&self, record: &FileRecord, own: &DeviceId) -> Option<u64> {
        let ahead = match record.device == *own {
            true => 0,
            false => *self.0.get(&record.device)?,
        };
        Some(record.changed_ms.saturating_add_signed(ahead.saturating_neg()))
    }

    /// The time of an edit of what `entry` holds, by a device whose clock says
    /// `now_ms`: never before what it follows on, as far as that can be
    /// believed (a hybrid logical clock; Kulkarni et al., 2014, bounded).
    pub fn hybrid_ms(&self, entry: &Entry, own: &DeviceId, now_ms: u64) -> u64 {
        let disk = entry.disk.as_ref().map(|disk| &disk.record);
        let records = entry.heads.iter().map(|head| &head.record).chain(disk);
        let times = records.filter_map(|record| self.time_of(record, own));
        let believed = times.filter(|time| *time <= now_ms.saturating_add(MAX_AHEAD_MS));
        believed.max().map_or(now_ms, |latest| now_ms.max(latest.saturating_add(1)))
    }
}

/// One of the contents that differ, and who has it.
struct Side<'a> {
    heads: Vec<&'a Head>,
}

impl<'a> Side<'a> {
    fn is_here(&self) -> bool {
        self.heads.iter().any(|head| head.holders.contains(Slot::ME))
    }

    fn is_spent(&self) -> bool {
        self.heads.iter().all(|head| head.record.policy_rounds >= MAX_ROUNDS)
    }

    fn content(&self) -> &'a Content {
        &self.heads[0].record.content
    }
}

/// The live contents that differ, the shown one first.
fn sides(heads: &Heads) -> Vec<Side<'_>> {
    let mut sides: Vec<Side<'_>> = Vec::new();
    for head in heads.iter().filter(|head| !head.record.content.is_tombstone()) {
        let is_same = |side: &&mut Side<'_>| side.content().is_same_data(&head.record.content);
        match sides.iter_mut().find(is_same) {
            Some(side) => side.heads.push(head),
            None => sides.push(Side { heads: vec![head] }),
        }
    }
    sides
}

/// The rounds of what a policy makes of `heads`.
pub fn next_round(heads: &Heads) -> u8 {
    let rounds = heads.iter().map(|head| head.record.policy_rounds).max().unwrap_or_default();
    rounds.saturating_add(1).min(MAX_ROUNDS)
}

/// What `policy` does about the conflict among `heads`, on the device `own`
/// whose clock says `now_ms`.
pub fn judge(
    heads: &Heads,
    policy: &Policy,
    clocks: &Clocks,
    (own, now_ms): (&DeviceId, u64),
) -> Verdict {
    if !heads.is_conflict() {
        return Verdict::NoConflict;
    }
    let sides = sides(heads);
    let spent = sides.iter().filter(|side| side.is_spent()).count();
    let is_file = |side: &Side<'_>| matches!(side.content(), Content::File { .. });
    let is_directory = |side: &Side<'_>| matches!(side.content(), Content::Directory { .. });
    let puts_together = matches!(policy, Policy::Merge | Policy::Command(_));
    if *policy == Policy::Ask {
        Verdict::Ask(Doubt::Policy)
    } else if spent > 1 && !is(Sabotage::PoliciesNeverTire) {
        Verdict::Ask(Doubt::Spent)
    } else if sides.iter().any(is_directory) || (puts_together && !sides.iter().all(is_file)) {
        Verdict::Ask(Doubt::NotFiles)
    } else if !sides.iter().all(Side::is_here) {
        Verdict::Ask(Doubt::NotHere)
    } else {
        match policy {
            Policy::Ask => Verdict::Ask(Doubt::Policy),
            Policy::Newest => newest(&sides, clocks, own, now_ms),
            Policy::Device(device) => made_by(&sides, device),
            Policy::Merge | Policy::Command(_) => {
                Verdict::Combine(sides.iter().map(|side| side.heads[0].record.clone()).collect())
            }
        }
    }
}

fn newest(sides: &[Side<'_>], clocks: &Clocks, own: &DeviceId, now_ms: u64) -> Verdict {
    let mut times = Vec::with_capacity(sides.len());
    for side in sides {
        for head in &side.heads {
            let Some(time) = clocks.time_of(&head.record, own) else {
                return Verdict::Ask(Doubt::UnknownClock);
            };
            if time > now_ms.saturating_add(MAX_AHEAD_MS) {
                return Verdict::Ask(Doubt::WrongClock);
            }
            times.push((time, *head));
        }
    }
    times.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    let (latest, newest) = times[0];
    let is_other = |head: &Head| !head.record.content.is_same_data(&newest.record.content);
    let rival = times.iter().find(|(_, head)| is_other(head));
    match rival {
        Some((time, _)) if latest - time < TOO_CLOSE_MS => Verdict::Ask(Doubt::TooClose),
        _ => Verdict::Keep(Box::new(held(sides, newest).record.clone())),
    }
}

fn made_by(sides: &[Side<'_>], device: &DeviceId) -> Verdict {
    let made = |side: &&Side<'_>| side.heads.iter().any(|head| head.record.device == *device);
    let mut made = sides.iter().filter(made);
    match (made.next(), made.next()) {
        (None, _) => Verdict::Ask(Doubt::NotMade),
        (Some(_), Some(_)) => Verdict::Ask(Doubt::SeveralMade),
        (Some(side), None) => Verdict::Keep(Box::new(held(sides, side.heads[0]).record.clone())),
    }
}

/// The head with the data of `wanted` that this device has said to hold.
fn held<'a>(sides: &[Side<'a>], wanted: &'a Head) -> &'a Head {
    let all = sides.iter().flat_map(|side| side.heads.iter().copied());
    let mut same = all.filter(|head| head.record.content.is_same_data(&wanted.record.content));
    same.find(|head| head.holders.contains(Slot::ME)).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Author, ContentId};
    use crate::{HolderSet, Level, VersionVector};

    const OWN: DeviceId = DeviceId::from_bytes([1; 32]);
    const OTHER: DeviceId = DeviceId::from_bytes([2; 32]);
    const THIRD: DeviceId = DeviceId::from_bytes([3; 32]);
    const NOW: u64 = 1_000_000;

    fn file(device: DeviceId, content: u8, changed_ms: u64) -> Head {
        let author = Author(u64::from(device.as_bytes()[0]) * 16 + u64::from(content));
        let record = FileRecord {
            version: VersionVector::new().bumped(author, 0).unwrap(),
            content: Content::File {
                content: ContentId::from_bytes([content; 32]),
                size_bytes: 1,
                level: Level::default(),
                mode: 0o644,
                mtime_ns: 0,
            },
            previous: None,
            device,
            changed_ms,
            moved_from: None,
            policy_rounds: 0,
        };
        Head { record, holders: HolderSet::only(Slot::ME) }
    }

    fn spent(mut head: Head) -> Head {
        head.record.policy_rounds = MAX_ROUNDS;
        head
    }

    fn judged(heads: &[Head], policy: &Policy, clocks: &Clocks) -> Result<u8, Doubt> {
        let heads = Heads::from_heads(heads.iter().cloned());
        match judge(&heads, policy, clocks, (&OWN, NOW)) {
            Verdict::Keep(record) => {
                Ok(record.content.file().map_or(0, |(content, _)| content.as_bytes()[0]))
            }
            Verdict::Ask(doubt) => Err(doubt),
            Verdict::Combine(records) => Ok(100 + records.len() as u8),
            Verdict::NoConflict => Ok(200),
        }
    }

    fn clocks(ahead: &[(DeviceId, i64)]) -> Clocks {
        let mut clocks = Clocks::default();
        for (device, ahead_ms) in ahead {
            clocks.note(*device, *ahead_ms);
        }
        clocks
    }

    #[test]
    fn the_newest_is_told_by_clocks_that_were_compared() {
        let heads = [file(OWN, 1, NOW - 50_000), file(OTHER, 2, NOW - 20_000)];
        let newest = |ahead| judged(&heads, &Policy::Newest, &clocks(ahead));
        assert_eq!(newest(&[]), Err(Doubt::UnknownClock));
        assert_eq!(newest(&[(OTHER, 0)]), Ok(2));
        assert_eq!(newest(&[(OTHER, 100_000)]), Ok(1), "its clock is ahead, its edit is not later");
        assert_eq!(newest(&[(OTHER, -600_000)]), Err(Doubt::WrongClock));
        assert_eq!(newest(&[(OTHER, 30_500)]), Err(Doubt::TooClose));
    }

    #[test]
    fn a_device_is_named_by_the_version_that_it_alone_made() {
        let two = [file(OWN, 1, 0), file(OTHER, 2, 0)];
        let device =
            |heads: &[Head], device| judged(heads, &Policy::Device(device), &Clocks::default());
        assert_eq!(device(&two, OTHER), Ok(2));
        assert_eq!(device(&two, THIRD), Err(Doubt::NotMade));
        let three = [file(OWN, 1, 0), file(OTHER, 2, 0), file(OTHER, 3, 0)];
        assert_eq!(device(&three, OTHER), Err(Doubt::SeveralMade));
    }

    #[test]
    fn what_is_not_here_or_no_file_is_left_to_a_person() {
        let (a, mut b) = (file(OWN, 1, 0), file(OTHER, 2, 0));
        let merged = |heads: &[Head]| judged(heads, &Policy::Merge, &Clocks::default());
        assert_eq!(merged(&[a.clone(), b.clone()]), Ok(102));
        b.holders = HolderSet::default();
        assert_eq!(merged(&[a.clone(), b.clone()]), Err(Doubt::NotHere));
        b.record.content = Content::Symlink { target: "t".into() };
        b.holders = HolderSet::only(Slot::ME);
        assert_eq!(merged(&[a.clone(), b.clone()]), Err(Doubt::NotFiles));
        let kept = judged(&[a.clone(), b.clone()], &Policy::Device(OWN), &Clocks::default());
        assert_eq!(kept, Ok(1));
        b.record.content = Content::Directory { mode: 0o755 };
        let kept = judged(&[a, b], &Policy::Device(OWN), &Clocks::default());
        assert_eq!(kept, Err(Doubt::NotFiles));
    }

    #[test]
    fn a_policy_acts_beside_one_that_acted_and_not_between_two() {
        let policy = Policy::Device(OWN);
        let judged = |heads: &[Head]| judged(heads, &policy, &Clocks::default());
        assert_eq!(judged(&[spent(file(OWN, 1, 0)), file(OTHER, 2, 0)]), Ok(1));
        let both = [spent(file(OWN, 1, 0)), spent(file(OTHER, 2, 0))];
        assert_eq!(judged(&both), Err(Doubt::Spent));
        // What a person made again counts as theirs.
        let again = [both[0].clone(), both[1].clone(), file(THIRD, 2, 0)];
        assert_eq!(judged(&again), Ok(1));
        assert_eq!(judged(&[file(OWN, 1, 0), file(OTHER, 1, 0)]), Ok(200));
    }

    /// N6
    #[test]
    fn an_edit_is_never_before_what_it_was_made_on() {
        let mut entry = Entry::default();
        entry.heads.learn(file(OTHER, 2, NOW + 30_000));
        let time = |ahead| clocks(ahead).hybrid_ms(&entry, &OWN, NOW);
        assert_eq!(time(&[(OTHER, 0)]), NOW + 30_001);
        assert_eq!(time(&[(OTHER, 40_000)]), NOW, "its clock is ahead, and known to be");
        assert_eq!(time(&[(OTHER, -40_000)]), NOW, "nobody knows the future");
        assert_eq!(time(&[]), NOW);
    }
}
