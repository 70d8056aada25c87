//! What a [`crate::Runtime`] is made from.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use mer_core::{ResourceAmount, Size};
use mer_meal::Executor;
use mer_scheduler::{CallerEnvironment, ExecutorFactory};

use crate::{caller::Caller, events::EventSink};

/// A user of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password; some servers need none.
    pub password: Option<mer_dal::Secret>,
}

/// What a [`crate::Runtime`] is made from. Paths are absolute.
#[derive(Debug)]
pub struct Settings {
    /// The database, as the user of every operation but migrations.
    pub database: mer_dal::Settings,
    /// The user of migrations, where that is another one.
    pub migrations_login: Option<Login>,
    /// The folder in which trainings get a folder each.
    pub training_dir: PathBuf,
    /// The folder of weights that models were given.
    pub weights_dir: PathBuf,
    /// Maximum number of bytes of weights in that folder.
    pub weights_limit: Size,
    /// The private folder of the locks on resources, which all processes of this user and database share.
    pub limits_dir: PathBuf,
    /// What this machine has, by name of the resource: what the server `local` has.
    pub resources: BTreeMap<String, ResourceAmount>,
    /// Name of this machine. Servers with the same one share what they have.
    pub pool: Option<String>,
    /// Starts processes on this machine.
    pub executor: Executor,
    /// Makes the executors of other machines.
    pub remote: ExecutorFactory,
    /// The caller's environment, from which a model's is made.
    pub environment: Arc<CallerEnvironment>,
    /// The caller, for the log of accesses.
    pub caller: Caller,
    /// Takes what is to be reported meanwhile.
    pub events: Arc<dyn EventSink>,
}
