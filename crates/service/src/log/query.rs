//! Reads the log piece by piece.

use mer_core::Access;
use mer_dal::{AccessFilter, AccessPages, Session};

use crate::{error::ServiceError, runtime::Runtime, small_pages::SmallPages};

/// Number of accesses that are read at once. The embedded engine reads at least some hundred, whatever it is asked for;
/// without optimisation it takes milliseconds for each.
pub(super) const PAGE: usize = if cfg!(debug_assertions) { 500 } else { 1000 };

/// Maximum number of bytes that are read while the database is open: the reader of the list may be slow, and an opening costs
/// memory too.
const MAX_BYTES: usize = 8 << 20;

/// Reads accesses, the newest first. The database is only open while it reads, so that its caller may be slow.
#[derive(Debug)]
pub struct AccessReader<'a> {
    runtime: &'a Runtime,
    pages: AccessPages,
    is_first: bool,
    _small_pages: SmallPages,
}

impl<'a> AccessReader<'a> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(runtime: &'a Runtime, filter: AccessFilter) -> Self {
        Self { runtime, pages: AccessPages::new(filter), is_first: true, _small_pages: SmallPages::only() }
    }

    /// Returns further accesses; `None` after the last one. The journal is drained before the first ones.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Access>>, ServiceError> {
        if self.pages.is_over() {
            return Ok(None);
        }
        let session =
            if self.is_first { self.runtime.session_drained().await? } else { self.runtime.another_session().await? };
        self.is_first = false;
        let read = self.read(&session).await;
        session.close().await?;
        read.map(Some)
    }

    /// Reads for as long as the session may last.
    async fn read(&mut self, session: &Session) -> Result<Vec<Access>, ServiceError> {
        let (mut read, mut bytes) = (Vec::new(), 0);
        loop {
            let page = self.pages.next(session, PAGE).await?;
            bytes += page.iter().map(|access| 1024 + access.stderr_tail.len()).sum::<usize>();
            read.extend(page);
            if self.pages.is_over() || bytes >= MAX_BYTES || session.should_yield() {
                return Ok(read);
            }
        }
    }
}
