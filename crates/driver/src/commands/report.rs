//! `mer report`.

use jiff::Timestamp;
use mer_client::steer;
use mer_service::ByteSink as _;

use super::log::{check_order, time_zone};
use crate::{
    app::App,
    cli::ReportArgs,
    engine::database_location,
    errors::CliError,
    io::{OutputFile, Sink, file_for},
    ui::{Format, Ui},
};

/// Writes a page of the log's numbers, or the numbers as JSON.
pub(super) async fn report(app: &App, args: &ReportArgs, ui: Ui) -> Result<(), CliError> {
    let (now, zone) = (Timestamp::now(), time_zone(app, args.utc));
    let (since, until) = (args.since.timestamp(now, &zone)?, args.until.timestamp(now, &zone)?);
    check_order(since, until)?;
    // Without a resident, or where it does not answer, nothing is kept.
    let kept = match database_location(app) {
        Ok(location) => steer::processes(&location).await.unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let report = mer_service::log::report(&app.runtime, since, until, kept).await?;
    if let Some(output) = &args.output {
        let page = mer_report::page(&report, &zone);
        let mut sink = match file_for(Some(output)) {
            Some(file) => Sink::File(OutputFile::create_private(file).await?),
            None => Sink::stdout()?,
        };
        sink.write(page.into()).await?;
        sink.finish(true).await?;
    }
    match ui.format() {
        Format::Json => ui.json(&report),
        _ => Ok(()),
    }
}
