//! `mer log list`.

use mer_core::Access;
use mer_dal::AccessFilter;
use mer_service::log::{AccessReader, CsvLines};

use super::filter;
use crate::{app::App, cli::LogListArgs, errors::CliError, ui::Ui};

/// Lists accesses.
pub(super) async fn list(app: &App, args: &LogListArgs, ui: Ui) -> Result<(), CliError> {
    let filter = AccessFilter { limit: args.limit, ..filter::recent(app, &args.filter, ui).await? };
    let mut reader = AccessReader::new(&app.runtime, filter);
    if args.csv {
        let mut lines = CsvLines::of_accesses();
        while let Some(accesses) = reader.next().await? {
            accesses.iter().for_each(|access| lines.access(access));
            ui.data(&lines.take())?;
        }
        return ui.data(&lines.take());
    }
    let mut rows = ui.with_utc(filter::is_utc(app, args.filter.utc)).begin_list();
    loop {
        tokio::select! {
            biased;
            left = rows.unwanted() => {
                left?;
                break;
            }
            accesses = reader.next() => match accesses? {
                Some(accesses) => rows.add(&accesses)?,
                // The head of a table without rows.
                None => {
                    rows.add::<Access>(&[])?;
                    break;
                }
            },
        }
    }
    rows.finish()
}
