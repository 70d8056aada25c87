//! `mer log export`.

use mer_service::log::{self, ExportFormat, ExportRequest, Exported};

use super::filter;
use crate::{
    app::App,
    cli::LogExportArgs,
    errors::CliError,
    io::{OutputFile, Sink, file_for},
    ui::{Format, Ui, counted},
};

/// Writes accesses to a file or to standard output.
pub(super) async fn export(app: &App, args: &LogExportArgs, ui: Ui) -> Result<(), CliError> {
    let filter = filter::whole(app, &args.filter).await?;
    let format = if args.csv { ExportFormat::Csv } else { ExportFormat::JsonLines };
    let file = file_for(args.output.as_ref());
    let mut sink = match file {
        Some(file) => Sink::File(OutputFile::create_private(file).await?),
        None => Sink::stdout()?,
    };
    let request = ExportRequest { format, filter, after: args.after };
    let exported = log::export(&app.runtime, request, &mut sink).await?;
    sink.finish(true).await?;
    if ui.format() == Format::Json && file.is_some() {
        return ui.json(&exported);
    }
    let Exported { rows, bytes, sha256, last_uid } = exported;
    let rows = counted(rows, "access");
    let next = last_uid.map(|uid| format!("; the next export begins with `--after {uid}`")).unwrap_or_default();
    ui.note(&format!("{rows}, {}, sha256 {sha256}{next}", counted(bytes, "byte")));
    Ok(())
}
