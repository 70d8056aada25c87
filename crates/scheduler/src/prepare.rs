//! Prepares an attempt: records its start, and provides a process that is ready to serve it.

use std::path::Path;

use mer_core::{Access, RunSpec};
use mer_dal::Durability;
use mer_meal::Cancel;

use crate::{
    Output, Request, SchedulerError, WeightsCache,
    executors::Executors,
    outcome::Verdict,
    placement::Placement,
    record::Recorder,
    start::{ReadyProcess, Starter},
    warm_pool::{self, WarmPool},
};

/// Prepares attempts on one server.
pub(crate) struct Preparation<'a> {
    pub(crate) recorder: &'a Recorder,
    pub(crate) warm_pool: &'a WarmPool,
    pub(crate) executors: &'a Executors,
    pub(crate) weights_cache: &'a WeightsCache,
    pub(crate) placement: &'a Placement,
    pub(crate) cancel: &'a Cancel,
}

impl Preparation<'_> {
    /// Records the start, and takes a process from the pool or starts one. `scratch` is the local folder of a training.
    ///
    /// # Errors
    /// The start could not be recorded. A process that could not be started is a [`Verdict`].
    pub(crate) async fn prepare(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        request: &Request<'_>,
        output: &Output,
        scratch: &Path,
    ) -> Result<Result<ReadyProcess, Verdict>, SchedulerError> {
        let (idle, stale) = match spec.protocol.stays_up() {
            true => self.warm_pool.take(&access.model, self.placement, spec),
            false => (None, Vec::new()),
        };
        if !stale.is_empty() {
            warm_pool::stop(stale).await;
        }
        // Only a process that is started needs its access on disk first.
        let durability = if idle.is_some() { Durability::Written } else { Durability::Synced };
        self.recorder.record_start(access, durability).await?;
        if let Some(process) = idle {
            access.start_ms = Some(0.0);
            return Ok(Ok(ReadyProcess::Warm(Box::new(process))));
        }
        let executor = self.executors.of(self.placement, request.kind);
        let starter = Starter {
            executor: &executor,
            placement: self.placement,
            weights_cache: self.weights_cache,
            cancel: self.cancel,
        };
        Ok(starter.start(access, spec, request, output, scratch).await)
    }
}
