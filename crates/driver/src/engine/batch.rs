//! Chooses where the parts of a batch run.

use std::sync::Arc;

use mer_batch::Runner;
use mer_client::{ResidentHost, steer};
use mer_service::{Runtime, batch::BatchRequest};

use super::choice::Engine;
use crate::errors::CliError;

impl Engine {
    /// Returns what executes a batch: the resident where it keeps the model, else this process. A resident is started where
    /// there is none, if the model has a `keepalive`.
    ///
    /// # Errors
    /// The model has no such server, or needs what none of them has.
    pub(crate) async fn batch_runner(
        &self,
        runtime: &Runtime,
        request: BatchRequest,
        asks_resident: bool,
    ) -> Result<Arc<dyn Runner>, CliError> {
        let takes_several = request.takes_several();
        let wants_resident = self.wants_resident(&request.model, request.server.as_deref());
        let runner = runtime.batch_runner(request)?;
        let resident = self.resident().filter(|_| asks_resident && takes_several);
        let Some((location, context)) = resident else { return Ok(Arc::new(runner)) };
        let is_there = steer::version(location).await.is_ok();
        let has_resident = is_there || (wants_resident && self.has_started_resident(location).await);
        if !has_resident {
            return Ok(Arc::new(runner));
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (location, context) = (location.clone(), context.clone());
        Ok(Arc::new(runner.on(|local, request| ResidentHost::new(location, context, version, local, request))))
    }
}
