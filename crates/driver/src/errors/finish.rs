//! The end of a command: its error is printed, and its outcome becomes an exit code.

use super::CliError;
use crate::ui::Ui;

/// Prints the error of a command that failed, and returns the exit code.
pub(crate) fn finish(outcome: Result<u8, CliError>, ui: Ui) -> u8 {
    outcome.unwrap_or_else(|error| {
        ui.error(&error);
        error.exit_code()
    })
}
