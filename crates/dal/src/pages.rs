//! The log page by page: a list of any length in little memory, and in sessions that are short.

use mer_core::Access;

use crate::{AccessFilter, DalError, Store, access_filter::Cursor, registry_restore::micros};

/// Reads the accesses that a filter selects: the newest first, and of those that began at the same microsecond the one of
/// the highest request and attempt.
#[derive(Debug, Clone)]
pub struct AccessPages {
    filter: AccessFilter,
    after: Option<Cursor>,
    left: usize,
}

impl AccessPages {
    /// All of them, up to the filter's limit. Nothing is read yet.
    #[must_use]
    pub const fn new(filter: AccessFilter) -> Self {
        let left = filter.limit;
        Self { filter, after: None, left }
    }

    /// The next ones, at most so many; none where there are no more. The session may be another one each time.
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
            // Databases compare times to the microsecond; what is shorter than that says nothing.
            let start = micros(access.start_access);
            let ties = self.after.filter(|last| last.start == start).map_or(0, |last| last.ties);
            self.after = Some(Cursor { start, key: access.key(), ties: ties + 1 });
        }
        Ok(page)
    }

    /// Whether there is surely nothing more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.left == 0
    }
}
