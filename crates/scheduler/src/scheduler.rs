//! The scheduler, and what it works with.

use std::sync::Arc;

use mer_core::{Claims, ProcessState};
use mer_dal::Journal;
use mer_meal::Executor;

use crate::{
    CallerEnvironment, ExecutorFactory, LimitsConfig, Unit, WeightsCache, executors::Executors, kept::Pool,
    limits::Limits, record::Recorder, server_health::ServerHealth,
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
    /// Limits on what runs at once.
    pub limits: LimitsConfig,
}

/// Runs requests, keeps processes warm, and records every attempt.
#[derive(Debug)]
pub struct Scheduler {
    pub(crate) environment: Arc<CallerEnvironment>,
    pub(crate) executors: Executors,
    pub(crate) recorder: Recorder,
    pub(crate) weights_cache: WeightsCache,
    pub(crate) pool: Arc<Pool>,
    pub(crate) server_health: ServerHealth,
    pub(crate) limits: Arc<Limits>,
}

impl Scheduler {
    /// Returns a scheduler without processes.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let limits = Arc::new(Limits::new(config.limits));
        Self {
            executors: Executors::new(config.executor, config.remote, Arc::clone(&config.environment)),
            environment: config.environment,
            recorder: Recorder::new(config.journal, config.caller, config.caller_claims, config.caller_pid),
            weights_cache: config.weights,
            pool: Pool::new(Arc::clone(&limits)),
            server_health: ServerHealth::default(),
            limits,
        }
    }

    /// Returns the journal that accesses are recorded in.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        self.recorder.journal()
    }

    /// Returns model and server of each idle process in the pool, sorted.
    #[must_use]
    pub fn warm(&self) -> Vec<(String, String)> {
        let processes = self.pool.list().into_iter();
        let idle = processes.filter(|process| process.state == ProcessState::Ready);
        idle.map(|process| (process.model, process.server)).collect()
    }

    /// Ends idle kept processes that hold any of these units.
    pub fn yield_units(&self, units: &[Unit]) {
        self.pool.yield_units(units);
    }

    /// Ends every process in the pool that serves no request, and the others after their request.
    pub async fn stop(&self) {
        self.pool.stop_all().await;
    }
}
