//! `mer log`.

mod drain;
mod export;
mod filter;
mod list;
mod prune;
mod rows;
mod stats;
mod tail;

pub(super) use filter::{check_order, time_zone};
use mer_service::log::attempts;

use crate::{app::App, cli::LogVerb, errors::CliError, ui::Ui};

/// Does one command of the log. The journal is drained into the database first, so that the log is complete.
pub(crate) async fn log(app: &App, verb: &LogVerb, ui: Ui) -> Result<(), CliError> {
    match verb {
        LogVerb::List(args) => list::list(app, args, ui).await,
        LogVerb::Show(args) => {
            let attempts = attempts(&app.runtime, args.uid.as_deref()).await?;
            ui.show_all(&attempts)
        }
        LogVerb::Tail(args) => tail::tail(app, args, ui).await,
        LogVerb::Stats(args) => stats::stats(app, args, ui).await,
        LogVerb::Export(args) => export::export(app, args, ui).await,
        LogVerb::Prune(args) => prune::prune(app, args, ui).await,
        LogVerb::Drain(args) => drain::drain(app, args, ui).await,
    }
}
