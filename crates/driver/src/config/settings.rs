//! The merged settings, typed.

use std::path::PathBuf;

use mer_core::{Bound, Size};
use serde::Deserialize;

use super::{resources::Resources, secret::Secret, value};
use crate::{logging::LogFormat, ui::Format};

/// All settings. Paths are absolute.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database's URL. It may contain a password: show only [`Settings::redacted_db`].
    pub(crate) db: Secret,
    /// The folder of the embedded database and of the journal.
    #[serde(deserialize_with = "value::read_path")]
    pub(crate) data_dir: PathBuf,
    /// The folder of the REPL's history.
    #[serde(deserialize_with = "value::read_path")]
    pub(crate) state_dir: PathBuf,
    /// The folder of weights that were delivered to models.
    #[serde(deserialize_with = "value::read_path")]
    pub(crate) cache_dir: PathBuf,
    /// Maximum size of these weights.
    pub(crate) cache_limit: Size,
    /// Maximum wait for the database.
    pub(crate) db_wait: Bound,
    driver_db_username: Option<String>,
    driver_db_password: Option<Secret>,
    migrations_db_username: Option<String>,
    migrations_db_password: Option<Secret>,
    /// Whether the registry may be changed.
    pub(crate) allow_model_server_runtime_changes: bool,
    /// Whether the log keeps hashes.
    pub(crate) hashes: bool,
    /// Whether a resident is used, and started where a model asks for one.
    pub(crate) serve: bool,
    /// The folder of the resident's socket and of locks for resources; `None` for the one of this user's session.
    #[serde(default, deserialize_with = "value::read_optional_path")]
    pub(crate) runtime_dir: Option<PathBuf>,
    /// What this machine has.
    #[serde(default)]
    pub(crate) resources: Resources,
    /// The name of this machine, which servers of the same one share.
    pub(crate) pool: Option<String>,
    /// The output format.
    pub(crate) output: Format,
    /// Whether times are read and shown in UTC.
    pub(crate) utc: bool,
    /// Whether questions are never asked.
    pub(crate) no_input: bool,
    /// Directives of the log.
    pub(crate) log: Option<String>,
    /// The format of diagnostics.
    pub(crate) log_format: LogFormat,
}

/// A user of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The user's name.
    pub(crate) username: String,
    /// The password, if the server needs one.
    pub(crate) password: Option<Secret>,
}

impl Settings {
    /// Returns the database's URL without passwords.
    #[cfg_attr(not(test), expect(dead_code, reason = "the layer below shows its own URLs"))]
    pub(crate) fn redacted_db(&self) -> String {
        mer_core::redacted_url(self.db.reveal())
    }

    /// Returns the user of every command but `migrate`; `None` if none is set, or if the URL names a user.
    pub(crate) fn driver_login(&self) -> Option<Login> {
        self.login(self.driver_db_username.as_ref(), self.driver_db_password.as_ref())
    }

    /// Returns the user of `migrate`; see [`Settings::driver_login`].
    pub(crate) fn migrations_login(&self) -> Option<Login> {
        self.login(self.migrations_db_username.as_ref(), self.migrations_db_password.as_ref())
    }

    /// Returns name and password of the user of `migrate`, empty if not set, whatever the URL says.
    pub(crate) fn migrations_owner(&self) -> (&str, &str) {
        let password = self.migrations_db_password.as_ref().map(Secret::reveal);
        (self.migrations_db_username.as_deref().unwrap_or_default(), password.unwrap_or_default())
    }

    fn login(&self, username: Option<&String>, password: Option<&Secret>) -> Option<Login> {
        let (_, rest) = self.db.reveal().split_once("://")?;
        let authority = rest.split('?').next().unwrap_or(rest);
        if authority.contains('@') {
            return None;
        }
        Some(Login { username: username?.clone(), password: password.cloned() })
    }
}
