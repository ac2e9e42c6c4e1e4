//! Heads: a path's state as the set of its maximal, pairwise concurrent records.
//!
//! A multi-value register (Shapiro et al., 2011) over version vectors (Parker
//! et al., 1983). Joining is set union minus what is dominated: commutative,
//! associative and idempotent, so that devices agree in whatever order they
//! hear of edits. What is shown, and what counts as a conflict, are views.

use std::cmp::Ordering;

use crate::record::{Content, FileRecord};
use crate::sabotage::{Sabotage, is};

/// The most heads of one path that are taken over from devices.
pub const MAX_HEADS: usize = 64;

/// A folder's devices, numbered by this device's index; slot 0 is this device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u8);

/// The most devices of one folder, this one counted.
pub const MAX_SLOTS: usize = 64;

impl Slot {
    /// This device.
    pub const ME: Self = Self(0);

    /// Checks a number; `None` from [`MAX_SLOTS`] on.
    pub fn new(number: usize) -> Option<Self> {
        (number < MAX_SLOTS).then_some(Self(number as u8))
    }

    /// The number, below [`MAX_SLOTS`].
    pub fn number(self) -> usize {
        usize::from(self.0)
    }
}

/// Which devices have said that they durably hold a head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct HolderSet(u64);

impl HolderSet {
    /// The set with these bits, by slot number.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits, by slot number.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set of one device.
    pub fn only(slot: Slot) -> Self {
        Self(1 << slot.0)
    }

    /// Whether `slot` is in the set.
    pub fn contains(self, slot: Slot) -> bool {
        self.0 & (1 << slot.0) != 0
    }

    /// The set with `slot`.
    #[must_use]
    pub fn with(self, slot: Slot) -> Self {
        Self(self.0 | 1 << slot.0)
    }

    /// The set without `slot`.
    #[must_use]
    pub fn without(self, slot: Slot) -> Self {
        Self(self.0 & !(1 << slot.0))
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All slots, assigned or not, that are not in this set.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(!self.0)
    }

    /// Whether all of `other` is in this set.
    pub fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// How many devices are in the set.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether no device is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The devices, ascending.
    pub fn iter(self) -> impl Iterator<Item = Slot> {
        (0..MAX_SLOTS as u8).map(Slot).filter(move |&slot| self.contains(slot))
    }
}

/// A record that no known record of its path dominates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The record.
    pub record: FileRecord,
    /// Who durably holds it. Of a deletion, everyone who has not said that it
    /// has something else: who says nothing of a path has nothing to delete.
    pub holders: HolderSet,
}

/// The maximal records of one path, most shown first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Heads(Vec<Head>);

impl Heads {
    /// No record at all.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Joins `heads` in any order.
    pub fn from_heads(heads: impl IntoIterator<Item = Head>) -> Self {
        let mut joined = Self::new();
        for head in heads {
            joined.insert(head);
        }
        joined
    }

    /// Adds one head; drops whatever is dominated. Records that claim one
    /// version but differ are both kept: doubt is a conflict.
    pub fn insert(&mut self, head: Head) {
        let mut keep = true;
        self.0.retain_mut(|known| match known.record.version.causal_cmp(&head.record.version) {
            Some(Ordering::Less)
                if is(Sabotage::ResurrectDeleted) && head.record.content.is_tombstone() =>
            {
                true
            }
            None if is(Sabotage::LastHeardWins) => false,
            None if is(Sabotage::WallTimeDecides) => {
                let is_later = known.record.changed_ms <= head.record.changed_ms;
                keep &= is_later;
                !is_later
            }
            Some(Ordering::Less) => false,
            Some(Ordering::Greater) => {
                keep = false;
                true
            }
            Some(Ordering::Equal) if known.record == head.record => {
                known.holders = known.holders.union(head.holders);
                keep = false;
                true
            }
            Some(Ordering::Equal) | None => true,
        });
        if keep {
            let at = self.0.partition_point(|known| {
                is(Sabotage::FirstHeardShows)
                    || known.record.shown_order(&head.record) == Ordering::Greater
            });
            self.0.insert(at, head);
        }
    }

