//! Errors of the layers below as errors of a command, with their hints.

use mer_core::FailureKind;
use mer_dal::DalError;
use mer_migrations::MigrationError;
use mer_scheduler::SchedulerError;
use mer_weights::WeightsError;

use super::{
    cli_error::CliError,
    hints::{dal_hint, migration_hint, scheduler_hint, weights_hint},
};
use crate::{app::App, cli::line_of};

impl App {
    /// Adds the flags that chose the database to each command in the hints, so that the commands can be copied as they are.
    pub(crate) fn hinting_at_this_database(&self, error: CliError) -> CliError {
        let flags = self.loaded.database_flags();
        if flags.is_empty() {
            return error;
        }
        let begin = format!("`mer {} ", line_of(flags));
        error.with_hints(|hint| hint.replace("`mer ", &begin))
    }
}

impl From<DalError> for CliError {
    fn from(error: DalError) -> Self {
        let hint = dal_hint(&error);
        hint.into_iter().fold(Self::classified(error), Self::hint)
    }
}

impl From<MigrationError> for CliError {
    fn from(error: MigrationError) -> Self {
        let hint = migration_hint(&error);
        hint.into_iter().fold(Self::classified(error), Self::hint)
    }
}

impl From<SchedulerError> for CliError {
    fn from(error: SchedulerError) -> Self {
        let hint = scheduler_hint(&error);
        hint.into_iter().fold(Self::classified(error), Self::hint)
    }
}

impl From<WeightsError> for CliError {
    fn from(error: WeightsError) -> Self {
        let hint = weights_hint(&error);
        hint.into_iter().fold(Self::of(FailureKind::Input, error), Self::hint)
    }
}
