//! What the layers below say, as the errors of a command: one exit code, the cause once, a hint where there is one.

use mer_dal::DalError;
use mer_migrations::MigrationError;
use mer_scheduler::SchedulerError;
use mer_weights::WeightsError;

use super::App;
use crate::{
    cli::line_of,
    error::{CliError, Kind, did_you_mean},
};

impl App {
    /// The failure with hints that can be typed as they stand: a command that they name is for this database, where flags
    /// chose it.
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
        let hint = error.hint();
        let failure = Self::of(Kind::of_code(error.exit_code()), error);
        hint.into_iter().fold(failure, Self::hint)
    }
}

impl From<MigrationError> for CliError {
    fn from(error: MigrationError) -> Self {
        let hint = error.hint();
        let failure = Self::of(Kind::of_code(error.exit_code()), error);
        hint.into_iter().fold(failure, Self::hint)
    }
}

impl From<SchedulerError> for CliError {
    fn from(error: SchedulerError) -> Self {
        let kind = Kind::of_code(error.exit_code());
        let hint = match &error {
            SchedulerError::NotOnServer { server, runs_on, .. } => {
                did_you_mean(server, runs_on.iter().map(String::as_str))
            }
            SchedulerError::Record { source, .. } => source.hint(),
            _ => None,
        };
        hint.into_iter().fold(Self::of(kind, error), Self::hint)
    }
}

impl From<WeightsError> for CliError {
    fn from(error: WeightsError) -> Self {
        let hint = match &error {
            WeightsError::Header { .. } | WeightsError::Json { .. } => {
                Some("bytes of any kind are put with `--format raw`")
            }
            WeightsError::NoElements => Some("name it: `--dtype f32`"),
            WeightsError::LongJson { .. } => Some("use npy or safetensors"),
            WeightsError::Lossy { .. } => Some("without `--format` they come as they were put"),
            _ => None,
        };
        let failure = Self::of(Kind::Input, error);
        hint.into_iter().fold(failure, Self::hint)
    }
}
