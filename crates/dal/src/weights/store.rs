//! What a [`Store`] knows of weights.

use mer_core::{Access, Alias, AliasMove, Dtype, Model, WeightsFormat, WeightsVersion, Which};
use uuid::Uuid;

use super::WeightsBackend as _;
use crate::{DalError, Store, store::ask};

/// What an upload becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    /// How its bytes are laid out.
    pub format: WeightsFormat,
    /// The type of its elements.
    pub dtype: Dtype,
    /// How many elements it has in each dimension.
    pub shape: Option<Vec<u64>>,
    /// The version that it was made from.
    pub parent: Option<u64>,
    /// The access that made it. Its end is put on record in the same step, with the version's number and hash.
    pub access: Option<Box<Access>>,
    /// What a person said of it.
    pub note: Option<String>,
    /// Aliases that mean it from now on.
    pub aliases: Vec<String>,
    /// `user@host` of who put it.
    pub caller: String,
}

impl Store {
    /// The versions of a model, newest first.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError> {
        ask!(self, backend => backend.versions(model))
    }

    /// One version of a model, or nothing where there is none of that number.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError> {
        ask!(self, backend => backend.version(model, version))
    }

    /// Every alias of these models and the version that it means, by model and name.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn named_versions(&self, models: &[Model]) -> Result<Vec<(Alias, WeightsVersion)>, DalError> {
        ask!(self, backend => backend.named_versions(models))
    }

    /// The version that is meant; nothing where the model alone is named and has no current one.
    ///
    /// # Errors
    /// [`DalError::NoVersion`], [`DalError::NoAlias`]; otherwise as [`Store::servers`].
    pub async fn resolve(&self, model: &Model, which: &Which) -> Result<Option<WeightsVersion>, DalError> {
        let version = match which {
            Which::Version(number) => {
                let found = self.version(model, *number).await?;
                let none = || DalError::NoVersion { model: model.name.clone(), version: *number };
                return found.ok_or_else(none).map(Some);
            }
            Which::Current => None,
            Which::Alias(name) => Some(name),
        };
        let named = self.named_versions(std::slice::from_ref(model)).await?;
        let wanted = which.alias().unwrap_or_default();
        match (named.into_iter().find(|(alias, _)| alias.name == wanted), version) {
            (Some((_, version)), _) => Ok(Some(version)),
            (None, None) => Ok(None),
            (None, Some(alias)) => Err(DalError::NoAlias { model: model.name.clone(), alias: alias.clone() }),
        }
    }

    /// The moves of an alias, or of all of a model's, the newest first.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn alias_moves(&self, model: &Model, name: Option<&str>) -> Result<Vec<AliasMove>, DalError> {
        ask!(self, backend => backend.alias_moves(model, name))
    }

    /// Makes an alias mean a version, or takes it away, and writes the move down, in one transaction. An alias that means
    /// it already is left as it is.
    ///
    /// # Errors
    /// [`DalError::NoVersion`]; otherwise as [`Store::apply`].
    pub async fn move_alias(
        &self,
        model: &Model,
        name: &str,
        version: Option<u64>,
        caller: &str,
        request: Option<Uuid>,
    ) -> Result<(), DalError> {
        ask!(self, backend => backend.move_alias(model, name, version, caller, request))
    }

    /// The last number that a version of this model was given, whether it is still there or not; 0 where there was none.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn last_version(&self, model: &Model) -> Result<u64, DalError> {
        ask!(self, backend => backend.last_version(model))
    }

    /// Takes over the last number of versions that another database gave, and the moves of its aliases. What is known here
    /// stays: of an alias only those moves are added that come after the ones that are there. Times are kept to the
    /// microsecond.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn restore_aliases(&self, model: &Model, last: u64, moves: &[AliasMove]) -> Result<(), DalError> {
        ask!(self, backend => backend.restore_aliases(model, last, moves))
    }

    /// Removes a version. With `force` also one that aliases name, which are taken away with it, or that the log mentions.
    /// Its bytes go with [`crate::collect_garbage`], unless another version has them too.
    ///
    /// # Errors
    /// [`DalError::NoVersion`], [`DalError::VersionInUse`]; otherwise as [`Store::apply`].
    pub async fn remove_version(&self, model: &Model, version: u64, force: bool, caller: &str) -> Result<(), DalError> {
        if !force && ask!(self, backend => backend.is_in_log(model, version))? {
            let named = self.named_versions(std::slice::from_ref(model)).await?;
            let mine = named.into_iter().filter(|(_, meant)| meant.version == version);
            let names: Vec<String> = mine.map(|(alias, _)| alias.name).collect();
            return Err(in_use(model, version, &names, true));
        }
        ask!(self, backend => backend.remove_version(model, version, force, caller))
    }
}

/// Why a version is not removed: the aliases that mean it, and whether the log mentions it.
pub(crate) fn in_use(model: &Model, version: u64, aliases: &[String], logged: bool) -> DalError {
    let named = match aliases {
        [] => None,
        [one] => Some(format!("the alias `{one}` means it")),
        several => Some(format!("the aliases `{}` mean it", several.join("`, `"))),
    };
    let logged = logged.then(|| "the log of accesses mentions it".to_owned());
    let why: Vec<String> = named.into_iter().chain(logged).collect();
    DalError::VersionInUse { model: model.name.clone(), version, why: why.join(", and ") }
}
