//! Scripts as they are listed.

use jiff::Timestamp;
use mer_dal::Applied;
use mer_migrations::{Step, StepStatus};
use serde::Serialize;

use crate::ui::{CellFormat, TableRow};

/// A script, in the database, at hand, or both.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScriptRow {
    number: u32,
    name: String,
    status: &'static str,
    own: bool,
    /// Checksum of the script that was applied.
    checksum: Option<String>,
    /// Checksum of the script at hand.
    script_checksum: Option<String>,
    #[serde(serialize_with = "mer_core::micros_where_known")]
    applied_at: Option<Timestamp>,
    duration_ms: Option<f64>,
    mer_version: Option<String>,
}

impl ScriptRow {
    /// A row that was written just now.
    pub(super) fn applied(row: Applied) -> Self {
        Self {
            number: row.number,
            name: row.name,
            status: StepStatus::Applied.name(),
            own: row.own,
            script_checksum: Some(row.checksum.clone()),
            checksum: Some(row.checksum),
            applied_at: Some(row.applied_at),
            duration_ms: Some(row.duration_ms),
            mer_version: Some(row.mer_version),
        }
    }
}

impl From<Step> for ScriptRow {
    fn from(step: Step) -> Self {
        let Step { number, name, status, own, checksum, applied } = step;
        Self {
            number,
            name,
            status: status.name(),
            own,
            script_checksum: checksum,
            checksum: applied.as_ref().map(|row| row.checksum.clone()),
            applied_at: applied.as_ref().map(|row| row.applied_at),
            duration_ms: applied.as_ref().map(|row| row.duration_ms),
            mer_version: applied.map(|row| row.mer_version),
        }
    }
}

impl TableRow for ScriptRow {
    const COLUMNS: &'static [&'static str] = &["number", "name", "status", "applied", "ms", "by"];
    const EXPENDABLE: &'static [&'static str] = &["by", "ms", "applied"];

    fn cells(&self, format: &CellFormat) -> Vec<String> {
        vec![
            format!("{:02}", self.number),
            self.name.clone(),
            self.status.to_owned(),
            self.applied_at.map(|time| format.time(time)).unwrap_or_default(),
            self.duration_ms.map(|ms| format.milliseconds(ms)).unwrap_or_default(),
            self.mer_version.clone().unwrap_or_default(),
        ]
    }
}

/// A script that is not the one that was applied.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Difference {
    number: u32,
    /// Name of the script that was applied.
    name: String,
    checksum: String,
    /// Name of the script at hand.
    script_name: String,
    script_checksum: String,
}

impl Difference {
    /// Nothing where the script stands on one side only.
    pub(super) fn of(step: &Step) -> Option<Self> {
        let row = step.applied.as_ref()?;
        Some(Self {
            number: step.number,
            name: row.name.clone(),
            checksum: row.checksum.clone(),
            script_name: step.name.clone(),
            script_checksum: step.checksum.clone()?,
        })
    }
}

impl TableRow for Difference {
    const COLUMNS: &'static [&'static str] = &["number", "applied", "its sha256", "at hand", "its sha256"];

    fn cells(&self, _: &CellFormat) -> Vec<String> {
        // Twelve digits tell any two apart that people look at; JSON has all of them.
        let short = |checksum: &str| checksum.chars().take(12).collect();
        vec![
            format!("{:02}", self.number),
            self.name.clone(),
            short(&self.checksum),
            self.script_name.clone(),
            short(&self.script_checksum),
        ]
    }
}
