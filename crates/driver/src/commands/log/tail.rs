//! `mer log tail`.

use mer_dal::AccessFilter;
use mer_service::log::Follower;

use super::filter;
use crate::{app::App, cli::LogTailArgs, errors::CliError, ui::Ui};

/// Shows the newest accesses, and with `-f` goes on with those that begin and end.
pub(super) async fn tail(app: &App, args: &LogTailArgs, ui: Ui) -> Result<(), CliError> {
    let filter = AccessFilter { limit: args.limit, ..filter::recent(app, &args.filter, ui).await? };
    let (mut follower, newest) = Follower::begin(&app.runtime, filter).await?;
    // The newest rows are the last ones, where a terminal shows them without a pager.
    let mut rows = ui.with_utc(filter::is_utc(app, args.filter.utc)).without_pager().begin_list();
    rows.add(&newest)?;
    if !args.follow {
        return rows.finish();
    }
    loop {
        let changed = tokio::select! {
            changed = follower.next() => changed?,
            gone = ui.reader_gone() => return gone,
        };
        if !changed.is_empty() {
            rows.add(&changed)?;
        }
    }
}
