//! Version vectors (Parker et al., 1983): which edits a record has seen.

use std::cmp::Ordering;

use crate::id::Author;
use crate::sabotage::{Sabotage, is};

/// The most authors in one vector. Each epoch of each device that ever edited
/// one path is an author, so that a person's use stays far below.
pub const MAX_AUTHORS: usize = 256;

/// The largest counter. A device whose counter would pass it takes a new epoch
/// instead; far below 2⁶⁴, so that sums never overflow.
pub const MAX_COUNTER: u64 = 1 << 48;

/// How many edits of each author a record has seen. Absent authors count 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VersionVector(Vec<(Author, u64)>);

/// Why counters make no version vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// A counter of 0 or above [`MAX_COUNTER`].
    #[error("a version counter is out of bounds")]
    Counter,
    /// More than [`MAX_AUTHORS`] authors.
    #[error("a version has too many authors")]
    TooManyAuthors,
    /// Authors that are not strictly ascending.
    #[error("a version's authors are out of order")]
    Order,
}

impl VersionVector {
    /// The vector that has seen nothing.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Checks counters as they come from a device or the database.
    pub fn from_counters(counters: Vec<(Author, u64)>) -> Result<Self, VersionError> {
        if counters.len() > MAX_AUTHORS {
            return Err(VersionError::TooManyAuthors);
        }
        if counters.iter().any(|&(_, count)| count == 0 || count > MAX_COUNTER) {
            return Err(VersionError::Counter);
        }
        if counters.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(VersionError::Order);
        }
        Ok(Self(counters))
    }

    /// The authors and their counters, ascending by author.
    pub fn counters(&self) -> &[(Author, u64)] {
        &self.0
    }

    /// How many edits of `author` this has seen.
    pub fn get(&self, author: Author) -> u64 {
        self.0.binary_search_by_key(&author, |&(a, _)| a).map_or(0, |index| self.0[index].1)
    }

    /// Whether this has seen nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This vector after one more edit by `author`, counted above `floor`;
    /// `None` once the counter or the number of authors would pass its bound.
    #[must_use]
    pub fn bumped(&self, author: Author, floor: u64) -> Option<Self> {
        let count = self.get(author).max(floor).checked_add(1)?;
        let mut counters = self.0.clone();
        match counters.binary_search_by_key(&author, |&(a, _)| a) {
            Ok(index) => counters[index].1 = count,
            Err(index) => counters.insert(index, (author, count)),
        }
        (count <= MAX_COUNTER && counters.len() <= MAX_AUTHORS).then_some(Self(counters))
    }

    /// The least vector that has seen all that either has.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut counters = Vec::with_capacity(self.0.len().max(other.0.len()));
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => match l.0.cmp(&r.0) {
                    Ordering::Less => left.next().copied(),
                    Ordering::Greater => right.next().copied(),
                    Ordering::Equal => {
                        let joined = (l.0, l.1.max(r.1));
                        left.next();
                        right.next();
                        Some(joined)
                    }
                },
                (Some(_), None) => left.next().copied(),
                (None, _) => right.next().copied(),
            };
            match next {
                Some(counter) => counters.push(counter),
                None => return Self(counters),
            }
        }
    }

    /// `Less` when `other` has seen all that this has and more, and so on;
    /// `None` when the two are concurrent.
    pub fn causal_cmp(&self, other: &Self) -> Option<Ordering> {
        match (other.includes(self), self.includes(other)) {
            (true, true) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (false, false) => None,
        }
    }

    /// Whether this has seen all that `other` has.
    pub fn includes(&self, other: &Self) -> bool {
        let is_seen = |author, count| {
            let seen = self.get(author);
            seen >= count || (is(Sabotage::IgnoreMissingAuthors) && seen == 0)
        };
        other.0.iter().all(|&(author, count)| is_seen(author, count))
    }

    /// The sum of all counters: it grows along every causal step, which makes
    /// any order that compares it first an extension of causality.
    pub fn weight(&self) -> u64 {
        // 256 counters of at most 2^48 stay below 2^57.
        self.0.iter().map(|&(_, count)| count).sum()
    }

    /// This vector having seen at most `most` edits of `author`.
    #[must_use]
    pub fn capped(&self, author: Author, most: u64) -> Self {
        let cap = |(known, count): (Author, u64)| match known == author {
            true => (known, count.min(most)),
            false => (known, count),
        };
        Self(self.0.iter().copied().map(cap).filter(|&(_, count)| count > 0).collect())
    }
}

impl std::fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(author, count)| (author, count))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn vectors() -> impl Strategy<Value = VersionVector> {
        proptest::collection::btree_map(0_u64..4, 1_u64..4, 0..4)
            .prop_map(|map| VersionVector(map.into_iter().map(|(a, c)| (Author(a), c)).collect()))
    }

    proptest! {
        #[test]
        fn join_is_the_least_upper_bound(a in vectors(), b in vectors(), c in vectors()) {
            prop_assert_eq!(a.joined(&b), b.joined(&a));
            prop_assert_eq!(a.joined(&a), a.clone());
            prop_assert_eq!(a.joined(&b).joined(&c), a.joined(&b.joined(&c)));
            prop_assert!(a.joined(&b).includes(&a));
            prop_assert!(!c.includes(&a) || !c.includes(&b) || c.includes(&a.joined(&b)));
        }

        #[test]
        fn weight_extends_causality(a in vectors(), b in vectors()) {
            if a.causal_cmp(&b) == Some(Ordering::Less) {
                prop_assert!(a.weight() < b.weight());
            }
        }

        #[test]
        fn a_bump_dominates(a in vectors(), author in 0_u64..5, floor in 0_u64..9) {
            let bumped = a.bumped(Author(author), floor).unwrap();
            prop_assert_eq!(a.causal_cmp(&bumped), Some(Ordering::Less));
        }
    }

    /// H8
    #[test]
    fn absurd_counters_are_refused_and_never_reached() {
        let author = Author(1);
        assert_eq!(
            VersionVector::from_counters(vec![(author, u64::MAX)]),
            Err(VersionError::Counter)
        );
        assert_eq!(VersionVector::from_counters(vec![(author, 0)]), Err(VersionError::Counter));
        let full = VersionVector::from_counters(vec![(author, MAX_COUNTER)]).unwrap();
        assert_eq!(full.bumped(author, 0), None);
    }

    #[test]
    fn a_join_of_many_authors_is_not_built_upon() {
        let of = |first: u64| (first..first + 200).map(|n| (Author(n), 1)).collect();
        let joined = VersionVector::from_counters(of(1)).unwrap();
        let joined = joined.joined(&VersionVector::from_counters(of(101)).unwrap());
        assert!(joined.counters().len() > MAX_AUTHORS);
        assert_eq!(joined.bumped(Author(1), 0), None);
    }
}
