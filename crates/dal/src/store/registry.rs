//! Servers and models.

use mer_core::{Model, Registry, Server};

use super::{Store, ask};
use crate::{DalError, RegistryCopy, backend::RegistryBackend as _};

impl Store {
    /// Returns the servers by name.
    ///
    /// # Errors
    /// [`DalError::Query`], [`DalError::NoSchema`], [`DalError::Row`], as every method that reads.
    pub async fn servers(&self) -> Result<Vec<Server>, DalError> {
        ask!(self, backend => backend.servers())
    }

    /// Returns the models by name.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn models(&self) -> Result<Vec<Model>, DalError> {
        ask!(self, backend => backend.models())
    }

    /// Returns the server of this name.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn server(&self, name: &str) -> Result<Option<Server>, DalError> {
        ask!(self, backend => backend.server(name))
    }

    /// Returns the model of this name.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn model(&self, name: &str) -> Result<Option<Model>, DalError> {
        ask!(self, backend => backend.model(name))
    }

    /// Returns servers and models as `mer export` writes them.
    ///
    /// # Errors
    /// As [`Store::servers`].
    pub async fn registry(&self) -> Result<Registry, DalError> {
        let servers = self.servers().await?.into_iter().map(|server| (server.name, server.spec)).collect();
        let models = self.models().await?.into_iter().map(|model| (model.name, model.spec)).collect();
        Ok(Registry { servers, models })
    }

    /// Adds new objects and replaces existing ones in one transaction. Objects that the registry does not name stay.
    /// Check the registry first ([`Registry::check`]): a model must name servers that exist.
    ///
    /// # Errors
    /// [`DalError::Query`]; [`DalError::Conflict`] if other writers won every attempt. Nothing is stored then.
    pub async fn apply(&self, registry: &Registry) -> Result<(), DalError> {
        ask!(self, backend => backend.apply(registry, None))
    }

    /// Applies a registry like [`Store::apply`], but only if each object that changes is still what it was in `seen`, or
    /// was absent there and still is. Use it for a change that was decided by looking at `seen`.
    ///
    /// # Errors
    /// [`DalError::Changed`]; otherwise as [`Store::apply`]. Nothing is stored then.
    pub async fn apply_over(&self, seen: &Registry, registry: &Registry) -> Result<(), DalError> {
        ask!(self, backend => backend.apply(registry, Some(seen)))
    }

    /// Restores servers and models with their uids and times in one transaction. Objects that are already equal, times
    /// included, are left alone; objects that the copy does not name stay. Times are kept to the microsecond.
    /// The models must name servers that exist or that are part of the copy.
    ///
    /// # Errors
    /// [`DalError::HasWeights`] if a model with weights would be removed or get another uid; otherwise as
    /// [`Store::apply`].
    pub async fn restore(&self, copy: &RegistryCopy) -> Result<(), DalError> {
        ask!(self, backend => backend.restore(copy))
    }

    /// Removes the model of this name, if there is one, in one transaction. Its accesses stay.
    ///
    /// # Errors
    /// [`DalError::HasWeights`]; otherwise as [`Store::apply`].
    pub async fn remove_model(&self, name: &str) -> Result<(), DalError> {
        ask!(self, backend => backend.remove_model(name))
    }

    /// Removes the server of this name, if there is one, in one transaction. If models name it, nothing changes and
    /// their names are returned. A model that names no server runs on `local`, which cannot be removed, and is not
    /// among them.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn remove_server(&self, name: &str) -> Result<Vec<String>, DalError> {
        ask!(self, backend => backend.remove_server(name))
    }
}
