//! Reads the log page by page, so that a list of any length needs little memory and short sessions.

use mer_core::Access;

use crate::{AccessFilter, DalError, Store, access_filter::Cursor, registry_restore::micros};

/// Reads the accesses that a filter selects, newest first; of those that began in the same microsecond, the one with
/// the highest request and attempt first.
#[derive(Debug, Clone)]
pub struct AccessPages {
    filter: AccessFilter,
    after: Option<Cursor>,
    left: usize,
}

impl AccessPages {
    /// Selects accesses up to the filter's limit. Reads nothing yet.
    #[must_use]
    pub const fn new(filter: AccessFilter) -> Self {
        let left = filter.limit;
        Self { filter, after: None, left }
    }

    /// Reads at most `at_most` further accesses; returns none if there are no more. Each call may use another session.
    ///
    /// # Errors
    /// As [`Store::accesses`].
    pub async fn next(&mut self, store: &Store, at_most: usize) -> Result<Vec<Access>, DalError> {
        let limit = self.left.min(at_most);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let page = store.page(&self.filter, self.after, limit).await?;
        self.left = if page.len() < limit { 0 } else { self.left - limit };
        for access in &page {
            // Databases compare times to the microsecond; digits beyond that are ignored.
            let start = micros(access.start_access);
            let ties = self.after.filter(|last| last.start == start).map_or(0, |last| last.ties);
            self.after = Some(Cursor { start, key: access.key(), ties: ties + 1 });
        }
        Ok(page)
    }

    /// Returns whether all accesses have been read for certain.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.left == 0
    }
}
