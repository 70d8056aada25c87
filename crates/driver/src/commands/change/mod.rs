//! Commands that change the registry. Each needs the permission to do so, is one transaction, and prints the difference.

mod apply;
mod differences;
mod model;
mod process;
mod put;
mod server;

use std::path::PathBuf;

use mer_core::Registry;
use mer_service::registry::{self, Difference};

use self::differences::sentence;
pub(super) use apply::apply;
pub(super) use model::{add as add_model, remove as remove_model, set as set_model};
pub(super) use server::{add as add_server, remove as remove_server, set as set_server};

use crate::{
    app::App,
    cli::CommandLine,
    errors::CliError,
    ui::{Format, Ui},
};

/// Changes one object. `make` gets the registry, and returns the objects that are to be there instead.
async fn change(
    app: &App,
    ui: Ui,
    command_line: &CommandLine,
    make: impl FnOnce(&Registry) -> Result<Registry, CliError>,
) -> Result<(), CliError> {
    app.check_changes_allowed(command_line)?;
    print_differences(&registry::change(&app.runtime, &working_folder(), make).await?, ui)
}

/// The working folder, in which relative paths begin; empty where it was removed.
fn working_folder() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

/// Prints what was done to the objects of the command line.
fn print_differences(differences: &[Difference], ui: Ui) -> Result<(), CliError> {
    if ui.format() == Format::Json {
        return ui.objects(differences);
    }
    differences.iter().for_each(|difference| ui.note(&sentence(difference)));
    Ok(())
}

/// The failure of `add` with a name that is taken.
fn taken(object: &str, name: &str, command_line: &CommandLine) -> CliError {
    CliError::config(format!("there is a {object} `{name}` already"))
        .hint(format!("mer {}", command_line.set_instead_of_add()))
}
