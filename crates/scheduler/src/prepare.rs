//! Prepares an attempt: records its start, and provides a process that is ready to serve it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use mer_core::{Access, FailureKind, RunSpec, Status};
use mer_dal::Durability;
use mer_meal::Cancel;

use crate::{
    Output, Request, Retention, SchedulerError, WeightsCache,
    executors::{Executors, orphan_after},
    kept::{Acquired, Ask, Life, Pool, PooledProcess, StartPermit},
    limits::{LimitError, Limits, UnitsAsk, UnitsGuard},
    outcome::Verdict,
    placement::Placement,
    record::{Recorder, millis},
    start::{ReadyProcess, StartRequest, Starter},
};

/// Prepares attempts on one server.
pub(crate) struct Preparation<'a> {
    pub(crate) recorder: &'a Recorder,
    pub(crate) pool: &'a Pool,
    pub(crate) executors: &'a Executors,
    pub(crate) weights_cache: &'a WeightsCache,
    pub(crate) limits: &'a Limits,
    pub(crate) placement: &'a Placement,
    pub(crate) cancel: &'a Cancel,
    /// Whether a process is loaded and sent nothing.
    pub(crate) loading: bool,
}

impl Preparation<'_> {
    /// Records the start, and takes a process from the pool or starts one. `scratch` is the local folder of a training.
    ///
    /// # Errors
    /// Too many requests wait, or the start could not be recorded. A process that could not be started is a [`Verdict`].
    pub(crate) async fn prepare(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        request: &Request<'_>,
        output: &Output,
        scratch: &Path,
    ) -> Result<Result<ReadyProcess, Verdict>, SchedulerError> {
        let start = StartRequest {
            weights: request.weights.clone(),
            watch: request.watch.clone(),
            stderr: output.stderr.clone(),
            units: None,
            jobs: request.jobs.clone(),
        };
        let acquired = match spec.protocol.stays_up() {
            true => self.acquire(access, spec, request).await?,
            false => Acquired::Unkept,
        };
        let units = match acquired {
            Acquired::Unkept if self.loading => Ok(None),
            Acquired::Unkept | Acquired::StartPermit(_) => self.acquire_units(access, request).await?,
            _ => Ok(None),
        };
        // Only a process that is started needs its access on disk first.
        let durability = match acquired {
            Acquired::Unkept | Acquired::StartPermit(_) => Durability::Synced,
            _ => Durability::Written,
        };
        self.recorder.record_start(access, durability).await?;
        let start = match units {
            Ok(units) => StartRequest { units, ..start },
            Err(verdict) => return Ok(Err(verdict)),
        };
        Ok(match acquired {
            Acquired::Process(lease) => {
                access.start_ms = Some(0.0);
                Ok(ReadyProcess::Kept(Box::new(lease)))
            }
            Acquired::Loaded => Ok(ReadyProcess::Loaded),
            // Boxed because it is rare, and would be a large part of every run's future.
            Acquired::StartPermit(place) => Box::pin(self.start_kept(place, access, spec, start, request)).await,
            Acquired::Failed(failure) => {
                failure.facts.write_to(access);
                Err(failure.verdict)
            }
            Acquired::Unkept if self.loading => Err(self.no_place(&access.model)),
            Acquired::Unkept => {
                let executor = self.executors.for_request(self.placement, request);
                let starter = Starter {
                    executor: &executor,
                    here: self.executors.here(),
                    placement: self.placement,
                    weights_cache: self.weights_cache,
                    cancel: self.cancel,
                };
                Box::pin(starter.start(access, spec, &start, scratch)).await
            }
        })
    }

    /// Waits for the units that a process needs, if its server has limits.
    pub(crate) async fn acquire_units(
        &self,
        access: &mut Access,
        request: &Request<'_>,
    ) -> Result<Result<Option<Arc<UnitsGuard>>, Verdict>, SchedulerError> {
        let life = Life::new(&self.placement.params, request.keep, self.loading);
        let ask = UnitsAsk {
            model: &request.model.name,
            placement: self.placement,
            orphan_after: orphan_after(request.kind),
            priority: request.priority,
            queue_length: life.queue_length,
            queue_timeout: life.queue_timeout,
            cancel: self.cancel,
            observer: request.watch.as_ref(),
            room: self.pool,
        };
        let begin = Instant::now();
        let acquired = self.limits.acquire(&ask).await;
        if !matches!(acquired, Ok(None)) {
            access.queue_ms = Some(access.queue_ms.unwrap_or_default() + millis(begin.elapsed()));
        }
        let model = || request.model.name.clone();
        match acquired {
            Ok(units) => Ok(Ok(units)),
            Err(LimitError::Cancelled) => Ok(Err(Verdict::cancelled_before())),
            Err(error @ LimitError::TimedOut { .. }) => {
                Ok(Err(Verdict::new(Status::Timeout, FailureKind::Busy, error.to_string())))
            }
            Err(LimitError::Full { queued }) => Err(SchedulerError::QueueFull { model: model(), queued }),
            Err(LimitError::Unknown(source)) => Err(SchedulerError::Limits { model: model(), source }),
        }
    }

    /// Takes a process or a place from the pool.
    async fn acquire(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        request: &Request<'_>,
    ) -> Result<Acquired, SchedulerError> {
        let ask = Ask {
            model: &access.model,
            placement: self.placement,
            spec,
            weights_version: access.weights_version,
            keep: request.keep,
            loading: self.loading,
            priority: request.priority,
            cancel: self.cancel,
            observer: request.watch.as_ref(),
        };
        if request.keep == Retention::No {
            return Ok(self.pool.take_idle(&ask).map_or(Acquired::Unkept, Acquired::Process));
        }
        let (acquired, waited) = self
            .pool
            .acquire(&ask)
            .await
            .map_err(|queued| SchedulerError::QueueFull { model: request.model.name.clone(), queued })?;
        access.queue_ms = Some(millis(waited));
        Ok(acquired)
    }

    /// Starts a process in a place of the pool. It may outlive this request.
    async fn start_kept(
        &self,
        place: StartPermit,
        access: &mut Access,
        spec: &RunSpec,
        start: StartRequest,
        request: &Request<'_>,
    ) -> Result<ReadyProcess, Verdict> {
        let listening = Listening(Arc::new(AtomicBool::new(true)));
        let watch = start.watch.map(|watch| watch.while_open(&listening.0));
        let start = StartRequest { watch, ..start };
        let cancel = Cancel::new();
        let executor = self.executors.for_request(self.placement, request);
        let here = self.executors.here().clone();
        let (placement, weights_cache) = (self.placement.clone(), self.weights_cache.clone());
        let (mut facts, spec, start_cancel) = (access.clone(), spec.clone(), cancel.clone());
        let work = async move {
            let (placement, weights_cache, cancel) = (&placement, &weights_cache, &start_cancel);
            let starter = Starter { executor: &executor, here: &here, placement, weights_cache, cancel };
            let started: Result<PooledProcess, Verdict> = starter.start_staying(&mut facts, &spec, &start).await;
            (facts, started)
        };
        match place.start(cancel, work).map_err(|verdict| *verdict)?.wait(self.cancel).await {
            Ok(started) => {
                started.facts.write_to(access);
                started.lease.serves(self.cancel);
                Ok(ReadyProcess::Kept(Box::new(started.lease)))
            }
            Err(failure) => {
                failure.facts.write_to(access);
                Err(failure.verdict)
            }
        }
    }

    fn no_place(&self, model: &str) -> Verdict {
        let server = &self.placement.server;
        let why = format!("the places of `{model}` on `{server}` are taken by pinned processes (`instances`)");
        Verdict::new(Status::Failed, FailureKind::Busy, why)
    }
}

/// Says until it is dropped that a request still wants to know what its start waits for.
struct Listening(Arc<AtomicBool>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
