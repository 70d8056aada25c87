//! Lists, loads and stops kept processes.

use std::{path::Path, time::Instant};

use mer_core::{KeptProcess, Model, Server, Status};
use tokio::sync::mpsc;

use crate::{
    Outcome, Output, Request, Retention, Scheduler, SchedulerError, Selection, itinerary::Itinerary, outcome::Verdict,
    replica::replicas,
};

impl Scheduler {
    /// Returns the kept processes, sorted by model, server and id, and the models that are not started again yet because they
    /// failed. Reads `/proc`, for the memory of the processes.
    #[must_use]
    pub fn processes(&self) -> Vec<KeptProcess> {
        self.pool.list()
    }

    /// Whether processes are kept, of this model or of any. Reads nothing but memory.
    #[must_use]
    pub fn keeps(&self, model: Option<&str>) -> bool {
        self.pool.keeps(model)
    }

    /// Starts a process of a model and keeps it, unless one is kept already. Returns once it is ready. Each attempt is a
    /// record. A model without a `keepalive` is kept until it is stopped. The input of the request is not used.
    ///
    /// # Errors
    /// As [`Scheduler::run`], and [`SchedulerError::NotKept`].
    pub async fn load(&self, request: Request<'_>) -> Result<Outcome, SchedulerError> {
        self.environment.learn(request.servers);
        let request = Request { keep: Retention::ByKeepalive, ..request };
        let replicas = self.able(replicas(request.model, request.servers, request.pinned)?, request.model)?;
        if replicas.iter().any(|placement| !placement.params.protocol().stays_up()) {
            return Err(SchedulerError::NotKept { model: request.model.name.clone() });
        }
        let (stdout, _) = mpsc::channel(1);
        let output = Output { stdout, stderr: None };
        let mut itinerary = Itinerary::new(replicas, 0);
        loop {
            let at = self.next_server(&itinerary, &request).await?;
            let attempt = request.attempts_made + itinerary.attempt(at);
            let placement = itinerary.replicas[at].clone();
            let (mut access, spec) = self.begin(attempt, &request, &placement)?;
            let preparation = self.preparation(&placement, &request.cancel, true);
            let prepared = preparation.prepare(&mut access, &spec, &request, &output, Path::new("")).await?;
            let verdict = match prepared {
                // Dropping a process that was sent nothing gives it back.
                Ok(_) => Verdict::succeeded(),
                Err(verdict) => verdict,
            };
            match verdict.status {
                Status::Succeeded => self.server_health.reached(&placement),
                Status::Unreachable => self.server_health.failed(&placement, Instant::now()),
                _ => {}
            }
            let is_over = !(verdict.elsewhere && itinerary.has_untried());
            let outcome = self.recorder.record_end(access, verdict).await;
            if is_over {
                return Ok(outcome);
            }
        }
    }

    /// Ends the selected processes: those that start or are idle at once, those that serve a request after its reply, or at
    /// once too if `now`. Returns them as they were before, once they are gone.
    pub async fn stop_processes(&self, selection: &Selection, now: bool) -> Vec<KeptProcess> {
        self.pool.stop(selection, now).await
    }

    /// Ends the processes of models and servers that were changed or removed: idle ones at once, others after their request.
    /// A request that comes before this finds out by itself that its model was changed.
    pub fn registry_changed(&self, models: &[Model], servers: &[Server]) {
        self.pool.retire_unregistered(models, servers);
    }

    /// Returns when a kept process is ended next, unless a request comes.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.pool.next_deadline()
    }
}
