//! What an index should answer, written for obviousness: one map, every
//! question answered by looking at all of it.

use std::collections::{BTreeMap, BTreeSet};

use driftless_core::compare::is_as_known;
use driftless_core::index::Flag;
use driftless_core::{
    Author, BlockHash, ContentId, Cursor, DeviceId, Difference, Entry, Epoch, Index, Observed,
    RelPath, Sequence, Slot, Stretch, Totals,
};

use super::strategy::{Announce, LISTS, Write, all_paths, device, list};

/// Everything that an index holds.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) epoch: Epoch,
    pub(super) author: Author,
    pub(super) last: u64,
    pub(super) entries: BTreeMap<RelPath, Entry>,
    pub(super) lists: BTreeSet<u8>,
    pub(super) devices: Vec<DeviceId>,
    pub(super) cursors: BTreeMap<usize, Cursor>,
}

impl Model {
    /// Does one write to both the model and `index`, and compares what the write returns.
    pub(super) fn write(&mut self, index: &mut impl Index, write: &Write) {
        match write {
            Write::Put(path, entry, announce) => self.put(index, path, entry, *announce),
            Write::Remove(path) => {
                self.entries.remove(path);
                index.remove(path).expect("remove");
            }
            Write::BeginEpoch(number) => {
                (self.epoch, self.author) = (Epoch(*number), Author(!number));
                index.begin_epoch(self.epoch, self.author).expect("begin an epoch");
                self.last = 0;
                for entry in self.entries.values_mut() {
                    let announces = u64::from(!entry.announced().is_empty());
                    self.last += announces;
                    entry.sequence = Sequence(self.last * announces);
                }
                for cursor in self.cursors.values_mut() {
                    (cursor.sent, cursor.acknowledged) = (Sequence(0), Sequence(0));
                }
            }
            Write::PutList(number) => {
                self.lists.insert(*number);
                let list = list(*number);
                index.put_block_list(list.content_id(), &list).expect("put a block list");
            }
            Write::CollectLists => {
                let used = self.used();
                let before = self.lists.len();
                self.lists.retain(|number| used.contains(&list(*number).content_id()));
                let collected = index.collect_block_lists().expect("collect block lists");
                assert_eq!(collected, before - self.lists.len());
            }
            Write::Slot(number) => {
                let device = device(*number);
                if !self.devices.contains(&device) {
                    self.devices.push(device);
                }
                let position = self.devices.iter().position(|known| *known == device);
                let slot = index.slot(&device).expect("a slot");
                assert_eq!(slot, position.and_then(Slot::new));
            }
            Write::SetCursor(number, received, acknowledged) => {
                let cursor = Cursor {
                    epoch: (received % 2 == 0).then_some(Epoch(received ^ acknowledged)),
                    heard: Sequence(received ^ acknowledged),
                    received: Sequence(*received),
                    sent: Sequence(received.wrapping_add(*acknowledged)),
                    acknowledged: Sequence(*acknowledged),
                };
                self.cursors.insert(usize::from(*number), cursor);
                index.set_cursor(slot(*number), cursor).expect("set a cursor");
            }
            Write::ClearHolder(number) => {
                for entry in self.entries.values_mut() {
                    entry.heads.forget_holder(slot(*number));
                }
                index.clear_holder(slot(*number)).expect("clear a holder");
            }
        }
    }

    fn put(&mut self, index: &mut impl Index, path: &RelPath, entry: &Entry, announce: Announce) {
        let mut entry = entry.clone();
        if announce == Announce::Keep {
            entry.sequence = self.entries.get(path).map(|known| known.sequence).unwrap_or_default();
        }
        let sequence = index.put(path, &entry, announce == Announce::Next).expect("put");
        if announce == Announce::Next {
            self.last += 1;
            entry.sequence = Sequence(self.last);
        }
        assert_eq!(sequence, entry.sequence);
        self.entries.insert(path.clone(), entry);
    }

