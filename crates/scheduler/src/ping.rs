//! Whether a model could serve: its command exists where it is to run, and a process that stays up becomes ready.

use std::time::Instant;

use mer_core::{ConnType, ExitCode, Kind, Model, Server};
use mer_dal::Durability;
use mer_meal::Cancel;
use serde::Serialize;

use crate::{
    Placement, Scheduler, SchedulerError,
    outcome::{Verdict, chain},
    placement::placements,
    pool,
    scheduler::millis,
    spec::run_spec,
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
    /// `ping`, and is ended again.
    ///
    /// # Errors
    /// The registration is wrong, or the start could not be put on record.
    pub async fn ping(
        &self,
        model: &Model,
        servers: &[Server],
        cancel: &Cancel,
    ) -> Result<Vec<PingReport>, SchedulerError> {
        let mut reports = Vec::new();
        for placement in placements(model, servers, None)? {
            let began = Instant::now();
            let found = self.ping_there(&model.name, &placement, cancel).await?;
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
        cancel: &Cancel,
    ) -> Result<Result<String, (u8, String)>, SchedulerError> {
        if placement.conn_type != ConnType::Local {
            let error = SchedulerError::NoTransport { model: model.to_owned(), server: placement.server.clone() };
            return Ok(Err((error.exit_code(), error.to_string())));
        }
        let mut access = self.begin(model, Kind::Ping, placement);
        let spec = run_spec(placement, &access, &self.config.environment, None)?;
        spec.protocol.name().clone_into(&mut access.protocol);
        let path = match self.config.executor.resolve(&spec).await {
            Ok(path) => path.display().to_string(),
            Err(error) => return Ok(Err((ExitCode::CONFIG, chain(&error)))),
        };
        if !spec.protocol.stays_up() {
            return Ok(Ok(path));
        }
        self.record_start(&access, Durability::Synced).await?;
        let verdict = match self.start_warm(&mut access, spec, None, cancel).await {
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
