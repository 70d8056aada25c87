//! What the scripts that start a database want to know of the settings.

use std::io::{self, IsTerminal as _};

use crate::{config::Loaded, errors::CliError, ui::Ui};

/// Tells name and password of the owner that a new database gets, each with a zero byte behind it, and only through a pipe:
/// the scripts read the settings by the one reader that there is, and no password is seen on a terminal.
pub(crate) fn owner(loaded: &Loaded, ui: Ui) -> Result<(), CliError> {
    if io::stdout().is_terminal() {
        return Err(CliError::usage("this is for scripts, and has a password in it: it does not go to a terminal"));
    }
    let (name, password) = loaded.settings.migrations_owner();
    ui.data(format!("{name}\0{password}\0").as_bytes())
}
