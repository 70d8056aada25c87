//! The servers and models of a registry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Model, ModelSpec, Server, ServerSpec};

/// Servers and models by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registry {
    /// Servers by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, ServerSpec>,
    /// Models by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, ModelSpec>,
}

impl Registry {
    /// Returns the registry with these servers and models.
    #[must_use]
    pub fn of(servers: &[Server], models: &[Model]) -> Self {
        Self {
            servers: servers.iter().map(|server| (server.name.clone(), server.spec.clone())).collect(),
            models: models.iter().map(|model| (model.name.clone(), model.spec.clone())).collect(),
        }
    }
}
