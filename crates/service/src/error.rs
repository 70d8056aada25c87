//! The error of every operation of this crate.

use std::{error::Error, io, path::PathBuf, time::Duration};

use mer_core::{Access, Classified, FailureKind, NameError, RegistryError, Shortage};
use mer_dal::DalError;
use mer_migrations::MigrationError;
use mer_scheduler::{DetachedError, SchedulerError};
use mer_weights::WeightsError;
use thiserror::Error;
use uuid::Uuid;

use crate::{registry_file::RegistryFileError, transfer::ImportError};

/// An error of any type.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

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
    /// A detached run could not be looked at or steered.
    #[error(transparent)]
    Detached(#[from] DetachedError),
    /// The run was no detached one.
    #[error("the run `{request}` of `{model}` was not detached: it ended with its caller")]
    NotDetached {
        /// Id of the request.
        request: Uuid,
        /// The model.
        model: String,
    },
    /// A detached run is on another machine, which alone can look at it.
    #[error("the run `{request}` is on the machine `{host}`, as its server `local`")]
    OtherMachine {
        /// Id of the request.
        request: Uuid,
        /// Name of the machine.
        host: String,
    },
    /// The folder of a detached run is not there.
    #[error("server `{server}` has no folder of the run `{request}`: it was fetched or removed")]
    FolderGone {
        /// Id of the request.
        request: Uuid,
        /// The server.
        server: String,
    },
    /// A detached run is not over.
    #[error("the run `{request}` is not over yet")]
    RunGoesOn {
        /// Id of the request.
        request: Uuid,
    },
    /// What a detached run left cannot be written.
    #[error("`{}` cannot be written", path.display())]
    WriteFetched {
        /// The file, or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Bytes are not the weights that they are said to be.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A registry file cannot be read or applied.
    #[error(transparent)]
    RegistryFile(#[from] RegistryFileError),
    /// What is to be imported is not an export, or not a whole one.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// An input cannot be opened.
    #[error("cannot read the input file `{name}`")]
    OpenInput {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// An input ended with an error.
    #[error("`{name}` could not be read to its end")]
    ReadInput {
        /// The file, or what stands for it.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The destination of an output failed.
    #[error("the output could not be written")]
    Output {
        /// The error of the [`crate::ByteSink`].
        source: BoxError,
    },
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
    /// The registry cannot be as it was to be.
    #[error("that cannot be registered")]
    Registration {
        /// What is wrong.
        source: RegistryError,
    },
    /// A key to be removed from a server or model does not exist.
    #[error("there is no key `{key}`")]
    UnknownKey {
        /// The key, as it was asked for.
        key: String,
        /// Known keys that are similar, the most similar first.
        near: Vec<String>,
        /// All known keys.
        known: Vec<String>,
    },
    /// A key cannot be removed, which is a bug.
    #[error("`{key}` cannot be taken away")]
    RemoveKey {
        /// The key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A path is to be registered that is not UTF-8.
    #[error("the path `{path}` is not UTF-8, and a registry holds texts")]
    PathNotUtf8 {
        /// The path, with its other bytes replaced.
        path: String,
    },
    /// The server is this machine.
    #[error("the server `local` is this machine, and cannot be removed")]
    LocalServer,
    /// Models run on the server that is to be removed.
    #[error("the server `{server}` cannot be removed: models run on it: {}", quoted(models))]
    ServerInUse {
        /// The server.
        server: String,
        /// The models, at least one.
        models: Vec<String>,
    },
    /// No alias can have this name.
    #[error("{} is no name for an alias", alias_in_message(alias, source))]
    AliasName {
        /// The name.
        alias: String,
        /// Why.
        source: NameError,
    },
    /// The model has no current weights.
    #[error("`{model}` has no current weights")]
    NoCurrentWeights {
        /// The model.
        model: String,
        /// Its newest version, where it has any.
        newest: Option<String>,
    },
    /// The model has no such version.
    #[error("{reason}")]
    UnknownVersion {
        /// What the database said.
        reason: Box<DalError>,
        /// The version with the nearest number, where the model has any.
        nearest: Option<String>,
    },
    /// The model has no such alias.
    #[error("{reason}")]
    UnknownAlias {
        /// What the database said.
        reason: Box<DalError>,
        /// The model.
        model: String,
        /// Its aliases that are similar, the most similar first.
        near: Vec<String>,
    },
    /// Weights that must be finite are not, or that cannot be found out.
    #[error("{what}")]
    NotFinite {
        /// What was found.
        what: String,
    },
    /// The folder of a training cannot be made.
    #[error("cannot make a folder for the training in `{}`", folder.display())]
    TrainingDir {
        /// The folder of all trainings.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A training wrote a folder.
    #[error("it is a folder, and weights are one file")]
    TrainedFolder,
    /// A training wrote an empty file.
    #[error("the training wrote an empty file")]
    TrainedNothing,
    /// There are no bytes, and the format was not given.
    #[error("the file is empty; nothing was stored")]
    EmptyWeights,
    /// The database did not answer in time.
    #[error("the database `{database}` did not answer within {:.1} s", bound.as_secs_f64())]
    NoAnswer {
        /// The database, as it may be shown.
        database: String,
        /// How long it was waited for.
        bound: Duration,
        /// The last failure.
        source: Box<DalError>,
    },
    /// The log is empty.
    #[error("there is no access yet")]
    NoAccess,
    /// No access has a uid that begins so.
    #[error("there is no access `{beginning}`")]
    UnknownAccess {
        /// The beginning.
        beginning: String,
    },
    /// Several accesses have a uid that begins so.
    #[error("{count}{} accesses begin with `{beginning}`", if *is_more { " or more" } else { "" })]
    AmbiguousAccess {
        /// The beginning.
        beginning: String,
        /// Number of requests that were read.
        count: usize,
        /// Whether there may be further ones.
        is_more: bool,
        /// Some of them.
        candidates: Vec<Access>,
    },
    /// A record cannot be written as JSON, which is a bug.
    #[error("a row cannot be written as JSON")]
    WriteRecord {
        /// Why.
        source: serde_json::Error,
    },
    /// The database and the export have different models of this name, and the one here has weights.
    #[error("{reason} here, and is another than the one of that name in the file; nothing has been taken over")]
    DifferentModel {
        /// What the database said.
        reason: Box<DalError>,
    },
}

impl ServiceError {
    /// An unknown name, with the known names that are similar to it.
    pub fn unknown_object<'a>(object: &'static str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::UnknownObject { object, name: name.to_owned(), near: similar(name, known) }
    }
}

/// The message and the causes in one line. A cause that the text before it contains is left out.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut before = line.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !text.is_empty() && !before.contains(&text) {
            line = format!("{line}: {text}");
            before = text;
        }
        next = cause.source();
    }
    line
}

/// The known names that are similar to a wrong one, the most similar first.
pub(crate) fn similar<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    mer_core::nearest(wrong, known).into_iter().map(str::to_owned).collect()
}

/// A long name is in the cause only.
fn alias_in_message(alias: &str, error: &NameError) -> String {
    if matches!(error, NameError::Long { .. }) { "that".to_owned() } else { format!("`{alias}`") }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Classified for ServiceError {
    fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Dal(error) => error.failure_kind(),
            Self::Migration(error) => error.failure_kind(),
            Self::Scheduler(error) => error.failure_kind(),
            Self::RegistryFile(error) => error.failure_kind(),
            Self::Detached(error) => error.failure_kind(),
            Self::Weights(_)
            | Self::Import(_)
            | Self::NotFinite { .. }
            | Self::EmptyWeights
            | Self::TrainedFolder
            | Self::TrainedNothing => FailureKind::Input,
            Self::OpenInput { .. }
            | Self::ReadInput { .. }
            | Self::Output { .. }
            | Self::TrainingDir { .. }
            | Self::WriteFetched { .. } => Shortage::of(self).map_or(FailureKind::Io, Shortage::failure_kind),
            Self::UnknownObject { .. }
            | Self::NoCurrentWeights { .. }
            | Self::UnknownVersion { .. }
            | Self::UnknownAlias { .. }
            | Self::NoAccess
            | Self::NotDetached { .. }
            | Self::OtherMachine { .. }
            | Self::FolderGone { .. }
            | Self::UnknownAccess { .. }
            | Self::AmbiguousAccess { .. } => FailureKind::NotFound,
            // These are wrong whatever else is registered.
            Self::Registration {
                source:
                    RegistryError::Nul { .. }
                    | RegistryError::Value { .. }
                    | RegistryError::Variable { .. }
                    | RegistryError::ServerTwice { .. },
            }
            | Self::UnknownKey { .. }
            | Self::AliasName { .. } => FailureKind::Usage,
            Self::Registration { .. } | Self::PathNotUtf8 { .. } | Self::LocalServer | Self::DifferentModel { .. } => {
                FailureKind::Config
            }
            Self::ServerInUse { .. } => FailureKind::Refused,
            Self::NoAnswer { .. } | Self::RunGoesOn { .. } => FailureKind::Busy,
            Self::RemoveKey { .. } | Self::WriteRecord { .. } => FailureKind::Bug,
        }
    }
}
