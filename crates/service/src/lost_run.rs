//! Puts a run on record whose attempt another process made before it ended.

use std::time::Duration;

use mer_core::Tags;
use mer_dal::DrainOptions;
use mer_scheduler::LostAttempt;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{api::ResolvedModel, error::ServiceError, runtime::Runtime};

/// Bound on the look whether the attempt is on record.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

impl Runtime {
    /// Records an attempt as `lost`, unless the process that made it has recorded it: it may have ended while the request
    /// waited, and a request that waits is not on record.
    ///
    /// # Errors
    /// The record could not be written.
    pub async fn record_lost(
        &self,
        model: &ResolvedModel,
        (request_uid, attempt): (Uuid, u32),
        server: Option<&str>,
        tags: &Tags,
        error: &str,
    ) -> Result<(), ServiceError> {
        if matches!(timeout(LONGEST_LOOK, self.is_on_record(request_uid, attempt)).await, Ok(Ok(true))) {
            return Ok(());
        }
        self.wake_drainer(model.view.database_uid);
        let lost = LostAttempt { request_uid, attempt, server, tags, error };
        Ok(self.scheduler(model.view.database_uid).record_lost(model.model(), &model.view.servers, lost).await?)
    }

    async fn is_on_record(&self, request_uid: Uuid, attempt: u32) -> Result<bool, ServiceError> {
        // The journal of the process that has ended may have it.
        let session = self.drained(self.session().await?, DrainOptions::default()).await?.session;
        let known = session.access(request_uid).await?.iter().any(|access| access.attempt == attempt);
        session.close().await?;
        Ok(known)
    }
}
