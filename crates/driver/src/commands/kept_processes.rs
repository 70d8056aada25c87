//! Kept processes as rows of a table.

use mer_core::KeptProcess;
use serde::Serialize;

use crate::ui::{CellFormat, TableRow};

/// A kept process in a list.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct ProcessRow(pub(super) KeptProcess);

impl TableRow for ProcessRow {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "id",
        "server",
        "pid",
        "state",
        "in flight",
        "queued",
        "served",
        "memory",
        "age",
        "until",
        "last error",
    ];
    const EXPENDABLE: &'static [&'static str] = &["served", "queued", "pid", "until", "in flight", "memory"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        let Self(process) = self;
        let until = process.until.map(|time| format.time(time)).unwrap_or_default();
        vec![
            process.model.clone(),
            process.id.clone(),
            process.server.clone(),
            process.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            process.state.to_string(),
            process.in_flight.to_string(),
            process.queued.to_string(),
            process.served.to_string(),
            process.memory_bytes.map(|bytes| format.bytes(bytes)).unwrap_or_default(),
            format.age(process.age_ms),
            until,
            process.last_error.clone().unwrap_or_default(),
        ]
    }
}
