//! Records an attempt that another process made before it ended.

use mer_core::{Access, AccessKind, Model, Server, Status, Tags};
use mer_dal::Durability;
use uuid::Uuid;

use crate::{Scheduler, SchedulerError, record::now, replica::replicas};

/// An attempt whose end is not known.
#[derive(Debug, Clone, Copy)]
pub struct LostAttempt<'a> {
    /// Id of the request.
    pub request_uid: Uuid,
    /// Number of the attempt.
    pub attempt: u32,
    /// The server that the request was restricted to.
    pub server: Option<&'a str>,
    /// Tags for the access log.
    pub tags: &'a Tags,
    /// Sentence for the user.
    pub error: &'a str,
}

impl Scheduler {
    /// Records an attempt as `lost`, on the first server that it may have gone to.
    ///
    /// # Errors
    /// The model is not registered for such a server, or the record could not be written.
    pub async fn record_lost(
        &self,
        model: &Model,
        servers: &[Server],
        lost: LostAttempt<'_>,
    ) -> Result<(), SchedulerError> {
        let replicas = replicas(model, servers, lost.server)?;
        let Some(placement) = replicas.first() else { return Ok(()) };
        let access = Access {
            attempt: lost.attempt,
            protocol: placement.params.protocol().name().to_owned(),
            queue_ms: None,
            connect_ms: None,
            via: Some(Access::VIA_RESIDENT.to_owned()),
            tags: lost.tags.clone(),
            ..self.recorder.begin(lost.request_uid, &model.name, AccessKind::Infer, placement)
        };
        self.recorder.record_start(&access, Durability::Written).await?;
        let ended =
            Access { status: Status::Lost, stop_access: Some(now()), error: Some(lost.error.to_owned()), ..access };
        let written = self.recorder.journal().ended(&ended).await;
        written.map_err(|source| SchedulerError::Record { model: model.name.clone(), source })
    }
}
