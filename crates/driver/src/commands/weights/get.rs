//! `mer weights get`.

use std::io::{self, IsTerminal as _};

use bytes::Bytes;
use mer_core::WeightsFormat;
use mer_dal::Download;
use mer_weights::Converter;

use super::{find, version_view::Told};
use crate::{
    app::App,
    cli::WeightsGetArgs,
    errors::CliError,
    io::{OutputFile, Sink, file_for},
    ui::{Format, Ui},
};

/// Writes the bytes of a version.
pub(super) async fn get(app: &App, args: &WeightsGetArgs, ui: Ui) -> Result<(), CliError> {
    let (version, aliases) = find::version(app, &args.selector).await?;
    let format = args.format.unwrap_or(version.format);
    let file = file_for(args.output.as_ref());
    if file.is_none() && format != WeightsFormat::Json && io::stdout().is_terminal() {
        return Err(CliError::usage("weights are bytes, and standard output is a terminal")
            .hint("write them to a file: `-o FILE`"));
    }
    let mut converter = None;
    if format != version.format {
        let shape = version.shape.as_deref();
        converter = Some(Converter::new(version.format, format, version.dtype, shape, version.bytes)?);
    }
    let mut sink = match file {
        Some(file) => Sink::File(OutputFile::create(file).await?),
        None => Sink::stdout()?,
    };
    let mut download = Download::new(app.runtime.database(), &version);
    while let Some(bytes) = download.next().await? {
        let bytes = match &mut converter {
            None => bytes,
            Some(converter) => {
                let mut out = Vec::with_capacity(bytes.len());
                converter.feed(&bytes, &mut out)?;
                Bytes::from(out)
            }
        };
        // A reader may be slow.
        download.waiting(sink.put(bytes)).await??;
    }
    if let Some(converter) = converter {
        let mut out = Vec::new();
        converter.finish(&mut out)?;
        sink.put(out.into()).await?;
    }
    sink.finish(true).await?;
    match ui.format() {
        Format::Json if args.output.is_some() => ui.json(&Told::new(version, aliases)),
        _ => Ok(()),
    }
}
