//! What limits are made from.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use mer_core::ResourceAmount;

use super::shared::SharedLimits;

/// What limits are made from. Nothing of it is touched for a process that no limit applies to.
#[derive(Debug, Clone, Default)]
pub struct LimitsConfig {
    /// The private folder of the locks of one user and database. Made when it is needed.
    pub folder: PathBuf,
    /// Name of this machine, for the units of a `local` without `pool`.
    pub host: String,
    /// What this machine has, by name of the resource: what the server `local` has.
    pub resources: BTreeMap<String, ResourceAmount>,
    /// Name of this machine's pool. Servers with the same one share what they have.
    pub pool: Option<String>,
    /// Limits that machines share; `None` if the database is of this machine only.
    pub shared: Option<Arc<dyn SharedLimits>>,
}
