//! `mer export`.

use mer_service::{registry, registry_file, transfer};

use crate::{
    app::App,
    cli::ExportArgs,
    errors::CliError,
    io::{OutputFile, Sink, file_for},
    ui::Ui,
};

/// Writes the registry as a file that `mer apply` reads, or everything as one that `mer import` reads.
pub(super) async fn export(app: &App, args: &ExportArgs, ui: Ui) -> Result<(), CliError> {
    if args.all {
        let mut sink = match file_for(args.output.as_ref()) {
            Some(file) => Sink::File(OutputFile::create_private(file).await?),
            None => Sink::stdout()?,
        };
        transfer::export(&app.runtime, &mut sink).await?;
        return sink.finish(true).await.map(|_| ());
    }
    let text = registry_file::write(&registry::read(&app.runtime).await?)?;
    let Some(file) = file_for(args.output.as_ref()) else { return ui.data(text.as_bytes()) };
    let mut sink = Sink::File(OutputFile::create_private(file).await?);
    sink.put(text.into()).await?;
    sink.finish(true).await.map(|_| ())
}
