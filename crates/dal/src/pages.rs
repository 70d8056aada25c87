//! Reads the log page by page, so that a list of any length needs little memory and short sessions.

use mer_core::Access;

use crate::{AccessFilter, DalError, Dialect, Store, access_filter::Cursor, registry_restore::micros};

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

    /// Reads at most `at_most` accesses, and returns the selected ones of them. There may be more even if none is returned,
    /// see [`AccessPages::is_over`]. Each call may use another session.
    ///
    /// # Errors
    /// As [`Store::accesses`].
    pub async fn next(&mut self, store: &Store, at_most: usize) -> Result<Vec<Access>, DalError> {
        if self.left.min(at_most) == 0 {
            return Ok(Vec::new());
        }
        // SurrealDB would read on to the end of the log for the rows that meet them, in one query.
        let selects_here = store.dialect() == Dialect::Surreal && self.filter.has_other_conditions();
        let limit = if selects_here && self.after.is_some() { at_most } else { self.left.min(at_most) };
        let mut page = store.page(&self.filter, self.after, limit).await?;
        let is_last = page.len() < limit;
        for access in &page {
            // Databases compare times to the microsecond; digits beyond that are ignored.
            let start = micros(access.start_access);
            let ties = self.after.filter(|last| last.start == start).map_or(0, |last| last.ties);
            self.after = Some(Cursor { start, key: access.key(), ties: ties + 1 });
        }
        if selects_here {
            page.retain(|access| self.filter.matches(access));
            page.truncate(self.left);
        }
        self.left = if is_last { 0 } else { self.left - page.len() };
        Ok(page)
    }

    /// Returns whether all accesses have been read for certain.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.left == 0
    }
}
