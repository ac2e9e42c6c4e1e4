//! What a scan found, held against the rows: nearly all of them are only
//! skimmed, and neither a path nor an entry is made of them.

use driftless_core::compare::{Comparison, is_as_known};
use driftless_core::{Difference, RelPath, Sequence, Stretch};
use rusqlite::params;

use super::SqliteIndex;
use crate::error::IndexError;
use crate::{codec, key};

/// The comparison itself ends where the stretch does.
const NO_LIMIT: i64 = i64::MAX;

impl SqliteIndex {
    pub(super) fn compare(
        &self,
        stretch: &Stretch<'_>,
        limit: usize,
        in_any_case: &dyn Fn(&RelPath) -> bool,
    ) -> Result<Vec<Difference>, IndexError> {
        let (first, mut end) = key::bounds(stretch.within, stretch.after);
        if stretch.upto.is_some() {
            end = end.min(key::just_above(stretch.upto));
        }
        let mut comparison = Comparison::new(stretch.found, limit);
        let mut statement = self.connection.prepare_cached(super::entries::ALL)?;
        let mut rows = statement.query(params![first, end, NO_LIMIT])?;
        while !comparison.is_full()
            && let Some(row) = rows.next()?
        {
            let key = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let record = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let seen = comparison.reach(|path| key::compare(path, key));
            let is_asked_for = seen.is_some_and(|(_, path, _)| in_any_case(path));
            if let Some((_, _, observed)) = seen
                && !is_asked_for
                && codec::is_known_file(record, &self.names, observed)
            {
                continue;
            }
            if comparison.is_full() {
                break;
            }
            let sequence = Sequence(row.get::<_, i64>(2)? as u64);
            let entry = codec::decode(record, &self.names, sequence)?;
            match seen {
                Some((_, _, seen)) if !is_asked_for && is_as_known(&entry, seen) => {}
                Some((number, path, _)) => comparison.note(path.clone(), entry, Some(number)),
                None => comparison.note(key::to_path(key)?, entry, None),
            }
        }
        Ok(comparison.finish())
    }
}
