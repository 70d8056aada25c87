//! The error of every operation of this crate.

use mer_dal::DalError;
use mer_migrations::MigrationError;
use mer_scheduler::SchedulerError;
use mer_weights::WeightsError;
use thiserror::Error;

/// Why an operation of the service failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The database or the journal failed.
    #[error(transparent)]
    Dal(#[from] DalError),
    /// The schema of the database is not the one of this version, or could not be brought to it.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// A run could not be attempted or put on record.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// Bytes are not the weights that they are said to be.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// No object has this name.
    #[error("there is no {object} `{name}`")]
    UnknownObject {
        /// `model` or `server`.
        object: &'static str,
        /// The name that was asked for.
        name: String,
        /// Known names that are similar, the most similar first.
        near: Vec<String>,
    },
}

impl ServiceError {
    /// An unknown name, with the known names that are similar to it.
    pub fn unknown_object<'a>(object: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let near = mer_core::nearest(name, known).into_iter().map(str::to_owned).collect();
        Self::UnknownObject { object, name: name.to_owned(), near }
    }
}
