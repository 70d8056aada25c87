//! Finds needs of models that none of their servers can ever meet.

use super::content::Registry;
use crate::{ConnParams, LOCAL_SERVER, ModelSpec, SLOTS};

/// A need that none of a model's servers can meet, so that every run of the model fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetNeed {
    /// Name of the model.
    pub model: String,
    /// Name of the resource.
    pub resource: String,
    /// Number of units that a process takes on the first server of the model.
    pub count: u32,
}

impl Registry {
    /// Returns the needs that cannot be met, at most one a model. `known` has the servers that exist already. What `local`
    /// has is set by each machine, and what a server of a pool has may be set elsewhere: these can meet every need.
    #[must_use]
    pub fn unmet_needs(&self, known: &Self) -> Vec<UnmetNeed> {
        let unmet = self.models.iter().filter_map(|(name, model)| {
            let mut lacks = model.servers().into_iter().map(|server| self.lack(known, model, server));
            let (resource, count) = lacks.next()??;
            let cannot = lacks.all(|lack| lack.is_some());
            cannot.then(|| UnmetNeed { model: name.clone(), resource, count })
        });
        unmet.collect()
    }

    /// Returns a resource of which a process of the model takes more than the server has.
    fn lack(&self, known: &Self, model: &ModelSpec, server: &str) -> Option<(String, u32)> {
        if server == LOCAL_SERVER {
            return None;
        }
        let params = &self.servers.get(server).or_else(|| known.servers.get(server))?.params;
        if params.pool.is_some() {
            return None;
        }
        let needs = model.on_server(server).needs;
        needs.into_iter().find(|(resource, count)| has(params, resource).is_some_and(|units| units < *count))
    }
}

/// Returns how many units a server has; `None` if the number is unlimited.
fn has(params: &ConnParams, resource: &str) -> Option<u32> {
    match params.resources.get(resource) {
        Some(amount) => Some(amount.count()),
        None => (resource != SLOTS).then_some(0),
    }
}
