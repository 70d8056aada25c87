//! Takes a request through its steps: replica, prepare, serve, record.

use std::{path::Path, sync::Arc, time::Instant};

use mer_core::{Access, Claims, RunSpec};
use mer_dal::{Durability, Journal};
use mer_meal::Executor;

use crate::{
    CallerEnvironment, ExecutorFactory, Outcome, Output, OutputConfirmation, Request, SchedulerError, WeightsCache,
    executors::Executors,
    input::read_whole_input,
    outcome::Verdict,
    output_forwarding::confirm_output,
    placement::Placement,
    prepare::Preparation,
    record::Recorder,
    replica::replicas_by_health,
    run_spec::{name_weights, run_spec},
    serve::serve,
    server_health::ServerHealth,
    training_output::TrainingOutput,
    warm_pool::WarmPool,
};

/// What a scheduler works with.
#[derive(Debug)]
pub struct Config {
    /// Starts processes on this machine.
    pub executor: Executor,
    /// Makes the executors of other machines.
    pub remote: ExecutorFactory,
    /// The folder of weights on this machine.
    pub weights: WeightsCache,
    /// Records accesses.
    pub journal: Journal,
    /// The caller's environment, from which that of a model is made.
    pub environment: Arc<CallerEnvironment>,
    /// `user@host` of the caller.
    pub caller: String,
    /// What the caller's environment claims about the caller.
    pub caller_claims: Claims,
    /// Process id of the caller.
    pub caller_pid: u32,
}

/// Runs requests, keeps processes warm, and records every attempt.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) environment: Arc<CallerEnvironment>,
    pub(crate) executors: Executors,
    pub(crate) recorder: Recorder,
    pub(crate) weights_cache: WeightsCache,
    warm_pool: WarmPool,
    server_health: ServerHealth,
}

/// How far a request has come.
#[derive(Debug)]
pub(crate) enum Attempted {
    /// It is over and recorded.
    Over(Outcome),
    /// A process has served it, well or not. Its end is not recorded yet.
    Served { access: Access, verdict: Verdict, training_output: Option<Box<TrainingOutput>>, deadline: Option<Instant> },
}

impl Scheduler {
    /// Returns a scheduler without processes.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            environment: config.environment,
            executors: Executors::new(config.executor, config.remote),
            recorder: Recorder::new(config.journal, config.caller, config.caller_claims, config.caller_pid),
            weights_cache: config.weights,
            warm_pool: WarmPool::default(),
            server_health: ServerHealth::default(),
        }
    }

    /// Runs one request. Its start is recorded before a process is started or sent anything, its end before this returns.
    ///
    /// The model's servers are tried in their order: the first that can be reached serves the request. Each that cannot is a
    /// recorded attempt of its own, and is tried after the others for a while. Output is forwarded as it comes;
    /// `confirmation` reports whether it was written before the run is judged.
    ///
    /// # Errors
    /// [`SchedulerError`] if there was nothing to attempt. A run that was attempted and failed is an [`Outcome`].
    pub async fn run(
        &self,
        request: Request<'_>,
        output: Output,
        confirmation: OutputConfirmation,
    ) -> Result<Outcome, SchedulerError> {
        let cancel = request.cancel.clone();
        Ok(match self.attempt(request, Path::new(""), output).await? {
            Attempted::Over(outcome) => outcome,
            Attempted::Served { mut access, verdict, deadline, .. } => {
                let verdict = confirm_output(confirmation, &mut access, verdict, deadline, &cancel).await;
                self.recorder.record_end(access, verdict).await
            }
        })
    }

    /// Attempts the request on one server after the other, until one serves it.
    pub(crate) async fn attempt(
        &self,
        mut request: Request<'_>,
        scratch: &Path,
        output: Output,
    ) -> Result<Attempted, SchedulerError> {
        self.environment.learn(request.servers);
        let replicas = replicas_by_health(request.model, request.servers, request.pinned, &self.server_health)?;
        let mut unreachable: Option<Outcome> = None;
        for (attempt, placement) in (1_u32..).zip(&replicas) {
            if let Some(before) = &unreachable {
                warn_of_fallback(before, placement);
            }
            let (mut access, spec) = self.begin(attempt, &request, placement)?;
            if spec.protocol.stays_up()
                && let Err(end) = read_whole_input(&access, &spec, &mut request).await?
            {
                self.recorder.record_start(&access, Durability::Written).await?;
                let outcome = self.recorder.record_end(access, Verdict::not_collected(&end)).await;
                return Ok(Attempted::Over(outcome));
            }
            let preparation = Preparation {
                recorder: &self.recorder,
                warm_pool: &self.warm_pool,
                executors: &self.executors,
                weights_cache: &self.weights_cache,
                placement,
                cancel: &request.cancel,
            };
            let prepared = preparation.prepare(&mut access, &spec, &request, &output, scratch).await?;
            // The bound of the run counts from here on: the process gets its input now.
            let deadline = spec.bounds.timeout.deadline(Instant::now());
            let verdict = match prepared {
                Ok(process) => {
                    self.server_health.reached(placement);
                    let serving = serve(process, &mut access, &spec, placement, &self.warm_pool, request, output);
                    let (verdict, training_output) = serving.await;
                    return Ok(Attempted::Served { access, verdict, training_output, deadline });
                }
                Err(verdict) => verdict,
            };
            let elsewhere = verdict.elsewhere;
            if elsewhere {
                self.server_health.failed(placement, Instant::now());
            }
            let outcome = self.recorder.record_end(access, verdict).await;
            if !elsewhere {
                return Ok(Attempted::Over(outcome));
            }
            unreachable = Some(outcome);
        }
        // Every model has one server at least, so this is not reached without an attempt.
        let none = || SchedulerError::NoSuchServer { model: request.model.name.clone(), server: String::new() };
        unreachable.map(Attempted::Over).ok_or_else(none)
    }

    /// Returns the access of an attempt that begins now, and what is to be started for it.
    fn begin(
        &self,
        attempt: u32,
        request: &Request<'_>,
        placement: &Placement,
    ) -> Result<(Access, RunSpec), SchedulerError> {
        let access = self.recorder.begin(&request.model.name, request.kind, placement);
        let mut access = Access { request_uid: request.uid, attempt, ..access };
        if let Some(requester) = &request.requester {
            access.caller.clone_from(&requester.caller);
            access.caller_claims.clone_from(&requester.claims);
            access.caller_pid = requester.pid;
        }
        let mut spec = run_spec(placement, &access, &self.environment, request.timeout)?;
        if let Some(weights) = &request.weights {
            name_weights(&weights.version, &mut access, &mut spec);
        }
        spec.protocol.name().clone_into(&mut access.protocol);
        Ok((access, spec))
    }

    /// Returns the journal that accesses are recorded in.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        self.recorder.journal()
    }

    /// Returns model and server of each idle process in the pool, sorted.
    #[must_use]
    pub fn warm(&self) -> Vec<(String, String)> {
        self.warm_pool.list()
    }

    /// Ends every process in the pool.
    pub async fn stop(&self) {
        self.warm_pool.stop_all().await;
    }
}

/// Warns that another server is tried, because the caller may rely on the first one.
fn warn_of_fallback(before: &Outcome, next: &Placement) {
    let Access { model, server, error, .. } = &before.access;
    let why = error.as_deref().unwrap_or_default();
    tracing::warn!("`{model}` on `{server}`: {why}; trying `{}`", next.server);
}