    fn used(&self) -> BTreeSet<ContentId> {
        let heads = self.entries.values().flat_map(|entry| entry.heads.iter());
        let disks = self.entries.values().filter_map(|entry| entry.disk.as_ref());
        let landing = self.entries.values().filter_map(|entry| entry.landing.as_ref());
        let records = heads.map(|head| &head.record).chain(disks.map(|disk| &disk.record));
        records
            .chain(landing)
            .filter_map(|record| record.content.file())
            .map(|(content, _)| content)
            .collect()
    }

    fn paths_with(&self, content: ContentId) -> BTreeSet<RelPath> {
        let holds = |entry: &Entry| {
            let present = entry.present();
            present.is_some_and(|disk| disk.record.content.file().is_some_and(|f| f.0 == content))
        };
        self.entries.iter().filter(|(_, e)| holds(e)).map(|(path, _)| path.clone()).collect()
    }

    /// The entries that `keep` accepts, in path order.
    fn select(&self, keep: impl Fn(&RelPath, &Entry) -> bool) -> Vec<(RelPath, Entry)> {
        let entries = self.entries.iter().filter(|(path, entry)| keep(path, entry));
        entries.map(|(path, entry)| (path.clone(), entry.clone())).collect()
    }

    /// Asks `index` every question and compares the answers.
    pub(super) fn assert_agrees(&self, index: &impl Index) {
        let identity = index.identity();
        assert_eq!((identity.epoch, identity.author), (self.epoch, self.author));
        assert_eq!(index.last_sequence(), Sequence(self.last));
        let mut totals = Totals::default();
        self.entries.values().for_each(|entry| totals.add(entry));
        assert_eq!(*index.totals(), totals);
        let numbered = self.devices.iter().enumerate().skip(1);
        let devices: Vec<_> =
            numbered.map(|(n, device)| (Slot::new(n).expect("few devices"), *device)).collect();
        assert_eq!(index.devices(), devices);
        for number in 0..6 {
            let cursor = self.cursors.get(&usize::from(number)).copied().unwrap_or_default();
            assert_eq!(index.cursor(slot(number)).expect("a cursor"), cursor);
        }
        self.assert_agrees_on_entries(index);
        self.assert_agrees_on_blocks(index);
    }

    fn assert_agrees_on_entries(&self, index: &impl Index) {
        let places: Vec<_> =
            std::iter::once(None).chain(all_paths().into_iter().map(Some)).collect();
        for place in &places {
            let place = place.as_ref();
            let after = |path: &RelPath| place.is_none_or(|place| path > place);
            let before = |path: &RelPath| place.is_none_or(|place| path < place);
            if let Some(path) = place {
                assert_eq!(index.get(path).expect("get").as_ref(), self.entries.get(path));
            }
            for within in &places {
                let inside = |p: &RelPath| within.as_ref().is_none_or(|within| p.is_within(within));
                let expected = self.select(|path, _| inside(path) && after(path));
                agree(&expected, |limit| index.range(within.as_ref(), place, limit));
                assert_compares(&expected, index, (within.as_ref(), place));
            }
            let needed = self.select(|path, entry| after(path) && entry.is_needed());
            agree(&needed, |limit| index.needed(place, limit));
            let mut deletions = self.select(|path, entry| {
                let deletes = entry.shown().is_some_and(|shown| shown.content.is_tombstone());
                before(path) && entry.is_needed() && deletes
            });
            deletions.reverse();
            agree(&deletions, |limit| index.needed_deletions(place, limit));
            for flag in [Flag::Conflict, Flag::Local, Flag::Ignored] {
                let expected = self.select(|path, entry| {
                    after(path)
                        && match flag {
                            Flag::Conflict => entry.heads.is_conflict(),
                            Flag::Local => entry.is_local(),
                            Flag::Ignored => entry.ignored,
                        }
                });
                agree(&expected, |limit| index.flagged(flag, place, limit));
            }
        }
        for after in (0..=self.last).map(Sequence) {
            let mut expected = self.select(|_, entry| entry.sequence > after);
            expected.sort_by_key(|(_, entry)| entry.sequence);
            agree(&expected, |limit| index.announced_after(after, limit));
        }
    }

