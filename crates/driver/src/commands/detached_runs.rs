//! Detached runs as rows of a table.

use std::time::Duration;

use jiff::Timestamp;
use mer_core::micros;
use mer_service::detached::{DetachedStatus, Standing};
use serde::Serialize;
use uuid::Uuid;

use crate::ui::{CellFormat, TableRow};

/// A detached run in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetachedRow {
    pub(super) request_uid: Uuid,
    attempt: u32,
    model: String,
    server: String,
    host: String,
    pid: Option<u32>,
    job_id: Option<String>,
    /// `starting`, `running`, `unknown`, `ended`, or the status of a run that this look has put on record.
    state: String,
    why: Option<String>,
    #[serde(serialize_with = "micros")]
    started_at: Timestamp,
    #[serde(serialize_with = "micros")]
    collect_by: Timestamp,
    age_ms: f64,
    folder: Option<String>,
}

impl DetachedRow {
    pub(super) fn new(status: DetachedStatus) -> Self {
        let DetachedStatus { run, standing } = status;
        let (state, why) = match standing {
            Standing::Starting => ("starting".to_owned(), None),
            Standing::Queued => ("queued".to_owned(), None),
            Standing::Running(_) => ("running".to_owned(), None),
            Standing::Unknown(why) => ("unknown".to_owned(), Some(why)),
            Standing::BeingCollected => ("ended".to_owned(), None),
            Standing::Ended(why) => ("ended".to_owned(), Some(why)),
            Standing::Collected(collected) => (collected.access.status.to_string(), collected.access.error.clone()),
        };
        let age = Duration::try_from(Timestamp::now().duration_since(run.started_at)).unwrap_or_default();
        Self {
            request_uid: run.request_uid,
            attempt: run.attempt,
            model: run.model,
            server: run.server,
            host: run.host,
            pid: run.params.pid,
            job_id: run.job_id,
            state,
            why,
            started_at: run.started_at,
            collect_by: run.collect_by,
            age_ms: age.as_secs_f64() * 1_000.0,
            folder: run.folder,
        }
    }
}

impl TableRow for DetachedRow {
    const COLUMNS: &'static [&'static str] = &["detached run", "model", "server", "pid", "state", "age", "why"];
    const EXPENDABLE: &'static [&'static str] = &["pid"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        vec![
            format.uid(self.request_uid),
            self.model.clone(),
            self.server.clone(),
            self.job_id.clone().or_else(|| self.pid.map(|pid| pid.to_string())).unwrap_or_default(),
            self.state.clone(),
            format.age(self.age_ms),
            self.why.clone().unwrap_or_default(),
        ]
    }

    fn uid(&self) -> Option<Uuid> {
        Some(self.request_uid)
    }
}
