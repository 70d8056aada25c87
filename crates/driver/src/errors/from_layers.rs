//! What the layers below say, as the errors of a command: one exit code, the cause once, a hint where there is one.

use mer_core::Dtype;
use mer_dal::DalError;
use mer_migrations::MigrationError;
use mer_scheduler::SchedulerError;
use mer_weights::WeightsError;

use crate::app::App;
use crate::{
    cli::line_of,
    errors::{CliError, Kind, did_you_mean},
    ui::counted,
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
            SchedulerError::NoCommand { model, key, .. } => {
                let flag = if *key == "trainCommand" { "--train-command 'PROGRAM ARGUMENTS'" } else { "-- COMMAND…" };
                Some(format!("`mer --allow-changes model set {model} {flag}` gives it one"))
            }
            _ => None,
        };
        hint.into_iter().fold(Self::of(kind, error), Self::hint)
    }
}

impl From<WeightsError> for CliError {
    fn from(error: WeightsError) -> Self {
        const RAW: &str = "bytes of any kind are put with `--format raw`";
        let hint = match &error {
            WeightsError::Header { .. } | WeightsError::Json { .. } => Some(RAW.to_owned()),
            WeightsError::Size { .. } => Some(format!("see whether it was copied whole; {RAW}")),
            WeightsError::OtherDtype { .. } => Some("omit `--dtype`: the file has its own".to_owned()),
            WeightsError::OtherShape { .. } => Some("omit `--shape`: the file has its own".to_owned()),
            WeightsError::Shape { dtype, found, .. } => elements(*dtype, *found),
            WeightsError::Number { number, dtype, .. } if dtype.is_float() && number.parse::<i64>().is_ok() => {
                Some("`--dtype i64` has it".to_owned())
            }
            WeightsError::NoElements => Some("name it: `--dtype f32`".to_owned()),
            WeightsError::LongJson { .. } => Some("use npy or safetensors".to_owned()),
            WeightsError::Lossy { .. } => Some("without `--format` they come as they were put".to_owned()),
            _ => None,
        };
        let failure = Self::of(Kind::Input, error);
        hint.into_iter().fold(failure, Self::hint)
    }
}

/// How many elements so many bytes are.
fn elements(dtype: Dtype, bytes: u64) -> Option<String> {
    let size = u64::try_from(dtype.size()?).ok()?;
    let whole = bytes.is_multiple_of(size).then(|| bytes / size)?;
    Some(format!("as {dtype} they are {}; without `--shape` they are one array of them", counted(whole, "element")))
}
