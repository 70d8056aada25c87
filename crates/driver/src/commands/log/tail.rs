//! `mer log tail`.

use mer_dal::AccessFilter;
use mer_service::log::Follower;

use super::{filter, screen_row::AccessRows};
use crate::{app::App, cli::LogTailArgs, errors::CliError, ui::Ui};

/// Shows the newest accesses, and with `-f` goes on with those that begin and end.
pub(super) async fn tail(app: &App, args: &LogTailArgs, ui: Ui) -> Result<(), CliError> {
    let filter = AccessFilter { limit: args.limit, ..filter::recent(app, &args.filter, ui).await? };
    let (mut follower, newest) = Follower::begin(&app.runtime, filter).await?;
    let mut rows = AccessRows::begin(ui, filter::time_zone(app, args.filter.utc));
    rows.add(&newest)?;
    if !args.follow {
        return Ok(());
    }
    loop {
        let changed = follower.next().await?;
        if !changed.is_empty() {
            rows.add(&changed)?;
        }
    }
}
