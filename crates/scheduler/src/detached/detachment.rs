//! Places a run that outlives its caller on one of its model's servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jiff::Timestamp;
use mer_core::{
    Access, AccessKind, Bound, ConnType, DetachedParams, DetachedRun, DetachedTraining, Protocol, RunSpec, Status,
};
use mer_dal::Durability;
use mer_meal::Input;
use uuid::Uuid;

use super::{
    host::DetachedHost,
    launch::{Launch, LaunchEnd},
    record::DetachedRecord,
};
use crate::{
    Outcome, Request, Scheduler, SchedulerError,
    itinerary::Itinerary,
    limits::UnitsGuard,
    outcome::Verdict,
    placement::Placement,
    record::millis,
    replica::replicas,
    start::{StartRequest, Starter},
};

/// How long a run without a bound may take until it counts as lost.
const UNBOUNDED: Duration = Duration::from_secs(30 * 86_400);
/// Time after the bound of a run until it counts as lost.
const AFTER_BOUND: Duration = Duration::from_secs(86_400);

/// Returns how soon a run is to be collected that may take this long. After that it counts as lost.
#[must_use]
pub fn collected_within(max_run_time: Option<Bound>) -> Duration {
    max_run_time.and_then(Bound::duration).map_or(UNBOUNDED, |bound| bound + AFTER_BOUND)
}

/// What is particular to a run that outlives its caller.
#[derive(Debug, Clone, Default)]
pub struct DetachOptions {
    /// What becomes of the weights that it makes, if it is a training.
    pub training: Option<DetachedTraining>,
}

/// Result of placing a run.
#[derive(Debug)]
pub enum Detached {
    /// It runs.
    Placed {
        /// The run, as it is on record.
        run: Box<DetachedRun>,
        /// Whether systemd ends it with the login session (`KillUserProcesses`).
        ends_with_session: bool,
    },
    /// The connection was lost while it was started. It is on record, and the next look at it shows whether it runs.
    Unclear {
        /// The run, as it is on record.
        run: Box<DetachedRun>,
        /// Why the connection was lost.
        why: String,
    },
    /// It was not started, and that is on record.
    Over(Box<Outcome>),
}

/// A run that is to be put on record and started.
struct Begun<'a> {
    run: DetachedRun,
    access: Access,
    record: DetachedRecord<'a>,
    units: Option<Arc<UnitsGuard>>,
}

impl Scheduler {
    /// Starts a run that goes on when this process ends, and returns once it is in the hands of its supervisor. Waits for a
    /// free place before. The run is written to the database before it starts. `retries` of the request is how often it may run
    /// again if the cluster that it runs on puts it back into its queue.
    ///
    /// # Errors
    /// As [`Scheduler::run`]; the model's processes serve many requests, or the run could not be put on record.
    pub async fn detach(&self, mut request: Request<'_>, options: &DetachOptions) -> Result<Detached, SchedulerError> {
        self.environment.learn(request.servers);
        let mut replicas = self.able(replicas(request.model, request.servers, request.pinned)?, request.model)?;
        if request.retries > 0 {
            // Only a cluster runs again what it has cut.
            replicas.retain(|placement| placement.conn_type == ConnType::Slurm);
            if replicas.is_empty() {
                return Err(SchedulerError::DetachedRetries { model: request.model.name.clone() });
            }
        }
        let mut itinerary = Itinerary::new(replicas, 0);
        loop {
            let at = self.next_server(&itinerary, &request).await?;
            let attempt = request.attempts_made + itinerary.attempt(at);
            let placement = itinerary.replicas[at].clone();
            let (mut access, spec) = self.begin(attempt, &request, &placement)?;
            access.via = Some(Access::VIA_DETACHED.to_owned());
            if spec.protocol != Protocol::Oneshot {
                return Err(SchedulerError::NotDetached { model: access.model, protocol: spec.protocol });
            }
            if placement.params.launcher_remote == Some(true) && placement.is_behind_launcher() {
                return Err(SchedulerError::DetachedLauncher { model: access.model });
            }
            let verdict = match self.reach_for(&mut access, &spec, &request, &placement).await? {
                Ok((spec, units)) => {
                    self.server_health.reached(&placement);
                    let begun = self.begin_detached(access, &request, &placement, options, units);
                    let input = std::mem::replace(&mut request.input, Input::Bytes(Bytes::new()));
                    return self.start_detached(begun, &spec, &request, &placement, input).await;
                }
                Err(verdict) => verdict,
            };
            let elsewhere = verdict.elsewhere;
            if elsewhere && verdict.status == Status::Unreachable {
                self.server_health.failed(&placement, Instant::now());
            }
            self.recorder.record_start(&access, Durability::Written).await?;
            let outcome = self.recorder.record_end(access, verdict).await;
            if !(elsewhere && itinerary.has_untried()) {
                return Ok(Detached::Over(Box::new(outcome)));
            }
        }
    }

