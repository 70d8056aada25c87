//! Versions of weights and their aliases.

use mer_core::{Alias, AliasMove, Model, WeightsVersion, Which};
use uuid::Uuid;

use super::{Store, ask};
use crate::{
    DalError,
    backend::{AliasBackend as _, RestoreBackend as _, VersionBackend as _},
    weights::version_in_use,
};

impl Store {
    /// Returns the versions of a model, newest first.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn versions(&self, model: &Model) -> Result<Vec<WeightsVersion>, DalError> {
        ask!(self, backend => backend.versions(model))
    }

    /// Returns the version of this number.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn version(&self, model: &Model, version: u64) -> Result<Option<WeightsVersion>, DalError> {
        ask!(self, backend => backend.version(model, version))
    }

    /// Returns every alias of these models with the version that it names, ordered by model and alias.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn named_versions(&self, models: &[Model]) -> Result<Vec<(Alias, WeightsVersion)>, DalError> {
        ask!(self, backend => backend.named_versions(models))
    }

    /// Returns the version that a reference names. `None` if it names the model alone and that has no current version.
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

    /// Returns the moves of one alias, or of all aliases of the model, newest first.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn alias_moves(&self, model: &Model, name: Option<&str>) -> Result<Vec<AliasMove>, DalError> {
        ask!(self, backend => backend.alias_moves(model, name))
    }

    /// Points an alias at a version, or removes it, and records the move in the same transaction. Nothing is recorded if
    /// the alias already names that version.
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

    /// Returns the highest number that a version of this model ever had, removed versions included, or 0.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn last_version(&self, model: &Model) -> Result<u64, DalError> {
        ask!(self, backend => backend.last_version(model))
    }

    /// Restores the highest version number and the alias moves of another database. Existing moves stay: of an alias only
    /// later moves are added. Times are kept to the microsecond.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn restore_aliases(&self, model: &Model, last: u64, moves: &[AliasMove]) -> Result<(), DalError> {
        ask!(self, backend => backend.restore_aliases(model, last, moves))
    }

    /// Removes a version. `force` also removes one that the log mentions or that aliases name, together with those
    /// aliases. Its bytes are freed by [`crate::collect_garbage`], unless another version has the same bytes.
    ///
    /// # Errors
    /// [`DalError::NoVersion`], [`DalError::VersionInUse`]; otherwise as [`Store::apply`].
    pub async fn remove_version(&self, model: &Model, version: u64, force: bool, caller: &str) -> Result<(), DalError> {
        if !force && ask!(self, backend => backend.is_in_log(model, version))? {
            let named = self.named_versions(std::slice::from_ref(model)).await?;
            let mine = named.into_iter().filter(|(_, meant)| meant.version == version);
            let names: Vec<String> = mine.map(|(alias, _)| alias.name).collect();
            return Err(version_in_use(model, version, &names, true));
        }
        ask!(self, backend => backend.remove_version(model, version, force, caller))
    }
}
