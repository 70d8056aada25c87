//! `mer log`.

use jiff::Timestamp;
use mer_core::{Selector, Which};
use mer_dal::{AccessFilter, DrainReport};
use mer_service::{
    log::{self, AccessReader},
    weights,
};
use serde::Serialize;

use crate::{
    app::App,
    cli::{LogDrainArgs, LogListArgs, LogVerb, selector},
    errors::CliError,
    ui::{Format, Ui, counted},
};

/// Lists or shows accesses. The journal is drained into the database first, so that the list is complete.
pub(crate) async fn log(app: &App, verb: &LogVerb, ui: Ui) -> Result<(), CliError> {
    match verb {
        LogVerb::List(args) => list(app, args, ui).await,
        LogVerb::Show(args) => {
            let attempts = log::attempts(&app.runtime, args.uid.as_deref()).await?;
            attempts.iter().try_for_each(|access| ui.show(access))
        }
        LogVerb::Drain(args) => drain(app, args, ui).await,
    }
}

async fn list(app: &App, args: &LogListArgs, ui: Ui) -> Result<(), CliError> {
    let selector = args.model.as_deref().map(selector).transpose()?;
    let version = match &selector {
        Some(Selector { which: Which::Version(version), .. }) => Some(*version),
        // The version that the alias means now.
        Some(named @ Selector { which: Which::Alias(_), .. }) => {
            Some(weights::version(&app.runtime, named).await?.version.version)
        }
        _ => None,
    };
    let filter = AccessFilter {
        limit: args.limit,
        model: selector.map(|selector| selector.model),
        version,
        batch: args.batch,
        since: args.since.map(|since| since.moment(Timestamp::now())),
        kinds: args.kinds(),
    };
    let mut reader = AccessReader::new(&app.runtime, filter);
    let mut rows = ui.begin_list();
    while let Some(accesses) = reader.next().await? {
        rows.add(&accesses)?;
    }
    Ok(())
}

/// The JSON of a drain.
#[derive(Debug, Serialize)]
struct Drained {
    recorded: usize,
    lost: usize,
    refused: usize,
    corrupt: usize,
}

/// Moves the journal into the database, also what was recorded for the database at another address.
async fn drain(app: &App, args: &LogDrainArgs, ui: Ui) -> Result<(), CliError> {
    let DrainReport { recorded, lost, refused, corrupt, .. } = log::drain(&app.runtime, args.from.clone()).await?;
    if ui.format() == Format::Json {
        return ui.json(&Drained { recorded, lost, refused, corrupt });
    }
    ui.note(&format!("moved {} into the database", counted(recorded as u64, "record")));
    Ok(())
}
