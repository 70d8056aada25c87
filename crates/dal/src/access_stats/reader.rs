//! Reads the statistics of the log, page by page where the database does not count itself.

use super::{
    fold::StatsFold,
    row::{StatsBy, StatsRow},
};
#[cfg(feature = "postgres")]
use crate::store::Driver;
use crate::{AccessFilter, AccessScan, DalError, Store};

/// Reads statistics. PostgreSQL counts in one query. From SurrealDB the accesses are read: in an embedded database a query
/// over the whole log would keep other processes waiting.
#[derive(Debug)]
pub struct StatsReader {
    by: StatsBy,
    filter: AccessFilter,
    scan: AccessScan,
    fold: StatsFold,
    rows: Vec<StatsRow>,
    is_over: bool,
}

impl StatsReader {
    /// Selects all accesses of a filter, whatever its limit is. Reads nothing yet.
    #[must_use]
    pub fn new(filter: AccessFilter, by: StatsBy) -> Self {
        let scan = AccessScan::new(filter.clone(), None);
        Self { by, filter, scan, fold: StatsFold::default(), rows: Vec::new(), is_over: false }
    }

    /// Reads at most `at_most` accesses, or all of them where the database counts. Each call may use another session.
    ///
    /// # Errors
    /// As [`Store::accesses`].
    pub async fn next(&mut self, store: &Store, at_most: usize) -> Result<(), DalError> {
        #[cfg(feature = "postgres")]
        if let Driver::Postgres(store) = &store.0 {
            self.rows = store.stats(&self.filter, self.by).await?;
            self.is_over = true;
            return Ok(());
        }
        for access in self.scan.next(store, at_most).await? {
            self.fold.add(self.by, &access);
        }
        self.is_over = self.scan.is_over();
        Ok(())
    }

    /// Returns whether everything has been read.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the groups: periods in their order, others the most frequent first. Without groups it is one row, also of
    /// nothing.
    #[must_use]
    pub fn finish(self) -> Vec<StatsRow> {
        let mut rows = self.rows;
        rows.extend(self.fold.finish());
        if self.by == StatsBy::All && rows.is_empty() {
            rows.push(StatsRow::default());
        }
        rows.sort_by(|one, other| match self.by.seconds() {
            Some(_) => one.key.cmp(&other.key),
            None => other.count.cmp(&one.count).then_with(|| one.key.cmp(&other.key)),
        });
        rows
    }
}
