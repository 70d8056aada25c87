//! Whether a model could serve: its command exists where it is to run, and a process that stays up becomes ready.

use std::time::Instant;

use mer_core::{ExitCode, Kind, Model, Server, with_causes};
use mer_dal::Durability;
use mer_meal::{Cancel, CancelLevel, EndCause, SshError, StartError};
use serde::Serialize;

use crate::{
    Placement, Scheduler, SchedulerError, Weights,
    outcome::Verdict,
    placement::placements,
    pool,
    scheduler::millis,
    spec::{name_weights, place_weights, run_spec},
};

/// What was found of one model on one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PingReport {
    /// The model.
    pub model: String,
    /// The server.
    pub server: String,
    /// 0, or the exit code that a run would end with.
    pub code: u8,
    /// How long finding out took.
    pub ms: f64,
    /// What was found, or what is wrong.
    pub detail: String,
}

impl Scheduler {
    /// Looks at every server of a model. Nothing is sent to it. A process that is started for this is on record as a
    /// `ping`, and is ended again; it gets the weights, if there are any.
    ///
    /// # Errors
    /// The registration is wrong, or the start could not be put on record.
    pub async fn ping(
        &self,
        model: &Model,
        servers: &[Server],
        weights: Option<&Weights>,
        cancel: &Cancel,
    ) -> Result<Vec<PingReport>, SchedulerError> {
        self.config.environment.learn(servers);
        let mut reports = Vec::new();
        for placement in placements(model, servers, None)? {
            let began = Instant::now();
            let found = self.ping_there(&model.name, &placement, weights, cancel).await?;
            let (code, detail) = match found {
                Ok(detail) => (ExitCode::OK, detail),
                Err((code, detail)) => (code, detail),
            };
            let ms = millis(began.elapsed());
            reports.push(PingReport { model: model.name.clone(), server: placement.server, code, ms, detail });
        }
        Ok(reports)
    }

    async fn ping_there(
        &self,
        model: &str,
        placement: &Placement,
        weights: Option<&Weights>,
        cancel: &Cancel,
    ) -> Result<Result<String, (u8, String)>, SchedulerError> {
        let mut access = self.begin(model, Kind::Ping, placement);
        let mut spec = run_spec(placement, &access, &self.config.environment, None)?;
        spec.protocol.name().clone_into(&mut access.protocol);
        let executor = self.executors.of(placement, Kind::Ping);
        let found = tokio::select! {
            biased;
            found = executor.resolve(&spec) => found,
            () = cancel.reached(CancelLevel::Cancel) => return Ok(Err((ExitCode::SIGINT, EndCause::Cancelled.to_string()))),
        };
        let path = match found {
            Ok(path) => path.display().to_string(),
            Err(StartError::Ssh(error)) => return Ok(Err(unreachable(&error, &placement.server))),
            // As a run would end.
            Err(error) => {
                let code = Verdict::not_started(&placement.server, &error).code;
                return Ok(Err((code, with_causes(&error))));
            }
        };
        if !spec.protocol.stays_up() {
            return Ok(Ok(path));
        }
        if let Some(weights) = weights {
            name_weights(&weights.version, &mut access, &mut spec);
        }
        self.record_start(&access, Durability::Synced).await?;
        let started = async {
            if let Some(weights) = weights {
                place_weights(self.deliver(&executor, placement, weights, cancel).await?, &mut spec);
            }
            self.start_warm(&mut access, &executor, spec, placement, None, cancel).await
        };
        let verdict = match started.await {
            Ok(warm) => {
                pool::stop(vec![warm]).await;
                Verdict::succeeded()
            }
            Err(verdict) => verdict,
        };
        let outcome = self.record_end(access, verdict).await;
        Ok(match outcome.access.error {
            None => Ok(format!("{path}, ready")),
            Some(error) => {
                let last = outcome.access.stderr_tail.lines().rfind(|line| !line.trim().is_empty());
                Err((outcome.code, last.map_or_else(|| error.clone(), |line| format!("{error}: {line}"))))
            }
        })
    }
}

/// A server that cannot be used: why, and what to do about it.
fn unreachable(error: &SshError, server: &str) -> (u8, String) {
    let remedy = error.hint(server).map(|remedy| format!(" ({remedy})")).unwrap_or_default();
    (error.exit_code(), format!("{}{remedy}", with_causes(error)))
}
