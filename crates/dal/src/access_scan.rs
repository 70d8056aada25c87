//! Reads all accesses that a filter selects, in the order that is the fastest.

use mer_core::{Access, AttemptKey};
use uuid::Uuid;

use crate::{AccessFilter, AccessPages, DalError, Store};

/// Reads accesses page by page. They come by key where all of them are wanted, or those after a request; otherwise newest
/// first, as an index has them.
#[derive(Debug, Clone)]
pub struct AccessScan {
    filter: AccessFilter,
    order: Order,
    is_over: bool,
}

#[derive(Debug, Clone)]
enum Order {
    Newest(Box<AccessPages>),
    /// After this key.
    Key(AttemptKey),
}

impl AccessScan {
    /// Selects all accesses of a filter, whatever its limit is, or those of requests with a greater uid than `after`. Reads
    /// nothing yet.
    #[must_use]
    pub fn new(filter: AccessFilter, after: Option<Uuid>) -> Self {
        let filter = AccessFilter { limit: usize::MAX, ..filter };
        let order = match after {
            Some(request_uid) => Order::Key(AttemptKey { request_uid, attempt: u32::MAX }),
            None if filter.selects_everything() => Order::Key(AttemptKey { request_uid: Uuid::nil(), attempt: 0 }),
            None => Order::Newest(Box::new(AccessPages::new(filter.clone()))),
        };
        Self { filter, order, is_over: false }
    }

    /// Reads at most `at_most` accesses, and returns the selected ones of them. Each call may use another session.
    ///
    /// # Errors
    /// As [`Store::accesses`].
    pub async fn next(&mut self, store: &Store, at_most: usize) -> Result<Vec<Access>, DalError> {
        match &mut self.order {
            Order::Newest(pages) => {
                let page = pages.next(store, at_most).await?;
                self.is_over = pages.is_over();
                Ok(page)
            }
            Order::Key(after) => {
                let mut page = store.accesses_after(*after, at_most).await?;
                self.is_over = page.len() < at_most;
                *after = page.last().map_or(*after, Access::key);
                page.retain(|access| self.filter.matches(access));
                Ok(page)
            }
        }
    }

    /// Returns whether everything has been read.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.is_over
    }
}