    /// Waits for the units that the run needs, connects, and delivers the weights.
    async fn reach_for(
        &self,
        access: &mut Access,
        spec: &RunSpec,
        request: &Request<'_>,
        placement: &Placement,
    ) -> Result<Result<(RunSpec, Option<Arc<UnitsGuard>>), Verdict>, SchedulerError> {
        let units = match self.preparation(placement, &request.cancel, false).acquire_units(access, request).await? {
            Ok(units) => units,
            Err(verdict) => return Ok(Err(verdict)),
        };
        let start = StartRequest {
            weights: request.weights.clone(),
            watch: request.watch.clone(),
            stderr: None,
            units: units.clone(),
            jobs: None,
        };
        let executor = self.executors.for_request(placement, request);
        let starter = Starter {
            executor: &executor,
            here: self.executors.here(),
            placement,
            weights_cache: &self.weights_cache,
            cancel: &request.cancel,
        };
        Ok(Box::pin(starter.reach(access, spec, &start)).await.map(|spec| (spec, units)))
    }

    fn begin_detached(
        &self,
        access: Access,
        request: &Request<'_>,
        placement: &Placement,
        options: &DetachOptions,
        units: Option<Arc<UnitsGuard>>,
    ) -> Begun<'_> {
        let max_run_time = request.timeout.or(placement.params.max_run_time).filter(|bound| *bound != Bound::Never);
        let grace = placement.params.bounds().grace;
        let run = DetachedRun {
            request_uid: access.request_uid,
            attempt: access.attempt,
            model: access.model.clone(),
            server: access.server.clone(),
            host: self.limits.host().to_owned(),
            boot_id: None,
            folder: None,
            job_id: None,
            claim: units.as_ref().and_then(|units| units.claimed_by()).map(|_| Uuid::new_v4()),
            started_at: Timestamp::UNIX_EPOCH,
            collect_by: Timestamp::UNIX_EPOCH,
            is_overdue: false,
            params: DetachedParams {
                max_run_time,
                grace_secs: Some(grace.as_secs()),
                hashes: request.hashes,
                training: options.training.clone(),
                ..DetachedParams::default()
            },
        };
        Begun { run, access, record: DetachedRecord::new(self.weights_cache.database()), units }
    }

    /// Puts a run on record, and starts it after that. What starts it is prepared meanwhile on its machine.
    async fn start_detached(
        &self,
        begun: Begun<'_>,
        spec: &RunSpec,
        request: &Request<'_>,
        placement: &Placement,
        input: Input,
    ) -> Result<Detached, SchedulerError> {
        let Begun { mut run, mut access, record, units } = begun;
        let is_local = placement.is_here();
        let host = DetachedHost {
            server: placement.server.clone(),
            executor: self.executors.for_request(placement, request),
            env: if placement.starts_here() { self.environment.public() } else { std::collections::BTreeMap::new() },
            base: placement.conn.cache_dir.clone().unwrap_or_default(),
        };
        let launch = Launch {
            host: &host,
            spec,
            name: format!("{}-{}", run.request_uid, run.attempt),
            max_run_time: run.params.max_run_time,
            queue_timeout: placement.params.queue_timeout,
            retries: request.retries,
            about: format!(
                "a run of the model {} by {}, started {:.0}",
                access.model, access.caller, access.start_access
            ),
            trains: request.kind == AccessKind::Train,
            hashes: request.hashes,
            is_local,
            units: units.as_deref(),
            cancel: &request.cancel,
        };
        let lasts = collected_within(run.params.max_run_time);
        let begin = Instant::now();
        let start = async {
            let on_record = record.add(&run, lasts, &access, units.as_deref());
            let ready = async { Ok(launch.ready().await) };
            // The command is sent after the run is on record. Without it nothing is made on the machine.
            match tokio::try_join!(on_record, ready)?.1 {
                Ok(ready) => Ok(launch.launch(ready, input).await),
                Err(end) => Ok(end),
            }
        };
        let end = tokio::select! {
            biased;
            end = start => end,
            never = record.keep_starting(&run) => match never {},
        };
        let model = access.model.clone();
        let recorded = |source| not_recorded(&model, source);
        match end.map_err(recorded)? {
            LaunchEnd::Started(launched, sent) => {
                if let Some(units) = units.as_ref().filter(|_| is_local) {
                    units.hand_over();
                }
                run.params.pid = (launched.pid > 0).then_some(launched.pid);
                run.params.start_time = Some(launched.start_time).filter(|time| !time.is_empty());
                run.job_id = launched.job_id;
                run.params.stdin_bytes = sent.bytes;
                run.params.stdin_sha256 = sent.sha256;
                run.params.start_ms = Some(millis(begin.elapsed()));
                (run.host, run.boot_id, run.folder) = (launched.host, launched.boot_id, Some(launched.folder));
                record.placed(&run).await.map_err(recorded)?;
                Ok(Detached::Placed { run: Box::new(run), ends_with_session: launched.ends_with_session })
            }
            LaunchEnd::NotStarted(verdict) => {
                verdict.write_to(&mut access);
                access.stop_access.get_or_insert_with(crate::record::now);
                record.end(&run, &access, units.as_deref()).await.map_err(recorded)?;
                Ok(Detached::Over(Box::new(Outcome { access, failure: verdict.failure, cause: verdict.cause })))
            }
            LaunchEnd::Unclear(why) => {
                record.placed(&run).await.map_err(recorded)?;
                Ok(Detached::Unclear { run: Box::new(run), why })
            }
        }
    }
}

fn not_recorded(model: &str, source: mer_dal::DalError) -> SchedulerError {
    SchedulerError::DetachedRecord { model: model.to_owned(), source }
}
