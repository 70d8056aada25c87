//! The version that an upload becomes, and the uid by which rows name a model.

use std::collections::HashMap;

use mer_core::{Access, Dtype, Model, WeightsFormat};
use uuid::Uuid;

use crate::DalError;

/// Describes the version that an upload becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// Layout of the bytes.
    pub format: WeightsFormat,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Number of elements in each dimension.
    pub shape: Option<Vec<u64>>,
    /// Version that this one was made from.
    pub parent: Option<u64>,
    /// Access that made the version. Its end is recorded in the same transaction, with number and hash of the version.
    pub access: Option<Box<Access>>,
    /// Process that collects the access, where that is a detached run. The version is stored only if it still does, and the
    /// row of the run is removed in the same transaction.
    pub collector: Option<Uuid>,
    /// Note of a person.
    pub note: Option<String>,
    /// Aliases that name this version from now on.
    pub aliases: Vec<String>,
    /// `user@host` of the caller.
    pub caller: String,
}

/// Returns the error for a version that cannot be removed: the aliases that name it, and whether the log mentions it.
pub(crate) fn version_in_use(model: &Model, version: u64, aliases: &[String], logged: bool) -> DalError {
    let named = match aliases {
        [] => None,
        [one] => Some(format!("the alias `{one}` names it")),
        several => Some(format!("the aliases `{}` name it", several.join("`, `"))),
    };
    let logged = logged.then(|| "the log of accesses mentions it".to_owned());
    let why: Vec<String> = named.into_iter().chain(logged).collect();
    DalError::VersionInUse { model: model.name.clone(), version, why: why.join(", and ") }
}

/// Returns the uid by which rows name a model.
pub(crate) fn model_uid(model: &Model) -> Result<Uuid, DalError> {
    let wrong = |error| DalError::Row { table: "AvailableModels", reason: format!("`{}`: {error}", model.uid) };
    Uuid::try_parse(&model.uid).map_err(wrong)
}

/// Returns the names of models by the uids that rows have.
pub(crate) fn names_by_uid(models: &[Model]) -> Result<HashMap<Uuid, &str>, DalError> {
    models.iter().map(|model| Ok((model_uid(model)?, model.name.as_str()))).collect()
}
