//! `mer weights`.

mod alias;
mod get;
mod list;
mod progress;
mod put;
mod remove;
mod show;
mod version_view;

pub(in crate::commands) use progress::progress;
pub(super) use version_view::VersionView;

use crate::{
    app::App,
    cli::{CommandLine, WeightsVerb},
    errors::CliError,
    io::Origin,
    ui::Ui,
};

/// Lists, shows, puts, gets, names, removes, clears away.
pub(super) async fn weights(
    app: &App,
    verb: &WeightsVerb,
    ui: Ui,
    command_line: &CommandLine,
    origin: Origin,
) -> Result<(), CliError> {
    match verb {
        WeightsVerb::List(args) => list::list(app, args, ui).await,
        WeightsVerb::Show(args) => show::show(app, args, ui).await,
        WeightsVerb::Put(args) => put::put(app, args, ui, command_line, origin).await,
        WeightsVerb::Get(args) => get::get(app, args, ui).await,
        WeightsVerb::Alias(args) => alias::alias(app, args, ui, command_line).await,
        WeightsVerb::Remove(args) => remove::remove(app, args, ui, command_line).await,
        WeightsVerb::Gc(args) => remove::gc(app, args, ui).await,
    }
}