    fn assert_agrees_on_blocks(&self, index: &impl Index) {
        for number in 0..LISTS {
            let list = list(number);
            let content = list.content_id();
            let expected = self.lists.contains(&number).then_some(&list);
            assert_eq!(index.block_list(content).expect("a block list").as_ref(), expected);
            let paths = self.paths_with(content);
            for limit in [0, 1, usize::MAX] {
                let found = index.paths_with(content, limit).expect("paths");
                assert_eq!(found.len(), paths.len().min(limit));
                assert!(found.iter().all(|path| paths.contains(path)));
                assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
            }
        }
        for number in 0..=LISTS {
            self.assert_finds(index, BlockHash::of(&[number]));
        }
    }

    /// Any place of the block will do, but one in the tree if there is one.
    fn assert_finds(&self, index: &impl Index, hash: BlockHash) {
        let mut places = Vec::new();
        for known in self.lists.iter().map(|number| list(*number)) {
            for (offset, _) in known.with_offsets().filter(|(_, block)| block.hash == hash) {
                let in_tree = !self.paths_with(known.content_id()).is_empty();
                places.push((in_tree, known.content_id(), offset));
            }
        }
        let best = places.iter().any(|place| place.0);
        match index.find_block(hash).expect("find a block") {
            Some((content, offset)) => assert!(places.contains(&(best, content, offset))),
            None => assert!(places.is_empty()),
        }
    }
}

/// Compares a question's answers for several limits.
fn agree<E: std::fmt::Debug>(
    expected: &[(RelPath, Entry)],
    ask: impl Fn(usize) -> Result<Vec<(RelPath, Entry)>, E>,
) {
    for limit in [0, 1, 2, usize::MAX] {
        let answer = ask(limit).expect("an answer");
        assert_eq!(answer, expected[..expected.len().min(limit)]);
    }
}

/// The slot of a small number.
pub(super) fn slot(number: u8) -> Slot {
    Slot::new(usize::from(number)).expect("a small number")
}

/// Compares what was found with what is known between two bounds, as a scan
/// does that found some of it unchanged, some changed, some not, and new paths.
fn assert_compares(
    known: &[(RelPath, Entry)],
    index: &impl Index,
    (within, after): (Option<&RelPath>, Option<&RelPath>),
) {
    let known: BTreeMap<&RelPath, &Entry> =
        known.iter().map(|(path, entry)| (path, entry)).collect();
    let is_inside = |path: &RelPath| {
        within.is_none_or(|within| path.is_within(within)) && after.is_none_or(|after| path > after)
    };
    let mut paths: Vec<_> = all_paths().into_iter().filter(|path| is_inside(path)).collect();
    paths.sort();
    let see = |(number, path): (usize, RelPath)| {
        let mut stat = known
            .get(&path)
            .and_then(|entry| entry.disk.as_ref())
            .map(|disk| disk.stat)
            .unwrap_or_default();
        match number % 5 {
            0 => return None,
            1 => stat.inode ^= 1,
            2 => return Some((path, Observed::Directory(stat))),
            _ => {}
        }
        Some((path, Observed::File(stat)))
    };
    let found: Vec<_> = paths.iter().cloned().enumerate().filter_map(see).collect();
    let upto = found.last().map(|(path, _)| path);
    let in_any_case = |path: &RelPath| path.as_str().len().is_multiple_of(3);
    for upto in [None, upto] {
        let mut expected = Vec::new();
        for path in paths.iter().filter(|path| upto.is_none_or(|upto| *path <= upto)) {
            let at = found.iter().position(|(found, _)| found == path);
            let entry = known.get(path).copied().cloned();
            let is_known = at
                .zip(entry.as_ref())
                .is_some_and(|(at, entry)| is_as_known(entry, &found[at].1) && !in_any_case(path));
            if !is_known && (at.is_some() || entry.is_some()) {
                expected.push(Difference { path: path.clone(), entry, found: at });
            }
        }
        let stretch = Stretch { within, after, upto, found: &found };
        for limit in [1, 3, usize::MAX] {
            let answer = index.differences(&stretch, limit, &in_any_case).expect("a comparison");
            assert_eq!(answer, expected[..expected.len().min(limit)]);
        }
    }
}
