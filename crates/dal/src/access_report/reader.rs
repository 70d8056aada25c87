//! Reads the counts of a report, page by page where the database does not count itself.

use mer_core::AccessKind;

use super::{
    fold::ReportFold,
    summary::{LogSummary, ReportRange},
};
#[cfg(feature = "postgres")]
use crate::store::Driver;
use crate::{AccessFilter, AccessScan, DalError, Store};

/// Reads the counts of a range. PostgreSQL counts in a few queries; from SurrealDB the accesses are read.
#[derive(Debug)]
pub struct ReportReader {
    range: ReportRange,
    scan: AccessScan,
    fold: ReportFold,
    counted: Option<LogSummary>,
    is_over: bool,
}

impl ReportReader {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(range: ReportRange) -> Self {
        let scan = AccessScan::new(filter(&range), None);
        Self { range, scan, fold: ReportFold::default(), counted: None, is_over: false }
    }

    /// Reads at most `at_most` accesses, or all of them where the database counts. Each call may use another session.
    ///
    /// # Errors
    /// As [`Store::accesses`].
    pub async fn next(&mut self, store: &Store, at_most: usize) -> Result<(), DalError> {
        #[cfg(feature = "postgres")]
        if let Driver::Postgres(store) = &store.0 {
            self.counted = Some(store.report(&self.range, &filter(&self.range)).await?);
            self.is_over = true;
            return Ok(());
        }
        for access in self.scan.next(store, at_most).await? {
            self.fold.add(&self.range, access);
        }
        self.is_over = self.scan.is_over();
        Ok(())
    }

    /// Returns whether everything has been read.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns the counts.
    #[must_use]
    pub fn finish(self) -> LogSummary {
        let Self { range, fold, counted, .. } = self;
        counted.unwrap_or_else(|| fold.finish(&range))
    }
}

/// Selects runs and trainings of the range.
fn filter(range: &ReportRange) -> AccessFilter {
    AccessFilter {
        since: Some(range.since),
        until: Some(range.until()),
        kinds: vec![AccessKind::Infer, AccessKind::Train],
        ..AccessFilter::default()
    }
}
