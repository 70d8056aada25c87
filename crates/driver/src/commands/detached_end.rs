//! The end of a detached run, as a command shows it.

use mer_scheduler::Outcome;
use mer_service::detached::{CollectedRun, failure_of};

use super::run_failure::failure;
use crate::{errors::CliError, ui::Ui};

/// Returns the failure of a run that is over; none if it succeeded.
pub(super) fn failed(collected: &CollectedRun, ui: Ui) -> Option<CliError> {
    let kind = failure_of(&collected.access)?;
    let outcome = Outcome { access: collected.access.clone(), failure: Some(kind), cause: None };
    Some(failure(&outcome, None, None, ui))
}
