//! Commands that change which models and servers there are, and what they have in common: leave, one transaction, and
//! the difference that they make.

mod apply;
mod diff;
mod model;
mod paths;
mod server;
mod unset;

use std::path::PathBuf;

use mer_core::{LOCAL_SERVER, Registry, RegistryError};
use mer_dal::Store;

pub(super) use apply::apply;
pub(super) use diff::{Difference, differences};
pub(super) use model::{add as add_model, remove as remove_model, set as set_model};
pub(super) use server::{add as add_server, remove as remove_server, set as set_server};

use crate::{
    app::App,
    cli::Typed,
    errors::CliError,
    registry_file::carriage_return,
    ui::{Format, Ui},
};

/// One piece of work in a session of its own, which is closed however it ends.
pub(super) async fn in_session<T>(
    app: &App,
    work: impl AsyncFnOnce(&Store) -> Result<T, CliError>,
) -> Result<T, CliError> {
    app.runtime.in_session(work).await
}

/// Changes one object. `make` gets what there is, and gives what is to be there in its place.
async fn change(
    app: &App,
    ui: Ui,
    typed: &Typed,
    make: impl FnOnce(&Registry) -> Result<Registry, CliError>,
) -> Result<(), CliError> {
    app.check_changes_allowed(typed)?;
    let differences = in_session(app, async |store| {
        let known = store.registry().await?;
        let mut wanted = make(&known)?;
        paths::settle(&mut wanted, &known, Some(&known), &here())?;
        check(&known, &wanted)?;
        store.apply_over(&known, &wanted).await?;
        Ok(differences(&known, &wanted))
    })
    .await?;
    tell(&differences, ui)
}

/// The working folder, in which relative paths begin. Where it is gone there is nothing to make them absolute with.
fn here() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

/// Checks what is to be there, with what there is.
fn check(known: &Registry, wanted: &Registry) -> Result<(), CliError> {
    const REFUSED: &str = "that cannot be registered";
    for odd in wanted.carriage_returns() {
        tracing::warn!("{}", carriage_return(&odd));
    }
    wanted.check(known).map_err(|error| {
        let refused = match error {
            // Wrong whatever else there is: it was typed so.
            RegistryError::Nul { .. }
            | RegistryError::Value { .. }
            | RegistryError::Variable { .. }
            | RegistryError::ServerTwice { .. } => CliError::usage(REFUSED),
            _ => CliError::config(REFUSED),
        };
        refused.caused_by(error)
    })
}

/// What was done to objects that were named on the command line.
fn tell(differences: &[Difference], ui: Ui) -> Result<(), CliError> {
    if ui.format() == Format::Json {
        return ui.objects(differences);
    }
    differences.iter().for_each(|difference| ui.note(&difference.sentence()));
    Ok(())
}

/// That a server of this name exists.
fn known_server(known: &Registry, name: &str) -> Result<(), CliError> {
    if name == LOCAL_SERVER || known.servers.contains_key(name) {
        return Ok(());
    }
    Err(CliError::not_found("server", name, known.servers.keys().map(String::as_str)))
}

/// That `add` was given a name that is taken.
fn taken(object: &str, name: &str, typed: &Typed) -> CliError {
    CliError::config(format!("there is a {object} `{name}` already"))
        .hint(format!("mer {}", typed.set_instead_of_add()))
}
