//! The settings as the rest of the program takes them.

use std::path::PathBuf;

use mer_core::{Bound, Size};
use serde::Deserialize;

use super::{secret::Secret, value};
use crate::{logging::LogFormat, ui::Format};

/// Every setting, resolved. Paths are absolute.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database. May carry a password: show it by [`Settings::shown_db`] only.
    pub(crate) db: Secret,
    /// The folder of the embedded database and of the journal.
    #[serde(deserialize_with = "value::read_path")]
    pub(crate) data_dir: PathBuf,
    /// The folder of the REPL's history.
    #[serde(deserialize_with = "value::read_path")]
    pub(crate) state_dir: PathBuf,
    /// The folder of weights that models were given.
    #[serde(deserialize_with = "value::read_path")]
    pub(crate) cache_dir: PathBuf,
    /// How much room they may take.
    pub(crate) cache_limit: Size,
    /// How long to wait for a database.
    pub(crate) db_wait: Bound,
    driver_db_username: Option<String>,
    driver_db_password: Option<Secret>,
    migrations_db_username: Option<String>,
    migrations_db_password: Option<Secret>,
    /// Whether the registry may be changed.
    pub(crate) allow_model_server_runtime_changes: bool,
    /// Whether the log keeps hashes.
    pub(crate) hashes: bool,
    /// For whom output is written.
    pub(crate) output: Format,
    /// Whether never to ask.
    pub(crate) no_input: bool,
    /// Directives of the log.
    pub(crate) log: Option<String>,
    /// How diagnostics are written.
    pub(crate) log_format: LogFormat,
}

/// A user of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The name.
    pub(crate) username: String,
    /// The password; some servers need none.
    pub(crate) password: Option<Secret>,
}

impl Settings {
    /// The database as it may be shown.
    #[cfg_attr(not(test), expect(dead_code, reason = "the layer below shows its own URLs"))]
    pub(crate) fn shown_db(&self) -> String {
        mer_core::redacted_url(self.db.reveal())
    }

    /// The user of every command but `migrate`. None where nothing is set, or where the URL has a user of its own.
    pub(crate) fn driver_login(&self) -> Option<Login> {
        self.login(self.driver_db_username.as_ref(), self.driver_db_password.as_ref())
    }

    /// The user of `migrate`; see [`Settings::driver_login`].
    pub(crate) fn migrations_login(&self) -> Option<Login> {
        self.login(self.migrations_db_username.as_ref(), self.migrations_db_password.as_ref())
    }

    /// Name and password of the user of `migrate`, as far as they are set, whatever the URL says.
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
