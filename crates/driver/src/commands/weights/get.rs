//! `mer weights get`.

use std::io::{self, IsTerminal as _};

use mer_core::WeightsFormat;
use mer_service::weights;

use super::version_view::VersionView;
use crate::{
    app::App,
    cli::WeightsGetArgs,
    errors::CliError,
    io::{OutputFile, Sink, file_for},
    ui::{Format, Ui},
};

/// Writes the bytes of a version.
pub(super) async fn get(app: &App, args: &WeightsGetArgs, ui: Ui) -> Result<(), CliError> {
    let named = weights::version(&app.runtime, &args.selector).await?;
    let format = args.format.unwrap_or(named.version.format);
    let file = file_for(args.output.as_ref());
    if file.is_none() && format != WeightsFormat::Json && io::stdout().is_terminal() {
        return Err(CliError::usage("weights are bytes, and standard output is a terminal")
            .hint("write them to a file: `-o FILE`"));
    }
    let reader = weights::Reader::new(&named.version, format)?;
    let mut sink = match file {
        Some(file) => Sink::File(OutputFile::create(file).await?),
        None => Sink::stdout()?,
    };
    reader.write_to(&app.runtime, &mut sink).await?;
    sink.finish(true).await?;
    match ui.format() {
        Format::Json if args.output.is_some() => ui.json(&VersionView::new(named)),
        _ => Ok(()),
    }
}
