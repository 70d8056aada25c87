//! `mer config show`.

use crate::{config::Loaded, errors::CliError, ui::Ui};

/// Prints each setting's value and origin.
pub(crate) fn config_show(loaded: &Loaded, ui: Ui) -> Result<(), CliError> {
    ui.list(&loaded.setting_rows())
}
