//! The result of one check.

use serde::Serialize;

use crate::{
    errors::CliError,
    ui::{CellFormat, TableRow},
};

/// Whether a check passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Passed.
    Ok,
    /// Works, but should be changed.
    Warning,
    /// Does not work.
    Failed,
}

/// The result of one check, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    /// What was checked.
    pub(super) check: String,
    pub(super) result: Verdict,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check: check.into(), result: Verdict::Ok, detail: detail.into(), remedy: None }
    }

    pub(super) fn warning(check: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { check: check.into(), result: Verdict::Warning, detail: detail.into(), remedy }
    }

    pub(super) fn failed(check: impl Into<String>, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { result: Verdict::Failed, ..Self::warning(check, detail, remedy) }
    }

    /// An error that would have ended a command; `otherwise` is the remedy if it has no hint.
    pub(super) fn error(check: impl Into<String>, error: &CliError, otherwise: &str) -> Self {
        let remedy = if error.hints().is_empty() { otherwise.to_owned() } else { error.hints().join("; ") };
        Self::failed(check, error.in_one_line(), remedy)
    }
}

impl TableRow for Finding {
    const COLUMNS: &'static [&'static str] = &["check", "result", "detail", "remedy"];

    fn cells(&self, _: &CellFormat) -> Vec<String> {
        let result = match self.result {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
        };
        vec![self.check.clone(), result.to_owned(), self.detail.clone(), self.remedy.clone().unwrap_or_default()]
    }

    fn is_failure(&self) -> bool {
        self.result == Verdict::Failed
    }
}
