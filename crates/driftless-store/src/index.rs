//! The index on an open database: core's port, and a few values for the daemon.

mod children;
mod compare;
mod entries;

pub use children::{Children, Position};

use driftless_core::index::Flag;
use driftless_core::{
    Author, BlockHash, BlockList, ContentId, Cursor, DeviceId, Difference, Entry, Epoch, Index,
    IndexIdentity, RelPath, Sequence, Slot, Stretch, Totals,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::below::Sums;
use crate::codec;
use crate::error::IndexError;
use crate::lists;
use crate::names::Names;
use crate::{key, state};

/// The longest name of a value of [`SqliteIndex::put_meta`], in bytes.
pub const MAX_META_KEY_BYTES: usize = 64;

/// The longest value of [`SqliteIndex::put_meta`], in bytes.
pub const MAX_META_VALUE_BYTES: usize = 64 << 10;

/// An [`Index`] in an SQLite database.
#[derive(Debug)]
pub struct SqliteIndex {
    pub(crate) connection: Connection,
    pub(crate) identity: IndexIdentity,
    pub(crate) last_sequence: Sequence,
    pub(crate) totals: Totals,
    pub(crate) names: Names,
    /// The devices by slot, this one first.
    slots: Vec<DeviceId>,
    /// What a rollback returns to; `None` outside a transaction.
    pub(crate) before: Option<Before>,
    /// Where entries are encoded.
    buffer: Vec<u8>,
    /// What lies below each directory, once somebody asked.
    sums: Option<Sums>,
}

/// What the index held in memory when the transaction began.
#[derive(Debug)]
pub(crate) struct Before {
    identity: IndexIdentity,
    last_sequence: Sequence,
    totals: Totals,
    names: usize,
    slots: usize,
}

impl SqliteIndex {
    pub(crate) fn new(
        connection: Connection,
        identity: IndexIdentity,
        last_sequence: Sequence,
        totals: Totals,
        names: Names,
        slots: Vec<DeviceId>,
    ) -> Self {
        let (before, buffer, sums) = (None, Vec::new(), None);
        Self { connection, identity, last_sequence, totals, names, slots, before, buffer, sums }
    }

    /// The value that [`SqliteIndex::put_meta`] stored under `name`.
    pub fn get_meta(&self, name: &str) -> Result<Option<Vec<u8>>, IndexError> {
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM meta WHERE key = ?")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    /// Stores a value of the daemon's own; an empty one is forgotten. Durable
    /// with the open transaction, or at once where none is open.
    ///
    /// # Errors
    ///
    /// [`IndexError::Misuse`] above [`MAX_META_KEY_BYTES`] or [`MAX_META_VALUE_BYTES`].
    pub fn put_meta(&mut self, name: &str, value: &[u8]) -> Result<(), IndexError> {
        if name.len() > MAX_META_KEY_BYTES || value.len() > MAX_META_VALUE_BYTES {
            return Err(IndexError::Misuse("a value is too large"));
        }
        if self.before.is_some() {
            self.in_transaction()?;
        }
        if value.is_empty() {
            self.connection.prepare_cached("DELETE FROM meta WHERE key = ?")?.execute([name])?;
        } else {
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)")?
                .execute(params![name, value])?;
        }
        Ok(())
    }

    /// SQLite rolls back by itself on some failures; no write may then slip
    /// through on its own.
    fn in_transaction(&self) -> Result<(), IndexError> {
        if self.before.is_none() {
            return Err(IndexError::Misuse("a write needs a transaction"));
        }
        if self.connection.is_autocommit() {
            return Err(IndexError::Misuse("the transaction has failed"));
        }
        Ok(())
    }

    fn run(&self, sql: &str) -> Result<(), IndexError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

impl Index for SqliteIndex {
    type Error = IndexError;

    fn begin(&mut self) -> Result<(), IndexError> {
        if self.before.is_some() {
            return Err(IndexError::Misuse("a transaction is open already"));
        }
        self.run("BEGIN IMMEDIATE")?;
        self.before = Some(Before {
            identity: self.identity,
            last_sequence: self.last_sequence,
            totals: self.totals,
            names: self.names.len(),
            slots: self.slots.len(),
        });
        Ok(())
    }

    fn commit(&mut self) -> Result<(), IndexError> {
        self.in_transaction()?;
        let is_changed = self.before.as_ref().is_some_and(|before| {
            (before.identity, before.last_sequence) != (self.identity, self.last_sequence)
                || before.totals != self.totals
        });
        if is_changed {
            state::save(&self.connection, self.identity, self.last_sequence, &self.totals)?;
        }
        self.run("COMMIT")?;
        self.before = None;
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), IndexError> {
        let before = self.before.take();
        let before = before.ok_or(IndexError::Misuse("there is no transaction to roll back"))?;
        self.identity = before.identity;
        self.last_sequence = before.last_sequence;
        self.totals = before.totals;
        self.sums = None;
        self.names.truncate(before.names);
        self.slots.truncate(before.slots);
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.run("ROLLBACK")
    }

    fn identity(&self) -> IndexIdentity {
        self.identity
    }

    fn begin_epoch(&mut self, epoch: Epoch, author: Author) -> Result<(), IndexError> {
        self.in_transaction()?;
        (self.identity.epoch, self.identity.author) = (epoch, author);
        self.run("UPDATE cursors SET sent = 0, acknowledged = 0")?;
        // All to 0 first: a new sequence may be one that another path has.
        self.run("UPDATE entries SET sequence = 0 WHERE sequence <> 0")?;
        let mut last = 0;
        self.walk(|index, found| {
            if !found.entry.announced().is_empty() {
                last += 1;
                let sql = "UPDATE entries SET sequence = ? WHERE id = ?";
                index.connection.prepare_cached(sql)?.execute([last, found.id])?;
            }
            Ok(())
        })?;
        self.last_sequence = Sequence(last as u64);
        Ok(())
    }

    fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    fn totals(&self) -> &Totals {
        &self.totals
    }

    fn get(&self, path: &RelPath) -> Result<Option<Entry>, IndexError> {
        Ok(self.find(&key::of_path(path))?.map(|(_, entry)| entry))
    }

    fn put(
        &mut self,
        path: &RelPath,
        entry: &Entry,
        announce: bool,
    ) -> Result<Sequence, IndexError> {
        self.in_transaction()?;
        if !codec::is_storable(entry) {
            return Err(IndexError::Misuse("a version has too many authors"));
        }
        let next = Sequence(self.last_sequence.0 + 1);
        let sequence = if announce { next } else { entry.sequence };
        if !announce && sequence > self.last_sequence {
            return Err(IndexError::Sequence(sequence));
        }
        let key = key::of_path(path);
        let old = self.find(&key)?;
        match &old {
            Some((id, _)) => self.update(*id, entry, sequence)?,
            None => self.insert(&key, entry, sequence)?,
        }
        if let Some((_, old)) = &old {
            self.totals.remove(old);
        }
        self.totals.add(entry);
        if let Some(sums) = &mut self.sums {
            sums.replace(&key, old.as_ref().map(|(_, old)| old), Some(entry));
        }
        if announce {
            self.last_sequence = next;
        }
        Ok(sequence)
    }

    fn remove(&mut self, path: &RelPath) -> Result<(), IndexError> {
        self.in_transaction()?;
        let key = key::of_path(path);
        if let Some((id, old)) = self.find(&key)? {
            self.connection.prepare_cached("DELETE FROM entries WHERE id = ?")?.execute([id])?;
            self.totals.remove(&old);
            if let Some(sums) = &mut self.sums {
                sums.replace(&key, Some(&old), None);
            }
        }
        Ok(())
    }

    fn range(
        &self,
        within: Option<&RelPath>,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        let (first, end) = key::bounds(within, after);
        self.page(entries::ALL, &first, &end, limit)
    }

    fn differences(
        &self,
        stretch: &Stretch<'_>,
        limit: usize,
        in_any_case: &dyn Fn(&RelPath) -> bool,
    ) -> Result<Vec<Difference>, IndexError> {
        self.compare(stretch, limit, in_any_case)
    }

    fn announced_after(
        &self,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        self.announced(after, limit)
    }

    fn needed(
        &self,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        self.page(entries::NEEDED, &key::just_above(after), key::AFTER_ALL, limit)
    }

    fn needed_deletions(
        &self,
        before: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        let end = before.map_or_else(|| key::AFTER_ALL.to_vec(), key::of_path);
        self.page(entries::DELETIONS_BACKWARDS, key::BEFORE_ALL, &end, limit)
    }

    fn flagged(
        &self,
        flag: Flag,
        after: Option<&RelPath>,
        limit: usize,
    ) -> Result<Vec<(RelPath, Entry)>, IndexError> {
        let sql = match flag {
            Flag::Conflict => entries::CONFLICTS,
            Flag::Local => entries::LOCAL,
            Flag::Ignored => entries::IGNORED,
        };
        self.page(sql, &key::just_above(after), key::AFTER_ALL, limit)
    }

    fn paths_with(&self, content: ContentId, limit: usize) -> Result<Vec<RelPath>, IndexError> {
        self.holding(content, limit)
    }

    fn block_list(&self, content: ContentId) -> Result<Option<BlockList>, IndexError> {
        lists::get(&self.connection, content)
    }

    fn put_block_list(&mut self, content: ContentId, list: &BlockList) -> Result<(), IndexError> {
        self.in_transaction()?;
        lists::put(&self.connection, content, list)
    }

    fn find_block(&self, hash: BlockHash) -> Result<Option<(ContentId, u64)>, IndexError> {
        lists::find(&self.connection, hash)
    }

    fn collect_block_lists(&mut self) -> Result<usize, IndexError> {
        self.in_transaction()?;
        let mut unused = lists::all(&self.connection)?;
        self.walk(|_, found| {
            for record in codec::records(&found.entry) {
                if let Some((content, _)) = record.content.file() {
                    unused.remove(&content);
                }
            }
            Ok(())
        })?;
        unused.values().try_for_each(|number| lists::remove(&self.connection, *number))?;
        Ok(unused.len())
    }

    fn slot(&mut self, device: &DeviceId) -> Result<Option<Slot>, IndexError> {
        if let Some(number) = self.slots.iter().position(|known| known == device) {
            return Ok(Slot::new(number));
        }
        self.in_transaction()?;
        let number = self.slots.len();
        let Some(slot) = Slot::new(number) else { return Ok(None) };
        self.connection
            .prepare_cached("INSERT INTO slots (slot, device) VALUES (?, ?)")?
            .execute(params![number as i64, device.as_bytes()])?;
        self.slots.push(*device);
        Ok(Some(slot))
    }

    fn devices(&self) -> Vec<(Slot, DeviceId)> {
        let numbered = self.slots.iter().enumerate().skip(1);
        numbered.filter_map(|(number, device)| Some((Slot::new(number)?, *device))).collect()
    }

    fn cursor(&self, slot: Slot) -> Result<Cursor, IndexError> {
        let sql = "SELECT epoch, heard, received, sent, acknowledged FROM cursors WHERE slot = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let cursor = statement.query_row([slot.number() as i64], |row| {
            Ok(Cursor {
                epoch: row.get::<_, Option<i64>>(0)?.map(|epoch| Epoch(epoch as u64)),
                heard: Sequence(row.get::<_, i64>(1)? as u64),
                received: Sequence(row.get::<_, i64>(2)? as u64),
                sent: Sequence(row.get::<_, i64>(3)? as u64),
                acknowledged: Sequence(row.get::<_, i64>(4)? as u64),
            })
        });
        Ok(cursor.optional()?.unwrap_or_default())
    }

    fn set_cursor(&mut self, slot: Slot, cursor: Cursor) -> Result<(), IndexError> {
        self.in_transaction()?;
        let sql =
            "INSERT OR REPLACE INTO cursors (slot, epoch, heard, received, sent, acknowledged)
                   VALUES (?, ?, ?, ?, ?, ?)";
        self.connection.prepare_cached(sql)?.execute(params![
            slot.number() as i64,
            cursor.epoch.map(|epoch| epoch.0 as i64),
            cursor.heard.0 as i64,
            cursor.received.0 as i64,
            cursor.sent.0 as i64,
            cursor.acknowledged.0 as i64,
        ])?;
        Ok(())
    }

    fn clear_holder(&mut self, slot: Slot) -> Result<(), IndexError> {
        self.in_transaction()?;
        // Nearly every entry may change; counting anew costs less.
        self.sums = None;
        self.walk(|index, found| {
            let mut entry = found.entry.clone();
            entry.heads.forget_holder(slot);
            if entry != found.entry {
                index.update(found.id, &entry, entry.sequence)?;
                index.totals.remove(&found.entry);
                index.totals.add(&entry);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use driftless_core::{FolderId, InstanceId};

    use super::*;
    use crate::{OpenMode, Owner};

    fn owner() -> Owner {
        Owner {
            folder: FolderId::parse("f").unwrap(),
            instance: InstanceId([1; 16]),
            device: DeviceId::from_bytes([1; 32]),
        }
    }

    fn fill(index: &mut SqliteIndex, prefix: &str) -> Result<(), IndexError> {
        for number in 0..5000 {
            let path = RelPath::parse(&format!("{prefix}-{number:05}")).unwrap();
            index.put(&path, &Entry::default(), true)?;
        }
        index.commit()
    }

    #[test]
    fn d1_a_full_disk_is_told_apart_and_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.db");
        let (mut index, _) =
            SqliteIndex::open(&path, &owner(), OpenMode::Create(Epoch(1))).unwrap();
        index.begin().unwrap();
        fill(&mut index, "kept").unwrap();
        let pages: i64 =
            index.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = |index: &SqliteIndex, pages: i64| {
            let sql = format!("PRAGMA max_page_count = {pages}");
            index.connection.execute_batch(&sql).unwrap();
        };
        limit(&index, pages + 2);
        let totals = index.totals;
        index.begin().unwrap();
        let error = fill(&mut index, "lost").unwrap_err();
        assert!(matches!(error, IndexError::Full(_)), "{error:?}");
        index.rollback().unwrap();
        assert_eq!((index.last_sequence, index.totals), (Sequence(5000), totals));
        limit(&index, 1 << 20);
        index.begin().unwrap();
        fill(&mut index, "more").expect("there is room again");
        assert_eq!(index.last_sequence, Sequence(10_000));
        index.close().unwrap();
        let (index, _) = SqliteIndex::open(&path, &owner(), OpenMode::Existing).unwrap();
        let lost = index.range(None, RelPath::parse("lost").ok().as_ref(), 1).unwrap();
        assert!(lost[0].0.as_str().starts_with("more"));
    }

    #[test]
    fn no_question_becomes_a_scan_or_a_sort() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.db");
        let (index, _) = SqliteIndex::open(&path, &owner(), OpenMode::Create(Epoch(1))).unwrap();
        for sql in entries::QUERIES {
            let mut statement =
                index.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let count = statement.parameter_count();
            let parameters = rusqlite::params_from_iter(vec![0; count]);
            let steps: Vec<String> = statement
                .query_map(parameters, |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert_eq!(steps.len(), 1, "{sql}: {steps:?}");
            assert!(steps[0].starts_with("SEARCH entries USING INDEX"), "{sql}: {steps:?}");
        }
    }
}