    /// Adds a head that is news. A deletion counts as held by everyone but
    /// the holders of what it supersedes.
    pub fn learn(&mut self, mut head: Head) {
        if head.record.content.is_tombstone() && !self.contains(&head.record) {
            let superseded = self.0.iter().filter(|known| {
                known.record.version.causal_cmp(&head.record.version) == Some(Ordering::Less)
            });
            let behind = superseded.fold(HolderSet::default(), |behind, known| {
                let is_gone = known.record.content.is_tombstone();
                behind.union(if is_gone { known.holders.complement() } else { known.holders })
            });
            head.holders = head.holders.union(behind.complement());
        }
        self.insert(head);
    }

    /// Takes back what the device in `slot` said: it holds no live head, and
    /// no longer says that it has what was deleted.
    pub fn forget_holder(&mut self, slot: Slot) {
        self.set_holder(slot, |record| record.content.is_tombstone());
    }

    /// The union of both, minus what is dominated.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        Self::from_heads(self.0.iter().chain(&other.0).cloned())
    }

    /// The heads, most shown first.
    pub fn iter(&self) -> std::slice::Iter<'_, Head> {
        self.0.iter()
    }

    /// How many heads there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The head that every device shows.
    pub fn shown(&self) -> Option<&Head> {
        self.0.first()
    }

    /// Whether `record` is one of the heads.
    pub fn contains(&self, record: &FileRecord) -> bool {
        self.0.iter().any(|head| head.record == *record)
    }

    /// The live heads whose data differ from the shown head's and from each
    /// other's: what a person has to choose among. Empty without a conflict.
    pub fn losers(&self) -> Vec<&Head> {
        let mut distinct: Vec<&Head> = Vec::new();
        for head in self.0.iter().filter(|head| !head.record.content.is_tombstone()) {
            let is_same = |known: &&Head| known.record.content.is_same_data(&head.record.content);
            if !distinct.iter().any(is_same) || is(Sabotage::EqualContentsConflict) {
                distinct.push(head);
            }
        }
        if !distinct.is_empty() {
            distinct.remove(0);
        }
        distinct
    }

    /// Whether a person has to choose.
    pub fn is_conflict(&self) -> bool {
        self.0.len() > 1 && !self.losers().is_empty()
    }

    /// The heads that an edit of `base` may supersede: `base` itself, whatever
    /// holds the same data, and deletions that a live head hides.
    pub fn superseded_by_edit_of<'a>(
        &'a self,
        base: &'a Content,
    ) -> impl Iterator<Item = &'a FileRecord> + 'a {
        self.0.iter().map(|head| &head.record).filter(|record| {
            record.content.is_tombstone()
                || record.content.is_same_data(base)
                || is(Sabotage::EditDecidesConflict)
        })
    }

    /// Adds `slot` to the holders of every head that `held` accepts and takes
    /// it from the others.
    pub fn set_holder(&mut self, slot: Slot, held: impl Fn(&FileRecord) -> bool) {
        for head in &mut self.0 {
            let was_held = is(Sabotage::KeepStaleHolders) && head.holders.contains(slot);
            head.holders = if held(&head.record) || was_held {
                head.holders.with(slot)
            } else {
                head.holders.without(slot)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use crate::id::{Author, BlockHash, ContentId, DeviceId};
    use crate::version::VersionVector;
    use proptest::prelude::*;

    fn content() -> impl Strategy<Value = Content> {
        prop_oneof![
            Just(Content::Tombstone { moved_to: None }),
            (0..3_u8).prop_map(|n| Content::Symlink { target: n.to_string().into() }),
            (0..3_u8, 0..2_u16, 0..2_i64).prop_map(|(n, mode, mtime_ns)| Content::File {
                content: ContentId::from_bytes(*BlockHash::of(&[n]).as_bytes()),
                size_bytes: 1,
                level: Level::default(),
                mode,
                mtime_ns,
            }),
            Just(Content::Directory { mode: 0o755 }),
        ]
    }

    fn record() -> impl Strategy<Value = FileRecord> {
        let version = proptest::collection::btree_map(0_u64..3, 1_u64..4, 1..4).prop_map(|map| {
            VersionVector::from_counters(map.into_iter().map(|(a, c)| (Author(a), c)).collect())
                .unwrap()
        });
        (version, content()).prop_map(|(version, content)| FileRecord {
            version,
            content,
            previous: None,
            device: DeviceId::from_bytes([0; 32]),
            changed_ms: 0,
            moved_from: None,
            policy_rounds: 0,
        })
    }

    fn heads() -> impl Strategy<Value = Heads> {
        proptest::collection::vec((record(), 0..8_u64), 0..5).prop_map(|records| {
            Heads::from_heads(
                records
                    .into_iter()
                    .map(|(record, bits)| Head { record, holders: HolderSet::from_bits(bits) }),
            )
        })
    }

    /// Holders are knowledge about a head; the join laws are about the records.
    fn records(heads: &Heads) -> Vec<FileRecord> {
        heads.iter().map(|head| head.record.clone()).collect()
    }

    #[test]
    fn a_deletion_is_lacked_only_by_who_has_said_to_have_the_file() {
        let of = |count, content| FileRecord {
            version: VersionVector::new().bumped(Author(1), count).unwrap(),
            content,
            previous: None,
            device: DeviceId::from_bytes([0; 32]),
            changed_ms: 0,
            moved_from: None,
            policy_rounds: 0,
        };
        let mut heads = Heads::new();
        let file = of(1, Content::Directory { mode: 0o755 });
        let holders = HolderSet::only(Slot(1)).with(Slot(2));
        heads.learn(Head { record: file, holders });
        let gone = of(2, Content::Tombstone { moved_to: None });
        heads.learn(Head { record: gone.clone(), holders: HolderSet::only(Slot(1)) });
        let held: Vec<_> = (0..4).map(|n| heads.0[0].holders.contains(Slot(n))).collect();
        assert_eq!((heads.len(), held), (1, vec![true, true, false, true]));
        let again = of(3, Content::Tombstone { moved_to: None });
        heads.learn(Head { record: again, holders: HolderSet::default() });
        assert!(!heads.0[0].holders.contains(Slot(2)), "it has not said otherwise since");
    }

    proptest! {
        /// I15, I6
        #[test]
        fn joining_is_commutative_associative_and_idempotent(a in heads(), b in heads(), c in heads()) {
            prop_assert_eq!(a.joined(&b), b.joined(&a));
            prop_assert_eq!(a.joined(&a), a.clone());
            prop_assert_eq!(records(&a.joined(&b).joined(&c)), records(&a.joined(&b.joined(&c))));
        }

        #[test]
        fn heads_are_pairwise_concurrent_or_claim_one_version(a in heads()) {
            for (index, left) in a.iter().enumerate() {
                for right in a.iter().skip(index + 1) {
                    let order = left.record.version.causal_cmp(&right.record.version);
                    prop_assert!(order.is_none() || order == Some(Ordering::Equal));
                }
            }
        }

        /// I7
        #[test]
        fn shown_order_is_strict_total_and_transitive(a in record(), b in record(), c in record()) {
            prop_assert_eq!(a.shown_order(&b), b.shown_order(&a).reverse());
            prop_assert_eq!(a.shown_order(&b) == Ordering::Equal, a == b);
            if a.shown_order(&b) != Ordering::Greater && b.shown_order(&c) != Ordering::Greater {
                prop_assert_ne!(a.shown_order(&c), Ordering::Greater);
            }
            let causal = a.version.causal_cmp(&b.version);
            if causal == Some(Ordering::Less) && a.content.rank() == b.content.rank() {
                prop_assert_eq!(a.shown_order(&b), Ordering::Less);
            }
        }

        /// I8, C13
        #[test]
        fn equal_data_is_no_conflict(a in heads()) {
            let live: Vec<_> = a.iter().filter(|head| !head.record.content.is_tombstone()).collect();
            let all_same = live.windows(2).all(|pair| pair[0].record.content.is_same_data(&pair[1].record.content));
            prop_assert_eq!(a.is_conflict(), !all_same);
        }
    }
}
