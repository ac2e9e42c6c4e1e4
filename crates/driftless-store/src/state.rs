//! The one row that says whose index this is, and its sums as bytes.

use driftless_core::heads::MAX_SLOTS;
use driftless_core::{
    Author, DeviceId, Epoch, FolderId, IndexIdentity, InstanceId, Sequence, Totals,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::IndexError;
use crate::open::Owner;

/// The row `state`.
pub(crate) struct State {
    pub(crate) folder: FolderId,
    pub(crate) device: DeviceId,
    pub(crate) identity: IndexIdentity,
    pub(crate) last_sequence: Sequence,
    /// `None` if they are missing or of another version.
    pub(crate) totals: Option<Totals>,
    pub(crate) clean: bool,
}

impl State {
    /// What a new index begins with.
    pub(crate) fn fresh(owner: &Owner, epoch: Epoch) -> Self {
        let author = Author::of(&owner.device, epoch);
        Self {
            folder: owner.folder.clone(),
            device: owner.device,
            identity: IndexIdentity { instance: owner.instance, epoch, author },
            last_sequence: Sequence(0),
            totals: Some(Totals::default()),
            clean: false,
        }
    }

    /// Reads the row; `None` before it was first written.
    pub(crate) fn load(connection: &Connection) -> Result<Option<Self>, IndexError> {
        let sql = "SELECT folder, instance, device, epoch, author, last_sequence, totals, clean
                   FROM state WHERE id = 0";
        let row = connection
            .query_row(sql, [], |row| {
                let text: String = row.get(0)?;
                let identity = IndexIdentity {
                    instance: InstanceId(row.get(1)?),
                    epoch: Epoch(row.get::<_, i64>(3)? as u64),
                    author: Author(row.get::<_, i64>(4)? as u64),
                };
                let totals: Option<Vec<u8>> = row.get(6)?;
                let device = DeviceId::from_bytes(row.get(2)?);
                Ok((text, device, identity, row.get::<_, i64>(5)?, totals, row.get(7)?))
            })
            .optional()?;
        let Some((text, device, identity, last, totals, clean)) = row else { return Ok(None) };
        Ok(Some(Self {
            folder: FolderId::parse(&text)
                .map_err(|_| IndexError::corrupt("the folder's ID is none"))?,
            device,
            identity,
            last_sequence: Sequence(last as u64),
            totals: totals.as_deref().and_then(totals_from_bytes),
            clean,
        }))
    }

    /// Writes the row for the first time.
    pub(crate) fn insert(&self, connection: &Connection) -> Result<(), IndexError> {
        connection.execute(
            "INSERT INTO state VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.folder.as_str(),
                self.identity.instance.0,
                self.device.as_bytes(),
                self.identity.epoch.0 as i64,
                self.identity.author.0 as i64,
                self.last_sequence.0 as i64,
                self.totals.as_ref().map(totals_to_bytes),
                self.clean,
            ],
        )?;
        Ok(())
    }
}

/// Writes what changes from transaction to transaction.
pub(crate) fn save(
    connection: &Connection,
    identity: IndexIdentity,
    last_sequence: Sequence,
    totals: &Totals,
) -> Result<(), IndexError> {
    let sql = "UPDATE state SET epoch = ?, author = ?, last_sequence = ?, totals = ? WHERE id = 0";
    connection.prepare_cached(sql)?.execute(params![
        identity.epoch.0 as i64,
        identity.author.0 as i64,
        last_sequence.0 as i64,
        totals_to_bytes(totals),
    ])?;
    Ok(())
}

/// Notes whether the database was closed in order.
pub(crate) fn set_clean(connection: &Connection, clean: bool) -> Result<(), IndexError> {
    connection.execute("UPDATE state SET clean = ? WHERE id = 0", [clean])?;
    Ok(())
}

/// Eight bytes each, the sums in the order of their declaration.
pub(crate) fn totals_to_bytes(totals: &Totals) -> Vec<u8> {
    let Totals {
        files,
        bytes,
        need_files,
        need_bytes,
        need_deletions,
        need_rewrites,
        conflicts,
        local_changes,
        heads,
        head_bytes,
        held,
    } = totals;
    let sums = [
        files,
        bytes,
        need_files,
        need_bytes,
        need_deletions,
        need_rewrites,
        conflicts,
        local_changes,
        heads,
        head_bytes,
    ];
    let held = held.iter().flat_map(|(heads, bytes)| [heads, bytes]);
    sums.into_iter().chain(held).flat_map(|sum| sum.to_be_bytes()).collect()
}

/// `None` unless the bytes have exactly the right length.
pub(crate) fn totals_from_bytes(bytes: &[u8]) -> Option<Totals> {
    let (numbers, []) = bytes.as_chunks::<8>() else { return None };
    let mut numbers = numbers.iter().map(|number| u64::from_be_bytes(*number));
    let mut totals = Totals::default();
    for sum in [
        &mut totals.files,
        &mut totals.bytes,
        &mut totals.need_files,
        &mut totals.need_bytes,
        &mut totals.need_deletions,
        &mut totals.need_rewrites,
        &mut totals.conflicts,
        &mut totals.local_changes,
        &mut totals.heads,
        &mut totals.head_bytes,
    ] {
        *sum = numbers.next()?;
    }
    for slot in 0..MAX_SLOTS {
        totals.held[slot] = (numbers.next()?, numbers.next()?);
    }
    numbers.next().is_none().then_some(totals)
}
