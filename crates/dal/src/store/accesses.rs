//! The log of accesses.

use std::time::Duration;

use mer_core::{Access, AttemptKey};
use uuid::Uuid;

use super::{Store, ask};
use crate::{AccessFilter, AccessPages, DalError, access_filter::Cursor, backend::AccessBackend as _};

/// Number of accesses that are read at once.
const PAGE: usize = 1000;

/// Time after a heartbeat during which a started attempt counts as alive.
pub const HEARTBEAT_TTL: Duration = Duration::from_secs(90);

impl Store {
    /// Records accesses in batches. Recording the same ones again changes nothing: of two records of an attempt the one
    /// with the higher [`mer_core::Status::rank`] is kept, and of equals the first.
    ///
    /// # Errors
    /// As [`Store::apply`]; some batches may have been stored.
    pub async fn record(&self, accesses: &[Access]) -> Result<(), DalError> {
        ask!(self, backend => backend.record(accesses))
    }

    /// Returns the selected accesses at once, newest first. Use [`crate::AccessPages`] for more than a few.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn accesses(&self, filter: &AccessFilter) -> Result<Vec<Access>, DalError> {
        let mut pages = AccessPages::new(filter.clone());
        let mut accesses = Vec::new();
        while !pages.is_over() {
            accesses.extend(pages.next(self, PAGE).await?);
        }
        Ok(accesses)
    }

    /// Returns the next page of a filter. SurrealDB only heeds its model, version, batch and time.
    pub(crate) async fn page(
        &self,
        filter: &AccessFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.accesses(filter, after, limit))
    }

    /// Returns at most `limit` attempts of the requests from `first` to `last`, both included, ordered by key.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn accesses_between(&self, first: Uuid, last: Uuid, limit: usize) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.accesses_between(first, last, limit))
    }

    /// Returns every attempt of one request, the first attempt first.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn access(&self, request: Uuid) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.access(request))
    }

    /// Returns at most `limit` accesses whose key is greater than this one, ordered by key: the log, page by page.
    /// The uid of a request begins with its time, so this is roughly the order in which the requests came.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn accesses_after(&self, key: AttemptKey, limit: usize) -> Result<Vec<Access>, DalError> {
        ask!(self, backend => backend.accesses_after(key, limit))
    }

    /// Renews the heartbeat of attempts that are recorded as `started` and run on this host. They are not recorded as
    /// `lost` for [`HEARTBEAT_TTL`], by the server's clock.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn keep_alive(&self, host: &str, attempts: &[AttemptKey]) -> Result<(), DalError> {
        ask!(self, backend => backend.keep_alive(host, attempts))
    }

    /// Returns whether [`Store::close_silent`] would find an attempt. Only reads.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn has_silent(&self) -> Result<bool, DalError> {
        ask!(self, backend => backend.has_silent())
    }

    /// Records attempts as `lost` that are recorded as `started` and had no heartbeat for too long
    /// ([`Store::keep_alive`]). If their host records their end later, that replaces `lost`.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn close_silent(&self) -> Result<(), DalError> {
        ask!(self, backend => backend.close_silent())
    }
}
